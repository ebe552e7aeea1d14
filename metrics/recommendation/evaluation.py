"""Built-in models judged on what users liked later, and lists for everybody from the best of them.

Models, weights and penalties are chosen on a split inside the training part. The part to foretell is looked at
once, when everything is chosen; the strength of calibration needs no look at it at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from metrics.intervals import CONFIDENCE
from metrics.recommendation.calibrated import calibrated
from metrics.recommendation.cold_start import ColdStart, cold_start
from metrics.recommendation.fusion import BOOSTED, FUSED, Fusion, fitted, fuse
from metrics.recommendation.log import Flags, Floats, Log, sampled, temporal_split
from metrics.recommendation.measures import (
    calibration_divergence,
    coverage,
    effective_catalogue_size,
    genre_shares,
    intra_list_diversity,
    ndcg,
    recall,
)
from metrics.recommendation.models import Scores
from metrics.recommendation.ranking import ranked, top

__all__ = ["Calibration", "Evaluation", "Figure", "Judged", "evaluate", "recommended"]

CALIBRATED = "calibrated"
SHOWN = ("popularity", "item_knn", "ease", "als", FUSED, BOOSTED)
RECALL_AT = 20
MOST_USERS = 10_000
"""Figures are of this many users, evenly from first to last, where there are more."""
_RESAMPLES = 2_000
_CANDIDATES = 100
_DIVERGENCE_KEPT = 0.47
_STRENGTHS = np.round(np.arange(0.0, 1.0, 0.01), 2)


@dataclass(frozen=True)
class Figure:
    """A mean over users with its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """A model's figures on the part to foretell; genres' are None without a catalogue."""

    model: str
    ndcg: Figure
    recall: Figure
    effective_catalogue_size: float
    coverage: float
    intra_list_diversity: float | None
    calibration_divergence: float | None


@dataclass(frozen=True)
class Calibration:
    """What re-ranking the best model's lists to a user's genres does to them."""

    strength: float
    divergence_ratio: float
    """Divergence after over before."""
    ndcg_change: Figure
    """Relative."""


@dataclass(frozen=True)
class Evaluation:
    """All that was found out; ``best`` is what was chosen before the part to foretell was looked at."""

    best: str
    models: list[Judged]
    over_ease: Figure
    over_popularity: Figure
    """Relative gain of ``best`` in nDCG."""
    calibration: Calibration | None
    cold_start: list[tuple[ColdStart, Figure]]
    """Each group with its relative gain over popularity."""
    fusion: Fusion
    train_positives: int
    test_positives: int
    test_users: int


def evaluate(
    log: Log,
    genres: Floats | None = None,
    *,
    k: int = 10,
    catalogue_items: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Evaluation | None:
    """Split each user's likings 80/20 by time, learn from the first part, and measure lists on the second.

    ``genres`` [items, genres] are shares; ``catalogue_items`` is what coverage is a share of, the log's items where
    absent; ``tell`` hears what is being done. None where no user has two likings.
    """
    split = temporal_split(log)
    users = sampled(split.users, MOST_USERS)
    if not users.size:
        return None
    import sklearn.ensemble  # noqa: F401 - its threads come with it, and are to be limited too

    with threadpool_limits(limits=1):  # the order of a sum must not depend on the machine
        tell("choosing and weighing models on a split of the training part")
        fusion = fuse(split.train)
        tell("judging them on what users liked later")
        scorers = fitted(split.train, fusion)
        size = max(k, RECALL_AT, _CANDIDATES)
        best = fusion.best
        shown = [name for name in scorers if name in (*SHOWN, best)]
        lists = {name: ranked(scorers[name], split.train, users, size) for name in shown}
        liked = split.train.positives.table()[users]
        wanted = None if genres is None else genre_shares(liked, genres)
        relevant = split.relevant(users)
        strength = 0.0
        if genres is not None and wanted is not None:
            strength, mended = _calibrated(*lists[best], wanted, genres, k)
            lists[CALIBRATED] = (mended, lists[best][1])
        measured = _Measures(relevant, wanted, genres, k, catalogue_items or log.items)
        tell("new members")
        cold = cold_start(split, genres)
    judged = [measured.of(name, found) for name, (found, _) in lists.items()]
    gains = {name: ndcg(found, relevant, k) for name, (found, _) in lists.items()}
    calibration = None
    if genres is not None:
        before, after = (
            next(row.calibration_divergence for row in judged if row.model == m) for m in (best, CALIBRATED)
        )
        if before is not None and after is not None:
            change = _relative(gains[CALIBRATED], gains[best])
            calibration = Calibration(strength, after / before if before else float("nan"), change)
    return Evaluation(
        best=best,
        models=judged,
        over_ease=_relative(gains[best], gains["ease"]),
        over_popularity=_relative(gains[best], gains["popularity"]),
        calibration=calibration,
        cold_start=[(group, _relative(group.recommended, group.popularity)) for group in cold],
        fusion=fusion,
        train_positives=int(split.train.is_positive.sum()),
        test_positives=int(split.liked_later.nnz),
        test_users=users.size,
    )  # fmt: skip


def recommended(log: Log, *, k: int = 10) -> npt.NDArray[np.int32]:
    """[users, k] the best model's lists for every user, learned from all rows; padded with -1.

    Nothing that a user has rated is on their list, liked or not.
    """
    import sklearn.ensemble  # noqa: F401 - its threads come with it, and are to be limited too

    with threadpool_limits(limits=1):
        fusion = fuse(log)
        return top(fitted(log, fusion)[fusion.best], log, np.arange(log.users), k)


def _calibrated(
    candidates: npt.NDArray[np.int32], scores: Scores, wanted: Floats, genres: Floats, k: int
) -> tuple[float, npt.NDArray[np.int32]]:
    """The least strength at which the first ``k`` diverge less than half as much, and the lists it makes.

    After the first ``k`` the others follow by score.
    """
    before = _mean(calibration_divergence(candidates[:, :k], wanted, genres)) or 0.0

    def at(place: int) -> npt.NDArray[np.int32]:
        strength = float(_STRENGTHS[place])
        return calibrated(candidates, scores.astype(float), wanted, genres, strength=strength, size=k)

    low, high = 0, _STRENGTHS.size - 1
    while low < high:
        middle = (low + high) // 2
        after = _mean(calibration_divergence(at(middle), wanted, genres)) or 0.0
        if after <= _DIVERGENCE_KEPT * before:
            high = middle
        else:
            low = middle + 1
    first = at(low)
    is_first = (candidates[:, :, None] == first[:, None, :]).any(axis=2)
    order = np.argsort(~is_first, axis=1, kind="stable")
    return float(_STRENGTHS[low]), np.take_along_axis(candidates, order, axis=1)


@dataclass(frozen=True)
class _Measures:
    relevant: Flags
    wanted: Floats | None
    genres: Floats | None
    k: int
    catalogue_items: int

    def of(self, model: str, lists: npt.NDArray[np.int32]) -> Judged:
        shown = lists[:, : self.k]
        diversity = divergence = None
        if self.genres is not None and self.wanted is not None:
            diversity = _mean(intra_list_diversity(shown, self.genres))
            divergence = _mean(calibration_divergence(shown, self.wanted, self.genres))
        return Judged(
            model=model,
            ndcg=_figure(ndcg(lists, self.relevant, self.k)),
            recall=_figure(recall(lists, self.relevant, RECALL_AT)),
            effective_catalogue_size=effective_catalogue_size(np.bincount(shown[shown >= 0])),
            coverage=coverage(shown, self.catalogue_items),
            intra_list_diversity=diversity,
            calibration_divergence=divergence,
        )


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _figure(values: Floats) -> Figure:
    means = np.concatenate([draws @ values for draws in _resamples(values.size)])
    return Figure(float(values.mean()), *_between(means))


def _relative(ours: Floats, theirs: Floats) -> Figure:
    """Mean of ours over mean of theirs, less 1, with the same users in both."""
    if not ours.size or not theirs.mean():
        return Figure(float("nan"), float("nan"), float("nan"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.concatenate([(draws @ ours) / (draws @ theirs) - 1.0 for draws in _resamples(ours.size)])
    return Figure(float(ours.mean() / theirs.mean() - 1.0), *_between(ratios[np.isfinite(ratios)]))


def _resamples(n: int) -> Iterator[Floats]:
    """[some, n] how often each user is drawn, over n: users with replacement (Efron 1979)."""
    draw = np.random.Generator(np.random.Philox(42))
    some = max(1, min(_RESAMPLES, 4_000_000 // n))
    for start in range(0, _RESAMPLES, some):
        rows = min(some, _RESAMPLES - start)
        yield draw.multinomial(n, np.full(n, 1.0 / n), size=rows) / n


def _between(values: Floats) -> tuple[float, float]:
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
