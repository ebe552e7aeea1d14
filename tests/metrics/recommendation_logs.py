"""Ratings whose structure is known: planted truth for recommenders."""

from __future__ import annotations

import numpy as np

from metrics.recommendation.log import Log

__all__ = ["clusters", "log_of", "sequences", "tastes"]


def log_of(rows: list[tuple[int, int, float, bool]], users: int, items: int) -> Log:
    """A log of (user, item, time, is_positive)."""
    user, item, time, positive = zip(*sorted(rows, key=lambda row: (row[0], row[2])), strict=True)
    return Log(np.array(user), np.array(item), np.array(time, float), np.array(positive), users, items)


def clusters(*, users: int = 150, groups: int = 5, of_each: int = 30, seed: int = 0) -> Log:
    """Each user likes items of one group, whichever, in any order."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        liked = draw.choice(of_each, 15, replace=False) + of_each * (user % groups)
        rows += [(user, int(item), float(place), True) for place, item in enumerate(liked)]
    return log_of(rows, users, groups * of_each)


def sequences(*, users: int = 150, items: int = 120, seed: int = 0) -> Log:
    """Each user goes along the same circle of items, from anywhere, leaving one out now and then."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        steps = np.cumsum(1 + (draw.random(20) < 0.2)) + draw.integers(items)
        rows += [(user, int(item % items), float(place), True) for place, item in enumerate(steps)]
    return log_of(rows, users, items)


def tastes(*, users: int = 150, items: int = 300, seed: int = 0) -> Log:
    """Each user likes, in any order, what fits a taste of eight numbers and is popular: no groups and no order."""
    draw = np.random.default_rng(seed)
    taste, kind = draw.standard_normal((users, 8)), draw.standard_normal((items, 8))
    appeal = draw.standard_normal(items) + 0.45 * taste @ kind.T + draw.gumbel(size=(users, items))
    rows = []
    for user in range(users):
        liked = draw.permutation(np.argsort(-appeal[user])[: draw.integers(10, 40)])
        rows += [(user, int(item), float(place), True) for place, item in enumerate(liked)]
    return log_of(rows, users, items)
