"""What is wanted: noise judged without logarithms as with them, tables that draw by weight, products, short lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic import random as draws
from synthetic.alias import alias_draw, fill_alias
from synthetic.products import product
from synthetic.random import Stream
from synthetic.wishes import PROPOSALS, contains, is_good_enough, wish


@given(st.integers(0, 10_000), st.integers(0, 20_000), st.floats(-12, 4))
def test_good_enough_is_gumbel_noise_above_what_is_missing(key: int, title: int, utility: float) -> None:
    noise = draws.gumbel(5, key, title, Stream.BROWSE_GUMBEL)
    if abs(noise + utility) > 1e-9:  # on the edge the last digit of a logarithm decides
        assert is_good_enough(5, key, title, utility) == (noise + utility > 0)


def test_how_often_it_is_good_enough_is_what_the_noise_says() -> None:
    for utility in (-6.0, -2.5, 0.0, 2.0):
        share = np.mean([is_good_enough(1, key, 7, utility) for key in range(20_000)])
        assert share == pytest.approx(1 - np.exp(-np.exp(utility)), abs=0.012)


def test_an_alias_table_draws_by_weight() -> None:
    weight = np.array([5.0, 0.0, 1.0, 3.0, 1.0])
    threshold, alias = np.empty(5, np.float32), np.empty(5, np.int32)
    fill_alias(weight * weight.size / weight.sum(), threshold, alias)
    u = (np.arange(100_000) + 0.5) / 100_000
    drawn = np.bincount([alias_draw(x, threshold, alias) for x in u], minlength=5)
    assert drawn / u.size == pytest.approx(weight / weight.sum(), abs=1e-4)


@given(st.integers(0, 40), st.integers(0, 1_000))
def test_a_product_is_the_sum_of_the_products(size: int, seed: int) -> None:
    left, right = np.random.default_rng(seed).normal(size=(2, size)).astype(np.float32)
    assert product(left, right) == pytest.approx(float(left.astype(float) @ right.astype(float)), abs=1e-4)


def test_a_product_of_the_usual_size_adds_in_one_order_everywhere() -> None:
    """Halves of the sixteen upon each other, then of the eight, then neighbours: to the last bit."""
    for left, right in np.random.default_rng(2).normal(size=(50, 2, 16)).astype(np.float32):
        total = left * right
        total = total[:8] + total[8:]
        total = total[:4] + total[4:]
        assert product(left, right) == (total[0] + total[1]) + (total[2] + total[3])


def test_a_wish_is_drawn_by_demand_and_taste_and_is_nothing_seen() -> None:
    """Two titles, one wanted e times as much by taste: of many wishes, e to 1; what was seen is not wished for."""
    taste = np.array([1.0, 0.0], np.float32)
    titles, offset = np.array([[1.0, 0.0], [0.0, 0.0]], np.float32), np.zeros(2, np.float32)
    threshold, alias = np.ones(2, np.float32), np.arange(2, dtype=np.int32)
    none, first = np.array([-1], np.int32), np.array([0], np.int32)
    space = np.empty(PROPOSALS, np.int32), np.empty(PROPOSALS)

    def wished_of(key: int, seen: npt.NDArray[np.int32]) -> int:
        return wish(3, key, taste, titles, offset, threshold, alias, seen, *space)

    wished = np.array([wished_of(key, none) for key in range(20_000)])
    # Of 24 proposals a dozen are each title, so the odds are those of the weights but for their chance counts.
    assert (wished == 0).mean() == pytest.approx(np.e / (1 + np.e), abs=0.015)
    assert {wished_of(key, first) for key in range(200)} == {1}
    assert wished_of(0, np.array([0, 1], np.int32)) == -1


def test_a_list_contains_what_is_in_it() -> None:
    few = np.array([4, -1, 9], np.int32)
    assert [contains(few, title) for title in (4, 9, 5)] == [True, True, False]
