"""How popular titles are: shares of recent plays by region, and what a genre is to members of one kind.

Both are shrunk toward the whole, the more the less has been seen (gamma-Poisson).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.play_log import PlayLog

__all__ = ["cohort_lift", "log_popularity"]

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer]

_TITLE_SHAPE = 0.5  # a title of which nothing is known is taken for a typical one, loosely
_COHORT_PRIOR_PLAYS = 200.0


def log_popularity(
    log: PlayLog, catalogue: Catalogue, region: IntArray, regions: int, today: int, *,
    half_life_days: float, prior_plays: float, horizon_days: int,
) -> Float32Array:  # fmt: skip
    """[regions, count] log of each title's share of recent plays, the region's own shrunk to the world's."""
    count = catalogue.count
    weight = np.exp2((log.day - today) / half_life_days)
    cell = np.asarray(region)[log.member].astype(np.int64) * count + log.title
    own = np.bincount(cell, weights=weight, minlength=regions * count).reshape(regions, count)
    # A title could be played since its release only: plays count for the share of (weighted) days it was there.
    first = int(log.day.min()) if log.count else today
    there = np.concatenate([[0.0], np.cumsum(np.exp2(-np.arange(1, today - first + 1) / half_life_days))])
    since = np.clip(today - catalogue.release_day, 0, today - first)
    available = there[since] / max(there[-1], 1e-9)
    typical = max(own.sum() / max(available.sum(), 1.0), 1e-9)
    world = (own.sum(axis=0) + _TITLE_SHAPE) / (available + _TITLE_SHAPE / typical)
    world_share = world / world.sum()
    # Gamma-Poisson: a region's taste for a title over the world's, shrunk to 1 when few plays are expected.
    expected = world_share[None, :] * own.sum(axis=1, keepdims=True)
    share = world_share * (own + prior_plays) / (expected + prior_plays)
    share /= share.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        is_ranked = catalogue.is_released(today + horizon_days)
        return np.where(is_ranked[None, :], np.log(share), -np.inf).astype(np.float32)


def cohort_lift(log: PlayLog, catalogue: Catalogue, cohort: IntArray, cohorts: int) -> Float32Array:
    """[cohorts, genres] log of how much oftener members of a kind play a main genre than everyone does."""
    genres = len(catalogue.genres)
    cell = np.asarray(cohort)[log.member].astype(np.int64) * genres + catalogue.genre[log.title, 0]
    own = np.bincount(cell, minlength=cohorts * genres).reshape(cohorts, genres).astype(np.float64)
    share = (own.sum(axis=0) + 1.0) / (own.sum() + genres)
    expected = own.sum(axis=1, keepdims=True) * share[None, :]
    lift = (own + _COHORT_PRIOR_PLAYS * share) / (expected + _COHORT_PRIOR_PLAYS * share)
    return np.asarray(np.log(lift).astype(np.float32))
