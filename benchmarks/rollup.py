"""How many session rows a rollup takes a second, beside the same sums written by hand in Polars and DuckDB.

The peers get the same columns and give the same integers. They add in 64 bits (Polars) and 128 bits (DuckDB);
ours adds in exact decimals, which is what keeps a quarter's weighted bytes from wrapping.
"""

from __future__ import annotations

import duckdb
import narwhals as nw
import numpy as np
import polars as pl

from benchmarks.harness import Row, race, rate
from metrics import measures
from metrics.rollup import rollup
from metrics.unknown import unknown_flag

__all__ = ["rows"]

ROWS = 2_000_000
BY = ["region", "device"]
PARTS = (
    measures.attempts,
    measures.starts,
    measures.starts_late,
    measures.playback_failures,
    measures.seek_stall_ms,
    measures.watched_ms,
    measures.playing_hours,
)
STARTED = ("played", "playback_failure")
TOLD = ("outcome", "seek_ms", "watched", "playing")
# The rows that something is counted over, as SQL.
COUNTED = {
    "attempts": "TRUE",
    "started": "started",
    "timed": "timed",
    **{f"attempts|{name}": f"{name}_told" for name in ("seek_ms", "watched", "playing")},
}
FLAGGED = ", ".join(f"NOT contains(flags, '{unknown_flag(name)}') AS {name}_told" for name in TOLD)
SIZES = ",\n  ".join(
    f'SUM(CASE WHEN {rows} THEN {size} ELSE 0 END) AS "{column}:{name}"'
    for name, rows in COUNTED.items()
    for column, size in (("n", "1"), ("w", "weight"), ("w2", "weight * weight"))
)
SQL = f"""
WITH s AS (
  SELECT *, startup_ms IS NOT NULL AS timed, outcome IN {STARTED} AND outcome_told AS started
  FROM (SELECT *, {FLAGGED} FROM sessions WHERE excluded_reason IS NULL)
)
SELECT region, device,
  SUM(weight) AS attempts,
  SUM(CASE WHEN started THEN weight ELSE 0 END) AS starts,
  SUM(CASE WHEN timed AND startup_ms >= {measures.LATE_START_MS} THEN weight ELSE 0 END) AS starts_late,
  SUM(CASE WHEN started AND outcome = 'playback_failure' THEN weight ELSE 0 END) AS playback_failures,
  SUM(CASE WHEN seek_ms_told THEN seek_stall_ms * weight ELSE 0 END) AS seek_stall_ms,
  SUM(CASE WHEN watched_told THEN watched_ms * weight ELSE 0 END) AS watched_ms,
  SUM(CASE WHEN playing_told THEN playing_ms * weight ELSE 0 END) AS playing_hours,
  {SIZES}
FROM s GROUP BY region, device
"""


def rows() -> list[Row]:
    """Seven parts with n, Σw and Σw² by region and device."""
    sessions = _sessions(ROWS)
    lazy = nw.from_native(sessions.lazy())
    arrow = sessions.to_arrow()
    duck = duckdb.connect(config={"threads": pl.thread_pool_size()})
    duck.register("sessions", arrow)

    def ours() -> pl.DataFrame:
        rolled: pl.DataFrame = rollup(lazy, PARTS, BY).collect("polars").to_native()
        return rolled

    def polars() -> pl.DataFrame:
        return _by_hand(sessions.lazy()).collect()

    def duckdb_() -> pl.DataFrame:
        return pl.DataFrame(duck.sql(SQL).arrow())

    expected = _plain(ours())
    for peer in (polars, duckdb_):
        assert expected.equals(_plain(peer()).select(expected.columns)), f"{peer.__name__} differs"
    peers = {"Polars by hand, 64-bit sums": polars, "DuckDB": duckdb_}
    return race("rollup, 7 parts by region and device", ours, peers, rate(ROWS, "rows"))


def _by_hand(sessions: pl.LazyFrame) -> pl.LazyFrame:
    weight, startup = pl.col("weight"), pl.col("startup_ms")
    told = {name: ~pl.col("flags").str.contains(unknown_flag(name), literal=True) for name in TOLD}
    of = {
        "attempts": weight.is_not_null(),
        "started": pl.col("outcome").is_in(STARTED) & told["outcome"],
        "timed": startup.is_not_null(),
        **{f"attempts|{name}": told[name] for name in ("seek_ms", "watched", "playing")},
    }
    sizes: dict[str, pl.Expr] = {}
    for name, rows in of.items():
        counted = pl.when(rows).then(weight).otherwise(0)
        sizes |= {f"n:{name}": pl.when(rows).then(1).otherwise(0).sum()}
        sizes |= {f"w:{name}": counted.sum(), f"w2:{name}": (counted * weight).sum()}
    return (
        sessions.filter(pl.col("excluded_reason").is_null())
        .group_by(BY)
        .agg(
            attempts=weight.sum(),
            starts=weight.filter(of["started"]).sum(),
            starts_late=weight.filter(startup >= measures.LATE_START_MS).sum(),
            playback_failures=weight.filter(of["started"], pl.col("outcome") == "playback_failure").sum(),
            seek_stall_ms=(pl.col("seek_stall_ms") * weight).filter(told["seek_ms"]).sum(),
            watched_ms=(pl.col("watched_ms") * weight).filter(told["watched"]).sum(),
            playing_hours=(pl.col("playing_ms") * weight).filter(told["playing"]).sum(),
            **sizes,
        )
    )


def _plain(rolled: pl.DataFrame) -> pl.DataFrame:
    return rolled.with_columns(pl.exclude(BY).cast(pl.Int64)).sort(BY)


def _sessions(n: int) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    playing = draw.lognormal(14, 1, n).astype(np.int64)
    stall = np.where(draw.random(n) < 0.02, draw.integers(100, 20_000, n), 0)
    startup = draw.lognormal(6, 0.8, n).astype(np.int64)
    return pl.DataFrame(
        {
            "region": draw.integers(0, 8, n),
            "device": draw.integers(0, 5, n),
            "startup_ms": startup,
            "seek_stall_ms": stall,
            "watched_ms": playing + stall + startup,
            "playing_ms": playing,
            "weight": draw.integers(10_000, 30_000, n),
            "never": draw.random(n) < 0.02,
            "fails": draw.random(n) < 0.01,
            "seeks_untold": draw.random(n) < 0.05,
        }
    ).select(
        pl.format("region-{}", "region").alias("region"),
        pl.format("device-{}", "device").alias("device"),
        pl.when(~pl.col("never")).then("startup_ms").alias("startup_ms"),
        pl.when("never")
        .then(pl.lit("start_failure"))
        .when("fails")
        .then(pl.lit("playback_failure"))
        .otherwise(pl.lit("played"))
        .alias("outcome"),
        pl.exclude("region", "device", "startup_ms", "never", "fails", "seeks_untold"),
        pl.when("seeks_untold").then(pl.lit(unknown_flag("seek_ms"))).otherwise(pl.lit("")).alias("flags"),
        pl.lit(None, pl.String).alias("excluded_reason"),
    )
