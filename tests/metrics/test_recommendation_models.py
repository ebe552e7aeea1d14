"""Built-in recommenders: closed forms, known answers, and structure that was planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from metrics.recommendation import fusion, models
from metrics.recommendation.evaluation import Evaluation, evaluate, recommended
from metrics.recommendation.fusion import FUSED, fuse
from metrics.recommendation.log import temporal_split
from metrics.recommendation.measures import ndcg
from metrics.recommendation.ranking import top
from tests.metrics.recommendation_logs import clusters, log_of, sequences, tastes


def _closed_form(table: np.ndarray, penalty: float) -> np.ndarray:
    inverse = np.linalg.inv(table.T @ table + penalty * np.eye(table.shape[1]))
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
@pytest.mark.parametrize("penalty", [0.5, 50.0])
def test_ease_is_its_closed_form_on_either_side(shape: tuple[int, int], penalty: float) -> None:
    draw = np.random.default_rng(1)
    table = (draw.random(shape) < 0.5).astype(float)
    histories = draw.random((3, shape[1]))
    found = models.ease(sparse.csr_array(table), penalty)(sparse.csr_array(histories))
    assert found == pytest.approx(histories @ _closed_form(table, penalty), abs=1e-5)


def test_ease_by_hand() -> None:
    # Two users who like both of two items: G = [[2, 2], [2, 2]] + I, B = [[0, 2/3], [2/3, 0]].
    found = models.ease(sparse.csr_array(np.ones((2, 2))), 1.0)(sparse.csr_array([[1.0, 0.0]]))
    assert found == pytest.approx(np.array([[0.0, 2 / 3]]), abs=1e-6)


def test_ease_of_too_many_items_relates_the_most_popular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_EASE_ITEMS", 3)
    table = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 1, 0, 0], [1, 0, 1, 0, 1]], float)
    found = models.ease(sparse.csr_array(table), 2.0)(sparse.csr_array(table))
    assert found[:, :3] == pytest.approx(table[:, :3] @ _closed_form(table[:, :3], 2.0), abs=1e-5)
    assert (found[:, 3:] == 0).all()


def test_item_knn_is_the_sum_of_shrunk_cosines() -> None:
    log = log_of([(0, 0, 0, True), (0, 1, 1, True), (1, 0, 0, True), (1, 2, 1, True)], 2, 3)
    found = models.item_knn(log, shrink=1.0)(np.array([1]))
    # User 1 has items 0 (liked by two) and 2 (by one); item 1 shares a user with item 0 alone.
    assert found[0, 1] == pytest.approx(1 / np.sqrt((2 + 1) * (1 + 1)))


def test_successors_are_shares_of_what_came_next() -> None:
    log = log_of([(0, 0, 0, True), (0, 1, 1, True), (1, 0, 0, True), (1, 2, 1, True), (2, 0, 0, True)], 3, 3)
    found = models.successors(log, window=1, half_life=1.0, prior=0.0)(np.array([2]))
    assert found == pytest.approx(np.array([[0.0, 0.5, 0.5]]))


def test_trend_counts_what_was_liked_around_a_users_time() -> None:
    rows = [(user, 0 if user < 20 else 1, float(user), True) for user in range(40)]
    log = log_of(rows, 40, 2)
    early, late = models.trend(log, 0.05)(np.array([2, 37]))
    assert early[0] > early[1]
    assert late[1] > late[0]


def test_newness_halves_with_age_and_is_nothing_before_the_first_rating() -> None:
    log = log_of([(0, 0, 0.0, True), (1, 1, 1.0, True), (2, 0, 2.0, True), (3, 2, 3.0, True)], 4, 3)
    found = models.newness(log, 0.25)(np.array([0, 3]))
    assert found[0] == pytest.approx([0.5, 1.0, 0.0])  # one row has been seen of four; item 1 is next
    assert found[1, 0] < found[1, 1] < found[1, 2]


@given(st.integers(0, 2**32 - 1))
def test_a_split_parts_likings_by_time_and_loses_none(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = [(int(draw.integers(5)), i, float(draw.integers(9)), bool(draw.random() < 0.6)) for i in range(40)]
    log = log_of(rows, 5, 40)
    split = temporal_split(log)
    learned = np.bincount(split.train.positives.user, minlength=5)
    later = np.diff(split.liked_later.indptr)
    liked = np.bincount(log.positives.user, minlength=5)
    assert (learned + later == liked).all()
    assert (learned[later > 0] == np.floor(0.8 * liked[later > 0] + 1e-9)).all()
    assert ((learned > 0) | (liked == 0)).all()
    time_of = dict(zip(log.item.tolist(), log.time.tolist(), strict=True))
    for user in range(5):
        items = split.liked_later[[user]].indices.tolist()
        if items:
            own = split.train.time[split.train.user == user]
            assert own.max() <= min(time_of[item] for item in items)


def test_what_a_user_has_rated_is_not_recommended() -> None:
    log = log_of([(0, 0, 0, True), (0, 1, 1, False), (1, 2, 0, True), (1, 0, 1, True)], 2, 4)
    lists = top(models.popularity(log), log, np.arange(2), 3)
    assert lists.tolist() == [[2, 3, -1], [1, 3, -1]]


@pytest.fixture(scope="module")
def judged() -> dict[str, Evaluation]:
    found = {"clusters": evaluate(clusters()), "sequences": evaluate(sequences())}
    return {name: result for name, result in found.items() if result is not None}


def test_planted_clusters_are_found(judged: dict[str, Evaluation]) -> None:
    found = judged["clusters"]
    gain = {row.model: row.ndcg.value for row in found.models}
    assert gain[found.best] > 2 * gain["popularity"]
    assert found.over_popularity.low > 0.5


def test_planted_order_is_found_where_ease_sees_a_set(judged: dict[str, Evaluation]) -> None:
    found = judged["sequences"]
    gain = {row.model: row.ndcg.value for row in found.models}
    assert gain[found.best] > 0.6
    assert found.over_ease.low > 0.05


def test_new_members_gain_from_their_picks(judged: dict[str, Evaluation]) -> None:
    for group, lift in judged["clusters"].cold_start:
        assert 0 < group.picks <= 3
        assert lift.low > 0.2


def test_an_interval_holds_its_figure(judged: dict[str, Evaluation]) -> None:
    for found in judged.values():
        for row in found.models:
            assert 0 <= row.ndcg.low <= row.ndcg.value <= row.ndcg.high <= 1


def test_the_best_is_chosen_before_the_test_part_is_looked_at() -> None:
    log = clusters(users=60)
    split = temporal_split(log)
    again = fuse(split.train)
    found = evaluate(log)
    assert found is not None
    assert found.fusion == again


def test_the_same_log_gives_the_same_lists() -> None:
    log = sequences(users=60)
    assert (recommended(log, k=5) == recommended(log, k=5)).all()


def test_a_lead_that_may_be_luck_does_not_make_a_model_the_best() -> None:
    draw = np.random.default_rng(3)
    fused = draw.random(200)
    lucky, better = fused + 0.3 * draw.standard_normal(200), fused + 0.3 * draw.standard_normal(200) + 0.1
    lucky += 0.5 * 0.3 / np.sqrt(200) - (lucky - fused).mean()  # half of its standard error ahead
    assert fusion._best({FUSED: fused, "item_knn": lucky}) == FUSED
    assert fusion._best({FUSED: fused, "item_knn": lucky, "ease": better}) == "ease"
    assert fusion._best({FUSED: fused[:1], "ease": better[:1] + 1}) == FUSED


@pytest.mark.parametrize("seed", range(3))
def test_on_few_users_without_order_nothing_is_lost_against_ease(seed: int) -> None:
    """What is liked hangs on taste and popularity alone; the intervals say how much of a loss may be luck."""
    found = evaluate(tastes(users=120, seed=seed))
    assert found is not None
    assert found.over_ease.high > 0
    assert found.over_ease.value > -0.05


def test_lists_from_all_rows_foretell_what_comes_next() -> None:
    log = sequences()
    split = temporal_split(log)
    lists = recommended(split.train)
    assert np.nanmean(ndcg(lists[split.users], split.relevant(split.users))) > 0.6


def test_where_nothing_can_be_validated_the_votes_stand() -> None:
    log = log_of([(user, item, 0.0, True) for user, item in ((0, 0), (1, 1), (2, 2), (2, 3))], 3, 4)
    found = fuse(temporal_split(log).train)
    assert found.best == FUSED
    assert found.weights["ease"] == max(found.weights.values()) > found.weights["popularity"] > 0
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert recommended(log, k=2).shape == (3, 2)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 30))
def test_any_log_is_judged_or_has_nothing_to_foretell(seed: int, has_genres: bool, k: int) -> None:
    draw = np.random.default_rng(seed)
    users, items = int(draw.integers(2, 9)), int(draw.integers(2, 12))
    rated = {(int(draw.integers(users)), int(draw.integers(items))) for _ in range(int(draw.integers(2, 60)))}
    rows = [(user, item, float(draw.integers(5)), bool(draw.random() < 0.6)) for user, item in sorted(rated)]
    log = log_of([*(row for row in rows if row[:2] != (0, 0)), (0, 0, 0.0, True)], users, items)
    kinds = draw.random((items, 3)) < 0.4
    genres = kinds / np.maximum(kinds.sum(axis=1, keepdims=True), 1)
    found = evaluate(log, genres if has_genres else None, k=k)
    assert (found is None) == (temporal_split(log).users.size == 0)
    lists = recommended(log, k=5)
    known = {(int(user), int(item)) for user, item in zip(log.user, log.item, strict=True)}
    assert not known & {(user, int(item)) for user in range(users) for item in lists[user]}
    for user in range(users):
        own = sum(1 for who, _ in known if who == user)
        assert (lists[user] >= 0).sum() == min(5, items - own)
