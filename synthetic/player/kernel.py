"""The player: thousands of sessions a block, chunk by chunk, as a pure function of each session's inputs.

Every session is a lane of a block of 64; the state of a block is one flat buffer, so that the compiler sees no
aliasing and vectorises the step. There is no scalar tail (the last block is padded) and no libm call, so a
session's outcome has the same bits in any block, partition or machine.

What is modelled: slow start of the first chunk, throughput as a log-normal AR(1) a chunk under a cap, DYNAMIC
bitrate adaptation, giving up slow fetches, a bounded buffer, stalls, leaving before the start, play time lost
to stalls, media fetched but never played. Correlation runs by chunk, not by wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import float32, int32, uint32

from synthetic.arrays import Bools, Ints
from synthetic.jit import compiled, inlined
from synthetic.player.abr import LOW_BUFFER_MS, SAFETY, Ladder

__all__ = ["Played", "Plays", "play", "stall_times"]

LANES = 64
_GIVE_UP_MS = 1200.0
_START_MS = 1000.0  # how soon a player that promises a start in 2 s wants its first chunk; assumption
F32: TypeAlias = npt.NDArray[np.float32]
I32: TypeAlias = npt.NDArray[np.int32]
U32: TypeAlias = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Plays:
    """What the kernel is told of n sessions; each field has shape (n,).

    ``key``: 32 random bits, the session's own. ``base_kbps``: median throughput. ``log_sd``, ``correlation``: of
    successive chunks. ``cap_kbps``: most the path gives. ``rtt_ms``: round trip. ``scale``: bitrate of this title
    and codec over the ladder's. ``top_rung``: highest rung. ``before_ms``: play instruction to the first request
    for media. ``patience_ms``: when the viewer leaves if nothing plays. ``intended_ms``: how much the viewer
    means to watch. ``title_ms``: how much there is.
    """

    key: U32
    base_kbps: F32
    log_sd: F32
    correlation: F32
    cap_kbps: F32
    rtt_ms: F32
    scale: F32
    top_rung: F32
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

    ``started`` false: the viewer left after ``startup_ms`` (their patience). ``delivered_kbit`` counts media
    fetched, ``media_kbit`` media played in ``playing_ms``. Bitrates are of the chunks fetched.
    """

    started: Bools
    startup_ms: F32
    playing_ms: F32
    stall_count: I32
    stall_ms: F32
    delivered_kbit: I32
    media_kbit: I32
    switch_count: I32
    peak_kbps: F32


def play(plays: Plays, ladder: Ladder, *, chunk_ms: int, buffer_ms: int, stall_loss: float) -> Played:
    """Play every session to its end.

    ``stall_loss``: play time given up, a unit of stall (5: a stall of 1 % of duration costs 5 % of play time).
    """
    n = plays.key.size
    # Lanes of a block end together when sessions of like length lie together.
    order = np.argsort(-plays.intended_ms, kind="stable")
    floats = np.zeros((11, -(-n // LANES) * LANES), np.float32)
    for row, name in enumerate(_INPUTS):
        floats[row, :n] = getattr(plays, name)[order]
    keys = np.zeros(floats.shape[1], np.uint32)
    keys[:n] = plays.key[order]
    floats[_BASE, n:], floats[_SCALE, n:], floats[_CAP, n:] = 1.0, 1.0, 1.0
    out = np.empty((5, floats.shape[1]), np.float32)
    counts = np.empty((4, floats.shape[1]), np.int32)
    _run(keys, floats, ladder.table(), float(chunk_ms), float(buffer_ms), float(stall_loss), out, counts)
    back = np.empty(n, np.intp)
    back[order] = np.arange(n)
    startup, playing, stall, peak, started = out[:, back]
    delivered, count, switches, media = counts[:, back]
    return Played(started > 0.5, startup, playing, count, stall, delivered, media, switches, peak)


def stall_times(
    plays: Plays, ladder: Ladder, *, chunk_ms: int, buffer_ms: int, stall_loss: float
) -> tuple[Ints, Ints, Ints]:
    """Every stall of the given sessions: (session, ms after the first frame on the wall clock, length in ms).

    Plays the sessions again, alone; the same step gives the same bits. Seeking and pausing are not in the clock.
    """
    capacity = 4096
    floats = np.stack([getattr(plays, name) for name in _INPUTS]).astype(np.float32)
    while True:
        out = np.empty((3, capacity), np.int64)
        used = _stalls(
            plays.key, floats, ladder.table(), float(chunk_ms), float(buffer_ms), float(stall_loss), out
        )
        if used <= capacity:
            return out[0, :used], out[1, :used], out[2, :used]
        capacity = used


_INPUTS = (
    "base_kbps", "log_sd", "correlation", "cap_kbps", "rtt_ms", "scale", "top_rung", "before_ms",
    "patience_ms", "intended_ms", "title_ms",
)  # fmt: skip
_BASE, _SD, _RHO, _CAP, _RTT, _SCALE, _TOP, _BEFORE, _PATIENCE, _INTENDED, _TITLE = range(11)


@inlined
def _bits(key, step):  # type: ignore[no-untyped-def]
    """32 mixed bits of (session, step): two multiply-xorshift rounds (constants of Wellons' hash prospector)."""
    h = uint32(key ^ uint32(uint32(step) * uint32(0x9E3779B9)))
    h = uint32(h ^ uint32(h >> uint32(16)))
    h = uint32(h * uint32(0x21F0AAAD))
    h = uint32(h ^ uint32(h >> uint32(15)))
    h = uint32(h * uint32(0x735A2D97))
    return uint32(h ^ uint32(h >> uint32(15)))


@inlined
def _normal(h):  # type: ignore[no-untyped-def]
    """Near-normal, mean 0 and sd 1: the sum of four bytes (Irwin-Hall; bounded at 3.45 sd)."""
    s = uint32(uint32(h & uint32(255)) + uint32(uint32(h >> uint32(8)) & uint32(255)))
    s = uint32(s + uint32(uint32(h >> uint32(16)) & uint32(255)))
    s = uint32(s + uint32(h >> uint32(24)))
    return (float32(int32(s)) - float32(510.0)) * float32(0.006765825)


@inlined
def _exp(y):  # type: ignore[no-untyped-def]
    """e^y as (1 + t + t²/2)^64, t = y/64: relative error y³/24576, below 0.2 % for |y| < 3.6."""
    t = y * float32(0.015625)
    p = float32(1.0) + t * (float32(1.0) + t * float32(0.5))
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@inlined
def _by_rate(budget, top, s, k):  # type: ignore[no-untyped-def]
    """Highest bitrate within ``budget`` and ``top``: s holds steps, k bitrates."""
    b = s[0]
    b += s[1] if (k[1] <= budget) & (top >= float32(1.0)) else float32(0.0)
    b += s[2] if (k[2] <= budget) & (top >= float32(2.0)) else float32(0.0)
    b += s[3] if (k[3] <= budget) & (top >= float32(3.0)) else float32(0.0)
    b += s[4] if (k[4] <= budget) & (top >= float32(4.0)) else float32(0.0)
    b += s[5] if (k[5] <= budget) & (top >= float32(5.0)) else float32(0.0)
    b += s[6] if (k[6] <= budget) & (top >= float32(6.0)) else float32(0.0)
    b += s[7] if (k[7] <= budget) & (top >= float32(7.0)) else float32(0.0)
    b += s[8] if (k[8] <= budget) & (top >= float32(8.0)) else float32(0.0)
    b += s[9] if (k[9] <= budget) & (top >= float32(9.0)) else float32(0.0)
    return b


@inlined
def _advance(h, base, sd, rho, cap, rtt, scale, top, x, estimate, buffer, bola, s, k, q, chunk, most):  # type: ignore[no-untyped-def]
    """Fetch one chunk. Returns the new (x, estimate, buffer, bola) and this chunk's (bitrate, kbit, stall).

    A fetch that would outlast the buffer is given up after ``_GIVE_UP_MS`` for the lowest rung, where that is
    sooner; what had arrived by then is waste, but was delivered.
    """
    x = rho * x + _normal(h) * sd
    throughput = min(base * _exp(x), cap)
    rate = _by_rate(estimate * float32(SAFETY) / scale, top, s, k)
    level = _by_rate(buffer, top, s, q)
    high = buffer >= float32(LOW_BUFFER_MS)
    bola = float32(1.0) if high & (level >= rate) else bola
    bola = float32(0.0) if (not high) & (level < rate) else bola
    bitrate = (level if bola > float32(0.5) else rate) * scale
    kbit = bitrate * chunk * float32(0.001)
    fetch = kbit / throughput * float32(1000.0) + rtt
    lowest = s[0] * scale
    lowest_kbit = lowest * chunk * float32(0.001)
    again = float32(_GIVE_UP_MS) + lowest_kbit / throughput * float32(1000.0) + rtt
    gives_up = (fetch > buffer) & (again < fetch)
    waste = throughput * float32(_GIVE_UP_MS * 0.001)
    measured = kbit / fetch
    bitrate = lowest if gives_up else bitrate
    kbit = lowest_kbit + waste if gives_up else kbit
    fetch = again if gives_up else fetch
    stall = max(fetch - buffer, float32(0.0))
    buffer = min(max(buffer - fetch, float32(0.0)) + chunk, most)
    # One weight for the running mean: half-lives of seconds, as players use, are near it at 4 s a chunk.
    estimate = estimate * float32(0.7) + measured * float32(300.0)
    return x, estimate, buffer, bola, bitrate, kbit, stall


@inlined
def _start(h0, h1, base, sd, cap, rtt, scale, top, before, s, k, chunk):  # type: ignore[no-untyped-def]
    """The first chunk, over a new connection. Returns (x, estimate, bitrate, startup_ms).

    The player remembers the throughput of an earlier session on this path and asks for the highest rung, up to
    rung 5, whose chunk it expects within ``_START_MS`` at half of it. Two round trips for the secure connection,
    then slow start from ten segments of 1,460 bytes.
    """
    x = _normal(h0) * sd
    throughput = min(base * _exp(x), cap)
    remembered = min(base * _exp(_normal(h1) * sd), cap)
    budget = remembered * float32(0.5) * float32(_START_MS) / chunk
    bitrate = _by_rate(budget / scale, min(top, float32(5.0)), s, k) * scale
    kbit = bitrate * chunk * float32(0.001)
    window = float32(116.8)
    left = kbit
    fetch = float32(0.0)
    for _ in range(14):
        fills = window >= throughput * rtt * float32(0.001)
        last = fills | (left <= window)
        sent = left if last else window
        fetch += max(sent / throughput * float32(1000.0), float32(0.0) if last else rtt)
        left -= sent
        window = window + window
        if left <= float32(0.0):
            break
    startup = before + rtt * float32(3.0) + fetch
    return x, min(throughput, remembered), bitrate, startup


@compiled()
def _run(keys, inputs, table, chunk_ms, buffer_ms, stall_loss, out, counts):  # type: ignore[no-untyped-def]
    chunk, most, loss = float32(chunk_ms), float32(buffer_ms), float32(stall_loss)
    k = (table[0, 0], table[0, 1], table[0, 2], table[0, 3], table[0, 4],
         table[0, 5], table[0, 6], table[0, 7], table[0, 8], table[0, 9])  # fmt: skip
    s = (table[1, 0], table[1, 1], table[1, 2], table[1, 3], table[1, 4],
         table[1, 5], table[1, 6], table[1, 7], table[1, 8], table[1, 9])  # fmt: skip
    q = (table[2, 0], table[2, 1], table[2, 2], table[2, 3], table[2, 4],
         table[2, 5], table[2, 6], table[2, 7], table[2, 8], table[2, 9])  # fmt: skip
    n = keys.size
    # Rows of the flat buffers.
    base, sd, rho, cap, rtt, scale, top, title = 0, 64, 128, 192, 256, 320, 384, 448
    x, estimate, buffer, bola, limit, stall, last, peak, fetched, active, was = (
        512, 576, 640, 704, 768, 832, 896, 960, 1024, 1088, 1152,
    )  # fmt: skip
    f = np.zeros(1216, np.float32)
    count, switches, kbits = 0, 64, 128
    c = np.zeros(192, np.int32)
    lane_key = np.zeros(LANES, np.uint32)
    for block in range(0, n, LANES):
        for i in range(LANES):
            j = block + i
            lane_key[i] = keys[j]
            f[base + i], f[sd + i], f[rho + i], f[cap + i] = (
                inputs[_BASE, j], inputs[_SD, j], inputs[_RHO, j], inputs[_CAP, j],
            )  # fmt: skip
            f[rtt + i], f[scale + i], f[top + i], f[title + i] = (
                inputs[_RTT, j], inputs[_SCALE, j], inputs[_TOP, j], inputs[_TITLE, j],
            )  # fmt: skip
            x0, e0, b0, startup = _start(
                _bits(keys[j], 0xFFFFFFFE), _bits(keys[j], 0xFFFFFFFF), f[base + i], f[sd + i], f[cap + i],
                f[rtt + i], f[scale + i], f[top + i], inputs[_BEFORE, j], s, k, chunk,
            )  # fmt: skip
            started = (startup < inputs[_PATIENCE, j]) & (inputs[_INTENDED, j] > float32(0.0))
            # The innovation of an AR(1) with the marginal sd given.
            f[sd + i] *= float32(np.sqrt(float32(1.0) - f[rho + i] * f[rho + i]))
            f[x + i], f[estimate + i], f[buffer + i], f[bola + i] = x0, e0, chunk, float32(0.0)
            f[limit + i], f[stall + i], f[last + i], f[peak + i] = inputs[_INTENDED, j], 0.0, b0, b0
            f[fetched + i], f[was + i] = chunk, float32(0.0)
            f[active + i] = float32(1.0) if started & (chunk < f[title + i]) else float32(0.0)
            c[count + i], c[switches + i], c[kbits + i] = 0, 0, int32(b0 * chunk * float32(0.001))
            out[0, j] = startup if started else min(startup, inputs[_PATIENCE, j])
            out[4, j] = float32(1.0) if started else float32(0.0)
        step = uint32(0)
        while True:
            alive = float32(0.0)
            for i in range(LANES):
                alive += f[active + i]
            if alive < float32(0.5):
                break
            step = uint32(step + uint32(1))
            for i in range(LANES):
                on = f[active + i]
                is_on = on > float32(0.5)
                x1, estimate1, buffer1, bola1, bitrate, kbit1, stall1 = _advance(
                    _bits(lane_key[i], step), f[base + i], f[sd + i], f[rho + i], f[cap + i], f[rtt + i],
                    f[scale + i], f[top + i], f[x + i], f[estimate + i], f[buffer + i], f[bola + i],
                    s, k, q, chunk, most,
                )  # fmt: skip
                stall1 = stall1 * on
                # State of a lane at rest may run on; only what is reported must stand still.
                f[x + i], f[estimate + i], f[bola + i] = x1, estimate1, bola1
                f[was + i] = f[fetched + i] - f[buffer + i] if is_on else f[was + i]
                level = buffer1 if is_on else f[buffer + i]
                f[buffer + i] = level
                c[kbits + i] += int32(kbit1) if is_on else int32(0)
                c[count + i] += int32(1) if stall1 > float32(0.0) else int32(0)
                c[switches + i] += int32(1) if is_on & (bitrate != f[last + i]) else int32(0)
                f[stall + i] += stall1
                f[last + i] = bitrate if is_on else f[last + i]
                f[peak + i] = max(f[peak + i], bitrate * on)
                f[fetched + i] += chunk * on
                f[limit + i] -= stall1 * loss
                more = (f[fetched + i] - level < f[limit + i]) & (f[fetched + i] < f[title + i])
                f[active + i] = on if more else float32(0.0)
        for i in range(LANES):
            j = block + i
            ran = out[4, j] > float32(0.5)
            # The viewer leaves at the limit, or at once where a stall has moved it behind them; a title fetched
            # whole plays on from the buffer.
            played = min(max(f[limit + i], f[was + i]), min(f[fetched + i], f[title + i]))
            out[1, j] = played if ran else float32(0.0)
            out[2, j] = f[stall + i] if ran else float32(0.0)
            out[3, j] = f[peak + i] if ran else float32(0.0)
            left = max(f[fetched + i] - played, float32(0.0))
            counts[0, j] = c[kbits + i]
            counts[1, j] = c[count + i]
            counts[2, j] = c[switches + i]
            counts[3, j] = max(c[kbits + i] - int32(f[last + i] * left * float32(0.001)), 0) if ran else 0


@compiled()
def _stalls(keys, inputs, table, chunk_ms, buffer_ms, stall_loss, out):  # type: ignore[no-untyped-def]
    chunk, most, loss = float32(chunk_ms), float32(buffer_ms), float32(stall_loss)
    k = (table[0, 0], table[0, 1], table[0, 2], table[0, 3], table[0, 4],
         table[0, 5], table[0, 6], table[0, 7], table[0, 8], table[0, 9])  # fmt: skip
    s = (table[1, 0], table[1, 1], table[1, 2], table[1, 3], table[1, 4],
         table[1, 5], table[1, 6], table[1, 7], table[1, 8], table[1, 9])  # fmt: skip
    q = (table[2, 0], table[2, 1], table[2, 2], table[2, 3], table[2, 4],
         table[2, 5], table[2, 6], table[2, 7], table[2, 8], table[2, 9])  # fmt: skip
    used = 0
    for j in range(keys.size):
        rho, sd = inputs[_RHO, j], inputs[_SD, j]
        base, cap, rtt = inputs[_BASE, j], inputs[_CAP, j], inputs[_RTT, j]
        scale, top = inputs[_SCALE, j], inputs[_TOP, j]
        x, estimate, _, startup = _start(
            _bits(keys[j], 0xFFFFFFFE), _bits(keys[j], 0xFFFFFFFF), base, sd, cap, rtt, scale, top,
            inputs[_BEFORE, j], s, k, chunk,
        )  # fmt: skip
        if not ((startup < inputs[_PATIENCE, j]) & (inputs[_INTENDED, j] > float32(0.0))):
            continue
        innovation = sd * float32(np.sqrt(float32(1.0) - rho * rho))
        buffer, bola, limit, fetched, total = chunk, float32(0.0), inputs[_INTENDED, j], chunk, float32(0.0)
        step = uint32(0)
        while (fetched - buffer < limit) & (fetched < inputs[_TITLE, j]):
            step = uint32(step + uint32(1))
            played_before = fetched  # everything fetched is played when the buffer runs dry
            x, estimate, buffer, bola, _, _, stall = _advance(
                _bits(keys[j], step), base, innovation, rho, cap, rtt, scale, top, x, estimate, buffer, bola,
                s, k, q, chunk, most,
            )  # fmt: skip
            fetched += chunk
            if stall > float32(0.0):
                if used < out.shape[1]:
                    out[0, used] = j
                    out[1, used] = np.int64(played_before + total)
                    out[2, used] = np.int64(stall)
                used += 1
                total += stall
                limit -= stall * loss
    return used
