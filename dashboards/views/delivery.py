"""Delivery: where bytes come from, what missed and why, the nightly fill, how full appliances are."""

from __future__ import annotations

import streamlit as st

from dashboards.components import footer, view

source, filters = view()

footer(source, filters, st.session_state["_span"])
