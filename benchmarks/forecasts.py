"""How often intervals of the cost forecast hold, on made histories of a service's cost by quarter.

A history grows by a rate that it keeps, or by one that wanders, or it has a step in its past (a new region, a new
contract); its quarters leave that by a noise of their own. The forecast is made as ``playhead cost report`` makes it,
and judged by the four quarters that the history goes on to have.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cost_model.forecast import HORIZON, forecast
from cost_model.history import earlier
from cost_model.period import COSTS, HOURS, SIZES, Period
from cost_model.usage import Quarter

__all__ = ["HISTORIES", "Judged", "judged"]

SEED = 20_260_403
LAST = Quarter(2026, 2)
QUARTERS = (6, 16)
USD_A_DAY = 100_000.0
CENTS = Decimal("0.01")

Floats = NDArray[np.float64]
Judged = tuple[list[bool], list[bool], list[float], list[float]]
_Draw = Callable[[np.random.Generator, int], Floats]


def judged(kind: str, count: int) -> Judged:
    """Of ``count`` histories: whether the interval of the next quarter held; of the fourth; the absolute relative
    error of the next; and that of "as the last quarter was"."""
    next_held, fourth_held, errors, naive = [], [], [], []
    for number in range(count):
        rng = np.random.default_rng([SEED, list(HISTORIES).index(kind), number])
        known = int(rng.integers(*QUARTERS))
        spread = np.exp(rng.uniform(np.log(0.01), np.log(0.1)))
        logs = HISTORIES[kind](rng, known + HORIZON) + spread * rng.standard_normal(known + HORIZON)
        quarters = [earlier(LAST, known - 1 - at) for at in range(known + HORIZON)]
        days = np.array([(quarter.end - quarter.months[0]).days for quarter in quarters])
        usd = USD_A_DAY * np.exp(logs) * days
        history = [_period(*each) for each in zip(quarters[:known], usd[:known], days[:known], strict=True)]
        ahead = forecast(history).ahead
        inside = [
            point.interval is not None and point.interval.low <= was <= point.interval.high
            for point, was in zip(ahead, usd[known:], strict=True)
        ]
        next_held.append(inside[0])
        fourth_held.append(inside[-1])
        errors.append(abs(ahead[0].usd / usd[known] - 1))
        naive.append(abs(usd[known - 1] / usd[known] - 1))
    return next_held, fourth_held, errors, naive


def _steady(rng: np.random.Generator, quarters: int) -> Floats:
    return rng.normal(0.03, 0.04) * np.arange(quarters, dtype=np.float64)


def _wandering(rng: np.random.Generator, quarters: int) -> Floats:
    growth = 0.03 + np.cumsum(rng.normal(0, 0.01, quarters))
    return np.cumsum(growth).astype(np.float64)


def _stepped(rng: np.random.Generator, quarters: int) -> Floats:
    since = np.arange(quarters) >= rng.integers(2, quarters - HORIZON - 1)
    step = float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.4))
    return _steady(rng, quarters) + step * since


def _period(quarter: Quarter, usd: float, days: int) -> Period:
    cost = {"pool": "made", "effective_usd": Decimal(float(usd)).quantize(CENTS)}
    row = dict.fromkeys(COSTS.names()) | cost
    costs = pl.DataFrame([row], schema=COSTS)
    return Period(quarter, "made", int(days), costs, pl.DataFrame(schema=SIZES), pl.DataFrame(schema=HOURS))


HISTORIES: dict[str, _Draw] = {
    "growth that stays": _steady,
    "growth that wanders": _wandering,
    "a step in the past": _stepped,
}
