"""Own CDN against a third party: what each costs at a number of subscribers, and where they meet.

The identities (all a month, USD; rate names in ``rates.toml``)::

    third party = GB · third_party_price, or at list price by the volume of the month
    own         = appliances + maintenance + hosting + ports + transit + partnership + staff + platform
                  + overflow_ratio · GB · third_party_price
    GB          = subscribers · hours_per_member_day · (365/12) · gb_per_hour
    peak Gbit/s = subscribers · hours_per_member_day · gb_per_hour · 8 / 86,400 · peak_to_mean

Delivery cost alone: what reliability is worth to retention is not in it (:mod:`cost_model.reliability`).
Footprint is a policy: *lean* puts one site into each access network that is large enough, *dense* one into each
urban area of it that is. Neither is scaled from a public footprint; :mod:`cost_model.backtest` holds the outcome
beside one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Generic, Literal, TypeVar

import numpy as np

from cost_model.rates import Rates, Tier
from cost_model.uncertainty import DRAWS, Driver, Floats, Interval, drivers, interval, sample

__all__ = [
    "FLEET_RATES", "POLICIES", "Breakeven", "CurvePoint", "Fleet", "Policy", "at_size", "breakeven",
    "crossing_model", "fleet_pools", "monthly_gb", "own_marginal_usd_per_gb", "own_usd_per_month", "plan_fleet",
    "rate_names", "site_count", "third_party_usd_per_month",
]  # fmt: skip

Policy = Literal["lean", "dense"]
POLICIES: tuple[Policy, ...] = ("lean", "dense")
# One identity serves exact charges (Decimal) and distributions (arrays of draws).
Amount = TypeVar("Amount", Decimal, Floats)

FLEET_RATES = (
    "edge_appliance_price", "storage_appliance_price", "exchange_fitout_price", "maintenance_ratio",
    "appliance_power", "colocation_price", "embedded_hosting_ratio", "exchange_port_price", "transit_price",
    "isp_partnership_price", "cdn_staff", "staff_price", "cdn_platform_price",
)  # fmt: skip
_PLAN_RATES = (
    "hours_per_member_day", "gb_per_hour", "peak_to_mean", "overflow_ratio", "storage_tier_ratio",
    "access_networks", "embedded_minimum_lean", "embedded_minimum_dense", "urban_areas",
    "networks_per_urban_area", "urban_ratio", "servers_per_site", "edge_throughput",
    "storage_throughput", "peak_utilisation_ratio", "exchange_sites", "storage_servers_per_exchange",
    "exchange_port_gbps", "transit_ratio", "fill_gbps",
)  # fmt: skip
_RATES = (*FLEET_RATES, *_PLAN_RATES, "third_party_price", "appliance_life_years", "wacc_ratio")
_FEWEST, _MOST, _HALVINGS = 1e5, 1e10, 48  # search range in subscribers; 48 halvings leave 1e-13 of its log
_CURVE_DRAWS = 2_000


@dataclass(frozen=True)
class Fleet(Generic[Amount]):
    """What an own CDN consists of, in pieces, and the transit it buys at the 95th percentile."""

    sites: Amount | int
    edge_servers: Amount | int
    exchange_sites: Amount | int
    storage_servers: Amount | int
    exchange_ports: Amount | int
    transit_mbps: Amount | int


@dataclass(frozen=True)
class CurvePoint:
    """Break-even at one third-party price."""

    price_usd_per_gb: float
    subscribers: Interval
    never_ratio: float


@dataclass(frozen=True)
class Breakeven:
    """Subscribers at which an own CDN costs what a third party costs, as a distribution.

    ``never_ratio``: share of draws with no break-even up to 10 billion subscribers; quantiles count those
    as infinite. ``at_subscribers``: a given size, the share of draws in which the own CDN is cheaper there,
    and its saving in USD a year.
    """

    policy: Policy
    subscribers: Interval
    never_ratio: float
    drivers: Sequence[Driver]
    curve: Sequence[CurvePoint]
    draws: Floats
    at_subscribers: float
    own_cheaper_ratio: float
    saving_usd_per_year: Interval

    def price_for(self, subscribers: float) -> float | None:
        """Third-party price, USD/GB, at which the median break-even is ``subscribers``; None off the curve.

        Read between the curve's points on logarithmic axes.
        """
        medians = [point.subscribers.median for point in self.curve]
        finite = [(m, p.price_usd_per_gb) for m, p in zip(medians, self.curve, strict=True) if np.isfinite(m)]
        if not finite or not finite[-1][0] <= subscribers <= finite[0][0]:
            return None
        sizes, prices = (np.log(values)[::-1] for values in zip(*finite, strict=True))
        return float(np.exp(np.interp(np.log(subscribers), sizes, prices)))

    def as_dict(self) -> dict[str, object]:
        """For JSON, without the draws."""
        return {
            "policy": self.policy,
            "unit": "subscribers",
            "subscribers": self.subscribers.as_dict(),
            "never_ratio": self.never_ratio,
            "drivers": [d.as_dict() for d in self.drivers],
            "curve": [
                {
                    "price_usd_per_gb": p.price_usd_per_gb,
                    **p.subscribers.as_dict(),
                    "never_ratio": p.never_ratio,
                }
                for p in self.curve
            ],
            "price_usd_per_gb_for_50_million": self.price_for(50e6),
            "at_subscribers": self.at_subscribers,
            "own_cheaper_ratio": self.own_cheaper_ratio,
            "saving_usd_per_year": self.saving_usd_per_year.as_dict(),
            "draws": len(self.draws),
        }


def breakeven(
    rates: Rates,
    day: date,
    *,
    policy: Policy = "lean",
    given: Mapping[str, float] | None = None,
    at_subscribers: float = 100e6,
    prices: Sequence[float] = (),
    at_list_price: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Breakeven:
    """Solve own(subscribers) = third party(subscribers) in every draw of the rates.

    ``at_list_price`` has the third party cost ``third_party_list_price`` by the month's volume, tier by tier.
    ``given`` fixes rates (a negotiated ``third_party_price``, measured ``gb_per_hour``); ``prices`` in USD/GB
    are the points of the curve. Own cost per subscriber never rises with subscribers (each part is constant,
    linear, or the larger of the two), so there is at most one crossing and halving finds it.
    """
    drawn = sample(rates, _RATES, day, given=given, draws=draws, seed=seed)
    tiers = rates.at("third_party_list_price", day).tiers if at_list_price else None
    outcome = _crossing(drawn, policy, tiers)
    few = {name: values[:_CURVE_DRAWS] for name, values in drawn.items()}
    curve = []
    for price in prices:
        points = _crossing(few | {"third_party_price": np.full(len(few["wacc_ratio"]), price)}, policy)
        curve.append(CurvePoint(price, interval(points), float(np.isinf(points).mean())))
    solved = Breakeven(
        policy=policy,
        subscribers=interval(outcome),
        never_ratio=float(np.isinf(outcome).mean()),
        drivers=drivers(outcome, drawn),
        curve=tuple(curve),
        draws=outcome,
        at_subscribers=at_subscribers,
        own_cheaper_ratio=np.nan,
        saving_usd_per_year=Interval(np.nan, np.nan, np.nan),
    )
    return _at(solved, at_subscribers, drawn, tiers)


def at_size(
    found: Breakeven,
    rates: Rates,
    day: date,
    at_subscribers: float,
    *,
    given: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Breakeven:
    """``found`` for a service of another size: where costs meet does not hang on it, and is not sought again.

    ``rates``, ``day``, ``given`` and ``seed`` are those it was found by; not at list price.
    """
    drawn = sample(rates, _RATES, day, given=given, draws=len(found.draws), seed=seed)
    return _at(found, at_subscribers, drawn, None)


def _at(
    found: Breakeven, subscribers: float, drawn: Mapping[str, Floats], tiers: Sequence[Tier] | None
) -> Breakeven:
    size = np.full(len(found.draws), subscribers)
    own = own_usd_per_month(size, drawn, found.policy, tiers)
    saving = 12 * (third_party_usd_per_month(size, drawn, tiers) - own)
    return replace(
        found,
        at_subscribers=subscribers,
        own_cheaper_ratio=float((saving > 0).mean()),
        saving_usd_per_year=interval(saving),
    )


def fleet_pools(
    fleet: Fleet[Amount], rate: Mapping[str, Amount], capital_per_month: Amount
) -> dict[str, Amount]:
    """Cost of a fleet, USD a month, by pool.

    ``capital_per_month`` is the share of capex that falls on a month: 1 / life in months for straight-line
    books, the capital recovery factor / 12 for a break-even. ``maintenance`` is a share of capex a year.
    Hosting is paid for storage appliances and for ``embedded_hosting_ratio`` of the edge ones.
    """
    edge_capex = fleet.edge_servers * rate["edge_appliance_price"]
    storage_capex = (
        fleet.storage_servers * rate["storage_appliance_price"]
        + fleet.exchange_sites * rate["exchange_fitout_price"]
    )
    kw_price = rate["appliance_power"] * rate["colocation_price"]
    upkeep = rate["maintenance_ratio"] / 12
    return {
        "appliances_edge": edge_capex * capital_per_month,
        "appliances_storage": storage_capex * capital_per_month,
        "maintenance_edge": edge_capex * upkeep,
        "maintenance_storage": storage_capex * upkeep,
        "hosting_edge": fleet.edge_servers * rate["embedded_hosting_ratio"] * kw_price,
        "hosting_storage": fleet.storage_servers * kw_price,
        "exchange_ports": fleet.exchange_ports * rate["exchange_port_price"],
        "transit": fleet.transit_mbps * rate["transit_price"],
        "isp_partnership": fleet.sites * rate["isp_partnership_price"] / 12,
        "staff": rate["cdn_staff"] * rate["staff_price"] / 12,
        "platform": rate["cdn_platform_price"] / 12,
    }


def plan_fleet(
    subscribers: Floats, rate: Mapping[str, Floats], policy: Policy, *, sites: Floats | None = None
) -> Fleet[Floats]:
    """Size a fleet for ``subscribers`` (arrays of draws); ``sites`` where they stand already.

    ::

        sites           = site_count
        edge servers    = max(sites · servers_per_site, edge peak / (edge_throughput · peak_utilisation))
        storage servers = max(exchange sites · storage_servers_per_exchange,
                              storage peak / (storage_throughput · peak_utilisation))
        ports           = max(exchange sites, storage peak / (exchange_port_gbps · peak_utilisation))
        transit         = transit_ratio · max(own peak, sites · fill_gbps): fill is off-peak, so the 95th
                          percentile pays for whichever is larger
    """
    own_peak_gbps = _peak_gbps(subscribers, rate) * (1 - rate["overflow_ratio"])
    storage_peak = own_peak_gbps * rate["storage_tier_ratio"]
    used = rate["peak_utilisation_ratio"]
    sites = site_count(own_peak_gbps, rate, policy) if sites is None else sites
    exchanges = rate["exchange_sites"]
    return Fleet(
        sites=sites,
        edge_servers=np.maximum(
            sites * rate["servers_per_site"],
            (own_peak_gbps - storage_peak) / (rate["edge_throughput"] * used),
        ),
        exchange_sites=exchanges,
        storage_servers=np.maximum(
            exchanges * rate["storage_servers_per_exchange"],
            storage_peak / (rate["storage_throughput"] * used),
        ),
        exchange_ports=np.maximum(exchanges, storage_peak / (rate["exchange_port_gbps"] * used)),
        transit_mbps=1000 * rate["transit_ratio"] * np.maximum(own_peak_gbps, sites * rate["fill_gbps"]),
    )


def site_count(peak_gbps: Floats, rate: Mapping[str, Floats], policy: Policy) -> Floats:
    """Embedded sites that ``peak_gbps`` of own delivery is worth.

    ::

        lean  = networks whose peak is at least embedded_minimum_lean, one site each
        dense = lean, or the networks of urban areas whose peak there is at least embedded_minimum_dense

    Networks and urban areas are sized by Zipf's law with exponent 1 (for cities: Gabaix 1999): of K, the i-th has
    1 / (i · H_K) of all, H_K = ln K + 0.577, and so many are above a threshold as its share goes into the largest.
    """

    def above(parts: Floats, shared_gbps: Floats, threshold_gbps: Floats) -> Floats:
        return np.minimum(parts, shared_gbps / ((np.log(parts) + np.euler_gamma) * threshold_gbps))

    lean = np.maximum(1, above(rate["access_networks"], peak_gbps, rate["embedded_minimum_lean"]))
    if policy == "lean":
        return lean
    networks = rate["networks_per_urban_area"]
    areas = above(
        rate["urban_areas"], peak_gbps * rate["urban_ratio"] / networks, rate["embedded_minimum_dense"]
    )
    return np.maximum(lean, areas * networks)


def own_usd_per_month(
    subscribers: Floats,
    rate: Mapping[str, Floats],
    policy: Policy,
    tiers: Sequence[Tier] | None = None,
    *,
    sites: Floats | None = None,
) -> Floats:
    """All costs of an own CDN, USD a month, capex annualised at ``wacc_ratio`` over ``appliance_life_years``.

    Capital recovery factor = w / (1 − (1 + w)^−life).
    """
    wacc = rate["wacc_ratio"]
    recovery = wacc / (1 - (1 + wacc) ** -rate["appliance_life_years"])
    pools = fleet_pools(plan_fleet(subscribers, rate, policy, sites=sites), rate, recovery / 12)
    overflow = third_party_usd_per_month(subscribers, rate, tiers, share=rate["overflow_ratio"])
    return np.asarray(sum(pools.values(), start=overflow))


def third_party_usd_per_month(
    subscribers: Floats,
    rate: Mapping[str, Floats],
    tiers: Sequence[Tier] | None = None,
    *,
    share: Floats | float = 1.0,
) -> Floats:
    """``share`` of the GB of a month at the negotiated price, or at ``tiers`` of volume; USD."""
    gb = np.asarray(monthly_gb(subscribers, rate) * share)
    if tiers is None:
        return np.asarray(gb * rate["third_party_price"])
    ends = [float(tier.above) for tier in tiers[1:]] + [np.inf]
    parts = (
        np.clip(gb - float(tier.above), 0, end - float(tier.above)) * float(tier.price)
        for tier, end in zip(tiers, ends, strict=True)
    )
    return np.asarray(sum(parts, start=np.zeros_like(gb)))


def crossing_model(policy: Policy) -> Callable[[Mapping[str, Floats]], Floats]:
    """Break-even in subscribers as a function of drawn rates, for :func:`cost_model.sensitivity.sobol`."""
    return lambda drawn: _crossing(drawn, policy)


def monthly_gb(subscribers: Floats, rate: Mapping[str, Floats]) -> Floats:
    """subscribers · hours a member and day · 365/12 days · GB an hour."""
    return subscribers * rate["hours_per_member_day"] * (365 / 12) * rate["gb_per_hour"]


def own_marginal_usd_per_gb(subscribers: Floats, rate: Mapping[str, Floats], policy: Policy) -> Floats:
    """What the last tenth of the bytes costs on an own CDN whose sites stand, USD/GB.

    Far below the average where the footprint, not capacity, binds the fleet: saved bytes then save transit
    and overflow alone.
    """
    fewer = dict(rate) | {"gb_per_hour": rate["gb_per_hour"] * 0.9}
    sites = np.asarray(plan_fleet(subscribers, rate, policy).sites)
    now, then = (own_usd_per_month(subscribers, one, policy, sites=sites) for one in (rate, fewer))
    saved = now - then
    return np.asarray(saved / (monthly_gb(subscribers, rate) * 0.1))


def rate_names() -> tuple[str, ...]:
    """Rates that the costs of both sides are computed from."""
    return _RATES


def _peak_gbps(subscribers: Floats, rate: Mapping[str, Floats]) -> Floats:
    mean = subscribers * rate["hours_per_member_day"] * rate["gb_per_hour"] * 8 / 86_400
    return np.asarray(mean * rate["peak_to_mean"])


def _crossing(rate: Mapping[str, Floats], policy: Policy, tiers: Sequence[Tier] | None = None) -> Floats:
    draws = len(rate["wacc_ratio"])

    def is_own_cheaper(log_subscribers: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        size = np.exp(log_subscribers)
        own = own_usd_per_month(size, rate, policy, tiers)
        return np.asarray(own <= third_party_usd_per_month(size, rate, tiers))

    low, high = np.full(draws, np.log(_FEWEST)), np.full(draws, np.log(_MOST))
    never = ~is_own_cheaper(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        cheaper = is_own_cheaper(middle)
        low, high = np.where(cheaper, low, middle), np.where(cheaper, middle, high)
    return np.where(never, np.inf, np.exp(high))
