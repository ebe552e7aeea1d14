"""Ratings files as they come: names of columns, scales, times, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metrics.errors import InputError
from metrics.recommendation.ratings import read_genres, read_ratings


def _file(tmp_path: Path, text: str | bytes, name: str = "ratings.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _rows(*ratings: str) -> str:
    return "user,item,rating,timestamp\n" + "".join(
        f"u{n % 2},i{n},{rating},{n}\n" for n, rating in enumerate(ratings)
    )


@pytest.mark.parametrize(
    "header",
    ["user,item,rating,timestamp", "userId,movieId,rating,timestamp", "viewer_id,Show ID,Stars,Date"],
)
def test_columns_by_their_usual_names(tmp_path: Path, header: str) -> None:
    ratings = read_ratings(_file(tmp_path, f"{header}\nb,x,5,2\na,y,1,1\nb,y,4,1\n"))
    assert ratings.user_ids == ("a", "b")
    assert ratings.item_ids == ("x", "y")
    assert ratings.log.user.tolist() == [0, 1, 1]
    assert ratings.log.item.tolist() == [1, 1, 0]  # by time within a user
    assert ratings.log.is_positive.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("ratings", "liked"),
    [
        (["5", "4", "3.5", "0.5"], [True, True, False, False]),
        (["10", "8", "7", "1"], [True, True, False, False]),
        (["100", "80", "79", "0"], [True, True, False, False]),
        (["1", "0", "1", "0"], [True, False, True, False]),
        (["3", "3", "3"], [True, True, True]),
    ],
)
def test_four_fifths_of_the_highest_is_a_liking(
    tmp_path: Path, ratings: list[str], liked: list[bool]
) -> None:
    found = read_ratings(_file(tmp_path, _rows(*ratings)))
    by_item = dict(
        zip((found.item_ids[i] for i in found.log.item), found.log.is_positive.tolist(), strict=True)
    )
    assert [by_item[f"i{n}"] for n in range(len(ratings))] == liked


def test_amounts_are_likings_above_nothing(tmp_path: Path) -> None:
    found = read_ratings(_file(tmp_path, _rows("900", *["3"] * 39, *["0"] * 10)))
    assert found.log.is_positive.sum() == 40
    assert any("amounts" in note for note in found.notes)


def test_without_ratings_every_row_is_a_liking(tmp_path: Path) -> None:
    found = read_ratings(_file(tmp_path, "user,item,timestamp\na,x,1\nb,y,2\n"))
    assert found.log.is_positive.all()
    assert any("no column of ratings" in note for note in found.notes)


def test_the_first_of_two_ratings_of_an_item_counts(tmp_path: Path) -> None:
    found = read_ratings(_file(tmp_path, "user,item,rating,timestamp\na,x,1,9\na,x,5,3\nb,y,5,1\na,x,5,3\n"))
    assert found.log.count == 2
    assert found.log.is_positive.all()
    assert any("2 rows" in note for note in found.notes)


@pytest.mark.parametrize(
    "times",
    [
        ["1500000000", "1500000060"],
        ["2017-07-14 02:40:00", "2017-07-14T02:41:00Z"],
        ["2017-07-14", "2017-07-15"],
    ],
)
def test_times_are_numbers_or_dates(tmp_path: Path, times: list[str]) -> None:
    rows = f"user,item,rating,timestamp\na,late,5,{times[1]}\na,early,5,{times[0]}\nb,early,5,{times[0]}\n"
    found = read_ratings(_file(tmp_path, rows))
    assert [found.item_ids[i] for i in found.log.item] == ["early", "late", "early"]


@pytest.mark.parametrize("column", ["", ",timestamp"])
def test_without_times_the_order_owes_nothing_to_the_files(tmp_path: Path, column: str) -> None:
    rows = [f"u{n % 7},i{n:03},{5 if n % 2 else 1}{',7' if column else ''}" for n in range(200)]
    header = f"user,item,rating{column}\n"
    one = read_ratings(_file(tmp_path, header + "\n".join(rows)))
    other = read_ratings(_file(tmp_path, header + "\n".join(reversed(rows))))
    assert (one.log.item == other.log.item).all()
    first = one.log.item[one.log.user == 0]
    assert (np.diff(first) < 0).any()
    assert any("at random" in note for note in one.notes)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "cannot be read as a table"),
        ("user,item,rating,timestamp\n", "no rows"),
        ("who,item,rating\na,x,1\n", "no column of users among who, item, rating"),
        ("user,what,rating\na,x,1\n", "no column of items"),
        ("user,item,rating\na,x,5\nb,y,good\n", "row 2: rating is not a number: 'good'"),
        ("user,item,rating\na,x,5\nb,y,nan\n", "row 2: rating is not a number: 'nan'"),
        ("user,item,rating\na,x,-1\nb,y,5\n", "row 1: rating is below 0: '-1'"),
        ("user,item,rating\na,x,0\nb,y,0\n", "no rating above 0"),
        (
            "user,item,rating,timestamp\na,x,5,1\nb,y,5,soon\n",
            "row 2: timestamp is neither a number nor a date",
        ),
        ("user,item,rating\na,x,5\n,y,5\n", "row 2: no user"),
        ("user,item,rating\na,x,5\na,y,5\n", "one user only"),
        ("user,item,rating\na,x,5\nb,x,5\n", "one item only"),
        ("user;item;rating\na;x;5\n", "separated by semicolons"),
        ("user,item,rating\na,x,5\nb,\xe9,5\n".encode("latin-1"), "cannot be read as a table"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str | bytes, what: str) -> None:
    with pytest.raises(InputError, match=r"ratings\.csv") as refused:
        read_ratings(_file(tmp_path, text))
    assert what in str(refused.value)
    assert "\n" not in str(refused.value)


def test_genres_are_equal_parts_by_either_separator(tmp_path: Path) -> None:
    path = _file(
        tmp_path, 'movieId,title,genres\nx,X,A|B\ny,Y,"A, C"\nz,Z,(no genres listed)\nw,W,A\n', "titles.csv"
    )
    genres = read_genres(path, ["x", "y", "z"])
    assert genres.names == ("A", "B", "C")
    assert genres.share.tolist() == [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0, 0]]
    assert genres.catalogue_items == 4
    assert "1 rated items have no genres" in genres.notes[0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("item,title\nx,X\n", "no column of genres among item, title"),
        ("item,genres\nq,A\n", "none of the rated items"),
    ],
)
def test_a_catalogue_that_does_not_fit_is_one_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_genres(_file(tmp_path, text, "titles.csv"), ["x"])
