"""Congestion: the load on every cluster and link in each quarter of an hour, fixed at the daily barrier.

Load comes from the demand field (members × local hour), never from the sampled panel, so that it does not
depend on who was sampled or on partitions; it is counted in whole streams and whole kbit/s.

Streams are carried from one quarter hour to the next; what is new is shared out. An edge cluster takes new
sessions while it has room and no more. Links and storage refuse nobody: steering keeps new sessions away from
them by what they reported a quarter hour before, so that a sudden surge overloads them until the reports have
caught up, and who is there shares what there is. What each stream can have and what it then asks for settle each
other: behind a full link it asks for its share of it, and what it leaves in the storage's egress others take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Ints
from synthetic.jit import compiled, inlined
from synthetic.places import Places
from synthetic.scenario import Delivery, Scenario

__all__ = [
    "INTERVALS",
    "INTERVAL_MS",
    "UNLIMITED_KBPS",
    "Capacity",
    "Congestion",
    "expected_streams",
    "settle",
]

Smalls: TypeAlias = npt.NDArray[np.int32]

INTERVAL_MS = 900_000
INTERVALS_A_DAY = 86_400_000 // INTERVAL_MS
INTERVALS = INTERVALS_A_DAY + 20
"""A day and five hours more, for the sessions that run on past midnight."""
UNLIMITED_KBPS = 2_000_000
_PPM = 1_000_000
_LEAD_IN = 12  # times the first interval is run before it counts, so that the day begins with streams there


@dataclass(frozen=True)
class Capacity:
    """Egress, kbit/s, by interval: edge and private links [intervals, sites], public ports and storage [intervals,
    exchanges]. ``closed_ppm`` [intervals, sites]: share of new sessions that an edge turns away though it has room.
    """

    edge_kbps: Ints
    private_kbps: Ints
    public_kbps: Ints
    storage_kbps: Ints
    closed_ppm: Ints


@dataclass(frozen=True)
class Congestion:
    """Shares in millionths of the sessions that begin, most that a stream gets (kbit/s), loads (kbit/s), streams.

    By site [intervals, sites], in 32 bits: ``edge_ppm`` of those that ask the edge for what it can serve, it takes;
    ``private_ppm`` of those not at the edge, steering sends by private peering; ``public_ppm`` of the rest, by
    public peering. By exchange [intervals, exchanges]: the cap and load of its public port, the load of its storage.
    """

    edge_ppm: Smalls
    private_ppm: Smalls
    public_ppm: Smalls
    private_cap_kbps: Smalls
    edge_streams: Smalls
    private_streams: Smalls
    public_streams: Smalls
    elsewhere_streams: Smalls
    public_cap_kbps: Ints
    public_load_kbps: Ints
    storage_load_kbps: Ints
    wanted_kbps: Ints

    @property
    def edge_load_kbps(self) -> Ints:
        """Egress of the edge clusters [intervals, sites]: there every stream has what it wants."""
        return self.edge_streams.astype(np.int64) * self.wanted_kbps


def expected_streams(scenario: Scenario, places: Places, weekday: int, members: Ints) -> Ints:
    """Expected concurrent streams [intervals, sites] from midnight UTC; Monday is 0, ``members`` by site."""
    demand = scenario.demand
    hour_share = np.array(demand.diurnal)
    start = np.arange(INTERVALS) * INTERVAL_MS + INTERVAL_MS // 2
    local = (start[:, None] + places.utc_offset_ms[None, :]) % 86_400_000
    # Between the middles of hours the field is linear.
    position = local / 3_600_000 - 0.5
    low = np.floor(position).astype(np.int64)
    share = (1 - (position - low)) * hour_share[low % 24] + (position - low) * hour_share[(low + 1) % 24]
    of_day = np.array(demand.weekly)[(weekday + start // 86_400_000) % 7]
    hours = demand.hours_per_member_day * of_day[:, None]
    return np.asarray(np.round(members[None, :] * hours * share), np.int64)


def settle(
    streams: Ints, wanted_kbps: Ints, hit_ppm: Ints, capacity: Capacity, places: Places, plan: Delivery
) -> Congestion:
    """Load, shares and caps of a day.

    ``streams`` [intervals, sites]; ``wanted_kbps`` [sites] what a stream asks for where nothing holds it back, the
    same at all sites of an exchange; ``hit_ppm`` [intervals, sites] share of demand the site can serve from disk.
    """
    goes_on = float(np.exp(-INTERVAL_MS / (plan.mean_session_minutes * 60_000)))
    t, sites = streams.shape
    exchanges = capacity.storage_kbps.shape[1]
    by_site, by_exchange = np.empty((8, t, sites), np.int32), np.empty((3, t, exchanges), np.int64)
    # Sites of an exchange lie together in ``order``, from ``begins`` on.
    order = np.argsort(places.site_exchange, kind="stable")
    begins = np.searchsorted(places.site_exchange[order], np.arange(exchanges + 1))
    _settle(
        streams, wanted_kbps, hit_ppm, capacity.edge_kbps, capacity.private_kbps, capacity.public_kbps,
        capacity.storage_kbps, capacity.closed_ppm, places.site_exchange, order, begins, int(goes_on * _PPM),
        int(plan.steering_load_ratio * _PPM), by_site, by_exchange,
    )  # fmt: skip
    public_cap, public_load, storage_load = by_exchange
    return Congestion(
        edge_ppm=by_site[0], private_ppm=by_site[1], public_ppm=by_site[2], private_cap_kbps=by_site[3],
        edge_streams=by_site[4], private_streams=by_site[5], public_streams=by_site[6],
        elsewhere_streams=by_site[7], public_cap_kbps=public_cap, public_load_kbps=public_load,
        storage_load_kbps=storage_load, wanted_kbps=wanted_kbps,
    )  # fmt: skip


@compiled()
def _settle(
    streams: Ints, wanted: Ints, hit_ppm: Ints, edge_kbps: Ints, private_kbps: Ints, public_kbps: Ints,
    storage_kbps: Ints, closed_ppm: Ints, exchange_of: Ints, order: Ints, begins: Ints, goes_on_ppm: int,
    threshold_ppm: int, by_site: Smalls, by_exchange: Ints,
) -> None:  # fmt: skip
    intervals, sites = streams.shape
    exchanges = begins.size - 1
    # Streams there by route, and what steering knows: offers and loads of the quarter hour before.
    on = np.zeros((4, sites), np.int64)
    off_before = np.zeros(sites, np.int64)
    offered, load = np.zeros((2, exchanges), np.int64), np.zeros((2, exchanges), np.int64)
    fair_private = np.empty(sites, np.int64)
    for moment in range(-_LEAD_IN, intervals):
        t = max(moment, 0)
        share = np.empty((2, exchanges), np.int64)
        for x in range(exchanges):
            for i, kbps in ((0, public_kbps[t, x]), (1, storage_kbps[t, x])):
                room = kbps * threshold_ppm // _PPM - load[i, x] * goes_on_ppm // _PPM
                share[i, x] = _ppm(max(room, 0), offered[i, x])
        offered[:] = 0
        load[:] = 0
        streams_public = np.zeros(exchanges, np.int64)
        for s in range(sites):
            x, b = exchange_of[s], wanted[s]
            there = on[0, s] + on[1, s] + on[2, s] + on[3, s]
            stays = min(goes_on_ppm, _ppm(streams[t, s], there))
            for r in range(4):
                on[r, s] = on[r, s] * stays // _PPM
            # An edge that lost appliances, and a link that was withdrawn, lose what ran there: it asks anew.
            fits = edge_kbps[t, s] // b
            on[0, s] = min(on[0, s], fits)
            new = max(streams[t, s] - on[0, s] - on[1, s] - on[2, s] - on[3, s], 0)
            displaced = on[1, s] if private_kbps[t, s] == 0 else np.int64(0)
            on[1, s] -= displaced
            asks_edge = new * hit_ppm[t, s] // _PPM
            edge_ppm = _ppm(fits - on[0, s], asks_edge) * (_PPM - closed_ppm[t, s]) // _PPM
            at_edge = asks_edge * edge_ppm // _PPM
            off = new - at_edge + displaced
            room = private_kbps[t, s] // b * threshold_ppm // _PPM - on[1, s]
            private_ppm = _ppm(max(room, 0), off_before[s]) if private_kbps[t, s] > 0 else np.int64(0)
            sent = off * private_ppm // _PPM
            private_ppm = private_ppm * share[1, x] // _PPM
            public_ppm = share[0, x] * share[1, x] // _PPM
            at_private, at_public = off * private_ppm // _PPM, (off - sent) * public_ppm // _PPM
            offered[0, x] += (off - sent) * b
            offered[1, x] += off * b
            off_before[s] = off
            on[0, s] += at_edge
            on[1, s] += at_private
            on[2, s] += at_public
            on[3, s] += off - at_private - at_public
            streams_public[x] += on[2, s]
            if moment >= 0:
                by_site[0, t, s], by_site[1, t, s], by_site[2, t, s] = edge_ppm, private_ppm, public_ppm
                for r in range(4):
                    by_site[4 + r, t, s] = on[r, s]
        for x in range(exchanges):
            first, last = begins[x], begins[x + 1]
            b = int(wanted[order[first]]) if last > first else 1
            demand = np.int64(0)
            for i in range(first, last):
                s = order[i]
                fair_private[s] = private_kbps[t, s] // max(on[1, s], 1)
                demand += on[1, s] * min(b, fair_private[s])
            fair_public = public_kbps[t, x] // max(streams_public[x], 1)
            demand += streams_public[x] * min(b, fair_public)
            level = np.int64(UNLIMITED_KBPS)
            if demand > storage_kbps[t, x]:
                low, level = np.int64(0), np.int64(b)
                while level - low > 1:
                    middle = (low + level) // 2
                    total = streams_public[x] * min(middle, fair_public)
                    for i in range(first, last):
                        s = order[i]
                        total += on[1, s] * min(middle, fair_private[s])
                    if total > storage_kbps[t, x]:
                        level = middle
                    else:
                        low = middle
                level = low if low > 0 else np.int64(1)
                demand = streams_public[x] * min(level, fair_public)
                for i in range(first, last):
                    demand += on[1, order[i]] * min(level, fair_private[order[i]])
            spare = max(storage_kbps[t, x] - demand, np.int64(0))
            most = level if level < UNLIMITED_KBPS else max(spare, b)
            public_load = streams_public[x] * min(b, min(level, fair_public))
            load[0, x], load[1, x] = public_load, demand
            if moment >= 0:
                room = _per_stream(public_kbps[t, x], streams_public[x], b)
                by_exchange[0, t, x] = max(min(min(room, most), np.int64(UNLIMITED_KBPS)), np.int64(1))
                by_exchange[1, t, x], by_exchange[2, t, x] = public_load, demand
                for i in range(first, last):
                    s = order[i]
                    room = _per_stream(private_kbps[t, s], on[1, s], b)
                    by_site[3, t, s] = max(min(min(room, most), np.int64(UNLIMITED_KBPS)), np.int64(1))


@inlined
def _per_stream(kbps: int, streams: int, wanted_kbps: int) -> int:
    """Most that a stream gets of a link: what the others leave it, or its share where they want more than there is."""
    left = kbps - streams * wanted_kbps
    return int(max(left, wanted_kbps) if left >= 0 else kbps // streams)


@inlined
def _ppm(part: int, whole: int) -> int:
    """part / whole in millionths, at most 1,000,000; that too where the whole is 0."""
    if part >= whole:
        return int(_PPM)
    # In thousandths of the whole where a million times the part would pass 64 bits.
    return int(part * _PPM // whole if part < 9_000_000_000_000 else part // (whole // _PPM))
