"""The season of a series, told from its past: known seasons recovered, and what is none left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metrics.anomalies import anomalies
from metrics.season import remainder_surprise, seasonal_parts

T0, STEP_MS, DAY_ROWS = 1_775_001_600_000, 300_000, 288
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def _instants(days: int) -> Ints:
    return T0 + np.arange(days * DAY_ROWS, dtype=np.int64) * STEP_MS


def _season(days: int) -> Floats:
    """An evening peak, and a third more of it on two days of seven."""
    rows = np.arange(days * DAY_ROWS)
    daily = 10 * np.exp(2 * np.cos(2 * np.pi * (rows / DAY_ROWS - 0.8))) / np.exp(2)
    wave: Floats = daily * np.where((rows // DAY_ROWS) % 7 >= 5, 4 / 3, 1.0)
    return wave


def _series(days: int, seed: int = 1) -> Floats:
    values: Floats = 20 + _season(days) + np.random.default_rng(seed).normal(0, 0.3, days * DAY_ROWS)
    return values


def _flags(values: Floats, days: int) -> list[int]:
    found: list[int] = np.flatnonzero(anomalies(_instants(days), values)["is_anomaly"].to_numpy()).tolist()
    return found


def test_a_daily_and_weekly_season_is_recovered_to_its_noise() -> None:
    days = 49
    season, parts = _season(days), seasonal_parts(_instants(days), _series(days))
    assert np.isnan(parts[: 3 * DAY_ROWS]).all()
    assert np.isfinite(parts[4 * DAY_ROWS :]).all()
    late = slice(35 * DAY_ROWS, None)
    off = (parts - season)[late]
    # A season is told up to a constant; weekends are, once a week has a shape.
    assert np.std(off) < 0.3
    assert np.std(season[late]) > 3


def test_what_has_no_season_has_none() -> None:
    noise = np.random.default_rng(2).normal(0, 1, 30 * DAY_ROWS)
    assert np.isnan(seasonal_parts(_instants(30), noise)).all()
    assert np.isnan(seasonal_parts(_instants(30), np.cumsum(noise))).mean() > 0.9  # a chance wave of few days
    assert np.isnan(seasonal_parts(_instants(30), np.full(30 * DAY_ROWS, 7.0))).all()
    assert seasonal_parts(np.array([], dtype=np.int64), np.array([])).size == 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), end=st.integers(1, 12 * DAY_ROWS))
def test_no_row_is_told_by_a_later_one(seed: int, end: int) -> None:
    draw = np.random.default_rng(seed)
    keep = np.sort(draw.choice(12 * DAY_ROWS, 11 * DAY_ROWS, replace=False))
    ts_ms, values = _instants(12)[keep], _series(12, seed)[keep]
    whole, part = seasonal_parts(ts_ms, values), seasonal_parts(ts_ms[:end], values[:end])
    assert np.array_equal(whole[:end], part, equal_nan=True)


def test_a_day_lost_in_the_past_does_not_become_the_season() -> None:
    days = 14
    values = _series(days)
    lost = values.copy()
    lost[5 * DAY_ROWS : 6 * DAY_ROWS] = 0
    late = slice(11 * DAY_ROWS, None)
    off = seasonal_parts(_instants(days), lost)[late] - seasonal_parts(_instants(days), values)[late]
    assert np.std(off) < 0.6


def test_two_days_without_rows_leave_the_season_where_it_was() -> None:
    days = 21
    keep = np.ones(days * DAY_ROWS, dtype=np.bool_)
    keep[12 * DAY_ROWS : 14 * DAY_ROWS] = False
    parts = seasonal_parts(_instants(days)[keep], _series(days)[keep])
    after = slice(12 * DAY_ROWS, None)
    assert np.std(parts[after] - _season(days)[keep][after]) < 1.0


def test_the_season_is_not_surprising_and_its_absence_is() -> None:
    values, season = _series(21), _season(21)
    calm = remainder_surprise(values - season)
    values[18 * DAY_ROWS : 19 * DAY_ROWS] -= season[18 * DAY_ROWS : 19 * DAY_ROWS]
    lost = remainder_surprise(values - season)
    assert calm[2 * DAY_ROWS :].max() < 4
    assert lost[18 * DAY_ROWS : 19 * DAY_ROWS].max() > 10
    assert (remainder_surprise(np.full(100, np.nan)) == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_holiday_is_one_flag_at_most_and_no_lesson_for_the_days_after_it(seed: int) -> None:
    """A Wednesday that is watched like a Sunday."""
    days = 42
    values = _series(days, seed)
    rows = slice(37 * DAY_ROWS, 38 * DAY_ROWS)
    values[rows] = _series(days, seed + 100)[40 * DAY_ROWS : 41 * DAY_ROWS]
    flags = [row for row in _flags(values, days) if row >= 28 * DAY_ROWS]
    assert len(flags) <= 1
    assert all(rows.start <= row < rows.stop for row in flags)


@pytest.mark.parametrize("seed", range(4))
def test_a_fault_within_the_range_is_found_after_a_holiday_and_a_gap(seed: int) -> None:
    days = 42
    values = _series(days, seed)
    values[32 * DAY_ROWS : 33 * DAY_ROWS] = np.nan
    peak = slice(39 * DAY_ROWS + 200, 39 * DAY_ROWS + 260)
    values[peak] -= 6
    flags = [row for row in _flags(values, days) if row >= 33 * DAY_ROWS]
    assert any(peak.start <= row < peak.stop + 12 for row in flags)
    assert len([row for row in flags if row < peak.start]) <= 1


@pytest.mark.parametrize("seed", range(4))
def test_a_shift_of_level_is_flagged_at_its_onset_and_forgotten_within_days(seed: int) -> None:
    days = 42
    values = _series(days, seed)
    values[30 * DAY_ROWS :] += 12
    flags = [row for row in _flags(values, days) if row >= 28 * DAY_ROWS]
    assert 30 * DAY_ROWS <= flags[0] < 30 * DAY_ROWS + 12
    assert len(flags) <= 5
    assert flags[-1] < 34 * DAY_ROWS
    parts = seasonal_parts(_instants(days), values)
    assert np.std((parts - _season(days))[34 * DAY_ROWS :]) < 1.5
