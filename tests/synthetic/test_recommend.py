"""The recommender learns taste from plays, shows what it says it shows, and gives the same bytes each time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest

from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.control_plane.in_session import (
    HOME_HEAD,
    SEARCH_HEAD,
    SHOWN,
    learn_asked,
    learn_look,
    learn_pick,
    order_page,
    space_of,
)
from synthetic.control_plane.model import Model, RecommendParameters
from synthetic.control_plane.play_log import LookLog, PlayLog
from synthetic.control_plane.popularity import cohort_lift
from synthetic.control_plane.ranking import on_sale, popularity_pages, rank_titles
from synthetic.control_plane.recommend import taught_by_looks, train
from synthetic.titles import Titles, demand, make_titles, subscriber_taste
from synthetic.viewer import BrowseParameters
from synthetic.warmup import warmup_plays

SEED, TODAY = 6, 7
NEW_MEMBERS = 200
PLACES = 44


def home_pages(
    model: Model, members: npt.NDArray[np.int64], region: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    return rank_titles(model, members, region, size=PLACES)[0]


def plays(
    member: npt.NDArray[np.integer], title: npt.NDArray[np.integer], day: int, *, unaided: bool
) -> PlayLog:
    n = member.size
    return PlayLog(
        member.astype(np.int32),
        title.astype(np.int32),
        np.full(n, day, np.int32),
        np.ones(n, np.float32),
        np.full(n, unaided),
        np.full(n, unaided),
        np.full(n, 1.0 if unaided else 0.3, np.float32),
        np.zeros(n, np.int8),
    )


@dataclass(frozen=True)
class World:
    titles: Titles
    catalogue: Catalogue
    region: npt.NDArray[np.int64]
    taste: npt.NDArray[np.float32]
    log: PlayLog
    model: Model
    pages: npt.NDArray[np.int32]


@pytest.fixture(scope="module")
def world() -> World:
    """4,000 members whom taste parts strongly, the last 200 of them new, and ten weeks of plays."""
    titles = make_titles(3_000, seed=SEED, taste_strength=1.6)
    members = 4_000
    subscriber = np.arange(members)
    region = subscriber % 8
    taste = subscriber_taste(subscriber, region, SEED)
    tenure = np.where(subscriber < members - NEW_MEMBERS, 1_000, 0)
    log = warmup_plays(
        SEED,
        subscriber=subscriber,
        region=region,
        taste=taste,
        tenure_days=tenure,
        titles=titles,
        params=BrowseParameters(),
    )
    catalogue = publish(titles)
    model = train(log, catalogue, region=region, regions=8, today=TODAY, seed=SEED)
    return World(titles, catalogue, region, taste, log, model, home_pages(model, subscriber, region))


def test_it_learns_taste_it_never_saw(world: World) -> None:
    """Predicted log lift against the hidden one, over members and titles of every popularity."""
    members = np.arange(500)
    predicted = world.model.member[members] @ world.model.title
    hidden = world.taste[members] @ world.titles.taste.T
    order = np.argsort(-world.titles.share)
    for band in (order[:100], order[100:1_000], order[1_000:]):
        assert np.corrcoef(predicted[:, band].ravel(), hidden[:, band].ravel())[0, 1] > 0.6
        slope = np.polyfit(predicted[:, band].ravel(), hidden[:, band].ravel(), 1)[0]
        assert 0.7 < slope < 1.5


def test_what_chance_makes_of_a_few_plays_is_not_taken_for_taste() -> None:
    """Where taste parts members no more than in the shipped world, a predicted lift of one is a lift of one."""
    titles, members = make_titles(6_000, seed=SEED), np.arange(2_000)
    region = members % 8
    taste = subscriber_taste(members, region, SEED)
    log = warmup_plays(
        SEED, subscriber=members, region=region, taste=taste, tenure_days=np.full(2_000, 1_000), titles=titles,
        params=BrowseParameters(),
    )  # fmt: skip
    model = train(log, publish(titles), region=region, regions=8, today=TODAY, seed=SEED)
    order = np.argsort(-titles.share)
    for band in (order[:100], order[100:1_000], order[1_000:4_000]):
        predicted = model.member[:500] @ model.title[:, band]
        hidden = taste[:500] @ titles.taste[band].T
        predicted, hidden = predicted - predicted.mean(axis=0), hidden - hidden.mean(axis=0)
        assert 0.8 < (predicted * hidden).sum() / (predicted**2).sum() < 1.3


def test_its_pages_are_wanted_more_than_popularity(world: World) -> None:
    known = np.arange(2_000)
    wanted = demand(world.titles, TODAY)
    popular = popularity_pages(world.model)[world.region]

    def worth(pages: npt.NDArray[np.int32]) -> float:
        page = pages[known]
        taste = np.einsum("md,mpd->mp", world.taste[known], world.titles.taste[page])
        lift = np.exp(taste - world.titles.taste_offset[page])
        return float((wanted[world.region[known][:, None], page] ** 0.5 * lift).mean())

    assert worth(world.pages) > 1.5 * worth(popular)


def test_pages_hold_distinct_released_titles_not_seen_before(world: World) -> None:
    assert world.pages.min() >= 0
    assert (np.diff(np.sort(world.pages, axis=1), axis=1) > 0).all()
    horizon = world.model.parameters.horizon_days
    assert world.catalogue.is_released(TODAY + horizon)[world.pages].all()
    lately = world.log.since(TODAY - world.model.parameters.rest_days)
    assert lately.count > 10_000
    seen = set(zip(lately.member.tolist(), lately.title.tolist(), strict=True))
    shown = {(m, int(t)) for m in range(0, 4_000, 7) for t in world.pages[m]}
    assert not shown & seen


def test_exposure_follows_plays_and_the_long_tail(world: World) -> None:
    p = world.model.parameters
    share = np.exp(world.model.log_popularity.astype(np.float64)).mean(axis=0)
    shown = np.bincount(world.pages[: 4_000 - NEW_MEMBERS].ravel(), minlength=share.size).astype(float)
    shown /= shown.sum()
    order = np.argsort(-share)
    released = np.count_nonzero(share)
    wanted = (1 - p.long_tail_ratio) * share**p.exposure_exponent / (share**p.exposure_exponent).sum()
    wanted += p.long_tail_ratio * (share > 0) / released
    for top in (100, 300, 1_000):
        assert shown[order[:top]].sum() == pytest.approx(wanted[order[:top]].sum(), abs=0.02)
    assert np.count_nonzero(shown) > 0.95 * released


def test_new_members_are_ranked_by_regional_popularity(world: World) -> None:
    new = world.pages[-NEW_MEMBERS:]
    popularity = np.exp(world.model.log_popularity[world.region[-NEW_MEMBERS:, None], new])
    known = np.exp(world.model.log_popularity[world.region[:NEW_MEMBERS, None], world.pages[:NEW_MEMBERS]])
    assert popularity.mean() > 2 * known.mean()


def test_members_of_a_kind_share_what_is_popular_with_them(world: World) -> None:
    """Planted: those on one device play one genre twice as often; it is found, and shrunk where little is seen."""
    cohort = (np.random.default_rng(7).random(4_000) < 0.025).astype(np.int64)
    loved = 3
    of_genre = world.catalogue.genre[world.log.title, 0] == loved
    twice = world.log.where(of_genre & (cohort[world.log.member] == 1))
    everyone = world.log + twice
    lift = cohort_lift(everyone, world.catalogue, cohort, 2)
    assert lift[1, loved] == pytest.approx(np.log(2), abs=0.3)
    assert np.abs(np.delete(lift[1], loved)).max() < 0.4
    some = np.random.default_rng(2).permutation(everyone.count) % 50 == 0
    few = cohort_lift(everyone.where(some), world.catalogue, cohort, 2)
    assert abs(few[1, loved]) < 0.5 * lift[1, loved]


def test_titles_launched_lately_are_shown(world: World) -> None:
    fresh = (world.titles.release_day > 0) & (world.titles.release_day <= TODAY)
    assert fresh.sum() > 3
    assert np.isin(world.pages, np.flatnonzero(fresh)).sum() > 100


def test_each_day_shows_what_is_out_by_then(world: World) -> None:
    release = world.catalogue.release_day
    first, last = (on_sale(world.pages, release, day) for day in (TODAY, TODAY + 6))
    assert (release[first] <= TODAY).all()
    assert first.shape == last.shape == (4_000, 40)
    due = (release > TODAY) & (release <= TODAY + 6)
    assert due[last].any()
    untouched = ~due[world.pages].any(axis=1)
    assert (first[untouched] == world.pages[untouched, :40]).all()


def test_pages_made_by_the_model_do_not_teach_it_to_agree_with_itself(world: World) -> None:
    """Ten weeks in which everyone plays the top of their own page: what it knows of taste must not get worse."""
    members = np.repeat(np.arange(4_000), 20)
    echo = plays(members, world.pages[:, :20].reshape(-1), TODAY - 1, unaided=False)
    again = train(world.log + echo, world.catalogue, region=world.region, regions=8, today=TODAY, seed=SEED)
    assert again.title.tobytes() == world.model.title.tobytes()
    assert again.log_popularity.tobytes() == world.model.log_popularity.tobytes()
    some = np.arange(500)
    hidden = (world.taste[some] @ world.titles.taste.T).ravel()

    def knows(model: Model) -> float:
        return float(np.corrcoef((model.member[some] @ model.title).ravel(), hidden)[0, 1])

    assert knows(again) > knows(world.model) - 0.02


def test_same_inputs_same_bytes_for_any_threads_and_any_part(world: World) -> None:
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        again = train(world.log, world.catalogue, region=world.region, regions=8, today=TODAY, seed=SEED)
        part = np.arange(4_000)[1::3]
        pages = home_pages(again, part, world.region[part])
    finally:
        numba.set_num_threads(threads)
    for field in dataclasses.fields(Model):
        left, right = getattr(again, field.name), getattr(world.model, field.name)
        if isinstance(left, np.ndarray):
            assert left.tobytes() == right.tobytes()
    assert pages.tobytes() == np.ascontiguousarray(world.pages[part]).tobytes()


def test_what_happens_today_is_not_known_yet(world: World) -> None:
    future = plays(np.zeros(50, np.int64), np.arange(50), TODAY, unaided=True)
    model = train(world.log + future, world.catalogue, region=world.region, regions=8, today=TODAY, seed=SEED)
    assert model.member.tobytes() == world.model.member.tobytes()
    assert model.prominence.tobytes() == world.model.prominence.tobytes()


def test_without_a_single_play_everyone_gets_a_page(world: World) -> None:
    nothing = world.log.where(np.zeros(world.log.count, np.bool_))
    model = train(nothing, world.catalogue, region=world.region[:20], regions=8, today=0, seed=SEED)
    pages = home_pages(model, np.arange(20), world.region[:20])
    assert pages.min() >= 0
    assert (np.diff(np.sort(pages, axis=1), axis=1) > 0).all()


def test_exploration_can_be_turned_off(world: World) -> None:
    still = RecommendParameters(exploration=0.0)
    model = replace(world.model, parameters=still)
    later = replace(model, day=TODAY + 7)
    members = np.arange(50)
    region = world.region[:50]
    assert (home_pages(model, members, region) == home_pages(later, members, region)).all()
    moved = replace(world.model, day=TODAY + 7)
    assert (home_pages(moved, members, region) != world.pages[:50]).any()


def test_the_catalogue_hides_what_is_hidden() -> None:
    published = {field.name for field in dataclasses.fields(Catalogue)}
    hidden = {"share", "start_share", "taste", "taste_offset", "quality", "affinity", "complexity"}
    assert not published & hidden


def knows_of(member: npt.NDArray[np.float32], world: World, model: Model) -> float:
    """Correlation of predicted with hidden taste over the first members."""
    some = np.arange(300)
    hidden = (world.taste[some] @ world.titles.taste.T).ravel()
    return float(np.corrcoef((member[some] @ model.title).ravel(), hidden)[0, 1])


def test_what_was_looked_at_and_left_teaches(world: World) -> None:
    """Looks decided by hidden taste alone: they make the idea of it better, and left titles count as played ones do."""
    random = np.random.default_rng(5)
    few = world.log.where(world.log.day % 5 == 0)
    arguments: dict[str, Any] = {"region": world.region, "regions": 8, "today": TODAY, "seed": SEED}
    without = train(few, world.catalogue, **arguments)
    shown = home_pages(without, np.arange(300), world.region[:300])[:, :40]  # of a model that knows no more
    utility = np.einsum("md,mpd->mp", world.taste[:300], world.titles.taste[shown])
    utility -= world.titles.taste_offset[shown] + 2.0
    is_liked = utility + random.gumbel(size=shown.shape) > 0
    member = np.repeat(np.arange(300, dtype=np.int32), 40)
    look = LookLog(
        TODAY - 1, member, shown.reshape(-1), is_liked.reshape(-1), np.zeros(12_000, np.int8)
    )  # fmt: skip
    taught = train(few, world.catalogue, looks=[look], **arguments)
    left = train(few, world.catalogue, looks=[look.where(~look.is_liked)], **arguments)
    assert knows_of(taught.member, world, taught) > knows_of(without.member, world, without) + 0.02
    assert not np.array_equal(left.member[:300], without.member[:300])
    assert (taught.member[300:] == without.member[300:]).all()
    # Chances are fitted to the scores that this model gives: as it ends, they all but add up to the likes.
    score = np.take_along_axis(taught.member[:300] @ taught.title, shown, axis=1) - taught.title_norm[shown]
    score += taught.prominence[world.region[:300, None], shown]
    chance = 1 / (1 + np.exp(-(taught.take[0] + taught.take[1] * score)))
    assert chance.mean() == pytest.approx(is_liked.mean(), rel=0.1)


def test_another_level_of_popularity_changes_nothing_of_what_looks_teach(world: World) -> None:
    """What popularity adds to a score is found up to a constant, which may be another at every training."""
    random = np.random.default_rng(6)
    member = np.repeat(np.arange(300, dtype=np.int32), 20)
    title = world.pages[:300, :20].reshape(-1)
    utility = np.einsum("nd,nd->n", world.taste[member], world.titles.taste[title])
    is_liked = utility - world.titles.taste_offset[title] - 2.0 + random.gumbel(size=6_000) > 0
    look = LookLog(TODAY - 1, member, title, is_liked, np.zeros(6_000, np.int8))
    teachers = np.ones(world.region.size, np.bool_)
    taught = []
    for level in (0.0, 3.0):
        model = replace(
            world.model, member=world.model.member.copy(), evidence=world.model.evidence.copy(),
            prominence=world.model.prominence + np.float32(level),
        )  # fmt: skip
        taught.append(taught_by_looks(model, [look], world.region.astype(np.int64), teachers))
    assert np.abs(taught[0].member - world.model.member).max() > 0.05
    # As near as the two fits of the chances end: a level that mattered would move it by tenths.
    moved = taught[0].member - world.model.member
    assert np.abs(taught[1].member - taught[0].member).mean() < 0.01 * np.abs(moved[:300]).mean()
    np.testing.assert_allclose(taught[0].evidence, taught[1].evidence, rtol=5e-3)
    assert taught[0].take[1] == pytest.approx(taught[1].take[1], abs=0.02)


def test_looks_whose_outcome_hangs_on_no_score_teach_next_to_nothing(world: World) -> None:
    """Likes by the toss of a coin are told from likes by taste: the slope of the chances is the size of a step."""
    random = np.random.default_rng(6)
    member = np.repeat(np.arange(300, dtype=np.int32), 20)
    look = LookLog(
        TODAY - 1, member, world.pages[:300, :20].reshape(-1), random.random(6_000) < 0.05, np.zeros(6_000, np.int8)
    )  # fmt: skip
    model = replace(world.model, member=world.model.member.copy(), evidence=world.model.evidence.copy())
    taught = taught_by_looks(
        model, [look], world.region.astype(np.int64), np.ones(world.region.size, np.bool_)
    )
    assert np.abs(taught.member - world.model.member).max() < 0.02


def test_a_search_teaches_home_when_unified_and_never_when_siloed(world: World) -> None:
    """The same query put to both: one idea of taste moves what home ranks by, the other leaves it bit for bit."""
    arguments: dict[str, Any] = {"region": world.region, "regions": 8, "today": TODAY, "seed": SEED}
    siloed = train(world.log, world.catalogue, recommender="siloed", **arguments)
    wanted = np.flatnonzero(world.catalogue.genre[:, 0] == 2)[:10].astype(np.int32)
    for model, is_moved in ((world.model, True), (siloed, False)):
        title = np.ascontiguousarray(model.title.T)
        taste = model.member[:50].copy()
        mean = np.empty(model.member.shape[1], np.float32)
        low, high = model.block[SEARCH_HEAD]
        for m in range(50):
            learn_asked(taste[m], 10.0, wanted, title, model.curvature, mean, low, high)
            learn_pick(taste[m], 11.0, title[wanted[0]], model.curvature, low, high)
        first, last = model.block[HOME_HEAD]
        before = model.member[:50, first:last] @ title[wanted, first:last].T
        after = taste[:, first:last] @ title[wanted, first:last].T
        assert (after.mean() > before.mean() + 0.05) == is_moved
        if not is_moved:
            assert after.tobytes() == before.tobytes()
            assert not np.array_equal(taste, model.member[:50])
    # As many factors in all.
    assert siloed.title.shape == world.model.title.shape
    assert (siloed.block[1:, 0] == siloed.block[:-1, 1]).all()


def test_a_silo_learns_from_its_own_surface_alone(world: World) -> None:
    arguments: dict[str, Any] = {
        "region": world.region,
        "regions": 8,
        "today": TODAY,
        "seed": SEED,
        "recommender": "siloed",
    }
    whole = train(world.log, world.catalogue, **arguments)
    home_only = train(world.log.where(~world.log.is_search), world.catalogue, **arguments)
    first, last = whole.block[HOME_HEAD]
    assert (whole.title[first:last] == home_only.title[first:last]).all()
    assert (whole.member[:, first:last] == home_only.member[:, first:last]).all()
    low, high = whole.block[SEARCH_HEAD]
    assert not home_only.title[low:high].any()
    assert whole.title[low:high].any()


def test_a_signal_in_session_is_the_step_of_the_batch() -> None:
    """Asked for one after the other, titles lead to the posterior mean of all of them: the rule is one."""
    random = np.random.default_rng(3)
    vectors = random.normal(size=(30, 4)).astype(np.float32)
    curvature = np.array([0.2, 0.5, 1.0, 0.1], np.float32)
    taste, evidence = np.zeros(4, np.float32), 0.0
    for vector in vectors:
        evidence = learn_pick(taste, evidence, vector, curvature, 0, 4)
    assert evidence == 30
    assert taste == pytest.approx(vectors.sum(axis=0) / (1 + 30 * curvature), abs=1e-4)
    # A look moves by the surprise: up when played, down when left, the less the more it was expected.
    for is_played, expected, way in ((True, 0.1, 1), (False, 0.1, -1)):
        moved = taste.copy()
        learn_look(moved, evidence, vectors[0], curvature, 0, 4, is_played, expected, 0.8)
        assert np.sign((moved - taste) @ vectors[0]) == way
    sure, unsure = taste.copy(), taste.copy()
    learn_look(sure, evidence, vectors[0], curvature, 0, 4, True, 0.9, 0.8)
    learn_look(unsure, evidence, vectors[0], curvature, 0, 4, True, 0.1, 0.8)
    assert np.abs(unsure - taste).sum() > 5 * np.abs(sure - taste).sum()


@pytest.mark.parametrize(
    ("candidates", "rank", "low", "high"), [(96, 16, 0, 16), (96, 16, 0, 8), (7, 4, 0, 4)]
)
def test_a_page_is_the_best_candidates_in_order_of_equals_the_earlier(
    candidates: int, rank: int, low: int, high: int
) -> None:
    random = np.random.default_rng(candidates + high)
    space = np.empty(space_of(candidates, rank), np.float32)
    page, page_score = np.empty(SHOWN, np.int32), np.empty(SHOWN, np.float32)
    for turn in range(60):
        title = random.normal(size=(500, rank)).astype(np.float32)
        is_out = random.random(500) < 0.8
        candidate = random.permutation(500)[:candidates].astype(np.int32)
        candidate[random.random(candidates) < 0.1] = -1
        score = -np.sort(-random.exponential(size=candidates)).astype(np.float32)
        trained, taste = random.normal(size=(2, rank)).astype(np.float32)
        if turn % 3 == 0:
            taste = trained.copy()
        if turn % 3 == 1:  # equal scores: the earlier first
            title[:] = np.float32(0.0)
            score = np.round(score)
        order_page(candidate, score, trained, taste, title, low, high, is_out, page, page_score, space)
        now = score + (title[:, low:high] @ (taste - trained)[low:high])[candidate]
        now[(candidate < 0) | ~is_out[candidate]] = -np.inf
        best = np.argsort(-now, kind="stable")[: np.isfinite(now).sum()][:SHOWN]
        assert page_score[: best.size] == pytest.approx(now[best], abs=1e-5)
        assert (page[best.size :] == -1).all()
        if turn % 3 != 2:
            assert (page[: best.size] == candidate[best]).all()


def test_what_production_is_compared_with_learns_from_plays_as_logged(world: World) -> None:
    """Who brought a play about and how likely it was changes production's model, and not the two simpler ones."""
    arguments: dict[str, Any] = {"region": world.region, "regions": 8, "today": TODAY, "seed": SEED}
    by_page = np.arange(world.log.count) % 2 == 0
    told = replace(
        world.log, is_unaided=~by_page, inclusion=np.where(by_page, np.float32(0.2), np.float32(1.0))
    )
    for recommender, is_same in (("factors", True), ("popularity", True), ("unified", False)):
        one, two = (
            train(log, world.catalogue, recommender=recommender, **arguments) for log in (world.log, told)
        )
        assert np.array_equal(one.log_popularity, two.log_popularity) == is_same
        assert np.array_equal(one.title, two.title) == is_same
