"""One segment's download: whole, or watched and perhaps given up for a lower rung.

- *Throughput* (and Dynamic) gives up what would take longer than 1.8 segments play, for the rung that the
  download's own throughput bears, if that is less than what is left.
- *BOLA* gives up for the lower rung with the best score a bit, once it beats what is left of this one; *BOLA-E*
  too, for the buffer and the rest as a new request's latency would leave them. *BOLA-BASIC* never does.
"""

from __future__ import annotations

from synthetic.arrays import Floats
from synthetic.jit import compiled
from synthetic.player.path import PROGRESS_BITS, PROGRESS_MS, fetch, fetch_some, first_byte, here
from synthetic.player.rules import (
    BOLA,
    BOLA_E,
    DYNAMIC_DASH,
    KBPS,
    SPENT_SHARE,
    TO_MS,
    UTILITY,
    sustained,
)
from synthetic.player.session import (
    BOLA_RUNG,
    DOWNLOAD_MS,
    DOWNLOADED_BITS,
    FALLBACK,
    FIRST_BYTE_MS,
    GAMMA_P,
    LEFT_MS,
    NETWORK_MS,
    NONE,
    PLACEHOLDER_MS,
    SEGMENT_MS,
    USES_BOLA,
    V_MS,
    WHOLE_VIDEO,
    buffer_ms,
)

__all__ = ["download", "download_watched"]

_GRACE_MS, _TOO_LONG_SEGMENTS = 500.0, 1.8


@compiled(counted=False)
def download(state: Floats, trace: Floats, size_bits: float) -> None:
    """Fetch all of a segment; what it took is in the state."""
    state[FIRST_BYTE_MS] = first_byte(state, trace)
    state[DOWNLOAD_MS] = state[FIRST_BYTE_MS] + fetch(state, trace, size_bits)
    state[DOWNLOADED_BITS] = size_bits
    state[FALLBACK] = NONE


@compiled(counted=False)
def download_watched(
    rule: int,
    state: Floats,
    settings: Floats,
    ladder: Floats,
    options: Floats,
    trace: Floats,
    size_bits: float,
    rung: int,
) -> None:
    """Fetch a segment piece by piece, asking the rule after each whether to give up.

    What it took is in the state, and the rung to fetch instead, or ``NONE``. ``options``, shape (2, rungs), is
    overwritten. There are thousands of looks in a session: what they change is kept out of the state, in
    registers, and arrays are passed on only where it is rare.
    """
    by_bola_e = rule == BOLA_E or (rule == DYNAMIC_DASH and state[USES_BOLA] > 0)
    by_score = by_bola_e or rule == BOLA
    never = rule == BOLA and settings[WHOLE_VIDEO] > 0
    if by_score:
        for q in range(rung + 1):
            contents = state[V_MS] * (settings[GAMMA_P] + ladder[UTILITY, q])
            options[0, q] = ladder[TO_MS, q] if by_bola_e else contents
            options[1, q] = size_bits * ladder[KBPS, q] / ladder[KBPS, rung]
    too_long_ms = _TOO_LONG_SEGMENTS * settings[SEGMENT_MS]
    placeholder_ms = state[PLACEHOLDER_MS]
    before_ms = buffer_ms(state, settings)

    first_ms = first_byte(state, trace)
    took_ms, got_bits, fallback = first_ms, 0.0, -1
    least_ms = PROGRESS_MS - first_ms
    kbps, left_ms, network_ms = here(state, trace)
    while got_bits < size_bits and fallback < 0:
        left_bits = size_bits - got_bits
        part_bits = min(left_bits, max(PROGRESS_BITS, least_ms * kbps))
        if kbps > 0 and part_bits <= left_ms * kbps:
            ms = part_bits / kbps
            left_ms -= ms
            network_ms += ms
        else:
            state[LEFT_MS], state[NETWORK_MS] = left_ms, network_ms
            part_bits, ms = fetch_some(state, trace, left_bits, PROGRESS_BITS, least_ms)
            kbps, left_ms, network_ms = here(state, trace)
        took_ms += ms
        got_bits += part_bits
        least_ms = PROGRESS_MS

        left_bits = size_bits - got_bits
        if never or left_bits <= 0 or got_bits <= 0:
            continue
        if by_score:
            held_ms = max(0.0, before_ms - took_ms)
            if by_bola_e:
                held_ms = max(0.0, held_ms + placeholder_ms - first_ms)
                left_bits -= first_ms * (got_bits / (took_ms - first_ms))
                if left_bits <= 0:
                    continue
            best = (options[0, rung] - held_ms) / left_bits
            if best < 0 and not by_bola_e:
                continue
            for q in range(rung):
                if options[1, q] >= left_bits:
                    break
                score = (options[0, q] - held_ms) / options[1, q]
                if score > best:
                    best, fallback = score, q
        elif took_ms >= _GRACE_MS:
            own_kbps = got_bits / (took_ms - first_ms)
            if took_ms + left_bits / own_kbps > too_long_ms:
                lower = sustained(state, settings, ladder, own_kbps * SPENT_SHARE)
                lower_bits = size_bits * ladder[KBPS, lower] / ladder[KBPS, rung]
                if lower < rung and lower_bits < left_bits:
                    fallback = lower

    state[LEFT_MS], state[NETWORK_MS] = left_ms, network_ms
    state[FIRST_BYTE_MS], state[DOWNLOAD_MS], state[DOWNLOADED_BITS] = first_ms, took_ms, got_bits
    state[FALLBACK] = fallback
    if rule == BOLA and fallback >= 0:
        state[BOLA_RUNG] = fallback
