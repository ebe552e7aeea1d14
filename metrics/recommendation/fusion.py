"""The best built-in model: rankings of several models fused by weights that are learned on an earlier split.

What one model ranks first and the next ranks third is worth more than either score says, since scores of different
models have different tails. So each model gives log((1010) / (rank + 10)), and the fused score is their weighted
sum. Weights maximise the likelihood of what users liked next, as a choice among the candidates (conditional logit,
McFadden 1974), on a temporal split of the log that is learned from; the models are then fitted again on all of it.
Penalties pull the weights to those of an even vote, which is what remains where little can be learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse

from metrics.recommendation import models
from metrics.recommendation.log import Flags, Floats, Ints, Log, Split, temporal_split
from metrics.recommendation.measures import ndcg
from metrics.recommendation.models import Scorer, Scores

__all__ = [
    "FUSED",
    "Fusion",
    "Tuned",
    "combined",
    "fuse",
    "fused",
    "learned_weights",
    "members",
    "ranked",
    "top",
]

FUSED = "fused"

_DEPTH, _OFFSET = 1_000, 10
_CANDIDATE_RANK = 80
_MOST_USERS = 1_000
_USER_BLOCK = 128
_PENALTY = 10.0
_FOLDS = 3
_EASE_PENALTIES = (50.0, 100.0, 200.0, 400.0, 800.0)
_ALS_CHOICES = ((32, 5.0, 2.0), (64, 20.0, 10.0))
_UNRANKED = ("newness",)


@dataclass(frozen=True)
class Tuned:
    """What was chosen on a temporal split of the log."""

    ease_penalty: float
    ease_all_penalty: float
    als: tuple[int, float, float]
    """Factors, penalty, alpha."""


@dataclass(frozen=True)
class Fusion:
    """Which models, by which weights; and how every model did on the split it was learned on."""

    tuned: Tuned
    weights: dict[str, float]
    validation_ndcg: dict[str, float]
    """By model; that of the fusion is by weights learned on other users."""

    @property
    def best(self) -> str:
        return max(self.validation_ndcg, key=lambda name: self.validation_ndcg[name])


def fuse(log: Log) -> Fusion:
    """Choose and weigh models for this log, on a temporal split of it."""
    split = temporal_split(log)
    users = _sample(split.users)
    tuned = tune(split, users)
    scorers = members(split.train, tuned)
    even = _even(scorers)
    if not users.size:
        return Fusion(tuned, dict(zip(scorers, even.tolist(), strict=True)), {FUSED: float("nan")})
    validation = {
        name: float(np.mean(ndcg(top(scorer, split.train, users, 10), split.relevant(users))))
        for name, scorer in scorers.items()
        if name not in _UNRANKED
    }
    rows = _candidates(scorers, split, users)
    weights = _weights(rows, even)
    crossed = np.zeros(rows.group.size)
    for fold in range(_FOLDS):
        is_held = rows.group % _FOLDS == fold
        crossed[is_held] = rows.feature[is_held] @ _weights(rows.where(~is_held), even)
    validation[FUSED] = float(np.mean(_ndcg_of_rows(rows, crossed, split.relevant(users))))
    return Fusion(tuned, dict(zip(scorers, weights.tolist(), strict=True)), validation)


def fused(log: Log, fusion: Fusion) -> Scorer:
    """The fusion's models fitted on all of the log, as one."""
    return combined(members(log, fusion.tuned), np.array(list(fusion.weights.values())), log)


def combined(scorers: Mapping[str, Scorer], weights: Floats, known: Log) -> Scorer:
    """The weighted sum of the models' rankings of what each user has no row of in ``known``."""
    table = known.table()

    def scores(users: Ints) -> Scores:
        total = np.zeros((users.size, known.items), np.float32)
        for weight, feature in zip(weights, _features(scorers, table, users), strict=True):
            total += np.float32(weight) * feature
        return total

    return scores


def learned_weights(scorers: Mapping[str, Scorer], split: Split) -> Floats:
    """A weight a model, by what the split's users liked later; an even vote where nobody liked anything."""
    users, even = _sample(split.users), _even(scorers)
    return _weights(_candidates(scorers, split, users), even) if users.size else even


def _sample(users: Ints) -> Ints:
    if users.size <= _MOST_USERS:
        return users
    return users[np.linspace(0, users.size - 1, _MOST_USERS).astype(np.int64)]


def _even(scorers: Mapping[str, Scorer]) -> Floats:
    is_ranked = np.array([name not in _UNRANKED for name in scorers], float)
    return np.asarray(is_ranked / is_ranked.sum())


def members(log: Log, tuned: Tuned) -> dict[str, Scorer]:
    """The models that are fused."""
    liked = log.positives
    positives, everything = liked.table(), log.table()
    recent = models.recent(log, 20.0)
    of_liked = models.ease(positives, tuned.ease_penalty)
    of_all = models.ease(everything, tuned.ease_all_penalty)
    factors, penalty, alpha = tuned.als
    return {
        "popularity": models.popularity(liked),
        "popularity_all": models.popularity(log),
        "trend": models.trend(liked, 0.03),
        "trend_slow": models.trend(liked, 0.1),
        "newness": models.newness(log, 0.05),
        "item_knn": models.item_knn(liked),
        "ease": lambda users: of_liked(positives[users]),
        "ease_all": lambda users: of_all(positives[users]),
        "ease_all_recent": lambda users: of_all(recent[users]),
        "als": models.als(liked, factors=factors, penalty=penalty, alpha=alpha),
        "successors": models.successors(liked, window=20, half_life=10.0),
        "successors_all": models.successors(log, window=10, half_life=2.0),
        "neighbours_all": models.successors(log, window=10, half_life=5.0, mutual=True),
    }


def tune(split: Split, users: Ints) -> Tuned:
    """The penalties and sizes with the highest nDCG@10 on the split; middle ones where it foretells nothing."""
    if not users.size:
        return Tuned(200.0, 400.0, _ALS_CHOICES[0])
    liked, relevant = split.train.positives, split.relevant(users)
    positives, everything = liked.table(), split.train.table()

    def score(scorer: Scorer) -> float:
        return float(np.mean(ndcg(top(scorer, split.train, users, 10), relevant)))

    def of(learned: sparse.csr_array) -> Callable[[float], float]:
        def at(penalty: float) -> float:
            model = models.ease(learned, penalty)
            return score(lambda chosen: model(positives[chosen]))

        return at

    return Tuned(
        max(_EASE_PENALTIES, key=of(positives)),
        max([2 * penalty for penalty in _EASE_PENALTIES], key=of(everything)),
        max(_ALS_CHOICES, key=lambda c: score(models.als(liked, factors=c[0], penalty=c[1], alpha=c[2]))),
    )


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
    for start in range(0, users.size, _USER_BLOCK):
        block = users[start : start + _USER_BLOCK]
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
class _Rows:
    """Candidates of users, one a row: their features, and whether they were liked later."""

    group: Ints
    """Place of the user among those sampled; ascending."""
    item: Ints
    feature: Floats
    is_liked: Flags

    def where(self, keep: Flags) -> _Rows:
        return _Rows(self.group[keep], self.item[keep], self.feature[keep], self.is_liked[keep])


def _candidates(scorers: Mapping[str, Scorer], split: Split, users: Ints) -> _Rows:
    known = split.train.table()
    threshold = np.log((_DEPTH + _OFFSET) / (_CANDIDATE_RANK + _OFFSET))
    ranked_at = [place for place, name in enumerate(scorers) if name not in _UNRANKED]
    parts = []
    for start in range(0, users.size, _USER_BLOCK):
        block = users[start : start + _USER_BLOCK]
        features = _features(scorers, known, block)
        is_candidate = np.zeros(features[0].shape, bool)
        for place in ranked_at:
            is_candidate |= features[place] > threshold
        group, item = np.nonzero(is_candidate)
        values = np.stack([feature[group, item] for feature in features], axis=1).astype(np.float64)
        parts.append((group + start, item, values, split.relevant(block)[group, item]))
    group, item, values, liked = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Rows(group, item, values, liked)


def _features(scorers: Mapping[str, Scorer], known: sparse.csr_array, users: Ints) -> list[Scores]:
    seen = known[users].nonzero()
    return [
        scorer(users) if name in _UNRANKED else _log_ranks(np.array(scorer(users), np.float32), seen)
        for name, scorer in scorers.items()
    ]


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


def _weights(rows: _Rows, even: Floats) -> Floats:
    """Maximum of the penalised likelihood; a user counts as the square root of what they liked."""
    _, group = np.unique(rows.group, return_inverse=True)
    groups = int(group.max(initial=-1)) + 1
    if not groups:
        return even
    begin = np.searchsorted(group, np.arange(groups))
    liked = np.bincount(group, rows.is_liked, groups)
    share = 1.0 / np.sqrt(np.maximum(liked, 1.0))

    def loss(weights: Floats) -> tuple[float, Floats]:
        score = rows.feature @ weights
        score -= np.maximum.reduceat(score, begin)[group]
        chance = np.exp(score)
        total = np.add.reduceat(chance, begin)
        chance *= (liked * share / total)[group]
        apart = weights - even
        gained = share[group] * rows.is_liked
        value = float(gained @ score - (liked * share) @ np.log(total) - _PENALTY * apart @ apart)
        slope = rows.feature.T @ (gained - chance) - 2.0 * _PENALTY * apart
        return -value, -slope

    return np.asarray(optimize.minimize(loss, even, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x)


def _ndcg_of_rows(rows: _Rows, score: Floats, relevant: Flags) -> Floats:
    order = np.lexsort((-score, rows.group))
    group = rows.group[order]
    place = np.arange(group.size) - np.searchsorted(group, group)
    lists = np.full((relevant.shape[0], 10), -1, np.int64)
    is_first = place < 10
    lists[group[is_first], place[is_first]] = rows.item[order][is_first]
    return ndcg(lists, relevant)
