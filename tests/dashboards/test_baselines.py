"""Alerts that are kept beside a lake are those of the lake as it is, or none."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from alerts.baseline import ALERTS
from dashboards.baselines import alerts_of
from metrics.lake import Lake
from metrics.telemetry import TABLES
from tests.dashboards import lakes

PLANTED = pl.DataFrame(
    [["planted", "edge_offload_ratio", "region", "south-asia", "ticket", 1, 2, 0.5, 0.9]],
    schema=ALERTS,
    orient="row",
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(lakes.logged(tmp_path / "lake"))


def kept(lake: Lake) -> list[Path]:
    return list((lake.path / "artefacts" / "answers").glob("*/*"))


def test_what_was_found_is_read_from_then_on(lake: Lake) -> None:
    assert alerts_of(lake).equals(ALERTS.to_frame())
    (file,) = kept(lake)
    PLANTED.write_parquet(file)
    assert alerts_of(Lake.open(lake.path)).equals(PLANTED)


def test_of_a_lake_that_has_moved_on_nothing_old_is_read(lake: Lake) -> None:
    alerts_of(lake)
    (file,) = kept(lake)
    PLANTED.write_parquet(file)
    contract = TABLES["playback_session"]
    again = lake.scan(contract.name).select(*contract.schema).collect()
    again = again.with_columns(pl.col("session_id") + "-again")
    lake.append(contract.name, again, application="test", version=0)
    assert alerts_of(lake).is_empty()
    assert len(kept(lake)) == 1
    assert kept(lake) != [file]


@pytest.mark.parametrize("damaged", [b"", b"PAR1 and no more"])
def test_a_damaged_file_is_made_anew(lake: Lake, damaged: bytes) -> None:
    alerts_of(lake)
    (file,) = kept(lake)
    file.write_bytes(damaged)
    assert alerts_of(lake).is_empty()
    assert pl.read_parquet(file).schema == ALERTS


def test_a_file_of_another_shape_is_made_anew(lake: Lake) -> None:
    alerts_of(lake)
    (file,) = kept(lake)
    PLANTED.drop("expected").write_parquet(file)
    assert alerts_of(lake).is_empty()


def test_where_nothing_can_be_kept_it_is_told_all_the_same(lake: Lake) -> None:
    (lake.path / "artefacts").mkdir(exist_ok=True)
    (lake.path / "artefacts" / "answers").write_text("in the way", encoding="utf-8")
    assert alerts_of(lake).equals(ALERTS.to_frame())
