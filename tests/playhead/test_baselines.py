"""Baselines are watched on the rows that they name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from alerts.baseline import load_baselines
from metrics.lake import Lake
from metrics.telemetry import TABLES
from playhead.baselines import watch_lake
from tests.metrics.rows import APRIL_MS, DAY_MS, rows

HOUR_MS = DAY_MS // 24
DAYS, BEGINS, EACH_HOUR = 33, 30, 60


def test_a_holdout_on_another_cdn_is_no_incident_of_our_own(tmp_path: Path) -> None:
    """In the last days a fifth of the bytes come by a third party; the own CDN serves as ever."""
    count = DAYS * 24 * EACH_HOUR
    hour = np.arange(count) // EACH_HOUR
    row = np.arange(count) % EACH_HOUR
    is_held_out = (hour >= BEGINS * 24) & (row % 5 == 4)
    size = np.random.default_rng(1).integers(9_000_000, 11_000_000, count)
    one = rows("delivery", {"region": "north-america", "interval_ms": HOUR_MS})
    delivered = one.select(pl.all().repeat_by(count).explode()).with_columns(
        ts_ms=pl.Series(APRIL_MS + hour * HOUR_MS),
        cdn=pl.Series(np.where(is_held_out, "third_party", "own")),
        tier=pl.Series(np.where(is_held_out, "third_party", np.where(row % 20 == 0, "storage", "edge"))),
        delivered_bytes=pl.Series(size),
        panel_bytes=pl.Series(size),
    )
    lake = Lake.create(tmp_path / "lake")
    contract = TABLES["delivery"]
    lake.append(contract.name, delivered.cast(contract.schema), application="t", version=1)
    (offload,) = (each for each in load_baselines() if each.name == "edge-offload")
    assert watch_lake(lake, [offload]).alerts.is_empty()
    told = watch_lake(lake, [offload.model_copy(update={"where": {}})]).alerts
    assert not told.is_empty()
    assert (told["start_ts_ms"] >= APRIL_MS + BEGINS * DAY_MS).all()
