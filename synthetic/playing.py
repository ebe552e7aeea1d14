"""The second half of a day, from the play instruction on: where the bytes come from and what the viewer feels.

A pure function of (world, the day's state, requests, switches): the same requests can be played again in another
world on the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Ints, Tinies
from synthetic.browsing import CONTINUE, HOME, SLOTS
from synthetic.control_plane import steering
from synthetic.data_plane import appliances, third_party
from synthetic.data_plane.appliances import resolve
from synthetic.data_plane.congestion import INTERVAL_MS
from synthetic.day import FACTUAL, DayState, Request, Switches, World, session_keys
from synthetic.demand import local_peak_ratio
from synthetic.faults import breaks_hazard, fails_to_start
from synthetic.incidents import level
from synthetic.members import DEVICE_NAMES
from synthetic.player.abr import Ladder
from synthetic.player.conditions import Conditions
from synthetic.player.kernel import Played, Plays, play
from synthetic.player.network import load_networks
from synthetic.random import Stream, hashes, normals, uniforms
from synthetic.scenario import CODEC_NAMES

__all__ = ["CODEC_NAMES", "Delivered", "deliver", "plays_of"]

CELLULAR_RTT_MS = np.array([0.0, 18.0, 32.0, 60.0])  # on top of the region's access, by NETWORKS; assumption
# No route is scarce: what is not modelled yet leaves a stream 2 Gbit/s.
CONDITIONS = Conditions.steady(2_000_000)
_DAY_MS = 86_400_000
# Longer than most looks at a title that is passed over: ten chunks for one play would not be fetched. Assumption.
PREFETCH_REST_MS = 6_000.0
SESSION_LOG_SD = 0.25  # spread of a member's log-throughput from session to session; assumption


@dataclass(frozen=True)
class Delivered:
    """Play attempts, shape (k,), in one world. ``rows`` point into the :class:`Request`.

    ``failure``: 0 none, 1 technical, 2 business; the request's, or else a failure to start of the delivery's own.
    ``fails_playing``: the session was cut by a playback failure. ``tier`` and ``miss`` index the names in
    :mod:`synthetic.data_plane.appliances`; ``codec`` indexes ``CODEC_NAMES``.
    """

    rows: Ints
    codec: Tinies
    tier: Tinies
    miss: Tinies
    version: Ints
    os_index: Ints
    failure: Tinies
    fails_playing: Bools
    plays: Plays
    played: Played


def deliver(world: World, state: DayState, request: Request, switches: Switches = FACTUAL) -> Delivered:
    """The second half, in the world of ``switches``: where the bytes come from and what the viewer feels."""
    scenario, places, members = world.scenario, world.places, world.members
    seed = scenario.seed
    rows = np.flatnonzero(request.browse.chosen >= 0)
    member, step = request.visits.member[rows], request.visits.step[rows]
    device, ts_ms = request.visits.device[rows], request.play_ts_ms[rows]
    title = request.browse.chosen[rows].astype(np.int64)
    site, region = members.site[member], request.region[rows]

    codec = _codec(world, member, device, title, switches)
    # The planes meet in the manifest: steering ranks by reported health, the data plane serves what it can.
    interval = (ts_ms // INTERVAL_MS) % state.edge_loss.shape[0]
    is_down = state.edge_loss[interval, site] > 0.5
    ranked = steering.rank(is_down, third_party_first=not switches.own_cdn)
    congestion = state.congestion[switches]
    u = (hashes(seed, member, step, Stream.DELIVERY_OVERFLOW) >> np.uint64(32)).astype(np.int64)
    tier, miss = resolve(
        ranked,
        state.holdings.is_held(site, title),
        _accepts(u & 0xFFFF, congestion.edge_room_ppm[interval, site]),
        _accepts(u >> 16, congestion.storage_room_ppm[interval, places.site_exchange[site]]),
    )
    version, os_index = request.version[rows], request.os[rows]
    where = places.attributes(site) | {
        "device": device, "os": os_index, "player_version": version, "codec": codec.astype(np.int64),
    }  # fmt: skip
    broken = fails_to_start(
        state.incidents, seed, member, step, ts_ms, where, from_edge=tier == appliances.EDGE
    )
    failure = np.where(broken & (request.failure[rows] == 0), 1, request.failure[rows]).astype(np.int8)
    plays, fails_playing = _plays(
        world,
        state,
        request,
        rows,
        member,
        step,
        device,
        title,
        site,
        region,
        ts_ms,
        codec,
        tier,
        where,
        failure,
    )
    player = scenario.player
    played = play(
        plays,
        Ladder(scenario.codecs.ladder_kbps),
        networks=tuple(load_networks().values()),
        conditions=CONDITIONS,
        chunk_ms=player.chunk_ms,
        buffer_ms=player.buffer_ms,
        stall_loss=player.stall_loss_factor,
    )
    return Delivered(rows, codec, tier, miss, version, os_index, failure, fails_playing, plays, played)


def plays_of(delivered: Delivered, which: npt.NDArray[np.intp]) -> Plays:
    """The kernel's inputs of some attempts, to play them again in detail."""
    return delivered.plays.take(which)


def _plays(
    world: World, state: DayState, request: Request, rows: Ints, member: Ints, step: Ints, device: Ints,
    title: Ints, site: Ints, region: Ints, ts_ms: Ints, codec: Tinies,
    tier: Tinies, where: Mapping[str, Ints], failure: Tinies,
) -> tuple[Plays, Bools]:  # fmt: skip
    """The kernel's inputs, and which sessions a playback failure cuts short."""
    scenario, members = world.scenario, world.members
    seed, player, delivery = scenario.seed, scenario.player, scenario.delivery
    regions = list(scenario.region.values())
    access = members.access[member]

    log_base = members.log_base[member] + SESSION_LOG_SD * normals(
        seed, member, step, Stream.PLAYER_THROUGHPUT
    )
    evening = np.array([r.evening_log_loss for r in regions])
    log_base -= evening[region] * local_peak_ratio(scenario, world.places, site, ts_ms)
    lost = level(state.incidents, "access_congestion", ts_ms, where)
    log_base += np.log(np.maximum(1 - lost, 0.01))
    from_third_party = tier == appliances.THIRD_PARTY
    base_kbps = np.exp(log_base) * np.where(from_third_party, third_party.throughput_factor(delivery), 1.0)

    tier_rtt = np.array([delivery.edge_rtt_ms, delivery.storage_rtt_ms, delivery.third_party_rtt_ms])
    rtt = np.array([r.access_rtt_ms for r in regions])[region] + CELLULAR_RTT_MS[access] + tier_rtt[tier]
    cloud = np.array([r.cloud_rtt_ms for r in regions])[region] + CELLULAR_RTT_MS[access]
    # Authorisation and steering in one round trip, the licence in another; connections to the cloud are warm.
    before = request.authorise_ms[rows] + request.steer_ms[rows] + request.licence_ms[rows] + 2 * cloud
    before += np.where(from_third_party, third_party.before_media_ms(delivery, seed, member, step), 0.0)
    # What is on the device waits for nobody who says where to fetch it.
    prefetched = _prefetched(world, request, rows)
    unsteered = request.authorise_ms[rows] + request.licence_ms[rows] + 2 * cloud
    before = np.where(prefetched, unsteered, before)

    ratio = np.array([scenario.codecs.bitrate_ratio[name] for name in CODEC_NAMES])
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
        route=np.zeros(member.size, np.int32),
        begins_ms=(ts_ms - scenario.start_ts_ms - state.day * _DAY_MS).astype(np.int32),
        base_kbps=base_kbps.astype(f),
        rtt_ms=rtt.astype(f),
        scale=(world.titles.complexity[title] * ratio[codec]).astype(f),
        top_rung=np.array([scenario.device[d].max_rung for d in DEVICE_NAMES], np.int32)[device],
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
    open. A title of the home page that rested on screen for ``PREFETCH_REST_MS``. Not what a search found.
    """
    browse, params = request.browse, world.params
    surface = browse.surface[rows]
    place = browse.row[rows].astype(np.int64) * SLOTS + browse.slot[rows]
    # The look at the title that was chosen: the viewer's own draw.
    look = normals(world.scenario.seed, session_keys(request.visits)[rows], place, Stream.BROWSE_DWELL)
    rested_ms = params.dwell_median_ms * np.exp(params.dwell_log_sd * look)
    on_home = (surface == HOME) & (rested_ms >= PREFETCH_REST_MS)
    return np.asarray((surface == CONTINUE) | on_home)


def _codec(world: World, member: Ints, device: Ints, title: Ints, switches: Switches) -> Tinies:
    """The best codec that the title is encoded in and the device decodes."""
    if not switches.av1:
        return np.zeros(member.size, np.int8)
    share = np.array([world.scenario.device[d].av1_ratio for d in DEVICE_NAMES])
    able = uniforms(world.scenario.seed, member, device, Stream.DEVICE_AV1) < share[device]
    av1 = able & world.is_av1_title[title]
    return (av1.astype(np.int8) + (av1 & world.is_grain_title[title])).astype(np.int8)


def _accepts(u16: Ints, room_ppm: Ints) -> Bools:
    """Whether a cluster with this room takes the request: u16 uniform on 0..65535."""
    return np.asarray(u16 * 1_000_000 < room_ppm * 65_536)
