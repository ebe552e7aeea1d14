"""One replayed session as a flat array of numbers: its cells by name, its buffer, its estimate of the network.

Every function here and in :mod:`synthetic.player.path` and :mod:`synthetic.player.rules` is compiled, takes the
session's ``state`` first and changes nothing else. Times are ms, sizes bits, rates kbit/s. The order of
operations is part of the model: each sum is rounded as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from synthetic.arrays import Floats
from synthetic.jit import compiled, inlined

__all__ = [
    "BITRATE_CHANGE_KBPS", "BITRATE_SUM_KBPS", "BOLA_RUNG", "BUFFER_MS", "DOWNLOADED_BITS", "DOWNLOAD_MS",
    "FALLBACK", "FIRST_BYTE_MS", "GAMMA_P", "HALF", "LATENCY_MS", "LEFT_MS", "NETWORK_MS", "NEXT", "NONE",
    "OSCILLATION_FREE", "PERIOD", "PERIODS_SEEN", "PLACEHOLDER_MS", "PLAY_MS", "REBUFFERS", "REBUFFER_MS",
    "SAFETY", "SAFETY_BOLA_E", "SEGMENT_MS", "SETTINGS", "STEADY", "THROUGHPUT_KBPS", "USES_BOLA", "V_MS",
    "WHOLE_VIDEO", "buffer_ms", "new_averages", "new_state", "observe", "play_out",
]  # fmt: skip

NONE = -1.0

# Cells of a session's state. The network's place in the trace:
PERIOD, LEFT_MS, NETWORK_MS, PERIODS_SEEN = range(4)
# The buffer holds the segments from HEAD to NEXT; of the first, HEAD_PLAYED_MS are played.
HEAD, NEXT, HEAD_PLAYED_MS = range(4, 7)
# What the session felt like:
PLAY_MS, REBUFFER_MS, REBUFFERS, BITRATE_SUM_KBPS, BITRATE_CHANGE_KBPS, LAST_PLAYED = range(7, 13)
# The estimate of the network, and the time it has seen:
THROUGHPUT_KBPS, LATENCY_MS, SEEN_MS = range(13, 16)
# The last download; FALLBACK is the rung it was given up for, or NONE.
DOWNLOAD_MS, FIRST_BYTE_MS, DOWNLOADED_BITS, FALLBACK = range(16, 20)
# The rules' memory:
SAFETY, SAFETY_BOLA_E, V_MS, BOLA_RUNG, STEADY, PLACEHOLDER_MS, USES_BOLA = range(20, 27)
_CELLS = 27

# Cells of the settings, which a session only reads.
SEGMENT_MS, BUFFER_MS, GAMMA_P, WHOLE_VIDEO, OSCILLATION_FREE, HALF = range(6)
SETTINGS = 6

# First rows of the moving averages, one column a half-life.
_HALF_LIVES_MS, _LATENCY_KEPT, _THROUGHPUTS, _LATENCIES, _SEGMENT_WEIGHTS = range(5)

_FIRST_SAFETY = 0.9


def new_state() -> Floats:
    """A session before its first request; the trace's first period is entered by :mod:`synthetic.player.path`."""
    state = np.zeros(_CELLS, np.float64)
    state[[LAST_PLAYED, FALLBACK]] = NONE
    state[[SAFETY, SAFETY_BOLA_E]] = _FIRST_SAFETY
    return state


@inlined
def buffer_ms(state: Floats, settings: Floats) -> float:
    """Playing time in the buffer."""
    return float(settings[SEGMENT_MS] * (state[NEXT] - state[HEAD]) - state[HEAD_PLAYED_MS])


@compiled(counted=False)
def play_out(state: Floats, ms: float, rungs: Floats, kbps: Floats, segment_ms: float) -> None:
    """Let ``ms`` pass at the screen: play from the buffer, and stall where it runs dry.

    A stall counts as an event where it begins; a session that finds the buffer empty already is in the same
    stall. A segment's bitrate counts when its first frame is shown. ``rungs`` holds the rung of each segment.
    """
    if state[HEAD] == state[NEXT]:
        state[REBUFFER_MS] += ms
        state[PLAY_MS] += ms
        return
    if state[HEAD_PLAYED_MS] > 0:
        if ms + state[HEAD_PLAYED_MS] < segment_ms:
            state[HEAD_PLAYED_MS] += ms
            state[PLAY_MS] += ms
            return
        rest = segment_ms - state[HEAD_PLAYED_MS]
        ms -= rest
        state[PLAY_MS] += rest
        state[HEAD] += 1
        state[HEAD_PLAYED_MS] = 0.0
    while ms > 0 and state[HEAD] < state[NEXT]:
        bitrate = kbps[int(rungs[int(state[HEAD])])]
        state[BITRATE_SUM_KBPS] += bitrate
        if state[LAST_PLAYED] != NONE:
            state[BITRATE_CHANGE_KBPS] += abs(bitrate - state[LAST_PLAYED])
        state[LAST_PLAYED] = bitrate
        if ms >= segment_ms:
            state[HEAD] += 1
            state[PLAY_MS] += segment_ms
            ms -= segment_ms
        else:
            state[HEAD_PLAYED_MS] = ms
            state[PLAY_MS] += ms
            ms = 0.0
    if ms > 0:
        state[REBUFFER_MS] += ms
        state[PLAY_MS] += ms
        state[REBUFFERS] += 1


def new_averages(half_lives_s: Sequence[float], segments: int, segment_ms: float) -> Floats:
    """Averages that have seen nothing yet, with the weights that depend on the number of segments alone.

    Shape (4 + segments, half-lives): four rows by their names, then what n segments weigh in an average of
    latencies.
    """
    averages = np.zeros((_SEGMENT_WEIGHTS + segments, len(half_lives_s)), np.float64)
    for i, seconds in enumerate(half_lives_s):
        half_life_ms = seconds * 1000
        half_life_segments = half_life_ms / segment_ms
        averages[_HALF_LIVES_MS, i] = half_life_ms
        averages[_LATENCY_KEPT, i] = 0.5 ** (1 / half_life_segments)
        averages[_SEGMENT_WEIGHTS:, i] = [1 - 0.5 ** (n / half_life_segments) for n in range(1, segments + 1)]
    return averages


@compiled(counted=False)
def observe(state: Floats, averages: Floats, half: float) -> None:
    """Take the last download into the estimate: the lowest throughput and highest latency of the averages.

    Exponential averages, throughput weighted by the time it was seen for and latency by segment, each freed
    from its start at 0. ``half`` is 1/2, and an argument: of a power of a constant the compiler would make
    another function with another last digit.
    """
    ms = state[DOWNLOAD_MS] - state[FIRST_BYTE_MS]
    kbps = state[DOWNLOADED_BITS] / ms
    state[SEEN_MS] += ms
    seen = int(state[NEXT])
    throughput, latency = math.inf, 0.0
    for i in range(averages.shape[1]):
        half_life_ms = averages[_HALF_LIVES_MS, i]
        kept = math.pow(half, ms / half_life_ms)
        averages[_THROUGHPUTS, i] = kept * averages[_THROUGHPUTS, i] + (1 - kept) * kbps
        throughput = min(
            throughput, averages[_THROUGHPUTS, i] / (1 - math.pow(half, state[SEEN_MS] / half_life_ms))
        )
        kept = averages[_LATENCY_KEPT, i]
        averages[_LATENCIES, i] = kept * averages[_LATENCIES, i] + (1 - kept) * state[FIRST_BYTE_MS]
        latency = max(latency, averages[_LATENCIES, i] / averages[_SEGMENT_WEIGHTS + seen - 1, i])
    state[THROUGHPUT_KBPS] = throughput
    state[LATENCY_MS] = latency
