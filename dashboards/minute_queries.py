"""What pages ask of minutes: objectives kept and missed, alerts that fired, on the event clock; cached as all is.

Minutes are counted by region, device and CDN, whatever the audience: what is held of them grows with the days alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl
import streamlit as st

from alerts.counts import Minutes, minutes_of
from alerts.evaluate import Evaluation, Fired, columns_of, evaluate_minutes, fired, kept_by
from alerts.evaluation import Attained
from alerts.minutes_by import MinutesBy, minutes_by
from alerts.policy import BurnPolicy, Policy, load_policies
from alerts.seasonal import attained
from alerts.slo import CountRatio, Objective, RawRatio, load
from dashboards.context import Period, Where
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.period import DAY_MS

if TYPE_CHECKING:
    from dashboards.queries import Source

__all__ = [
    "MINUTE_DIMENSIONS", "alerts_in", "evaluations", "hold_minutes", "kept_in", "minute_slice", "minutes_in",
    "objectives", "policies", "ratios_attained",
]  # fmt: skip

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
# Of a longer lake, or one of more rows, a period's minutes are read from the files of its days: memory is bounded.
_MOST_MINUTES = 200 * 1440
_MOST_ROWS = 20_000_000
MINUTE_DIMENSIONS = frozenset({"region", "device", "cdn"})


def objectives() -> list[Objective]:
    """The contract's objectives that count events on the event clock."""
    return [objective for objective in _shipped() if isinstance(objective.indicator, CountRatio)]


@cache
def _shipped() -> tuple[Objective, ...]:
    # Files of the package: they do not change while the server runs, and a page asks several times.
    return tuple(load())


@cache
def policies() -> dict[str, Policy]:
    """The shipped policies, read once."""
    return dict(load_policies())


def ratios_attained(measured: pl.DataFrame) -> list[Attained]:
    """The contract's objectives that are ratios of the catalogue, as far as ``measured`` has these.

    ``measured``: :func:`metrics.query.measure` without dimensions and grain.
    """
    rows = {name: parts for name, *parts in measured.select("metric", "numerator", "denominator").rows()}
    return [
        attained(objective, *rows[objective.indicator.metric])
        for objective in _shipped()
        if isinstance(objective.indicator, RawRatio) and objective.indicator.metric in rows
    ]


@st.cache_data(show_spinner=False, max_entries=32)
def evaluations(source: Source, where: Where, end_ts_ms: int | None) -> list[Evaluation]:
    """Every objective that counts events, over the lake's minutes; empty where there are none."""
    try:
        minutes = minutes_in(source, where, 0, end_ts_ms)
        return evaluate_minutes(
            objectives(),
            minutes,
            lambda span: _slices(source, where, *span),
            _minutes(source, where, 0, end_ts_ms),
            policies=policies(),
        )
    except InputError:
        return []


def _slices(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int) -> pl.DataFrame:
    """Sums of a slice's minutes by region, device and CDN; the end is that of a day, or of what the lake holds."""
    first_day = -(-start_ts_ms // DAY_MS) * DAY_MS
    whole = _in_slice(_days(source), where).filter(
        (pl.col("ts_ms") >= first_day) & (pl.col("ts_ms") < end_ts_ms)
    )
    parts = [whole]
    if start_ts_ms < first_day:
        parts.append(
            _added_up(_minutes(source, where, start_ts_ms, min(first_day, end_ts_ms)), *whole.columns[:4])
        )
    return pl.concat(parts, how="diagonal").drop("ts_ms")


@st.cache_data(show_spinner=False, max_entries=64)
def alerts_in(source: Source, where: Where, period: Period) -> list[Fired]:
    """Every objective's alerts in the period; far cheaper than all :func:`evaluations`."""
    # An alert looks back no further than its longest window.
    past = max(
        pair.long_ms
        for policy in policies().values()
        if isinstance(policy, BurnPolicy)
        for pairs in policy.severities.values()
        for pair in pairs
    )
    try:
        minutes = minutes_in(source, where, period.start_ts_ms - past, period.end_ts_ms)
        return fired(objectives(), minutes, policies=policies())
    except InputError:
        return []


def hold_minutes(source: Source) -> None:
    """Have the minutes that alerts are told from in memory."""
    if _are_few(source):
        _minutes_by(source)


def minutes_in(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int | None) -> Minutes:
    """A slice's minutes, out of memory where they are few enough. Raises where there are none."""
    where = minute_slice(where)
    if not _are_few(source):
        return minutes_of(
            _minutes(source, where, start_ts_ms, end_ts_ms), columns_of(objectives()), end_ts_ms
        )
    held = _minutes_by(source).minutes(dict(where), start_ts_ms, end_ts_ms or 2**62)
    if held is None:
        raise InputError("no minute counts in that period", mend="give a period that the lake has counts of")
    return held


def _are_few(source: Source) -> bool:
    span, rows = source.span(), source.rows().get("minute_count", 0)
    minutes = 0 if span is None else ((span.last - span.first).days + 1) * 1440
    return minutes <= _MOST_MINUTES and rows <= _MOST_ROWS


@st.cache_resource(show_spinner=False, max_entries=2)
def _minutes_by(source: Source) -> MinutesBy:
    """Every minute: 40 MB of a demo's quarter."""
    return minutes_by(Lake.open(Path(source.path)).scan("minute_count"), columns_of(objectives()))


@st.cache_data(show_spinner=False, max_entries=64)
def kept_in(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int, by: str) -> pl.DataFrame:
    """Which objectives were kept, by ``by``; empty where no minutes were counted."""
    days = _in_slice(_days(source), where).filter(pl.col("ts_ms") >= start_ts_ms)
    try:
        return kept_by(objectives(), days, by, start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms)
    except InputError:
        return pl.DataFrame()


@st.cache_resource(show_spinner=False, max_entries=4)
def _days(source: Source) -> pl.DataFrame:
    """Minute counts added up by the day and slice: what a ratio of sums over whole days needs."""
    minutes = Lake.open(Path(source.path)).scan("minute_count")
    day = pl.col("ts_ms") - pl.col("ts_ms") % DAY_MS
    return _added_up(minutes.with_columns(ts_ms=day), "ts_ms", *sorted(MINUTE_DIMENSIONS))


def _added_up(minutes: pl.LazyFrame, *keys: str) -> pl.DataFrame:
    counts = [
        name for name, kind in minutes.collect_schema().items() if kind.is_integer() and name not in keys
    ]
    return minutes.group_by(keys).agg(pl.col(counts).sum()).collect()


def _minutes(source: Source, where: Where, start_ts_ms: int, end_ts_ms: int | None) -> pl.LazyFrame:
    """Rows of minutes in a slice and period; files are by their day, so that no other's are opened."""
    first, last = (
        pl.Series([ts_ms]).cast(pl.Datetime("ms")).dt.strftime("day=%Y-%m-%d").item()
        for ts_ms in (start_ts_ms, 2**47 if end_ts_ms is None else end_ts_ms)
    )
    files = [file for file in _minute_files(source) if first <= Path(file).parent.name <= last]
    minutes = _in_slice(Lake.open(Path(source.path)).scan("minute_count", files), where)
    minutes = minutes.filter(pl.col("ts_ms") >= start_ts_ms)
    return minutes if end_ts_ms is None else minutes.filter(pl.col("ts_ms") < end_ts_ms)


@st.cache_data(show_spinner=False, max_entries=4)
def _minute_files(source: Source) -> tuple[str, ...]:
    return Lake.open(Path(source.path)).snapshot("minute_count").files


def _in_slice(minutes: Frame, where: Where) -> Frame:
    for name, values in where:
        minutes = minutes.filter(pl.col(name).is_in(values))
    return minutes


def minute_slice(where: Where) -> Where:
    """What of a slice minutes tell."""
    return tuple((name, values) for name, values in where if name in MINUTE_DIMENSIONS)
