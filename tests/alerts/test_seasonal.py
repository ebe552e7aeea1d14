"""The seasonal alert: whose hours are judged, when it fires, when it stops."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from alerts.policy import load_policies
from alerts.seasonal import watch
from alerts.slo import load
from metrics.errors import InputError
from tests.alerts.frames import T0

HOUR = 3_600_000
POLICIES = load_policies()
(SHARE,) = [objective for objective in load() if objective.name == "rec-driven-share"]


def _below_seven_tenths(
    ts_ms: NDArray[np.int64], values: NDArray[np.float64], _: NDArray[np.float64]
) -> pl.DataFrame:
    """A detector whose verdicts are known: it expects 0.8 and calls 0.1 either way an anomaly."""
    assert (np.diff(ts_ms) > 0).all()
    return pl.DataFrame({"expected": np.full(len(values), 0.8), "is_anomaly": np.abs(values - 0.8) > 0.1})


def _hours(shares: list[float], n_effective: float = 1_000.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "bucket_ts_ms": T0 + np.arange(len(shares)) * HOUR,
            "numerator": [round(share * 10_000) for share in shares],
            "denominator": 10_000,
            "n_effective": n_effective,
        }
    )


def test_it_fires_at_the_third_low_hour_in_a_row_and_stops_with_the_first_good_one() -> None:
    shares = [0.8] * 5 + [0.5] * 6 + [0.8] * 3
    result = watch(SHARE, _hours(shares), _below_seven_tenths)
    (episode,) = result.episodes.to_dicts()
    assert episode["severity"] == "ticket"
    assert episode["start_ts_ms"] == T0 + 8 * HOUR  # hours 5, 6 and 7 are over
    assert episode["end_ts_ms"] == T0 + 12 * HOUR  # hour 11, the first good one, is over
    assert episode["duration_ms"] == 4 * HOUR
    assert episode["peak_burn"] == pytest.approx(0.5 / 0.2)
    assert result.attained == pytest.approx(np.mean(shares))
    assert result.burn["expected"].to_list() == [0.8] * len(shares)


def test_two_low_hours_and_any_number_of_high_ones_wake_nobody() -> None:
    shares = [0.8] * 5 + [0.5] * 2 + [0.8] * 3 + [1.0] * 9
    assert watch(SHARE, _hours(shares), _below_seven_tenths).episodes.is_empty()


def test_an_alert_that_still_fires_has_no_end() -> None:
    result = watch(SHARE, _hours([0.8] * 5 + [0.1] * 5), _below_seven_tenths)
    assert result.episodes["end_ts_ms"].to_list() == [None]
    assert result.firing("ticket")
    assert result.kept is False


def test_small_cohorts_count_in_the_total_and_are_not_judged() -> None:
    result = watch(SHARE, _hours([0.1] * 9, n_effective=199), _below_seven_tenths)
    assert result.episodes.is_empty()
    assert result.total == 90_000
    assert result.burn["value"].null_count() == 9


def test_a_missing_hour_breaks_the_row() -> None:
    hours = _hours([0.8] * 5 + [0.5] * 4 + [0.8] * 2)
    gap = hours.filter(pl.col("bucket_ts_ms") != T0 + 7 * HOUR)
    assert watch(SHARE, hours, _below_seven_tenths).episodes.height == 1
    result = watch(SHARE, gap, _below_seven_tenths)
    assert result.episodes.is_empty()
    assert result.burn.height == 11


def test_nothing_to_watch_is_said() -> None:
    with pytest.raises(InputError, match="no hours"):
        watch(SHARE, _hours([]), _below_seven_tenths)
    counted = next(objective for objective in load() if objective.name == "time-to-play-p99")
    with pytest.raises(InputError, match="no seasonal baseline"):
        watch(counted, _hours([0.8]), _below_seven_tenths)
