"""Incident cases on minute counts: traffic, an error process, and incidents whose truth is known.

| drawn | distribution |
|---|---|
| events a minute | Poisson around a daily wave, the peak at four times the trough |
| bad events | binomial in them, at the minute's bad share |
| bad share outside incidents | the base, times a log-normal factor an hour where a spread is asked for |
| incidents | one in every two days, so that each has at least a quiet day before it |
| start | uniform in its day |
| minutes | log-normal, median 120, log-sd 0.7, within 30 to 720; or as given |
| shape | step, ramp (over 0.1 to 0.5 of the duration) or flap (5 to 20 minutes on, 2 to 10 off), a third each |
| bad share in an incident | uniform over those given |

Draws come from Philox, a counter-based generator keyed by (seed, series): a series does not depend on how many
others are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from alerts.kernel import Floats, Ints

__all__ = ["BURNS", "CASES", "SHAPES", "Cases", "incident_cases", "quiet_cases", "rescaled"]

DAY = 1440
SHAPES = ("step", "ramp", "flap")
# At an objective of 99.9 % the bad shares 100, 10, 5, 2, 1 and 0.5 %.
BURNS = (1000.0, 100.0, 50.0, 20.0, 10.0, 5.0)
_SLOT_DAYS, _PER_SERIES = 2, 10
_MINUTES, _MINUTES_LOG_SD, _LEAST, _MOST = 120.0, 0.7, 30, 720
_WAVE, _PEAK_MINUTE = 0.6, 1260

CASES = pl.Schema(
    {
        "series": pl.Int64,
        "start_minute": pl.Int64,
        "end_minute": pl.Int64,
        "shape": pl.String,
        "bad_ratio": pl.Float64,
    }
)


@dataclass(frozen=True)
class Cases:
    """Counts, shape (series, minutes), and the incidents in them (:data:`CASES`, an incident a row)."""

    bad: Ints
    total: Ints
    incidents: pl.DataFrame


def incident_cases(
    seed: int,
    count: int,
    *,
    sessions_per_hour: float,
    base_ratio: float,
    bad_ratios: Sequence[float],
    minutes: int | None = None,
    shapes: Sequence[str] = SHAPES,
    spread: float = 0.0,
) -> Cases:
    """``count`` incidents over a base share of bad events, ten in each series of twenty days.

    With ``minutes`` all last as long. ``spread``: log-sd of the hourly factor on the base share, mean 1.
    """
    length = _PER_SERIES * _SLOT_DAYS * DAY
    shares, rows = [], []
    for s in range(-(-count // _PER_SERIES)):
        rng = np.random.Generator(np.random.Philox(key=[seed, s]))
        share = _base(rng, length, base_ratio, spread)
        for slot in range(min(_PER_SERIES, count - s * _PER_SERIES)):
            lasts = minutes or int(
                np.clip(np.exp(rng.normal(np.log(_MINUTES), _MINUTES_LOG_SD)), _LEAST, _MOST)
            )
            start = (slot * _SLOT_DAYS + 1) * DAY + int(rng.integers(0, DAY - lasts + 1))
            shape = shapes[int(rng.integers(len(shapes)))]
            bad_ratio = bad_ratios[int(rng.integers(len(bad_ratios)))]
            inside = share[start : start + lasts]
            inside += (bad_ratio - inside).clip(min=0) * _profile(rng, shape, lasts)
            rows.append((s, start, start + lasts, shape, bad_ratio))
        shares.append(share)
    return Cases(
        *_counts(seed, np.array(shares), sessions_per_hour), pl.DataFrame(rows, schema=CASES, orient="row")
    )


def quiet_cases(
    seed: int, series: int, days: int, *, sessions_per_hour: float, base_ratio: float, spread: float = 0.0
) -> Cases:
    """Nothing but the base share: whatever fires here is a false alarm."""
    shares = [
        _base(np.random.Generator(np.random.Philox(key=[seed, s])), days * DAY, base_ratio, spread)
        for s in range(series)
    ]
    return Cases(*_counts(seed, np.array(shares), sessions_per_hour), CASES.to_frame())


def rescaled(seed: int, bad: Ints, total: Ints, sessions_per_hour: float) -> tuple[Ints, Ints]:
    """The counts of a history, shape (series, minutes), at another volume; its error process is stated here.

    Events are Poisson around the history's own, scaled to a mean of ``sessions_per_hour``; bad ones are
    binomial at the bad share of the history's hour, since a minute of thin traffic does not tell its own.
    """
    shape = (len(total), -1, 60)
    padding = ((0, 0), (0, -total.shape[1] % 60))
    hours_bad, hours_total = (np.pad(c, padding).reshape(shape).sum(axis=2) for c in (bad, total))
    share = np.divide(hours_bad, hours_total, out=np.zeros(hours_total.shape), where=hours_total > 0)
    share = share.repeat(60, axis=1)[:, : total.shape[1]]
    mean = total.mean(axis=1, keepdims=True)
    rate = np.divide(total, mean, out=np.zeros(total.shape), where=mean > 0) * sessions_per_hour / 60
    return _drawn(seed, share, rate)


def _base(rng: np.random.Generator, length: int, base_ratio: float, spread: float) -> Floats:
    if not spread:
        return np.full(length, base_ratio)
    factor = np.exp(rng.normal(0.0, spread, -(-length // 60)) - spread**2 / 2)
    share: Floats = np.minimum(base_ratio * factor.repeat(60)[:length], 1.0)
    return share


def _profile(rng: np.random.Generator, shape: str, lasts: int) -> Floats:
    minute = np.arange(lasts)
    if shape == "ramp":
        return np.minimum((minute + 1) / max(1, int(lasts * rng.uniform(0.1, 0.5))), 1.0)
    if shape == "flap":
        on, off = int(rng.integers(5, 21)), int(rng.integers(2, 11))
        return (minute % (on + off) < on).astype(np.float64)
    return np.ones(lasts)


def _counts(seed: int, share: Floats, sessions_per_hour: float) -> tuple[Ints, Ints]:
    wave = 1 + _WAVE * np.cos(2 * np.pi * (np.arange(share.shape[1]) - _PEAK_MINUTE) / DAY)
    return _drawn(seed, share, np.broadcast_to(sessions_per_hour / 60 * wave, share.shape))


def _drawn(seed: int, share: Floats, rate: Floats) -> tuple[Ints, Ints]:
    bad, total = np.empty((2, *share.shape), dtype=np.int64)
    for s in range(len(share)):
        rng = np.random.Generator(np.random.Philox(key=[seed, s], counter=[0, 0, 0, 1]))
        total[s] = rng.poisson(rate[s])
        bad[s] = rng.binomial(total[s], share[s])
    return bad, total
