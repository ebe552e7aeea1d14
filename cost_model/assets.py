"""Capex, additions and depreciation: the roll-forward of what the service owns, tied to its charges.

::

    gross:        opening + additions − retirements            = closing
    accumulated:  opening + depreciation − retired             = closing
    net           = gross − accumulated

Additions are the purchases billed and depreciation is the effective cost charged in the quarter, to the last
decimal. Books before the lake begins are not known: a fleet that was there in the first month is taken to be half
through its life (:data:`OPENING_AGE_RATIO`, an assumption). Encodes carry their date, so theirs is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from cost_model.bill import encode_costs, exact
from cost_model.rates import Rates
from cost_model.usage import Usage

__all__ = ["OPENING_AGE_RATIO", "Assets", "roll_forward"]

OPENING_AGE_RATIO = Decimal("0.5")
_FLEET = {
    "Edge appliances": ("capex_edge", "appliances_edge"),
    "Storage appliances and exchange equipment": ("capex_storage", "appliances_storage"),
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
    gross = _opening_fleet(usage, rates)
    for name, (capex, written_off) in _FLEET.items():
        if not gross.get(name) and not bought.get(capex):
            continue
        opening = gross.get(name, Decimal(0))
        rows.append(
            Assets(
                name,
                opening,
                bought.get(capex, Decimal(0)),
                Decimal(0),
                _exact(opening * OPENING_AGE_RATIO),
                effective.get(written_off, Decimal(0)),
                "opening fleet at today's price, assumed half through its life",
            )
        )
    opening, accumulated = _opening_encodes(usage, rates)
    skus = [sku for sku in effective.keys() | bought.keys() if sku.startswith("encode_")]
    added = sum((bought.get(sku, Decimal(0)) for sku in skus), Decimal(0))
    charged = sum((effective.get(sku, Decimal(0)) for sku in skus), Decimal(0))
    if opening or added or charged:
        basis = "every encode from its own date"
        rows.append(Assets("Encodes", opening, added, Decimal(0), accumulated, charged, basis))
    return rows


def _opening_fleet(usage: Usage, rates: Rates) -> dict[str, Decimal]:
    price = exact(rates)
    found = dict.fromkeys(_FLEET, Decimal(0))
    first: dict[str | None, date] = {}
    for month, region, fleet, _ in usage.fleets():
        if first.setdefault(region, month) != month:
            continue
        edge, storage = _FLEET
        found[edge] += int(fleet.edge_servers) * price("edge_appliance_price", month, region)
        found[storage] += int(fleet.storage_servers) * price("storage_appliance_price", month, region)
        found[storage] += int(fleet.exchange_sites) * price("exchange_fitout_price", month, region)
    return {name: _exact(usd) for name, usd in found.items()}


def _opening_encodes(usage: Usage, rates: Rates) -> tuple[Decimal, Decimal]:
    gross = accumulated = Decimal(0)
    first = usage.months[0]
    for encode in encode_costs(usage, exact(rates)):
        age = (first.year - encode.month.year) * 12 + first.month - encode.month.month
        if 0 < age < encode.life_months:
            gross += encode.cost
            accumulated += encode.cost * age / encode.life_months
    return _exact(gross), _exact(accumulated)


def _exact(usd: Decimal) -> Decimal:
    return usd.quantize(_QUANTUM)
