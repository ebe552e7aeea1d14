"""Which segments cost the north star most, and which alerts fall into view. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from alerts.evaluate import Evaluation, Fired
from dashboards.context import Period

__all__ = ["HEADLINE", "episodes_in", "merged", "objectives_of", "varied", "worst_segments"]

HEADLINE = ("watch_hours_per_subscriber", "time_to_play_bad_ratio", "time_to_play_p99_ms")


def worst_segments(
    now: pl.DataFrame, before: pl.DataFrame | None, by: Sequence[str], *, allowance: float, most: int = 8
) -> pl.DataFrame:
    """Segments ranked by the watching that a broken promise touches.

    ``now`` and ``before``: :func:`metrics.query.measure` of :data:`HEADLINE` by ``by``. The impact of a segment
    is an identity, not an estimate of what was lost: its watch hours times the share of its starts beyond the
    ``allowance``::

        exposed = watch hours · max(0, bad ratio − allowance)

    Columns: ``by``, ``p99_ms, p99_change_ms, bad_ratio, hours, exposed_hours`` and ``exposed_ratio``, its share in all
    watch hours, worst first. A segment needs 30 effective sessions to be ranked.
    """
    wide = _wide(now, by)
    if before is not None and before.height:
        old = _wide(before, by).select(*by, pl.col("p99_ms").alias("p99_before"))
        wide = wide.join(old, on=list(by), how="left", nulls_equal=True)
    else:
        wide = wide.with_columns(p99_before=pl.lit(None, pl.Float64))
    everything = pl.col("hours").sum()
    exposed = pl.col("hours") * (pl.col("bad_ratio") - allowance).clip(lower_bound=0)
    return (
        wide.with_columns(everything=pl.when(everything != 0).then(everything).otherwise(1.0))
        .filter(pl.col("n_effective") >= 30)
        .with_columns(p99_change_ms=pl.col("p99_ms") - pl.col("p99_before"), exposed_hours=exposed)
        .with_columns(exposed_ratio=pl.col("exposed_hours") / pl.col("everything"))
        .filter(pl.col("exposed_hours") > 0)
        .sort("exposed_hours", *by, descending=[True, *[False] * len(by)], nulls_last=True)
        .head(most)
        .select(*by, "p99_ms", "p99_change_ms", "bad_ratio", "hours", "exposed_hours", "exposed_ratio")
        .collect()
    )


def _wide(frame: pl.DataFrame, by: Sequence[str]) -> pl.LazyFrame:
    hours, bad, p99 = HEADLINE
    rows = {name: frame.lazy().filter(pl.col("metric") == name) for name in HEADLINE}
    keys = list(by)
    told = rows[hours].select(*keys, hours=pl.col("numerator").cast(pl.Float64))
    return (
        rows[bad]
        .select(*keys, pl.col("value").alias("bad_ratio"), "n_effective")
        .join(rows[p99].select(*keys, p99_ms="value"), on=keys, how="left", nulls_equal=True)
        .join(told, on=keys, how="left", nulls_equal=True)
    )


def episodes_in(evaluations: Sequence[Evaluation | Fired], period: Period) -> pl.DataFrame:
    """Alert episodes that touch the period, newest first.

    Columns: ``objective, severity, start_ts_ms, end_ts_ms`` (null while it fires), ``duration_ms, peak_burn``.
    """
    frames = [
        pl.DataFrame(
            [
                pl.Series("objective", [e.objective.title]).new_from_index(0, e.episodes.height),
                pl.Series("name", [e.objective.name]).new_from_index(0, e.episodes.height),
                *e.episodes[["severity", "start_ts_ms", "end_ts_ms", "duration_ms", "peak_burn"]],
            ]
        )
        for e in evaluations
    ]
    if not frames:
        return pl.DataFrame(schema=_EPISODE_SCHEMA)
    touches = (pl.col("start_ts_ms") < period.end_ts_ms) & (
        pl.col("end_ts_ms").is_null() | (pl.col("end_ts_ms") > period.start_ts_ms)
    )
    rows = pl.concat(frames).lazy().filter(touches)
    return rows.sort("start_ts_ms", "objective", descending=[True, False]).collect()


def varied(incidents: pl.DataFrame, *, most: int, each: int = 2) -> pl.DataFrame:
    """The first ``most`` incidents in their order, at most ``each`` of one objective: one that flaps hides none."""
    return incidents.filter(pl.int_range(pl.len()).over("name") < each).head(most)


# What a metric's name begins with, and the objectives whose alerts explain its days.
_OBJECTIVES_OF = {
    "time_to_play": ("time-to-play-p99", "time-to-play-p50"),
    "exit_before_start": ("time-to-play-p99", "start-failures"),
    "play_success": ("start-failures",),
    "start_failure": ("start-failures",),
    "rebuffer": ("rebuffering-sessions", "stalled-viewing"),
    "stall": ("rebuffering-sessions", "stalled-viewing"),
    "home": ("home-page-latency",),
}


def objectives_of(metric: str) -> tuple[str, ...]:
    """Names of the objectives that watch what ``metric`` measures; none for most.

    >>> objectives_of("time_to_play_late_ratio")
    ('time-to-play-p99', 'time-to-play-p50')
    """
    return next((names for prefix, names in _OBJECTIVES_OF.items() if metric.startswith(prefix)), ())


_EPISODE_SCHEMA = pl.Schema(
    {
        "objective": pl.String, "name": pl.String, "severity": pl.String, "start_ts_ms": pl.Int64,
        "end_ts_ms": pl.Int64, "duration_ms": pl.Int64, "peak_burn": pl.Float64,
    }
)  # fmt: skip


def merged(episodes: pl.DataFrame, *, gap_ms: int = 6 * 3_600_000) -> pl.DataFrame:
    """Episodes of one objective and severity that follow within ``gap_ms`` of each other, as one incident.

    An alert that flaps all night is one thing to look at. Columns: those of :func:`episodes_in` and
    ``alerts_count``; the span is from the first start to the last end, the burn the highest; severest first,
    then by burn times length.
    """
    if episodes.is_empty():
        return episodes.with_columns(alerts_count=pl.lit(0, pl.UInt32))
    keys = ["name", "severity"]
    open_end = 2**62
    ends = pl.col("end_ts_ms").fill_null(open_end)
    reached = ends.cum_max().shift(1).over(keys)
    runs = (
        episodes.lazy()
        .sort("name", "severity", "start_ts_ms")
        .with_columns(is_new=(pl.col("start_ts_ms") - reached > gap_ms).fill_null(value=True))
        .with_columns(run=pl.col("is_new").cum_sum().over(keys))
        .group_by("objective", *keys, "run")
        .agg(
            pl.col("start_ts_ms").min(),
            ends.max().alias("end_ts_ms"),
            pl.col("duration_ms").sum(),
            pl.col("peak_burn").max(),
            pl.len().alias("alerts_count"),
        )
        .with_columns(end_ts_ms=pl.when(pl.col("end_ts_ms") < open_end).then(pl.col("end_ts_ms")))
    )
    severest = ("severity", pl.col("peak_burn") * pl.col("duration_ms"), "name")
    return runs.sort(*severest, descending=[False, True, False]).drop("run").collect()
