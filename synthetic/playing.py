"""The second half of a day, from the play instruction on: where the bytes come from and what the viewer feels.

A pure function of (world, the day's state, requests, switches): the same requests can be played again in another
world on the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Floats, Ints, Tinies
from synthetic.browsing import CONTINUE, HOME, SLOTS
from synthetic.data_plane.appliances import EDGE, TIER_OF_ROUTE
from synthetic.day import DayState, Request, session_keys
from synthetic.delivery import route_row
from synthetic.faults import breaks_hazard, fails_to_start
from synthetic.looking import details_ms
from synthetic.members import DEVICE_NAMES
from synthetic.player.abr import Ladder
from synthetic.player.kernel import Played, Plays, play
from synthetic.player.network import load_networks
from synthetic.random import Stream, hashes, normals, uniforms
from synthetic.routing import routes
from synthetic.scenario import CODEC_NAMES
from synthetic.world import FACTUAL, Switches, World

__all__ = ["CODEC_NAMES", "Delivered", "deliver", "plays_of"]

CELLULAR_RTT_MS = np.array([0.0, 18.0, 32.0, 60.0])  # on top of the region's access, by NETWORKS; assumption
_DAY_MS = 86_400_000
# Longer than most looks at a title in detail: three are looked at so for one that is played at most. Assumption.
PREFETCH_REST_MS = 20_000.0
SESSION_LOG_SD = 0.25  # spread of a member's log-throughput from session to session; assumption


@dataclass(frozen=True)
class Delivered:
    """Play attempts, shape (k,), in one world. ``rows`` point into the :class:`Request`.

    ``failure``: 0 none, 1 technical, 2 business; the request's, or else a failure to start of the delivery's own.
    ``fails_playing``: the session was cut by a playback failure. ``tier`` and ``miss`` index the names in
    :mod:`synthetic.data_plane.appliances`; ``appliance`` is a number within its cluster; ``codec`` indexes
    ``CODEC_NAMES``. ``world``: in which of the worlds side by side, 0 the factual one; members of an experiment's
    treatment may be in another.
    """

    rows: Ints
    codec: Tinies
    tier: Tinies
    appliance: npt.NDArray[np.int16]
    miss: Tinies
    version: Ints
    os_index: Ints
    failure: Tinies
    fails_playing: Bools
    world: Tinies
    plays: Plays
    played: Played


def deliver(
    world: World,
    state: DayState,
    request: Request,
    switches: Switches = FACTUAL,
    factual: Delivered | None = None,
) -> Delivered:
    """The second half, in the world of ``switches``: where the bytes come from and what the viewer feels.

    A play that this world leaves as it was in ``factual`` is not played again: it would come out the same.
    """
    if factual is not None and switches == replace(FACTUAL, abr="throughput"):
        # Bytes come as they did; the player decides otherwise only where BOLA had its way.
        changed = np.flatnonzero(factual.played.by_bola)
        again = _play(world, state, switches, factual.plays.take(changed))
        return replace(factual, played=_replaced(factual.played, changed, again))
    scenario, places, members = world.scenario, world.places, world.members
    seed = scenario.seed
    rows = np.flatnonzero(request.browse.chosen >= 0)
    member, step = request.visits.member[rows], request.visits.step[rows]
    device, ts_ms = request.visits.device[rows], request.play_ts_ms[rows]
    title = request.browse.chosen[rows].astype(np.int64)
    site, region = members.site[member], request.region[rows]

    codec = _codec(world, member, device, title, switches)
    route, appliance, miss, miss_ms = routes(world, state, switches, member, step, title, ts_ms)
    tier = TIER_OF_ROUTE[route]
    version, os_index = request.version[rows], request.os[rows]
    where = places.attributes(site) | {
        "device": device, "os": os_index, "player_version": version, "codec": codec.astype(np.int64),
    }  # fmt: skip
    broken = fails_to_start(state.incidents, seed, member, step, ts_ms, where, from_edge=tier == EDGE)
    failure = np.where(broken & (request.failure[rows] == 0), 1, request.failure[rows]).astype(np.int8)
    plays, fails_playing = _plays(
        world, state, request, rows, member, step, device, title, site, region, ts_ms, codec, route, miss_ms,
        where, failure,
    )  # fmt: skip
    if factual is None or switches.abr != FACTUAL.abr:
        played = _play(world, state, switches, plays)
    else:
        changed = np.flatnonzero(~_is_same(plays, factual.plays, state.night.paths[switches].is_factual))
        played = _replaced(factual.played, changed, _play(world, state, switches, plays.take(changed)))
    return Delivered(
        rows,
        codec,
        tier,
        appliance,
        miss,
        version,
        os_index,
        failure,
        fails_playing,
        np.zeros(rows.size, np.int8),
        plays,
        played,
    )


def _play(world: World, state: DayState, switches: Switches, plays: Plays) -> Played:
    player = world.scenario.player
    return play(
        plays,
        Ladder(world.scenario.codecs.ladder_kbps),
        networks=tuple(load_networks().values()),
        conditions=state.night.paths[switches].conditions,
        chunk_ms=player.chunk_ms,
        buffer_ms=player.buffer_ms,
        stall_loss=player.stall_loss_factor,
        rule=switches.abr,
    )


def _is_same(plays: Plays, others: Plays, same_conditions: Bools) -> Bools:
    """Whether each of n plays is told the same; ``same_conditions`` [routes] by row of the conditions."""
    same = same_conditions[plays.route]
    for f in fields(plays):
        same = same & (getattr(plays, f.name) == getattr(others, f.name))
    return same


def _replaced(played: Played, rows: npt.NDArray[np.intp], by: Played) -> Played:
    out = {}
    for f in fields(played):
        out[f.name] = getattr(played, f.name).copy()
        out[f.name][rows] = getattr(by, f.name)
    return Played(**out)


def plays_of(delivered: Delivered, which: npt.NDArray[np.intp]) -> Plays:
    """The kernel's inputs of some attempts, to play them again in detail."""
    return delivered.plays.take(which)


def _plays(
    world: World, state: DayState, request: Request, rows: Ints, member: Ints, step: Ints, device: Ints,
    title: Ints, site: Ints, region: Ints, ts_ms: Ints, codec: Tinies,
    route: Tinies, miss_ms: Floats, where: Mapping[str, Ints], failure: Tinies,
) -> tuple[Plays, Bools]:  # fmt: skip
    """The kernel's inputs, and which sessions a playback failure cuts short."""
    scenario, members = world.scenario, world.members
    seed, player, delivery = scenario.seed, scenario.player, scenario.delivery
    regions = list(scenario.region.values())
    access = members.access[member]

    log_base = members.log_base[member] + SESSION_LOG_SD * normals(
        seed, member, step, Stream.PLAYER_THROUGHPUT
    )
    base_kbps = np.exp(log_base)

    route_rtt = np.array(
        [
            delivery.edge_rtt_ms,
            delivery.private_peering_rtt_ms,
            delivery.public_peering_rtt_ms,
            delivery.third_party_rtt_ms,
        ]
    )
    rtt = np.array([r.access_rtt_ms for r in regions])[region] + CELLULAR_RTT_MS[access] + route_rtt[route]
    cloud = np.array([r.cloud_rtt_ms for r in regions])[region] + CELLULAR_RTT_MS[access]
    # Authorisation and steering in one round trip, the licence in another; connections to the cloud are warm.
    cleared = request.authorise_ms[rows] + request.licence_ms[rows] + 2 * cloud
    # What is on the device waits for nobody who says where to fetch it, nor for a miss.
    prefetched = _prefetched(world, request, rows)
    before = np.where(prefetched, cleared, cleared + request.steer_ms[rows] + miss_ms)

    screen = np.array([scenario.device[d].max_rung for d in DEVICE_NAMES])
    u = uniforms(seed, member, step, Stream.PLAYER_PATIENCE)
    patience = player.patience_ms + u / max(player.abandon_per_s, 1e-9) * 1000
    failed = failure > 0
    intended = request.browse.watch_ms[rows].astype(np.float64)
    hazard = scenario.control.playback_failure_per_hour * intended / 3_600_000
    hazard += breaks_hazard(state.incidents, ts_ms, where)
    v = uniforms(seed, member, step, Stream.VISIT_FAILURE)
    fails_playing = v < 1 - np.exp(-hazard)
    # Where in the session it breaks: the uniform, given that it failed.
    intended = np.where(fails_playing, intended * v / np.maximum(1 - np.exp(-hazard), 1e-12), intended)
    f = np.float32
    plays = Plays(
        key=hashes(seed, member, step, Stream.PLAYER_KEY).astype(np.uint32),
        network=access.astype(np.int32),
        route=route_row(route.astype(np.int64), site, len(world.places.sites)).astype(np.int32),
        begins_ms=(ts_ms - scenario.start_ts_ms - state.day * _DAY_MS).astype(np.int32),
        base_kbps=base_kbps.astype(f),
        rtt_ms=rtt.astype(f),
        scale=world.ladders.scale[title, codec].astype(f),
        top_rung=np.minimum(screen[device], world.ladders.top_rung[title]).astype(np.int32),
        prefetched=prefetched,
        before_ms=before.astype(f),
        patience_ms=np.minimum(patience, 1e9).astype(f),
        intended_ms=np.where(failed, 0.0, np.maximum(intended, 1000.0)).astype(f),
        title_ms=np.maximum(request.browse.watch_ms[rows], world.titles.runtime_ms[title]).astype(f),
    )
    return plays, fails_playing & ~failed


def _prefetched(world: World, request: Request, rows: Ints) -> Bools:
    """Plays whose first chunk is on the device when they are asked for.

    A title gone on with: its next minutes were fetched near the end of the last sitting, or while the page was
    open. A title of the home page that was looked at in detail for ``PREFETCH_REST_MS``. Not what a search found.
    """
    browse, params = request.browse, world.params
    surface = browse.surface[rows]
    place = browse.row[rows].astype(np.int64) * SLOTS + browse.slot[rows]
    # The look at the title that was chosen: the viewer's own draw.
    rested_ms = details_ms(
        world.scenario.seed, session_keys(request.visits)[rows], place, params.detail_median_ms,
        params.dwell_log_sd,
    )  # fmt: skip
    on_home = (surface == HOME) & (rested_ms >= PREFETCH_REST_MS)
    return np.asarray((surface == CONTINUE) | on_home)


def _codec(world: World, member: Ints, device: Ints, title: Ints, switches: Switches) -> Tinies:
    """The best codec that the title is encoded in and the device decodes."""
    if not switches.av1:
        return np.zeros(member.size, np.int8)
    share = np.array([world.scenario.device[d].av1_ratio for d in DEVICE_NAMES])
    able = uniforms(world.scenario.seed, member, device, Stream.DEVICE_AV1) < share[device]
    return np.where(able, world.ladders.best_codec[title], 0).astype(np.int8)
