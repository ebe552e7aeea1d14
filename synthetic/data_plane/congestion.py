"""Congestion: what each site and exchange can give in each quarter of an hour, fixed at the daily barrier.

Load comes from the demand field (members × local hour), never from the sampled panel, so that it does not
depend on who was sampled or on partitions; it is reduced in integers. Throughput a stream gets under load and
the bitrate it then asks for depend on each other; a few rounds settle it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Ints
from synthetic.places import Places
from synthetic.scenario import Scenario

__all__ = ["INTERVAL_MS", "Congestion", "Load", "expected_streams", "settle"]

INTERVAL_MS = 900_000
_INTERVALS = 86_400_000 // INTERVAL_MS
_PPM = 1_000_000
_ROUNDS = 4
_LEAST_KBPS = 300


@dataclass(frozen=True)
class Load:
    """Expected egress, kbit/s, by interval of the day: edge [intervals, sites], storage [intervals, exchanges]."""

    edge_kbps: Ints
    storage_kbps: Ints


@dataclass(frozen=True)
class Congestion:
    """``edge_room_ppm`` [intervals, sites] and ``storage_room_ppm`` [intervals, exchanges]: share of requests, in
    millionths, that a cluster accepts."""

    load: Load
    edge_room_ppm: Ints
    storage_room_ppm: Ints


def expected_streams(scenario: Scenario, places: Places, weekday: int, members: Ints) -> Ints:
    """Expected concurrent streams [intervals, sites] of a UTC day; ``weekday`` 0 is Monday, ``members`` by site."""
    hour_share = np.array(scenario.demand.diurnal)
    start = np.arange(_INTERVALS) * INTERVAL_MS + INTERVAL_MS // 2
    local = (start[:, None] + places.utc_offset_ms[None, :]) % 86_400_000
    # Between the middles of hours the field is linear.
    position = local / 3_600_000 - 0.5
    low = np.floor(position).astype(np.int64)
    share = (1 - (position - low)) * hour_share[low % 24] + (position - low) * hour_share[(low + 1) % 24]
    hours = scenario.demand.hours_per_member_day * scenario.demand.weekly[weekday]
    return np.asarray(np.round(members[None, :] * hours * share), np.int64)


def settle(
    streams: Ints,
    wanted_kbps: Ints,
    hit_ppm: Ints,
    edge_kbps: Ints,
    storage_kbps: Ints,
    places: Places,
) -> Congestion:
    """Load and room of a day.

    ``streams`` [intervals, sites]; ``wanted_kbps`` [sites] what a stream asks for without congestion;
    ``hit_ppm`` [sites] share of demand the site holds; ``edge_kbps`` [intervals, sites] and ``storage_kbps``
    [intervals, exchanges] capacity. All in integers: the order of addition does not matter.
    """
    exchanges = storage_kbps.shape[1]
    asked = np.broadcast_to(wanted_kbps, streams.shape).astype(np.int64)
    for _ in range(_ROUNDS):
        total = streams * asked
        at_edge = total // _PPM * hit_ppm
        served = np.minimum(at_edge, edge_kbps)
        spill = total - served
        to_storage = np.zeros((streams.shape[0], exchanges), np.int64)
        for exchange in range(exchanges):
            to_storage[:, exchange] = spill[:, places.site_exchange == exchange].sum(axis=1)
        room = _ratio_ppm(storage_kbps, to_storage)
        # A stream behind a full exchange adapts down towards what is left; never below the lowest rung's like.
        pressed = np.minimum(room, _PPM)[:, places.site_exchange]
        share_off_edge = _ratio_ppm(spill, np.maximum(total, 1))
        relief = _PPM - share_off_edge + share_off_edge * pressed // _PPM
        asked = np.maximum(wanted_kbps[None, :] * relief // _PPM, _LEAST_KBPS)
    return Congestion(
        load=Load(served, np.minimum(to_storage, storage_kbps)),
        edge_room_ppm=_ratio_ppm(edge_kbps, np.maximum(at_edge, 1)),
        storage_room_ppm=_ratio_ppm(storage_kbps, np.maximum(to_storage, 1)),
    )


def _ratio_ppm(part: Ints, whole: Ints) -> Ints:
    """part / whole in millionths, at most 1,000,000; 1,000,000 where the whole is 0."""
    # In thousandths of the whole first: kbit/s of a large exchange times a million would pass 64 bits.
    return np.where(part >= whole, _PPM, part // np.maximum(whole // _PPM, 1)).clip(0, _PPM).astype(np.int64)
