"""Cubes held in memory, for whoever asks again and again: the pages; and sketches finer than any cube on disk.

A cube's columns are read when they are first asked for and kept as arrays, the least lately used given up beyond
:data:`MOST_BYTES`. A question is then a slice of days, a mask and sums by group, of the very rows and to the very
integers that :mod:`metrics.cube` reads from the file: sums are taken in floating point where no sum can leave the
integers that it holds, and in two halves elsewhere.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.cube import Wanted, arms_of_lake, wanted_of
from metrics.engine import collect
from metrics.lake import Lake
from metrics.metric import Metric
from metrics.parts import Part, dimensions_of
from metrics.period import DAY_MS, bucket_start
from metrics.plan import BUCKET, SERVICE_FILTERS, SKETCH, Cut, PartKey, Source, parts_by_key, rolled
from metrics.rollup import n_columns

__all__ = ["FINE", "MOST_BYTES", "hold", "hold_fine", "source_of"]

FINE = ("region", "isp", "site", "device", "codec", "cdn")
"""By what a sketch can be held for every question at once: nearly a row a session, which no cube would spare."""

MOST_BYTES = 512 * 2**20
"""What is held at most, of all lakes of a process; a question larger than it is answered and not kept."""

_Ints = NDArray[np.int64]
_HALF = 2**32
# Up to here floating point holds every integer, and so every sum of integers that comes to no more.
_EXACT = 2.0**52
# Files read at a time for what is held of every session: memory beyond what is kept is bounded by them.
_FILES = 8
# So many rows of half an integer each stay below it.
_MOST_ROWS = 2**20


def source_of(lake: Lake) -> Source:
    """The lake's rows, with what its cubes tell of them held in memory."""
    return Source(lake.scan, partial(_ready, lake), partial(arms_of_lake, lake))


def hold(lake: Lake, metrics: Sequence[Metric], cut: Cut) -> None:
    """Have in memory what cubes tell of those of ``metrics`` that no row need be read for."""
    for key, parts in parts_by_key(metrics, cut).items():
        if wanted := wanted_of(lake, key, parts, cut):
            _HELD.of(wanted.file, _keys(wanted), wanted.sums)


def hold_fine(lake: Lake, metrics: Sequence[Metric]) -> None:
    """Have the sketches of those of ``metrics`` that are quantiles in memory, by day and :data:`FINE` dimensions.

    Rows are read, a few days at a time: some seconds and 25 bytes for each million sessions and for each session.
    """
    for key, parts in parts_by_key(metrics, Cut(grain_ms=DAY_MS)).items():
        if key.sketch and not key.groups:
            file = _fine_file(lake, key)
            if not _HELD.has(file):
                _HELD.put(file, _fine_columns(lake, key, parts))


@dataclass(frozen=True)
class _Column:
    """Integers in 64 bits, or as ``high · 2³² + low``; ``is_exact`` where their sum is one in floating point."""

    low: NDArray[Any]
    high: _Ints | None
    is_exact: bool

    @property
    def nbytes(self) -> int:
        return self.low.nbytes + (0 if self.high is None else self.high.nbytes)


@dataclass(frozen=True)
class _Codes:
    """A column to group and filter by: for each row the place of its value in ``values``; ``words``: as text."""

    codes: NDArray[Any]
    values: pl.Series
    words: list[str | None]

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes


def _ready(lake: Lake, key: PartKey, parts: Sequence[Part], cut: Cut) -> pl.DataFrame | None:
    """:func:`metrics.cube.source_of`'s answer, out of memory."""
    wanted = wanted_of(lake, key, parts, cut)
    if wanted is not None:
        held = _HELD.of(wanted.file, _keys(wanted), wanted.sums)
    else:
        wanted = _fine_wanted(lake, key, parts, cut)
        found = wanted and _HELD.all_of(wanted.file, (*_keys(wanted), *wanted.sums))
        if not wanted or not found:
            return None
        held = found
    rows = _in_period(wanted, held)
    kept: NDArray[np.bool_] | None = None
    for name, values in wanted.where.items():
        filtered = held[name]
        assert isinstance(filtered, _Codes)
        allowed = np.array([word in values for word in filtered.words], dtype=np.bool_)
        mask = allowed[filtered.codes[rows]]
        kept = mask if kept is None else kept & mask
    chosen: slice | _Ints = rows if kept is None else np.flatnonzero(kept) + (rows.start or 0)
    keys: dict[str, tuple[NDArray[Any], pl.Series]] = {}
    # Buckets of a sketch last: quantiles are then read off in order.
    for name in sorted(wanted.by, key=SKETCH.__eq__):
        coded = held[name]
        assert isinstance(coded, _Codes)
        codes, own = coded.codes[chosen], coded.values
        if name == BUCKET and cut.grain_ms and cut.grain_ms != wanted.length_ms:
            codes, own = _coarser(codes, own, cut.grain_ms)
        keys[name] = codes, own
    length = len(next(column.codes if isinstance(column, _Codes) else column.low for column in held.values()))
    count = len(range(*chosen.indices(length))) if isinstance(chosen, slice) else len(chosen)
    if key.sketch and not key.groups and parts[0].after is None and keys[SKETCH][0].size:
        sketched = _sketched(keys, held, wanted.sums, chosen, count, n_columns(parts[0].of)[1])
        if sketched is not None:
            return sketched
    groups, names = _groups(keys, count)
    size = len(names[0]) if keys else 1
    sums = [
        _summed(column, chosen, groups, size).alias(name)
        for name in wanted.sums
        if isinstance(column := held[name], _Column)
    ]
    return pl.DataFrame([*names, *sums])


def _sketched(
    keys: Mapping[str, tuple[NDArray[Any], pl.Series]],
    held: Mapping[str, _Codes | _Column],
    sums: Sequence[str],
    chosen: slice | _Ints,
    count: int,
    weight: str,
) -> pl.DataFrame | None:
    """What quantiles are read off: weights by bucket; the other sums of a group stand in its first bucket, 0 elsewhere.

    Text to group by comes as an enumeration. None where buckets are too many to be counted, or a row weighs nothing.
    """
    weights, (codes, buckets) = held[weight], keys[SKETCH]
    assert isinstance(weights, _Column)
    others = {name: own for name, own in keys.items() if name != SKETCH}
    size = math.prod(len(own) for _, own in others.values())
    if size > 2 * _few(count) or not weights.is_exact or weights.low[chosen].min() <= 0:
        return None
    # In the narrowest integers that number all groups, there or not: what takes time is to go through the rows.
    group_of = np.zeros(count, dtype=np.min_scalar_type(size))
    for own_codes, own in others.values():
        group_of *= group_of.dtype.type(len(own))
        group_of += own_codes.astype(group_of.dtype, copy=False)
    numbers = np.flatnonzero(np.bincount(group_of, minlength=size))
    place = np.zeros(size, dtype=np.int64)
    place[numbers] = np.arange(len(numbers))
    rows_group, cells = place[group_of], len(numbers) * len(buckets)
    if cells > 2 * _few(count):
        return None
    by_cell = np.bincount(rows_group * len(buckets) + codes, weights.low[chosen], minlength=cells)
    seen = np.flatnonzero(by_cell)
    group, bucket = np.divmod(seen, len(buckets))
    first = np.flatnonzero(np.diff(group, prepend=-1))
    exact = pl.Decimal(38, 0)
    columns, number = [pl.Series(SKETCH, buckets.to_numpy()[bucket])], numbers[group]
    for name, (_, own) in reversed(others.items()):
        number, code = np.divmod(number, len(own))
        columns.append(_enumerated(own).gather(code).alias(name))
    columns.reverse()
    for name in sums:
        column = held[name]
        assert isinstance(column, _Column)
        if name == weight:
            columns.append(pl.Series(name, by_cell[seen].astype(np.int64)).cast(exact))
            continue
        nothing = pl.Series(name, [0], exact).new_from_index(0, len(seen))
        columns.append(nothing.scatter(first, _summed(column, chosen, rows_group, len(numbers))))
    return pl.DataFrame(columns)


def _enumerated(values: pl.Series) -> pl.Series:
    """Text as an enumeration, which compares and repeats as integers do."""
    return values.cast(pl.Enum(values.drop_nulls())) if values.dtype == pl.String else values


def _keys(wanted: Wanted) -> tuple[str, ...]:
    instant = (wanted.instant,) if wanted.instant else ()
    return (*instant, *wanted.where, *wanted.by)


def _in_period(wanted: Wanted, held: Mapping[str, _Codes | _Column]) -> slice:
    """The rows of the period: they are by instant, so a slice of them."""
    if wanted.instant is None:
        return slice(None)
    instants = held[wanted.instant]
    assert isinstance(instants, _Codes)
    known = instants.values.to_numpy()
    codes = instants.codes

    def first_at(bound: int) -> int:
        at = int(np.searchsorted(known, bound))
        # Looked for as what the codes are: as anything wider, every code would be widened first.
        return int(np.searchsorted(codes, codes.dtype.type(at))) if at < known.size else codes.size

    return slice(*(None if bound is None else first_at(bound) for bound in wanted.period))


def _fine_wanted(lake: Lake, key: PartKey, parts: Sequence[Part], cut: Cut) -> Wanted | None:
    """The question as one to :func:`_fine_columns`, if they can tell it; they need not be held."""
    bounds = (cut.start_ts_ms, cut.end_ts_ms, cut.grain_ms)
    names = {*cut.by, *dict(cut.where)}
    is_cut = key.groups or cut.replicates or any(bound is not None and bound % DAY_MS for bound in bounds)
    if not key.sketch or is_cut or not key.is_sliced or not names <= {*FINE, *SERVICE_FILTERS}:
        return None
    by = (*cut.by, SKETCH, *cut.bucket)
    period = (cut.start_ts_ms, cut.end_ts_ms)
    return Wanted(_fine_file(lake, key), by, dict(cut.where), _sums(parts), period, BUCKET, DAY_MS)


def _fine_file(lake: Lake, key: PartKey) -> Path:
    """What a held sketch is known by, where a cube's file would be: of one lake, version, clock and part."""
    return lake.path / f"{key.table}-{lake.last_commit(key.table)}-{key.clock}-{key.sketch}"


def _fine_columns(lake: Lake, key: PartKey, parts: Sequence[Part]) -> dict[str, _Codes | _Column]:
    """Sums of a sketch by day, bucket and :data:`FINE` dimensions, in the order of days."""
    by = tuple(name for name in (*SERVICE_FILTERS, *FINE) if name in dimensions_of(key.table))
    cut, keys, sums = Cut(by, grain_ms=DAY_MS), (BUCKET, SKETCH, *by), _sums(parts)
    files = sorted(lake.snapshot(key.table).files, key=lambda file: Path(file).parent.name)
    frames = []
    for first in range(0, len(files), _FILES):
        rows = nw.from_native(lake.scan(key.table, files[first : first + _FILES]))
        (frame,) = collect([rolled(rows, key, parts, cut)])
        narrow = [frame[name].cast(pl.Int64).shrink_dtype() for name in (*sums, SKETCH)]
        words = [pl.col(name).cast(pl.Categorical) for name in by if frame[name].dtype == pl.String]
        frames.append(frame.with_columns(*narrow, *words).sort(BUCKET))
    frame = pl.concat(frames, how="vertical_relaxed")
    del frames
    if not frame[BUCKET].is_sorted():  # files are by the day of one clock
        frame = frame.sort(BUCKET)
    columns: dict[str, _Codes | _Column] = {}
    for name in keys:
        column = frame[name]
        columns[name] = _codes(column.cast(pl.String) if column.dtype == pl.Categorical else column)
    return columns | {name: _column(frame[name].cast(pl.Int64)) for name in sums}


def _sums(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in (part.name, *n_columns(part.of))))


def _coarser(codes: NDArray[Any], days: pl.Series, grain_ms: int) -> tuple[NDArray[Any], pl.Series]:
    """Days as the longer buckets that they lie in."""
    frame = nw.from_native(days.alias(BUCKET).to_frame()).select(bucket_start(nw.col(BUCKET), grain_ms))
    starts = frame.to_native()[BUCKET]
    own = starts.unique().sort()
    return np.searchsorted(own.to_numpy(), starts.to_numpy())[codes], own


def _groups(
    keys: Mapping[str, tuple[NDArray[Any], pl.Series]], count: int
) -> tuple[_Ints | None, list[pl.Series]]:
    """The group of each row, and what each group is, a column a key; None where all rows are one."""
    if not keys:
        return None, []
    group, cells = np.zeros(count, dtype=np.int64), 1
    told: dict[str, _Ints] = {}  # for each group so far, which value of each key it has
    waiting: dict[str, int] = {}
    for name, (codes, values) in keys.items():
        if waiting and cells * len(values) > _few(count):
            told, group, cells = _compact(group, cells, told, waiting)
            waiting = {}
        group *= len(values)
        group += codes
        cells *= len(values)
        waiting[name] = max(len(values), 1)
    told, group, _ = _compact(group, cells, told, waiting)
    return group, [keys[name][1].gather(code).alias(name) for name, code in told.items()]


def _few(count: int) -> int:
    """So many cells are sooner counted than as many rows are sorted."""
    return max(4 * count, 4096)


def _compact(
    group: _Ints, cells: int, told: Mapping[str, _Ints], added: Mapping[str, int]
) -> tuple[dict[str, _Ints], _Ints, int]:
    """Groups that there are, in order: what they are, the group of each row, how many.

    ``added``: keys since the groups were ``told`` last, with the size of each.
    """
    if cells <= _few(len(group)):
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


def _summed(column: _Column, chosen: slice | _Ints, group: _Ints | None, size: int) -> pl.Series:
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


class _Held:
    """Columns by file and name, those asked for last."""

    def __init__(self) -> None:
        self._columns: OrderedDict[tuple[Path, str], _Codes | _Column] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, file: Path, keys: Sequence[str], sums: Sequence[str]) -> dict[str, _Codes | _Column]:
        """The columns of a file: ``keys`` as codes, ``sums`` as integers."""
        with self._lock:
            found = {name: known for name in (*keys, *sums) if (known := self._columns.get((file, name)))}
            for name in found:
                self._columns.move_to_end((file, name))
            missing = [name for name in dict.fromkeys((*keys, *sums)) if name not in found]
            if missing:
                frame = pl.read_parquet(file, columns=missing)
                for name in missing:
                    made = _codes(frame[name]) if name in keys else _column(frame[name])
                    found[name] = self._columns[file, name] = made
                    self._bytes += made.nbytes
            self._trim()
        return found

    def has(self, file: Path) -> bool:
        """Whether anything of ``file`` is held."""
        with self._lock:
            return any(known == file for known, _ in self._columns)

    def all_of(self, file: Path, names: Sequence[str]) -> dict[str, _Codes | _Column] | None:
        """The columns ``names`` of what was :meth:`put`; None where one of them was given up, or never held."""
        with self._lock:
            if any((file, name) not in self._columns for name in names):
                return None
            for name in names:
                self._columns.move_to_end((file, name))
            return {name: self._columns[file, name] for name in names}

    def put(self, file: Path, columns: Mapping[str, _Codes | _Column]) -> None:
        """Hold ``columns`` that can be read from no file."""
        with self._lock:
            for name, column in columns.items():
                self._columns[file, name] = column
                self._bytes += column.nbytes
            self._trim()

    def _trim(self) -> None:
        while self._bytes > MOST_BYTES:
            self._bytes -= self._columns.popitem(last=False)[1].nbytes


_HELD = _Held()


def _codes(column: pl.Series) -> _Codes:
    values = column.unique().sort()
    place = dict(zip(values.to_list(), range(len(values)), strict=True))
    codes = column.replace_strict(place, return_dtype=pl.UInt32).to_numpy()
    words = values.cast(pl.String).to_list()
    return _Codes(codes.astype(np.min_scalar_type(max(len(values) - 1, 0))), values, words)


def _column(column: pl.Series) -> _Column:
    if column.dtype == pl.Int64:
        values = column.to_numpy()
        is_exact = bool(np.abs(values).sum(dtype=np.float64) < _EXACT)
        return _Column(_narrow(values) if is_exact else values, None, is_exact)
    wide = column.cast(pl.Int128)
    high = wide // _half()
    low = (wide - high * _half()).cast(pl.Int64).to_numpy()
    return _Column(low, high.cast(pl.Int64).to_numpy(), is_exact=False)


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
