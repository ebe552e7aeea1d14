"""One step of one session: what a chunk costs on this network, and which one DYNAMIC asks for.

Written for vectors: no branch, no libm call, every integer operation cast, few divisions; only what is done for one
lane at a time (:func:`first_chunk`, :func:`give_up`) branches. All values are float32 or uint32; times are ms, sizes
kbit, rates kbit/s. Bitrates are those of the ladder, before ``scale``.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int32, uint32

from synthetic.jit import inlined
from synthetic.player.abr import SAFETY

__all__ = ["arrive", "bits", "first_chunk", "give_up", "normal", "request", "unit"]

_HALF_LIFE_MS, _SHORTER = 8_000.0, 8.0 / 3.0  # throughput is the lower of two averages, of 8 s and 3 s
_LN2 = 0.6931472
# A running download is given up at the first look, where it would take longer than 1.8 chunks play.
_LOOK_MS, _TOO_LONG_CHUNKS = 500.0, 1.8
_PIECE_MS, _PIECE_KBIT = 50.0, 12.0
_START_MS = 1000.0  # how soon a player that promises a start in 2 s wants its first chunk; assumption
_START_RUNGS = 5  # the highest rung it starts on; assumption


@inlined
def bits(key, step):  # type: ignore[no-untyped-def]
    """32 mixed bits of (session, step): two multiply-xorshift rounds (constants of Wellons' hash prospector)."""
    h = uint32(key ^ uint32(uint32(step) * uint32(0x9E3779B9)))
    h = uint32(h ^ uint32(h >> uint32(16)))
    h = uint32(h * uint32(0x21F0AAAD))
    h = uint32(h ^ uint32(h >> uint32(15)))
    h = uint32(h * uint32(0x735A2D97))
    return uint32(h ^ uint32(h >> uint32(15)))


@inlined
def normal(h):  # type: ignore[no-untyped-def]
    """Near-normal, mean 0 and sd 1: the sum of four bytes (Irwin-Hall; bounded at 3.45 sd)."""
    s = uint32(uint32(h & uint32(255)) + uint32(uint32(h >> uint32(8)) & uint32(255)))
    s = uint32(s + uint32(uint32(h >> uint32(16)) & uint32(255)))
    s = uint32(s + uint32(h >> uint32(24)))
    return (float32(int32(s)) - float32(510.0)) * float32(0.006765825)


@inlined
def unit(h):  # type: ignore[no-untyped-def]
    """Uniform on (0, 1), 24 bits, after one more round: the bytes of ``h`` itself make its normal."""
    h = uint32(uint32(h ^ uint32(h >> uint32(16))) * uint32(0x7FEB352D))
    return (float32(int32(uint32(h >> uint32(8)))) + float32(0.5)) * float32(5.9604645e-08)


@inlined
def _exp(y):  # type: ignore[no-untyped-def]
    """e^y as (1 + t + t²/2)^64, t = y/64: relative error |y|³/24576, below 0.2 % for |y| < 3.6."""
    t = y * float32(0.015625)
    p = float32(1.0) + t * (float32(1.0) + t * float32(0.5))
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    p = p * p
    return p * p


@inlined
def _climb(value, k, q):  # type: ignore[no-untyped-def]
    """The bitrate in ``k`` of the highest rung whose bound in ``q`` is within ``value``."""
    b = k[0]
    b = k[1] if q[1] <= value else b
    b = k[2] if q[2] <= value else b
    b = k[3] if q[3] <= value else b
    b = k[4] if q[4] <= value else b
    b = k[5] if q[5] <= value else b
    b = k[6] if q[6] <= value else b
    b = k[7] if q[7] <= value else b
    b = k[8] if q[8] <= value else b
    return k[9] if q[9] <= value else b


@inlined
def _climb_above(value, k):  # type: ignore[no-untyped-def]
    """One rung above the highest bitrate within ``value``, or the highest."""
    b = k[1]
    b = k[2] if k[1] <= value else b
    b = k[3] if k[2] <= value else b
    b = k[4] if k[3] <= value else b
    b = k[5] if k[4] <= value else b
    b = k[6] if k[5] <= value else b
    b = k[7] if k[6] <= value else b
    b = k[8] if k[7] <= value else b
    return k[9] if k[8] <= value else b


@inlined
def _transfer(kbit, per_kbit, left, lost, ratio):  # type: ignore[no-untyped-def]
    """Time to fetch ``kbit`` where the first ``left`` ms run at a factor F of the throughput.

    ``lost`` is 1 - F, ``ratio`` (1 - F) / F. With t the time at full throughput, it is t + min(left (1 - F),
    t (1 - F) / F): the second where the impairment outlasts the fetch.
    """
    t = kbit * per_kbit
    return t + min(left * lost, t * ratio)


@inlined
def request(  # type: ignore[no-untyped-def]
    h, safety, base, innovation, rho, cap, rtt, share, scale, per_scale, top, lost, ratio, title,
    x, left, slow_sum, fast_sum, slow_unseen, fast_unseen, buffer, uses_bola, asked, fetched,
    k, q, chunk, per_chunk, most, bola_from,
):  # fmt: skip
    """Decide on one chunk and say how long its transfer takes, to the end.

    Returns the new (x, uses_bola, asked), then this chunk's (bitrate, ms per kbit, ms of transfer, whether it may
    have to be given up, whether throughput alone would have asked for another). The decision is that of DYNAMIC in
    :mod:`synthetic.player.rules`: throughput rule, BOLA-FINITE, BOLA-U. ``top`` is the device's highest bitrate,
    ``bola_from`` the buffer below which throughput decides, ``share`` what a round trip leaves of a chunk's time,
    ``asked`` the bitrate BOLA wanted last. An average is ``sum`` / (1 - ``unseen``): ``unseen`` is the weight of the
    time before the first sample.
    """
    x = rho * x + normal(h) * innovation
    per_kbit = float32(1000.0) / min(base * _exp(x), cap)

    slow_seen, fast_seen = float32(1.0) - slow_unseen, float32(1.0) - fast_unseen
    is_slow = slow_sum * fast_seen < fast_sum * slow_seen
    estimate = (slow_sum if is_slow else fast_sum) / (slow_seen if is_slow else fast_seen) * per_scale
    steady = estimate * share
    bearable = safety * estimate * (buffer - rtt) * per_chunk
    safe = _climb(min(min(steady * float32(SAFETY), bearable), top), k, k)
    to_an_end = max(min(fetched, title - fetched) * float32(0.5), chunk * float32(3.0))
    span = min(most, to_an_end) - chunk
    wanted = min(_climb(buffer * (most - chunk) / span, k, q), top)
    above = min(_climb_above(steady, k), top)
    wanted = max(asked, min(wanted, above)) if wanted > asked else wanted
    high = buffer > bola_from
    low = buffer < bola_from
    uses_bola = float32(1.0) if high & (wanted >= safe) else uses_bola
    uses_bola = float32(0.0) if low & (wanted < safe) else uses_bola
    bitrate = wanted if uses_bola > float32(0.5) else safe

    kbit = bitrate * scale * chunk * float32(0.001)
    transfer = _transfer(kbit, per_kbit, max(left - rtt, float32(0.0)), lost, ratio)
    too_slow = (rtt + transfer > chunk * float32(_TOO_LONG_CHUNKS * 0.999)) | (left > float32(0.0))
    return x, uses_bola, wanted, bitrate, per_kbit, transfer, too_slow, bitrate != safe


@inlined
def give_up(  # type: ignore[no-untyped-def]
    bitrate, per_kbit, transfer, rtt, share, scale, per_scale, top, left, lost, ratio, k, chunk
):  # fmt: skip
    """Look at a running download as DYNAMIC does, and perhaps give it up for the rung its own throughput bears.

    The client looks after every piece of 12 kbit and 50 ms, from 0.5 s on; an impairment that ends only speeds a
    download up, so the first look decides. Returns (bitrate, ms of its transfer, and ms and kbit lost before).
    """
    piece = float32(_PIECE_KBIT) * per_kbit
    first = max(piece, float32(_PIECE_MS) - rtt)
    piece = max(piece, float32(_PIECE_MS))
    pieces = np.ceil(max(float32(_LOOK_MS) - rtt - first, float32(0.0)) / piece)
    look = rtt + first + pieces * piece
    seen = look - rtt
    seen_share = float32(1.0) - min(max(left - rtt, float32(0.0)), seen) * lost / seen
    own = seen_share / per_kbit * float32(1000.0)
    got = own * seen * float32(0.001)
    to_kbit = scale * chunk * float32(0.001)
    rest = bitrate * to_kbit - got
    lower = _climb(min(own * share * float32(SAFETY) * per_scale, top), k, k)
    too_long = rest * float32(1000.0) > own * (chunk * float32(_TOO_LONG_CHUNKS) - look)
    if too_long & (lower < bitrate) & (lower * to_kbit < rest) & (rtt + transfer > look):
        after = max(left - look - rtt, float32(0.0))
        return lower, _transfer(lower * to_kbit, per_kbit, after, lost, ratio), look, got
    return bitrate, transfer, float32(0.0), float32(0.0)


@inlined
def arrive(  # type: ignore[no-untyped-def]
    bitrate, transfer, lost_ms, lost_kbit, rtt, scale, left, slow_sum, fast_sum, slow_unseen, fast_unseen, buffer,
    chunk, most,
):  # fmt: skip
    """The chunk is here. Returns the new state, in the order of the arguments from ``left`` to ``buffer``, and
    this chunk's (kbit, stall, ms from this request to the next).
    """
    kbit = bitrate * scale * chunk * float32(0.001)
    measured = kbit / transfer * float32(1000.0)
    y = max(transfer * float32(-_LN2 / _HALF_LIFE_MS), float32(-20.0))
    kept = _exp(y)
    slow_sum = measured + (slow_sum - measured) * kept
    slow_unseen = max(slow_unseen * kept, float32(1e-20))
    kept = _exp(y * float32(_SHORTER))
    fast_sum = measured + (fast_sum - measured) * kept
    fast_unseen = max(fast_unseen * kept, float32(1e-20))

    fetch = rtt + transfer + lost_ms
    stall = max(fetch - buffer, float32(0.0))
    rises = max(buffer - fetch, float32(0.0)) + chunk
    # The next request waits until the buffer has room for another chunk.
    room = max(most - chunk, float32(0.0))
    elapsed = fetch + max(rises - room, float32(0.0))
    return (
        max(left - elapsed, float32(0.0)), slow_sum, fast_sum, slow_unseen, fast_unseen, min(rises, room),
        kbit + lost_kbit, stall, elapsed,
    )  # fmt: skip


@inlined
def first_chunk(h0, h1, base, sd, cap, rtt, scale, top, left, lost, ratio, k, chunk):  # type: ignore[no-untyped-def]
    """The first chunk, over a new connection. Returns (x, throughput observed, for how many ms, bitrate, ms).

    The player remembers the throughput of an earlier session on this path and asks for the highest rung, up to
    rung 5, whose chunk it expects within ``_START_MS`` at half of it. Two round trips for the secure connection,
    one for the request, then slow start from ten segments of 1,460 bytes. An impairment slows the line, not the
    window.
    """
    x = normal(h0) * sd
    throughput = min(base * _exp(x), cap)
    remembered = min(base * _exp(normal(h1) * sd), cap)
    budget = remembered * float32(0.5) * float32(_START_MS) / chunk
    bitrate = _climb(min(min(budget / scale, top), k[_START_RUNGS]), k, k)
    kbit = bitrate * scale * chunk * float32(0.001)
    window = float32(116.8)
    unsent = kbit
    transfer = float32(0.0)
    for _ in range(14):
        fills = window >= throughput * rtt * float32(0.001)
        last = fills | (unsent <= window)
        sent = unsent if last else window
        transfer += max(sent / throughput * float32(1000.0), float32(0.0) if last else rtt)
        unsent -= sent
        window = window + window
        if unsent <= float32(0.0):
            break
    after = max(left - rtt * float32(3.0), float32(0.0))
    transfer += min(after * lost, kbit / throughput * float32(1000.0) * ratio)
    # A player takes slow start for what it is, and the memory for what it may be worth.
    observed = min(throughput, remembered)
    return x, observed, kbit / observed * float32(1000.0), bitrate, rtt * float32(3.0) + transfer
