"""Search over a user's catalogue, on a small invented one whose right answers can be read off it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from metrics.errors import InputError
from synthetic.control_plane.search import (
    Hit,
    SearchIndex,
    build_index,
    model_bytes,
    read_titles,
    search,
    search_all,
)
from synthetic.control_plane.search.asking import checked_words, spell

COLUMNS = (
    "show_id", "type", "title", "director", "cast", "country", "release_year", "rating", "listed_in", "description",
)  # fmt: skip
# Invented, every row.
ROWS = (
    ("t01", "Movie", "The Salt Lantern", "Ada Lindqvist", "Tor Vesterlund, Mia Okoro", "Norway", "2014", "R",
     "Crime, Thrillers", "A weary detective hunts a serial killer along a frozen fjord."),
    ("t02", "TV Show", "Harbour of Ash", "Ada Lindqvist", "Tor Vesterlund", "Sweden", "2018", "TV-MA",
     "Crime TV Shows", "Two police investigators reopen a murder case in a small coastal town."),
    ("t03", "Movie", "Paper Balloons", "Ines Carvalho", "Mia Okoro, Luca Brandt", "United States", "1996", "PG",
     "Comedies, Romantic Movies", "A florist falls in love with the rival who is about to close her shop."),
    ("t04", "Movie", "Second Helping", "Ines Carvalho", "Luca Brandt", "United States", "2011", "PG-13",
     "Comedies", "A hapless chef and his roommates get into hilarious mishaps at a wedding."),
    ("t05", "TV Show", "Orbit Nine", "Kenji Sato", "Yuna Park", "Japan", "2019", "TV-14",
     "Sci-Fi & Fantasy", "The crew of a drifting space station answers a signal from an alien planet."),
    ("t06", "Movie", "The House Below", "Kenji Sato", "Yuna Park, Tor Vesterlund", "South Korea", "2020", "R",
     "Horror Movies", "A family moves into a haunted mansion where a demon and restless spirits wait."),
    ("t07", "TV Show", "Pip and the Puppies", "", "", "Canada", "2016", "TV-Y",
     "Kids' TV", "Cheerful puppies learn to share, sing songs and solve problems with friends."),
    ("t08", "Movie", "Deep Blue Hours", "Noor Haddad", "", "United Kingdom", "2009", "TV-G",
     "Documentaries", "Marine biologists film sharks and whales on an endangered reef."),
    ("t09", "Movie", "Last Round in Lagos", "Noor Haddad", "Mia Okoro", "Nigeria", "1999", "PG-13",
     "Dramas, Sports Movies", "A retired boxer trains a young fighter for the championship."),
    ("t10", "Movie", "Café Zoë", "Ines Carvalho", "Élodie Marchand", "France", "1993", "PG",
     "Romantic Movies", "Old sweethearts meet again in Paris and fall in love for a summer."),
    ("t11", "Movie", "3:15", "", "", "", "", "", "", "A night courier has fifteen minutes."),
    ("t12", "TV Show", "Orbit Nine: The Making", "Kenji Sato", "", "Japan", "2020", "TV-14",
     "Docuseries", "Behind the scenes with the people who built a space station in a warehouse."),
)  # fmt: skip


NAME = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)


def written(path: Path, rows: tuple[tuple[str, ...], ...] = ROWS, columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    return build_index(read_titles(written(tmp_path_factory.mktemp("catalogue") / "titles.csv")))


def first(index: SearchIndex, query: str) -> str:
    return index.facts.id[search(index, query, 1)[0].title]


def found(index: SearchIndex, query: str, k: int = 3) -> list[str]:
    return [index.facts.id[hit.title] for hit in search(index, query, k)]


def hit_of(index: SearchIndex, query: str, title: str) -> Hit:
    return next(hit for hit in search(index, query, 12) if index.facts.id[hit.title] == title)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("something scary with ghosts", "t06"),
        ("slow burn nordic crime", "t01"),
        ("90s feel-good romance from france", "t10"),
        ("romantic comedy from the 1990s", "t03"),
        ("laugh-out-loud film with a chef", "t04"),
        ("cartoons for toddlers", "t07"),
        ("wildlife documentary about the ocean", "t08"),
        ("boxing comeback", "t09"),
        ("sci-fi series in outer space", "t05"),
        ("the director of Pip's neighbours, drifting station", "t05"),
    ],
)
def test_what_is_described_is_found(index: SearchIndex, query: str, title: str) -> None:
    assert title in found(index, query, 2)


def test_every_name_finds_its_title_first(index: SearchIndex) -> None:
    for title, name in enumerate(index.facts.name):
        assert search(index, name, 1)[0].title == title
        assert search(index, name.upper(), 1, keyword=True)[0].title == title


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("cafe zoe", "t10"),
        ("Harbor of Ash", "t02"),
        ("Ortbit Nine", "t05"),
        ("haunted mansoin", "t06"),
        ("documantary about sharks and wales", "t08"),
    ],
)
def test_a_slip_of_the_pen_is_forgiven(index: SearchIndex, query: str, title: str) -> None:
    assert first(index, query) == title


@pytest.mark.parametrize("keyword", [False, True])
def test_a_name_with_any_letter_left_out_finds_its_title_first(index: SearchIndex, keyword: bool) -> None:
    """Or its space: where that makes a word that nothing knows, whatever words and themes speak for other titles."""
    tried = 0
    for title, name in enumerate(index.facts.name):
        for at in range(len(name) if len(name) > 8 else 0):
            slipped = name[:at] + name[at + 1 :]
            if all(spell(word, index.names) == word for word in checked_words(slipped)):
                continue
            tried += 1
            assert search(index, slipped, 1, keyword=keyword)[0].title == title, slipped
    assert tried > 80


def test_people_are_found_by_name_and_despite_a_slip(index: SearchIndex) -> None:
    assert set(found(index, "films with Tor Vesterlund")) == {"t01", "t02", "t06"}
    assert set(found(index, "Tor Vesterlnd")) == {"t01", "t02", "t06"}
    assert first(index, "comedy by Carvalho") in {"t03", "t04"}
    assert hit_of(index, "films with Tor Vesterlund", "t06").facts == (
        "person: Tor Vesterlund",
        "form: movie",
    )


def test_the_graph_is_followed_from_a_title_to_its_people(index: SearchIndex) -> None:
    assert set(found(index, "movies with Harbour of Ash's lead actor")) == {"t01", "t02", "t06"}
    assert set(found(index, "more by the director of Deep Blue Hours", 2)) == {"t08", "t09"}
    assert set(found(index, "the director of Orbit Nine")) == {"t05", "t06", "t12"}


def test_a_title_of_which_nobody_is_told_leads_nowhere(index: SearchIndex) -> None:
    for query in ("the cast of Deep Blue Hours", "lead actor of 3:15", "director of Pip and the Puppies"):
        assert all(not hit.facts for hit in search(index, query))


def test_like_a_title_is_not_the_title(index: SearchIndex) -> None:
    alike = found(index, "something like The Salt Lantern", 11)
    assert alike[0] == "t02"
    assert "t01" not in alike


def test_every_title_says_why(index: SearchIndex) -> None:
    hit = hit_of(index, "scary ghosts in korea", "t06")
    assert hit.why == ()  # it holds none of the words, and is found all the same
    assert {"haunted", "demon"} <= set(hit.themes["horror"])
    assert "country: South Korea" in hit.facts
    assert hit_of(index, "thriller from the 2010s", "t01").facts[-1] == "year: 2014"
    assert hit_of(index, "haunted mansoin", "t06").why == ("haunted", "mansion")


def test_keywords_alone_know_words_and_nothing_they_mean(index: SearchIndex) -> None:
    assert search(index, "scary", 5, keyword=True) == []
    assert [hit.title for hit in search(index, "scary", 1)] == [index.facts.id.index("t06")]
    for hit in search(index, "a haunted station in norway", 12, keyword=True):
        assert hit.why
        assert not hit.themes
        assert not hit.facts


@pytest.mark.parametrize("keyword", [False, True])
def test_many_at_once_are_answered_as_one_by_one(index: SearchIndex, keyword: bool) -> None:
    queries = [
        "nordic crime",
        "like Orbit Nine",
        "Mia Okoro",
        "zzzz",
        "movies",
        "1990s",
        "?!",
        "nordic crime",
    ]
    together = search_all(index, queries, 4, keyword=keyword)[0]
    for query, row in zip(queries, together.tolist(), strict=True):
        alone = [] if query == "?!" else [hit.title for hit in search(index, query, 4, keyword=keyword)]
        assert [title for title in row if title >= 0] == alone


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(ROWS))))
def test_the_order_of_rows_changes_nothing(order: list[int], index: SearchIndex, tmp_path: Path) -> None:
    shuffled = build_index(read_titles(written(tmp_path / "shuffled.csv", tuple(ROWS[i] for i in order))))
    assert shuffled.facts == index.facts
    for query in ("nordic crime", "love in paris", "like Orbit Nine"):
        assert search(shuffled, query) == search(index, query)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(min_size=1, max_size=200))
def test_any_query_is_answered_or_refused_in_one_line(query: str, index: SearchIndex) -> None:
    try:
        hits = search(index, query, 5)
    except InputError as refused:
        lines = str(refused).splitlines()
    else:
        lines = [""]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert all(np.isfinite(hit.score) and hit.score > 0 for hit in hits)
    assert len(lines) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAME, min_size=1, max_size=6))
@example(names=["0:1", "0:1"])
def test_names_of_any_letters_are_kept_and_found(names: list[str], tmp_path: Path) -> None:
    """Quotes, commas, line ends and any script in a cell are that cell's text."""
    wanted = [name.strip() for name in names if name.strip()]
    if not wanted:
        return
    rows = tuple((str(i), name) for i, name in enumerate(wanted))
    facts = read_titles(written(tmp_path / "any.csv", rows, ("id", "title")))
    assert sorted(facts.name) == sorted(wanted)
    index = build_index(facts)
    for name in wanted:
        try:
            hits = search(index, name, len(wanted))
        except InputError:
            continue  # no word in it
        assert name in {facts.name[hit.title] for hit in hits}


def test_columns_go_by_their_usual_names(tmp_path: Path) -> None:
    rows = (("7", "Glass Tide", "A sailor vanishes.", "Sea|Mystery", "2001-05-04", "tvSeries"),)
    columns = (" Movie ID", "Primary Title", "OVERVIEW", "Genres", "release-date", "Title type ")
    facts = read_titles(written(tmp_path / "other.csv", rows, columns))
    assert (facts.id, facts.name, facts.genres) == (("7",), ("Glass Tide",), (("Sea", "Mystery"),))
    assert (facts.year, facts.form) == ((2001,), ("series",))


def test_quotes_and_line_ends_inside_cells_are_text(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_bytes(
        b'\xef\xbb\xbftitle,description\r\n"The ""Quiet"" One","Line one,\nline two"\r\n\r\nPlain,"; rm -rf /"\r\n'
    )
    facts = read_titles(path)
    assert set(zip(facts.name, facts.description, strict=True)) == {
        ('The "Quiet" One', "Line one,\nline two"),
        ("Plain", "; rm -rf /"),
    }


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("title,description\nGood,A story.\nBad,one,two\n,No title.\n", "utf-8")
    facts = read_titles(path)
    assert facts.name == ("Good",)
    assert facts.passed_over == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"title,description\n", "no row holds a title"),
        (b"name_of_it,plot\na,b\n", "no column of titles"),
        ("title\nCaf\u00e9\n".encode("latin-1"), "not UTF-8 from byte 9"),
        (bytes(range(256)) * 40, "not UTF-8"),
        (b"\x00\x01\x02\x03" * 1000, "no column of titles"),
        (b'title,description\nA,"' + b"x" * 1_100_000, "no CSV"),
        ("title\nA\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_files_that_are_no_catalogue_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says) as refused:
        read_titles(path)
    assert "\n" not in str(refused.value)


def test_a_title_alone_is_a_catalogue(tmp_path: Path) -> None:
    index = build_index(read_titles(written(tmp_path / "one.csv", (("Solo",),), ("title",))))
    assert [hit.title for hit in search(index, "solo")] == [0]
    assert search(index, "horror") == []


def test_the_model_is_small(index: SearchIndex) -> None:
    assert 0 < model_bytes(index) < 5_000_000


def test_every_beginning_of_the_catalogue_is_one(tmp_path: Path) -> None:
    for count in range(1, len(ROWS)):
        index = build_index(read_titles(written(tmp_path / "part.csv", ROWS[:count])))
        assert search(index, ROWS[0][2], 1)[0].title == 0
