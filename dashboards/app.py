"""The frame of the application: navigation, the lake, the filter row; then the page."""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st

from dashboards.components import colours, empty_lake, wordmark
from dashboards.context import lake_path
from dashboards.filters import filter_row
from dashboards.queries import Source
from metrics.errors import PlayheadError
from metrics.lake import Lake

st.set_page_config(
    page_title="Playhead", page_icon=str(Path(__file__).with_name("favicon.svg")), layout="wide"
)

# Three questions, in the order they are asked: is the promise kept, what do viewers do, what is it worth.
PAGES = {
    "Promise": (
        ("overview", "Overview", "dashboard", "Is the promise kept, what moved the north star, where it is worst."),
        ("explore", "Explore", "travel_explore", "Any metric by any dimension, worst first; down to a session."),
        ("objectives", "Objectives", "target", "What was promised, how much budget is left, when alerts fired."),
        ("incidents", "Incidents", "crisis_alert", "What went wrong and when, which slice explains it, whose delivery it was."),
    ),
    "Service": (
        ("delivery", "Delivery", "lan", "Tiers, offload, misses, the fill window, utilisation, steering."),
        ("discovery", "Discovery", "explore", "Whether members find something, how soon, and what brings it."),
    ),
    "Worth": (
        ("economics", "Economics", "payments", "What an hour of viewing costs; where an own CDN and AV1 pay."),
        ("trust", "Trust", "verified", "What the figures stand on: ledger, checks, freshness, definitions."),
    ),
}  # fmt: skip

page = st.navigation(
    {
        section: [
            st.Page(
                f"views/{name}.py", title=title, icon=f":material/{icon}:", default=name == "overview", help=about
            )
            for name, title, icon, about in pages
        ]
        for section, pages in PAGES.items()
    }
)

st.logo(wordmark(colours()), size="large")

try:
    lake = Lake.open(lake_path())
    source = Source(str(lake.path), lake.version())
    span = source.span()
    if span is None:
        empty_lake()
        st.stop()
    filters = filter_row(span, source.options(), page.title)
    st.session_state["_view"] = (source, filters)
    st.session_state["_span"] = span
    page.run()
except PlayheadError as error:
    # One line: what, where by name, the mend. Paths of the machine are not shown to a reader.
    st.error(f"{error.what}. {error.mend}".strip(), title="This lake cannot be read", icon=":material/error:")
except Exception:
    # A fault of ours: the reader gets one line, whoever runs the server gets the trace.
    logging.getLogger("playhead").exception("the page %s failed", page.title)
    st.error(
        "The terminal that serves the dashboard has the details.",
        title="This page could not be drawn",
        icon=":material/error:",
    )
