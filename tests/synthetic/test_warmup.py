"""What day 0 finds: a history without repeats of a session's draws, titles half watched, the scenario's hours."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic.control_plane.catalogue import publish
from synthetic.scenario import load_scenario
from synthetic.viewer import CONTINUE, HOME, SEARCH, Browse
from synthetic.warmup import SETTLING_WEEKS, Settled, logged_starts, settle_in, warmup_plays
from synthetic.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(load_scenario(None, panel=1_500, days=8, titles=3_000))


@pytest.fixture(scope="module")
def settled(world: World) -> Settled:
    return settle_in(world, publish(world.titles))


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
    assert settled.plays.day.max() == -1
    assert not settled.plays.is_unaided.all()


def test_visits_bring_the_scenarios_hours(world: World, settled: Settled) -> None:
    """Fewer visits than hours, more than half of them: a sitting is between one and two thirds of an hour."""
    wanted = world.scenario.demand.hours_per_member_day
    assert wanted < settled.visits_per_member_day < 2 * wanted


def test_the_same_world_settles_the_same_way(world: World, settled: Settled) -> None:
    again = settle_in(world, publish(world.titles))
    assert again.visits_per_member_day == settled.visits_per_member_day
    assert again.plays.title.tobytes() == settled.plays.title.tobytes()
    assert again.state.open_left_ms.tobytes() == settled.state.open_left_ms.tobytes()


def test_only_starts_are_logged(world: World) -> None:
    n = 5
    runtime = int(world.titles.runtime_ms[4])
    found = Browse(
        chosen=np.array([4, 4, 4, -1, 4], np.int32),
        surface=np.array([HOME, SEARCH, CONTINUE, -1, HOME], np.int8),
        row=np.zeros(n, np.int16),
        slot=np.zeros(n, np.int16),
        examined=np.zeros(n, np.int16),
        asked=np.full(n, -1, np.int8),
        wished=np.full(n, -1, np.int32),
        results_examined=np.zeros(n, np.int16),
        browse_ms=np.zeros(n, np.int64),
        is_rec_driven=np.zeros(n, np.bool_),
        watch_ms=np.zeros(n, np.int64),
    )
    watched = np.array([runtime // 2, 3 * runtime, runtime, 0, 0])
    log = logged_starts(np.arange(n), found, watched, world.titles, 3)
    assert log.member.tolist() == [0, 1]
    assert log.watched_ratio.tolist() == pytest.approx([0.5, 1.0], abs=1e-6)
    assert log.is_unaided.tolist() == [False, True]
    assert log.day.tolist() == [3, 3]
