"""Burn-rate alerts over many series of minute counts at once, compiled.

The state that :mod:`alerts.evaluate` computes column by column, one pass a series: prefix sums of integers,
so that a window costs two reads however long it is, and comparisons on the same floats in the same order, so
that both give the same minutes. Nothing here knows an objective, a file or a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Ints", "compiled", "excesses", "firing", "held", "runs"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    # Strict IEEE arithmetic, and 0/0 is NaN as in numpy, which no comparison lets through.
    return cast(F, numba.njit(function, cache=True, nogil=True, error_model="numpy"))


@compiled
def firing(
    bad: Ints,
    total: Ints,
    part_weights: Floats,
    guard_bad: Ints,
    weight: Ints,
    weight_squared: Ints,
    reach: Ints,
    guard_reach: Ints,
    thresholds: Floats,
    bad_minimum: float,
    share: float,
    nats: Floats,
    usual: Ints,
    usual_most: float,
) -> Bools:
    """Whether an alert's condition holds at each minute's evaluation, shape (series, minutes).

    ``bad`` and ``total`` have the shape (parts, series, minutes): the share over a window is the mean of the parts'
    that have events there, weighted by ``part_weights``. ``guard_bad``, ``weight`` and ``weight_squared``, of shape
    (series, minutes), are what effective bad events are counted by.

    A row of ``reach`` is a pair of windows: first and last minute of the long one and of the short one, relative to
    the minute of evaluation; ``guard_reach`` is the same for what is counted. The pair holds where both shares of bad
    events exceed its threshold, the long window has at least ``bad_minimum`` effective bad events, and the evidence of
    the long and the short window against the allowed share is at least the pair's row of ``nats`` (none asked for at
    0). The allowed share is ``share``, or the least share over the windows of ``usual`` (first and last minute) if that
    is more, up to ``usual_most``. A comparison that no number answers, as for unknown weights, holds nothing back.
    """
    parts, series, minutes = bad.shape
    out = np.zeros((series, minutes), np.bool_)
    bads, totals = np.zeros((2, parts, minutes + 1), np.int64)
    counted = np.zeros((3, minutes + 1), np.int64)
    for s in range(series):
        for q in range(parts):
            _running(bad[q, s], bads[q])
            _running(total[q, s], totals[q])
        _running(guard_bad[s], counted[0])
        _running(weight[s], counted[1])
        _running(weight_squared[s], counted[2])
        for k in range(minutes):
            for p in range(len(thresholds)):
                short = _share(bads, totals, part_weights, k + reach[p, 2], k + reach[p, 3])
                if not short > thresholds[p]:
                    continue
                long = _share(bads, totals, part_weights, k + reach[p, 0], k + reach[p, 1])
                if not long > thresholds[p]:
                    continue
                effective = _effective(counted, k + guard_reach[p, 0], k + guard_reach[p, 1])
                if effective < bad_minimum:
                    continue
                allowed = _allowed(bads, totals, part_weights, usual, k, share, usual_most)
                if nats[p, 0] > 0 and _nats(effective, long, allowed) < nats[p, 0]:
                    continue
                if nats[p, 1] > 0:
                    effective = _effective(counted, k + guard_reach[p, 2], k + guard_reach[p, 3])
                    if _nats(effective, short, allowed) < nats[p, 1]:
                        continue
                out[s, k] = True
                break
    return out


@compiled
def _running(counts: Ints, sums: Ints) -> None:
    for k in range(len(counts)):
        sums[k + 1] = sums[k] + counts[k]


@compiled
def _edge(minute: int, minutes: int) -> int:
    return min(max(minute, 0), minutes)


@compiled
def _share(bads: Ints, totals: Ints, weights: Floats, first: int, last: int) -> float:
    """Share of bad events from the first to the last minute; NaN without events."""
    parts, minutes = bads.shape[0], bads.shape[1] - 1
    a, b = _edge(first, minutes), _edge(last + 1, minutes)
    if parts == 1:
        total = totals[0, b] - totals[0, a]
        return (bads[0, b] - bads[0, a]) / total if total > 0 else np.nan
    above, below = 0.0, 0.0
    for q in range(parts):
        total = totals[q, b] - totals[q, a]
        if total > 0:
            above += weights[q] * ((bads[q, b] - bads[q, a]) / total)
            below += weights[q]
    return above / below if below > 0 else np.nan


@compiled
def _effective(counted: Ints, first: int, last: int) -> float:
    minutes = counted.shape[1] - 1
    a, b = _edge(first, minutes), _edge(last + 1, minutes)
    bad = np.float64(counted[0, b] - counted[0, a])
    found: float = bad * (counted[1, b] - counted[1, a]) / (counted[2, b] - counted[2, a])
    return found


@compiled
def _allowed(
    bads: Ints, totals: Ints, weights: Floats, usual: Ints, minute: int, share: float, most: float
) -> float:
    least = np.inf
    for w in range(len(usual)):
        past = _share(bads, totals, weights, minute + usual[w, 0], minute + usual[w, 1])
        if past < least:
            least = past
    return max(min(least, most), share)


@compiled
def _nats(effective: float, ratio: float, share: float) -> float:
    evidence: float = effective * (np.log(ratio / share) - 1.0 + share / ratio)
    return evidence


@compiled
def held(active: Bools, pending: int, keep: int) -> Bools:
    """Firing state of conditions (series, minutes): once one has held for ``pending`` minutes, and ``keep`` more
    after it last did."""
    out = np.zeros_like(active)
    for s in range(active.shape[0]):
        waited, kept = 0, 0
        for k in range(active.shape[1]):
            if active[s, k]:
                if waited >= pending or kept > 0:
                    out[s, k] = True
                    kept = keep + 1
                waited += 1
            else:
                kept = max(kept - 1, 0)
                waited = 0
                out[s, k] = kept > 0
    return out


@compiled
def runs(active: Bools) -> Ints:
    """Rows (series, begin, end exclusive) of each run of true minutes, in order."""
    count = 0
    for s in range(active.shape[0]):
        for k in range(active.shape[1]):
            if active[s, k] and (k == 0 or not active[s, k - 1]):
                count += 1
    out = np.empty((count, 3), np.int64)
    row = -1
    for s in range(active.shape[0]):
        for k in range(active.shape[1]):
            if active[s, k]:
                if k == 0 or not active[s, k - 1]:
                    row += 1
                    out[row, 0], out[row, 1] = s, k
                out[row, 2] = k + 1
    return out


@compiled
def excesses(bad: Ints | Floats, total: Ints, share: float) -> Ints:
    """Stretches in which bad events ran above ``share`` of all: rows (series, begin, end exclusive).

    Excursions of the running sum of ``bad − share·total``, held at 0 from below, from where each leaves 0 to
    its highest point (Page 1954, read backwards in time: the stretch that best explains the excess).
    """
    series, minutes = bad.shape
    found = [(np.int64(0), np.int64(0), np.int64(0)) for _ in range(0)]
    for s in range(series):
        level, best, begin, end = 0.0, 0.0, 0, 0
        k = 0
        while k < minutes:
            level += bad[s, k] - share * total[s, k]
            if level <= 0.0:
                if best > 0.0:
                    found.append((np.int64(s), np.int64(begin), np.int64(end)))
                    k = end - 1  # what came after the highest point is looked at again on its own
                level, best, begin = 0.0, 0.0, k + 1
            elif level > best:
                best, end = level, k + 1
            k += 1
        if best > 0.0:
            found.append((np.int64(s), np.int64(begin), np.int64(end)))
    out = np.empty((len(found), 3), np.int64)
    for i in range(len(found)):
        out[i, 0], out[i, 1], out[i, 2] = found[i]
    return out
