"""Compaction changes no row, vacuum no table, and what is computed is replaced whole."""

import os
from pathlib import Path

import polars as pl
import pytest

from metrics.errors import ContractError
from metrics.lake import Lake
from metrics.telemetry import TABLES
from metrics.upkeep import compact, replace, sizes, vacuum
from tests.metrics.sessions_frame import START_TS_MS, sessions


def _events(session_ids: list[str]) -> pl.DataFrame:
    n = len(session_ids)
    return pl.DataFrame(
        {
            "session_id": session_ids,
            "ts_ms": [START_TS_MS] * n,
            "sequence": [0] * n,
            "event": ["play"] * n,
            "is_synthetic": [True] * n,
            "weight": [1] * n,
            "replicate": [0] * n,
        }
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake.create(tmp_path / "lake")
    for version in range(4):
        rows = sessions(50, first=50 * version)
        lake.append("playback_session", rows, application="test", version=version)
    lake.append("playback_event", _events([str(n) for n in range(200)]), application="test", version=0)
    return lake


def _rows(lake: Lake, table: str = "playback_session") -> pl.DataFrame:
    return lake.scan(table).sort("session_id").collect()


def test_compact_joins_files_and_keeps_every_row(lake: Lake) -> None:
    before = _rows(lake)
    assert compact(lake)["playback_session"] == (12, 3)
    assert _rows(lake).equals(before)
    assert compact(lake)["playback_session"] == (3, 3)
    # What was appended is still known.
    assert lake.append("playback_session", sessions(50), application="test", version=3).already


def test_vacuum_deletes_what_no_table_names_once_it_is_old(lake: Lake) -> None:
    before = _rows(lake)
    compact(lake)
    orphan = lake.table_path("playback_session") / "day=2026-04-01" / "part-killed.zstd.parquet"
    orphan.write_bytes(b"half a file")
    assert vacuum(lake, retention_hours=1) == 0
    two_hours_ago = orphan.stat().st_mtime - 7200
    os.utime(orphan, (two_hours_ago, two_hours_ago))
    assert vacuum(lake, retention_hours=1) == 1
    assert vacuum(lake, retention_hours=0) == 12
    assert _rows(lake).equals(before)
    stored = set(lake.table_path("playback_session").rglob("day=*/*.parquet"))
    assert {str(file) for file in stored} == set(lake.snapshot("playback_session").files)


def test_sizes_add_up(lake: Lake) -> None:
    found = {size.table: size for size in sizes(lake)}
    assert list(found) == ["playback_session", "playback_event"]
    assert (found["playback_session"].rows, found["playback_session"].files) == (200, 12)
    assert set(found) <= set(TABLES)


def test_rows_are_replaced_in_one_version_and_the_others_stay(lake: Lake) -> None:
    before, odd = _rows(lake), pl.col("start_ts_ms") % 2 == 1
    version = lake.snapshot("playback_session").version
    new = sessions(6, first=1_000).filter(odd)
    for did in (True, False):  # the second time nothing is to do
        assert replace(lake, "playback_session", new, matches=odd, application="computed") is did
        assert lake.snapshot("playback_session").version == version + 1
        assert lake.appended_version("playback_session", "computed") == 1
    kept = _rows(lake).join(before, on="session_id", how="semi")
    assert kept.equals(before.filter(~odd))
    assert _rows(lake).height == kept.height + 3
    assert replace(lake, "playback_session", new.head(1), matches=odd, application="computed")
    assert lake.appended_version("playback_session", "computed") == 2


def test_computed_rows_that_break_the_contract_replace_nothing(lake: Lake) -> None:
    before = _rows(lake)
    bad = sessions(1).with_columns(weight=pl.lit(0, dtype=pl.Int64))
    with pytest.raises(ContractError, match="computed rows of playback_session break the contract: weight"):
        replace(lake, "playback_session", bad, matches=pl.lit(value=True), application="computed")
    assert _rows(lake).equals(before)
