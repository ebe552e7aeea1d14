"""A seasonal baseline: what the hour of the day and the day of the week lead one to expect, and what leaves it.

A local level that drifts plus fixed daily and weekly waves (an unobserved-components model, Harvey 1989),
fitted once on the first weeks and filtered onward: a row's expectation uses no later row. An anomaly does
not teach the model: it is left out as if missing, and the growing uncertainty lets a lasting change become
the new normal after a while. Where each value's rows are told, its scatter is that of a mean of so many: an hour of
the night, of which few rows tell, leaves the season by chance as far as an evening hour never does.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.errors import InputError

__all__ = ["seasonal_anomalies"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
# A row is an anomaly from this score on; the score of an error of k standard deviations is k ÷ (k + 4).
SCORE_LIMIT = 0.5
_DEVIATIONS = 4.0
# Waves a season: enough for a morning, an evening and a weekend, too few to learn the noise.
_HARMONICS = 3
_PASSES = 25

Floats = NDArray[np.float64]


def seasonal_anomalies(
    ts_ms: Sequence[int] | NDArray[np.int64],
    values: Sequence[float] | Floats,
    rows: Sequence[float] | Floats | None = None,
    *,
    step_ms: int = HOUR_MS,
    seasons_ms: Sequence[int] = (DAY_MS, 7 * DAY_MS),
    training_ms: int = 14 * DAY_MS,
) -> pl.DataFrame:
    """Judge each of ``values``, which stand ``step_ms`` apart at instants ``ts_ms``; gaps are allowed.

    ``rows`` are the effective rows behind each value, above 0: its variance about its level is taken as one over them.
    Without, all values are as good as each other.

    A row each, in the order given: ``ts_ms, value, expected`` (null while training), ``anomaly_score`` (0..1)
    and ``is_anomaly`` (score at least 0.5, which is an error of four standard deviations). Causal: a row's
    figures depend on no later row. Raises :class:`~metrics.errors.InputError` for instants that do not rise
    or do not stand whole steps apart.
    """
    instants = np.asarray(ts_ms, dtype=np.int64)
    given = np.asarray(values, dtype=np.float64)
    variance = np.ones(len(given)) if rows is None else 1 / np.asarray(rows, dtype=np.float64)
    at = _steps(instants, step_ms)
    training = training_ms // step_ms
    expected = np.full(len(given), np.nan)
    score = np.zeros(len(given))
    if len(at) and at[-1] >= training:
        grid = np.full(int(at[-1]) + 1, np.nan)
        grid[at] = given
        noise = np.ones(len(grid))
        noise[at] = variance / np.mean(variance[at < training])
        known = np.isfinite(grid[:training])
        if known.sum() * 2 >= training:
            forecast, deviations = _filter(
                grid, noise, training, [season // step_ms for season in seasons_ms]
            )
            judged = at >= training
            expected[judged] = forecast[at[judged]]
            size = np.abs(np.nan_to_num(deviations[at[judged]]))
            score[judged] = size / (size + _DEVIATIONS)
    return pl.DataFrame(
        {
            "ts_ms": instants,
            "value": given,
            "expected": pl.Series(expected, nan_to_null=True),
            "anomaly_score": score,
            "is_anomaly": score >= SCORE_LIMIT,
        }
    )


def _steps(instants: NDArray[np.int64], step_ms: int) -> NDArray[np.int64]:
    apart = np.diff(instants)
    if (apart <= 0).any():
        raise InputError("instants of a series do not rise", mend="sort it and keep one value an instant")
    if (apart % step_ms != 0).any():
        raise InputError(f"instants are not whole steps of {step_ms} ms apart", mend="aggregate to that step")
    return (instants - instants[0]) // step_ms if len(instants) else instants


def _filter(grid: Floats, noise: Floats, training: int, seasons: Sequence[int]) -> tuple[Floats, Floats]:
    """One-step forecasts, and each value's error in standard deviations of its forecast (NaN at gaps)."""
    parameters = _fit(grid[:training], noise[:training], seasons)
    # Below this an error is rounding: a series that never moved has a forecast without any variance.
    floor = 1e-6 * max(float(np.nanmax(np.abs(grid[:training]))), 1e-12)
    kept = grid.copy()
    off = np.zeros(len(grid), dtype=np.bool_)
    for _ in range(_PASSES):
        kept[:] = np.where(off, np.nan, grid)
        # The plain filter's result: statsmodels' own asks for the parameters' covariance, which takes longer.
        filtered = _model(kept, noise, seasons).filter(parameters, return_ssm=True)
        forecast: Floats = filtered.forecasts[0]
        deviations: Floats = (grid - forecast) / np.sqrt(
            np.maximum(filtered.forecasts_error_cov[0, 0], floor * floor)
        )
        found = np.abs(np.nan_to_num(deviations)) >= _DEVIATIONS
        found[:training] = False
        # Each pass settles at least the first row it had wrong; rows before that no longer change.
        if (found == off).all():
            break
        off = found
    return forecast, deviations


def _fit(values: Floats, noise: Floats, seasons: Sequence[int]) -> Floats:
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Variances short of their optimum shift the limit by a little; they do not make a figure wrong.
        warnings.simplefilter("ignore", ConvergenceWarning)
        parameters = _model(values, noise, seasons).fit(disp=False, maxiter=50, return_params=True)
    return np.asarray(parameters, dtype=np.float64)


def _model(values: Floats, noise: Floats, seasons: Sequence[int]) -> Any:
    """The model of ``values``; its irregular variance is that of a value whose ``noise`` is 1."""
    # statsmodels takes over a second to import.
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    class Weighted(UnobservedComponents):  # type: ignore[misc]
        def update(self, params: Any, **options: Any) -> None:
            super().update(params, **options)
            self.ssm["obs_cov"] = np.ravel(self.ssm["obs_cov"])[0] * noise[None, None, :]

    waves = [{"period": season, "harmonics": min(_HARMONICS, season // 2)} for season in seasons]
    return Weighted(
        values, level="local level", freq_seasonal=waves, stochastic_freq_seasonal=[False] * len(waves)
    )
