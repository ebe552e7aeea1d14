"""Rankings: lists from scores, what models say of a user's items as log ranks, and candidates as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from metrics.recommendation.log import Flags, Floats, Ints, Log, Split
from metrics.recommendation.measures import ndcg
from metrics.recommendation.models import Scorer, Scores

__all__ = [
    "UNRANKED",
    "USER_BLOCK",
    "Rows",
    "are_candidates",
    "candidates",
    "features",
    "ndcg_of_rows",
    "ranked",
    "top",
]

UNRANKED = ("newness",)
"""Models whose score is used as it is."""
USER_BLOCK = 128
_DEPTH, _OFFSET = 1_000, 10
_CANDIDATE_RANK = 80


def top(scorer: Scorer, known: Log, users: Ints, size: int) -> npt.NDArray[np.int32]:
    """[n, size] the best items that each of ``users`` has no row of in ``known``, best first, padded with -1.

    Of equal scores the item with more rows is better.
    """
    return ranked(scorer, known, users, size)[0]


def ranked(scorer: Scorer, known: Log, users: Ints, size: int) -> tuple[npt.NDArray[np.int32], Scores]:
    """:func:`top` with the scores of what is on the lists."""
    table = known.table()
    # Items are taken by popularity, so that a stable sort breaks ties by it.
    by_count = np.argsort(-np.bincount(known.item, minlength=known.items), kind="stable")
    lists = np.full((users.size, size), -1, np.int32)
    values = np.full((users.size, size), -np.inf, np.float32)
    kept = min(size, known.items)
    for start in range(0, users.size, USER_BLOCK):
        block = users[start : start + USER_BLOCK]
        scores = np.array(scorer(block), np.float32)
        scores[table[block].nonzero()] = -np.inf
        scores = scores[:, by_count]
        least = np.partition(scores, -kept, axis=1)[:, -kept]
        for i, row in enumerate(scores):
            best = np.flatnonzero(row >= least[i])
            best = best[np.argsort(-row[best], kind="stable")][:kept]
            best = best[np.isfinite(row[best])]
            lists[start + i, : best.size] = by_count[best]
            values[start + i, : best.size] = row[best]
    return lists, values


@dataclass(frozen=True)
class Rows:
    """Candidates of users, one a row: their features, and whether they were liked later."""

    group: Ints
    """Place of the user among those sampled; ascending."""
    item: Ints
    feature: Floats
    is_liked: Flags

    def where(self, keep: Flags) -> Rows:
        return Rows(self.group[keep], self.item[keep], self.feature[keep], self.is_liked[keep])


def candidates(scorers: Mapping[str, Scorer], split: Split, users: Ints) -> Rows:
    """What any model ranks high for each of ``users``, with what they liked later."""
    known = split.train.table()
    parts = []
    for start in range(0, users.size, USER_BLOCK):
        block = users[start : start + USER_BLOCK]
        values = features(scorers, known, block)
        group, item = np.nonzero(are_candidates(scorers, values))
        feature = np.stack([value[group, item] for value in values], axis=1).astype(np.float64)
        parts.append((group + start, item, feature, split.relevant(block)[group, item]))
    group, item, feature, liked = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Rows(group, item, feature, liked)


def features(scorers: Mapping[str, Scorer], known: sparse.csr_array, users: Ints) -> list[Scores]:
    """[n, items] a model: the log rank among what a user has no row of in ``known``, or the score as it is."""
    seen = known[users].nonzero()
    return [
        scorer(users) if name in UNRANKED else _log_ranks(np.array(scorer(users), np.float32), seen)
        for name, scorer in scorers.items()
    ]


def are_candidates(scorers: Mapping[str, Scorer], values: list[Scores]) -> Flags:
    """[n, items] whether any model ranks an item among the first eighty."""
    threshold = np.log((_DEPTH + _OFFSET) / (_CANDIDATE_RANK + _OFFSET))
    found = np.zeros(values[0].shape, bool)
    for name, value in zip(scorers, values, strict=True):
        if name not in UNRANKED:
            found |= value > threshold
    return found


def _log_ranks(scores: Scores, seen: tuple[Ints, Ints]) -> Scores:
    """[n, items] log((depth + offset) / (rank + offset)) among items not seen; 0 from the depth on."""
    scores[seen] = -np.inf
    found = np.zeros_like(scores)
    depth = min(_DEPTH, scores.shape[1])
    value = np.log((_DEPTH + _OFFSET) / (np.arange(depth) + _OFFSET)).astype(np.float32)
    least = np.partition(scores, -depth, axis=1)[:, -depth]
    for i, row in enumerate(scores):
        best = np.flatnonzero(row > least[i])  # what ties with the last place is beyond it, all alike
        found[i, best[np.argsort(-row[best], kind="stable")]] = value[: best.size]
    return found


def ndcg_of_rows(rows: Rows, score: Floats, relevant: Flags) -> Floats:
    """[users] nDCG@10 of the candidates in the order of ``score``; ``relevant`` is [users, items]."""
    order = np.lexsort((-score, rows.group))
    group = rows.group[order]
    place = np.arange(group.size) - np.searchsorted(group, group)
    lists = np.full((relevant.shape[0], 10), -1, np.int64)
    is_first = place < 10
    lists[group[is_first], place[is_first]] = rows.item[order][is_first]
    return ndcg(lists, relevant)
