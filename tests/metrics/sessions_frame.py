"""Session rows for tests: valid, deterministic, told apart by their number."""

import polars as pl

from metrics.telemetry import TABLES

DAY_MS = 86_400_000
START_TS_MS = 1_775_001_600_000  # 2026-04-01T00:00:00Z


def sessions(count: int, *, first: int = 0, days: int = 3) -> pl.DataFrame:
    """``count`` sessions numbered from ``first``, spread over ``days`` days; 10 sessions a subscriber."""
    numbers = pl.Series("n", range(first, first + count), dtype=pl.Int64)
    start = START_TS_MS + (numbers % days) * DAY_MS + numbers % 1000
    zero = pl.lit(0, dtype=pl.Int64)
    given = {
        "session_id": pl.format("{}", numbers),
        "subscriber_id": pl.format("{}", pl.lit(numbers // 10)),
        "start_ts_ms": pl.lit(start),
        "end_ts_ms": pl.lit(start + 60_000),
        "end_reason": pl.lit("completed"),
        "outcome": pl.lit("played"),
        "waited_ms": pl.lit(800, dtype=pl.Int64),
        "startup_ms": pl.lit(800, dtype=pl.Int64),
        "playing_ms": pl.lit(50_000, dtype=pl.Int64),
        "watched_ms": pl.lit(50_800, dtype=pl.Int64),
        "flags": pl.lit(""),
        "is_synthetic": pl.lit(value=True),
        "weight": pl.lit(7, dtype=pl.Int64),
        "replicate": pl.lit(numbers % 32),
    }
    required = [c.name for c in TABLES["playback_session"].columns if not c.nullable]
    columns = [given.get(name, zero).alias(name) for name in [*required, "subscriber_id", "startup_ms"]]
    return pl.DataFrame({"n": numbers}).select(columns)
