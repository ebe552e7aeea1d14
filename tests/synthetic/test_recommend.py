"""The recommender learns taste from plays, shows what it says it shows, and gives the same bytes each time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import numba
import numpy as np
import numpy.typing as npt
import pytest

from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.control_plane.play_log import PlayLog
from synthetic.control_plane.recommend import (
    Model,
    RecommendParameters,
    home_pages,
    on_sale,
    popularity_pages,
    train,
)
from synthetic.titles import Titles, demand, make_titles, subscriber_taste
from synthetic.viewer import BrowseParameters
from synthetic.warmup import warmup_plays

SEED, TODAY = 6, 7
NEW_MEMBERS = 200


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
    """4,000 members, the last 200 of them new, and ten weeks of plays."""
    titles = make_titles(3_000, seed=SEED)
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


def test_new_members_see_regional_popularity_spread_over_genres(world: World) -> None:
    new = world.pages[-NEW_MEMBERS:]
    genre = world.catalogue.genre[new, 0]
    most = max(int(np.bincount(row).max()) for row in genre)
    assert most <= world.model.parameters.cold_genre_cap
    popularity = np.exp(world.model.log_popularity[world.region[-NEW_MEMBERS:, None], new])
    known = np.exp(world.model.log_popularity[world.region[:NEW_MEMBERS, None], world.pages[:NEW_MEMBERS]])
    assert popularity.mean() > 2 * known.mean()


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
    members = np.repeat(np.arange(4_000, dtype=np.int32), 20)
    echo = PlayLog(
        members,
        world.pages[:, :20].reshape(-1).astype(np.int32),
        np.full(members.size, TODAY - 1, np.int32),
        np.ones(members.size, np.float32),
        np.zeros(members.size, np.bool_),
    )
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
    future = PlayLog(
        np.zeros(50, np.int32),
        np.arange(50, dtype=np.int32),
        np.full(50, TODAY, np.int32),
        np.ones(50, np.float32),
        np.ones(50, np.bool_),
    )
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
