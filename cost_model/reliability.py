"""What owning reliability may be worth, apart from what delivery costs and never added to it.

::

    value a year = members · 12 · contribution a member-month · r / (1 − r)

with ``r`` the share of monthly churn avoided: members settle at joins ÷ churn, so a churn lower by ``r`` ends with
``r / (1 − r)`` more of them. ``r`` is an experiment's result where there is one, else a prior that says it is one:
no public causal figure of quality on churn exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, quantiles, sample
from metrics.errors import InputError

__all__ = ["Reliability", "reliability"]

_Z90 = 1.6448536269514722


@dataclass(frozen=True)
class Reliability:
    """Worth in USD a year at a size, and what it stands on."""

    subscribers: float
    usd_per_year: Interval
    churn_avoided_ratio: Interval
    basis: Literal["prior", "experiment"]
    source: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "subscribers": self.subscribers,
            "usd_per_year": self.usd_per_year.as_dict(),
            "churn_avoided_ratio": self.churn_avoided_ratio.as_dict(),
            "basis": self.basis,
            "source": self.source,
            "in_break_even": False,
        }


def reliability(
    rates: Rates,
    day: date,
    subscribers: float,
    *,
    experiment: tuple[float, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Reliability:
    """The worth at ``subscribers``. ``experiment``: the 90 % interval of the share of churn avoided; it may be below 0.

    Raises :class:`~metrics.errors.InputError` for an interval that is not one.
    """
    names = ("reliability_churn_ratio", "contribution_ratio", "revenue_price")
    rate = sample(rates, names, day, draws=draws, seed=seed)
    avoided = rate["reliability_churn_ratio"]
    if experiment is not None:
        low, high = experiment
        if not -1 < low < high < 1:
            raise InputError(
                f"{low:g} to {high:g} is no interval of a share of churn",
                mend="give the lower end, then the upper",
            )
        avoided = _normal(low, high, draws, seed)
    worth = subscribers * 12 * rate["revenue_price"] * rate["contribution_ratio"] * avoided / (1 - avoided)
    return Reliability(
        subscribers,
        # An experiment's interval is what it is; only a prior is widened.
        interval(worth) if experiment is None else quantiles(worth),
        interval(avoided) if experiment is None else quantiles(avoided),
        "prior" if experiment is None else "experiment",
        rates.at("reliability_churn_ratio", day).source if experiment is None else "your own experiment",
    )


def _normal(low: float, high: float, draws: int, seed: int) -> Floats:
    """Draws of an estimate with that 90 % interval, from a stream of its own."""
    stream = np.random.Generator(np.random.Philox(key=[seed, 0x7E11AB1E]))
    return np.asarray((low + high) / 2 + (high - low) / (2 * _Z90) * stream.standard_normal(draws))
