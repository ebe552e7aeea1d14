"""Synthetic companies with a known truth, to measure how often 90 % intervals hold it.

A company states a 90 % range for every rate, as a user of this model would, and has a true value of each that it
does not know. Truths are *not* drawn from what the model draws from (independent log-normals on the stated
ranges): they move together through common factors, have fat, skewed or two-peaked tails, and in one family the
ranges are too narrow, as people's ranges are. Every interval goes through the functions the report calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from cost_model.cdn import breakeven
from cost_model.encoding import payback
from cost_model.investment import own_cdn_case
from cost_model.rates import GLOBAL, Rate, Rates, load
from cost_model.uncertainty import DRAWS, WIDENING, Floats, Interval, widened

__all__ = ["FAMILIES", "OUTCOMES", "Company", "calibrate", "companies", "coverage", "needed_widening"]

_DAY = date(2026, 4, 1)
_Z90 = 1.6448536269514722
_FACTORS = 3
_FEWEST_LOG, _MOST_LOG = np.log(2e6), np.log(300e6)


@dataclass(frozen=True)
class Company:
    """A company: what it states (``rates``), what is true of it, and its size."""

    family: str
    rates: Rates
    truth: Mapping[str, float]
    subscribers: float


def companies(count: int, *, seed: int, families: Sequence[str] = ()) -> Iterator[Company]:
    """``count`` companies, the families in turn; a seed and a place in the row make one."""
    shipped = load()
    ranged = [r for r in shipped.entries if r.range_90 is not None and r.region == GLOBAL]
    chosen = tuple(families) or tuple(FAMILIES)
    for number in range(count):
        stream = np.random.Generator(np.random.Philox(key=[seed, number]))
        family = chosen[number % len(chosen)]
        yield _company(family, shipped, ranged, stream)


def coverage(
    count: int,
    *,
    seed: int,
    families: Sequence[str] = (),
    draws: int = DRAWS,
    seen: Callable[[int], None] = lambda _: None,
) -> pl.DataFrame:
    """A row a company and outcome: ``family, outcome, truth, low, median, high, is_covered, needed_widening``.

    ``low`` and ``high`` are what the model publishes; ``needed_widening`` is the factor on the unwidened interval
    from which on it would have held the truth (see :func:`needed_widening`).
    """
    rows = []
    for number, company in enumerate(companies(count, seed=seed, families=families)):
        told = _outcomes(company.rates, company.subscribers, None, draws)
        truths = _outcomes(company.rates, company.subscribers, company.truth, 1)
        for name, published, true in zip(OUTCOMES, told, truths, strict=True):
            truth = true.median
            rows.append(
                {
                    "family": company.family,
                    "outcome": name,
                    "truth": truth,
                    "low": published.low,
                    "median": published.median,
                    "high": published.high,
                    "is_covered": published.low <= truth <= published.high,
                    "needed_widening": needed_widening(widened(published, 1 / WIDENING), truth),
                }
            )
        seen(number)
    return pl.DataFrame(rows)


def needed_widening(raw: Interval, truth: float) -> float:
    """The least factor by which :func:`~cost_model.uncertainty.widened` makes the interval hold ``truth``.

    It is the conformity score of conformalised quantile regression (Romano, Patterson and Candès 2019), on the
    scale the interval is widened on; infinite where no factor does.
    """
    if raw.low <= truth <= raw.high:
        low, high = 0.0, 1.0
    else:
        low, high = 1.0, 64.0
        if not _holds(raw, truth, high):
            return float("inf")
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _holds(raw, truth, middle) else (middle, high)
    return high


def calibrate(scores: Floats, *, level: float = 0.9) -> float:
    """The split-conformal factor: the ⌈(n + 1) · level⌉-th smallest of n scores of companies not reported on."""
    ordered = np.sort(scores)
    place = int(np.ceil((len(ordered) + 1) * level)) - 1
    return float(ordered[min(place, len(ordered) - 1)])


# --- outcomes: what the model publishes of a company, and the truth ------------------------------------------

OUTCOMES = (
    "own CDN, USD/GB",
    "own CDN breaks even, subscribers",
    "own CDN saves, USD a year",
    "own CDN, net present value, USD",
    "AV1 pays back, months",
)


def _outcomes(
    rates: Rates, size: float, given: Mapping[str, float] | None, draws: int
) -> tuple[Interval, ...]:
    """The intervals of :data:`OUTCOMES`; with everything given and one draw, their values."""
    case = own_cdn_case(rates, _DAY, subscribers=size, given=given, draws=draws)
    even = breakeven(rates, _DAY, given=given, at_subscribers=size, draws=draws)
    back = payback(rates, _DAY, given=given, at_subscribers=size, sizes=(), draws=draws)
    return case.usd_per_gb, even.subscribers, even.saving_usd_per_year, case.npv_usd, back.at.months


# --- families: how truths depart from what is stated, in the model's standard deviations ---------------------


def _gaussian(stream: np.random.Generator, loadings: Floats) -> Floats:
    """Correlated through common factors, no fatter than the model thinks."""
    return _mixed(stream.standard_normal, loadings)


def _fat(stream: np.random.Generator, loadings: Floats) -> Floats:
    """Student t with 2.5 to 5 degrees of freedom, all rates extreme together."""
    freedom = stream.uniform(2.5, 5)
    z = _mixed(stream.standard_normal, loadings) / np.sqrt(stream.chisquare(freedom) / freedom)
    from scipy.stats import t

    return np.asarray(z * _Z90 / t.ppf(0.95, freedom))


def _skewed(stream: np.random.Generator, loadings: Floats) -> Floats:
    """Two-piece normal: one side up to three times as long as the other."""
    z = _mixed(stream.standard_normal, loadings)
    longer = np.exp(stream.uniform(-np.log(3) / 2, np.log(3) / 2, len(z)))
    return np.asarray(np.where(z > 0, z * longer, z / longer))


def _two_peaks(stream: np.random.Generator, loadings: Floats) -> Floats:
    """A rate is either dear or cheap: peaks at ±1.1, correlated by factors."""
    z = _mixed(stream.standard_normal, loadings)
    return np.asarray(np.sign(z) * 1.1 + 0.42 * stream.standard_normal(len(z)))


def _overconfident(stream: np.random.Generator, loadings: Floats) -> Floats:
    """Ranges too narrow: what is stated as 90 % holds 66 to 87 %."""
    return np.asarray(_mixed(stream.standard_normal, loadings) * stream.uniform(1.1, 1.7))


FAMILIES: Mapping[str, Callable[[np.random.Generator, Floats], Floats]] = {
    "correlated": _gaussian,
    "fat tails": _fat,
    "skewed": _skewed,
    "two peaks": _two_peaks,
    "overconfident": _overconfident,
}


def _mixed(normals: Callable[[int], Floats], loadings: Floats) -> Floats:
    """Unit normals, correlated through the factors' loadings (a row a rate)."""
    count, factors = loadings.shape
    own = np.sqrt(1 - (loadings**2).sum(axis=1))
    return np.asarray(loadings @ normals(factors) + own * normals(count))


def _company(family: str, shipped: Rates, ranged: Sequence[Rate], stream: np.random.Generator) -> Company:
    # Loadings leave each rate at least two fifths of its variance: correlations up to 0.6 either way.
    share = stream.uniform(0, 0.6, (len(ranged), 1))
    directions = stream.standard_normal((len(ranged), _FACTORS))
    loadings = np.sqrt(share) * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    z = FAMILIES[family](stream, loadings)
    shift, width = stream.normal(0, 0.5, len(ranged)), stream.uniform(0.6, 1.4, len(ranged))
    stated: dict[str, Rate] = {}
    truth: dict[str, float] = {}
    for rate, at, moved, wide in zip(ranged, z, shift, width, strict=True):
        low, high = (float(x) for x in rate.range_90 or ())
        if rate.unit == "ratio":
            low, high = low / (1 - low), high / (1 - high)
        spread = np.log(high / low) / (2 * _Z90)
        middle = np.log(low * high) / 2 + moved * spread
        ends = np.exp([middle - _Z90 * spread * wide, middle + _Z90 * spread * wide])
        value = np.exp(middle + at * spread * wide)
        if rate.unit == "ratio":
            ends, value = ends / (1 + ends), value / (1 + value)
        bounds = (Decimal(f"{ends[0]:.8g}"), Decimal(f"{ends[1]:.8g}"))
        stated[rate.name] = rate.model_copy(update={"range_90": bounds})
        truth[rate.name] = float(value)
    entries = tuple(stated.get(r.name, r) if r.region == GLOBAL else r for r in shipped.entries)
    size = float(np.exp(stream.uniform(_FEWEST_LOG, _MOST_LOG)))
    return Company(family, replace(shipped, entries=entries), truth, size)


def _holds(raw: Interval, truth: float, factor: float) -> bool:
    wide = widened(raw, factor)
    return wide.low <= truth <= wide.high
