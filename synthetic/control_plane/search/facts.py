"""What the search service is told of titles: a catalogue of ours, or a user's CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.errors import InputError
from synthetic.control_plane.catalogue import Catalogue

__all__ = ["TitleFacts", "facts_of", "read_titles"]

# Our field -> the names that catalogues give it, in order of preference; compared without case and punctuation.
COLUMNS = {
    "id": ("show_id", "id", "title_id", "content_id", "item_id", "movie_id", "tconst", "item"),
    "name": ("title", "name", "primary_title", "movie_title", "series_title"),
    "description": ("description", "overview", "synopsis", "summary", "plot"),
    "cast": ("cast", "actors", "starring", "stars"),
    "director": ("director", "directors", "creator", "created_by"),
    "genres": ("listed_in", "genres", "genre", "categories", "category"),
    "countries": ("country", "countries", "production_countries", "origin_country"),
    "year": ("release_year", "year", "start_year", "release_date", "released"),
    "form": ("type", "title_type", "kind", "format"),
    "rating": ("rating", "certificate", "maturity_rating", "age_rating", "certification"),
}
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
_MAX_CELL = 1 << 20  # characters; a cell beyond is a quote that was never closed


@dataclass(frozen=True)
class TitleFacts:
    """Titles by column; where nothing is told, an empty text or tuple, and year 0. ``form``: movie or series."""

    id: tuple[str, ...]
    name: tuple[str, ...]
    description: tuple[str, ...]
    cast: tuple[tuple[str, ...], ...]
    director: tuple[tuple[str, ...], ...]
    genres: tuple[tuple[str, ...], ...]
    countries: tuple[tuple[str, ...], ...]
    year: tuple[int, ...]
    form: tuple[str, ...]
    rating: tuple[str, ...]
    passed_over: int = 0
    """Rows of the file that could not be used: no title, or not as many cells as the header."""

    @property
    def count(self) -> int:
        return len(self.id)


def facts_of(catalogue: Catalogue) -> TitleFacts:
    """What the emulated service's catalogue tells."""
    count, nobody = catalogue.count, ((),) * catalogue.count
    return TitleFacts(
        id=tuple(map(str, catalogue.id)),
        name=catalogue.name,
        description=catalogue.description,
        cast=nobody,
        director=nobody,
        genres=tuple(tuple(catalogue.genres[g] for g in pair) for pair in catalogue.genre.tolist()),
        countries=nobody,
        year=(0,) * count,
        form=("",) * count,
        rating=("",) * count,
    )


def read_titles(path: Path) -> TitleFacts:
    """Read a CSV of titles, UTF-8, with a header; only a column of titles is required.

    Rows are put in the order of their ids and names, so that their order in the file changes nothing.
    Raises :class:`~metrics.errors.InputError` for a file that is no such table or holds no title.
    """
    where = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 from byte {error.start:,} on", where=where, mend="save the file as CSV in UTF-8"
        ) from None
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", where=where, mend="name a CSV file") from None
    lines = _cells(text, where)
    header = next(lines, None)
    if header is None:
        raise InputError("the file is empty", where=where, mend="give a CSV of titles with a header")
    place = _places(header, where)
    rows, passed_over = [], 0
    for number, cells in enumerate(lines, start=1):
        row = {field: cells[i].strip() for field, i in place.items()} if len(cells) == len(header) else {}
        if row.get("name"):
            rows.append({"id": str(number)} | {field: cell for field, cell in row.items() if cell})
        else:
            passed_over += 1
    if not rows:
        raise InputError("no row holds a title", where=where, mend="give at least one title to search in")
    if "id" in place:
        rows.sort(key=lambda row: (row["id"], sorted(row.items())))
    else:
        rows.sort(key=lambda row: sorted((f, cell) for f, cell in row.items() if f != "id"))

    def column(field: str) -> tuple[str, ...]:
        return tuple(row.get(field, "") for row in rows)

    def lists(field: str) -> tuple[tuple[str, ...], ...]:
        return tuple(map(_listed, column(field)))

    return TitleFacts(
        id=column("id"), name=column("name"), description=column("description"), cast=lists("cast"),
        director=lists("director"), genres=lists("genres"), countries=lists("countries"),
        year=tuple(map(_year, column("year"))), form=tuple(map(_form, column("form"))),
        rating=column("rating"), passed_over=passed_over,
    )  # fmt: skip


def _cells(text: str, where: str) -> Iterator[list[str]]:
    """The rows that hold anything. Quotes may hold commas, quotes and line ends."""
    before = csv.field_size_limit(_MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield cells
    except csv.Error as error:
        raise InputError(
            f"no CSV ({error})", where=f"{where}, line {reader.line_num:,}", mend="close every quote"
        ) from None
    finally:
        csv.field_size_limit(before)


def _places(header: Sequence[str], where: str) -> dict[str, int]:
    """Where each of our fields stands."""
    plain = [re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_") for name in header]
    found = {
        field: plain.index(names[0])
        for field, known in COLUMNS.items()
        if (names := [name for name in known if name in plain])
    }
    if "name" not in found:
        shown = ", ".join(repr(name[:30]) for name in header[:8]) + (", …" if len(header) > 8 else "")
        raise InputError(
            f"no column of titles among {shown}",
            where=where,
            mend="call it title; description, cast, director, listed_in, country and release_year are read too",
        )
    return found


def _listed(cell: str) -> tuple[str, ...]:
    parts = (part.strip(" \t\r\n'\"") for part in re.split(r"[,|;]", cell.strip("[]")))
    return tuple(dict.fromkeys(part for part in parts if part))


def _year(cell: str) -> int:
    found = _YEAR.search(cell)
    return int(found[1]) if found else 0


def _form(cell: str) -> str:
    plain = cell.lower()
    if any(word in plain for word in ("tv", "series", "show", "episode")):
        return "series"
    return "movie" if any(word in plain for word in ("movie", "film", "feature")) else ""
