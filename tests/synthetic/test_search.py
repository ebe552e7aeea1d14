"""Search by words, artwork by taste, authorisation by state: the thin services of the control plane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from metrics.errors import InputError
from synthetic.control_plane.artwork import genre_means, learn_pictures
from synthetic.control_plane.auth import GRANTED, REFUSED_BUSINESS, REFUSED_TECHNICAL, authorise
from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.control_plane.in_session import like_genres, picture
from synthetic.control_plane.play_log import PlayLog, ResultLog
from synthetic.control_plane.results import POPULARITY, RELEVANCE, learn_weights, order_results
from synthetic.control_plane.search import MAX_QUERY_LENGTH, SearchIndex, build_index, search, search_all
from synthetic.queries import KINDS, queries
from synthetic.titles import make_titles


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return publish(make_titles(2_000, seed=8))


@pytest.fixture(scope="module")
def index(catalogue: Catalogue) -> SearchIndex:
    return build_index(catalogue)


def test_a_name_finds_its_title(catalogue: Catalogue, index: SearchIndex) -> None:
    found = [search(index, catalogue.name[t], 3) for t in range(0, 2_000, 40)]
    first = [hits[0].title == t for t, hits in zip(range(0, 2_000, 40), found, strict=True)]
    assert np.mean(first) > 0.9


def test_genres_and_themes_find_their_kind(catalogue: Catalogue, index: SearchIndex) -> None:
    scifi, mystery = catalogue.genres.index("sci-fi"), catalogue.genres.index("mystery")
    hits = search(index, "fun sci-fi with mystery vibes", 10)
    assert len(hits) == 10
    kinds = [set(catalogue.genre[hit.title].tolist()) for hit in hits]
    assert sum(bool(kind & {scifi, mystery}) for kind in kinds) == 10
    assert sum(kind == {scifi, mystery} for kind in kinds) >= 3  # 1 in 100 titles is both
    assert all("sci" in hit.why for hit in hits[:3])
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_typing_error_is_forgiven(index: SearchIndex) -> None:
    right, wrong = (
        search(index, "documentary polar researchers"),
        search(index, "documantary polar reserchers"),
    )
    assert {hit.title for hit in right} == {hit.title for hit in wrong}


@pytest.mark.parametrize("query", ["", "   ", "?!…", "x" * (MAX_QUERY_LENGTH + 1)])
def test_a_query_that_cannot_be_used_is_told(index: SearchIndex, query: str) -> None:
    with pytest.raises(InputError):
        search(index, query)


def test_words_nobody_uses_find_nothing(index: SearchIndex) -> None:
    assert search(index, "zzzzqqq 0101010101") == []


def test_a_catalogue_of_one_title_and_of_none(catalogue: Catalogue) -> None:
    one = replace(
        catalogue,
        id=catalogue.id[:1], name=catalogue.name[:1], description=catalogue.description[:1],
        genre=catalogue.genre[:1], is_series=catalogue.is_series[:1], runtime_ms=catalogue.runtime_ms[:1],
        release_day=catalogue.release_day[:1],
    )  # fmt: skip
    assert [hit.title for hit in search(build_index(one), one.name[0])] == [0]
    none = replace(one, name=(), description=(), release_day=one.release_day[:0])
    with pytest.raises(InputError, match="no title"):
        build_index(none)


def test_queries_answered_together_are_answered_as_one_by_one(index: SearchIndex) -> None:
    asked = [kind[t] for kind in queries(make_titles(2_000, seed=8)) for t in range(0, 2_000, 150)]
    asked += ["documantary polar reserchers", "zzzzqqq", asked[0]]
    together = search_all(index, asked, 12)[0]
    alone = [[hit.title for hit in search(index, query, 12)] for query in asked]
    assert [[t for t in row if t >= 0] for row in together.tolist()] == alone


def test_what_members_type_mostly_finds_what_they_want(catalogue: Catalogue, index: SearchIndex) -> None:
    """Names nearly always, their last word and the kind less often; a title not carried never."""
    titles = make_titles(2_000, seed=8)
    asked = queries(titles)
    assert len(asked) == len(KINDS)
    assert not set(asked[3]) & set(titles.name)
    found = [
        float((search_all(index, kind, 10)[0] == np.arange(titles.count)[:, None]).any(axis=1).mean())
        for kind in asked
    ]
    assert found[0] > 0.95
    assert found[0] > max(found[1], found[2])
    assert min(found[1], found[2]) > 0.1
    assert found[3] < 0.05


def test_artwork_shows_the_genre_the_member_likes_better(catalogue: Catalogue) -> None:
    """A model made by hand: each genre a factor; members like one genre, or nothing at all."""
    genres, count = len(catalogue.genres), catalogue.count
    title = np.zeros((count, genres), np.float32)
    title[np.arange(count), catalogue.genre[:, 0]] = 1.0
    centre = genre_means(title, catalogue)
    assert centre.argmax(axis=1).tolist() == list(range(genres))
    likes = np.empty(genres, np.float32)
    for liked in (3, 7):
        like_genres(np.eye(genres, dtype=np.float32)[liked], centre, 0, genres, likes)
        assert likes.argmax() == liked
        for main, second in catalogue.genre[:200]:
            assert picture(likes, main, second) == (second == liked) or liked not in (main, second)
    like_genres(np.zeros(genres, np.float32), centre, 0, genres, likes)
    assert not any(picture(likes, main, second) for main, second in catalogue.genre[:200])


def test_pictures_alone_teach_who_plays_from_them(catalogue: Catalogue) -> None:
    """Half the members play from pictures of one genre, half from another's: the two stand apart."""
    random = np.random.default_rng(1)
    member = np.repeat(np.arange(400, dtype=np.int32), 20)
    loved = np.where(member % 2 == 0, 3, 7)
    shown = np.where(random.random(member.size) < 0.6, loved, random.integers(0, 16, member.size))
    n = member.size
    log = PlayLog(
        member, np.zeros(n, np.int32), np.zeros(n, np.int32), np.ones(n, np.float32), np.zeros(n, np.bool_),
        np.zeros(n, np.bool_), np.ones(n, np.float32), shown.astype(np.int8),
    )  # fmt: skip
    factors, taste, _ = learn_pictures(log, np.ones(400, np.bool_), catalogue, 2, seed=1)
    likes = taste @ factors.title.T
    assert ((likes[::2, 3] > likes[::2, 7]).mean() > 0.95) & ((likes[1::2, 7] > likes[1::2, 3]).mean() > 0.95)


def test_results_are_ordered_by_words_popularity_and_taste_and_the_very_name_stays_first() -> None:
    found = np.array([5, 1, 2, 3, -1], np.int32)
    relevance = np.array([0.0, -1.0, -2.0, -3.0, 0.0], np.float32)
    popularity = np.array([0, 0, 4, 0, 0, 0], np.float32)
    title = np.zeros((6, 2), np.float32)
    title[3] = (9.0, 0.0)
    norm, is_out = np.zeros(6, np.float32), np.ones(6, np.bool_)
    taste = np.array([1.0, 0.0], np.float32)

    def ordered(
        *weight: float, is_name: bool, out: npt.NDArray[np.bool_] = is_out
    ) -> tuple[list[int], npt.NDArray[np.float32]]:
        results, feature = np.empty(3, np.int32), np.empty((3, 3), np.float32)
        order_results(
            found, relevance, is_name, popularity, taste, title, norm, 0, 2, out, np.array(weight), results, feature,
            np.empty(5), np.empty(5, np.float32),
        )  # fmt: skip
        return results.tolist(), feature

    assert ordered(1, 0, 0, is_name=False)[0] == [5, 1, 2]
    assert ordered(1, 1, 0, is_name=False)[0] == [2, 5, 1]
    results, feature = ordered(1, 1, 1, is_name=False)
    assert results == [3, 2, 5]
    assert feature.tolist() == [[-3, 0, 9], [-2, 4, 0], [0, 0, 0]]
    results, feature = ordered(1, 1, 1, is_name=True)
    assert results == [5, 3, 2]
    assert np.isinf(feature[:, RELEVANCE]).tolist() == [True, False, False]
    hidden = is_out.copy()
    hidden[[5, 1]] = False
    assert ordered(1, 0, 0, is_name=False, out=hidden)[0] == [2, 3, -1]


def test_what_results_weigh_is_learned_from_those_that_were_looked_at() -> None:
    random = np.random.default_rng(3)
    feature = random.normal(size=(40_000, 3)).astype(np.float32)
    planted = np.array([2.0, 0.5, 0.0])
    is_liked = random.random(40_000) < 1 / (1 + np.exp(2.0 - feature @ planted))
    log = ResultLog(0, np.zeros(40_000, np.int32), is_liked, feature)
    assert learn_weights([log]) == pytest.approx(planted, abs=0.06)
    pinned = feature.copy()
    pinned[::2, RELEVANCE] = np.inf
    assert learn_weights([replace(log, feature=pinned)]) == pytest.approx(planted, abs=0.09)
    first_guess = learn_weights([])
    few = log.where(np.arange(40_000) < 100)
    assert (first_guess > 0).all()
    assert learn_weights([few]).tolist() == first_guess.tolist()
    disliked = replace(log, is_liked=random.random(40_000) < 1 / (1 + np.exp(2.0 + feature[:, POPULARITY])))
    assert learn_weights([disliked])[POPULARITY] == 0.0


def test_authorisation_fails_as_often_as_it_should() -> None:
    n = 100_000
    member, step = np.arange(n), np.zeros(n, np.int64)
    outage = np.where(member < n // 2, 0.4, 0.0)
    lapsed = member % 10 == 0
    answer = authorise(
        1, member, step, outage_ratio=outage, technical_ratio=0.01, business_ratio=0.02, is_lapsed=lapsed
    )
    assert (answer[lapsed] == REFUSED_BUSINESS).all()
    down, up = answer[: n // 2][~lapsed[: n // 2]], answer[n // 2 :][~lapsed[n // 2 :]]
    assert (down == REFUSED_TECHNICAL).mean() == pytest.approx(0.4, abs=0.01)
    assert (up == REFUSED_TECHNICAL).mean() == pytest.approx(0.01, abs=0.003)
    assert (up == REFUSED_BUSINESS).mean() == pytest.approx(0.02, abs=0.003)
    assert (up == GRANTED).mean() == pytest.approx(0.97, abs=0.005)
