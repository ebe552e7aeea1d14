"""Explore: any metric by any dimensions, down from region to ISP to site to one session."""

from __future__ import annotations

import streamlit as st

from dashboards.components import footer, view
from dashboards.formats import escaped, named, titled
from dashboards.lenses import Question, by_value, distribution, over_time, places, sessions
from dashboards.lenses.question import DRILLED, forget
from dashboards.window import Window, window_of
from metrics.catalog import METRICS, get_metric
from metrics.parts import dimensions_of

DIMENSIONS = ("region", "isp", "site", "country", "device", "os", "player_version", "codec", "cdn", "surface", "tier",
              "miss_class", "service")  # fmt: skip
LENSES = {"values": "By value", "distribution": "Distribution", "map": "Map", "sessions": "Sessions"}

source, filters = view()

# --- what is asked ----------------------------------------------------------------------------------------

site = st.query_params.get("site")
sited = (("site", (site,)),) if site else ()
names = [
    name for name in METRICS if filters.tells(name, *(["site"] if site else [])) and source.may_see(name)
]
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    name = st.selectbox(
        "Metric",
        names,
        index=names.index("time_to_play_p99_ms") if "time_to_play_p99_ms" in names else 0,
        format_func=lambda n: METRICS[n].title,
        key="metric",
        bind="query-params",
        width=300,
    )
    metric = get_metric(name)
    told = [d for d in DIMENSIONS if filters.tells(name, d) and d in dimensions_of(metric.numerator.table)]
    # A way down sets what is looked at by: a default beside it would be said twice.
    by = st.multiselect(
        "by", told, default=None if "by" in st.session_state else told[:1],
        format_func=titled, key="by", bind="query-params", max_selections=3, width=300,
        disabled=not told, placeholder="any dimensions",
    )  # fmt: skip
    lens = st.segmented_control(
        "Look", list(LENSES), default="values", required=True, format_func=lambda n: LENSES[n], key="lens",
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip

# --- where we are -----------------------------------------------------------------------------------------

path = [(dimension, values[0]) for dimension, values in filters.where if len(values) == 1]
path = sorted(path, key=lambda step: DRILLED.index(step[0]) if step[0] in DRILLED else 9)
if site:
    path.insert(sum(dimension in ("region", "isp") for dimension, _ in path), ("site", site))


def step_up(level: int) -> None:
    """Leave the steps of the path from ``level`` on, and look at its dimension again."""
    for dimension, _ in path[level:]:
        if dimension == "site":
            forget("site")
        else:
            st.session_state[dimension] = []
    forget("session", "box")
    st.session_state["by"] = [path[level][0]]


if path or st.query_params.get("session"):
    with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center"):
        if path:
            st.button(
                "All", type="tertiary", key="up-all", on_click=step_up, args=(0,), help="Leave the slice"
            )
        for level, (dimension, value) in enumerate(path):
            is_last = level == len(path) - 1
            st.caption("›", width="content")
            st.button(
                f":gray[{titled(dimension)}] {escaped(named(value))}",
                type="tertiary",
                key=f"up-{dimension}",
                on_click=step_up,
                args=(level if is_last else level + 1,),
                icon=":material/close:" if is_last else None,
                help=f"Back to all, by {titled(dimension)}" if is_last else "Back to here",
            )
        if st.query_params.get("session") and lens == "sessions":
            st.caption(f"› session {escaped(st.query_params['session'])}", width="content")

# --- the question, over time, then through the lens -------------------------------------------------------

period = Window(filters.period.start_ts_ms, filters.period.end_ts_ms)
brush = window_of(st.query_params.get("brush"))
brush = brush.within(period) if brush else None
question = Question(
    source, filters, metric, tuple(by or told[:1]), filters.where + sited, brush or period, is_brushed=brush is not None
)  # fmt: skip
overall = over_time(question)
if lens == "distribution":
    distribution(question)
elif lens == "map":
    places(question, overall)
elif lens == "sessions":
    sessions(question)
else:
    by_value(question, overall)

if (every := source.sampled((name,), question.window, question.where, question.by)) > 1:
    st.caption(
        f"No sum tells this cut, and rows are too many for a page: figures and rows are of every {every}th session. "
        "`playhead metrics` reads all."
    )
footer(source, filters, st.session_state["_span"], (name,))
