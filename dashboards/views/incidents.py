"""Incidents: what went wrong and when, which slice explains it, whose delivery it was."""

from __future__ import annotations

import streamlit as st

from dashboards.components import footer, view

source, filters = view()

footer(source, filters, st.session_state["_span"])
