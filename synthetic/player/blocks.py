"""The compiled loop of :mod:`synthetic.player.kernel`: blocks of 64 sessions, all at the same chunk."""

from __future__ import annotations

import numpy as np
from numba import float32, int32, uint32

from synthetic.jit import compiled, inlined
from synthetic.player.conditions import INTERVAL_MS
from synthetic.player.step import arrive, bits, first_chunk, give_up, normal, request, unit
from synthetic.random import exp, log

__all__ = ["COUNTS", "DECODE_MS", "INDICES", "INPUTS", "LANES", "LOG_ROWS", "OUTPUTS", "run_blocks"]

LANES = 64
DECODE_MS = 40.0  # first chunk on the device to first frame on screen: one frame at 25 a second; assumption

# Rows of the arrays, one column a session.
INPUTS = ("base_kbps", "rtt_ms", "scale", "before_ms", "patience_ms", "intended_ms", "title_ms")
_BASE, _RTT, _SCALE, _BEFORE, _PATIENCE, _INTENDED, _TITLE = range(7)
INDICES = ("network", "route", "begins_ms", "top_rung", "prefetched")
_NETWORK, _ROUTE, _BEGINS, _TOP, _PREFETCHED = range(5)
OUTPUTS = 7
_STARTUP, _PLAYING, _STALL, _FIRST, _PEAK, _STARTED, _BY_BOLA = range(OUTPUTS)
COUNTS = 4
_DELIVERED, _STALLS, _SWITCHES, _MEDIA = range(COUNTS)
# Of the log: the request and the stall by the clock, length of the stall, bitrate before and now.
LOG_ROWS = 5
# Columns of a network; of an impairment: starts a ms, mean length, factor and its spread.
_SD, _RHO, _DEGRADED, _OUTAGE, _LOG_MEAN, _TILT = 0, 1, 2, 6, 10, 11

# What is to be done for a lane after a step. They lie so far apart that sums over 64 lanes do not meet.
_GOES_ON, _TURNS, _STARTS, _ENDS = 1, 0x100, 0x10000, 0x1000000
# Draws of a session that no step uses.
_FIRST_DRAW, _MEMORY_DRAW, _STATE_DRAW = 0xFFFFFFFE, 0xFFFFFFFF, 0x80000000
_LN2, _LN8 = 0.6931471805599453, 2.0794415416798357
_FAR = 3e38


@compiled()
def run_blocks(  # type: ignore[no-untyped-def]
    begin, keys, indices, inputs, table, networks, factor, cap_kbps, chunk_ms, buffer_ms, stall_loss, bola_from_ms,
    out, counts, lane, rows, every,
):  # fmt: skip
    """Play sessions from ``begin``, a multiple of ``LANES``, on into ``out`` and ``counts``.

    With a log (``lane``, ``rows``; else ``None``), enter each chunk that stalled or switched, or ``every`` one.
    Returns the session to go on with and the length of the log; ends early before a block the log cannot take.
    """
    chunk, most, loss = float32(chunk_ms), float32(buffer_ms), float32(stall_loss)
    bola_from = float32(bola_from_ms)
    per_chunk = float32(1.0) / chunk
    k = (table[0, 0], table[0, 1], table[0, 2], table[0, 3], table[0, 4],
         table[0, 5], table[0, 6], table[0, 7], table[0, 8], table[0, 9])  # fmt: skip
    q = (table[1, 0], table[1, 1], table[1, 2], table[1, 3], table[1, 4],
         table[1, 5], table[1, 6], table[1, 7], table[1, 8], table[1, 9])  # fmt: skip
    # Rows of the flat buffers: what stays, what the clock changes, what each chunk changes, what passes from one
    # loop of a step to the next, what is logged.
    sd, rho, rtt, share, scale, per_scale, top, title = 0, 64, 128, 192, 256, 320, 384, 448
    rate, intended, base, cap, until, lost, ratio, left = 512, 576, 640, 704, 768, 832, 896, 960
    x, slow, fast, slow_unseen, fast_unseen, buffer, uses_bola, asked = (
        1024, 1088, 1152, 1216, 1280, 1344, 1408, 1472,
    )  # fmt: skip
    stall, last, peak, was = 1536, 1600, 1664, 1728
    now, per_kbit_of, transfer_of, luck, lost_ms, lost_kbit = 1792, 1856, 1920, 1984, 2048, 2112
    at, stall_at, stalled, before, by_bola = 2176, 2240, 2304, 2368, 2432
    f = np.zeros(2496, np.float32)
    # Both counts of a lane share a cell: stalls above the lower 16 bits, switches in them.
    both, kbits, interval, todo, logs, slows_of = 0, 64, 128, 192, 256, 320
    c = np.zeros(384, np.int32)
    lane_key = np.zeros(LANES, np.uint32)
    used = 0
    for block in range(begin, keys.size, LANES):
        used_before = used
        for i in range(LANES):
            j = block + i
            network = networks[indices[_NETWORK, j]]
            key = keys[j]
            lane_key[i] = key
            f[rho + i], f[rtt + i], f[scale + i] = network[_RHO], inputs[_RTT, j], inputs[_SCALE, j]
            f[per_scale + i] = float32(1.0) / inputs[_SCALE, j]
            # The innovation of an AR(1) with the marginal sd given.
            f[sd + i] = network[_SD] * float32(np.sqrt(float32(1.0) - network[_RHO] * network[_RHO]))
            f[share + i] = max(float32(1.0) - inputs[_RTT, j] / chunk, float32(0.0))
            f[top + i], f[title + i] = table[0, indices[_TOP, j]], inputs[_TITLE, j]
            slower = np.float64(network[_LOG_MEAN]) - log(np.float64(inputs[_BASE, j]))
            often = float32(exp(min(max(slower * network[_TILT], -_LN8), _LN8)))
            f[rate + i] = (network[_DEGRADED] + network[_OUTAGE]) * often
            c[interval + i] = min(max(indices[_BEGINS, j] // INTERVAL_MS, 0), factor.shape[1] - 1)
            f[base + i] = inputs[_BASE, j] * factor[indices[_ROUTE, j], c[interval + i]]
            f[cap + i] = cap_kbps[indices[_ROUTE, j], c[interval + i]]
            # As many sessions begin within an impairment as the share of time it holds.
            held = network[_DEGRADED] * network[_DEGRADED + 1] + network[_OUTAGE] * network[_OUTAGE + 1]
            held_here = held * often
            f[left + i], f[lost + i], f[ratio + i] = float32(0.0), float32(0.0), float32(0.0)
            if unit(bits(key, _STATE_DRAW)) < held_here / (float32(1.0) + held_here):
                is_outage = network[_OUTAGE] * network[_OUTAGE + 1] / held
                f[left + i], f[lost + i], f[ratio + i] = _impairment(key, uint32(0), network, is_outage)
            x0, observed, observed_ms, kbps, fetch = first_chunk(
                bits(key, _FIRST_DRAW), bits(key, _MEMORY_DRAW), f[base + i], network[_SD], f[cap + i],
                f[rtt + i], f[scale + i], f[top + i], f[left + i], f[lost + i], f[ratio + i], k, chunk,
            )  # fmt: skip
            # What was fetched beforehand has been measured then.
            startup = inputs[_BEFORE, j] + float32(DECODE_MS)
            startup += float32(0.0) if indices[_PREFETCHED, j] else fetch
            started = (startup < inputs[_PATIENCE, j]) & (inputs[_INTENDED, j] > float32(0.0))
            f[left + i] = max(f[left + i] - startup, float32(0.0))
            end = np.float64((c[interval + i] + 1) * INTERVAL_MS) - indices[_BEGINS, j] - startup
            f[until + i] = float32(end) if c[interval + i] < factor.shape[1] - 1 else float32(_FAR)
            f[x + i] = x0
            f[slow_unseen + i] = float32(exp(-_LN2 * observed_ms / 8000.0))
            f[fast_unseen + i] = float32(exp(-_LN2 * observed_ms / 3000.0))
            f[slow + i] = observed * (float32(1.0) - f[slow_unseen + i])
            f[fast + i] = observed * (float32(1.0) - f[fast_unseen + i])
            f[buffer + i], f[uses_bola + i], f[asked + i] = chunk, float32(0.0), k[0]
            f[intended + i], f[by_bola + i] = inputs[_INTENDED, j], float32(0.0)
            f[stall + i], f[last + i], f[peak + i], f[was + i] = float32(0.0), kbps, kbps, float32(0.0)
            c[both + i], c[kbits + i] = 0, int32(kbps * f[scale + i] * chunk * float32(0.001))
            out[_STARTUP, j] = startup if started else min(startup, inputs[_PATIENCE, j])
            out[_STARTED, j] = float32(1.0) if started else float32(0.0)
            out[_FIRST, j] = kbps * f[scale + i]
            c[todo + i] = _GOES_ON if started & (chunk < f[title + i]) else _ENDS
            if started & (f[until + i] <= float32(0.0)):
                c[todo + i] += _TURNS
        # Sessions of a block go chunk by chunk together: as much is fetched of each that goes on.
        step, safety, fetched = uint32(0), float32(0.9), chunk
        while True:
            todos = int32(0)
            for i in range(LANES):
                todos += c[todo + i]
            if todos >= _TURNS:
                for i in range(LANES):
                    flags = c[todo + i]
                    if flags < _TURNS:
                        continue
                    j = block + i
                    if flags >= _ENDS:
                        c[todo + i] = 0
                        ran = out[_STARTED, j] > float32(0.5)
                        # The viewer leaves at the limit, or at once where a stall has moved it behind them; a title
                        # fetched whole plays on from the buffer.
                        limit = f[intended + i] - f[stall + i] * loss
                        playing = min(max(limit, f[was + i]), min(fetched, f[title + i]))
                        out[_PLAYING, j] = playing if ran else float32(0.0)
                        out[_STALL, j] = f[stall + i] if ran else float32(0.0)
                        out[_BY_BOLA, j] = f[by_bola + i] if ran else float32(0.0)
                        out[_PEAK, j] = f[peak + i] * f[scale + i] if ran else float32(0.0)
                        unplayed = max(fetched - playing, float32(0.0)) * f[last + i] * f[scale + i]
                        counts[_DELIVERED, j] = c[kbits + i]
                        counts[_STALLS, j] = c[both + i] >> 16
                        counts[_SWITCHES, j] = c[both + i] & 0xFFFF
                        counts[_MEDIA, j] = (
                            max(c[kbits + i] - int32(unplayed * float32(0.001)), 0) if ran else 0
                        )
                        continue
                    clock = fetched - f[buffer + i] + f[stall + i]
                    if clock >= f[until + i]:
                        while clock >= f[until + i] and c[interval + i] < factor.shape[1] - 1:
                            c[interval + i] += 1
                            f[until + i] += float32(INTERVAL_MS)
                        if c[interval + i] == factor.shape[1] - 1:
                            f[until + i] = float32(_FAR)
                        f[base + i] = inputs[_BASE, j] * factor[indices[_ROUTE, j], c[interval + i]]
                        f[cap + i] = cap_kbps[indices[_ROUTE, j], c[interval + i]]
                    if flags >= _STARTS:
                        network = networks[indices[_NETWORK, j]]
                        is_outage = network[_OUTAGE] / (network[_DEGRADED] + network[_OUTAGE])
                        f[left + i], f[lost + i], f[ratio + i] = _impairment(
                            lane_key[i], step, network, is_outage
                        )
            if todos & 0xFF == 0:
                break
            step = uint32(step + uint32(1))
            for i in range(LANES):
                h = bits(lane_key[i], step)
                x1, uses_bola1, asked1, asked_kbps, per_kbit, transfer, too_slow, apart = request(
                    h, safety, f[base + i], f[sd + i], f[rho + i], f[cap + i], f[rtt + i], f[share + i],
                    f[scale + i], f[per_scale + i], f[top + i], f[lost + i], f[ratio + i], f[title + i],
                    f[x + i], f[left + i], f[slow + i], f[fast + i], f[slow_unseen + i], f[fast_unseen + i],
                    f[buffer + i], f[uses_bola + i], f[asked + i], fetched,
                    k, q, chunk, per_chunk, most, bola_from,
                )  # fmt: skip
                # A lane that has ended may run on: what is reported was written when it did.
                f[x + i], f[uses_bola + i], f[asked + i] = x1, uses_bola1, asked1
                f[now + i], f[per_kbit_of + i], f[transfer_of + i] = asked_kbps, per_kbit, transfer
                f[luck + i] = unit(h)
                f[by_bola + i] = float32(1.0) if apart else f[by_bola + i]
                c[slows_of + i] = int32(1) if too_slow & (c[todo + i] > 0) else int32(0)
            slows = int32(0)
            for i in range(LANES):
                slows += c[slows_of + i]
            if slows:
                for i in range(LANES):
                    if c[slows_of + i]:
                        f[now + i], f[transfer_of + i], f[lost_ms + i], f[lost_kbit + i] = give_up(
                            f[now + i], f[per_kbit_of + i], f[transfer_of + i], f[rtt + i], f[share + i],
                            f[scale + i], f[per_scale + i], f[top + i], f[left + i], f[lost + i], f[ratio + i],
                            k, chunk,
                        )  # fmt: skip
            for i in range(LANES):
                bitrate = f[now + i]
                left1, slow1, fast1, slow_unseen1, fast_unseen1, buffer1, kbit1, stall1, elapsed1 = arrive(
                    bitrate, f[transfer_of + i], f[lost_ms + i], f[lost_kbit + i], f[rtt + i], f[scale + i],
                    f[left + i], f[slow + i], f[fast + i], f[slow_unseen + i], f[fast_unseen + i], f[buffer + i],
                    chunk, most,
                )  # fmt: skip
                clear_ms = elapsed1 - (f[left + i] - left1)
                f[left + i] = left1
                f[slow + i], f[fast + i] = slow1, fast1
                f[slow_unseen + i], f[fast_unseen + i] = slow_unseen1, fast_unseen1
                position = fetched - f[buffer + i]
                f[buffer + i] = buffer1
                is_stall = stall1 > float32(0.0)
                switched = bitrate != f[last + i]
                goes_on = c[todo + i] > 0
                if lane is not None:
                    f[at + i] = position + f[stall + i]
                    f[stall_at + i] = fetched + f[stall + i]
                    f[stalled + i], f[before + i] = stall1, f[last + i]
                    c[logs + i] = int32(1) if goes_on & (switched | is_stall | every) else int32(0)
                # Before a stall all that was fetched has been played.
                f[was + i] = fetched if is_stall else position
                c[kbits + i] += int32(kbit1)
                c[both + i] += (int32(0x10000) if is_stall else int32(0)) + (
                    int32(1) if switched else int32(0)
                )
                stalls = f[stall + i] + stall1
                f[stall + i] = stalls
                f[last + i] = bitrate
                f[peak + i] = max(f[peak + i], bitrate)
                played = fetched + chunk - buffer1
                more = (played < f[intended + i] - stalls * loss) & (fetched + chunk < f[title + i])
                turns = played + stalls >= f[until + i]
                starts = (left1 <= float32(0.0)) & (f[luck + i] < f[rate + i] * clear_ms)
                flags = int32(_TURNS) if turns else int32(0)
                flags += int32(_STARTS) if starts else int32(0)
                flags = flags + int32(_GOES_ON) if more else int32(_ENDS)
                c[todo + i] = flags if goes_on else int32(0)
            if slows:
                for i in range(LANES):
                    f[lost_ms + i], f[lost_kbit + i] = float32(0.0), float32(0.0)
            fetched += chunk
            safety = max(safety * float32(0.9), float32(0.5))
            if lane is not None:
                if used + LANES > lane.size:
                    return block, used_before
                for i in range(LANES):
                    if c[logs + i]:
                        lane[used] = block + i
                        rows[0, used], rows[1, used], rows[2, used] = (
                            f[at + i],
                            f[stall_at + i],
                            f[stalled + i],
                        )
                        rows[3, used], rows[4, used] = (
                            f[before + i] * f[scale + i],
                            f[last + i] * f[scale + i],
                        )
                        used += 1
    return keys.size, used


@inlined
def _impairment(key, step, network, outage_ratio):  # type: ignore[no-untyped-def]
    """Draw one: (how long it lasts, 1 - factor, (1 - factor) / factor)."""
    which = _OUTAGE if unit(bits(key, step ^ uint32(0xA5A5A5A5))) < outage_ratio else _DEGRADED
    ms = float32(-log(np.float64(unit(bits(key, step ^ uint32(0x5A5A5A5A)))))) * network[which + 1]
    z = normal(bits(key, step ^ uint32(0x3C3C3C3C)))
    factor = network[which + 2] * float32(exp(np.float64(network[which + 3] * z)))
    factor = min(max(factor, float32(1e-3)), float32(1.0))
    return ms, float32(1.0) - factor, (float32(1.0) - factor) / factor
