"""How far each table of a lake reaches, from the days its files stand under: no row is read for it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import streamlit as st

from dashboards.queries import Source
from metrics.lake import Lake

__all__ = ["last_days"]


@st.cache_data(show_spinner=False, max_entries=4)
def last_days(source: Source) -> dict[str, date]:
    """The last UTC day that each table has rows of; tables that are empty, or of no day, are left out."""
    lake = Lake.open(Path(source.path))
    found = {}
    for name in lake.tables():
        days = re.findall(r"day=(\d{4}-\d\d-\d\d)/", "\n".join(lake.snapshot(name).files))
        if days:
            found[name] = date.fromisoformat(max(days))
    return found
