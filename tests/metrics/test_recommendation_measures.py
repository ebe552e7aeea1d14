"""Measures of recommended lists against worked figures and properties; calibrated lists against a full search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import ndcg_score

from metrics.recommendation.calibrated import calibrated
from metrics.recommendation.measures import (
    BLEND,
    calibration_divergence,
    coverage,
    effective_catalogue_size,
    genre_shares,
    intra_list_diversity,
    ndcg,
    recall,
)


def _flags(items: int, *liked: int) -> np.ndarray:
    return np.isin(np.arange(items), liked)[None, :]


def test_ndcg_by_hand() -> None:
    # Hits at ranks 1 and 3 of two liked: (1 + 1/2) / (1 + 1/log2 3).
    assert ndcg(np.array([[4, 0, 2]]), _flags(5, 2, 4), 3) == pytest.approx(1.5 / (1 + 1 / np.log2(3)))
    assert ndcg(np.array([[2, 4, 0]]), _flags(5, 2, 4), 3) == pytest.approx(1.0)


def test_ndcg_counts_no_more_than_k_as_reachable() -> None:
    assert ndcg(np.array([[0, 1]]), _flags(9, *range(9)), 2) == pytest.approx(1.0)


def test_a_short_list_is_not_padded_with_hits() -> None:
    lists = np.array([[3, -1, -1]])
    assert ndcg(lists, _flags(5, 4), 3) == 0.0
    assert recall(lists, _flags(5, 3, 4), 3) == 0.5


@given(st.integers(0, 2**32 - 1))
def test_ndcg_is_scikit_learns(seed: int) -> None:
    draw = np.random.default_rng(seed)
    relevant = draw.random((4, 30)) < 0.3
    relevant[:, 0] = True
    scores = draw.random((4, 30))
    ours = ndcg(np.argsort(-scores, axis=1), relevant, 10)
    assert ours.mean() == pytest.approx(ndcg_score(relevant.astype(int), scores, k=10))


def test_who_liked_nothing_has_no_accuracy() -> None:
    nothing = np.zeros((1, 5), bool)
    assert np.isnan(ndcg(np.array([[0, 1]]), nothing)).all()
    assert np.isnan(recall(np.array([[0, 1]]), nothing)).all()


def test_coverage_counts_distinct_items() -> None:
    assert coverage(np.array([[0, 1], [1, -1]]), 8) == 0.25


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda counts: sum(counts) > 1e-3))
def test_effective_catalogue_size_lies_between_one_and_all(counts: list[float]) -> None:
    size = effective_catalogue_size(counts)
    assert 1.0 - 1e-9 <= size <= len(counts) + 1e-9
    assert effective_catalogue_size([*counts, 0.0]) == pytest.approx(size)
    assert effective_catalogue_size(np.array(counts) * 3) == pytest.approx(size)


def test_effective_catalogue_size_by_hand_and_of_nothing() -> None:
    assert effective_catalogue_size([1, 3]) == pytest.approx(2 * (0.75 + 0.25 * 2) - 1)
    assert np.isnan(effective_catalogue_size([0, 0]))


def test_diversity_by_hand() -> None:
    genres = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]])
    # Pairs of items 0, 1, 2: cosines 0, 1/√2, 1/√2; item 3 has no genres and is left out.
    value = intra_list_diversity(np.array([[0, 1, 2, 3]]), genres)
    assert value == pytest.approx(1 - 2 / np.sqrt(2) / 3)
    assert intra_list_diversity(np.array([[0, 0]]), genres) == pytest.approx(0.0)
    assert np.isnan(intra_list_diversity(np.array([[0, 3]]), genres)).all()


def test_divergence_is_kullback_leiblers_with_the_blend() -> None:
    genres = np.eye(3)
    wanted = np.array([[0.5, 0.3, 0.2]])
    listed = np.array([0.75, 0.25, 0.0])
    expected = entropy(wanted[0], (1 - BLEND) * listed + BLEND * wanted[0])
    assert calibration_divergence(np.array([[0, 0, 0, 1]]), wanted, genres) == pytest.approx(expected)


def test_a_list_with_the_users_shares_does_not_diverge() -> None:
    genres = np.eye(2)
    assert calibration_divergence(np.array([[0, 1]]), np.array([[0.5, 0.5]]), genres) == pytest.approx(0.0)


def test_without_genres_there_is_no_divergence() -> None:
    genres = np.array([[1.0], [0.0]])
    assert np.isnan(calibration_divergence(np.array([[1]]), np.array([[1.0]]), genres)).all()
    assert np.isnan(calibration_divergence(np.array([[0]]), np.array([[0.0]]), genres)).all()


def test_genre_shares_sum_to_one() -> None:
    shares = genre_shares(np.array([[2.0, 1.0], [0.0, 0.0]]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert shares == pytest.approx(np.array([[2 / 3, 1 / 3], [0.0, 0.0]]))


def _draw(seed: int, users: int = 3, items: int = 12, kinds: int = 4) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    has = draw.random((items, kinds)) < 0.4
    has[np.arange(items), draw.integers(0, kinds, items)] = True
    genres = has / has.sum(axis=1, keepdims=True)
    scores = -np.sort(-draw.normal(size=(users, items)), axis=1)
    candidates = np.stack([draw.permutation(items) for _ in range(users)])
    return candidates, scores, draw.dirichlet(np.ones(kinds), users), genres


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.99))
def test_each_place_goes_to_the_item_with_the_best_objective(seed: int, strength: float) -> None:
    candidates, scores, wanted, genres = _draw(seed)
    lists = calibrated(candidates, scores, wanted, genres, strength=strength, size=4, by_score=False)
    for user in range(len(lists)):
        standard = (scores[user] - scores[user].mean()) / scores[user].std()
        score_of = dict(zip(candidates[user].tolist(), standard, strict=True))

        def objective(chosen: list[int], user: int = user, score_of: dict[int, float] = score_of) -> float:
            divergence = calibration_divergence(np.array([chosen]), wanted[user : user + 1], genres)[0]
            return (1 - strength) * sum(score_of[i] for i in chosen) - strength * float(divergence)

        for place in range(1, 5):
            chosen = lists[user, :place].tolist()
            others = [i for i in range(12) if i not in chosen]
            best = max(objective([*chosen[:-1], other]) for other in [chosen[-1], *others])
            assert objective(chosen) == pytest.approx(best, abs=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_strength_zero_keeps_the_order_and_no_item_comes_twice(seed: int) -> None:
    candidates, scores, wanted, genres = _draw(seed)
    assert (calibrated(candidates, scores, wanted, genres, strength=0.0, size=5) == candidates[:, :5]).all()
    lists = calibrated(candidates, scores, wanted, genres, strength=0.7, size=12)
    assert (np.sort(lists, axis=1) == np.arange(12)).all()


def test_calibrated_lists_come_close_to_the_best_of_all_lists() -> None:
    candidates, scores, wanted, genres = _draw(7, users=1, items=9)
    best = min(
        float(calibration_divergence(np.array([chosen]), wanted, genres)[0])
        for chosen in itertools.combinations(range(9), 4)
    )
    greedy = calibration_divergence(
        calibrated(candidates, scores, wanted, genres, strength=1.0, size=4), wanted, genres
    )[0]
    first = calibration_divergence(candidates[:, :4], wanted, genres)[0]
    assert best - 1e-12 <= greedy < first


@given(st.integers(0, 2**32 - 1))
def test_by_score_the_same_items_stand_in_the_order_of_the_candidates(seed: int) -> None:
    candidates, scores, wanted, genres = _draw(seed)
    chosen = calibrated(candidates, scores, wanted, genres, strength=0.8, size=5, by_score=False)
    lists = calibrated(candidates, scores, wanted, genres, strength=0.8, size=5)
    for user, items in enumerate(chosen):
        assert lists[user].tolist() == [item for item in candidates[user] if item in items]


def test_too_few_candidates_leave_places_empty() -> None:
    lists = calibrated(
        np.array([[2, 0, -1]]), np.array([[2.0, 1.0, -np.inf]]), np.array([[1.0, 0.0]]),
        np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), strength=0.9, size=4,
    )  # fmt: skip
    assert lists.tolist() == [[2, 0, -1, -1]]


def test_users_do_not_depend_on_each_other() -> None:
    candidates, scores, wanted, genres = _draw(3, users=6)
    together = calibrated(candidates, scores, wanted, genres, strength=0.6, size=5)
    alone = [
        calibrated(candidates[[u]], scores[[u]], wanted[[u]], genres, strength=0.6, size=5)[0]
        for u in range(6)
    ]
    assert (together == np.array(alone)).all()
