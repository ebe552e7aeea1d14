"""Samples of a day's rows: every k-th, out of the rows or what is kept, and never of a day as it was."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from metrics import held, sample
from metrics.catalog import METRICS
from metrics.erasure import forget
from metrics.lake import Lake
from metrics.plan import Source
from metrics.query import measure
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session

TABLE = "playback_session"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Three days of ten sessions, of which three a day are enough: every fourth is read."""
    monkeypatch.setattr(sample, "MOST_A_DAY", 3)
    lake = Lake.create(tmp_path / "lake")
    for day in range(3):
        add(lake, day, range(10))
    return lake


def add(lake: Lake, day: int, numbers: range) -> None:
    of_day = [
        session(
            session_id=f"{day}-{n}", subscriber_id=f"m{n}", start_ts_ms=APRIL_MS + day * DAY_MS + n * 1_000
        )
        for n in numbers
    ]
    lake.append(TABLE, rows(TABLE, *of_day), application="t", version=day * 100 + numbers[-1])


def read(lake: Lake) -> tuple[pl.DataFrame, int]:
    found, every = sample.some_rows(lake, TABLE, lake.snapshot(TABLE).files)
    return found.collect(), every


def kept(lake: Lake) -> list[Path]:
    return sorted((lake.path / "artefacts").rglob("day=*.parquet"))


def test_every_fourth_row_of_each_day_is_the_sample_kept_or_not(lake: Lake) -> None:
    found, every = read(lake)
    assert every == 4
    assert found.group_by("day").len().sort("day")["len"].to_list() == [3, 3, 3]
    assert not kept(lake)
    sample.build(lake)
    assert len(kept(lake)) == 3
    again, _ = read(lake)
    assert again.equals(found)


def test_rows_of_a_day_that_is_kept_are_not_read(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.build(lake)

    def unread(self: Lake, table: str, files: object = None) -> pl.LazyFrame:
        raise AssertionError(f"the rows of {table} are read")

    monkeypatch.setattr(Lake, "scan", unread)
    assert read(lake)[0].height == 9


def test_a_day_that_has_changed_is_sampled_anew(lake: Lake) -> None:
    sample.build(lake)
    before = kept(lake)
    add(lake, 2, range(10, 13))
    assert read(lake)[0].height == 3 + 3 + 4
    sample.build(lake)
    assert len(kept(lake)) == 3
    assert len({*kept(lake)} & {*before}) == 2
    assert read(lake)[0].height == 10


def test_a_lake_of_few_rows_is_read_itself(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    sample.build(lake)
    monkeypatch.setattr(sample, "MOST_A_DAY", 10)
    found, every = read(lake)
    assert (found.height, every) == (30, 1)
    sample.build(lake)
    assert not kept(lake)


def test_who_is_forgotten_is_in_no_sample(lake: Lake) -> None:
    sample.build(lake)
    forget(lake, "m0")
    assert not kept(lake)
    assert "m0" not in read(lake)[0]["subscriber_id"].to_list()


def test_a_quantile_of_the_sample_is_told_by_a_sketch_of_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "_DAYS", 2)
    names = ["time_to_play_p50_ms", "time_to_play_p99_ms"]
    add(lake, 1, range(10, 14))  # another file of the day
    _, every = read(lake)
    held.hold_fine(lake, [METRICS[name] for name in names], every)
    told = Source(unread, held.source_of(lake, every).ready)
    rows = Source(lambda table: sample.some_rows(lake, table, lake.snapshot(table).files)[0])
    for cut in (
        {},
        {"by": ["site", "device"]},
        {"by": ["isp"], "grain": "1d"},
        {"where": {"codec": ["av1"]}},
    ):
        found = measure(told, names, **cut)
        assert found.equals(measure(rows, names, **cut))
        assert found["n"].sum() < measure(lake, names, **cut)["n"].sum() or not found["n"].sum()
    with pytest.raises(AssertionError, match="are read"):  # what is held of some is not of all
        measure(Source(unread, held.source_of(lake).ready), names, by=["site", "device"])


def unread(table: str) -> pl.LazyFrame:
    raise AssertionError(f"the rows of {table} are read")
