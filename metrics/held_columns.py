"""Columns held in memory as narrow arrays: filtered by codes, grouped by codes, added up exactly.

Sums are taken in floating point where no sum can leave the integers that it holds, and in two halves elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.cube import Wanted
from metrics.period import bucket_start
from metrics.plan import BUCKET

__all__ = [
    "Chosen",
    "Codes",
    "Column",
    "chosen_of",
    "codes_of",
    "column_of",
    "few",
    "groups_of",
    "keys_of",
    "summed",
]

Chosen = slice | NDArray[np.int64]
_Ints = NDArray[np.int64]
_HALF = 2**32
# Up to here floating point holds every integer, and so every sum of integers that comes to no more.
_EXACT = 2.0**52
# So many rows of half an integer each stay below it.
_MOST_ROWS = 2**20


@dataclass(frozen=True)
class Column:
    """Integers in 64 bits, or as ``high · 2³² + low``; ``is_exact`` where their sum is one in floating point."""

    low: NDArray[Any]
    high: _Ints | None
    is_exact: bool

    @property
    def nbytes(self) -> int:
        return self.low.nbytes + (0 if self.high is None else self.high.nbytes)


@dataclass(frozen=True)
class Codes:
    """A column to group and filter by: for each row the place of its value in ``values``; ``words``: as text."""

    codes: NDArray[Any]
    values: pl.Series
    words: list[str | None]

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes


def chosen_of(held: Mapping[str, Codes], wanted: Wanted) -> tuple[slice, NDArray[np.bool_] | None]:
    """The rows of the period, and which of them are in the slice; None where all are."""
    rows = _in_period(held, wanted)
    kept: NDArray[np.bool_] | None = None
    for name, values in wanted.where.items():
        allowed = np.array([word in values for word in held[name].words], dtype=np.bool_)
        mask = allowed[held[name].codes[rows]]
        kept = mask if kept is None else kept & mask
    return rows, kept


def keys_of(
    held: Mapping[str, Codes], names: Sequence[str], chosen: Chosen, wanted: Wanted, grain_ms: int | None
) -> dict[str, tuple[NDArray[Any], pl.Series]]:
    """The codes of the chosen rows in each of ``names``, and what they stand for; instants by the grain."""
    keys = {}
    for name in names:
        codes, own = held[name].codes[chosen], held[name].values
        if name == BUCKET and grain_ms and grain_ms != wanted.length_ms:
            codes, own = _coarser(codes, own, grain_ms)
        keys[name] = codes, own
    return keys


def groups_of(
    keys: Mapping[str, tuple[NDArray[Any], pl.Series]], count: int
) -> tuple[_Ints | None, list[pl.Series]]:
    """The group of each row, and what each group is, a column a key; None where all rows are one."""
    if not keys:
        return None, []
    group, cells = np.zeros(count, dtype=np.int64), 1
    told: dict[str, _Ints] = {}  # for each group so far, which value of each key it has
    waiting: dict[str, int] = {}
    for name, (codes, values) in keys.items():
        if waiting and cells * len(values) > few(count):
            told, group, cells = _compact(group, cells, told, waiting)
            waiting = {}
        group *= len(values)
        group += codes
        cells *= len(values)
        waiting[name] = max(len(values), 1)
    told, group, _ = _compact(group, cells, told, waiting)
    return group, [keys[name][1][code].alias(name) for name, code in told.items()]


def few(count: int) -> int:
    """So many cells are sooner counted than as many rows are sorted."""
    return max(4 * count, 4096)


def _compact(
    group: _Ints, cells: int, told: Mapping[str, _Ints], added: Mapping[str, int]
) -> tuple[dict[str, _Ints], _Ints, int]:
    """Groups that there are, in order: what they are, the group of each row, how many.

    ``added``: keys since the groups were ``told`` last, with the size of each.
    """
    if cells <= few(len(group)):
        seen = np.flatnonzero(np.bincount(group, minlength=cells))
        place = np.zeros(cells, dtype=np.int64)
        place[seen] = np.arange(len(seen))
        group = place[group]
    else:
        seen, group = np.unique(group, return_inverse=True)
    size, codes = len(seen), {}
    for name, values in reversed(list(added.items())):
        seen, codes[name] = np.divmod(seen, values)
    before = {name: code[seen] for name, code in told.items()}
    return before | dict(reversed(list(codes.items()))), group, size


def summed(column: Column, chosen: slice | _Ints, group: _Ints | None, size: int) -> pl.Series:
    """The sums of a column's ``chosen`` rows by group, exact."""

    def by_group(values: NDArray[Any]) -> pl.Series:
        if group is None:
            return pl.Series([values.sum(dtype=np.int64)], dtype=pl.Int64)
        if column.is_exact:
            return pl.Series(np.bincount(group, values, minlength=size).astype(np.int64))
        sums = np.zeros(size, dtype=np.int64)
        for first in range(0, len(values), _MOST_ROWS):
            some = slice(first, first + _MOST_ROWS)
            sums += np.bincount(group[some], values[some], minlength=size).astype(np.int64)
        return pl.Series(sums)

    exact = pl.Decimal(38, 0)
    low = column.low[chosen]
    if column.is_exact:
        return by_group(low).cast(exact)
    low, high = (low & (_HALF - 1), low >> 32) if column.high is None else (low, column.high[chosen])
    return (by_group(high).cast(pl.Int128) * _half() + by_group(low).cast(pl.Int128)).cast(exact)


def _in_period(held: Mapping[str, Codes], wanted: Wanted) -> slice:
    """The rows of the period: they are by instant, so a slice of them."""
    if wanted.instant is None:
        return slice(None)
    instants = held[wanted.instant]
    known = instants.values.to_numpy()
    codes = instants.codes

    def first_at(bound: int) -> int:
        at = int(np.searchsorted(known, bound))
        # Looked for as what the codes are: as anything wider, every code would be widened first.
        return int(np.searchsorted(codes, codes.dtype.type(at))) if at < known.size else codes.size

    return slice(*(None if bound is None else first_at(bound) for bound in wanted.period))


def _coarser(codes: NDArray[Any], days: pl.Series, grain_ms: int) -> tuple[NDArray[Any], pl.Series]:
    """Days as the longer buckets that they lie in."""
    frame = nw.from_native(days.alias(BUCKET).to_frame()).select(bucket_start(nw.col(BUCKET), grain_ms))
    starts = frame.to_native()[BUCKET]
    own = starts.unique().sort()
    return np.searchsorted(own.to_numpy(), starts.to_numpy())[codes], own


def codes_of(column: pl.Series) -> Codes:
    column = column.cast(pl.String) if column.dtype == pl.Categorical else column
    values = column.unique().sort()
    place = dict(zip(values.to_list(), range(len(values)), strict=True))
    codes = column.replace_strict(place, return_dtype=pl.UInt32).to_numpy()
    words = values.cast(pl.String).to_list()
    return Codes(codes.astype(np.min_scalar_type(max(len(values) - 1, 0))), values, words)


def column_of(column: pl.Series) -> Column:
    if column.dtype == pl.Int64:
        values = column.to_numpy()
        is_exact = bool(np.abs(values).sum(dtype=np.float64) < _EXACT)
        return Column(_narrow(values) if is_exact else values, None, is_exact)
    wide = column.cast(pl.Int128)
    high = wide // _half()
    low = (wide - high * _half()).cast(pl.Int64).to_numpy()
    return Column(low, high.cast(pl.Int64).to_numpy(), is_exact=False)


def _narrow(values: _Ints) -> NDArray[Any]:
    """In the narrowest integers that hold them: most of a sketch's are small."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return (
        values.astype(np.result_type(np.min_scalar_type(low), np.min_scalar_type(high)))
        if low >= 0
        else values
    )


def _half() -> pl.Series:
    return pl.Series([_HALF], dtype=pl.Int128)
