"""What stands where: clusters of appliances at ISP sites and exchanges, the links to them, and who serves what.

Capacity is bought ahead on the planning figures of the scenario (expected evening peak plus headroom), in whole
appliances; it is not fitted to what a run then needs.

A client reaches bytes by one of four *routes*: an appliance embedded in its ISP, the storage at its exchange over
the ISP's private interconnect, the same over the exchange's public peering fabric, or a third party.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Bools, Ints, Tinies
from synthetic.places import Places
from synthetic.scenario import Scenario

__all__ = [
    "MISS_CLASS_NAMES", "ROUTE_NAMES", "TIER_NAMES", "TIER_OF_ROUTE", "Footprint", "make_footprint", "resolve",
]  # fmt: skip

ROUTE_NAMES = ("embedded", "private_peering", "public_peering", "third_party")
EMBEDDED, PRIVATE, PUBLIC, ELSEWHERE = range(4)
TIER_NAMES = ("edge", "storage", "third_party")
EDGE, STORAGE, THIRD_PARTY = range(3)
TIER_OF_ROUTE = np.array([EDGE, STORAGE, STORAGE, THIRD_PARTY], np.int8)
MISS_CLASS_NAMES = ("hit", "content_miss", "health_miss", "other")
HIT, CONTENT_MISS, HEALTH_MISS, OTHER = range(4)


@dataclass(frozen=True)
class Footprint:
    """Appliances and egress (kbit/s) of clusters by site and by exchange, and of the links between them.

    ``private_kbps`` [sites] is the ISP's private interconnect there (0 without one), ``public_kbps`` [exchanges]
    the port on the exchange's fabric that all its sites share.
    """

    edge_appliances: Ints
    edge_kbps: Ints
    storage_appliances: Ints
    storage_kbps: Ints
    private_kbps: Ints
    public_kbps: Ints


def make_footprint(scenario: Scenario, places: Places, *, has_edge: bool = True) -> Footprint:
    """Whole appliances and links for the planned peak: members × hours a day × peak share of the day × bitrate.

    Without an edge tier, exchanges and links are planned for all of the peak by the same rules.
    """
    plan, demand = scenario.delivery, scenario.demand
    member_share = np.array([r.member_share for r in scenario.region.values()])
    members = scenario.members * member_share[places.site_region] * places.site_share
    # Share of a day's viewing in its busiest hour, on its busiest weekday = mean concurrency in that hour.
    concurrent = members * demand.hours_per_member_day * max(demand.diurnal) * max(demand.weekly)
    peak_kbps = concurrent * plan.mean_stream_kbps
    exchanges = len(places.exchanges)

    edge = np.maximum(np.ceil(peak_kbps * plan.edge_headroom_ratio / (plan.edge_gbps * 1e6)), 1)
    # Exchanges carry what the edge is planned not to hold, and everything of the largest site when it is down.
    off_edge = plan.off_edge_ratio if has_edge else 1.0
    largest = np.zeros(exchanges)
    np.maximum.at(largest, places.site_exchange, peak_kbps)
    of_exchange = np.bincount(places.site_exchange, peak_kbps, minlength=exchanges)
    need = off_edge * of_exchange * plan.storage_headroom_ratio + largest * has_edge
    storage = np.maximum(np.ceil(need / (plan.storage_gbps * 1e6)), 2)

    private = np.where(places.site_is_private, off_edge * peak_kbps * plan.peering_headroom_ratio, 0.0)
    # The public port carries the ISPs without an interconnect, and the largest interconnect when it is withdrawn.
    shared = np.bincount(
        places.site_exchange, np.where(places.site_is_private, 0.0, peak_kbps), minlength=exchanges
    )
    failover = np.zeros(exchanges)
    np.maximum.at(failover, places.site_exchange, private)
    edge_count, storage_count = (edge * has_edge).astype(np.int64), storage.astype(np.int64)
    return Footprint(
        edge_appliances=edge_count,
        edge_kbps=(edge_count * plan.edge_gbps * 1_000_000).astype(np.int64),
        storage_appliances=storage_count,
        storage_kbps=(storage_count * plan.storage_gbps * 1_000_000).astype(np.int64),
        private_kbps=np.round(private).astype(np.int64),
        public_kbps=np.round(off_edge * shared * plan.peering_headroom_ratio + failover).astype(np.int64),
    )


def resolve(ranked: Tinies, can: Bools, is_held: Bools) -> tuple[Tinies, Tinies]:
    """Walk each client down its manifest: (route, miss class) of n requests.

    ``ranked`` [n, 4]: routes in the order the manifest gives them. ``can`` [n, 4]: whether each route, by its own
    number, serves the request; the last one always does. ``is_held`` [n]: whether the edge cluster has the title.
    The miss class says why the edge did not serve: content, health, or that it was not asked first (other).
    """
    rows = np.arange(ranked.shape[0])
    able = np.take_along_axis(can, ranked.astype(np.intp), axis=1)
    route = ranked[rows, able.argmax(axis=1)]
    edge_first = ranked[:, 0] == EMBEDDED
    sent_past_edge = ~edge_first & (ranked[:, 0] != ELSEWHERE)
    why = np.where(~is_held, CONTENT_MISS, HEALTH_MISS)
    why = np.where(edge_first | sent_past_edge, why, OTHER)
    return route, np.where(route == EMBEDDED, HIT, why).astype(np.int8)
