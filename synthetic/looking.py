"""How long it takes to look at a title: a glance as it goes by, and for some of them the page that tells of it.

All that chance has in a look comes out of one draw, cut into pieces: this is what a visit does most.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.browse_arrays import Habits
from synthetic.jit import compiled, inlined
from synthetic.random import Stream

__all__ = ["DWELLS", "detail_ms", "details_ms", "dwells", "glance_ms", "is_in_detail", "leaves_row", "look"]

FloatArray = npt.NDArray[np.float64]

DWELLS = 1024
"""Times that a look may take: as many quantiles of their distribution, a thousandth apart."""

_LOW = np.uint64(DWELLS - 1)
_DETAIL_TIME, _DETAIL, _ROW = np.uint64(10), np.uint64(20), np.uint64(42)
_FINE = np.uint64((1 << 22) - 1)
_ULP = 2.0**-22


@inlined
def look(seed: int, key: int, place: int) -> np.uint64:
    """The draw of the look at a place of the page, or of the results."""
    return draws.hash4(seed, key, place, Stream.BROWSE_LOOK)


@inlined
def glance_ms(look: np.uint64, habits: Habits) -> float:
    """A title considered as it goes by."""
    return float(habits.glance_median_ms * habits.dwell[look & _LOW])


@inlined
def is_in_detail(look: np.uint64, habits: Habits) -> bool:
    """Whether a title that goes by is looked at in detail, too."""
    return float((look >> _DETAIL) & _FINE) * _ULP < habits.detail_ratio


@inlined
def detail_ms(look: np.uint64, habits: Habits) -> float:
    """What that takes."""
    return float(habits.detail_median_ms * habits.dwell[(look >> _DETAIL_TIME) & _LOW])


@inlined
def leaves_row(look: np.uint64, next_row_ratio: float) -> bool:
    """Whether the next title looked at is one of the next row."""
    return float(look >> _ROW) * _ULP < next_row_ratio


@compiled()
def dwells(log_sd: float) -> FloatArray:
    """[DWELLS] quantiles of a time of median 1 and that sd of its logarithm, in the middle of each thousandth."""
    return np.array([draws.exp(log_sd * draws.normal_quantile((k + 0.5) / DWELLS)) for k in range(DWELLS)])


def details_ms(
    seed: int, key: npt.NDArray[np.int64], place: npt.NDArray[np.int64], median_ms: float, log_sd: float
) -> FloatArray:
    """[n] what looking in detail takes at each place [n] of each visit's page [n]."""
    drawn = draws.hashes(seed, key, place, Stream.BROWSE_LOOK)
    return np.asarray(median_ms * dwells(log_sd)[((drawn >> _DETAIL_TIME) & _LOW).astype(np.int64)])
