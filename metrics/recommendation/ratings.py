"""A user's ratings file and catalogue: columns by the names they usually have, and which ratings are likings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from metrics.errors import InputError
from metrics.ingest.table_file import instant_ms_of, read_table
from metrics.recommendation.log import Floats, Log

__all__ = ["Genres", "Ratings", "read_genres", "read_ratings"]

_NAMES = {
    "user": ("user", "userid", "member", "memberid", "subscriber", "subscriberid", "viewer", "viewerid", "uid"),
    "item": ("item", "itemid", "movieid", "titleid", "showid", "contentid", "movie", "show", "content", "title", "id"),
    "rating": ("rating", "ratings", "score", "stars", "value", "preference"),
    "timestamp": ("timestamp", "time", "ts", "date", "datetime", "ratedat", "timestampms", "timestamps"),
    "genres": ("genres", "genre", "listedin", "categories", "category"),
}  # fmt: skip
_POSITIVE_SHARE = 0.8
_FEW = 0.05
_NO_GENRES = "(no genres listed)"


@dataclass(frozen=True)
class Ratings:
    """The file's rows as a log, the ids behind its numbers, and what was decided about the file."""

    log: Log
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    notes: tuple[str, ...]
    """A sentence each: what counts as liking, what was left out, what is missing."""


@dataclass(frozen=True)
class Genres:
    """Genres of a log's items."""

    names: tuple[str, ...]
    share: Floats
    """[items, genres] each item's genres in equal parts; a row of zeros where they are unknown."""
    catalogue_items: int
    """Items of the catalogue and of the ratings together."""
    notes: tuple[str, ...]


def read_ratings(path: Path) -> Ratings:
    """The ratings at ``path``: CSV or Parquet with a user, an item, and where there are any a rating and a timestamp.

    A rating is a liking where it is at least four fifths of the highest in the file (4 of 5, 8 of 10). Where all
    are equal, or hardly any is that high (counts, hours), every rating above 0 is. A user's second rating of an
    item is left out. Raises :class:`~metrics.errors.InputError` naming the column or the row that is wrong.
    """
    table = read_table(path)
    where = str(path)
    if not table.height:
        raise InputError("no rows", where=where, mend="give a row a rating: user,item,rating,timestamp")
    names = {role: _column(table.columns, role) for role in ("user", "item", "rating", "timestamp")}
    for role in ("user", "item"):
        if names[role] is None:
            found = ", ".join(table.columns[:8])
            raise InputError(f"no column of {role}s among {found}", where=where, mend=f"call it {role}")
    notes: list[str] = []
    frame = pl.DataFrame(
        {
            "user": _ids(table, str(names["user"]), where),
            "item": _ids(table, str(names["item"]), where),
            "rating": _ratings(table, names["rating"], where, notes),
            "time": _times(table, names["timestamp"], where, notes),
        }
    )
    if frame["time"].null_count():  # nothing to go by: an order that owes nothing to the file's
        draw = np.random.Generator(np.random.Philox(42))
        frame = frame.sort("user", "item").with_columns(time=pl.Series(draw.random(frame.height)))
    first = frame.sort("time", maintain_order=True).unique(
        ["user", "item"], keep="first", maintain_order=True
    )
    if first.height < frame.height:
        left_out = frame.height - first.height
        notes.append(f"{left_out:,} rows rate an item a second time: the first rating counts")
    return _numbered(first, where, notes)


def read_genres(path: Path, item_ids: Sequence[str]) -> Genres:
    """Genres of ``item_ids`` from the catalogue at ``path``: CSV or Parquet with an item and genres, parted by | or ,.

    Raises :class:`~metrics.errors.InputError` where a column is missing or no item of the ratings is there.
    """
    table = read_table(path)
    item, genres = _column(table.columns, "item"), _column(table.columns, "genres")
    for role, name in (("item", item), ("genres", genres)):
        if name is None:
            found = ", ".join(table.columns[:8])
            raise InputError(f"no column of {role} among {found}", where=str(path), mend=f"call it {role}")
    text = {
        "item": pl.col(str(item)).cast(pl.String).str.strip_chars(),
        "genre": pl.col(str(genres)).cast(pl.String),
    }
    parted = pl.col("genre").replace(_NO_GENRES, None).str.replace_all(",", "|", literal=True).str.split("|")
    listed = table.select(**text).unique("item", keep="first", maintain_order=True).with_columns(parted)
    known = pl.DataFrame({"item": list(item_ids), "number": np.arange(len(item_ids))})
    rows = (
        listed.join(known, on="item")
        .explode("genre")
        .with_columns(pl.col("genre").str.strip_chars())
        .filter(pl.col("genre").is_not_null() & (pl.col("genre") != ""))
        .unique(["number", "genre"])
    )
    if rows.is_empty():
        what = "none of the rated items is in the catalogue with a genre"
        raise InputError(what, where=str(path), mend="use the same ids in both files")
    names = rows["genre"].unique().sort().to_list()
    number = {name: place for place, name in enumerate(names)}
    share = np.zeros((len(item_ids), len(names)))
    share[rows["number"].to_numpy(), [number[genre] for genre in rows["genre"]]] = 1.0
    unknown = int((share.sum(axis=1) == 0).sum())
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1.0)
    notes = (f"{unknown:,} rated items have no genres in the catalogue",) if unknown else ()
    everything = len(set(item_ids) | set(listed["item"].drop_nulls().to_list()))
    return Genres(tuple(names), share, everything, notes)


def _column(columns: Sequence[str], role: str) -> str | None:
    """The column with the role's most usual name."""
    plain = {"".join(c for c in name.lower() if c.isalnum()): name for name in reversed(columns)}
    return next((plain[name] for name in _NAMES[role] if name in plain), None)


def _ids(table: pl.DataFrame, name: str, where: str) -> pl.Series:
    ids = table[name].cast(pl.String).str.strip_chars()
    _refuse_first(ids.is_null() | (ids == ""), table[name], f"no {name}", where)
    return ids


def _ratings(table: pl.DataFrame, name: str | None, where: str, notes: list[str]) -> pl.Series:
    if name is None:
        notes.append("no column of ratings: every row is a liking")
        return pl.Series(np.ones(table.height))
    values = table[name].cast(pl.Float64, strict=False)
    _refuse_first(values.is_null() | ~values.is_finite(), table[name], f"{name} is not a number:", where)
    _refuse_first(values < 0, table[name], f"{name} is below 0:", where)
    return values


def _times(table: pl.DataFrame, name: str | None, where: str, notes: list[str]) -> pl.Series:
    nothing = pl.Series([None] * table.height, dtype=pl.Float64)
    if name is None:
        notes.append("no timestamps: each user's rows are parted at random, and nothing is known of trends")
        return nothing
    values = table[name].cast(pl.Float64, strict=False)
    if values.null_count():
        instants = table.select(instant_ms_of(pl.col(name), table.schema[name])).to_series()
        values = values.fill_null(instants.cast(pl.Float64) / 1000)
    bad = values.is_null() | ~values.is_finite()
    _refuse_first(bad, table[name], f"{name} is neither a number nor a date:", where)
    if values.n_unique() == 1 and table.height > 1:
        notes.append(
            "all timestamps are equal: each user's rows are parted at random, and nothing is known of trends"
        )
        return nothing
    return values


def _refuse_first(is_bad: pl.Series, values: pl.Series, what: str, where: str) -> None:
    if is_bad.any():
        row = int(is_bad.arg_true()[0])
        value = str(values[row])[:40]
        raise InputError(f"row {row + 1}: {what} {value!r}", where=where, mend="mend or remove the row")


def _numbered(frame: pl.DataFrame, where: str, notes: list[str]) -> Ratings:
    users, items = (frame[name].unique().sort() for name in ("user", "item"))
    for what, ids in (("user", users), ("item", items)):
        if ids.len() < 2:
            mend = "give ratings of several users for several items"
            raise InputError(
                f"one {what} only, from which nothing can be learned of others", where=where, mend=mend
            )
    number = {
        "user": pl.DataFrame({"user": users, "u": np.arange(users.len())}),
        "item": pl.DataFrame({"item": items, "i": np.arange(items.len())}),
    }
    rows = (
        frame.join(number["user"], on="user", maintain_order="left")
        .join(number["item"], on="item", maintain_order="left")
        .sort("u", maintain_order=True)  # time's order within a user stands
    )
    rating = rows["rating"].to_numpy()
    log = Log(
        rows["u"].to_numpy(), rows["i"].to_numpy(), rows["time"].to_numpy(), _likings(rating, notes), users.len(),
        items.len(),
    )  # fmt: skip
    if not log.is_positive.any():
        raise InputError("no rating above 0", where=where, mend="check the column of ratings")
    return Ratings(log, tuple(users.to_list()), tuple(items.to_list()), tuple(notes))


def _likings(rating: Floats, notes: list[str]) -> np.ndarray:
    highest = float(rating.max())
    threshold = _POSITIVE_SHARE * highest
    is_high = rating >= threshold - 1e-9
    if rating.min() == highest:
        if not notes or "no column of ratings" not in notes[0]:
            notes.append(f"all ratings are {highest:g}: every row is a liking")
        return rating > 0
    if is_high.mean() < _FEW:
        notes.append(
            f"only {is_high.mean():.1%} of ratings reach {threshold:g}, four fifths of the highest: they are taken for"
            " amounts, and every one above 0 is a liking"
        )
        return rating > 0
    notes.append(f"a rating from {threshold:g} up, four fifths of the highest, is a liking")
    return is_high
