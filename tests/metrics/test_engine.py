"""The same integers on another engine, and partitions in order whatever runs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from metrics.catalog import METRICS
from metrics.engine import Where, collect, map_partitions
from metrics.measures import DERIVED
from metrics.parts import Part
from metrics.quantiles import with_bucket
from metrics.rollup import merge, rollup
from tests.metrics.rows import APRIL_MS, DAY_MS, member_days, rows, session, unstarted

SESSIONS = rows(
    "playback_session",
    *(
        session(
            startup_ms=i * i * 37 % 9_000, playing_ms=i * 7_919_017 % 10_000_000, stall_count=i % 3,
            stall_ms=(i % 3) * 1_234, edge_bytes=i * 10**12, weight=1 + i * 9_973, region=("mena", "asia", None)[i % 3],
            is_rec_driven=(True, False, None)[i % 3], browse_ms=i * 1_000, is_first_session=i % 5 == 0,
            content_duration_ms=(None, 0, 3_600_000)[i % 3], excluded_reason="bot" if i % 11 == 0 else None,
        )
        for i in range(60)
    ),
    *(unstarted("exit_before_start", waited_ms=1_500 * i, weight=i + 1) for i in range(4)),
    *(unstarted("start_failure", failure_class=kind) for kind in ("technical", "business", None)),
)  # fmt: skip
MEMBERS = rows(
    "membership",
    *({**row, "status": ("trial", "paying", "paying", "lapsed")[day], "is_churned": day == 3, "weight": 7}
      for day in range(4) for row in [{"ts_ms": APRIL_MS + day * DAY_MS, "subscriber_id": "a", "tenure_days": day}]),
    *member_days(4, members=3, region="mena"),
)  # fmt: skip
TABLES = {"playback_session": SESSIONS, "membership": MEMBERS}
# Square root and exponential may differ in the last digit between engines.
NOT_INTEGER = {"mux_smoothness_score"}


def parts_of(table: str) -> list[Part]:
    parts = {part.name: part for metric in METRICS.values() for part in metric.parts}
    return [part for part in parts.values() if part.table == table and part.name not in NOT_INTEGER]


def by_region(frame: nw.LazyFrame[Any], table: str) -> pl.DataFrame:
    if table == "membership":
        frame = frame.with_columns(**DERIVED)
    found: pl.DataFrame = rollup(frame, parts_of(table), ["region"]).collect("polars").to_native()
    # Without trailing zeros, widths of decimals differ.
    return found.with_columns(pl.exclude("region").cast(pl.Decimal(38, 0))).sort("region")


@pytest.mark.parametrize("table", list(TABLES))
def test_another_engine_adds_up_to_the_same_integers(table: str) -> None:
    connection = duckdb.connect()
    connection.register("rows_of_it", TABLES[table].to_arrow())
    theirs = by_region(nw.from_native(connection.table("rows_of_it")), table)
    ours = by_region(nw.from_native(TABLES[table].lazy()), table)
    assert ours.equals(theirs.select(ours.columns))
    assert ours.height == 3 if table == "playback_session" else 2


def test_another_engine_finds_the_same_buckets() -> None:
    values = pl.DataFrame({"v": [0, 1, 255, 256, 2_000, 2**31, 2**40 + 3, 2**52 - 1, None]})
    connection = duckdb.connect()
    connection.register("rows_of_it", values.to_arrow())
    theirs = with_bucket(nw.from_native(connection.table("rows_of_it")), nw.col("v"), "b").collect("polars")
    ours = with_bucket(nw.from_native(values.lazy()), nw.col("v"), "b").collect("polars")
    assert ours.to_native().equals(theirs.to_native())


def test_parts_roll_up_again_on_another_engine() -> None:
    rolled = by_region(nw.from_native(SESSIONS.lazy()), "playback_session")
    again: pl.DataFrame = merge(nw.from_native(rolled.lazy())).to_native().collect()
    whole: pl.DataFrame = (
        rollup(nw.from_native(SESSIONS.lazy()), parts_of("playback_session")).to_native().collect()
    )
    assert again.equals(whole.with_columns(pl.all().cast(pl.Decimal(38, 0))))


def test_frames_are_computed_together() -> None:
    frame = pl.LazyFrame({"x": [1, 2, 3]})
    one, other = collect([frame.select(pl.col("x").sum()), frame.select(pl.col("x").max())])
    assert (one.item(), other.item()) == (6, 3)


def square(partition: int) -> int:
    return partition * partition


@pytest.mark.parametrize("where", ["here", "threads", "processes"])
def test_partitions_come_in_order_wherever_they_run(where: Where) -> None:
    assert list(map_partitions(square, range(9), where=where)) == [n * n for n in range(9)]


def test_a_slow_reader_bounds_what_is_held() -> None:
    drawn: list[int] = []

    def partitions() -> Iterator[int]:
        for n in range(100):
            drawn.append(n)
            yield n

    results = map_partitions(square, partitions(), where="threads", workers=2)
    assert [next(results), next(results)] == [0, 1]
    assert len(drawn) <= 6
    results.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_where_its_result_is_due() -> None:
    results = map_partitions(lambda n: 1 // n, [1, 0], where="threads")
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
