"""Where each play is served: the two planes meet in the manifest.

Steering ranks routes by what they reported; the client walks down the list, and the data plane serves what it can.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Floats, Ints, Tinies
from synthetic.control_plane import steering
from synthetic.data_plane import third_party
from synthetic.data_plane.appliances import ELSEWHERE, OTHER, TIER_OF_ROUTE, resolve
from synthetic.data_plane.congestion import INTERVAL_MS, INTERVALS_A_DAY
from synthetic.day import DayState
from synthetic.random import Stream, hashes, uniforms
from synthetic.world import Switches, World

__all__ = ["routes"]


def routes(
    world: World, state: DayState, switches: Switches, member: Ints, step: Ints, title: Ints, ts_ms: Ints
) -> tuple[Tinies, npt.NDArray[np.int16], Tinies, Floats]:
    """Of n plays: route, number of the appliance in its cluster, miss class, and ms that the first segment waits for
    a miss to be fetched."""
    scenario, members = world.scenario, world.members
    seed, site = scenario.seed, members.site[member]
    night, paths = state.night, state.night.paths[switches]
    found = paths.congestion
    interval = (ts_ms - scenario.start_ts_ms) // INTERVAL_MS - state.day * INTERVALS_A_DAY
    is_there, is_held, miss_ms = _at_the_edge(world, state, switches, member, step, title, interval, ts_ms)
    u = hashes(seed, member, step, Stream.DELIVERY_OVERFLOW)
    has_room = _chance(u, 0, found.edge_ppm[interval, site])
    to_private = _chance(u, 1, found.private_ppm[interval, site])
    to_public = _chance(u, 2, found.public_ppm[interval, site])
    always = np.ones(site.size, np.bool_)
    reports_up = switches.has_edge & ~night.is_down[interval, site]
    ranked = steering.rank(
        np.stack([reports_up, to_private, to_public, always], axis=1), third_party_first=not switches.own_cdn
    )
    route, miss = resolve(
        ranked, np.stack([is_there & has_room, to_private, to_public, always], axis=1), is_held
    )
    if not switches.has_edge:
        miss[:] = OTHER
    third = third_party.before_media_ms(scenario.delivery, seed, member, step)
    draw = hashes(seed, member, step, Stream.DELIVERY_COPY) >> np.uint64(40)
    appliance = night.serving(
        TIER_OF_ROUTE[route], site, world.places.site_exchange[site], title, interval, draw.astype(np.int64)
    )
    return route, appliance.astype(np.int16), miss, np.where(route == ELSEWHERE, third, miss_ms)


def _at_the_edge(
    world: World, state: DayState, switches: Switches, member: Ints, step: Ints, title: Ints, interval: Ints,
    ts_ms: Ints,
) -> tuple[Bools, Bools, Floats]:  # fmt: skip
    """Whether each play's edge cluster can serve the title from disk, whether it holds it, and what a miss waits."""
    scenario, places, members = world.scenario, world.places, world.members
    site, region = members.site[member], members.region[member]
    nothing = np.zeros(site.size)
    pull = state.night.paths[switches].pull
    if pull is None:
        is_held, is_there = state.night.reaches(site, title, interval)
        return is_there & switches.has_edge, is_held & switches.has_edge, nothing
    # One draw for both caches: what an exchange lacks no site below it has.
    u = uniforms(scenario.seed, member, step, Stream.DELIVERY_PULL)
    is_held = u < pull.held(pull.sites, site, title, ts_ms)
    at_exchange = u < pull.held(pull.exchanges, places.site_exchange[site], title, ts_ms)
    cloud = np.array([r.cloud_rtt_ms for r in scenario.region.values()])[region]
    from_origin = scenario.delivery.origin_first_byte_ms + cloud
    return is_held, is_held, np.where(is_held | at_exchange, nothing, from_origin)


def _chance(u: npt.NDArray[np.uint64], nth: int, ppm: npt.NDArray[np.int32]) -> Bools:
    """Whether each of n comes out with a chance given in millionths, by the ``nth`` 20 of 64 random bits."""
    bits = ((u >> np.uint64(4 + 20 * nth)) & np.uint64(0xFFFFF)).astype(np.int64)
    return np.asarray(bits * 1_000_000 < ppm.astype(np.int64) << 20)
