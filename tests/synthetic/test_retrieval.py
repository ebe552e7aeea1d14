"""Exact retrieval against a full sort."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic.control_plane.retrieval import nearest


@pytest.mark.parametrize(("count", "rank", "k"), [(10_000, 64, 10), (2_500, 7, 40), (1, 1, 1), (1_024, 3, 1)])
def test_what_is_found_is_what_a_full_sort_finds(count: int, rank: int, k: int) -> None:
    draw = np.random.default_rng(count)
    # Small integers: products are exact, and ties abound.
    items = draw.integers(-3, 4, (rank, count)).astype(np.float32)
    queries = draw.integers(-3, 4, (5, rank)).astype(np.float32)
    found, product = nearest(queries, items, k)
    scores = queries @ items
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert (found == expected).all()
    assert (product == np.take_along_axis(scores, expected, axis=1)).all()


def test_fewer_items_than_places() -> None:
    found, product = nearest(np.ones((1, 2), np.float32), np.array([[1, 3], [1, 3]], np.float32), 4)
    assert found.tolist() == [[1, 0, -1, -1]]
    assert product[0, :2].tolist() == [6.0, 2.0]
    assert np.isneginf(product[0, 2:]).all()


def test_what_is_not_a_number_is_never_found() -> None:
    found, _ = nearest(np.ones((1, 1), np.float32), np.array([[np.nan, -np.inf, 1.0]], np.float32), 3)
    assert found.tolist() == [[2, -1, -1]]
