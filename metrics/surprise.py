"""How surprising each row of a stream is, given the rows before it: six views of it in one compiled pass.

No single view serves every series, so six are taken, each simple and each known from the literature: a new
extreme, a level that left its long and its shorter past (a windowed Gaussian), a value unseen at this hour on
the days before (a seasonal nearest neighbour), and a shape and a volatility unseen in the whole past (nearest
neighbours again, as in discord search). Work and memory a row are bounded, whatever the length of the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["LONG_MEMORY", "SHORT", "VIEWS", "WARM_UP", "compiled", "surprises"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

VIEWS = ("extreme", "level", "recent_level", "season", "shape", "volatility")
# Rows before the first verdict: the longest view needs so many to have a past at all.
WARM_UP = 60
SHORT, _SHAPE, _VOLATILITY = 12, 16, 24
LONG_MEMORY, _RECENT_MEMORY = 5_000.0, 1_000.0
# Periods looked back on, and rows either side of the same phase: a daily pattern is never on time to the row.
_PERIODS, _SLACK = 28, 3
# Past windows a view compares with. When full, every other one is dropped and half as many are added.
_CAPACITY = 2_048
_PARTS = 4


def compiled(function: F) -> F:
    return cast(F, numba.njit(function, cache=True, nogil=True, error_model="numpy"))


@compiled
def surprises(ts_ms: Ints, values: Floats, season_ms: int) -> Floats:
    """For finite ``values`` at rising ``ts_ms``: a row each, a column each of :data:`VIEWS`, zero while warming up.

    Extremes, seasons, shapes and volatilities are in parts of the range seen so far, levels in standard
    deviations. Row i depends on rows up to i alone.
    """
    n = len(values)
    found = np.zeros((n, 6))
    if n == 0:
        return found
    smooth = np.zeros(n)
    spread = np.zeros(n)
    at = np.zeros(_PERIODS, dtype=np.int64)
    shapes = np.zeros((_CAPACITY, _PARTS))
    spreads = np.zeros((_CAPACITY, _PARTS))
    shape = np.zeros(_PARTS)
    recent = np.zeros(_PARTS)
    waiting_shapes = np.zeros((_SHAPE, _PARTS))
    waiting_spreads = np.zeros((_PARTS, _PARTS))
    kept_shapes, every_shape = 0, 1
    kept_spreads, every_spread = 0, 1
    low = high = origin = values[0]
    mean_long = mean_recent = values[0]
    variance_long = variance_recent = 0.0
    calm = wild = 0.0
    for i in range(n):
        x = values[i]
        extent = high - low
        tiny = 1e-9 * max(abs(low), abs(high), abs(x)) + 1e-300
        beyond = max(x - high, low - x, 0.0)
        if beyond > tiny:
            found[i, 0] = beyond / extent if extent > tiny else 1.0
        low, high = min(low, x), max(high, x)
        extent = max(high - low, tiny)

        total = 0.0
        for j in range(max(0, i - SHORT + 1), i + 1):
            total += values[j] - origin
        smooth[i] = origin + total / min(i + 1, SHORT)
        if i >= SHORT:
            off = abs(smooth[i] - mean_long)
            found[i, 1] = off / max(np.sqrt(variance_long), tiny) if off > tiny else 0.0
            off = abs(smooth[i] - mean_recent)
            found[i, 2] = off / max(np.sqrt(variance_recent), tiny) if off > tiny else 0.0
            # The level's past ends where the rows it is compared with begin.
            old = values[i - SHORT + 1]
            weight = max(1.0 / (i - SHORT + 2), 1.0 / LONG_MEMORY)
            step = old - mean_long
            mean_long += weight * step
            variance_long = (1.0 - weight) * (variance_long + weight * step * step)
            weight = max(1.0 / (i - SHORT + 2), 1.0 / _RECENT_MEMORY)
            step = old - mean_recent
            mean_recent += weight * step
            variance_recent = (1.0 - weight) * (variance_recent + weight * step * step)

        nearest = np.inf
        for period in range(_PERIODS):
            then = ts_ms[i] - (period + 1) * season_ms
            if then < ts_ms[0]:
                break
            while ts_ms[at[period] + 1] <= then:
                at[period] += 1
            for j in range(max(0, at[period] - _SLACK), min(at[period] + _SLACK + 1, i - _SLACK)):
                nearest = min(nearest, abs(smooth[i] - smooth[j]))
        if nearest < np.inf:
            found[i, 3] = nearest / extent

        total = squares = 0.0
        rows = min(i + 1, _VOLATILITY)
        for j in range(i - rows + 1, i + 1):
            total += values[j] - x
            squares += (values[j] - x) ** 2
        spread[i] = np.sqrt(max(squares / rows - (total / rows) ** 2, 0.0))
        calm, wild = min(calm, spread[i]), max(wild, spread[i])
        if i >= _SHAPE:
            width = _SHAPE // _PARTS
            for part in range(_PARTS):
                total = 0.0
                for j in range(i - (part + 1) * width + 1, i - part * width + 1):
                    total += values[j]
                shape[part] = total / width
                recent[part] = spread[i - part]
            if kept_shapes > 0:
                found[i, 4] = _nearest(shape, shapes, kept_shapes) / extent
            if kept_spreads > 0:
                found[i, 5] = _nearest(recent, spreads, kept_spreads) / max(wild - calm, tiny)
            # A window joins the past when it no longer shares a row with the one it is compared with.
            slot = i % _SHAPE
            if i >= 2 * _SHAPE and i % every_shape == 0:
                kept_shapes, every_shape = _remember(waiting_shapes[slot], shapes, kept_shapes, every_shape)
            waiting_shapes[slot] = shape
            slot = i % _PARTS
            if i >= 2 * _SHAPE and i % every_spread == 0:
                kept_spreads, every_spread = _remember(
                    waiting_spreads[slot], spreads, kept_spreads, every_spread
                )
            waiting_spreads[slot] = recent
    found[:WARM_UP] = 0.0
    return found


@compiled
def _nearest(window: Floats, past: Floats, kept: int) -> float:
    """Root-mean-square distance to the nearest remembered window."""
    nearest = np.inf
    for j in range(kept):
        distance = (
            (window[0] - past[j, 0]) ** 2
            + (window[1] - past[j, 1]) ** 2
            + (window[2] - past[j, 2]) ** 2
            + (window[3] - past[j, 3]) ** 2
        )
        nearest = min(nearest, distance)
    return float(np.sqrt(nearest / _PARTS))


@compiled
def _remember(window: Floats, past: Floats, kept: int, every: int) -> tuple[int, int]:
    if kept == len(past):
        for j in range(kept // 2):
            past[j] = past[2 * j]
        kept, every = kept // 2, every * 2
    past[kept] = window
    return kept + 1, every
