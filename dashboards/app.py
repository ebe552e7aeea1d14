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

page = st.navigation(
    [
        st.Page(
            "views/overview.py", title="Overview", icon=":material/dashboard:", default=True,
            help="Is the promise kept, what moved the north star, where it is worst.",
        ),
        st.Page(
            "views/explore.py", title="Explore", icon=":material/travel_explore:",
            help="Any metric by any dimension, worst first; down from region to ISP.",
        ),
        st.Page(
            "views/objectives.py", title="Objectives", icon=":material/target:",
            help="What was promised, how much of the budget is left, when alerts fired.",
        ),
        st.Page(
            "views/incidents.py", title="Incidents", icon=":material/crisis_alert:",
            help="What went wrong and when, which slice explains it, whose delivery it was.",
        ),
        st.Page(
            "views/delivery.py", title="Delivery", icon=":material/lan:",
            help="Where bytes come from, what missed and why, the nightly fill, how full appliances are.",
        ),
        st.Page(
            "views/discovery.py", title="Discovery", icon=":material/explore:",
            help="Whether members find something, how soon, what brings it; arms of experiments.",
        ),
        st.Page(
            "views/economics.py", title="Economics", icon=":material/payments:",
            help="What an hour of viewing costs; where an own CDN and AV1 pay.",
        ),
        st.Page(
            "views/trust.py", title="Trust", icon=":material/verified:",
            help="What the figures stand on: the ledger, checks, freshness, definitions.",
        ),
    ]
)  # fmt: skip

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
