"""Play attempts as telemetry: the table ``playback_session``, its stalls, and the events of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from metrics.telemetry import CDNS, SURFACES
from synthetic.arrays import Bools, Ints
from synthetic.browsing import SLOTS
from synthetic.data_plane.appliances import EDGE, STORAGE, THIRD_PARTY
from synthetic.day import Request, impression_ids, session_keys
from synthetic.members import DEVICE_NAMES
from synthetic.player.abr import Ladder
from synthetic.player.conditions import Conditions
from synthetic.player.kernel import stall_times
from synthetic.player.network import load_networks
from synthetic.playing import CODEC_NAMES, Delivered, plays_of
from synthetic.random import Stream, exponentials, normals, poisson, uniforms
from synthetic.software import os_names
from synthetic.tables import HOUR_MS, appliances, inclusion, is_sampled, names, tenure_days
from synthetic.world import World

__all__ = ["Felt", "feel", "playback_events", "playback_sessions", "stalls"]

_INTERRUPTIONS = 8  # most seeks, and most pauses, of a session
_SEEK_MEDIAN_MS, _SEEK_LOG_SD = 450.0, 0.5  # refilling the buffer after a seek; assumption


@dataclass(frozen=True)
class Felt:
    """What n play attempts came to for the viewer; times in ms, ``watched_ms`` from the press of play to the end.

    ``is_failed``: technically, at the start or while playing.
    """

    started: Bools
    is_failed: Bools
    waited_ms: Ints
    playing_ms: Ints
    stall_count: Ints
    stall_ms: Ints
    seek_count: Ints
    seeking_ms: Ints
    paused_ms: Ints
    watched_ms: Ints


def feel(world: World, request: Request, delivered: Delivered) -> Felt:
    """Of the attempts of ``delivered``."""
    d, played, rows = delivered, delivered.played, delivered.rows
    started = played.started & (d.failure == 0)
    waited = np.where(d.failure > 0, d.plays.before_ms, played.startup_ms).astype(np.int64)
    playing = np.where(started, played.playing_ms, 0).astype(np.int64)
    stall_count = np.where(started, played.stall_count, 0).astype(np.int64)
    # A stall is at least a millisecond long.
    stall = np.where(stall_count > 0, np.maximum(played.stall_ms.astype(np.int64), 1), 0)
    visits = request.visits
    seeks, seeking, paused = _interruptions(world, visits.member[rows], visits.step[rows], playing)
    watched = np.where(started, waited + playing + stall + seeking, 0)
    is_failed = (d.failure == 1) | (d.fails_playing & started)
    return Felt(started, is_failed, waited, playing, stall_count, stall, seeks, seeking, paused, watched)


def playback_sessions(
    world: World, request: Request, delivered: Delivered, felt: Felt, is_first: Bools
) -> pl.DataFrame:
    """The table ``playback_session``; ``is_first`` marks the first session of a new account."""
    scenario, places, members, titles = world.scenario, world.places, world.members, world.titles
    d, played, rows = delivered, delivered.played, delivered.rows
    member, step = request.visits.member[rows], request.visits.step[rows]
    title, found = request.browse.chosen[rows].astype(np.int64), request.browse
    failure, start = d.failure, request.play_ts_ms[rows]
    started, waited, playing, stall_count = felt.started, felt.waited_ms, felt.playing_ms, felt.stall_count
    stall, seeks, seeking, paused = felt.stall_ms, felt.seek_count, felt.seeking_ms, felt.paused_ms
    end = start + waited + playing + stall + seeking + paused
    outcome = np.where(
        failure > 0, 2, np.where(~played.started, 1, np.where(d.fails_playing, 3, 0))
    )  # played, exit_before_start, start_failure, playback_failure
    runtime = titles.runtime_ms[title]
    reason = np.where(playing >= 0.95 * runtime, 0, 1)
    reason = np.where(outcome == 1, 2, np.where(outcome >= 2, 3, reason))
    delivered_bytes = np.where(started, played.delivered_kbit, 0).astype(np.int64) * 125
    media_bytes = np.where(started, played.media_kbit, 0).astype(np.int64) * 125
    site = members.site[member]
    own = d.tier != THIRD_PARTY
    device = request.visits.device[rows]
    on_home = found.surface[rows] == SURFACES.index("home")
    on_list = on_home | (found.surface[rows] == SURFACES.index("search"))
    ids = pl.Series((member.astype(np.uint64) << np.uint64(20)) + step.astype(np.uint64)).cast(pl.String)
    # The visits whose impressions are kept.
    sampled = is_sampled(world, member, inclusion(world, member, step, scenario.telemetry.event_sample_ratio))
    place = found.row[rows].astype(np.int64) * SLOTS + found.slot[rows]
    keys = session_keys(request.visits)[rows]
    impression = (
        pl.when(pl.lit(pl.Series(on_home)))
        .then(pl.lit(impression_ids(keys, "home", place)))
        .otherwise(pl.lit(impression_ids(keys, "search", place)))
    )
    mean_kbps = media_bytes * 8 // np.maximum(playing, 1)
    n = rows.size
    return pl.DataFrame(
        {
            "session_id": "s" + ids,
            "viewer_id": members.subscriber_id.gather(member) + "-" + pl.Series(device).cast(pl.String),
            "subscriber_id": members.subscriber_id.gather(member),
            "content_id": names([str(i) for i in titles.id], title),
            "start_ts_ms": start,
            "end_ts_ms": end,
            "end_reason": names(("completed", "stopped", "exit_before_start", "failed"), reason),
            "outcome": names(("played", "exit_before_start", "start_failure", "playback_failure"), outcome),
            "failure_class": names(
                ("technical", "business"), np.where(failure == 2, 1, 0), (failure > 0) | (outcome == 3)
            ),
            "waited_ms": waited,
            "startup_ms": _nullable(waited, started),
            "playing_ms": playing,
            "paused_ms": paused,
            "seeking_ms": seeking,
            "watched_ms": felt.watched_ms,
            "media_ms": playing,
            "stall_count": stall_count,
            "stall_ms": stall,
            "seek_stall_count": seeks,
            "seek_stall_ms": seeking,
            "edge_bytes": np.where(d.tier == EDGE, delivered_bytes, 0),
            "storage_bytes": np.where(d.tier == STORAGE, delivered_bytes, 0),
            "third_party_bytes": np.where(d.tier == THIRD_PARTY, delivered_bytes, 0),
            "unattributed_bytes": np.zeros(n, np.int64),
            "media_bytes": media_bytes,
            "switch_count": np.where(started, played.switch_count, 0).astype(np.int64),
            "mean_bitrate_kbps": _nullable(mean_kbps, playing > 0),
            "peak_bitrate_kbps": _nullable(played.peak_kbps.astype(np.int64), playing > 0),
            "region": names(places.regions, request.region[rows]),
            "country": names(places.countries, places.site_country[site]),
            "isp": names(places.isps, places.site_isp[site]),
            "site": names(places.sites, site, own),
            "asn": places.asn[places.site_isp[site]],
            "device": names(DEVICE_NAMES, device),
            "os": names(os_names(scenario), d.os_index),
            "player_version": names(list(scenario.player.versions), d.version),
            "codec": names(CODEC_NAMES, d.codec),
            "cdn": names(CDNS, np.where(own, 0, 1)),
            "appliance": appliances(world, d.tier.astype(np.int64), site, d.appliance.astype(np.int64)),
            "surface": names(SURFACES, found.surface[rows].astype(np.int64)),
            "row": _nullable(found.row[rows].astype(np.int64), on_list),
            "slot": _nullable(found.slot[rows].astype(np.int64), on_list),
            "impression_id": pl.select(
                pl.when(pl.lit(pl.Series(sampled & on_list))).then(impression)
            ).to_series(),
            "is_rec_driven": found.is_rec_driven[rows],
            "browse_ms": start - request.visits.open_ts_ms[rows],
            "is_first_session": is_first,
            "tenure_days": tenure_days(world, member, step),
            "content_duration_ms": runtime,
            "gap_count": np.zeros(n, np.int64),
            "clock_skew_ms": pl.repeat(None, n, dtype=pl.Int64, eager=True),
            "flags": pl.repeat("", n, eager=True),
            "excluded_reason": pl.repeat(None, n, dtype=pl.String, eager=True),
            "is_synthetic": pl.repeat(value=True, n=n, eager=True),
            "weight": members.weight[member],
            "replicate": members.replicate[member],
        }
    )


def stalls(
    world: World, played_in: Sequence[tuple[Conditions, str]], delivered: Delivered, sessions: pl.DataFrame
) -> tuple[Ints, Ints, Ints]:
    """Every network stall: (row of the session, start on the wall clock, end), epoch ms.

    ``played_in``: conditions and the player's rule by world, as ``delivered.world`` counts them.
    """
    player = world.scenario.player
    is_stalled = sessions["stall_count"].to_numpy() > 0
    parts = []
    for number in np.union1d(delivered.world, [0]):
        conditions, rule = played_in[number]
        which = np.flatnonzero(is_stalled & (delivered.world == number))
        index, after, length = stall_times(
            plays_of(delivered, which),
            Ladder(world.scenario.codecs.ladder_kbps),
            networks=tuple(load_networks().values()),
            conditions=conditions,
            chunk_ms=player.chunk_ms,
            buffer_ms=player.buffer_ms,
            stall_loss=player.stall_loss_factor,
            rule=rule,
        )
        parts.append((which[index], after, length))
    session, after_first_frame, length = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(session, kind="stable")
    session, after_first_frame, length = session[order], after_first_frame[order], length[order]
    first_frame = (sessions["start_ts_ms"] + sessions["waited_ms"]).to_numpy()[session]
    start = first_frame + after_first_frame
    return session, start, start + np.maximum(length, 1)


def playback_events(
    world: World, sessions: pl.DataFrame, stalled: tuple[Ints, Ints, Ints], member: Ints
) -> pl.DataFrame:
    """The table ``playback_event``, of the sampled subscribers."""
    ratio = world.scenario.telemetry.event_sample_ratio
    rows = np.flatnonzero(is_sampled(world, member, ratio))
    base = sessions.with_row_index("at")[rows].select(
        "at", "session_id", "start_ts_ms", "waited_ms", "startup_ms", "end_ts_ms", "outcome", "mean_bitrate_kbps",
        (pl.col("weight") / ratio).round().cast(pl.Int64).alias("weight"), "replicate",
    )  # fmt: skip
    began = base.filter(pl.col("startup_ms").is_not_null())
    failed = base.filter(pl.col("outcome").is_in(["start_failure", "playback_failure"]))
    session, start, end = stalled
    in_stalls = pl.DataFrame(
        {"at": session.astype(np.uint32), "from": start, "to": end}, schema_overrides={"at": pl.UInt32}
    )
    stall = base.join(in_stalls, on="at", maintain_order="left")
    first_frame = pl.col("start_ts_ms") + pl.col("waited_ms")
    parts = [
        _event(base, pl.col("start_ts_ms"), "play", "s"),
        _event(
            began,
            first_frame,
            "started",
            "p",
            bitrate=pl.col("mean_bitrate_kbps"),
            lasted=pl.col("startup_ms"),
        ),
        _event(stall, pl.col("from"), "stall", "r"),
        _event(stall, pl.col("to"), "resume", "p", lasted=pl.col("to") - pl.col("from")),
        _event(failed, pl.col("end_ts_ms"), "error", "f"),
        _event(base, pl.col("end_ts_ms"), "end", "e"),
    ]
    # Ties keep the order of the list: an error comes before the end it causes.
    return (
        pl.concat(parts)
        .sort("session_id", "ts_ms", maintain_order=True)
        .with_columns(sequence=pl.int_range(pl.len(), dtype=pl.Int64).over("session_id"))
    )


def _event(
    frame: pl.DataFrame,
    ts: pl.Expr,
    event: str,
    state: str,
    bitrate: pl.Expr | None = None,
    lasted: pl.Expr | None = None,
) -> pl.DataFrame:
    nothing = pl.lit(None, dtype=pl.Int64)
    return frame.select(
        "session_id",
        ts.alias("ts_ms"),
        pl.lit(0, dtype=pl.Int64).alias("sequence"),
        pl.lit(event).alias("event"),
        pl.lit(state).alias("state"),
        nothing.alias("buffer_ms"),
        (nothing if bitrate is None else bitrate).alias("bitrate_kbps"),
        nothing.alias("throughput_kbps"),
        (nothing if lasted is None else lasted).alias("duration_ms"),
        pl.lit(value=True).alias("is_synthetic"),
        "weight",
        "replicate",
    )


def _interruptions(world: World, member: Ints, step: Ints, playing: Ints) -> tuple[Ints, Ints, Ints]:
    """Seeks, time seeking and time paused of each session, by hours played."""
    seed, player = world.scenario.seed, world.scenario.player
    hours = playing / HOUR_MS
    seeks = poisson(
        uniforms(seed, member, step * 2, Stream.VISIT_SEEK), player.seeks_per_hour * hours, _INTERRUPTIONS
    )
    each = _SEEK_MEDIAN_MS * np.exp(_SEEK_LOG_SD * normals(seed, member, step * 2 + 1, Stream.VISIT_SEEK))
    pauses = poisson(
        uniforms(seed, member, step * 2, Stream.VISIT_PAUSE), player.pauses_per_hour * hours, _INTERRUPTIONS
    )
    length = player.pause_median_ms * exponentials(seed, member, step * 2 + 1, Stream.VISIT_PAUSE)
    return seeks, (seeks * each).astype(np.int64), (pauses * length).astype(np.int64)


def _nullable(values: npt.NDArray[np.integer], present: Bools) -> pl.Series:
    series = pl.Series(values.astype(np.int64))
    return series if present.all() else series.set(pl.Series(~present), None)
