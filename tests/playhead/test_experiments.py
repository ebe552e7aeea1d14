"""What experiments truly do: known answers, and one reading a version of the lake."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from metrics.lake import Lake
from metrics.telemetry import TABLES
from playhead.experiments import publish, true_lifts

COLUMNS = [
    name
    for name in TABLES["truth_discovery"].schema
    if name not in ("experiment", "world", "region", "replicate")
]


def worlds(hours: float, *, noise: int = 0) -> pl.DataFrame:
    """32 groups of members whose treatment watches ``hours`` times what they watch in the control, more or less."""
    rows = []
    for group in range(32):
        for world, factor in (("control", 1.0), ("treatment", hours)):
            sums = dict.fromkeys(COLUMNS, 1_000)
            moved = noise * (-1) ** group if world == "treatment" else 0
            sums["playing_ms"] = round(factor * 100_000) + moved
            rows.append({"experiment": "e", "world": world, "region": "r", "replicate": group, **sums})
    return pl.DataFrame(rows)


def lifts(truth: pl.DataFrame) -> dict[str, tuple[float, float, float]]:
    return {row["metric"]: (row["lift"], row["low"], row["high"]) for row in true_lifts(truth)}


def test_a_lift_is_the_treatment_over_the_control() -> None:
    found = lifts(worlds(1.1))
    assert found["hours_per_member_day"] == pytest.approx((0.1, 0.1, 0.1))
    assert found["take_rate"] == pytest.approx((0.0, 0.0, 0.0))
    assert found["rec_driven_hours_ratio"] == pytest.approx((1 / 1.1 - 1,) * 3)


def test_members_who_differ_make_an_interval() -> None:
    value, low, high = lifts(worlds(1.1, noise=20_000))["hours_per_member_day"]
    assert value == pytest.approx(0.1)
    assert low < 0.1 < high
    assert high - value == pytest.approx(value - low)


def test_what_the_control_never_does_has_no_lift() -> None:
    nobody = worlds(1.0).with_columns(search_plays=pl.lit(0))
    (row,) = [row for row in true_lifts(nobody) if row["metric"] == "search_success_ratio"]
    assert row["lift"] is None


def test_no_experiment_is_no_lift_and_is_kept_once_a_version(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    assert publish(lake)
    assert not publish(lake)
    assert json.loads(lake.artefact("experiments.json").read_text())["lifts"] == []
