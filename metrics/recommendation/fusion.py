"""The best built-in models: rankings of several models, put together by what is learned on an earlier split.

What one model ranks first and the next ranks third is worth more than either score says, since scores of different
models have different tails. So each model gives log(1010 / (rank + 10)), up to rank 1,000.

*Fused* is the weighted sum. Weights maximise the likelihood of what users liked next, as a choice among the
candidates (conditional logit, McFadden 1974). A penalty pulls them to a vote in which EASE and its kin outweigh what
only counts, which is what remains where little can be learned. *Boosted* adds gradient-boosted trees on the same log
ranks, for what a sum cannot say: two models that agree, one that is right for what is new.

Both are learned on a temporal split of the log; the models are then fitted again on all of it. Which of all is best
is told by nDCG on that split, where a user's weights and trees are learned on other users: *fused*, unless another does
better by more than the standard error of the difference. The highest of a dozen figures from a few hundred users is
mostly luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import optimize, sparse
from threadpoolctl import threadpool_limits

from metrics.recommendation import models
from metrics.recommendation.log import Floats, Ints, Log, Split, sampled, temporal_split
from metrics.recommendation.measures import ndcg
from metrics.recommendation.models import Scorer, Scores
from metrics.recommendation.ranking import (
    UNRANKED,
    Rows,
    are_candidates,
    candidates,
    features,
    ndcg_of_rows,
    top,
)

__all__ = ["BOOSTED", "FUSED", "Fusion", "Tuned", "combined", "fitted", "fuse", "learned_weights"]

FUSED, BOOSTED = "fused", "boosted"

_VOTES = {
    "ease": 3.0, "ease_all": 2.0, "als": 1.5, "item_knn": 1.0, "successors": 0.5, "trend_slow": 0.5, "trend": 0.25,
    "popularity": 0.25, "cohort": 1.0, "genres": 0.5,
}  # fmt: skip
"""What each model's vote weighs before anything is learned; those not named have none."""
_MOST_USERS = 1_000
_PENALTY = 10.0
_FOLDS = 3
_EASE_PENALTIES = (50.0, 100.0, 200.0, 400.0, 800.0)
_ALS_CHOICES = ((32, 5.0, 2.0), (64, 20.0, 10.0))
_LEAST_LIKED, _REFUSED_SHARE = 200, 0.3


@dataclass(frozen=True)
class Tuned:
    """What was chosen on a temporal split of the log."""

    ease_penalty: float
    ease_all_penalty: float
    als: tuple[int, float, float]
    """Factors, penalty, alpha."""


@dataclass(frozen=True)
class Fusion:
    """Which models, by which weights and trees; and how every model did on the split they were learned on."""

    tuned: Tuned
    weights: dict[str, float]
    trees: Any = field(compare=False)
    """Of scikit-learn; None where too little was liked to grow any."""
    validation_ndcg: dict[str, float]
    """By model; that of the two fusions is by what was learned on other users."""
    best: str


def fuse(log: Log) -> Fusion:
    """Choose and weigh models for this log, on a temporal split of it."""
    split = temporal_split(log)
    users = sampled(split.users, _MOST_USERS)
    tuned = _tuned(split, users)
    scorers = _members(split.train, tuned)
    votes = _votes(scorers)
    if not users.size:
        unlearned = dict(zip(scorers, votes.tolist(), strict=True))
        return Fusion(tuned, unlearned, None, {FUSED: float("nan")}, FUSED)
    relevant = split.relevant(users)
    validation = {
        name: ndcg(top(scorer, split.train, users, 10), relevant)
        for name, scorer in scorers.items()
        if name not in UNRANKED
    }
    rows = candidates(scorers, split, users)
    weights, trees = _weights(rows, votes), _trees(rows)
    summed, grown = np.zeros(rows.group.size), np.zeros(rows.group.size)
    for fold in range(_FOLDS):
        is_held = rows.group % _FOLDS == fold
        summed[is_held] = rows.feature[is_held] @ _weights(rows.where(~is_held), votes)
        others = _trees(rows.where(~is_held)) if trees is not None else None
        if others is not None:
            grown[is_held] = others.decision_function(rows.feature[is_held])
    validation[FUSED] = ndcg_of_rows(rows, summed, relevant)
    if trees is not None:
        validation[BOOSTED] = ndcg_of_rows(rows, summed + grown, relevant)
    means = {name: float(np.mean(values)) for name, values in validation.items()}
    learned = dict(zip(scorers, weights.tolist(), strict=True))
    return Fusion(tuned, learned, trees, means, _best(validation))


def fitted(log: Log, fusion: Fusion) -> dict[str, Scorer]:
    """All models fitted on all of the log, the fusions among them."""
    scorers = _members(log, fusion.tuned)
    weights = np.array(list(fusion.weights.values()))
    found = {**scorers, FUSED: combined(scorers, weights, log)}
    return (
        found if fusion.trees is None else {**found, BOOSTED: combined(scorers, weights, log, fusion.trees)}
    )


def combined(scorers: Mapping[str, Scorer], weights: Floats, known: Log, trees: Any = None) -> Scorer:
    """The weighted sum of the models' log ranks of what each user has no row of in ``known``, and the trees' score.

    Trees judge candidates; all else gets the least they give to any.
    """
    table = known.table()

    def scores(users: Ints) -> Scores:
        values = features(scorers, table, users)
        total = np.zeros((users.size, known.items), np.float32)
        for weight, value in zip(weights, values, strict=True):
            total += np.float32(weight) * value
        if trees is not None:
            row, item = np.nonzero(are_candidates(scorers, values))
            if row.size:
                grown = trees.decision_function(
                    np.stack([v[row, item] for v in values], axis=1).astype(np.float64)
                )
                extra = np.full(total.shape, grown.min(), np.float32)
                extra[row, item] = grown
                total += extra
        return total

    return scores


def learned_weights(scorers: Mapping[str, Scorer], split: Split) -> Floats:
    """A weight a model, by what the split's users liked later; the votes' where nobody liked anything."""
    users, votes = sampled(split.users, _MOST_USERS), _votes(scorers)
    return _weights(candidates(scorers, split, users), votes) if users.size else votes


def _best(validation: Mapping[str, Floats]) -> str:
    """By nDCG of each user; *fused*, unless another's lead on it is more than its standard error."""
    name = max(validation, key=lambda name: validation[name].mean())
    lead = validation[name] - validation[FUSED]
    return name if lead.size > 1 and lead.mean() > lead.std(ddof=1) / np.sqrt(lead.size) else FUSED


def _votes(scorers: Mapping[str, Scorer]) -> Floats:
    votes = np.array([_VOTES.get(name, 0.0) for name in scorers])
    return np.asarray(votes / votes.sum())


def _members(log: Log, tuned: Tuned) -> dict[str, Scorer]:
    """The models that are put together."""
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


def _tuned(split: Split, users: Ints) -> Tuned:
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


def _weights(rows: Rows, votes: Floats) -> Floats:
    """Maximum of the penalised likelihood; a user counts as the square root of what they liked."""
    _, group = np.unique(rows.group, return_inverse=True)
    groups = int(group.max(initial=-1)) + 1
    if not groups:
        return votes
    begin = np.searchsorted(group, np.arange(groups))
    liked = np.bincount(group, rows.is_liked, groups)
    share = 1.0 / np.sqrt(np.maximum(liked, 1.0))

    def loss(weights: Floats) -> tuple[float, Floats]:
        score = rows.feature @ weights
        score -= np.maximum.reduceat(score, begin)[group]
        chance = np.exp(score)
        total = np.add.reduceat(chance, begin)
        chance *= (liked * share / total)[group]
        apart = weights - votes
        gained = share[group] * rows.is_liked
        value = float(gained @ score - (liked * share) @ np.log(total) - _PENALTY * apart @ apart)
        slope = rows.feature.T @ (gained - chance) - 2.0 * _PENALTY * apart
        return -value, -slope

    return np.asarray(optimize.minimize(loss, votes, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x)


def _trees(rows: Rows) -> Any:
    """Trees that tell what was liked among the candidates; of what was not, a sample is enough."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if rows.is_liked.sum() < _LEAST_LIKED:
        return None
    draw = np.random.Generator(np.random.Philox(42))
    kept = rows.where(rows.is_liked | (draw.random(rows.group.size) < _REFUSED_SHARE))
    if kept.is_liked.all():
        return None
    liked = np.bincount(kept.group, kept.is_liked)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=60, max_leaf_nodes=6, min_samples_leaf=100, l2_regularization=10.0,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    with threadpool_limits(limits=1):  # its threads came with the import
        return trees.fit(kept.feature, kept.is_liked, 1.0 / np.sqrt(np.maximum(liked, 1.0))[kept.group])
