"""The bill: what measured usage costs, by month, region and pool, before it is split over slices.

The same lines are computed twice: exactly (``Decimal``) for the charges, and over arrays of draws for the
interval of a unit cost. Quantities are integers throughout; only the amounts differ in type.

Pools: ``delivery`` (own fleet, third party), ``encoding`` and ``control_plane``, which together are the cost of
serving. ``content`` is charged beside them and is in none of their unit costs. Revenue is no charge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Generic

import numpy as np
import polars as pl

from cost_model.apportion import apportion
from cost_model.cdn import FLEET_RATES, Amount, Fleet, fleet_pools
from cost_model.prices import Prices
from cost_model.rates import GLOBAL, Rate, Rates
from cost_model.usage import Usage
from cost_model.vintages import Holding, holdings
from metrics.measures import DAYS_PER_MONTH

__all__ = [
    "UNITS_PER_USD",
    "Encode",
    "Line",
    "bill",
    "content",
    "encode_costs",
    "list_costs",
    "whole_units",
    "written_off",
]

UNITS_PER_USD = 10**10
"""What charges are counted in: the last decimal of the contract's amounts. A cent is too coarse for a small lake."""

_BYTES_PER_GB = 10**9
# Running costs of the fleet -> the tier whose slices bear it (None: every slice of the own CDN), and its rate.
_FLEET_POOLS: Mapping[str, tuple[str | None, str]] = {
    "maintenance_edge": ("edge", "maintenance_ratio"),
    "maintenance_storage": ("storage", "maintenance_ratio"),
    "hosting_edge": ("edge", "colocation_price"),
    "hosting_storage": ("storage", "colocation_price"),
    "exchange_ports": ("storage", "exchange_port_price"),
    "transit": (None, "transit_price"),
    "isp_partnership": ("edge", "isp_partnership_price"),
    "staff": (None, "staff_price"),
    "platform": (None, "cdn_platform_price"),
}
_COMPANY_WIDE = ("staff", "platform")
_NO_FLEET: Fleet[Any] = Fleet(0, 0, 0, 0, 0, 0)
_ENCODE_PRICE = {
    "h264": "encode_price_h264", "hevc": "encode_price_hevc", "av1": "encode_price_av1",
    "av1_fgs": "encode_price_av1",
}  # fmt: skip


@dataclass(frozen=True)
class Line(Generic[Amount]):
    """One line of the bill. ``billed`` is invoiced in the month, ``effective`` is its amortised cost.

    ``region``, ``tier``, ``cdn``, ``codec`` say which slices of usage bear it; None means all.
    """

    month: date
    pool: str
    sku: str
    rate: str
    billed: Amount
    effective: Amount
    region: str | None = None
    tier: str | None = None
    cdn: str | None = None
    codec: str | None = None
    category: str = "Usage"
    quantity: tuple[int, int, str] | None = None  # numerator, denominator, unit


@dataclass(frozen=True)
class Encode(Generic[Amount]):
    """Encodes of one month and codec: what they cost, and how long they are written off."""

    month: date
    codec: str
    runtime_ms: int
    cost: Amount
    life_months: Amount


def bill(usage: Usage, price: Prices[Amount]) -> Iterator[Line[Amount]]:
    """Every line of the cost of serving the usage, at the prices given; :func:`content` is charged beside it.

    ::

        own pools    = fleet_pools(fleet) · days observed / days of the month
        capex, depreciation = holdings: bought for growth and for what retired, written off straight-line
        third party  = GB · third_party_price
        encoding     = minutes · ladder · trials · price a minute; billed in its month, written off straight
                       over encode_life_years
        control      = requests / 10^6 · control_request_price
    """
    yield from _own(usage, price)
    for row in usage.third_party().iter_rows(named=True):
        month, region, delivered = row["month"], row["region"], int(row["delivered_bytes"])
        cost = price("third_party_price", month, region) * delivered / _BYTES_PER_GB
        yield Line(
            month, "delivery", "third_party", "third_party_price", cost, cost, region=region,
            cdn="third_party", quantity=(delivered, _BYTES_PER_GB, "GB"),
        )  # fmt: skip
    yield from _encoding(usage, price)
    for row in usage.control.iter_rows(named=True):
        month, requests = row["month"], int(row["requests"])
        cost = price("control_request_price", month, row["region"]) * requests / 10**6
        yield Line(
            month, "control_plane", str(row["service"]), "control_request_price", cost, cost,
            region=row["region"], quantity=(requests, 1, "Requests"),
        )  # fmt: skip


def content(usage: Usage, price: Prices[Amount]) -> Iterator[Line[Amount]]:
    """Content, a line a month and region: in a pool of its own, and no cost of serving.

    ::

        content = member-months · content_price, licences and productions together

    It is billed as it is written off: what is spent in a month is taken to be what a month's amortisation is.
    """
    members = usage.members.group_by("month", "region").agg(pl.col("member_days").sum())
    for month, region, days in members.sort("month", "region", nulls_last=True).iter_rows():
        part, whole = int(days) * DAYS_PER_MONTH.denominator, DAYS_PER_MONTH.numerator
        cost = price("content_price", month, region) * part / whole
        yield Line(
            month, "content", "content", "content_price", cost, cost, region=region,
            quantity=(part, whole, "Member-months"),
        )  # fmt: skip


def list_costs(usage: Usage, rates: Rates) -> dict[tuple[date, str | None], int]:
    """Third-party delivery at list price, 10⁻¹⁰ USD by month and region.

    Volume tiers count the month's volume under one list entry over all its regions, and the regions share
    the sum in proportion to bytes.
    """
    volumes: dict[tuple[date, Rate], list[tuple[str | None, int]]] = {}
    for row in usage.third_party().iter_rows(named=True):
        entry = rates.at("third_party_list_price", row["month"], row["region"] or GLOBAL)
        volumes.setdefault((row["month"], entry), []).append((row["region"], int(row["delivered_bytes"])))
    costs = {}
    for (month, entry), regions in volumes.items():
        total = sum(size for _, size in regions)
        if total == 0:
            continue
        listed = _tiered(entry, Decimal(total) / _BYTES_PER_GB) * rates.usd_per(entry.currency, month)
        cost = whole_units(listed)
        for (region, _), part in zip(regions, apportion(cost, [size for _, size in regions]), strict=True):
            costs[month, region] = part
    return costs


def whole_units(usd: Decimal) -> int:
    """An amount in whole 10⁻¹⁰ USD, half to even."""
    return int((usd * UNITS_PER_USD).to_integral_value(rounding=ROUND_HALF_EVEN))


def _own(usage: Usage, price: Prices[Amount]) -> Iterator[Line[Amount]]:
    hardware: dict[tuple[date, str | None, str], list[Holding[Amount]]] = {}
    for holding in holdings(usage, price):
        hardware.setdefault((holding.month, holding.region, holding.tier), []).append(holding)
    for month, region, fleet in usage.fleets():
        part, whole = usage.coverage(month)
        rate = {name: price(name, month, region) for name in FLEET_RATES}
        nothing = rate["maintenance_ratio"] * 0
        pools = fleet_pools(fleet, rate, nothing)
        for tier in ("edge", "storage"):
            yield from _hardware(hardware[month, region, tier], nothing)
        for pool, (tier_, rate_name) in _FLEET_POOLS.items():
            if pool not in _COMPANY_WIDE:
                cost = pools[pool] * part / whole
                yield Line(
                    month, "delivery", pool, rate_name, cost, cost, region=region, tier=tier_, cdn="own"
                )
    for month in sorted(set(usage.fleet["month"].to_list())):
        part, whole = usage.coverage(month)
        company = {name: price(name, month, None) for name in FLEET_RATES}
        pools = fleet_pools(_NO_FLEET, company, company["maintenance_ratio"] * 0)
        for pool in _COMPANY_WIDE:
            cost = pools[pool] * part / whole
            yield Line(month, "delivery", pool, _FLEET_POOLS[pool][1], cost, cost, cdn="own")


def _hardware(kinds: list[Holding[Amount]], nothing: Amount) -> Iterator[Line[Amount]]:
    """Depreciation of a tier's hardware in a month, and what was bought of it."""
    month, region, tier = kinds[0].month, kinds[0].region, kinds[0].tier
    depreciation = sum((kind.depreciation_usd for kind in kinds), start=nothing)
    rate = f"{tier}_appliance_price"
    yield Line(
        month,
        "delivery",
        f"appliances_{tier}",
        rate,
        nothing,
        depreciation,
        region=region,
        tier=tier,
        cdn="own",
    )
    capex = sum((kind.bought_usd for kind in kinds), start=nothing)
    if np.any(np.asarray(capex) > 0):
        yield Line(
            month, "delivery", f"capex_{tier}", rate, capex, nothing,
            region=region, tier=tier, cdn="own", category="Purchase",
        )  # fmt: skip


def encode_costs(usage: Usage, price: Prices[Amount]) -> Iterator[Encode[Amount]]:
    """What each row of ``usage.encode`` cost, and how long it is written off.

    Encodes from before the rates begin are priced as at the first month reported.
    """
    for row in usage.encode.iter_rows(named=True):
        codec, encoded, runtime = str(row["codec"]), row["month"], int(row["runtime_ms"])
        at = max(encoded, usage.months[0])
        life = price("encode_life_years", at, None) * 12
        yield Encode(encoded, codec, runtime, _encode_minute(codec, at, price) * runtime / 60_000, life)


def written_off(encode: Encode[Amount], usage: Usage) -> Iterator[tuple[date, Amount]]:
    """What each month of the usage is charged for an encode: straight-line, a month's share until its life is over."""
    for month in usage.months:
        age = _months_between(encode.month, month)
        if age >= 0:
            part, whole = usage.coverage(month)
            yield month, encode.cost / encode.life_months * _clip(encode.life_months - age) * part / whole


def _encoding(usage: Usage, price: Prices[Amount]) -> Iterator[Line[Amount]]:
    # A month's charge is for all encodes still in the books, whichever month they are from.
    in_books: dict[tuple[date, str], tuple[Amount, int]] = {}
    for encode in encode_costs(usage, price):
        cost, codec = encode.cost, encode.codec
        if _is_over(encode.life_months - _months_between(encode.month, usage.months[0])):
            continue
        if encode.month in usage.months:
            yield Line(
                encode.month, "encoding", f"encode_{codec}", _ENCODE_PRICE[codec], cost, cost * 0, codec=codec,
                category="Purchase",
            )  # fmt: skip
        for month, charged in written_off(encode, usage):
            so_far, runtimes = in_books.get((month, codec), (cost * 0, 0))
            in_books[month, codec] = so_far + charged, runtimes + encode.runtime_ms
    for (month, codec), (charged, runtime) in sorted(in_books.items(), key=lambda entry: entry[0]):
        yield Line(
            month, "encoding", f"encode_{codec}", _ENCODE_PRICE[codec], charged * 0, charged,
            codec=codec, quantity=(runtime, 60_000, "Minutes in service"),
        )  # fmt: skip


def _encode_minute(codec: str, at: date, price: Prices[Amount]) -> Amount:
    """A minute of video through the whole ladder, trial encodes included."""
    ladder, trials = price("ladder_1080p_equivalent", at, None), price("encode_trials", at, None)
    minute = price(_ENCODE_PRICE[codec], at, None) * ladder * trials
    return minute * price("film_grain_encode_factor", at, None) if codec == "av1_fgs" else minute


def _tiered(entry: Rate, quantity: Decimal) -> Decimal:
    if entry.tiers is None:
        return quantity * entry.point()
    ends = [tier.above for tier in entry.tiers[1:]] + [quantity]
    return sum(
        (
            (min(quantity, end) - tier.above) * tier.price
            for tier, end in zip(entry.tiers, ends, strict=True)
            if quantity > tier.above
        ),
        Decimal(0),
    )


def _months_between(first: date, later: date) -> int:
    return (later.year - first.year) * 12 + later.month - first.month


def _is_over(months_left: Amount) -> bool:
    return bool(np.all(np.asarray(months_left) <= 0))


def _clip(months_left: Amount) -> Amount:
    if isinstance(months_left, Decimal):
        return max(Decimal(0), min(Decimal(1), months_left))
    return np.clip(months_left, 0.0, 1.0)
