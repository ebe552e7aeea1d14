"""Search by words, artwork by taste, authorisation by state: the thin services of the control plane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metrics.errors import InputError
from synthetic.control_plane.artwork import choose_artwork, genre_affinity
from synthetic.control_plane.auth import GRANTED, REFUSED_BUSINESS, REFUSED_TECHNICAL, authorise
from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.control_plane.recommend import Model
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
    together = search_all(index, asked, 12)
    alone = [[hit.title for hit in search(index, query, 12)] for query in asked]
    assert [[t for t in row if t >= 0] for row in together.tolist()] == alone


def test_what_members_type_mostly_finds_what_they_want(catalogue: Catalogue, index: SearchIndex) -> None:
    """Names nearly always, their last word and the kind less often; a title not carried never."""
    titles = make_titles(2_000, seed=8)
    asked = queries(titles)
    assert len(asked) == len(KINDS)
    assert not set(asked[3]) & set(titles.name)
    found = [
        float((search_all(index, kind, 10) == np.arange(titles.count)[:, None]).any(axis=1).mean())
        for kind in asked
    ]
    assert found[0] > 0.95
    assert found[0] > max(found[1], found[2])
    assert min(found[1], found[2]) > 0.1
    assert found[3] < 0.05


def test_artwork_shows_the_genre_the_member_likes_better(catalogue: Catalogue) -> None:
    """A model made by hand: each of two members likes one genre and nothing else."""
    genres, count = len(catalogue.genres), catalogue.count
    title = np.zeros((genres, count), np.float32)
    title[catalogue.genre[:, 0], np.arange(count)] = 1.0
    member = np.eye(genres, dtype=np.float32)[[3, 7]]
    member = np.vstack([member, np.zeros((1, genres), np.float32)])
    nothing = np.empty(0, np.int32)
    model = Model(
        day=0, member=member, member_plays=np.zeros(3, np.int32), title=title,
        title_norm=np.zeros(count, np.float32), log_popularity=np.zeros((1, count), np.float32),
        prominence=np.zeros((1, count), np.float32), seen_start=np.zeros(4, np.int64), seen_title=nothing,
        genre=catalogue.genre, seed=0,
    )  # fmt: skip
    affinity = genre_affinity(model, catalogue)
    assert affinity.argmax(axis=1)[:2].tolist() == [3, 7]
    pages = np.tile(np.arange(40, dtype=np.int32), (3, 1))
    pages[:, -1] = -1
    variant = choose_artwork(affinity, catalogue, pages)
    for m, liked in enumerate((3, 7)):
        second = catalogue.genre[:39, 1] == liked
        main = catalogue.genre[:39, 0] == liked
        assert (variant[m, :39][second] == 1).all()
        assert (variant[m, :39][main] == 0).all()
    assert (variant[2] == 0).all()
    assert (variant[:, -1] == 0).all()


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
