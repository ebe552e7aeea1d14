"""Appliances: what stands at each ISP site and exchange, and from which of them a request is served.

A *cluster* is the appliances of one place. Capacity is bought ahead on the planning figures of the scenario
(expected evening peak plus headroom), in whole appliances; it is not fitted to what a run then needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Bools, Ints, Tinies
from synthetic.places import Places
from synthetic.scenario import Scenario

__all__ = ["MISS_CLASS_NAMES", "TIER_NAMES", "Footprint", "make_footprint", "resolve"]

TIER_NAMES = ("edge", "storage", "third_party")
MISS_CLASS_NAMES = ("hit", "content_miss", "health_miss", "other")
EDGE, STORAGE, THIRD_PARTY = range(3)
HIT, CONTENT_MISS, HEALTH_MISS, OTHER = range(4)


@dataclass(frozen=True)
class Footprint:
    """Clusters: appliances and egress (kbit/s) by site and by exchange; disk (bytes) by site."""

    edge_appliances: Ints
    edge_kbps: Ints
    edge_disk_bytes: Ints
    storage_appliances: Ints
    storage_kbps: Ints


def make_footprint(scenario: Scenario, places: Places) -> Footprint:
    """Whole appliances for the planned peak: members × hours a day × peak share of the day × mean bitrate."""
    plan, demand = scenario.delivery, scenario.demand
    member_share = np.array([r.member_share for r in scenario.region.values()])
    members = scenario.members * member_share[places.site_region] * places.site_share
    # Share of a day's viewing in its busiest hour, on its busiest weekday = mean concurrency in that hour.
    concurrent = members * demand.hours_per_member_day * max(demand.diurnal) * max(demand.weekly)
    peak_kbps = concurrent * plan.mean_stream_kbps
    edge = np.maximum(np.ceil(peak_kbps * plan.edge_headroom_ratio / (plan.edge_gbps * 1e6)), 1).astype(
        np.int64
    )
    # Exchanges carry what the edge is planned not to hold: a quarter, and everything of a site that is down.
    of_exchange = np.bincount(places.site_exchange, peak_kbps, minlength=len(places.exchanges))
    largest = np.zeros(len(places.exchanges))
    np.maximum.at(largest, places.site_exchange, peak_kbps)
    need = 0.25 * of_exchange * plan.storage_headroom_ratio + largest
    storage = np.maximum(np.ceil(need / (plan.storage_gbps * 1e6)), 2).astype(np.int64)
    # Appliances of a cluster hold different titles, except the most popular ones: twice the disk of one at most.
    disk = (np.minimum(edge, 2) * plan.edge_disk_tb * 1e12).astype(np.int64)
    return Footprint(
        edge_appliances=edge,
        edge_kbps=(edge * plan.edge_gbps * 1_000_000).astype(np.int64),
        edge_disk_bytes=disk,
        storage_appliances=storage,
        storage_kbps=(storage * plan.storage_gbps * 1_000_000).astype(np.int64),
    )


def resolve(
    ranked: Tinies,
    is_held: Bools,
    edge_has_room: Bools,
    storage_has_room: Bools,
) -> tuple[Tinies, Tinies]:
    """Walk each client down its manifest: (tier, miss class) of n requests.

    ``ranked`` [n, 3]: tiers in the order the manifest gives them. An edge cluster serves what it holds while it
    has room; storage holds everything and serves while it has room; the third party always serves. The miss
    class says why the edge did not: content, health, or that it was never asked first (other).
    """
    can = np.stack([is_held & edge_has_room, storage_has_room, np.ones_like(is_held)], axis=1)
    able = np.take_along_axis(can, ranked.astype(np.intp), axis=1)
    tier = ranked[np.arange(ranked.shape[0]), able.argmax(axis=1)]
    why = np.where(~is_held, CONTENT_MISS, np.where(~edge_has_room, HEALTH_MISS, OTHER))
    return tier, np.where(tier == EDGE, HIT, why).astype(np.int8)
