"""How long it takes to look at a title: a glance as it goes by, and for some of them the page that tells of it."""

from __future__ import annotations

from synthetic import random as draws
from synthetic.browse_arrays import Habits
from synthetic.jit import inlined
from synthetic.random import Stream
from synthetic.wishes import lognormal

__all__ = ["detail_ms", "glance_ms", "is_in_detail"]


@inlined
def glance_ms(seed: int, key: int, place: int, habits: Habits) -> float:
    """A title considered as it goes by."""
    return lognormal(seed, key, place, Stream.BROWSE_DWELL, habits.glance_median_ms, habits.dwell_log_sd)


@inlined
def is_in_detail(seed: int, key: int, place: int, habits: Habits) -> bool:
    """Whether a title that goes by is looked at in detail, too."""
    return draws.uniform(seed, key, place, Stream.BROWSE_DETAIL) < habits.detail_ratio


@inlined
def detail_ms(seed: int, key: int, place: int, habits: Habits) -> float:
    """What that takes."""
    return lognormal(
        seed, key, place, Stream.BROWSE_DETAIL_TIME, habits.detail_median_ms, habits.dwell_log_sd
    )
