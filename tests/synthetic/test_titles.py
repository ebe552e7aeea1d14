"""Content: the measured popularity, its launches and regions, and taste that keeps the aggregate."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from synthetic.titles import (
    GENRES,
    MOOD_RATIO,
    QUARTER_DAYS,
    REGION_SHARES,
    TOP_SHARES,
    Titles,
    demand,
    make_titles,
    popularity_curve,
    subscriber_taste,
)


@pytest.fixture(scope="module")
def titles() -> Titles:
    return make_titles(seed=3)


def test_popularity_follows_the_measured_shares(titles: Titles) -> None:
    ranked = np.sort(titles.share)[::-1]
    for top, share in TOP_SHARES:
        assert ranked[:top].sum() == pytest.approx(share, abs=1e-3)
    # Points of the same report that were not fitted.
    for top, share in ((10, 0.053), (300, 0.340), (2_000, 0.732), (8_000, 0.966)):
        assert ranked[:top].sum() == pytest.approx(share, abs=0.003)
    assert titles.share.sum() == pytest.approx(1)
    assert titles.start_share.sum() == pytest.approx(1)


def test_a_small_catalogue_is_the_head_of_the_curve() -> None:
    small, whole = popularity_curve(500), popularity_curve()
    assert small.sum() == pytest.approx(1)
    np.testing.assert_allclose(small / small[0], whole[:500] / whole[0])


def test_a_title_keeps_its_share_over_the_quarter(titles: Titles) -> None:
    """Launches rise and fade, but the mean over days and regions is the share of starts."""
    weight = np.array(REGION_SHARES) / sum(REGION_SHARES)
    mean = np.mean([weight @ demand(titles, day) for day in range(QUARTER_DAYS)], axis=0)
    popular = titles.start_share > 2e-4
    np.testing.assert_allclose(mean[popular], titles.start_share[popular], rtol=0.1)


def test_demand_starts_with_the_release_and_fades(titles: Titles) -> None:
    launches = np.flatnonzero((titles.release_day > 5) & (titles.release_day < 40))
    assert launches.size > 50
    for title in launches[:20]:
        day = int(titles.release_day[title])
        assert demand(titles, day - 1)[:, title].max() == 0
        at_launch, later = demand(titles, day)[:, title], demand(titles, day + 30)[:, title]
        assert (at_launch > 2 * later).all()
        assert (later > 0).all()
    np.testing.assert_allclose(demand(titles, 12).sum(axis=1), 1)


def test_titles_are_wanted_more_where_they_come_from(titles: Titles) -> None:
    home = titles.affinity[np.arange(titles.count), titles.origin]
    assert np.median(home) > 2 * np.median(titles.affinity)
    weight = np.array(REGION_SHARES) / sum(REGION_SHARES)
    np.testing.assert_allclose(titles.affinity @ weight, 1, rtol=1e-3)
    np.testing.assert_allclose(titles.share @ titles.affinity, 1, rtol=1e-2)


def test_taste_keeps_the_aggregate(titles: Titles) -> None:
    """The population's mean of exp(taste . title - offset) is about 1 for every title."""
    region = np.repeat(np.arange(8), (np.array(REGION_SHARES) * 20_000).astype(int))
    taste = subscriber_taste(np.arange(region.size), region, titles.seed)
    mood = np.sqrt(MOOD_RATIO) * np.random.default_rng(1).standard_normal(taste.shape)
    taste = taste + mood.astype(np.float32)
    some = slice(0, titles.count, 40)
    lift = np.exp(taste @ titles.taste[some].T - titles.taste_offset[some])
    assert lift.mean() == pytest.approx(1, abs=0.02)
    assert np.abs(lift.mean(axis=0) - 1).max() < 0.15


def test_what_draws_and_what_it_is_worth_are_two_things(titles: Titles) -> None:
    assert np.exp(titles.pull.astype(float)).mean() == pytest.approx(1, abs=0.02)
    assert titles.worth.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(titles.pull, titles.worth)[0, 1] < 0.1
    assert (
        np.corrcoef(titles.bait, titles.pull)[0, 1]
        > 0.5
        > -0.5
        > np.corrcoef(titles.bait, titles.worth)[0, 1]
    )


def test_taste_hangs_on_the_subscriber_alone() -> None:
    whole = subscriber_taste(np.arange(10), np.arange(10) % 8, 5)
    part = subscriber_taste(np.arange(4, 10)[::-1], (np.arange(4, 10) % 8)[::-1], 5)
    assert (whole[4:][::-1] == part).all()


def test_runtimes_genres_and_words(titles: Titles) -> None:
    minutes = titles.runtime_ms / 60_000
    assert np.median(minutes[~titles.is_series]) == pytest.approx(100, abs=3)
    assert minutes[titles.is_series].min() >= 22
    assert minutes[titles.is_series].max() <= 55
    assert (titles.episode_count[~titles.is_series] == 1).all()
    assert (titles.genre[:, 0] != titles.genre[:, 1]).all()
    assert np.bincount(titles.genre[:, 0], minlength=len(GENRES)).min() > 300
    assert len(set(titles.name)) == len(set(titles.id)) == titles.count
    assert all(GENRES[g] in text for g, text in zip(titles.genre[:, 0], titles.description, strict=True))


def test_same_seed_same_titles() -> None:
    one, two, other = make_titles(300, seed=9), make_titles(300, seed=9), make_titles(300, seed=10)
    for field in dataclasses.fields(Titles):
        left, right = getattr(one, field.name), getattr(two, field.name)
        assert (left == right).all() if isinstance(left, np.ndarray) else left == right
    assert (one.share != other.share).any()
