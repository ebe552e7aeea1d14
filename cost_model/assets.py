"""Capex, additions, retirements and depreciation: the roll-forward of what the service owns, tied to its charges.

::

    gross:        opening + additions − retirements            = closing
    accumulated:  opening + depreciation − retired             = closing
    net           = gross − accumulated

Additions are the purchases billed and depreciation is the effective cost charged in the quarter, to the last
decimal; what retires had been written off. Books before the lake begins are not known: how a fleet that was there
in the first month is taken to have been bought is said in :mod:`cost_model.vintages`. Encodes carry their date, so
theirs is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from cost_model.bill import encode_costs, written_off
from cost_model.prices import exact
from cost_model.rates import Rates
from cost_model.usage import Usage
from cost_model.vintages import holdings

__all__ = ["Assets", "roll_forward"]

_FLEET = {
    "Edge appliances": "edge",
    "Storage and exchange equipment": "storage",
}
_QUANTUM = Decimal("1e-10")


@dataclass(frozen=True)
class Assets:
    """One class of assets over the quarter, USD."""

    name: str
    opening_gross_usd: Decimal
    additions_usd: Decimal
    retirements_usd: Decimal
    opening_accumulated_usd: Decimal
    depreciation_usd: Decimal
    basis: str

    @property
    def closing_gross_usd(self) -> Decimal:
        """At cost, at the end."""
        return self.opening_gross_usd + self.additions_usd - self.retirements_usd

    @property
    def closing_accumulated_usd(self) -> Decimal:
        """Written off, at the end; what was retired had been written off."""
        return self.opening_accumulated_usd + self.depreciation_usd - self.retirements_usd

    @property
    def opening_net_usd(self) -> Decimal:
        """Book value at the start."""
        return self.opening_gross_usd - self.opening_accumulated_usd

    @property
    def closing_net_usd(self) -> Decimal:
        """Book value at the end: opening + additions − depreciation."""
        return self.closing_gross_usd - self.closing_accumulated_usd

    def as_dict(self) -> dict[str, str]:
        """For JSON: amounts as text."""
        computed = ("closing_gross_usd", "closing_accumulated_usd", "opening_net_usd", "closing_net_usd")
        return {k: str(v) for k, v in vars(self).items()} | {k: str(getattr(self, k)) for k in computed}


def roll_forward(usage: Usage, rates: Rates, billed: pl.DataFrame) -> Sequence[Assets]:
    """A row a class that the quarter has; ``billed`` is :func:`cost_model.charges.bill_frame` of the same usage."""
    effective, bought = (
        {sku: Decimal(usd) for sku, usd in billed.group_by("sku").agg(pl.col(column).sum()).iter_rows()}
        for column in ("effective_usd", "billed_usd")
    )
    rows = []
    held = list(holdings(usage, exact(rates)))
    for name, tier in _FLEET.items():
        kinds = [holding for holding in held if holding.tier == tier and holding.held_usd]
        if kinds:
            rows.append(
                Assets(
                    name,
                    _sum(kind.opening_usd for kind in kinds),
                    bought.get(f"capex_{tier}", Decimal(0)),
                    _sum(kind.retired_usd for kind in kinds),
                    _sum(kind.opening_written_off_usd for kind in kinds),
                    effective.get(f"appliances_{tier}", Decimal(0)),
                    "opening fleet at today's price, taken to have been bought evenly over its life",
                )
            )
    opening, retired, accumulated = _encodes(usage, rates)
    skus = [sku for sku in effective.keys() | bought.keys() if sku.startswith("encode_")]
    added = sum((bought.get(sku, Decimal(0)) for sku in skus), Decimal(0))
    charged = sum((effective.get(sku, Decimal(0)) for sku in skus), Decimal(0))
    if opening or added or charged:
        basis = "every encode from its own date"
        rows.append(Assets("Encodes", opening, added, retired, accumulated, charged, basis))
    return rows


def _encodes(usage: Usage, rates: Rates) -> tuple[Decimal, Decimal, Decimal]:
    """At cost at the start, retired in the quarter at cost, and written off at the start.

    An encode leaves the books in the month after its last; what ends within the quarter is written off by the days
    observed of it.
    """
    gross, retired, accumulated = [], [], []
    first, last = usage.months[0], usage.months[-1]
    for encode in encode_costs(usage, exact(rates)):
        age, at_last = (
            (month.year - encode.month.year) * 12 + month.month - encode.month.month
            for month in (first, last)
        )
        end = math.ceil(encode.life_months)
        if not 0 < age <= end:
            continue
        gross.append(encode.cost)
        if end <= at_last:
            retired.append(encode.cost)
            accumulated.append(encode.cost - _sum(usd for _, usd in written_off(encode, usage)))
        else:
            accumulated.append(encode.cost * age / encode.life_months)
    return _sum(gross), _sum(retired), _sum(accumulated)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0)).quantize(_QUANTUM)
