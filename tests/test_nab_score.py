"""The benchmark's score worked by hand from its published rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.anomalies import PROFILES, scores, series_score

STANDARD = PROFILES["standard"]
WINDOW = [(50, 59)]


def _flags(*rows: int) -> NDArray[np.bool_]:
    flags = np.zeros(100, dtype=np.bool_)
    flags[list(rows)] = True
    return flags


def _sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


@pytest.mark.parametrize(
    ("rows", "raw"),
    [
        ((), -1.0),
        ((50,), 1.0),
        ((50, 51, 59), 1.0),  # a window counts once
        ((55,), _sigmoid(-0.5) / _sigmoid(-1)),
        ((59,), _sigmoid(-0.1) / _sigmoid(-1)),
        ((20,), -1.11),  # before any window: the whole cost
        ((14,), -1.0),  # in the probation of 15 rows
        ((63,), -1 + 0.11 * _sigmoid(4 / 9)),
        ((87,), -1.11),  # more than three windows behind
    ],
)
def test_one_window(rows: tuple[int, ...], raw: float) -> None:
    assert series_score(_flags(*rows), WINDOW, STANDARD) == pytest.approx(raw, abs=1e-12)


def test_a_flag_is_held_against_the_window_before_it() -> None:
    windows = [(20, 29), (70, 79)]
    assert series_score(_flags(20, 70, 83), windows, STANDARD) == pytest.approx(2 + 0.11 * _sigmoid(4 / 9))


def test_nothing_is_0_and_perfection_100_in_every_profile() -> None:
    for profile in PROFILES.values():
        assert scores([(_flags(), WINDOW), (_flags(), [])], profile) == 0
        assert scores([(_flags(50), WINDOW), (_flags(), [])], profile) == pytest.approx(100)
