"""The metric over time, with a brush."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import streamlit as st

from dashboards.bands import page_bands
from dashboards.charts import Band, trend
from dashboards.charts.brush import brushable, marked
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, missing
from dashboards.formats import change, span, written
from dashboards.lenses.question import Question, forget
from dashboards.segments import objectives_of
from dashboards.window import Window, dragged_window
from metrics.period import DAY_MS

__all__ = ["bands_of", "grain_of", "over_time"]

_HOURLY_DAYS = 3
_HOUR_MS = 3_600_000


def over_time(question: Question) -> float | None:
    """Draw it; the metric's value in the window."""
    metric, source, where = question.metric, question.source, question.where
    name = metric.name
    now = source.measure((name,), question.window, where=where, intervals=True)
    before = source.measure((name,), question.versus, where=where) if question.versus else None
    value = now["value"][0] if now.height else None
    old = before["value"][0] if before is not None and before.height else None
    with card(
        metric.title,
        metric.unit,
        of=(name,),
    ):
        low, high = (now["low"][0], now["high"][0]) if now.height else (None, None)
        tone = "gray"
        if (
            value is not None
            and old is not None
            and low is not None
            and abs(value - old) > (high - low) / 2 > 0
        ):
            tone = "red" if (value > old) == (metric.better == "lower") else "green"
        words = []
        if old is not None:
            words.append(f":{tone}[{change(metric, value, old)} against the period before]")
        if low != high:
            words.append(f":gray[90 %: {written(metric, low)} to {written(metric, high)}]")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"### {written(metric, value)} :small[{' · '.join(words)}]", width="content")
            _window_chips(question)
        _figure(question, value)
    return float(value) if value is not None else None


def grain_of(question: Question) -> str:
    """Hours where the period is short and the metric is known by the hour; else days."""
    metric = question.metric
    tables = {part.table for part in metric.parts}
    is_daily = "day" in metric.clock or tables & {"charge", "membership", "fill"}
    return "1h" if question.filters.period.days <= _HOURLY_DAYS and not is_daily else "1d"


def bands_of(question: Question) -> list[Band]:
    """Pages of the objectives that watch the metric, close ones joined."""
    watched = objectives_of(question.metric.name)
    if not watched:
        return []
    return page_bands(question.source, question.filters.period, question.where, watched)


def _figure(question: Question, value: float | None) -> None:
    metric, source, period = question.metric, question.source, question.period
    grain = grain_of(question)
    series = source.measure((metric.name,), period, where=question.where, grain=grain)
    line = series.select(ts_ms="bucket_ts_ms", value="value")
    if line["value"].is_null().all():
        missing(
            "No value in this period and slice.",
            "Widen the period or clear a filter; what the telemetry does not tell is on the page Trust.",
        )
        return
    dashed = None
    versus = question.filters.versus
    if versus is not None:
        past = source.measure((metric.name,), versus, where=question.where, grain=grain)
        dashed = past.select(
            ts_ms=pl.col("bucket_ts_ms") + period.start_ts_ms - versus.start_ts_ms, value="value"
        )
    bands = bands_of(question)
    palette = colours()
    figure = trend(
        line, palette, axis=axis_of(metric.format), name=metric.title, previous=dashed, limit=metric.limit,
        bands=bands, view=(period.start_ts_ms, period.end_ts_ms), height=230,
    )  # fmt: skip
    if question.is_brushed:
        marked(figure, palette, (question.window.start_ts_ms, question.window.end_ts_ms))
    parts = [f"by {'hour' if grain == '1h' else 'day'}, UTC"]
    parts += ["dashed: the period before"] if dashed is not None else []
    parts += ["dotted: promised"] if metric.limit is not None else []
    parts += ["shaded: pages of its objectives"] if bands else []
    key = f"trend-{metric.name}"
    grain_ms = _HOUR_MS if grain == "1h" else DAY_MS

    def brushed() -> None:
        """A drag: the span, widened to whole buckets, goes to the address."""
        window = dragged_window(st.session_state[key])
        window = window.outwards(grain_ms).within(period) if window else None
        if window is not None:
            forget("box", "session")
            st.query_params["brush"] = str(window)

    chart(
        brushable(figure, palette),
        f"{metric.title} over time, {written(metric, value)} in {_span(question.window)}",
        line, key=key, caption=f"{metric.title} {'; '.join(parts)}. Drag over it to look at a span.",
        on_select=brushed,
    )  # fmt: skip


def _window_chips(question: Question) -> None:
    if not question.is_brushed:
        return
    window = question.window

    def whole() -> None:
        forget("brush", "box", "session")

    def settle() -> None:
        """The span becomes the period of every page."""
        forget("brush")
        st.session_state["period"] = "dates"
        st.session_state["dates"] = _days(window)

    st.button(
        _span(window), icon=":material/close:", type="tertiary", key="unbrush",
        on_click=whole, help="Back to the whole period",
    )  # fmt: skip
    if window.length_ms % DAY_MS == 0:
        st.button(
            "", icon=":material/zoom_in:", type="tertiary", key="settle", on_click=settle,
            help="Make it the period of every page",
        )  # fmt: skip


def _span(window: Window) -> str:
    return span(window.start_ts_ms, window.end_ts_ms)


def _days(window: Window) -> tuple[object, object]:
    first, last = (
        datetime.fromtimestamp(ts_ms / 1000, UTC).date() for ts_ms in (window.start_ts_ms, window.end_ts_ms)
    )
    return first, last - timedelta(days=1)
