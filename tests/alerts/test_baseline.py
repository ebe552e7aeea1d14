"""Baseline alerts on metrics of the tree: when they fire, of whom, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from alerts.baseline import Baseline, load_baselines, watch_baseline
from metrics.baseline import seasonal_anomalies
from metrics.errors import InputError
from tests.alerts.frames import T0

HOUR = 3_600_000
SHIPPED = {baseline.name: baseline for baseline in load_baselines()}
PLAYS = SHIPPED["rec-driven-plays"].model_copy(update={"persistence_hours": 3, "at_once_score": 1.0})


def _expects(expected: float, tolerance: float) -> object:
    def detect(ts_ms: NDArray[np.int64], values: NDArray[np.float64], _: NDArray[np.float64]) -> pl.DataFrame:
        assert (np.diff(ts_ms) > 0).all()
        off = np.abs(values - expected) > tolerance
        size = np.abs(values - expected) / tolerance
        return pl.DataFrame(
            {
                "expected": np.full(len(values), expected),
                "anomaly_score": size / (size + 1),
                "is_anomaly": off,
            }
        )

    return detect


def _hours(values: list[float], n_effective: float | None = 1_000.0, **more: str) -> pl.DataFrame:
    ts_ms = T0 + np.arange(len(values)) * HOUR
    columns = {"bucket_ts_ms": ts_ms, "value": values, "n": 1_000}
    frame = pl.DataFrame(columns | more)
    return frame.with_columns(n_effective=pl.lit(n_effective, dtype=pl.Float64))


def _watch(baseline: Baseline, hours: pl.DataFrame, expected: float = 0.8) -> list[dict[str, object]]:
    return watch_baseline(baseline, hours, _expects(expected, 0.1)).to_dicts()  # type: ignore[arg-type]


def test_it_fires_when_the_third_low_hour_is_over() -> None:
    (alert,) = _watch(PLAYS, _hours([0.8] * 5 + [0.5, 0.4, 0.5, 0.5] + [0.8] * 3))
    assert (alert["start_ts_ms"], alert["end_ts_ms"]) == (T0 + 8 * HOUR, T0 + 10 * HOUR)
    assert (alert["value"], alert["expected"], alert["metric"]) == (0.4, 0.8, "rec_driven_play_ratio")
    assert _watch(PLAYS, _hours([0.8] * 5 + [0.5] * 2 + [0.8] + [0.5] * 2 + [1.0] * 9)) == []


def test_an_hour_that_is_very_far_off_needs_no_second_one() -> None:
    very = PLAYS.model_copy(update={"persistence_hours": 3, "at_once_score": 0.8})
    (alert,) = _watch(very, _hours([0.8] * 5 + [0.6, 0.3, 0.8, 0.8]))
    assert (alert["start_ts_ms"], alert["end_ts_ms"]) == (T0 + 7 * HOUR, T0 + 8 * HOUR)
    # As far off the other way is no alert, and less far is none so soon.
    assert _watch(very, _hours([0.8] * 5 + [1.4] + [0.8] * 3)) == []
    assert _watch(very, _hours([0.8] * 5 + [0.5] * 2 + [0.8] * 3)) == []


def test_a_change_too_small_to_matter_is_no_alert_however_sure() -> None:
    hours = _hours([0.8] * 5 + [0.65] * 4 + [0.8] * 3)
    assert len(_watch(PLAYS.model_copy(update={"least_change": 0.14}), hours)) == 1
    assert _watch(PLAYS.model_copy(update={"least_change": 0.16}), hours) == []


def test_an_alert_that_comes_back_within_an_hour_is_the_same_one() -> None:
    low, good = [0.5] * 3, [0.8]
    assert len(_watch(PLAYS, _hours(good * 3 + low + good + low + good * 3))) == 2
    every_hour = PLAYS.model_copy(update={"persistence_hours": 1})
    (alert,) = _watch(every_hour, _hours(good * 3 + low + good + low + good * 3))
    assert (alert["start_ts_ms"], alert["end_ts_ms"]) == (T0 + 4 * HOUR, T0 + 11 * HOUR)


def test_what_still_fires_has_no_end() -> None:
    (alert,) = _watch(PLAYS, _hours([0.8] * 5 + [0.5] * 4))
    assert alert["end_ts_ms"] is None


def test_a_small_cohort_is_not_judged_and_a_gap_ends_the_row() -> None:
    assert _watch(PLAYS, _hours([0.8] * 5 + [0.5] * 6, n_effective=199.0)) == []
    hours = _hours([0.8] * 5 + [0.5] * 5 + [0.8])
    assert _watch(PLAYS, hours.filter(pl.col("bucket_ts_ms") != T0 + 7 * HOUR)) == []


def test_rows_that_are_no_panel_count_themselves_and_each_slice_is_watched_alone() -> None:
    good = _hours([0.9] * 12, None, region="north")
    bad = _hours([0.9] * 5 + [0.3] * 4 + [0.9] * 3, None, region="south")
    (alert,) = _watch(SHIPPED["edge-offload"], pl.concat([good, bad]), 0.9)
    assert (alert["dimension"], alert["slice"]) == ("region", "south")


def test_a_cost_is_worse_when_higher_and_judged_by_factors() -> None:
    draw = np.random.default_rng(1)
    hours = np.arange(28 * 24)
    cost = np.exp(np.sin(2 * np.pi * hours / 24) + draw.normal(0, 0.03, len(hours))) / 1_000
    cost[600:610] *= 1.5
    cost[630:640] /= 1.5
    (alert,) = watch_baseline(
        SHIPPED["cost-per-stream-hour"], _hours(cost.tolist()), seasonal_anomalies
    ).to_dicts()
    assert alert["start_ts_ms"] == T0 + 601 * HOUR  # ten deviations off at once
    assert alert["value"] / alert["expected"] == pytest.approx(1.5, abs=0.15)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("metric: rec_driven_play_rate", "rec_driven_play_ratio"),
        ("persistence_hours: 0", "persistence_hours"),
        ("worse: sideways", "worse"),
        ("colour: red", "colour"),
    ],
)
def test_a_baseline_that_cannot_be_kept_to_is_refused(tmp_path: Path, line: str, message: str) -> None:
    fields = {
        "name": "mine", "about": "x", "metric": "rec_driven_play_ratio", "worse": "lower",
        "persistence_hours": "3", "cohort_minimum": "200", "severity": "ticket", "source": "x", "grade": "assumed",
    }  # fmt: skip
    key, value = line.split(": ")
    path = tmp_path / "mine.yaml"
    path.write_text("".join(f"{k}: {v}\n" for k, v in (fields | {key: value}).items()), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_baselines([path])


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    text = (Path(__file__).parents[2] / "alerts" / "baselines" / "rec-driven-plays.yaml").read_text()
    path.write_text(text.split("---")[0] + "---\n" + text.split("---")[0], encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        load_baselines([path])
