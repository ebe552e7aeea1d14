"""Which rung next, whether to wait first, and when to give a download up: the rules of trace replay.

Each rule is a function of the session's state and the ladder; the two that switch call the others.

- *Throughput*: the highest rung whose segments arrive as fast as they play at 0.9 of the estimate, and no
  higher than what the buffer can bear.
- *BOLA*: the rung with the largest (V (utility + γp) - buffer) / bitrate, where utility is the logarithm of
  the bitrate. *BOLA-BASIC* keeps V for the whole session; *BOLA-FINITE* shrinks it near the video's ends.
  Steps up beyond what the throughput bears go one rung too far (BOLA-U) or wait instead (BOLA-O).
- *BOLA-E*: BOLA with a placeholder, time added to the buffer in thought, so that a fast start and a wait for a
  full buffer do not look like a shortage; starts from the throughput, and keeps what the buffer can bear.
- *Dynamic*: throughput at low buffer, BOLA above 10 s where it asks for as much or more.
- *Dynamic of the DASH reference player*: throughput until the buffer passes 10 s, BOLA-E until it is under 5 s.

Sources: Spiteri, Urgaonkar & Sitaraman, *BOLA* (INFOCOM 2016); Spiteri, Sitaraman & Sparacio, *From Theory to
Practice: Improving Bitrate Adaptation in the DASH Reference Player* (MMSys 2018); constants and details of
timing as in the authors' simulator, Sabre.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synthetic.arrays import Floats
from synthetic.jit import compiled, inlined
from synthetic.player.session import (
    BOLA_RUNG,
    BUFFER_MS,
    DOWNLOAD_MS,
    FALLBACK,
    GAMMA_P,
    LATENCY_MS,
    NEXT,
    NONE,
    OSCILLATION_FREE,
    PLACEHOLDER_MS,
    SAFETY,
    SAFETY_BOLA_E,
    SEGMENT_MS,
    STEADY,
    THROUGHPUT_KBPS,
    USES_BOLA,
    V_MS,
    WHOLE_VIDEO,
    buffer_ms,
)

__all__ = [
    "BOLA", "BOLA_E", "DYNAMIC_DASH", "KBPS", "RULES", "SPENT_SHARE", "TO_MS", "UTILITY", "after_download",
    "after_wait", "decide", "ladder_table", "sustained",
]  # fmt: skip

_THROUGHPUT, BOLA, BOLA_E, _DYNAMIC, DYNAMIC_DASH = range(5)
# Name -> the rule's number and whether BOLA keeps V for the whole video.
RULES = {
    "throughput": (_THROUGHPUT, False),
    "bola": (BOLA, False),
    "bola_basic": (BOLA, True),
    "bolae": (BOLA_E, False),
    "dynamic": (_DYNAMIC, False),
    "dynamicdash": (DYNAMIC_DASH, False),
}

# Rows of the ladder, one column a rung. Utilities are logarithms of bitrates. BOLA-E prefers a rung to all
# below it from one level of the buffer, and is content with it up to another.
KBPS, UTILITY, _FROM_MS, TO_MS = range(4)

SPENT_SHARE = 0.9
_SAFETY_FADES, _SAFETY_LEAST = 0.9, 0.5
_DYNAMIC_MS = 10_000.0
_DASH_LOW_MS, _DASH_HIGH_MS = 5_000.0, 10_000.0
_LEAST_BUFFER_MS, _LEAST_BUFFER_A_RUNG_MS = 10_000.0, 2_000.0


def ladder_table(bitrates_kbps: Sequence[float], buffer_size_ms: float) -> Floats:
    """The ladder as the rules read it, shape (4, rungs).

    BOLA's utilities start at 0. BOLA-E's are 1 higher, and its V and γp are chosen so that V γp is 10 s and
    V (γp + u - 1) at the highest rung is the buffer, or 10 s and 2 s a rung where that is more. A single rung
    has no such levels; they are 0.
    """
    rungs = len(bitrates_kbps)
    table = np.zeros((4, rungs), np.float64)
    table[KBPS] = bitrates_kbps
    lowest = math.log(bitrates_kbps[0])
    table[UTILITY] = [math.log(kbps) + -lowest for kbps in bitrates_kbps]
    if rungs == 1:
        return table
    utility = [math.log(kbps) + (1 - lowest) for kbps in bitrates_kbps]
    highest_ms = max(_LEAST_BUFFER_MS + _LEAST_BUFFER_A_RUNG_MS * rungs, buffer_size_ms)
    gamma_p = (utility[-1] - 1) / (highest_ms / _LEAST_BUFFER_MS - 1)
    v_ms = _LEAST_BUFFER_MS / gamma_p
    for q, (kbps, u) in enumerate(zip(bitrates_kbps, utility, strict=True)):
        below = zip(bitrates_kbps[:q], utility[:q], strict=True)
        even = (v_ms * (gamma_p + (kbps * low_u - low * u) / (kbps - low)) for low, low_u in below)
        table[_FROM_MS, q] = max(even, default=0.0)
        table[TO_MS, q] = v_ms * (u + gamma_p)
    table[_FROM_MS] = np.maximum(table[_FROM_MS], 0.0)
    return table


@compiled(counted=False)
def decide(rule: int, state: Floats, settings: Floats, ladder: Floats, segments: int) -> tuple[int, float]:
    """The next segment's rung, and how many ms to wait before asking for it."""
    if rule == BOLA:
        return _bola(state, settings, ladder, segments)
    if rule == BOLA_E:
        return _bola_e(state, settings, ladder)
    if rule == _DYNAMIC:
        level = buffer_ms(state, settings)
        wanted, wait_ms = _bola(state, settings, ladder, segments)
        safe = _throughput(state, settings, ladder)
        if state[USES_BOLA] > 0:
            if level < _DYNAMIC_MS and wanted < safe:
                state[USES_BOLA] = 0.0
        elif level > _DYNAMIC_MS and wanted >= safe:
            state[USES_BOLA] = 1.0
        return (wanted, wait_ms) if state[USES_BOLA] > 0 else (safe, 0.0)
    if rule == DYNAMIC_DASH:
        level = buffer_ms(state, settings)
        if state[USES_BOLA] > 0 and level < _DASH_LOW_MS:
            state[USES_BOLA] = 0.0
        elif state[USES_BOLA] == 0 and level > _DASH_HIGH_MS:
            state[USES_BOLA] = 1.0
        if state[USES_BOLA] > 0:
            return _bola_e(state, settings, ladder)
    return _throughput(state, settings, ladder), 0.0


@compiled(counted=False)
def after_wait(rule: int, state: Floats, ms: float) -> None:
    """Take note of a wait for room in the buffer: to BOLA-E the buffer would have grown by it."""
    if rule in (BOLA_E, DYNAMIC_DASH):
        state[PLACEHOLDER_MS] += ms


@compiled(counted=False)
def after_download(rule: int, state: Floats, settings: Floats, ladder: Floats, rung: int) -> None:
    """Take note of a download that ended or was given up, the buffer being what it is after it."""
    if rule not in (BOLA_E, DYNAMIC_DASH):
        return
    state[BOLA_RUNG] = rung
    level = buffer_ms(state, settings)
    if state[FALLBACK] == NONE:
        before = level + state[DOWNLOAD_MS]
        room = max(0.0, ladder[TO_MS, rung] - before)
        state[PLACEHOLDER_MS] = min(state[PLACEHOLDER_MS], room)
        if level > 0:
            # Too small where another rule chose the rung; an empty buffer is no reason to raise it.
            state[PLACEHOLDER_MS] = max(state[PLACEHOLDER_MS], ladder[_FROM_MS, rung] - before)
    else:
        fallback = int(state[FALLBACK])
        cautious = ladder[_FROM_MS, fallback] if fallback > 0 else _LEAST_BUFFER_MS
        state[PLACEHOLDER_MS] = min(state[PLACEHOLDER_MS], max(0.0, cautious - level))


@inlined
def sustained(state: Floats, settings: Floats, ladder: Floats, kbps: float) -> int:
    """The highest rung up to which each segment arrives as fast as it plays, its latency included."""
    segment_ms = settings[SEGMENT_MS]
    rung = 0
    while (
        rung + 1 < ladder.shape[1]
        and state[LATENCY_MS] + segment_ms * ladder[KBPS, rung + 1] / kbps <= segment_ms
    ):
        rung += 1
    return rung


@inlined
def _bearable(state: Floats, settings: Floats, ladder: Floats, rung: int, safety: int) -> int:
    """``rung``, or lower: each rung above the result would empty the buffer at a share of the throughput.

    The share is the cell ``safety`` of the state; it fades from decision to decision.
    """
    left_ms = buffer_ms(state, settings) - state[LATENCY_MS]
    bits = state[safety] * left_ms * state[THROUGHPUT_KBPS]
    state[safety] = max(state[safety] * _SAFETY_FADES, _SAFETY_LEAST)
    for q in range(rung):
        if ladder[KBPS, q + 1] * settings[SEGMENT_MS] > bits:
            return q
    return rung


@compiled(counted=False)
def _throughput(state: Floats, settings: Floats, ladder: Floats) -> int:
    rung = sustained(state, settings, ladder, state[THROUGHPUT_KBPS] * SPENT_SHARE)
    return int(_bearable(state, settings, ladder, rung, SAFETY))


@compiled(counted=False)
def _bola(state: Floats, settings: Floats, ladder: Floats, segments: int) -> tuple[int, float]:
    top = ladder.shape[1] - 1
    size_ms = settings[BUFFER_MS]
    if settings[WHOLE_VIDEO] == 0:
        to_an_end = max(min(state[NEXT], segments - state[NEXT]) / 2, 3.0)
        size_ms = min(size_ms, to_an_end * settings[SEGMENT_MS])
    v_ms = (size_ms - settings[SEGMENT_MS]) / (ladder[UTILITY, top] + settings[GAMMA_P])
    state[V_MS] = v_ms

    level = buffer_ms(state, settings)
    rung, best = 0, -math.inf
    for q in range(top + 1):
        score = (v_ms * (ladder[UTILITY, q] + settings[GAMMA_P]) - level) / ladder[KBPS, q]
        if score > best:
            rung, best = q, score

    wait_ms = 0.0
    last = int(state[BOLA_RUNG])
    if rung > last:
        steady = sustained(state, settings, ladder, state[THROUGHPUT_KBPS])
        if rung > steady:
            if last > steady:
                rung = last
            elif settings[OSCILLATION_FREE] == 0:
                rung = steady + 1
            else:
                rung = steady
                if rung < top:
                    wait_ms = max(0.0, level - v_ms * (settings[GAMMA_P] + ladder[UTILITY, rung]))
    state[BOLA_RUNG] = rung
    return rung, wait_ms


@compiled(counted=False)
def _bola_e(state: Floats, settings: Floats, ladder: Floats) -> tuple[int, float]:
    level = buffer_ms(state, settings)
    steady = sustained(state, settings, ladder, state[THROUGHPUT_KBPS])
    if state[STEADY] == 0:
        state[STEADY] = 1.0
        state[PLACEHOLDER_MS] = max(0.0, ladder[_FROM_MS, steady] - level)
        return steady, 0.0

    held = level + state[PLACEHOLDER_MS]
    rung, best = 0, -math.inf
    for q in range(ladder.shape[1]):
        score = (ladder[TO_MS, q] - held) / ladder[KBPS, q]
        if score > best:
            rung, best = q, score
    last = int(state[BOLA_RUNG])
    if rung > last and rung > steady:
        rung = max(last, steady)
        if settings[OSCILLATION_FREE] == 0:
            rung += 1

    # A buffer that is too full is first emptied in thought, then by waiting; at the highest rung neither helps.
    wait_ms = held - ladder[TO_MS, rung]
    if wait_ms <= 0:
        wait_ms = 0.0
    elif wait_ms <= state[PLACEHOLDER_MS]:
        state[PLACEHOLDER_MS] -= wait_ms
        wait_ms = 0.0
    else:
        wait_ms -= state[PLACEHOLDER_MS]
        state[PLACEHOLDER_MS] = 0.0
    if rung == ladder.shape[1] - 1:
        wait_ms = 0.0

    bearable = int(_bearable(state, settings, ladder, rung, SAFETY_BOLA_E))
    if bearable < rung:
        room = max(0.0, ladder[_FROM_MS, bearable] - level)
        state[PLACEHOLDER_MS] = min(room, state[PLACEHOLDER_MS])
        return bearable, 0.0
    return rung, wait_ms
