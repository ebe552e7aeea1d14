"""The own CDN's hardware in the books: what is held at cost, retired at the end of its life, and bought.

Books before the usage begin are not known. The fleet of the first month is taken to have been bought evenly over
its life (an assumption): of ``n`` pieces with a life of ``L`` months ::

    retired in [a, b) = ⌊n·b / L⌋ − ⌊n·a / L⌋        a, b in months of the calendar

so whole pieces retire, and each one once in any L months. A vintage leaves on the first day of its month, written
off, and what the fleet in service still needs is bought the same day::

    held   = max(held before − retired, in service)
    bought = held − (held before − retired)
    depreciation = held at cost / L · days observed / days of the month

A fleet that shrinks keeps its spare pieces until they retire: what reports no capacity has not been sold. Where a
month is observed in part, so many of its vintage retire, and the clock of the books runs by the days observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Generic

import numpy as np

from cost_model.cdn import Amount
from cost_model.prices import Prices
from cost_model.usage import Usage
from metrics.errors import InputError

__all__ = ["PIECES", "Holding", "holdings"]

_SHORTEST_LIFE = 12  # months: what is bought in a quarter does not retire in it

PIECES = {
    "edge_servers": ("edge", "edge_appliance_price"),
    "storage_servers": ("storage", "storage_appliance_price"),
    "exchange_sites": ("storage", "exchange_fitout_price"),
}
"""Pieces of a fleet that are bought and written off: the tier that bears them, and their price."""


@dataclass(frozen=True)
class Holding(Generic[Amount]):
    """One kind of piece in a month and region, USD at cost.

    ``opening_usd`` and ``opening_written_off_usd`` are 0 but in the region's first month.
    """

    month: date
    region: str | None
    tier: str
    bought: Amount
    bought_usd: Amount
    retired_usd: Amount
    held_usd: Amount
    depreciation_usd: Amount
    opening_usd: Amount
    opening_written_off_usd: Amount


def holdings(usage: Usage, price: Prices[Amount]) -> Iterator[Holding[Amount]]:
    """Every kind of piece, region and month of the usage, months in order within a region and kind.

    Raises :class:`~metrics.errors.InputError` where ``depreciation_years`` is under a year.
    """
    for region, months in _by_region(usage).items():
        for piece, (tier, rate) in PIECES.items():
            yield from _of_piece(
                usage, price, region, tier, rate, [(month, row[piece]) for month, row in months]
            )


def _of_piece(
    usage: Usage,
    price: Prices[Amount],
    region: str | None,
    tier: str,
    rate: str,
    in_service: list[tuple[date, int]],
) -> Iterator[Holding[Amount]]:
    first, opening = in_service[0]
    cost = price(rate, first, region)
    nothing = cost * 0
    held, held_usd = nothing + opening, cost * opening
    # Of an opening piece, in shares of its cost: charged since the first day. Of all that have retired: left then.
    charged, retired_so_far, left_of_retired = nothing, nothing, nothing
    found: list[Holding[Amount]] = []
    for month, needed in in_service:
        part, whole = usage.coverage(month)
        life = price("depreciation_years", month, region) * 12
        if np.any(np.asarray(life) < _SHORTEST_LIFE):
            raise InputError(
                f"depreciation_years is under a year in {month:%Y-%m}", mend="give a year or more"
            )
        retired = _reaching(opening, month, part, whole, life)
        retired_so_far, left_of_retired = retired_so_far + retired, left_of_retired + retired * charged
        remaining = held - retired
        bought = _larger(needed - remaining, nothing)
        bought_usd = bought * price(rate, month, region)
        held, held_usd = remaining + bought, held_usd - retired * cost + bought_usd
        share = part / (life * whole)
        found.append(
            Holding(
                month,
                region,
                tier,
                bought,
                bought_usd,
                retired * cost,
                held_usd,
                held_usd * share,
                nothing,
                nothing,
            )
        )
        charged = charged + share
    # Who retires has left what is charged until then; who stays is spread evenly over the lives that are left.
    staying = opening - retired_so_far
    written_off = retired_so_far - left_of_retired + staying * (1 - charged) / 2
    yield replace(found[0], opening_usd=cost * opening, opening_written_off_usd=written_off * cost)
    yield from found[1:]


def _reaching(pieces: int, month: date, part: int, whole: int, life: Amount) -> Amount:
    """Pieces that reach the end of their life on the days observed of a month."""
    start = (month.year * 12 + month.month - 1) * whole
    return _floor(pieces * (start + part) / (life * whole)) - _floor(pieces * start / (life * whole))


def _floor(number: Amount) -> Amount:
    return number.to_integral_value(ROUND_FLOOR) if isinstance(number, Decimal) else np.floor(number)


def _larger(a: Amount, b: Amount) -> Amount:
    return max(a, b) if isinstance(a, Decimal) and isinstance(b, Decimal) else np.maximum(a, b)


def _by_region(usage: Usage) -> dict[str | None, list[tuple[date, dict[str, int]]]]:
    regions: dict[str | None, list[tuple[date, dict[str, int]]]] = {}
    for row in usage.fleet.sort("month", "region").iter_rows(named=True):
        pieces = {name: int(row[name]) for name in PIECES}
        regions.setdefault(row["region"], []).append((row["month"], pieces))
    return regions
