"""Calibrated re-ranking: lists whose genres are in the proportions that a user is known to want.

Greedy maximisation of (1 − strength) · Σ score − strength · divergence (Steck, Calibrated Recommendations, 2018,
eq. 7), where the divergence is :func:`~metrics.recommendation.measures.calibration_divergence`. The objective is
submodular, so that a greedy list is within 1 − 1/e of the best. All users are taken one place at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metrics.recommendation.measures import BLEND

__all__ = ["calibrated"]

Floats = npt.NDArray[np.float64]
Lists = npt.NDArray[np.integer]

_BLOCK_CELLS = 4_000_000


def calibrated(
    candidates: Lists,
    scores: Floats,
    wanted: Floats,
    genres: Floats,
    *,
    strength: float,
    size: int,
    by_score: bool = True,
) -> npt.NDArray[np.int32]:
    """[users, size] the calibrated lists, padded with -1.

    ``candidates`` [users, m] are items by falling score, padded with -1, and ``scores`` theirs, of any scale:
    each user's are brought to mean 0 and variance 1. ``wanted`` [users, genres] and ``genres`` [items, genres] are
    shares. ``strength`` runs from 0 (by score) to 1 (by genres alone). With 0, or where a user's genres are
    unknown, the first ``size`` candidates come back.

    A list's divergence is that of its items in any order: ``by_score`` they stand in the order of the candidates,
    which costs the least accuracy; otherwise in the order they were chosen, so that every beginning is calibrated.
    """
    users, m = candidates.shape
    rows = max(1, _BLOCK_CELLS // max(1, m * _most_genres(genres)))
    lists = np.full((users, size), -1, np.int32)
    for start in range(0, users, rows):
        block = slice(start, start + rows)
        lists[block] = _greedy(
            candidates[block], scores[block], wanted[block], genres, strength, size, by_score
        )
    return lists


def _greedy(
    candidates: Lists,
    scores: Floats,
    wanted: Floats,
    genres: Floats,
    strength: float,
    size: int,
    by_score: bool,
) -> npt.NDArray[np.int32]:
    users, m = candidates.shape
    every = np.arange(users)
    is_there = candidates >= 0
    relevance = (1.0 - strength) * _standard(scores, is_there)
    which = np.argsort(-genres, axis=1, kind="stable")[:, : _most_genres(genres)]
    which = which[np.maximum(candidates, 0)]  # [users, m, genres of one item]
    weight = np.take_along_axis(genres[np.maximum(candidates, 0)], which, axis=2)
    want = wanted[every[:, None, None], which]
    listed = np.zeros_like(wanted)
    open_ = is_there.copy()
    chosen_at = np.full((users, size), m)  # m: none
    for place in range(min(size, m)):
        # What adding an item does to Σ p log q differs between items only in the item's own genres; dividing by the
        # list's new length is the same for all of them.
        blend = BLEND * want * (place + 1)
        before = (1.0 - BLEND) * listed[every[:, None, None], which] + blend
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(want > 0, want * np.log1p((1.0 - BLEND) * weight / before), 0.0).sum(axis=2)
        value = np.where(open_, relevance + strength * gain, -np.inf)
        best = value.argmax(axis=1)
        is_filled = open_[every, best]
        chosen_at[:, place] = np.where(is_filled, best, m)
        listed += np.where(is_filled[:, None], genres[candidates[every, best]], 0.0)
        open_[every, best] = False
    if by_score:
        chosen_at.sort(axis=1)
    padded = np.concatenate([candidates, np.full((users, 1), -1)], axis=1)
    return np.take_along_axis(padded, chosen_at, axis=1).astype(np.int32)


def _standard(scores: Floats, is_there: npt.NDArray[np.bool_]) -> Floats:
    n = np.maximum(is_there.sum(axis=1, keepdims=True), 1)
    values = np.where(is_there, scores, 0.0)
    mean = values.sum(axis=1, keepdims=True) / n
    spread = np.sqrt((np.where(is_there, values - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / n)
    standard: Floats = (values - mean) / np.where(spread > 0, spread, 1.0)
    return standard


def _most_genres(genres: Floats) -> int:
    return max(1, int((genres > 0).sum(axis=1).max(initial=0)))
