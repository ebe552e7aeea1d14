"""What an outcome hangs on: Sobol indices, a tornado of one rate at a time, and named scenarios.

A model is a function of drawn rates (name -> array of draws, in USD where money) that gives an array of outcomes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np

from cost_model.bill import bill
from cost_model.prices import exact
from cost_model.rates import GLOBAL, Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, quantile, ranks, sample
from cost_model.usage import Usage
from metrics.errors import InputError, did_you_mean

__all__ = [
    "SCENARIOS",
    "Model",
    "Scenario",
    "Sobol",
    "Swing",
    "cost_tornado",
    "scenarios",
    "sobol",
    "tornado",
]

Model = Callable[[Mapping[str, Floats]], Floats]
SCENARIOS = Path(__file__).with_name("scenarios.toml")
_ENDS = (0.05, 0.95)


@dataclass(frozen=True)
class Sobol:
    """Shares of the outcome's rank variance by one rate: alone, and with all its interactions.

    ``first_error`` and ``total_error`` are half-widths of 90 % bootstrap intervals.
    """

    rate: str
    first_order: float
    total_order: float
    first_error: float
    total_error: float


@dataclass(frozen=True)
class Swing:
    """The outcome with one rate at its 5 % and at its 95 % quantile, all others at their medians."""

    rate: str
    low: float
    high: float
    base: float

    def as_dict(self) -> dict[str, float | str | None]:
        """For JSON: null where infinite."""
        parts = {"low": self.low, "high": self.high, "base": self.base}
        return {"rate": self.rate, **{k: v if np.isfinite(v) else None for k, v in parts.items()}}


@dataclass(frozen=True)
class Scenario:
    """Rates moved together to a quantile of their own ranges, and the outcome then."""

    name: str
    about: str
    outcome: Interval


def sobol(
    model: Model,
    rates: Rates,
    names: Iterable[str],
    day: date,
    *,
    given: Mapping[str, float] | None = None,
    points: int = 2_048,
    seed: int = 0,
) -> Sequence[Sobol]:
    """First- and total-order indices, largest total first, of all rates with a range.

    Saltelli's design of 2010 on a scrambled Sobol sequence (``scipy.stats.sobol_indices``): ``points`` · (rates + 2)
    evaluations, ``points`` a power of 2. The outcome is ranked first, so that draws that never reach it count.
    """
    from scipy.stats import qmc, sobol_indices

    names = tuple(dict.fromkeys(names))
    moving = [n for n in names if n not in (given or {}) and rates.at(n, day).range_90 is not None]
    still = _still(rates, names, day, given)
    design = qmc.Sobol(2 * len(moving), rng=np.random.default_rng(seed)).random(points)
    # 0 and 1 have no finite quantile.
    design = np.clip(design, 1e-12, 1 - 1e-12)
    ours, theirs = design[:, : len(moving)].T, design[:, len(moving) :].T

    def outcome(at: Floats) -> Floats:
        drawn = {name: _in_usd(rates, name, day, at[k]) for k, name in enumerate(moving)}
        count = at.shape[1]
        return np.asarray(model(drawn | {n: np.full(count, v) for n, v in still.items()}))

    runs = [outcome(ours), outcome(theirs)]
    for place in range(len(moving)):
        mixed = ours.copy()
        mixed[place] = theirs[place]
        runs.append(outcome(mixed))
    ranked = ranks(np.concatenate(runs)).reshape(len(runs), 1, points)
    # A rate that the model does not use leaves the outcome as it was, and has no index to bootstrap.
    used = [k for k in range(len(moving)) if not np.array_equal(ranked[2 + k], ranked[0])]
    if not used:
        return ()
    runs_of = {"f_A": ranked[0], "f_B": ranked[1], "f_AB": ranked[2:][used]}
    found = sobol_indices(func=runs_of, n=points, rng=np.random.default_rng(seed))
    spread = found.bootstrap(confidence_level=0.9, n_resamples=200)
    first, total = (i.confidence_interval for i in (spread.first_order, spread.total_order))
    rows = [
        Sobol(
            moving[k],
            float(found.first_order[at]),
            float(found.total_order[at]),
            float(first.high[at] - first.low[at]) / 2,
            float(total.high[at] - total.low[at]) / 2,
        )
        for at, k in enumerate(used)
    ]
    return sorted(rows, key=lambda row: (-row.total_order, row.rate))


def tornado(
    model: Model,
    rates: Rates,
    names: Iterable[str],
    day: date,
    *,
    given: Mapping[str, float] | None = None,
    most: int = 8,
) -> Sequence[Swing]:
    """One rate at a time over its 90 % range, widest swing first; swings to or from infinity lead."""
    names = tuple(dict.fromkeys(names))
    still = _still(rates, names, day, given)
    moving = [n for n in names if n not in (given or {}) and rates.at(n, day).range_90 is not None]
    count = 1 + 2 * len(moving)
    drawn = {name: np.full(count, value) for name, value in still.items()}
    for name in moving:
        drawn[name] = np.full(count, _in_usd(rates, name, day, np.array([0.5])).item())
    for place, name in enumerate(moving):
        drawn[name][1 + 2 * place : 3 + 2 * place] = _in_usd(rates, name, day, np.array(_ENDS))
    outcome = model(drawn)
    rows = [
        Swing(name, float(outcome[1 + 2 * k]), float(outcome[2 + 2 * k]), float(outcome[0]))
        for k, name in enumerate(moving)
    ]
    return sorted((row for row in rows if row.low != row.high), key=lambda r: (-_width(r), r.rate))[:most]


def cost_tornado(usage: Usage, rates: Rates, *, most: int = 10) -> Sequence[Swing]:
    """Effective cost of the quarter's usage, USD, with one price at a time over its range; each region's own entry."""
    used: list[str] = []
    point = exact(rates)

    def noted(name: str, month: date, region: str | None) -> Decimal:
        used.append(name)
        return point(name, month, region)

    base = float(sum(line.effective for line in bill(usage, noted)))
    names = tuple(dict.fromkeys(used))
    place = {name: 2 * number for number, name in enumerate(names)}

    def moved(name: str, month: date, region: str | None) -> Floats:
        rate = rates.at(name, month, region or GLOBAL)
        drawn = np.full(2 * len(names), float(rate.point()))
        drawn[place[name] : place[name] + 2] = quantile(rate, np.array(_ENDS))
        return drawn * float(rates.usd_per(rate.currency, month))

    outcome = np.zeros(2 * len(names))
    for line in bill(usage, moved):
        outcome = outcome + line.effective
    rows = [Swing(n, float(outcome[at]), float(outcome[at + 1]), base) for n, at in place.items()]
    return sorted((row for row in rows if row.low != row.high), key=lambda r: (-_width(r), r.rate))[:most]


def scenarios(
    model: Model,
    rates: Rates,
    names: Iterable[str],
    day: date,
    *,
    given: Mapping[str, float] | None = None,
    file: Path = SCENARIOS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Sequence[Scenario]:
    """The outcome under each scenario of the file: the rates it names held at a quantile, all others drawn.

    A scenario none of whose rates the model has is left out; a rate that no file of rates knows is refused with
    :class:`~metrics.errors.InputError`.
    """
    names = tuple(dict.fromkeys(names))
    found = []
    for name, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
        for rate in entry["at"]:
            if rate not in rates.names:
                mend = did_you_mean(rate, rates.names)
                raise InputError(f"scenario {name}: no rate {rate!r}", where=file.name, mend=mend)
        held = {
            rate: _in_usd(rates, rate, day, np.array([float(at)])).item()
            for rate, at in entry["at"].items()
            if rate in names and rate not in (given or {})
        }
        if held:
            drawn = sample(rates, names, day, given={**(given or {}), **held}, draws=draws, seed=seed)
            found.append(Scenario(name, entry["about"], interval(model(drawn))))
    return found


def _still(
    rates: Rates, names: Sequence[str], day: date, given: Mapping[str, float] | None
) -> dict[str, float]:
    fixed = {n: float(rates.usd(n, day)) for n in names if rates.at(n, day).range_90 is None}
    return fixed | {n: float(v) for n, v in (given or {}).items() if n in names}


def _in_usd(rates: Rates, name: str, day: date, at: Floats) -> Floats:
    rate = rates.at(name, day, GLOBAL)
    return quantile(rate, at) * float(rates.usd_per(rate.currency, day))


def _width(swing: Swing) -> float:
    ends = np.array([swing.low, swing.high])
    if not np.isfinite(ends).all():
        return float("inf")
    return float(abs(np.diff(ends)[0]))
