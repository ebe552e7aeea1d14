"""What day 0 finds: a history without repeats of a session's draws, titles half watched, the scenario's hours."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic.browsing import examined_places
from synthetic.discovery import logged_looks, logged_results, logged_starts
from synthetic.scenario import load_scenario
from synthetic.viewer import CONTINUE, HOME, SEARCH, Browse
from synthetic.warmup import SETTLING_WEEKS, Settled, settle_in, warmup_plays
from synthetic.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(load_scenario(None, panel=1_500, days=8, titles=3_000))


@pytest.fixture(scope="module")
def settled(world: World) -> Settled:
    return settle_in(world)


def test_history_is_unaided_and_only_of_members_there(world: World) -> None:
    tenure = -world.members.join_day
    log = warmup_plays(
        world.scenario.seed,
        subscriber=world.subscriber,
        region=world.members.region,
        taste=world.taste,
        tenure_days=tenure,
        titles=world.titles,
        params=world.params,
    )
    assert log.is_unaided.all()
    assert 0.15 < log.is_search.mean() < 0.25
    assert log.day.max() < -7 * SETTLING_WEEKS
    assert (tenure[log.member] > 0).all()
    assert ((log.watched_ratio > 0) & (log.watched_ratio <= 1)).all()
    # Nobody plays a title weeks before it is out.
    assert (world.titles.release_day[log.title] <= log.day + 7).all()


def test_members_arrive_with_titles_open_and_both_kinds_of_origin(world: World, settled: Settled) -> None:
    here = world.members.join_day < -60
    is_open = settled.state.open_title[here] >= 0
    assert is_open.any(axis=1).mean() > 0.5
    assert (settled.state.open_left_ms[here][is_open] > 0).all()
    assert 0.4 < settled.state.open_is_rec_driven[here][is_open].mean() < 1.0
    not_yet = world.members.join_day >= 0
    assert (settled.state.open_title[not_yet] == -1).all()
    assert settled.discovery.plays.day.max() == -1
    assert not settled.discovery.plays.is_unaided.all()


def test_visits_bring_the_scenarios_hours(world: World, settled: Settled) -> None:
    """Fewer visits than hours, more than half of them: a sitting is between one and two thirds of an hour."""
    wanted = world.scenario.demand.hours_per_member_day
    assert wanted < settled.visits_per_member_day < 2 * wanted


def test_the_same_world_settles_the_same_way(world: World, settled: Settled) -> None:
    again = settle_in(world)
    assert again.visits_per_member_day == settled.visits_per_member_day
    assert again.discovery.plays.title.tobytes() == settled.discovery.plays.title.tobytes()
    assert again.state.open_left_ms.tobytes() == settled.state.open_left_ms.tobytes()


def test_churn_is_anchored_to_the_scenarios_level(world: World, settled: Settled) -> None:
    """As members stand on day 0 they leave at the published rate; who leaves is another matter."""
    standing = settled.state.standing
    here = (world.members.join_day < 0) & (standing.paying_day <= 0)
    hazard = standing.churn_level * np.exp(standing.log_hazard()[here])
    monthly = np.average(hazard, weights=world.members.weight[here]) * 30.4375
    assert monthly == pytest.approx(world.scenario.membership.monthly_churn_ratio, rel=1e-9)
    assert hazard.std() > 0.1 * hazard.mean()


def test_only_starts_are_logged(world: World, settled: Settled) -> None:
    n, places = 5, 40
    runtime = int(world.titles.runtime_ms[4])
    page = np.full((n, places), -1, np.int32)
    page[:, 0] = 4
    found = Browse(
        chosen=np.array([4, 4, 4, -1, 4], np.int32),
        surface=np.array([HOME, SEARCH, CONTINUE, -1, HOME], np.int8),
        row=np.zeros(n, np.int16),
        slot=np.array([0, 1, 0, 0, 0], np.int16),
        examined=np.array([1, 0, 0, 2, 1], np.int16),
        asked=np.full(n, -1, np.int8),
        wished=np.full(n, -1, np.int32),
        results_examined=np.array([0, 2, 0, 1, 0], np.int16),
        browse_ms=np.zeros(n, np.int64),
        is_rec_driven=np.zeros(n, np.bool_),
        watch_ms=np.zeros(n, np.int64),
        is_skipped=np.zeros(n, np.bool_),
        joy=np.zeros(n, np.float32),
        page=page,
        page_score=np.zeros((n, places), np.float32),
        artwork=np.ones((n, places), np.int8),
        results=np.full((n, 10), -1, np.int32),
        results_feature=np.tile(np.arange(30, dtype=np.float32).reshape(10, 3), (n, 1, 1)),
        page_before=page,
        page_after=page,
    )
    watched = np.array([runtime // 2, 3 * runtime, runtime, 0, 0])
    catalogue = world.catalogue
    log = logged_starts(settled.discovery.week, catalogue, np.arange(n), found, watched, 3)
    assert log.member.tolist() == [0, 1]
    assert log.watched_ratio.tolist() == pytest.approx([0.5, 1.0], abs=1e-6)
    assert log.is_unaided.tolist() == log.is_search.tolist() == [False, True]
    assert log.day.tolist() == [3, 3]
    assert log.picture.tolist() == [catalogue.genre[4, 1], catalogue.genre[4, 0]]
    assert 0 < log.inclusion[0] <= 1 == log.inclusion[1]
    mask = examined_places(world.scenario.seed, np.arange(n), found.examined, 0.0)
    looks = logged_looks(catalogue, np.arange(n), found, mask, watched, 3)
    assert looks.member.tolist() == [0, 3, 4]
    # Looked at and played; looked at and left; played, and it failed to start.
    assert looks.is_liked.tolist() == [True, False, False]
    results = logged_results(np.arange(n), found, watched, 3)
    assert results.member.tolist() == [1, 1, 3]
    assert results.is_liked.tolist() == [False, True, False]  # passed over; played; looked at by one who left
    assert results.feature.tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
