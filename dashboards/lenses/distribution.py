"""The distribution of a measure over time; a box over it asks in what the sessions in it differ from the rest."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards.charts.distribution import apart, heatmap
from dashboards.components import card, chart, colours, missing
from dashboards.differences import differences
from dashboards.distribution import MEASURES, Sessions, cells, grain_of
from dashboards.formats import named, span, titled
from dashboards.lenses.question import DRILLED, Question, forget
from dashboards.lenses.trend import bands_of
from dashboards.lenses.values import narrow
from dashboards.session_queries import session_sample
from dashboards.window import Box, box_of, dragged_box
from metrics.catalog import get_metric

__all__ = ["distribution", "measure_for"]

_MOST_VALUES = 12


def measure_for(metric: str) -> str:
    """The measure of a session that stands behind a metric.

    >>> measure_for("rebuffer_ratio"), measure_for("time_to_play_p99_ms")
    ('rebuffer_share', 'startup')
    """
    for part, name in (
        ("rebuffer_rat", "rebuffer_share"), ("stall", "stalled"), ("bitrate", "bitrate"), ("hours", "playing"),
        ("browse", "browsing"), ("find", "browsing"),
    ):  # fmt: skip
        if part in metric:
            return name
    return "startup"


def distribution(question: Question) -> None:
    """Draw the heatmap, and beside it what differs."""
    chosen = st.segmented_control(
        "Measure", list(MEASURES), default=measure_for(question.metric.name), required=True, key="dist",
        format_func=lambda name: MEASURES[name].title, bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    name = chosen or "startup"
    with st.spinner("Reading sessions …", show_time=False):
        sample = session_sample(question.source, question.window, question.where)
    found = cells(sample, name, question.window)
    if found.is_empty():
        with card(MEASURES[name].title):
            missing(
                f"No session of this slice tells {MEASURES[name].title.lower()}.",
                "Choose another measure, widen the period or clear a filter.",
            )
        return
    box = box_of(st.query_params.get("box"))
    if box is not None:  # of another measure's buckets, it may lie beyond this one's
        last = min(box.last, MEASURES[name].size - 1)
        box = Box(box.window, box.first, last) if box.first <= last else None
    left, right = st.columns([8, 6])
    with left:
        _heatmap(question, sample, name, found, box)
    with right:
        _differences(question, sample, name, box)


def _heatmap(question: Question, sample: Sessions, name: str, found: pl.DataFrame, box: Box | None) -> None:
    measure, window = MEASURES[name], question.window
    grain = grain_of(window.length_ms)
    limit = get_metric(measure.metric).limit
    row = measure.edges.index(limit) + measure.has_none if limit in measure.edges else None
    read = f"{len(sample):,} sessions" + (f", every {_nth(sample.every)}" if sample.every > 1 else "")
    key = f"heatmap-{name}"

    def boxed() -> None:
        """A drag: the box goes to the address, in whole columns and rows."""
        dragged = dragged_box(st.session_state[key], measure.size)
        inside = dragged.window.outwards(grain).within(window) if dragged else None
        if dragged is not None and inside is not None:
            st.query_params["box"] = str(Box(inside, dragged.first, dragged.last))

    with card(f"{measure.title}, distribution over time", read, of=(measure.metric,)):
        figure = heatmap(
            found, colours(), labels=[measure.label(i) for i in range(measure.size)], ticks=measure.ticks(),
            grain_ms=grain, has_none=measure.has_none, limit=row, bands=bands_of(question),
            box=None if box is None else (box.window.start_ts_ms, box.window.end_ts_ms, box.first, box.last),
        )  # fmt: skip
        told = found.with_columns(
            value=pl.Series([measure.label(i) for i in found["bucket"]], dtype=pl.String)
        )
        chart(
            figure, f"Distribution of {measure.title.lower()} over time", told, key=key, on_select=boxed,
            caption=f"Share of a column's sessions by {measure.title.lower()}, logarithmic; a column is "
            f"{_grain(grain)}, UTC, by the session's end. Drag a box to ask what is different in it.",
        )  # fmt: skip


def _differences(question: Question, sample: Sessions, name: str, box: Box | None) -> None:
    measure = MEASURES[name]
    if box is None:
        with card("What is different?"):
            st.markdown(
                "Drag a box over the heatmap: a hot spot, a second band, the tail of one evening. "
                "Every value of every dimension is then ranked by how much more common it is inside the box than "
                "outside."
            )
            late = _tail(question, measure.title, name)
            if late is not None:
                st.button(
                    late[0], icon=":material/highlight_alt:", on_click=_select, args=(late[1],), key="tail"
                )
        return
    inside = sample.inside(name, box)
    known = measure.bucket(sample.values[name]) >= 0
    rows = differences(sample, inside, among=known)
    sure = rows.filter(pl.col("sure") != 0)
    about = f"{measure.span(box.first, box.last)}, {span(box.window.start_ts_ms, box.window.end_ts_ms)} UTC"
    with card("What is different in the box", f"{int(inside.sum()):,} sessions", of=("share_difference",)):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.button(
                about, icon=":material/close:", type="tertiary", key="unbox", on_click=forget, args=("box",),
                help="Forget the box",
            )  # fmt: skip
        if sure.is_empty():
            missing(
                "Nothing in which these sessions surely differ from the rest."
                if rows.height else "Too few sessions, inside the box or outside.",
                "Draw a larger box, or one over what looks odd.",
            )  # fmt: skip
            return
        top = sure.head(_MOST_VALUES)
        labelled = top.with_columns(
            label=pl.Series(
                [f"{titled(d)} · {named(v)}" for d, v in top.select("dimension", "value").rows()]
            ),
            half=(pl.col("high") - pl.col("low")) / 2,
        )
        chart(
            apart(labelled, colours()), "Values that are more or less common inside the box than outside", rows,
            key="apart", caption=f"Share of the box (filled) against the rest (hollow). {sure.height} of {rows.height} "
            "values differ surely: 90 % intervals for all at once, by jackknife over subscribers.",
        )  # fmt: skip
        _narrow_buttons(question, top)


def _narrow_buttons(question: Question, top: pl.DataFrame) -> None:
    more = top.filter(
        pl.col("dimension").is_in(DRILLED) & (pl.col("difference") > 0) & pl.col("value").is_not_null()
    )
    with st.container(horizontal=True, gap="xsmall"):
        for dimension, value in more.select("dimension", "value").head(3).rows():
            st.button(
                f"{titled(dimension)}: {named(value)}", icon=":material/filter_alt:", key=f"narrow-{dimension}-{value}",
                on_click=narrow, args=({dimension: value}, None), help="Look at this slice alone",
            )  # fmt: skip


def _tail(question: Question, title: str, name: str) -> tuple[str, Box] | None:
    """What a reader would most likely ask first: the sessions beyond the promise."""
    measure = MEASURES[name]
    limit = get_metric(measure.metric).limit
    if limit in measure.edges:
        first = measure.edges.index(limit) + 1 + measure.has_none
        return f"{title} of {measure.label(first).split(' to ')[0]} and more", Box(
            question.window, first, measure.size - 1
        )
    if measure.has_none:
        return "Sessions that have any", Box(question.window, 1, measure.size - 1)
    return None


def _select(box: Box) -> None:
    st.query_params["box"] = str(box)


def _grain(grain_ms: int) -> str:
    hours = grain_ms / 3_600_000
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hour{'s' if hours > 1 else ''}" if hours < 48 else f"{hours / 24:.0f} days"


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th") + " read"
