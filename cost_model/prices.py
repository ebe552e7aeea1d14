"""A rate in force as a price: exact for the charges, or drawn over its range for the interval of a unit cost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar

from cost_model.rates import GLOBAL, Rate, Rates
from cost_model.uncertainty import DRAWS, Floats, sample_rate

__all__ = ["Prices", "exact", "simulated"]

# What a price function gives: the two types of an amount, only ever handed out.
Priced = TypeVar("Priced", Decimal, Floats, covariant=True)


class Prices(Protocol[Priced]):
    """The rate ``name`` in force in a month and region, in USD where money."""

    def __call__(self, name: str, month: date, region: str | None) -> Priced: ...


def exact(rates: Rates) -> Prices[Decimal]:
    """Prices as exact decimals: each rate's value, or the median of its range."""

    def price(name: str, month: date, region: str | None) -> Decimal:
        return rates.usd(name, month, region or GLOBAL)

    return price


def simulated(rates: Rates, *, draws: int = DRAWS, seed: int = 0) -> Prices[Floats]:
    """Prices as arrays of draws, the same draws for every month that an entry is in force."""
    drawn: dict[tuple[str, str, date], Floats] = {}

    def of(rate: Rate) -> Floats:
        key = (rate.name, rate.region, rate.effective_from)
        if key not in drawn:
            drawn[key] = sample_rate(rate, draws=draws, seed=seed)
        return drawn[key]

    def price(name: str, month: date, region: str | None) -> Floats:
        rate = rates.at(name, month, region or GLOBAL)
        if rate.currency in (None, "USD"):
            return of(rate)
        return of(rate) * of(rates.at(f"usd_per_{str(rate.currency).lower()}", month))

    return price
