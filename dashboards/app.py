"""The frame of the application: navigation, the lake, the filter row; then the page."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from dashboards.access import reader, sign_out
from dashboards.ahead import load_ahead
from dashboards.components import colours, guarded, manners, wordmark
from dashboards.context import lake_path
from dashboards.filters import filter_row
from dashboards.first_minute import first_minute
from dashboards.queries import Source
from dashboards.warm import warm
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
        ("incidents", "Incidents", "crisis_alert", "What went wrong and when, which slice explains it, whose fault."),
    ),
    "Service": (
        ("delivery", "Delivery", "lan", "Tiers, offload, misses, the fill window, utilisation, steering."),
        ("discovery", "Discovery", "explore", "Whether members find something, how soon, and what brings it."),
        ("experiments", "Experiments", "science", "Arms side by side: effects, intervals, power, sample ratio."),
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
                f"views/{name}.py",
                title=title,
                icon=f":material/{icon}:",
                default=name == "overview",
                help=about,
            )
            for name, title, icon, about in pages
        ]
        for section, pages in PAGES.items()
    }
)

st.logo(wordmark(colours()), size="large")

manners()
is_served = "--warm" in sys.argv  # and no test of a page
if is_served:
    load_ahead()
with guarded(page.title):
    who = reader()
    sign_out(who)
    lake = Lake.open(lake_path())
    source = Source(str(lake.path), lake.version(), who.sees_finance)
    span = source.span()
    if span is None:
        first_minute(lake, may_write=who.name is None)
        st.stop()
    filters = filter_row(span, source.options(), page.title)
    st.session_state["_view"] = (source, filters)
    st.session_state["_span"] = span
    page.run()
    if is_served:
        warm(source, filters)
