"""Browsing: examination under a budget, choice by taste, unfinished titles, and no trace of the partition."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from synthetic.browsing import People, examined_places
from synthetic.control_plane.page import page_shift
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
    people_of,
)  # fmt: skip
from synthetic.wishes import exposure
from tests.synthetic.rankings import ranking_of_pages

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

    @property
    def people(self) -> People:
        return people_of(self.subscriber, self.region, self.taste, self.titles)

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
        day: int = 0,
        **given: Any,
    ) -> Browse:
        ranking = ranking_of_pages(
            self.pages if pages is None else pages,
            self.titles,
            self.answers if answers is None else answers,
            **given,
        )
        found, _ = browse(
            SEED,
            day,
            key,
            member,
            people=self.people,
            ranking=ranking,
            preference=ranking.trained,
            first_week=np.zeros(self.subscriber.size, np.bool_),
            is_degraded=np.zeros(key.size, np.bool_) if is_degraded is None else is_degraded,
            state=state or MemberState.empty(self.subscriber.size),
            titles=self.titles,
            market=self.market,
            params=parameters,
        )
        return found


@pytest.fixture(scope="module")
def world() -> World:
    """3,000 members; each page holds the titles its member truly wants most among 400 at random."""
    titles = make_titles(4_000, seed=2, taste_strength=1.6)  # so that what taste does is plain to see
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


def enter(
    world: World,
    state: MemberState,
    member: npt.NDArray[np.int64],
    out: Browse,
    watched_ms: npt.NDArray[np.int64],
) -> None:
    strain = np.zeros(member.size)
    advance(state, SEED, 0, member, world.subscriber, out, watched_ms, strain, world.titles)


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
    # What was played is what stood at that row and slot of the page as shown, the ranking with its rows turned.
    place = out.row.astype(np.int64) * SLOTS + out.slot
    assert (out.page[home, place[home]] == out.chosen[home]).all()
    for i in np.flatnonzero(home)[:200]:
        turned = np.roll(world.pages[member[i]].reshape(ROWS, SLOTS), -page_shift(SEED, int(key[i])), axis=0)
        assert (out.page[i] == turned.reshape(-1)).all()


def test_results_do_not_depend_on_partition(world: World) -> None:
    """A member's visits stay together, since one may change what the next is shown; members go anywhere."""
    key, member = sessions(world)
    whole = world.run(key, member)
    shuffled = np.random.default_rng(1).permutation(world.subscriber.size)
    for some in np.array_split(shuffled, 3):
        part = (some[:, None] * 4 + np.arange(4)).reshape(-1)
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
    enter(world, state, member, first, np.minimum(first.watch_ms, 60_000))
    opened = state.open_title[:, -1] >= 0
    assert (opened <= started).all()
    # The rest were left at once, or dropped within the minute.
    assert opened.sum() > 0.9 * (started & ~first.is_skipped).sum()
    assert not opened[first.is_skipped].any()
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
    enter(world, state, member, first, first.watch_ms + 10**9)
    assert (state.open_title == -1).all()
    for shift in (1, 2, 3):
        again = world.run(key + shift * 100_000, member, state=state)
        both = (again.chosen >= 0) & (first.chosen >= 0)
        assert (again.chosen[both] != first.chosen[both]).all()


def test_a_failed_start_leaves_no_trace(world: World) -> None:
    key, member = sessions(world, 1)
    state = MemberState.empty(world.subscriber.size)
    out = world.run(key, member, state=state)
    enter(world, state, member, out, np.zeros(key.size, np.int64))
    assert (state.open_title == -1).all()
    assert (state.recent == -1).all()


def test_only_so_many_titles_stay_open(world: World) -> None:
    state = MemberState.empty(world.subscriber.size)
    key, member = sessions(world, 1)
    newest, kept = np.full(world.subscriber.size, -1), np.zeros(world.subscriber.size, np.int64)
    for day in range(12):
        fresh = replace(PARAMETERS, continue_ratio=0.0)
        out = world.run(key + day * 10_000, member, state=state, parameters=fresh)
        enter(world, state, member, out, np.minimum(out.watch_ms, 1_000))
        # What somebody would not watch a twentieth of is over at once.
        stays = (out.chosen >= 0) & (out.watch_ms > world.titles.runtime_ms[out.chosen] // 20 + 1_000)
        stays &= ~out.is_skipped
        newest[stays] = out.chosen[stays]
        kept += np.bincount(member[stays], minlength=kept.size)
    assert (state.open_title[kept >= 4] >= 0).all()
    # The newest is last, and the recent list knows every one of them.
    busy = state.recent_count > 6
    assert (state.open_title[busy, -1] == newest[busy]).all()
    assert (state.recent[busy] == newest[busy, None]).any(axis=1).all()


def test_exposure_is_exactly_nothing_without_a_bonus(world: World) -> None:
    """Without the bonus, whether a title looked at is taken does not hang on where it stands; with it, it does."""
    key, member = sessions(world)
    assert exposure(0, 0, 0.0) == exposure(3, 9, 0.0) == 0.0
    patient = replace(
        PARAMETERS, budget_min_ms=1e12, budget_max_ms=1e12, next_row_ratio=0.0, intent_ratio=0.0
    )
    turned = np.ascontiguousarray(world.pages[:, ::-1])
    shares = {}
    for bonus in (0.0, 1.0):
        there, back = (
            world.run(key, member, pages=p, parameters=replace(patient, home_bonus=bonus))
            for p in (world.pages, turned)
        )
        # Looked at until something is taken, a page holds something acceptable or it does not, in any order.
        shares[bonus] = ((there.surface == HOME) == (back.surface == HOME)).mean()
    assert shares[0.0] == 1.0
    assert shares[1.0] < 1.0


def test_a_picture_of_what_the_member_likes_brings_plays(world: World) -> None:
    key, member = sessions(world)
    plain = world.run(key, member, parameters=replace(PARAMETERS, artwork_pull=0.0))
    main = world.people.liking[np.arange(3_000)[:, None], world.titles.genre[world.pages, 0]]
    second = world.people.liking[np.arange(3_000)[:, None], world.titles.genre[world.pages, 1]]
    assert (second > main).mean() > 0.2
    # A service that knows the truth: its idea of taste is the taste itself, its centres those of the genres.
    truth = {
        "rank": world.taste.shape[1],
        "trained": world.taste,
        "centre": world.titles.genre_centre[None],
        "draws_pictures": np.ones(1, np.bool_),
    }
    drawn, default = world.run(key, member, **truth), world.run(key, member)
    assert drawn.artwork[drawn.examined > 0].mean() > 0.2
    assert not default.artwork.any()
    # Where no picture counts, none changes anything.
    blind = world.run(key, member, parameters=replace(PARAMETERS, artwork_pull=0.0), **truth)
    assert (blind.chosen == plain.chosen).all()
    taken = [(out.surface == HOME).sum() / out.examined.sum() for out in (drawn, default)]
    assert taken[0] > 1.02 * taken[1]


def test_a_promise_wins_plays_and_loses_those_who_play(world: World) -> None:
    key, member = sessions(world)
    out = world.run(key, member)
    home = out.surface == HOME
    looked_at = out.page[examined_places(SEED, key, out.examined, PARAMETERS.next_row_ratio)]
    bait = world.titles.bait
    by_chance = bait[looked_at].std() / np.sqrt(home.sum())
    assert bait[out.chosen[home]].mean() > bait[looked_at].mean() + 4 * by_chance
    lurid = home & (bait[out.chosen] > 1)
    honest = home & (bait[out.chosen] < -1)
    assert out.joy[lurid].mean() < out.joy[honest].mean() - 0.8
    assert out.is_skipped[lurid].mean() > 1.5 * out.is_skipped[honest].mean()
    assert out.watch_ms[out.is_skipped].max() < out.watch_ms[home & ~out.is_skipped].mean()


def test_a_mood_lasts_the_day(world: World) -> None:
    """What is wanted at two visits of a day agrees more than at visits of two days."""
    ask = replace(PARAMETERS, intent_ratio=1.0, carried_ratio=1.0)
    key, member = sessions(world, 10)
    today, later = (world.run(key, member, parameters=ask, day=day) for day in (0, 1))
    wanted = [world.titles.taste[out.wished] for out in (today, later)]
    within = (wanted[0][::2] * wanted[0][1::2]).sum(axis=1).mean()
    across = (wanted[0][::2] * wanted[1][1::2]).sum(axis=1).mean()
    assert within > across + 0.04
