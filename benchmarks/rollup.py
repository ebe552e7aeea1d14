"""The north-star tree's parts out of session rows, beside the same sums written by hand in Polars, DuckDB and pandas.

The peers get the same columns and give the same integers, compared before anything is timed. They add in 64 bits
(DuckDB in 128), ours in 128, which is what keeps a quarter's weighted bytes from wrapping.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Mapping

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl

from benchmarks.harness import Row, race, rate
from metrics import measures as m
from metrics.catalog import get_metric
from metrics.engine import collect
from metrics.rollup import n_columns, rollup
from metrics.unknown import unknown_flag

__all__ = ["rows"]

ROWS = 1_000_000
MORE = 10
ROUNDS = 5
BY = ["region", "device"]
TREE = (
    "watch_hours_per_subscriber", "qualified_plays_per_subscriber", "hours_per_play",
    "unqualified_hours_per_subscriber", "time_to_play_bad_ratio", "rebuffer_rate", "rec_driven_hours_ratio",
    "play_success_ratio", "exit_before_start_ratio", "playback_failure_ratio",
)  # fmt: skip
PARTS = tuple(
    {
        part.name: part
        for name in TREE
        for part in get_metric(name).parts
        if part.table == "playback_session"
    }.values()
)
TOLD = ("outcome", "playing", "stalls", "waited")
STARTED = ("played", "playback_failure")

# By hand. What is counted: its n, Σw and Σw²; and what is summed of it, as (condition, value).
COUNTED = ("playing", "qualified", "exits", "stalls", "attributed", "started", "outcome")
SUMMED: Mapping[str, tuple[str, str | None]] = {
    "playing_hours": ("playing", "playing_ms"),
    "qualified_plays": ("qualified", None),
    "qualified_hours": ("qualified", "playing_ms"),
    "qualified_sessions": ("qualified", None),
    "unqualified_hours": ("unqualified", "playing_ms"),
    "starts_and_exits_late": ("late", None),
    "starts_and_exits": ("exits", None),
    "rebuffered": ("rebuffered", None),
    "starts_telling_stalls": ("stalls", None),
    "rec_driven_hours": ("rec_driven", "playing_ms"),
    "attributed_hours": ("attributed", "playing_ms"),
    "starts": ("started", None),
    "attempts": ("outcome", None),
    "exits_before_start": ("exited", None),
    "playback_failures": ("failed", None),
}
FLAGGED = ", ".join(f"NOT contains(flags, '{unknown_flag(name)}') AS {name}_told" for name in TOLD)
SQL = f"""
WITH told AS (SELECT *, {FLAGGED} FROM sessions WHERE excluded_reason IS NULL),
shown AS (
  SELECT *, outcome IN {STARTED} AND outcome_told AS started, startup_ms IS NOT NULL AS timed,
    outcome = 'exit_before_start' AS left_early,
    playing_ms >= {m.QUALIFIED_MS}
      OR coalesce(content_duration_ms > 0 AND playing_ms * 10 >= content_duration_ms, FALSE) AS long
  FROM told
),
s AS (
  SELECT *, playing_told AS playing, long AND playing_told AS qualified, NOT long AND playing_told AS unqualified,
    (timed OR left_early) AND outcome_told AND waited_told AS exits,
    exits AND CASE WHEN timed THEN startup_ms ELSE waited_ms END >= {m.LATE_START_MS} AS late,
    started AND stalls_told AS stalls, stalls AND stall_count > 0 AS rebuffered,
    is_rec_driven IS NOT NULL AND playing_told AS attributed, attributed AND is_rec_driven AS rec_driven,
    outcome_told AS outcomes, left_early AND outcome_told AS exited,
    started AND outcome = 'playback_failure' AS failed
  FROM shown
)
SELECT region, device, {{sums}} FROM s GROUP BY region, device
"""


def rows() -> list[Row]:
    """Fifteen parts with n, Σw and Σw² of their rows, by region and device; and how time grows with rows."""
    sessions = _sessions(ROWS)
    pandas_sessions = sessions.to_pandas()
    arrow = sessions.to_arrow()
    duck = duckdb.connect(config={"threads": pl.thread_pool_size()})
    duck.register("sessions", arrow)

    def polars() -> pl.DataFrame:
        return _by_hand(sessions.lazy()).collect(engine="streaming")

    def duckdb_() -> pl.DataFrame:
        return pl.DataFrame(duck.sql(_sql()).arrow())

    def pandas() -> pl.DataFrame:
        return pl.from_pandas(_in_pandas(pandas_sessions))

    names = [*BY, *SUMMED, *(f"{size}:{name}" for name in COUNTED for size in ("n", "w", "w2"))]
    expected = (
        _plain(_ours(sessions)).select(_our_names()).rename(dict(zip(_our_names(), names, strict=True)))
    )
    for peer in (polars, duckdb_, pandas):
        assert expected.equals(_plain(peer()).select(names)), f"{peer.__name__} differs"
    peers = {"Polars by hand, 64-bit sums": polars, "DuckDB": duckdb_, "pandas": pandas}
    what = "the north-star tree's 15 parts by region and device"
    raced = race(what, lambda: _ours(sessions), peers, rate(ROWS, "rows"), rounds=ROUNDS)
    many = pl.concat([sessions] * MORE)
    few_s, many_s = _turn_about(sessions, many)
    growth = statistics.median(b / a for a, b in zip(few_s, many_s, strict=True))
    return [*raced, Row(f"the same of {MORE} times the rows: CPU time", f"{growth:.1f} times")]


def _ours(sessions: pl.DataFrame) -> pl.DataFrame:
    (rolled,) = collect([rollup(nw.from_native(sessions.lazy()), PARTS, BY)])
    return rolled


def _our_names() -> list[str]:
    """Our columns in the order of the peers'."""
    counted = {
        "playing": m.PLAYING_TOLD, "qualified": m.QUALIFIED, "exits": m.TIMED_OR_EXITED.telling("waited"),
        "stalls": m.STARTED.telling("stalls"), "attributed": m.ATTRIBUTED.telling("playing"), "started": m.STARTED,
        "outcome": m.OUTCOME_TOLD,
    }  # fmt: skip
    parts = [m.playing_hours, m.qualified_plays, m.qualified_hours, m.qualified_sessions, m.unqualified_hours,
             m.starts_and_exits_late, m.starts_and_exits.telling("waited"), m.rebuffered, m.starts.telling("stalls"),
             m.rec_driven_hours, m.attributed_hours, m.starts, m.attempts.telling("outcome"), m.exits_before_start,
             m.playback_failures]  # fmt: skip
    return [*BY, *(part.name for part in parts), *(c for name in COUNTED for c in n_columns(counted[name]))]


def _turn_about(few: pl.DataFrame, many: pl.DataFrame) -> tuple[list[float], list[float]]:
    """CPU seconds of all threads, which do not hang on what else the machine does."""
    seconds: tuple[list[float], list[float]] = ([], [])
    _ours(many)
    gc.collect()
    for _ in range(ROUNDS):
        for frame, taken in zip((few, many), seconds, strict=True):
            start = time.process_time()
            _ours(frame)
            taken.append(time.process_time() - start)
    return seconds


def _by_hand(sessions: pl.LazyFrame) -> pl.LazyFrame:
    c, weight = pl.col, pl.col("weight")
    told = {name: ~c("flags").str.contains(unknown_flag(name), literal=True) for name in TOLD}
    timed, left = c("startup_ms").is_not_null(), c("outcome") == "exit_before_start"
    tenth = (c("content_duration_ms") > 0) & (c("playing_ms") * 10 >= c("content_duration_ms"))
    long = (c("playing_ms") >= m.QUALIFIED_MS) | tenth.fill_null(value=False)
    met = {
        "playing": told["playing"],
        "qualified": long & told["playing"],
        "unqualified": ~long & told["playing"],
        "exits": (timed | left) & told["outcome"] & told["waited"],
        "started": c("outcome").is_in(STARTED) & told["outcome"],
        "attributed": c("is_rec_driven").is_not_null() & told["playing"],
        "outcome": told["outcome"],
        "exited": left & told["outcome"],
    }
    waited = pl.when(timed).then("startup_ms").otherwise("waited_ms")
    met |= {
        "late": met["exits"] & (waited >= m.LATE_START_MS),
        "stalls": met["started"] & told["stalls"],
        "rec_driven": met["attributed"] & c("is_rec_driven"),
        "failed": met["started"] & (c("outcome") == "playback_failure"),
    }
    met["rebuffered"] = met["stalls"] & (c("stall_count") > 0)
    met_column = {name: f"is_{name}" for name in met}
    frame = sessions.filter(c("excluded_reason").is_null()).with_columns(
        **{met_column[name]: met[name] for name in met},
        heavy_playing_ms=c("playing_ms") * weight,
        weight_squared=weight * weight,
    )
    sums = {
        name: c("heavy_playing_ms" if value else "weight").filter(met_column[of]).sum()
        for name, (of, value) in SUMMED.items()
    }
    for name in COUNTED:
        sums |= {
            f"n:{name}": c(met_column[name]).sum(),
            f"w:{name}": weight.filter(met_column[name]).sum(),
            f"w2:{name}": c("weight_squared").filter(met_column[name]).sum(),
        }
    return frame.group_by(BY).agg(**sums)


def _sql() -> str:
    column = {
        name: "outcomes" if name == "outcome" else name
        for name in (*COUNTED, *(c for c, _ in SUMMED.values()))
    }
    sums = [
        f"SUM({f'{value} * weight' if value else 'weight'}) FILTER (WHERE {column[of]}) AS {name}"
        for name, (of, value) in SUMMED.items()
    ]
    for name in COUNTED:
        for size, what in (("n", "1"), ("w", "weight"), ("w2", "weight * weight")):
            sums.append(f'SUM({what}) FILTER (WHERE {column[name]}) AS "{size}:{name}"')
    return SQL.format(sums=",\n  ".join(sums))


def _in_pandas(sessions: pd.DataFrame) -> pd.DataFrame:
    s = sessions[sessions["excluded_reason"].isna()]
    told = {name: ~s["flags"].str.contains(unknown_flag(name), regex=False) for name in TOLD}
    timed, left = s["startup_ms"].notna(), s["outcome"] == "exit_before_start"
    tenth = (s["content_duration_ms"] > 0) & (s["playing_ms"] * 10 >= s["content_duration_ms"])
    long = (s["playing_ms"] >= m.QUALIFIED_MS) | tenth
    started = s["outcome"].isin(STARTED) & told["outcome"]
    exits = (timed | left) & told["outcome"] & told["waited"]
    attributed = s["is_rec_driven"].notna() & told["playing"]
    met = {
        "playing": told["playing"],
        "qualified": long & told["playing"],
        "unqualified": ~long & told["playing"],
        "exits": exits,
        "late": exits & (s["startup_ms"].where(timed, s["waited_ms"]) >= m.LATE_START_MS),
        "started": started,
        "stalls": started & told["stalls"],
        "rebuffered": started & told["stalls"] & (s["stall_count"] > 0),
        "attributed": attributed,
        "rec_driven": attributed & (s["is_rec_driven"] == True),  # noqa: E712
        "outcome": told["outcome"],
        "exited": left & told["outcome"],
        "failed": started & (s["outcome"] == "playback_failure"),
    }
    values = {None: s["weight"], "playing_ms": s["playing_ms"] * s["weight"], "w2": s["weight"] * s["weight"]}
    columns = {name: values[value] * met[of] for name, (of, value) in SUMMED.items()}
    for name in COUNTED:
        columns |= {f"n:{name}": met[name].astype(np.int64), f"w:{name}": values[None] * met[name]}
        columns[f"w2:{name}"] = values["w2"] * met[name]
    frame = pd.DataFrame({name: s[name] for name in BY} | columns)
    return frame.groupby(BY, observed=True, as_index=False).sum()


def _plain(rolled: pl.DataFrame) -> pl.DataFrame:
    return rolled.with_columns(pl.col(BY).cast(pl.String), pl.exclude(BY).cast(pl.Int64)).sort(BY)


def _sessions(n: int) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    playing = draw.lognormal(13, 2, n).astype(np.int64)
    startup = draw.lognormal(6, 0.8, n).astype(np.int64)
    kind = draw.random(n)
    untold = draw.random(n)
    frame = pl.DataFrame(
        {
            "region": draw.integers(0, 8, n),
            "device": draw.integers(0, 5, n),
            "startup_ms": startup,
            "waited_ms": startup,
            "playing_ms": playing,
            "stall_count": np.where(draw.random(n) < 0.02, draw.integers(1, 4, n), 0),
            "content_duration_ms": draw.integers(10, 200, n) * 60_000,
            "weight": draw.integers(10_000, 30_000, n),
            "kind": kind,
            "untold": untold,
            "attribution": draw.integers(0, 3, n),
        }
    )
    kind_, untold_ = pl.col("kind"), pl.col("untold")
    has_started = kind_ >= 0.03
    return frame.select(
        pl.format("region-{}", "region").alias("region"),
        pl.format("device-{}", "device").alias("device"),
        pl.when(has_started).then("startup_ms").alias("startup_ms"),
        "waited_ms", "stall_count", "weight",
        pl.when(has_started).then("playing_ms").otherwise(0).alias("playing_ms"),
        pl.when(untold_ < 0.9).then("content_duration_ms").alias("content_duration_ms"),
        pl.when(kind_ < 0.01).then(pl.lit("start_failure")).when(kind_ < 0.03).then(pl.lit("exit_before_start"))
        .when(kind_ < 0.04).then(pl.lit("playback_failure")).otherwise(pl.lit("played")).alias("outcome"),
        pl.when(pl.col("attribution") > 0).then(pl.col("attribution") == 1).alias("is_rec_driven"),
        pl.when(untold_ < 0.05).then(pl.lit(unknown_flag("stalls"))).when(untold_ < 0.06)
        .then(pl.lit(unknown_flag("playing"))).otherwise(pl.lit("")).alias("flags"),
        pl.when(kind_ > 0.999).then(pl.lit("bot")).alias("excluded_reason"),
    )  # fmt: skip
