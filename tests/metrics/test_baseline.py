"""The seasonal baseline on series whose season, drift and faults are known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from metrics.baseline import DAY_MS, HOUR_MS, seasonal_anomalies
from metrics.errors import InputError

T0 = 1_775_001_600_000
DAYS = 35


def _share(seed: int = 3) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Hourly shares near 0.8 with a daily and a weekly wave, a slow drift, and a panel's noise."""
    hours = np.arange(DAYS * 24)
    season = 0.03 * np.sin(2 * np.pi * hours / 24) + 0.02 * np.cos(2 * np.pi * hours / 168)
    noise = np.random.default_rng(seed).normal(0, 0.012, len(hours))
    return T0 + hours * HOUR_MS, 0.8 + season - 0.0001 * hours + noise


def test_a_quiet_series_has_next_to_no_anomalies() -> None:
    found = [seasonal_anomalies(*_share(seed))["is_anomaly"].sum() for seed in range(3)]
    assert sum(found) <= 1  # 1,512 judged hours at four deviations


def test_a_drop_is_found_for_as_long_as_it_lasts_and_the_hours_after_it_are_not() -> None:
    ts_ms, values = _share()
    values[600:612] -= 0.10
    found = seasonal_anomalies(ts_ms, values)
    at = np.flatnonzero(found["is_anomaly"].to_numpy())
    assert set(range(600, 612)) <= set(at.tolist())
    assert len(at) <= 13
    assert (found["expected"][600:612] > found["value"][600:612] + 0.05).all()


def test_the_season_itself_is_no_anomaly_but_the_same_value_at_another_hour_is() -> None:
    ts_ms, values = _share()
    hours = np.arange(len(values))
    values += 0.1 * np.sin(2 * np.pi * hours / 24)
    peak = int(np.argmax(np.where((hours > 600) & (hours < 624), values, -1)))
    moved = values.copy()
    moved[peak + 12] = values[peak]
    assert not seasonal_anomalies(ts_ms, values)["is_anomaly"][peak]
    assert seasonal_anomalies(ts_ms, moved)["is_anomaly"][peak + 12]


def test_a_row_is_judged_without_the_rows_after_it() -> None:
    ts_ms, values = _share()
    values[600:612] -= 0.10
    whole = seasonal_anomalies(ts_ms, values)
    for end in (500, 604, 620):
        part = seasonal_anomalies(ts_ms[:end], values[:end])
        assert part["is_anomaly"].equals(whole["is_anomaly"][:end])
        assert np.allclose(part["anomaly_score"], whole["anomaly_score"][:end], atol=1e-9)


def test_gaps_are_bridged() -> None:
    ts_ms, values = _share()
    keep = np.ones(len(values), dtype=np.bool_)
    keep[100:110] = keep[450:520] = False
    found = seasonal_anomalies(ts_ms[keep], values[keep])
    assert found.height == keep.sum()
    assert found["is_anomaly"].sum() <= 1


def test_too_short_to_know_a_season_is_not_judged() -> None:
    ts_ms, values = _share()
    found = seasonal_anomalies(ts_ms[: 14 * 24], values[: 14 * 24])
    assert found["expected"].null_count() == found.height
    assert not found["is_anomaly"].any()
    assert seasonal_anomalies([], []).is_empty()
    sparse = np.arange(0, DAYS * 24, 5)
    assert seasonal_anomalies(ts_ms[sparse], values[sparse])["expected"].null_count() == len(sparse)


def test_a_series_that_never_moved_and_then_does() -> None:
    values = np.full(20 * 24, 0.5)
    values[-1] = 0.6
    for rows in (None, [100.0 + hour % 24 for hour in range(len(values))]):
        found = seasonal_anomalies(T0 + np.arange(len(values)) * HOUR_MS, values, rows)
        assert found.filter(pl.col("is_anomaly"))["value"].to_list() == [0.6]
        assert found["anomaly_score"].is_between(0, 1).all()


def test_an_hour_of_few_rows_may_leave_the_season_by_more() -> None:
    """Shares of 60 rows by night and 600 by day: where the rows are told, night and day are as seldom off by chance."""
    hours = np.arange(4 * DAYS * 24)
    is_night = hours % 24 < 8
    rows = np.where(is_night, 60.0, 600.0)
    values = 0.8 + np.random.default_rng(5).normal(0, 0.4, len(hours)) / np.sqrt(rows)
    ts_ms = T0 + hours * HOUR_MS
    untold = seasonal_anomalies(ts_ms, values)["is_anomaly"].to_numpy()
    assert untold[is_night].sum() >= 5
    assert (
        seasonal_anomalies(ts_ms, values, rows)["is_anomaly"].sum() <= 2
    )  # 8,064 judged hours at four deviations
    # And a busy hour is judged more sharply.
    at = int(np.flatnonzero(~is_night & (hours > 30 * 24))[0])
    values[at] -= 0.12
    assert not seasonal_anomalies(ts_ms, values)["is_anomaly"][at]
    assert seasonal_anomalies(ts_ms, values, rows)["is_anomaly"][at]


def test_instants_must_rise_in_whole_steps() -> None:
    with pytest.raises(InputError, match="do not rise"):
        seasonal_anomalies([T0, T0], [0.1, 0.2])
    with pytest.raises(InputError, match="whole steps"):
        seasonal_anomalies([T0, T0 + HOUR_MS + 1], [0.1, 0.2])


def test_days_as_steps() -> None:
    days = np.arange(70)
    values = 100 + 10 * (days % 7 >= 5) + np.random.default_rng(1).normal(0, 1, 70)
    values[60] += 30
    found = seasonal_anomalies(
        T0 + days * DAY_MS, values, step_ms=DAY_MS, seasons_ms=[7 * DAY_MS], training_ms=28 * DAY_MS
    )
    assert np.flatnonzero(found["is_anomaly"].to_numpy()).tolist() == [60]
