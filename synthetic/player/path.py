"""The network path of a replayed session: the trace's periods, walked request by request, round and round.

A request waits one latency before its first bit. A latency that a period's end cuts goes on in the next period
for the share that is left, at that period's latency.
"""

from __future__ import annotations

from synthetic.arrays import Floats
from synthetic.jit import compiled, inlined
from synthetic.player.session import LEFT_MS, NETWORK_MS, PERIOD, PERIODS_SEEN

__all__ = ["PROGRESS_BITS", "PROGRESS_MS", "enter", "fetch", "fetch_some", "first_byte", "here", "pass_time"]

# A client looks at a running download no sooner than after both of these.
PROGRESS_BITS = 12_000.0
PROGRESS_MS = 50.0

# Columns of a trace.
_MS, _KBPS, _LATENCY_MS = range(3)
# More periods than any session on a trace that can carry it; seconds of computing.
_MOST_PERIODS = 100_000_000


@inlined
def enter(state: Floats, trace: Floats, period: int) -> None:
    """Go to the start of a period; past the last one the trace begins again.

    Raises ``OverflowError`` where the session has no end in sight.
    """
    at = period if period < trace.shape[0] else 0
    state[PERIOD] = at
    state[LEFT_MS] = trace[at, _MS]
    state[PERIODS_SEEN] += 1
    if state[PERIODS_SEEN] > _MOST_PERIODS:
        raise OverflowError


@inlined
def _leave(state: Floats, trace: Floats) -> float:
    """Spend what is left of the period and enter the next; the ms spent."""
    spent = state[LEFT_MS]
    state[NETWORK_MS] += spent
    enter(state, trace, int(state[PERIOD]) + 1)
    return float(spent)


@inlined
def _spend(state: Floats, ms: float) -> None:
    state[LEFT_MS] -= ms
    state[NETWORK_MS] += ms


@inlined
def here(state: Floats, trace: Floats) -> tuple[float, float, float]:
    """The period's bandwidth, what is left of it, and the time the network has run."""
    return trace[int(state[PERIOD]), _KBPS], state[LEFT_MS], state[NETWORK_MS]


@compiled(counted=False)
def pass_time(state: Floats, trace: Floats, ms: float) -> None:
    """Let ``ms`` pass without a request."""
    while ms > state[LEFT_MS]:
        ms -= _leave(state, trace)
    _spend(state, ms)


@compiled(counted=False)
def first_byte(state: Floats, trace: Floats) -> float:
    """Wait one latency; the ms it took."""
    taken, share = 0.0, 1.0
    while share > 0:
        latency = trace[int(state[PERIOD]), _LATENCY_MS]
        ms = share * latency
        if ms <= state[LEFT_MS]:
            _spend(state, ms)
            return float(taken + ms)
        spent = _leave(state, trace)
        taken += spent
        share -= spent / latency
    return float(taken)


@compiled(counted=False)
def fetch(state: Floats, trace: Floats, bits: float) -> float:
    """Fetch all of ``bits``; the ms it took."""
    taken = 0.0
    while bits > 0:
        kbps = trace[int(state[PERIOD]), _KBPS]
        if bits <= state[LEFT_MS] * kbps:
            ms = bits / kbps
            _spend(state, ms)
            return float(taken + ms)
        spent = _leave(state, trace)
        taken += spent
        bits -= spent * kbps
    return float(taken)


@compiled(counted=False)
def fetch_some(
    state: Floats, trace: Floats, bits: float, least_bits: float, least_ms: float
) -> tuple[float, float]:
    """Fetch of ``bits`` until both ``least_bits`` and ``least_ms`` are reached; the bits and ms it took."""
    got, taken = 0.0, 0.0
    while bits > 0 and (least_bits > 0 or least_ms > 0):
        kbps = trace[int(state[PERIOD]), _KBPS]
        if kbps > 0:
            aim = max(least_bits, least_ms * kbps)
            carried = state[LEFT_MS] * kbps
            if min(bits, aim) <= carried:
                part = min(bits, aim)
                ms = part / kbps
                _spend(state, ms)
                if part < bits:
                    # Done by definition: the rounded differences below might leave a rest forever.
                    least_bits = least_ms = 0.0
            else:
                part = carried
                ms = _leave(state, trace)
        elif least_bits > 0 or least_ms > state[LEFT_MS]:
            part = 0.0
            ms = _leave(state, trace)
        else:
            part = 0.0
            ms = least_ms
            _spend(state, ms)
        got += part
        taken += ms
        bits -= part
        least_bits -= part
        least_ms -= ms
    return got, taken
