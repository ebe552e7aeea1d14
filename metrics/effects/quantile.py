"""How far quantiles of two arms are apart, of independent rows or of rows in clusters.

The error of a quantile is read off the sample: the share of rows below it has a known error, and the quantiles at
that share plus and minus 1.96 errors are 2 · 1.96 errors of the quantile apart. Where rows come in clusters (plays of
a member), the share's error is that of a ratio over clusters (Deng, Knoblich and Lu, KDD 2018, section 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from metrics.effects.difference import welch_df
from metrics.effects.estimate import Estimate

__all__ = ["quantile_difference"]

_Array = np.ndarray[Any, Any]
_Z = float(stats.norm.ppf(0.975))


def quantile_difference(
    control: tuple[_Array, _Array | None],
    treatment: tuple[_Array, _Array | None],
    quantile: float,
    *,
    tuning: float | None = None,
) -> tuple[Estimate, Estimate] | None:
    """The absolute and relative effect on the ``quantile``; None where an arm is too small to tell its error.

    Arms are (values [n], cluster of each [n] or None). Quantiles are interpolated linearly between rows (type 7).
    """
    sides = [_quantile(values, clusters, quantile) for values, clusters in (control, treatment)]
    if sides[0] is None or sides[1] is None:
        return None
    (base, base_error, base_n), (value, error, n) = sides[0], sides[1]
    df = welch_df(*(np.asarray(x, dtype=np.float64) for x in (base_error**2, error**2, base_n, n)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lift = np.float64(value - base) / base
        relative = (error**2 + (1 + lift) ** 2 * base_error**2) / np.float64(base) ** 2
    count = np.asarray(base_n + n)
    return (
        Estimate(np.asarray(value - base), np.asarray(base_error**2 + error**2), df, count, tuning),
        Estimate(np.asarray(lift), np.asarray(relative), df, count, tuning),
    )


def _quantile(values: _Array, clusters: _Array | None, quantile: float) -> tuple[float, float, int] | None:
    """The quantile, its error, and of how many independent things."""
    value = float(np.quantile(values, quantile))
    if clusters is None:
        n = values.size
        share_error = np.sqrt(quantile * (1 - quantile) / n)
    else:
        which = np.unique(clusters, return_inverse=True)[1]
        rows = np.bincount(which).astype(np.float64)
        below = np.bincount(which, weights=(values <= value).astype(np.float64))
        n = rows.size
        if n < 2:
            return None
        share_error = (
            np.sqrt(n / (n - 1) * np.sum((below - below.sum() / values.size * rows) ** 2)) / values.size
        )
    low, high = quantile - _Z * share_error, quantile + _Z * share_error
    if low <= 0 or high >= 1:
        return None
    bounds = np.quantile(values, [low, high])
    return value, float(bounds[1] - bounds[0]) / (2 * _Z), n
