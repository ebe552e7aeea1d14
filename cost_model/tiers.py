"""What the edge tier and the nightly push do to margin per stream hour, viewing held as it was.

By the cost model's own charges, straight-line over the books' life, on the months of a quarter's usage::

    edge tier    = (storage and ports for the edge's peak + transit on the peak
                    − appliances, upkeep, hosting and partners of edge sites − transit on the peak or the fill) / hours
    nightly push = (transit on the peak and what is pulled within it − transit on the peak or the fill) / hours
    own peak     = own bytes · 8 / seconds · peak_to_mean

Transit is bought at the 95th percentile, so what is pushed off-peak costs nothing until it exceeds the peak
(:func:`cost_model.cdn.plan_fleet`); nothing else in the rates is charged for fill. Of what is pulled telemetry tells a
bound alone: between nothing and as much as was pushed, every share of it as likely.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cost_model.cdn import FLEET_RATES, Fleet, fleet_pools
from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, sample
from cost_model.usage import Usage

__all__ = ["tier_effects"]

_RATES = (
    *FLEET_RATES, "peak_to_mean", "storage_throughput", "peak_utilisation_ratio", "exchange_port_gbps",
    "transit_ratio", "fill_gbps", "depreciation_years",
)  # fmt: skip
_BORNE_BY_EDGE = ("appliances_edge", "maintenance_edge", "hosting_edge", "isp_partnership")
_BORNE_BY_EXCHANGE = ("appliances_storage", "maintenance_storage", "hosting_storage", "exchange_ports")


def tier_effects(
    usage: Usage,
    rates: Rates,
    *,
    pushed_bytes: int,
    given: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Interval]:
    """USD a stream hour that ``edge_tier`` and ``nightly_push`` add to margin (negative: take from it).

    ``pushed_bytes``: what the nightly push brought to edges in the quarter. Without edge sites that delivered there is
    neither, and without a push no ``nightly_push``.
    """
    hours = float(usage.total_hours())
    own = usage.delivery.filter(usage.delivery["cdn"] == "own")
    size = {tier: float(rows["delivered_bytes"].sum()) for (tier,), rows in own.group_by("tier")}
    seconds = float(usage.days["days"].sum()) * 86_400
    if not hours or not seconds or not size.get("edge") or not usage.fleet["edge_servers"].sum():
        return {}
    drawn = sample(rates, _RATES, usage.months[0], given=given, draws=draws, seed=seed)
    gbps = {tier: bytes_ * 8e-9 / seconds * drawn["peak_to_mean"] for tier, bytes_ in size.items()}
    peak = np.asarray(sum(gbps.values(), start=np.zeros(draws)))
    used, nothing = drawn["peak_utilisation_ratio"], np.zeros(draws)
    extra = Fleet[Floats](
        nothing, nothing, nothing,
        gbps["edge"] / (drawn["storage_throughput"] * used), gbps["edge"] / (drawn["exchange_port_gbps"] * used),
        nothing,
    )  # fmt: skip
    capital = 1 / (12 * drawn["depreciation_years"])
    at_exchanges = fleet_pools(extra, drawn, capital)
    months = sum(part / whole for part, whole in map(usage.coverage, usage.months))
    instead = months * np.asarray(sum((at_exchanges[pool] for pool in _BORNE_BY_EXCHANGE), start=nothing))
    borne, site_months = nothing, 0.0
    for month, _, fleet in usage.fleets():
        part, whole = usage.coverage(month)
        pools = fleet_pools(fleet, drawn, capital)
        borne = borne + part / whole * np.asarray(
            sum((pools[pool] for pool in _BORNE_BY_EDGE), start=nothing)
        )
        site_months += part / whole * fleet.sites
    mbps = 1000 * drawn["transit_ratio"] * drawn["transit_price"] * months
    now = np.maximum(peak, site_months / months * drawn["fill_gbps"])
    effects = {"edge_tier": interval((instead + mbps * peak - borne - mbps * now) / hours)}
    if pushed_bytes:
        some = np.random.Generator(np.random.Philox(key=[seed, 1])).random(draws)
        pulled = some * min(pushed_bytes / size["edge"], 1.0) * gbps["edge"]
        effects["nightly_push"] = interval(mbps * (peak + pulled - now) / hours)
    return effects
