"""Sessions and their events as counts a minute: what alerts read, of a service whose players tell (CMCD).

A start, an exit or a failure counts in the minute it happens, a stall in the minute it begins and in each that it
lasts. What has no time counts in no minute: sessions of a log without times, starts that lie before the log.
Viewers are watching from the first frame to the end, laid without their pauses, and in every minute that they stall.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from metrics.lake import Lake
from metrics.telemetry import TABLES
from metrics.upkeep import supersede

__all__ = ["APPLICATION", "LATE_START_MS", "minute_counts", "recount", "stall_spans"]

APPLICATION = "event_clock/sessions"
LATE_START_MS = 2_000  # the user contract: playback starts in under 2 s
_MINUTE_MS = 60_000
_SLICES = ("region", "device", "cdn")
_TABLE = TABLES["minute_count"]
_SESSION = TABLES["playback_session"]
_COUNTS = [column.name for column in _TABLE.columns if column.name not in {"ts_ms", "is_synthetic", *_SLICES}]
_NEEDED = (
    "session_id", "start_ts_ms", "end_ts_ms", "outcome", "waited_ms", "startup_ms", "paused_ms", "stall_count",
    "flags", "weight", *_SLICES,
)  # fmt: skip


def minute_counts(sessions: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Rows of ``minute_count`` of sessions and their events (rows of those two tables)."""
    timed = sessions.select(_NEEDED).filter(~pl.col("flags").str.contains("no_timestamps", literal=True))
    # A first frame that lies before the log has no minute; an exit or a failure has ended its wait.
    came_out = timed.filter(
        pl.col("startup_ms").is_not_null() | pl.col("outcome").is_in(["exit_before_start", "start_failure"])
    ).with_columns(at=pl.col("start_ts_ms") + pl.coalesce("startup_ms", "waited_ms"))
    stalled = stall_spans(timed, events)
    frames = [_outcomes(came_out), _failures(timed), _first_stalls(stalled), _viewers(timed, stalled)]
    whole = pl.concat(frames, how="diagonal").with_columns(pl.col("ts_ms") // _MINUTE_MS * _MINUTE_MS)
    sums = [pl.col(name).sum() if name in whole.columns else pl.lit(0).alias(name) for name in _COUNTS]
    rows = whole.group_by("ts_ms", *_SLICES).agg(sums).with_columns(is_synthetic=pl.lit(value=False))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in _TABLE.schema.items()).sort(
        "ts_ms", *_SLICES
    )


def recount(
    lake: Lake,
    sessions: pl.DataFrame,
    *,
    replaced: list[str],
    days: tuple[dt.date, dt.date] | None,
) -> bool:
    """Count the minutes of ``days`` anew from the lake's sessions, with ``sessions`` in and the ``replaced`` ids out.

    Their events are in the lake already, the sessions need not be. Only minutes that no emulated service counted are
    replaced. Nothing is done, and False returned, where the lake has counts of real minutes from elsewhere: a server
    that counts is believed before a log. The caller holds the lake alone.
    """
    if days is None:
        return False
    here = (pl.col("day").is_between(*days)) & ~pl.col("is_synthetic")
    ours = lake.appended_version(_TABLE.name, APPLICATION) is not None
    if not ours and _has_rows(lake.scan(_TABLE.name).filter(~pl.col("is_synthetic"))):
        return False
    new = sessions.select(_NEEDED)
    out = pl.col("session_id").is_in([*replaced, *new["session_id"]])
    known = pl.concat([lake.scan(_SESSION.name).filter(here & ~out).select(_NEEDED).collect(), new])
    events = (
        lake.scan("playback_event")
        .filter(here & (pl.col("event") != "request"))
        .select("session_id", "ts_ms", "sequence", "event")
        .collect()
    )
    rows = minute_counts(known, events)
    first, last = (int(dt.datetime(d.year, d.month, d.day, tzinfo=dt.UTC).timestamp() * 1000) for d in days)
    end = last + 86_400_000
    rows = rows.filter(pl.col("ts_ms").is_between(first, end, closed="left"))
    return supersede(
        lake,
        _TABLE.name,
        _TABLE.validate(rows).good,
        matches=~pl.col("is_synthetic"),
        application=APPLICATION,
        days=days,
    )


def _has_rows(frame: pl.LazyFrame) -> bool:
    return frame.head(1).collect().height > 0


def _outcomes(came_out: pl.DataFrame) -> pl.DataFrame:
    weight, late = pl.col("weight"), pl.col("at") - pl.col("start_ts_ms") >= LATE_START_MS
    started = pl.col("startup_ms").is_not_null()
    left, failed = pl.col("outcome") == "exit_before_start", pl.col("outcome") == "start_failure"
    return came_out.select(
        "at",
        *_SLICES,
        attempts=weight,
        starts=weight * started,
        starts_late=weight * (started & late),
        exits_before_start=weight * left,
        exits_late=weight * (left & late),
        start_failures=weight * failed,
        attempts_n=pl.lit(1),
        attempts_weight_squared=weight * weight,
    ).rename({"at": "ts_ms"})


def _failures(timed: pl.DataFrame) -> pl.DataFrame:
    failed = timed.filter(pl.col("outcome") == "playback_failure")
    return failed.select(pl.col("end_ts_ms").alias("ts_ms"), *_SLICES, playback_failures="weight")


def stall_spans(timed: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Spans ``from_ms, to_ms`` of the network stalls of sessions, after their first frame; a seek owns its own."""
    stalling = timed.filter(pl.col("stall_count") > 0)
    told = events.filter(pl.col("event") != "request").join(stalling, on="session_id")
    seek = (
        pl.when(pl.col("event") == "seek")
        .then(1)
        .when(pl.col("event").is_in(["started", "resume"]))
        .then(0)
        .forward_fill()
        .over("session_id")
        .fill_null(0)
    )
    ordered = told.sort("session_id", "ts_ms", "sequence").with_columns(
        seeking=seek, to_ms=pl.col("ts_ms").shift(-1).over("session_id")
    )
    first_frame = pl.col("start_ts_ms") + pl.col("startup_ms").fill_null(0)
    return ordered.filter(
        (pl.col("event") == "stall") & (pl.col("seeking") == 0) & (pl.col("ts_ms") >= first_frame)
    ).select(
        "session_id",
        *_SLICES,
        "weight",
        from_ms="ts_ms",
        to_ms=pl.min_horizontal(pl.coalesce("to_ms", "end_ts_ms"), "end_ts_ms").clip(pl.col("ts_ms")),
    )


def _first_stalls(stalled: pl.DataFrame) -> pl.DataFrame:
    first = stalled.sort("from_ms").unique("session_id", keep="first", maintain_order=True)
    return first.select(pl.col("from_ms").alias("ts_ms"), *_SLICES, first_stalls="weight")


def _viewers(timed: pl.DataFrame, stalled: pl.DataFrame) -> pl.DataFrame:
    """Each minute of each session in which it was watched, and whether it stalled in it: once."""
    shown = timed.filter(pl.col("outcome").is_in(["played", "playback_failure"]))
    begin = pl.col("start_ts_ms") + pl.coalesce("startup_ms", pl.lit(0))
    # A pause is not watched: watching is laid without the pauses, as the emulated service lays it.
    watching = shown.select(
        "session_id",
        *_SLICES,
        "weight",
        from_ms=begin,
        to_ms=(pl.col("end_ts_ms") - pl.col("paused_ms")).clip(begin),
        stalls=pl.lit(value=False),
    )
    spans = pl.concat([watching, stalled.with_columns(stalls=pl.lit(value=True)).select(watching.columns)])
    minutes = spans.with_columns(
        ts_ms=pl.int_ranges(pl.col("from_ms") // _MINUTE_MS, pl.col("to_ms") // _MINUTE_MS + 1)
    ).explode("ts_ms")
    once = minutes.group_by("session_id", "ts_ms", *_SLICES).agg(
        pl.col("weight").first(), pl.col("stalls").any()
    )
    return once.select(
        pl.col("ts_ms") * _MINUTE_MS,
        *_SLICES,
        watched_viewer_minutes="weight",
        stalled_viewer_minutes=pl.col("weight") * pl.col("stalls"),
    )
