"""What Incidents asks of a lake, cached by (lake version, question)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.baselines import alerts_of
from dashboards.context import Where
from dashboards.queries import Source
from dashboards.window import Window, days_of
from metrics import truth
from metrics.catalog import get_metric
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.localise import Explanation, leaves_at, localise
from metrics.localise.visibility import seen, untimed_stalls, viewers
from metrics.metric import Metric
from metrics.parts import dimensions_of
from metrics.period import DAY_MS
from metrics.plan import check_dimensions
from metrics.query import measure, measure_frames
from metrics.sample import some_rows

__all__ = [
    "Localised", "around", "baseline_alerts", "by_cdn", "by_view", "localised", "told_by", "true_incidents",
]  # fmt: skip

_LEAF = ("region", "isp", "device", "player_version", "codec", "cdn", "site", "tier", "service")
_SHORTEST_MS, _LONGEST_MS = 15 * 60_000, 6 * 3_600_000
# How many times as long the time before is: of days a week, so that every weekday is in it.
_PAST, _PAST_DAYS = 16, 7
_GUARD_MS = 3_600_000
# Quantiles have no leaves, and time stalled hangs on few who stall for long: the ratio of counts that says the same.
_COUNTED = {
    "time_to_play_p99_ms": "time_to_play_bad_ratio", "time_to_play_p50_ms": "time_to_play_bad_ratio",
    "attempts": "play_success_ratio", "rebuffer_ratio": "rebuffer_rate",
}  # fmt: skip
_BUCKET_MS = 900_000
_LOOKS = (10, 30, 60, 120)  # minutes after the start
_BEFORE_MS, _AFTER_MS = 6 * 3_600_000, 2 * 3_600_000  # what those looks and the spans before them reach over


def told_by(name: str) -> Metric:
    """What tells of a metric of the catalogue hour by hour: of a quantile or a total the ratio that says the same."""
    metric = get_metric(name)
    return metric if metric.kind == "ratio" else get_metric(_COUNTED.get(name, name))


@dataclass(frozen=True)
class Localised:
    """Where an incident was: ``answers`` best first, over ``dimensions``, of ``metric`` then and before.

    ``then`` and ``before`` are the metric's values in the incident's worst ``length_ms``, from ``at_ts_ms`` on, and in
    the time before the incident, of every ``every``-th row.
    """

    metric: str
    dimensions: tuple[str, ...]
    answers: tuple[Explanation, ...]
    then: float | None
    before: float | None
    at_ts_ms: int
    length_ms: int
    leaves: int
    every: int


@st.cache_data(show_spinner=False, max_entries=4)
def true_incidents(source: Source) -> pl.DataFrame:
    """Table ``truth_incident``: what really went wrong; empty on a lake of real telemetry."""
    return truth.incidents(Lake.open(Path(source.path))).drop("day", strict=False).collect()


def baseline_alerts(source: Source, window: Window) -> pl.DataFrame:
    """Alerts of the shipped baselines that touch the window, of all members."""
    touches = (pl.col("end_ts_ms") > window.start_ts_ms).fill_null(value=True)
    return _baseline_alerts(source).filter(touches, pl.col("start_ts_ms") < window.end_ts_ms)


@st.cache_data(show_spinner=False, max_entries=4)
def _baseline_alerts(source: Source) -> pl.DataFrame:
    return alerts_of(Lake.open(Path(source.path)))


@st.cache_data(show_spinner=False, max_entries=32)
def localised(source: Source, name: str, window: Window, where: Where) -> Localised | None:
    """Which slices explain that a metric moved when ``window`` began; None where its tables tell no slices.

    The leaf table is the metric's own parts by every dimension its table tells, of the window's worst hours (at most
    six, or a day of what lasts longer) and of several times as many before it began. An attempt counts when it came
    out, not when its session ended. A metric that is better high is turned into what it lacks.
    """
    metric = get_metric(_COUNTED.get(name, name))
    bottom = metric.denominator
    if bottom is None or bottom.table != metric.numerator.table or metric.kind != "ratio":
        return None
    length = DAY_MS if window.length_ms >= DAY_MS else min(max(window.length_ms, _SHORTEST_MS), _LONGEST_MS)
    table = metric.numerator.table
    by = _dimensions(metric, where)
    if not by:
        return None
    lake = Lake.open(Path(source.path))
    worst = _worst(source, metric, window, length, where)
    rows, every = _rows(lake, table, window.start_ts_ms, worst, length)
    leaves = measure_frames({table: rows}, [metric.name], by=by, where=dict(where), grain="15m")
    leaves = leaves.filter(pl.col("denominator") > 0)
    if leaves["bucket_ts_ms"].n_unique() < 2:
        return None
    # Rows of a panel stand for many: evidence is what was seen, not what it is scaled to.
    scale = float(leaves["n"].sum()) / float(leaves["denominator"].sum())
    top, below = pl.col("numerator").cast(pl.Float64), pl.col("denominator").cast(pl.Float64)
    bad = top if metric.better == "lower" else below - top
    leaf = leaves.select(*by, value=bad * scale, count=below * scale, time="bucket_ts_ms")
    at = int(leaf["time"].max())  # type: ignore[arg-type]
    try:
        answers = localise(leaves_at(leaf, value="value", count="count", time="time", at=at))
    except InputError:
        return None
    is_now = leaves["bucket_ts_ms"] == at
    return Localised(
        metric.name, by, tuple(answers), _ratio(leaves.filter(is_now)), _ratio(leaves.filter(~is_now)), worst, length,
        leaf.filter(pl.col("time") == at).height, every,
    )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=32)
def around(source: Source, name: str, window: Window, where: Where, grain: str) -> pl.DataFrame:
    """A metric by the ``grain`` over a window: ``ts_ms, value``; no row to a reader who may not see it."""
    if not source.may_see(name):
        return pl.DataFrame(schema={"ts_ms": pl.Int64, "value": pl.Float64})
    rows = source.of_some(window)
    found = measure(
        rows,
        [name],
        where=dict(where),
        start_ts_ms=window.start_ts_ms,
        end_ts_ms=window.end_ts_ms,
        grain=grain,
    )
    return found.select(ts_ms="bucket_ts_ms", value="value")


@st.cache_data(show_spinner=False, max_entries=64)
def by_cdn(source: Source, names: Sequence[str], window: Window, where: Where) -> pl.DataFrame:
    """Metrics by who delivered, in the window and in the same hours of the day before, by whole quarters of an hour.

    Columns: ``cdn, metric, value, before, n``; empty where the telemetry does not tell.
    """
    known = [name for name in names if _tells(name, ["cdn", *(d for d, _ in where)])]
    if not known:
        return pl.DataFrame()

    def ask(span: Window) -> pl.DataFrame:
        return measure(
            source.of_some(span), known, by=["cdn"], where=dict(where), start_ts_ms=span.start_ts_ms,
            end_ts_ms=span.end_ts_ms,
        )  # fmt: skip

    now, back = window.outwards(_BUCKET_MS), -(-window.length_ms // DAY_MS) * DAY_MS
    old = ask(Window(now.start_ts_ms - back, now.end_ts_ms - back))
    return (
        ask(now)
        .drop_nulls("cdn")
        .join(
            old.select("cdn", "metric", before="value"),
            on=["cdn", "metric"],
            how="left",
            maintain_order="left",
        )
        .select("cdn", "metric", "value", "before", "n")
    )


@st.cache_data(show_spinner=False, max_entries=32)
def by_view(source: Source, start_ts_ms: int, where: Where) -> pl.DataFrame:
    """What is named after an incident began, with an own CDN's telemetry and without its columns.

    Rows of :func:`metrics.localise.visibility.seen`; empty where no session tells which site served it.
    """
    lake = Lake.open(Path(source.path))
    first, last = start_ts_ms - _BEFORE_MS, start_ts_ms + _AFTER_MS
    # A session is filed by the day of its end.
    files = days_of(lake.snapshot("playback_session").files, Window(first, last + DAY_MS // 2))
    overlaps = (pl.col("start_ts_ms") < last) & (pl.col("end_ts_ms") >= first)
    slices = [pl.col(name).is_in(list(values)) for name, values in where]
    rows, _ = some_rows(lake, "playback_session", files)
    sessions = rows.filter(overlaps, *slices).collect()
    if sessions["site"].null_count() == sessions.height:
        return pl.DataFrame()
    return seen(viewers(sessions), untimed_stalls(sessions), start_ts_ms, minutes=_LOOKS)


def _worst(source: Source, metric: Metric, window: Window, length: int, where: Where) -> int:
    """When the worst of the window began: of the stretches of ``length`` that it is made of."""
    if window.length_ms < 2 * length or metric.numerator.table == "fill":
        return window.start_ts_ms
    whole = window.outwards(_BUCKET_MS)
    found = measure(
        source.of_some(whole),
        [metric.name],
        where=dict(where),
        start_ts_ms=whole.start_ts_ms,
        end_ts_ms=whole.end_ts_ms,
        grain="15m",
    ).with_columns(stretch=(pl.col("bucket_ts_ms") - window.start_ts_ms).floordiv(length))
    sides = found.group_by("stretch").agg(pl.col("numerator", "denominator").sum(), pl.col("n").sum())
    # A stretch of few rows is far off by chance alone.
    told = sides.filter(pl.col("n") >= sides["n"].median() / 4, pl.col("stretch") >= 0)  # type: ignore[operator]
    ratio = pl.col("numerator").cast(pl.Float64) / pl.col("denominator").cast(pl.Float64)
    ordered = told.sort(ratio, "stretch", descending=[metric.better == "lower", False], nulls_last=True)
    return window.start_ts_ms + (int(ordered["stretch"][0]) * length if ordered.height else 0)


def _rows(lake: Lake, table: str, began: int, worst: int, length: int) -> tuple[pl.LazyFrame, int]:
    """Rows of the incident's worst and of the time before it, on a clock of whole buckets that ends with the worst; of
    a large lake every k-th, and k."""
    last = worst + length
    # When it began is known to the alert alone, which fires late: what comes just before is neither one nor the other.
    began -= _GUARD_MS
    if table == "fill":  # a night's push began before the day it is for
        length, began = DAY_MS, began + _GUARD_MS
        worst, last = began, began + DAY_MS
    first = began - (_PAST_DAYS if length == DAY_MS else _PAST) * length
    # A session is filed by the day of its end.
    read = [Window(first, began), Window(worst, last + (DAY_MS // 4 if table == "playback_session" else 0))]
    files = lake.snapshot(table).files
    rows, every = some_rows(lake, table, sorted({file for window in read for file in days_of(files, window)}))
    clock = "end_ts_ms" if table == "playback_session" else "ts_ms"
    came_out = pl.col("start_ts_ms") + pl.col("waited_ms") if clock == "end_ts_ms" else pl.col("ts_ms")
    is_now = (came_out >= worst) & (came_out < last)
    bucket = pl.when(is_now).then(0).otherwise((came_out - began).floordiv(length))
    rows = rows.filter(is_now | ((came_out >= first) & (came_out < began)))
    return rows.with_columns((bucket * _BUCKET_MS + 1_000 * _BUCKET_MS).alias(clock)), every


def _dimensions(metric: Metric, where: Where) -> tuple[str, ...]:
    """The dimensions of the metric's table that are not fixed by the slice already; a site implies its ISP."""
    fixed = {name for name, values in where if len(values) == 1}
    names = [name for name in _LEAF if name in dimensions_of(metric.numerator.table) and name not in fixed]
    if "isp" in names and metric.numerator.table != "delivery":
        names = [name for name in names if name != "site"]
    # What a metric of delivery asks is where bytes came from: that is no slice of it.
    if metric.numerator.table == "delivery":
        names = [name for name in names if name in ("region", "isp", "site", "codec")]
    return tuple(names)


def _tells(name: str, dimensions: list[str]) -> bool:
    try:
        check_dimensions([get_metric(name)], dimensions)
    except InputError:
        return False
    return True


def _ratio(leaves: pl.DataFrame) -> float | None:
    below = float(leaves["denominator"].sum())
    return float(leaves["numerator"].sum()) / below if below else None
