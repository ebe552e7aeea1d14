"""What a new member is shown: a fusion of what is popular, what is rising, and what those like who share a pick.

Tried on members of whom nearly everything is hidden. They are taken in folds; a fold's members are known by a
few picks only, everything is learned from the training rows of the others, and the weights from another fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from metrics.recommendation import models
from metrics.recommendation.fusion import combined, learned_weights
from metrics.recommendation.log import Flags, Floats, Ints, Log, Split, sampled
from metrics.recommendation.measures import ndcg
from metrics.recommendation.models import Scorer, Scores
from metrics.recommendation.ranking import top

__all__ = ["ColdStart", "cold_start"]

PICKS = 3
"""A new member is known by this many likings."""
PANEL = 40
"""Titles on the page that asks for picks."""
_FOLDS = 4
_GENRE_PLACES = 8  # on that page, at most, for titles of one main genre
_MOST_USERS = 2_500  # of a fold
_PRIOR = 30.0  # a cohort's or genre's own shares weigh as much as everybody's at this many likings
_GENRE_PRIOR = 3.0


@dataclass(frozen=True)
class ColdStart:
    """nDCG@10 of new members, by user: what they liked besides their picks, foretold from the picks."""

    group: str
    picks: float
    """Mean number of picks."""
    popularity: Floats
    recommended: Floats


def cold_start(split: Split, genres: Floats | None) -> list[ColdStart]:
    """New members known by their first likings, and by their picks from a page that asks.

    ``genres`` [items, genres] are shares, used where they are given.
    """
    return [
        _tried("first likings", split, {f: _first_likings(split.train, f) for f in range(_FOLDS)}, genres),
        _tried(
            "onboarding picks", split, {f: _onboarding(split.train, f, genres) for f in range(_FOLDS)}, genres
        ),
    ]


def _tried(group: str, split: Split, logs: Mapping[int, Log], genres: Floats | None) -> ColdStart:
    """Each fold's members by models of the others and weights of another fold's members."""
    liked = split.train.positives.table()
    models_of = {fold: members(log, genres) for fold, log in logs.items()}
    weights = {
        fold: learned_weights(models_of[fold], _hidden(log, liked, fold)) for fold, log in logs.items()
    }  # from training rows alone
    popular, recommended, picks = [], [], []
    for fold, log in logs.items():
        hidden = _hidden(log, (liked + split.liked_later).tocsr(), fold)
        users = sampled(hidden.users, _MOST_USERS)
        relevant = hidden.relevant(users)
        scorer = combined(models_of[fold], weights[(fold + 1) % _FOLDS], log)
        popular.append(ndcg(top(models_of[fold]["popularity"], log, users, 10), relevant))
        recommended.append(ndcg(top(scorer, log, users, 10), relevant))
        picks.append(np.bincount(log.user, minlength=log.users)[users])
    mean = float(np.concatenate(picks).mean()) if picks else 0.0
    return ColdStart(group, mean, np.concatenate(popular), np.concatenate(recommended))


def members(log: Log, genres: Floats | None) -> dict[str, Scorer]:
    """The models that are fused for those of whom little is known."""
    liked = log.positives
    found = {
        "popularity": models.popularity(liked),
        "trend": models.trend(liked, 0.03),
        "trend_slow": models.trend(liked, 0.1),
        "newness": models.newness(log, 0.05),
        "cohort": cohort(liked),
    }
    return found if genres is None else {**found, "genres": genre_popularity(liked, genres)}


def cohort(log: Log) -> Scorer:
    """Popularity among those who share a liking, shrunk to everybody's: the mean over a user's items."""
    table = log.table()
    count = np.bincount(log.item, minlength=log.items).astype(float)
    share = count / max(1.0, count.sum())
    weight = 1.0 / (count + _PRIOR)

    def scores(users: Ints) -> Scores:
        picks = table[users]
        alike = ((picks * weight[None, :]).tocsr() @ table.T).tocsr() @ table
        rest = (picks @ weight) * _PRIOR * max(1.0, count.mean())
        return np.asarray(alike.toarray() + np.maximum(rest, 1e-9)[:, None] * share[None, :], np.float32)

    return scores


def genre_popularity(log: Log, genres: Floats) -> Scorer:
    """Popularity times how much more a user's items are of an item's genres than everybody's are, shrunk to 1."""
    table = log.table()
    count = np.bincount(log.item, minlength=log.items).astype(float)
    usual = count @ genres
    usual = usual / max(1e-9, usual.sum())

    def scores(users: Ints) -> Scores:
        own = np.asarray(table[users] @ genres)
        expected = own.sum(axis=1, keepdims=True) * usual[None, :]
        lift = (own + _GENRE_PRIOR * usual[None, :]) / np.maximum(
            expected + _GENRE_PRIOR * usual[None, :], 1e-9
        )
        unknown = (genres.sum(axis=1) == 0).astype(float)
        return np.asarray((lift @ genres.T + unknown[None, :]) * count[None, :], np.float32)

    return scores


def _hidden(log: Log, liked: sparse.csr_array, fold: int) -> Split:
    """What the fold's members liked and the log does not show."""
    later = liked.copy()
    later.data = (~np.isin(_cells(later), _cells(log.table()))).astype(float)
    later.data[np.repeat(np.arange(log.users) % _FOLDS != fold, np.diff(later.indptr))] = 0.0
    later.eliminate_zeros()
    return Split(log, later)


def _cells(table: sparse.csr_array) -> Ints:
    rows = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    return np.asarray(rows * table.shape[1] + table.indices, np.int64)


def _first_likings(train: Log, fold: int) -> Log:
    is_new = train.user % _FOLDS == fold
    return train.where(~is_new | (train.is_positive & (_place(train, train.is_positive) <= PICKS)))


def _onboarding(train: Log, fold: int, genres: Floats | None) -> Log:
    """The fold's members pick from a page of popular titles, few of one genre, when they come."""
    is_new = train.user % _FOLDS == fold
    known = train.where(~is_new & train.is_positive)
    count = np.bincount(known.item, minlength=train.items)
    page: list[int] = []
    taken: dict[int, int] = {}
    for item in np.argsort(-count, kind="stable").tolist():
        main = int(genres[item].argmax()) if genres is not None and genres[item].any() else -1
        if main < 0 or taken.get(main, 0) < _GENRE_PLACES:
            page.append(item)
            taken[main] = taken.get(main, 0) + 1
        if len(page) == PANEL:
            break
    could = train.is_positive & np.isin(train.item, page)
    log = train.where(~is_new | (could & (_place(train, could) <= PICKS)))
    came = np.full(train.users, np.inf)
    np.minimum.at(came, train.user, train.time)
    return replace(log, time=np.where(log.user % _FOLDS == fold, came[log.user], log.time))


def _place(log: Log, counted: Flags) -> Ints:
    """[rows] how many counted rows of the same user there are up to and including each."""
    so_far = np.cumsum(counted)
    before = np.concatenate([[0], so_far])[np.searchsorted(log.user, log.user, side="left")]
    return np.asarray(so_far - before, np.int64)
