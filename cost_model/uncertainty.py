"""Shared draws from the rates' 90 % ranges, quantiles, and which rate drives an outcome.

Each rate draws from its own counter-based stream, keyed by (seed, name, region): adding, removing or
fixing one rate leaves the draws of all others as they were, so two results can be compared draw by draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from cost_model.rates import GLOBAL, Rate, Rates

__all__ = [
    "DRAWS", "WIDENING", "Driver", "Floats", "Interval", "drivers", "interval", "quantile", "quantiles", "ranks",
    "sample", "sample_rate", "widened",
]  # fmt: skip

Floats = NDArray[np.float64]
DRAWS = 20_000
_Z90 = 1.6448536269514722  # half-width of a 90 % interval in standard deviations
_BINS = 25

WIDENING = 1.13
"""Factor on every published 90 % interval, split-conformal: 1,000 synthetic companies of a seed that is not reported
on needed it (``python -m benchmarks.coverage --calibrate``; what it gives elsewhere is in docs/coverage.md). Draws
of independent rates alone held 86 %: real rates move together, and people's ranges are narrow."""


@dataclass(frozen=True)
class Interval:
    """A 90 % interval about a median; an end is infinite where that share of draws never reaches the outcome."""

    low: float
    median: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """For JSON: null where infinite."""
        parts = {"low": self.low, "median": self.median, "high": self.high}
        return {k: v if np.isfinite(v) else None for k, v in parts.items()}


@dataclass(frozen=True)
class Driver:
    """How much of an outcome hangs on one rate.

    ``first_order``: share of the outcome's rank variance explained by this rate alone (0..1).
    ``low`` and ``high``: median outcome where the rate lies in its lowest and its highest tenth.
    """

    rate: str
    first_order: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | str | None]:
        """For JSON: null where infinite."""
        finite = {k: v if np.isfinite(v) else None for k, v in {"low": self.low, "high": self.high}.items()}
        return {"rate": self.rate, "first_order": self.first_order, **finite}


def sample(
    rates: Rates,
    names: Iterable[str],
    day: date,
    *,
    region: str = GLOBAL,
    given: Mapping[str, float | Floats] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Floats]:
    """Draws of each named rate in force on ``day``, in USD where money; ``given`` replaces a rate's draws."""
    given = given or {}
    return {
        name: np.broadcast_to(np.asarray(given[name], dtype=np.float64), (draws,))
        if name in given
        else sample_rate(rates.at(name, day, region), draws=draws, seed=seed)
        * float(rates.usd_per(rates.at(name, day, region).currency, day))
        for name in names
    }


def sample_rate(rate: Rate, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Draws of one entry: constant, log-normal, or logit-normal for a ratio; 5 % and 95 % at ``range_90``."""
    if rate.range_90 is None:
        return np.full(draws, float(rate.point()))
    digest = hashlib.blake2b(f"{rate.name}@{rate.region}".encode(), digest_size=8).digest()
    stream = np.random.Generator(np.random.Philox(key=[seed, int.from_bytes(digest, "little")]))
    return _at_deviations(rate, stream.standard_normal(draws))


def quantile(rate: Rate, at: Floats) -> Floats:
    """What one entry's distribution has below it in shares ``at`` (between 0 and 1) of draws."""
    if rate.range_90 is None:
        return np.full(len(at), float(rate.point()))
    from scipy.special import ndtri

    return _at_deviations(rate, ndtri(at))


def interval(outcome: Floats, *, most: float = np.inf) -> Interval:
    """The 90 % interval of an outcome as it is published: :func:`quantiles`, :func:`widened` by :data:`WIDENING`.

    ``most`` is a bound of the outcome (a share ends at 1), which widening does not pass.
    """
    wide = widened(quantiles(outcome), WIDENING)
    return Interval(wide.low, wide.median, min(wide.high, most))


def quantiles(outcome: Floats) -> Interval:
    """5 %, 50 %, 95 % of the draws; a draw that never reaches the outcome is infinite and sorts last."""
    low, median, high = np.quantile(outcome, [0.05, 0.5, 0.95], method="lower")
    return Interval(float(low), float(median), float(high))


def widened(found: Interval, factor: float) -> Interval:
    """Both ends moved ``factor`` times as far from the median; in the logarithm where all three are positive.

    Widening by 1 / factor undoes it. An infinite end stays, and so does the finite end of an infinite median.
    """
    low, median, high = found.low, found.median, found.high
    if not np.isfinite(median) or factor == 1:
        return found
    if low > 0:
        ends = median * (low / median) ** factor, median * (high / median) ** factor
    else:
        ends = median - factor * (median - low), median + factor * (high - median)
    return Interval(float(ends[0]), median, float(ends[1]))


def drivers(outcome: Floats, inputs: Mapping[str, Floats], *, most: int = 8) -> Sequence[Driver]:
    """The rates the outcome hangs on, largest first-order share first.

    The share is the correlation ratio η² = Var(E[rank(y) | x]) / Var(rank(y)) over equal-count bins of x,
    less the (bins − 1)/n that chance gives; ranks keep infinite outcomes in and heavy tails out of it.
    """
    ranked = ranks(outcome)
    total, count = ranked.var(), max(1, min(_BINS, len(outcome) // 10))
    found = []
    for name, x in inputs.items():
        if np.ptp(x) == 0 or total == 0:
            continue
        order = np.argsort(x)
        sizes = np.full(count, len(x) // count)
        sizes[: len(x) % count] += 1
        means = np.add.reduceat(ranked[order], np.cumsum(sizes) - sizes) / sizes
        share = float(means.var() / total - (count - 1) / len(x))
        tenth = max(1, len(x) // 10)
        middle = (tenth - 1) // 2  # the lower of two
        ends = (np.partition(outcome[o], middle)[middle] for o in (order[:tenth], order[-tenth:]))
        found.append(Driver(name, max(0.0, share), *(float(e) for e in ends)))
    return sorted(found, key=lambda d: (-d.first_order, d.rate))[:most]


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean; infinite values rank last."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], dtype=np.float64)


def _at_deviations(rate: Rate, deviations: Floats) -> Floats:
    low, high = (float(x) for x in rate.range_90 or ())
    if rate.unit == "ratio":
        low, high = low / (1 - low), high / (1 - high)
    middle, spread = (np.log(low) + np.log(high)) / 2, (np.log(high) - np.log(low)) / (2 * _Z90)
    drawn: Floats = np.exp(middle + spread * deviations)
    return drawn / (1 + drawn) if rate.unit == "ratio" else drawn
