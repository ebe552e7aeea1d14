"""Browsing: examination under a budget, choice by taste, unfinished titles, and no trace of the partition."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from synthetic.queries import KINDS
from synthetic.titles import Titles, demand, make_titles, subscriber_taste
from synthetic.viewer import (
    CONTINUE,
    HOME,
    NONE,
    ROWS,
    SEARCH,
    SLOTS,
    Browse,
    BrowseParameters,
    Market,
    MemberState,
    advance,
    browse,
    make_market,
    shown_page,
)  # fmt: skip

SEED = 4
PARAMETERS = BrowseParameters()


@dataclass(frozen=True)
class World:
    titles: Titles
    market: Market
    subscriber: npt.NDArray[np.int64]
    region: npt.NDArray[np.int64]
    taste: npt.NDArray[np.float32]
    pages: npt.NDArray[np.int32]

    @property
    def answers(self) -> npt.NDArray[np.int32]:
        """A search service that answers every query with the one title it names; nothing for one not carried."""
        named = np.tile(np.arange(self.titles.count, dtype=np.int32), (len(KINDS), 1))
        named[-1] = -1
        return named[:, :, None]

    def run(
        self,
        key: npt.NDArray[np.int64],
        member: npt.NDArray[np.int64],
        *,
        state: MemberState | None = None,
        pages: npt.NDArray[np.int32] | None = None,
        is_degraded: npt.NDArray[np.bool_] | None = None,
        parameters: BrowseParameters = PARAMETERS,
        answers: npt.NDArray[np.int32] | None = None,
    ) -> Browse:
        return browse(
            SEED,
            key,
            member,
            subscriber=self.subscriber,
            region=self.region,
            taste=self.taste,
            pages=self.pages if pages is None else pages,
            fallback_pages=np.full((8, ROWS * SLOTS), -1, np.int32),
            is_degraded=np.zeros(key.size, np.bool_) if is_degraded is None else is_degraded,
            state=state or MemberState.empty(self.subscriber.size),
            titles=self.titles,
            market=self.market,
            answers=self.answers if answers is None else answers,
            params=parameters,
        )


@pytest.fixture(scope="module")
def world() -> World:
    """3,000 members; each page holds the titles its member truly wants most among 400 at random."""
    titles = make_titles(4_000, seed=2)
    subscriber = np.arange(3_000) * 13 + 5
    region = np.arange(3_000) % 8
    taste = subscriber_taste(subscriber, region, SEED)
    wanted = demand(titles, 0)
    market = make_market(titles, wanted, 0, PARAMETERS)
    some = np.random.default_rng(0).permutation(np.flatnonzero(titles.release_day < 0))[:400]
    utility = taste @ titles.taste[some].T - titles.taste_offset[some] + market.log_appeal[region][:, some]
    pages = some[np.argsort(-utility, axis=1)[:, : ROWS * SLOTS]].astype(np.int32)
    return World(titles, market, subscriber, region, taste, pages)


def sessions(world: World, each: int = 4) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    member = np.repeat(np.arange(world.subscriber.size), each)
    return np.arange(member.size) + 1_000, member


def test_every_session_ends_on_one_surface(world: World) -> None:
    key, member = sessions(world)
    out = world.run(key, member)
    assert set(np.unique(out.surface)) == {NONE, HOME, SEARCH}
    assert ((out.chosen >= 0) == (out.surface != NONE)).all()
    assert (out.is_rec_driven == (out.surface == HOME)).all()
    home = out.surface == HOME
    assert (out.row[home] >= 0).all()
    listed = home | (out.surface == SEARCH)
    assert (out.row[~listed] == -1).all()
    assert (out.row[out.surface == SEARCH] == 0).all()
    assert (out.slot[~listed] == -1).all()
    assert ((out.watch_ms > 0) == (out.chosen >= 0)).all()
    # What was played is what stood at that row and slot of the page as shown.
    for i in np.flatnonzero(home)[:200]:
        shown = shown_page(SEED, int(key[i]), world.pages[member[i]])
        assert shown[out.row[i], out.slot[i]] == out.chosen[i]


def test_results_do_not_depend_on_order_or_partition(world: World) -> None:
    key, member = sessions(world)
    whole = world.run(key, member)
    shuffled = np.random.default_rng(1).permutation(key.size)
    for part in np.array_split(shuffled, 3):
        piece = world.run(key[part], member[part])
        for field in dataclasses.fields(Browse):
            assert (getattr(piece, field.name) == getattr(whole, field.name)[part]).all()


def test_the_budget_bounds_examination(world: World) -> None:
    key, member = sessions(world)
    nothing = world.run(key, member, pages=np.full_like(world.pages, -1))
    looked = nothing.examined > 0
    assert 10 <= np.median(nothing.examined[looked]) <= 20
    assert (nothing.surface != HOME).all()
    gave_up = world.run(
        key,
        member,
        pages=np.full_like(world.pages, -1),
        parameters=replace(PARAMETERS, search_ratio=0.0, intent_ratio=0.0),
    )
    assert (gave_up.surface == NONE).all()
    assert gave_up.browse_ms.max() <= 90_000
    assert np.median(gave_up.browse_ms) >= 60_000  # a few reach the end of the page sooner


def test_a_page_of_wanted_titles_is_played_from_more_and_sooner(world: World) -> None:
    key, member = sessions(world)
    matched = world.run(key, member)
    swapped = world.run(key, member, pages=np.roll(world.pages, 8, axis=0))  # a neighbour's, same region
    assert (matched.surface == HOME).mean() > (swapped.surface == HOME).mean() + 0.1
    assert np.median(matched.examined) < np.median(swapped.examined)


def test_an_outage_shows_the_fallback_page(world: World) -> None:
    key, member = sessions(world)
    is_degraded = member % 2 == 0
    out = world.run(key, member, is_degraded=is_degraded)
    assert (out.surface[is_degraded] != HOME).all()  # the fallback page here is empty
    assert (out.surface[~is_degraded] == HOME).any()


def test_wishes_follow_demand_and_taste(world: World) -> None:
    """Searches alone, by members who always search: totals follow demand, each member follows their taste."""
    key, member = sessions(world, 40)
    ask = replace(PARAMETERS, intent_ratio=1.0, carried_ratio=1.0)
    out = world.run(key, member, parameters=ask)
    assert (out.surface == SEARCH).all()
    wanted = demand(world.titles, 0)[world.region].mean(axis=0)
    top = np.argsort(-wanted)[:100]
    share = np.isin(out.chosen, top).mean()
    assert share == pytest.approx(wanted[top].sum(), abs=0.02)
    affinity = (world.taste[member] * world.titles.taste[out.chosen]).sum(axis=1)
    assert affinity.mean() > 1.0


def test_what_a_search_brings_is_what_its_answer_holds(world: World) -> None:
    key, member = sessions(world, 20)
    ask = replace(PARAMETERS, intent_ratio=1.0)
    named = world.run(key, member, parameters=ask)
    carried = named.asked < 3
    assert carried.mean() == pytest.approx(PARAMETERS.carried_ratio, abs=0.01)
    assert (named.chosen[carried] == named.wished[carried]).all()
    assert (named.chosen[~carried] == -1).all()
    silent = world.run(key, member, parameters=ask, answers=np.full_like(world.answers, -1))
    assert (silent.chosen == -1).all()
    assert (silent.browse_ms <= named.browse_ms).all()

    # The wish below five others: who knows the title passes by them, who asks for the kind may stop before.
    others = np.random.default_rng(1).integers(0, world.titles.count, (len(KINDS), world.titles.count, 5))
    crowded = np.concatenate([others.astype(np.int32), world.answers], axis=2)
    out = world.run(key, member, parameters=ask, answers=crowded)
    knows = out.asked < 2
    assert (out.chosen[knows] == out.wished[knows]).all()
    for_kind = out.asked == 2
    stopped = for_kind & (out.slot < 5)
    assert 0 < stopped.sum() < for_kind.sum()
    assert (out.chosen[for_kind & ~stopped] == out.wished[for_kind & ~stopped]).all()
    assert (out.results_examined[out.chosen >= 0] > out.slot[out.chosen >= 0]).all()
    absent = out.asked == 3
    assert 0 < (out.chosen[absent] >= 0).mean() < 0.5


def test_unfinished_titles_are_gone_on_with_and_keep_their_origin(world: World) -> None:
    key, member = sessions(world, 1)
    state = MemberState.empty(world.subscriber.size)
    first = world.run(key, member, state=state)
    started = first.chosen >= 0
    advance(state, SEED, member, world.subscriber, first, np.minimum(first.watch_ms, 60_000), world.titles)
    opened = state.open_title[:, -1] >= 0
    assert (opened <= started).all()
    assert opened.sum() > 0.9 * started.sum()  # the rest were dropped within the minute
    again = world.run(key + 100_000, member, state=state, parameters=replace(PARAMETERS, continue_ratio=1.0))
    went_on = again.surface == CONTINUE
    assert (went_on == opened).all()
    assert (again.chosen[went_on] == first.chosen[went_on]).all()
    assert (again.is_rec_driven[went_on] == first.is_rec_driven[went_on]).all()
    assert (again.browse_ms[went_on] > 0).all()


def test_a_finished_title_is_not_open_and_not_started_again(world: World) -> None:
    key, member = sessions(world, 1)
    state = MemberState.empty(world.subscriber.size)
    first = world.run(key, member, state=state)
    advance(state, SEED, member, world.subscriber, first, first.watch_ms + 10**9, world.titles)
    assert (state.open_title == -1).all()
    for shift in (1, 2, 3):
        again = world.run(key + shift * 100_000, member, state=state)
        both = (again.chosen >= 0) & (first.chosen >= 0)
        assert (again.chosen[both] != first.chosen[both]).all()


def test_a_failed_start_leaves_no_trace(world: World) -> None:
    key, member = sessions(world, 1)
    state = MemberState.empty(world.subscriber.size)
    out = world.run(key, member, state=state)
    advance(state, SEED, member, world.subscriber, out, np.zeros(key.size, np.int64), world.titles)
    assert (state.open_title == -1).all()
    assert (state.recent == -1).all()


def test_only_so_many_titles_stay_open(world: World) -> None:
    state = MemberState.empty(world.subscriber.size)
    key, member = sessions(world, 1)
    for day in range(12):
        fresh = replace(PARAMETERS, continue_ratio=0.0)
        out = world.run(key + day * 10_000, member, state=state, parameters=fresh)
        advance(state, SEED, member, world.subscriber, out, np.minimum(out.watch_ms, 1_000), world.titles)
    opened = state.open_title[state.recent_count > 6]
    assert (opened >= 0).all()
    # The newest is last, and the recent list knows every one of them.
    latest = state.recent[np.arange(state.recent.shape[0]), (state.recent_count - 1) % state.recent.shape[1]]
    busy = state.recent_count > 6
    assert (state.open_title[busy, -1] == latest[busy]).all()
