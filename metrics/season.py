"""What the hour of the day, and of the week, leads one to expect: a decomposition refitted on the past alone.

STL (Cleveland et al. 1990), and with three weeks behind it MSTL for day and week at once (Bandara et al. 2021), both of
statsmodels and robust, so that an outage or a holiday does not become the season. Fitted anew as the past grows by
half, on at most four weeks of half-hourly means; a row's expectation comes from the last fit before it. A season counts
only where it is evident: where the other days explain half of what a day varies by, at the median day.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from metrics.surprise import LONG_MEMORY, SHORT, compiled

__all__ = ["remainder_surprise", "seasonal_parts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_MS: Final = 86_400_000
_BINS = 48
_BIN_MS = DAY_MS // _BINS
# Days behind the first fit, growth to the next, days looked back on, and days from which a week has a shape.
_FIRST_DAYS, _GROWTH, _MOST_DAYS, _WEEKLY_DAYS = 3, 1.5, 28, 21
_LEAST_EXPLAINED = 0.5
# Seasons are told by so many periods past.
_PERIODS = 4
# Half hours without a row are bridged; with more of them than this there is nothing to fit.
_MOST_MISSING = 0.2
# Trends are smooth, so that they are computed at every fourth of their points; three rounds settle the weights.
_SMOOTH: Final = {"robust": True, "trend_jump": _BINS // 4, "low_pass_jump": _BINS // 4}
_ROUNDS: Final = {"inner_iter": 1, "outer_iter": 3}


def seasonal_parts(ts_ms: Ints, values: Floats) -> Floats:
    """What of each of finite ``values`` at rising ``ts_ms`` is season: NaN where none is evident yet.

    A row's figure depends on rows of earlier half hours alone.
    """
    found = np.full(len(values), np.nan)
    if not len(values) or int(ts_ms[-1] - ts_ms[0]) < _FIRST_DAYS * DAY_MS:
        return found
    slot = ts_ms // _BIN_MS
    slots = np.arange(slot[0], slot[-1] + 1)
    counts = np.bincount(slot - slot[0], minlength=len(slots))
    with np.errstate(invalid="ignore"):
        means = np.bincount(slot - slot[0], values, len(slots)) / counts
    ends = _fit_ends(len(slots))
    for end, until in zip(ends, [*ends[1:], len(slots)], strict=True):
        profile = _profile(means[max(end - _MOST_DAYS * _BINS, 0) : end])
        if profile is not None:
            rows = slice(*np.searchsorted(slot, (slots[0] + end, slots[0] + until)))
            found[rows] = _at(profile, ts_ms[rows], int(slots[0] + end))
    return found


@compiled
def remainder_surprise(remainders: Floats) -> Floats:
    """How far each row's level leaves the past's, in standard deviations, of values without their season.

    The level is the mean of 12 rows; NaN rows, of no evident season, are passed over and surprise by 0.
    """
    n = len(remainders)
    found = np.zeros(n)
    last = np.zeros(SHORT)
    total, mean, variance, seen = 0.0, 0.0, 0.0, 0
    for i in range(n):
        if np.isnan(remainders[i]):
            continue
        slot = seen % SHORT
        old = last[slot]
        total += remainders[i] - old
        last[slot] = remainders[i]
        seen += 1
        if seen <= SHORT:
            continue
        past = seen - SHORT
        # A day's half hours must have passed before their spread is known.
        if past > _BINS and variance > 0.0:
            found[i] = abs(total / SHORT - mean) / np.sqrt(variance)
        weight = max(1.0 / past, 1.0 / LONG_MEMORY)
        step = old - mean
        mean += weight * step
        variance = (1.0 - weight) * (variance + weight * step * step)
    return found


def _fit_ends(slots: int) -> list[int]:
    ends, days = [], float(_FIRST_DAYS)
    while (end := int(days) * _BINS) < slots:
        ends.append(end)
        days = min(days * _GROWTH, days + _MOST_DAYS)
    return ends


def _profile(means: Floats) -> Floats | None:
    """One period of the season after these half hours, or None where it is not evident."""
    # statsmodels takes over a second to import.
    from statsmodels.tsa.seasonal import MSTL, STL

    days = means.reshape(-1, _BINS)
    known = np.isfinite(days)
    if known.mean() < 1 - _MOST_MISSING or not known.any(axis=0).all():
        return None
    # A half hour without a row is taken to have been as usual at its time.
    days = np.where(known, days, np.nanmedian(days, axis=0))
    if _explained(days) < _LEAST_EXPLAINED:
        return None
    bridged = days.ravel()
    if len(means) >= _WEEKLY_DAYS * _BINS:
        period = 7 * _BINS
        weekly = _SMOOTH | _ROUNDS | {"trend_jump": _BINS // 2, "low_pass_jump": _BINS // 2}
        fitted = MSTL(bridged, periods=(_BINS, period), iterate=1, stl_kwargs=weekly).fit()
        seasonal = fitted.seasonal.sum(axis=1)
    else:
        period = _BINS
        fitted = STL(bridged, period=period, **_SMOOTH).fit(**_ROUNDS)
        seasonal = fitted.seasonal
    # A shift of level leaks into the season of the periods around it, not into that of most.
    last = seasonal[-min(_PERIODS, len(seasonal) // period) * period :]
    profile: Floats = np.median(last.reshape(-1, period), axis=0)
    return profile


def _explained(days: Floats) -> float:
    """Share of a day's variance that the mean of the other days explains, at the median of ``days`` (a row each)."""
    shapes = days - days.mean(axis=1, keepdims=True)
    others = (shapes.sum(axis=0) - shapes) / (len(days) - 1)
    varies = (shapes**2).sum(axis=1)
    left = ((shapes - others) ** 2).sum(axis=1)
    explained = 1 - np.divide(
        left, varies, out=np.ones_like(left), where=varies > 1e-18 * (days**2).sum(axis=1)
    )
    return float(np.median(explained))


def _at(profile: Floats, ts_ms: Ints, first_slot: int) -> Floats:
    """The profile, whose first half hour is like ``first_slot``, between the middles of its half hours."""
    position = ts_ms / _BIN_MS - first_slot - 0.5
    n = len(profile)
    expected: Floats = np.interp(position % n, np.arange(n + 1), np.append(profile, profile[0]))
    return expected
