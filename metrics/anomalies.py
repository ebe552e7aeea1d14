"""Anomalies of one series, row by row as a stream would see it: a score from 0 to 1 and a flag at the onset.

What a row surprises by (:mod:`metrics.surprise`, and :mod:`metrics.season` where there is one) is weighed by how rare
so much surprise has been in this very series, so that one limit serves series that are calm and series that are always
restless.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.errors import InputError
from metrics.season import remainder_surprise, seasonal_parts
from metrics.surprise import WARM_UP, compiled, surprises

__all__ = ["SCORE_LIMIT", "anomalies"]

Floats = NDArray[np.float64]

SCORE_LIMIT = 0.5
DAY_MS: Final = 86_400_000
# The size of each view that is one unit of surprise: parts of the range, or standard deviations of a level.
_UNITS = np.array([0.02, 1.6, 2.0, 0.12, 0.05, 0.08])
# A level without its season is held to what a level is.
_REMAINDER_UNIT = 1.6
# One view alone can say no more than this, or a series that was flat would drown the others.
_MOST_UNITS = 3.0
# Surprise times rarity (in powers of ten) from which a row is an anomaly.
_LIMIT = 2.0
# Rows after a flag in which only one twice as great is flagged again: one incident is one flag.
_QUIET_ROWS = 150
_LOUDER = 2.0
# Surprise is counted in this many steps an octave, from 2**-20 to 2**20 units.
_STEPS, _OCTAVES = 6, 20
# Instants that tell how far apart rows stand.
_SPACING_ROWS = 50


def anomalies(ts_ms: NDArray[np.int64], values: Floats) -> pl.DataFrame:
    """Judge ``values`` at instants ``ts_ms`` in any order; NaN is a missing value.

    A row each, in the order given: ``anomaly_score`` (0..1; 0 where the value is missing and in the first
    60 rows) and ``is_anomaly`` (score at least 0.5). A row's figures depend on no row later in time; rows of
    the same instant are taken in the order given. Raises :class:`~metrics.errors.InputError` for infinities.
    """
    if np.isinf(values).any():
        raise InputError(
            f"value {int(np.flatnonzero(np.isinf(values))[0]) + 1} is infinite",
            mend="leave it empty where it is not known",
        )
    order = np.argsort(ts_ms, kind="stable")
    known = order[~np.isnan(values[order])]
    score = np.zeros(len(values))
    if len(known) > WARM_UP:
        instants = np.ascontiguousarray(ts_ms[known])
        given = _scaled(np.ascontiguousarray(values[known]))
        views = surprises(instants, given, _season_ms(instants)) / _UNITS
        remainder = remainder_surprise(given - seasonal_parts(instants, given)) / _REMAINDER_UNIT
        squares = np.minimum(np.column_stack((views, remainder)), _MOST_UNITS) ** 2
        # A series without a season has six views, and is judged as it would be without the seventh.
        score[known] = _verdicts(np.sqrt(squares.sum(axis=1) / len(_UNITS)), WARM_UP)
    return pl.DataFrame({"anomaly_score": score, "is_anomaly": score >= SCORE_LIMIT})


def _scaled(values: Floats) -> Floats:
    """The same series where its squares overflow no number; a power of two changes no digit.

    Told by the first rows alone, as no later row may change what a row is given.
    """
    exponent = int(np.frexp(np.abs(values[:WARM_UP]).max())[1])
    scaled = np.ldexp(values, -exponent)
    return np.clip(scaled, -1e100, 1e100)


def _season_ms(instants: NDArray[np.int64]) -> int:
    """A day, or a week where a day is too few rows to have a shape."""
    step_ms = float(np.median(np.diff(instants[:_SPACING_ROWS])))
    return DAY_MS if step_ms * 8 <= DAY_MS else 7 * DAY_MS


@compiled
def _verdicts(surprise: Floats, warm_up: int) -> Floats:
    """Surprise times its rarity as a score; 0.5 is the limit."""
    n = len(surprise)
    score = np.zeros(n)
    counts = np.zeros(2 * _OCTAVES * _STEPS)
    last, loudest = -_QUIET_ROWS, 0.0
    for i in range(n):
        octave = np.log2(max(surprise[i], 2.0**-_OCTAVES)) + _OCTAVES
        step = min(int(octave * _STEPS), len(counts) - 1)
        if i >= warm_up:
            above = 0.5 * counts[step] + 0.5
            for k in range(step + 1, len(counts)):
                above += counts[k]
            weighed = max(-surprise[i] * np.log10(above / (i - warm_up + 2)), 0.0)
            score[i] = weighed / (weighed + _LIMIT)
            if weighed >= _LIMIT:
                if i - last < _QUIET_ROWS and weighed < _LOUDER * loudest:
                    score[i] = 0.5 * score[i]
                else:
                    last, loudest = i, weighed
            counts[step] += 1.0
    return score
