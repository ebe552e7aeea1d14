"""The service through the days: signals that reach pages late, and a search log that calls titles by others' ids."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from synthetic.browsing import CONTINUE
from synthetic.control_plane.model import RecommendParameters
from synthetic.discovery import Discovery
from synthetic.scenario import load_scenario
from synthetic.switches import FACTUAL, Switches
from synthetic.viewer import Browse
from synthetic.warmup import Settled, live_day, settle_in
from synthetic.world import World, make_world

DAYS = 9
CHOICES = RecommendParameters(candidates=60)


@pytest.fixture(scope="module")
def settled() -> tuple[World, Settled]:
    world = make_world(load_scenario(None, panel=400, titles=1_500, days=14))
    return world, settle_in(world)


def lived(
    settled: tuple[World, Settled], switches: Switches = FACTUAL, choices: RecommendParameters = CHOICES,
    broken: tuple[int, int] = (0, 0),
) -> tuple[list[tuple[np.ndarray, Browse]], Discovery]:  # fmt: skip
    """Each day's members and what they found, and the service as the last evening leaves it."""
    world, begun = settled
    state = deepcopy(begun.state)
    service = begun.discovery.copied(
        world=world, choices=choices, switches=switches, search_log_broken=broken
    )
    days = []
    for day in range(DAYS):
        if day % choices.retrain_days == 0:
            service.learn(day)
        visits, found = live_day(world, service, state, day, begun.visits_per_member_day)
        days.append((visits.member, found))
    return days, service


def order_changes(days: list[tuple[np.ndarray, Browse]]) -> float:
    """Share of visits with a page whose titles are not those of the same member's page before, on the same day."""
    changed = []
    for member, found in days:
        shown = np.flatnonzero(found.page[:, 0] >= 0)
        for one, two in pairwise(shown):
            if member[one] == member[two]:
                changed.append(set(found.page[one]) != set(found.page[two]))
    assert len(changed) > 100
    return float(np.mean(changed))


def test_signals_reach_the_pages_when_they_are_told_to(settled: tuple[World, Settled]) -> None:
    at_once, _ = lived(settled)
    next_morning, service = lived(settled, choices=replace(CHOICES, signal_lag_days=1))
    never, _ = lived(settled, choices=replace(CHOICES, signal_lag_days=7))
    assert order_changes(at_once) > 0.3
    assert order_changes(next_morning) == order_changes(never) == 0
    assert service.served is not None
    assert not np.array_equal(service.served, service.preference)  # the day's signals wait for the morning
    # The first day's first pages are the same; the week's are not: mornings know what days before them taught.
    assert (at_once[0][1].page[0] == next_morning[0][1].page[0]).all()
    assert not np.array_equal(next_morning[3][1].page, never[3][1].page)


def test_a_broken_search_log_reaches_home_when_unified_and_never_when_siloed(
    settled: tuple[World, Settled],
) -> None:
    """A silo's home page shows what its own logs say; the next training leaves out whatever was played."""
    broken, trained = (2, 4), CHOICES.retrain_days
    for recommender, reaches_home in (("unified", True), ("siloed", False)):
        switches = Switches(recommender=recommender)
        sound, _ = lived(settled, switches)
        ill, other = lived(settled, switches, broken=broken)
        for day in range(DAYS):
            same = np.array_equal(sound[day][1].page, ill[day][1].page)
            assert same or day >= (broken[0] if reaches_home else trained), (recommender, day)
        if reaches_home:
            assert not np.array_equal(sound[broken[1]][1].page, ill[broken[1]][1].page)
            ids = other.search_log_ids(broken[0])
            assert (ids != other.search_log_ids(broken[1])).all()
            assert sorted(ids) == sorted(other.search_log_ids(0))
            # What was played is known from playing it, whatever the search log says.
            on = other.plays.where(other.plays.day == broken[0])
            member, found = ill[broken[0]]
            new = (found.chosen >= 0) & (found.surface != CONTINUE) & (found.watch_ms > 0)
            assert sorted(zip(on.member, on.title, strict=True)) == sorted(
                zip(member[new], found.chosen[new], strict=True)
            )
