"""The streaming detector on series whose anomalies are known, and on series that are hardly series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metrics.anomalies import SCORE_LIMIT, anomalies
from metrics.errors import InputError

T0, STEP_MS, DAY_ROWS = 1_775_001_600_000, 300_000, 288
Floats = NDArray[np.float64]


def _instants(rows: int) -> NDArray[np.int64]:
    return T0 + np.arange(rows, dtype=np.int64) * STEP_MS


def _daily(rows: int = 14 * DAY_ROWS, seed: int = 1) -> Floats:
    wave = 50 + 20 * np.sin(2 * np.pi * np.arange(rows) / DAY_ROWS)
    values: Floats = wave + np.random.default_rng(seed).normal(0, 1, rows)
    return values


def _flagged(values: Floats) -> list[int]:
    found: list[int] = np.flatnonzero(
        anomalies(_instants(len(values)), values)["is_anomaly"].to_numpy()
    ).tolist()
    return found


def test_a_season_is_no_anomaly() -> None:
    assert sum(len([row for row in _flagged(_daily(seed=seed)) if row >= DAY_ROWS]) for seed in range(5)) <= 5


@pytest.mark.parametrize("change", [40.0, -40.0])
def test_a_shift_of_level_is_one_flag_at_its_onset(change: float) -> None:
    values = _daily()
    values[3_000:] += change
    after = [row for row in _flagged(values) if row >= 2_900]
    assert 3_000 <= after[0] < 3_012
    assert len(after) <= 3


def test_a_day_that_lacks_its_peak_is_found() -> None:
    values = _daily()
    rows = slice(10 * DAY_ROWS, 11 * DAY_ROWS)
    values[rows] = np.minimum(values[rows], 40 + np.random.default_rng(2).normal(0, 1, DAY_ROWS))
    assert any(10 * DAY_ROWS <= row < 11 * DAY_ROWS for row in _flagged(values))


def test_a_burst_of_noise_is_found_though_it_stays_within_the_range() -> None:
    values = _daily()
    values[3_000:3_040] += np.random.default_rng(3).normal(0, 12, 40)
    assert any(3_000 <= row < 3_060 for row in _flagged(values))


def test_the_first_movement_of_a_constant_series() -> None:
    values = np.full(500, 7.0)
    assert _flagged(values) == []
    values[400:] = 7.5
    assert _flagged(values)[0] == 400


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 899))
def test_no_row_is_judged_by_a_later_one(seed: int, end: int) -> None:
    draw = np.random.default_rng(seed)
    values = np.cumsum(draw.normal(0, 1, 900)) * 10.0 ** draw.integers(-5, 6)
    values[draw.random(900) < 0.05] = np.nan
    values[draw.integers(0, 900)] *= 1e6
    ts_ms = T0 + np.cumsum(draw.choice([0, STEP_MS, STEP_MS, 40 * STEP_MS], 900))
    whole, part = anomalies(ts_ms, values), anomalies(ts_ms[:end], values[:end])
    assert part.equals(whole.head(end))
    assert whole["anomaly_score"].is_between(0, 1).all()
    assert whole["anomaly_score"].is_finite().all()


def test_a_flag_is_a_score_at_the_limit() -> None:
    values = _daily()
    values[3_000:] += 40
    found = anomalies(_instants(len(values)), values)
    assert ((found["anomaly_score"] >= SCORE_LIMIT) == found["is_anomaly"]).all()
    assert found["is_anomaly"].any()


def test_the_unit_of_a_series_does_not_matter() -> None:
    values = _daily()
    values[3_000:] += 40
    found = anomalies(_instants(len(values)), values)
    for unit in (2.0**-20, 2.0**20, 2.0**900):
        assert anomalies(_instants(len(values)), values * unit).equals(found)


def test_rows_are_judged_in_the_order_of_time_and_given_back_as_they_came() -> None:
    values, ts_ms = _daily(1_000), _instants(1_000)
    values[800:] += 40
    mixed = np.random.default_rng(4).permutation(1_000)
    found, whole = anomalies(ts_ms[mixed], values[mixed]), anomalies(ts_ms, values)
    assert found.equals(whole[mixed.tolist()])


def test_missing_values_and_missing_rows_are_no_anomaly() -> None:
    values, ts_ms = _daily(), _instants(14 * DAY_ROWS)
    values[1_000:1_050] = np.nan
    found = anomalies(ts_ms, values)
    assert found["anomaly_score"][1_000:1_050].to_list() == [0.0] * 50
    known = ~np.isnan(values)
    assert found.filter(known).equals(anomalies(ts_ms[known], values[known]))


def test_what_is_hardly_a_series_is_not_judged() -> None:
    for values in ([], [1.0], [1.0] * 60, [np.nan] * 100):
        found = anomalies(_instants(len(values)), np.array(values, dtype=np.float64))
        assert found["anomaly_score"].to_list() == [0.0] * len(values)
    same = anomalies(np.full(300, T0), np.arange(300.0))
    assert same["anomaly_score"].is_between(0, 1).all()


def test_infinity_is_refused() -> None:
    with pytest.raises(InputError, match="value 2 is infinite"):
        anomalies(_instants(2), np.array([1.0, np.inf]))
