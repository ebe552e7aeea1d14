"""The next four quarters' cost from the quarters so far, with 90 % intervals, and how the last forecast did.

Exponential smoothing with a damped trend on the logarithm of cost a day (``statsmodels`` ETS(A,Ad,N)); quarters of
unequal length, or half observed, so compare. Few quarters make few degrees of freedom: the residual variance is
divided by n less the parameters fitted, and the interval takes Student's t.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cost_model.history import earlier
from cost_model.period import Period
from cost_model.uncertainty import Floats, Interval
from cost_model.usage import Quarter

__all__ = ["FEWEST", "HORIZON", "Forecast", "Point", "Score", "forecast"]

HORIZON = 4
FEWEST = 5
_PARAMETERS = 3  # level smoothing, trend smoothing, and the trend itself
_DAMPING = 0.9


@dataclass(frozen=True)
class Point:
    """A quarter's cost, USD: what it was, or what is foreseen with its interval."""

    quarter: Quarter
    usd: float
    interval: Interval | None
    origin: str


@dataclass(frozen=True)
class Score:
    """The forecast for this quarter as it would have been made a quarter ago, against what it was."""

    foreseen: Interval
    actual_usd: float

    @property
    def error_ratio(self) -> float:
        """(foreseen − actual) / actual."""
        return (self.foreseen.median - self.actual_usd) / self.actual_usd

    @property
    def is_inside(self) -> bool:
        """Whether the interval held."""
        return self.foreseen.low <= self.actual_usd <= self.foreseen.high


@dataclass(frozen=True)
class Forecast:
    """Actual quarters, the next four, and the score of the last forecast (None with too few quarters)."""

    actual: Sequence[Point]
    ahead: Sequence[Point]
    score: Score | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""

        def point(p: Point) -> dict[str, object]:
            ends = p.interval.as_dict() if p.interval else {}
            return {"quarter": str(p.quarter), "usd": p.usd, "origin": p.origin, **ends}

        score = self.score
        return {
            "actual": [point(p) for p in self.actual],
            "ahead": [point(p) for p in self.ahead],
            "last_forecast": {
                **score.foreseen.as_dict(),
                "actual_usd": score.actual_usd,
                "error_ratio": score.error_ratio,
                "is_inside": score.is_inside,
            }
            if score
            else None,
        }


def forecast(periods: Sequence[Period], *, horizon: int = HORIZON) -> Forecast:
    """Forecast from consecutive quarters, earliest first, the last the one reported.

    A gap ends the series: only the quarters after it count. Under :data:`FEWEST` quarters nothing is foreseen.
    """
    series = _unbroken(periods)
    actual = [Point(p.quarter, float(p.cost_usd), None, p.origin) for p in series]
    daily = np.array([float(p.cost_usd) / max(1, p.days) for p in series])
    if len(series) < FEWEST or (daily <= 0).any():
        return Forecast(actual, (), None)
    last = series[-1]
    found = _ahead(daily, horizon)
    ahead = []
    for step, daily_usd in enumerate(found, start=1):
        quarter = earlier(last.quarter, -step)
        whole = _times(daily_usd, (quarter.end - quarter.months[0]).days)
        ahead.append(Point(quarter, whole.median, whole, "forecast"))
    score = None
    if len(series) > FEWEST:
        (foreseen,) = _ahead(daily[:-1], 1)
        score = Score(_times(foreseen, last.days), float(last.cost_usd))
    return Forecast(actual, ahead, score)


def _ahead(daily: Floats, horizon: int) -> list[Interval]:
    from scipy.stats import t
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    logs = np.log(daily)
    with warnings.catch_warnings():
        # Few points leave the likelihood flat; what matters of it, the variance, is estimated below.
        warnings.simplefilter("ignore")
        model = ETSModel(
            logs, error="add", trend="add", damped_trend=True, initialization_method="heuristic"
        ) if len(logs) >= 10 else ETSModel(
            logs, error="add", trend="add", damped_trend=True,
            initialization_method="known", initial_level=logs[0], initial_trend=float(np.mean(np.diff(logs))),
        )  # fmt: skip
        with model.fix_params({"damping_trend": _DAMPING}):
            fit = model.fit(disp=False)
        middle = np.asarray(fit.forecast(horizon))
    free = max(1, len(logs) - _PARAMETERS)
    variance = float(np.sum(np.asarray(fit.resid) ** 2)) / free
    # Forecast variance of ETS(A,Ad,N): σ² (1 + Σ_j c_j²), c_j = α + α β* (φ + … + φ^j) (Hyndman et al. 2008, ch. 6).
    alpha, beta = float(fit.smoothing_level), float(fit.smoothing_trend)
    weights = alpha + beta * np.cumsum(_DAMPING ** np.arange(1, horizon))
    spread = np.sqrt(variance * (1 + np.concatenate([[0.0], np.cumsum(weights**2)])))
    reach = t.ppf(0.95, free) * spread
    return [
        Interval(float(np.exp(m - r)), float(np.exp(m)), float(np.exp(m + r)))
        for m, r in zip(middle, reach, strict=True)
    ]


def _unbroken(periods: Sequence[Period]) -> list[Period]:
    kept: list[Period] = []
    for period in sorted(periods, key=lambda p: (p.quarter.year, p.quarter.number)):
        if kept and earlier(period.quarter, 1) != kept[-1].quarter:
            kept = []
        kept.append(period)
    return kept


def _times(daily: Interval, days: int) -> Interval:
    return Interval(daily.low * days, daily.median * days, daily.high * days)
