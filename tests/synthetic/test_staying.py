"""Who stays: hazards follow what was lived through, levels are anchored, and who leaves first is drawn once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthetic.staying import NEVER, RETURN_STRAIN, Standing, strain_of

M, SEED = 40_000, 3
JOINED = np.full(M, -400)


def standing(**values: float) -> Standing:
    """Members of long, anchored at 1.8 % a month as they begin; then ``values`` of all of them set."""
    begun = Standing.of_joined(JOINED, 14).anchored(0.018, np.ones(M, np.int64), np.ones(M, np.bool_))
    for name, value in values.items():
        getattr(begun, name)[:] = value
    return begun


def month(state: Standing, **changes: Any) -> Standing:
    terms = {"trial_days": 14, "trial_paid_ratio": 0.6, "price_ratio": 1.0} | changes
    for day in range(30):
        state.close(SEED, day, JOINED, **terms)
    return state


def test_the_level_is_the_scenarios() -> None:
    left = month(standing())
    assert left.is_churn.mean() == pytest.approx(0.018 * 30 / 30.4375, rel=0.06)
    assert ((left.leave_day < NEVER) == left.is_churn).all()


def test_each_cause_moves_churn_its_way_and_the_same_members_leave_first() -> None:
    usual = month(standing())
    worse = [
        month(standing(satisfaction=-0.5)),
        month(standing(hours=0.2)),
        month(standing(strain=0.3)),
        month(standing(), price_ratio=1.2),
    ]
    for state in worse:
        assert state.is_churn.mean() > 1.1 * usual.is_churn.mean()
        assert state.is_churn[usual.is_churn].all()
    better = month(standing(satisfaction=0.5))
    assert usual.is_churn[better.is_churn].all()
    assert better.is_churn.sum() < usual.is_churn.sum()


def test_a_failed_visit_makes_the_next_less_likely_by_the_published_figure() -> None:
    state = standing()
    before = state.eagerness()[0]
    one = np.zeros(1, np.int64)
    yes, joy = np.ones(1, np.bool_), np.zeros(1, np.float32)
    state.enter(0, one, yes, ~yes, joy, one, np.ones(1))
    assert state.eagerness()[0] / before == pytest.approx(1 - 0.0232, abs=0.001)
    assert state.eagerness()[1] == before
    assert RETURN_STRAIN > 0


def test_joy_and_finding_nothing_move_satisfaction() -> None:
    state = standing()
    member = np.array([0, 0, 1, 2])
    played = np.array([True, True, False, True])
    is_new = np.array([True, True, True, False])
    joy = np.array([1.0, 1.0, 0.0, 5.0], np.float32)
    state.enter(0, member, played, is_new, joy, np.full(4, 3_600_000), np.zeros(4))
    assert state.satisfaction[0] > 0 > state.satisfaction[1]
    assert state.satisfaction[2] == state.satisfaction[3] == 0  # going on with a title is no news
    assert state.hours[0] > state.hours[2] > state.hours[3]


def test_a_happy_trial_is_paid_for_more_often() -> None:
    joined = np.zeros(M, np.int64)
    paid = {}
    for satisfaction in (-1.0, 0.0, 1.0):
        state = Standing.of_joined(joined, 14)
        state.satisfaction[:] = satisfaction
        for day in range(14):
            assert (state.leave_day == NEVER).all()
            state.close(SEED, day, joined, trial_days=14, trial_paid_ratio=0.6, price_ratio=1.0)
        assert ((state.paying_day == 14) != (state.leave_day == 14)).all()
        assert not state.is_churn.any()
        paid[satisfaction] = (state.paying_day == 14).mean()
    assert paid[0.0] == pytest.approx(0.6, abs=0.01)
    assert paid[-1.0] < 0.5 < 0.7 < paid[1.0]


def test_strain_is_what_went_wrong() -> None:
    zero, watched = np.zeros(4), np.full(4, 1e6)
    failed = np.array([False, False, False, True])
    late = np.array([500.0, 2_500.0, 500.0, 0.0])
    stalled = np.array([0.0, 0.0, 50_000.0, 0.0])
    assert strain_of(late, stalled, watched, failed).tolist() == [0.0, 0.5, 1.0, 1.0]
    assert strain_of(zero, zero, zero, failed)[0] == 0.0
