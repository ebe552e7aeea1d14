"""The player: thousands of sessions a block, chunk by chunk, as a pure function of each session's inputs.

Every session is a lane of a block of 64; the state of a block is one flat buffer, so that the compiler sees no
aliasing and vectorises the step. There is no scalar tail (the last block is padded) and no libm call in the step,
so a session's outcome has the same bits in any block, partition or machine. What happens seldom (a quarter hour
passes, an impairment begins) is flagged by the step and done lane by lane after it.

What is modelled: the first chunk by slow start or already on the device; throughput as a log-normal AR(1) a chunk,
times impairments that come and go by the clock, times what the route gives, under its cap; DYNAMIC bitrate
adaptation, or its throughput rule alone; giving up slow fetches, a bounded buffer, stalls, leaving before the start,
play time lost to stalls, media fetched but never played. ``docs/player.md`` says what of this trace replay has too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from metrics.errors import InputError
from synthetic.arrays import Bools, Ints
from synthetic.jit import compiled
from synthetic.player.abr import BOLA_FROM_MS, Ladder
from synthetic.player.blocks import COUNTS, INDICES, INPUTS, LANES, LOG_ROWS, OUTPUTS, run_blocks
from synthetic.player.conditions import Conditions
from synthetic.player.network import Network

__all__ = ["Events", "Played", "Plays", "play", "play_events", "stall_times"]

F32: TypeAlias = npt.NDArray[np.float32]
I32: TypeAlias = npt.NDArray[np.int32]
U32: TypeAlias = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Plays:
    """What the kernel is told of n sessions; each field has shape (n,).

    ``key``: 32 random bits, the session's own. ``network``, ``route``: rows of the networks and conditions given.
    ``begins_ms``: the play instruction, after the start of the conditions' first interval. ``base_kbps``: median
    throughput. ``rtt_ms``: round trip. ``scale``: bitrate of this title and codec over the ladder's.
    ``top_rung``: highest rung. ``prefetched``: the first chunk is on the device already. ``before_ms``: play
    instruction to the first request for media (to all that is needed beside it, where prefetched).
    ``patience_ms``: when the viewer leaves if nothing plays. ``intended_ms``: how much the viewer means to watch.
    ``title_ms``: how much there is.
    """

    key: U32
    network: I32
    route: I32
    begins_ms: I32
    base_kbps: F32
    rtt_ms: F32
    scale: F32
    top_rung: I32
    prefetched: Bools
    before_ms: F32
    patience_ms: F32
    intended_ms: F32
    title_ms: F32

    def take(self, rows: npt.NDArray[np.intp]) -> Plays:
        """The sessions at ``rows``."""
        return Plays(**{f.name: np.ascontiguousarray(getattr(self, f.name)[rows]) for f in fields(self)})


@dataclass(frozen=True)
class Played:
    """What came of n sessions; each field has shape (n,).

    ``started`` false: the viewer left after ``startup_ms`` (their patience). ``first_kbps``: bitrate of the first
    chunk. ``delivered_kbit`` counts media fetched, ``media_kbit`` media played in ``playing_ms``. Bitrates and
    switches are of the chunks fetched. ``by_bola``: BOLA once asked for another chunk than throughput alone would have.
    """

    started: Bools
    startup_ms: F32
    playing_ms: F32
    stall_count: I32
    stall_ms: F32
    delivered_kbit: I32
    media_kbit: I32
    switch_count: I32
    first_kbps: F32
    peak_kbps: F32
    by_bola: Bools


@dataclass(frozen=True)
class Events:
    """What happened when; a group of columns of equal length for each kind of event, sorted by session and time.

    Sessions are rows of the plays given. Starts: those that started, ``startup_ms`` after the play instruction.
    Stalls and switches: ms after the first frame, on the wall clock; seeking and pausing are not in it. A switch
    is dated by the request for the first chunk of the new bitrate.
    """

    start_session: I32
    startup_ms: F32
    start_kbps: F32
    stall_session: I32
    stall_at_ms: F32
    stall_ms: F32
    switch_session: I32
    switch_at_ms: F32
    from_kbps: F32
    to_kbps: F32


def play(
    plays: Plays, ladder: Ladder, *, networks: Sequence[Network], conditions: Conditions, chunk_ms: int,
    buffer_ms: int, stall_loss: float, rule: str = "dynamic",
) -> Played:  # fmt: skip
    """Play every session to its end.

    ``stall_loss``: play time given up, a unit of stall (5: a stall of 1 % of duration costs 5 % of play time).
    ``rule``: one of :data:`~synthetic.player.abr.BOLA_FROM_MS`.
    Raises :class:`InputError` for a buffer under two chunks or a ladder of too many rungs.
    """
    run = _Run(plays, ladder, networks, conditions, chunk_ms, buffer_ms, stall_loss, rule)
    run_blocks(0, *run.arguments, None, None, every=False)
    return run.played()


def play_events(
    plays: Plays, ladder: Ladder, *, networks: Sequence[Network], conditions: Conditions, chunk_ms: int,
    buffer_ms: int, stall_loss: float, rule: str = "dynamic",
) -> tuple[Played, Events]:  # fmt: skip
    """:func:`play`, and every start, stall and switch. Memory: twice the events, and 3 MB."""
    run = _Run(plays, ladder, networks, conditions, chunk_ms, buffer_ms, stall_loss, rule)
    lane, rows = _logged(run)
    played = run.played()
    session = run.order[lane].astype(np.int32)
    started = np.flatnonzero(played.started).astype(np.int32)
    stalls = _by_session(session, rows[2] > 0, rows, played.stall_count)
    switches = _by_session(session, rows[3] != rows[4], rows, played.switch_count)
    return played, Events(
        started, played.startup_ms[started], played.first_kbps[started],
        stalls[0], stalls[1][1], stalls[1][2],
        switches[0], switches[1][0], switches[1][3], switches[1][4],
    )  # fmt: skip


def stall_times(
    plays: Plays, ladder: Ladder, *, networks: Sequence[Network], conditions: Conditions, chunk_ms: int,
    buffer_ms: int, stall_loss: float, rule: str = "dynamic",
) -> tuple[Ints, Ints, Ints]:  # fmt: skip
    """Every stall of the given sessions: (session, ms after the first frame on the wall clock, length in ms).

    Plays the sessions again; the same step gives the same bits. Seeking and pausing are not in the clock.
    """
    _, events = play_events(
        plays, ladder, networks=networks, conditions=conditions, chunk_ms=chunk_ms, buffer_ms=buffer_ms,
        stall_loss=stall_loss, rule=rule,
    )  # fmt: skip
    found = (events.stall_session, events.stall_at_ms, events.stall_ms)
    return found[0].astype(np.int64), found[1].astype(np.int64), found[2].astype(np.int64)


_LOG_SIZE = 1 << 17


class _Run:
    """The arrays of one run, padded to whole blocks and sorted."""

    def __init__(
        self, plays: Plays, ladder: Ladder, networks: Sequence[Network], conditions: Conditions, chunk_ms: int,
        buffer_ms: int, stall_loss: float, rule: str,
    ) -> None:  # fmt: skip
        if not 0 < 2 * chunk_ms <= buffer_ms:
            what = f"a buffer of {buffer_ms} ms for chunks of {chunk_ms} ms"
            raise InputError(what, where="buffer_ms", mend="give a buffer that holds two chunks")
        n = plays.key.size
        padded = -(-n // LANES) * LANES
        # Lanes of a block end together when sessions of like length lie together.
        self.order = np.argsort(-plays.intended_ms, kind="stable")
        inputs = np.zeros((len(INPUTS), padded), np.float32)
        for row, name in enumerate(INPUTS):
            inputs[row, :n] = getattr(plays, name)[self.order]
        inputs[[INPUTS.index("base_kbps"), INPUTS.index("scale")], n:] = 1.0
        indices = np.zeros((len(INDICES), padded), np.int32)
        for row, name in enumerate(INDICES):
            indices[row, :n] = getattr(plays, name)[self.order]
        keys = np.zeros(padded, np.uint32)
        keys[:n] = plays.key[self.order]
        self.out = np.empty((OUTPUTS, padded), np.float32)
        self.counts = np.empty((COUNTS, padded), np.int32)
        self.arguments = (
            keys, indices, inputs, ladder.table(buffer_ms - chunk_ms), _table(networks),
            np.ascontiguousarray(conditions.factor, np.float32),
            np.ascontiguousarray(conditions.cap_kbps, np.float32),
            float(chunk_ms), float(buffer_ms), float(stall_loss), BOLA_FROM_MS[rule], self.out, self.counts,
        )  # fmt: skip

    def played(self) -> Played:
        """What came of it, in the order of the plays given."""
        back = np.empty(self.order.size, np.intp)
        back[self.order] = np.arange(self.order.size)
        startup, playing, stall, first, peak, started, by_bola = self.out[:, back]
        delivered, count, switches, media = self.counts[:, back]
        return Played(
            started > 0.5, startup, playing, count, stall, delivered, media, switches, first, peak, by_bola > 0.5
        )  # fmt: skip


def _table(networks: Sequence[Network]) -> F32:
    """The kernel's view of the networks, shape (networks, 12)."""
    rows = []
    for n in networks:
        rows.append([n.log_sd_within, n.correlation])
        for i in (n.degraded, n.outage):
            rows[-1] += [i.starts_per_ms, i.mean_ms, i.factor, i.log_sd]
        rows[-1] += [n.log_mean, n.slow_tilt]
    return np.array(rows, np.float32)


def _logged(run: _Run, every: bool = False) -> tuple[I32, F32]:
    """Run with a log: the lane and the row of each chunk that stalled or switched, or of every chunk."""
    size, block, pieces = _LOG_SIZE, 0, []
    lane, rows = np.empty(size, np.int32), np.empty((LOG_ROWS, size), np.float32)
    while block < run.counts.shape[1]:
        block, used = run_blocks(block, *run.arguments, lane, rows, every=every)
        pieces.append((lane[:used].copy(), rows[:, :used].copy()))
        if used == 0:  # not one block fits
            size *= 2
            lane, rows = np.empty(size, np.int32), np.empty((LOG_ROWS, size), np.float32)
    if not pieces:
        return lane[:0], rows[:, :0]
    return np.concatenate([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces], axis=1)


def _by_session(session: I32, which: Bools, rows: F32, counts: I32) -> tuple[I32, F32]:
    """The log's rows that ``which`` marks, sorted by session; each session's are in order already."""
    ends = np.cumsum(counts, dtype=np.int64)
    at = ends - counts
    found = np.empty((LOG_ROWS, int(ends[-1]) if ends.size else 0), np.float32)
    _place(session, which, rows, at, found)
    return np.repeat(np.arange(counts.size, dtype=np.int32), counts), found


@compiled()
def _place(session: I32, which: Bools, rows: F32, at: Ints, found: F32) -> None:
    for i in range(session.size):
        if which[i]:
            to = at[session[i]]
            at[session[i]] = to + 1
            for row in range(rows.shape[0]):
                found[row, to] = rows[row, i]
