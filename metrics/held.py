"""Cubes held in memory, for whoever asks again and again: the pages; and sketches finer than any cube on disk.

A cube's columns are read when they are first asked for and kept as arrays, the least lately used given up beyond
:data:`MOST_BYTES`; a sketch that quantiles are read off is kept as runs. A question is then a slice of days, a mask and
sums by group, of the very rows and to the very integers that :mod:`metrics.cube` reads from the file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl

from metrics.cube import Wanted, arms_of_lake, wanted_of
from metrics.engine import collect
from metrics.held_columns import (
    Chosen,
    Codes,
    Column,
    chosen_of,
    codes_of,
    column_of,
    groups_of,
    keys_of,
    summed,
)
from metrics.held_sketch import Sketch, by_bucket, sketch_of
from metrics.lake import Lake
from metrics.metric import Metric
from metrics.parts import Part, dimensions_of
from metrics.period import DAY_MS
from metrics.plan import BUCKET, SERVICE_FILTERS, SKETCH, Cut, PartKey, Source, parts_by_key, rolled
from metrics.rollup import n_columns
from metrics.sample import some_rows

__all__ = ["FINE", "MOST_BYTES", "hold", "hold_fine", "source_of", "tells"]

FINE = ("region", "isp", "site", "device", "codec", "cdn")
"""By what a sketch can be held for every question at once: nearly a row a session, which no cube would spare."""

MOST_BYTES = 512 * 2**20
"""What is held at most, of all lakes of a process; a question larger than it is answered and not kept."""

# Days read at a time for what is held of every session: memory beyond what is kept is bounded by them.
_DAYS = 8


def source_of(lake: Lake, every: int = 1) -> Source:
    """The lake's rows, with what its cubes tell of them held in memory, and what is held of ``every`` k-th session."""
    return Source(lake.scan, partial(_ready, lake, every), partial(arms_of_lake, lake))


def hold(lake: Lake, metrics: Sequence[Metric], cut: Cut) -> None:
    """Have in memory what cubes tell of those of ``metrics`` that no row need be read for."""
    for key, parts in parts_by_key(metrics, cut).items():
        if wanted := wanted_of(lake, key, parts, cut):
            is_held = _is_sketch(key, parts) and _HELD.sketch(wanted.file, _weight(parts))
            if not is_held:
                _HELD.of(wanted.file, _keys(wanted), wanted.sums)


def hold_fine(lake: Lake, metrics: Sequence[Metric], every: int = 1) -> None:
    """Have the sketches of those of ``metrics`` that are quantiles in memory, by day and :data:`FINE` dimensions.

    Of ``every`` k-th session of a large lake (:mod:`metrics.sample`), or of all (1). Rows are read, a few days at a
    time: some seconds and 16 bytes for each million sessions and for each session.
    """
    for key, parts in parts_by_key(metrics, Cut(grain_ms=DAY_MS)).items():
        if _is_sketch(key, parts):
            file, weight = _fine_file(lake, key, every), _weight(parts)
            if _HELD.known(file, weight) is None:
                _HELD.put(file, weight, sketch_of(_fine(lake, key, parts, every), weight))


def tells(lake: Lake, metrics: Sequence[Metric], cut: Cut, every: int = 1) -> bool:
    """Whether ``metrics`` are told by cubes, or by what is held of ``every`` k-th session: no row is read."""
    return all(
        wanted_of(lake, key, parts, cut) or _known(lake, every, key, parts, cut)
        for key, parts in parts_by_key(metrics, cut).items()
    )


def _ready(lake: Lake, every: int, key: PartKey, parts: Sequence[Part], cut: Cut) -> pl.DataFrame | None:
    """:func:`metrics.cube.source_of`'s answer, out of memory."""
    wanted = wanted_of(lake, key, parts, cut)
    if wanted is None:
        known = _known(lake, every, key, parts, cut)
        return None if known is None else by_bucket(*known, cut.grain_ms, _weight(parts))
    if _is_sketch(key, parts) and (sketch := _HELD.sketch(wanted.file, _weight(parts))):
        return by_bucket(sketch, wanted, cut.grain_ms, _weight(parts))
    keys, sums = _HELD.of(wanted.file, _keys(wanted), wanted.sums)
    rows, kept = chosen_of(keys, wanted)
    chosen: Chosen = rows if kept is None else np.flatnonzero(kept) + (rows.start or 0)
    # Buckets of a sketch last: quantiles are then read off in order.
    names = sorted(wanted.by, key=SKETCH.__eq__)
    length = len(next(iter(keys.values())).codes if keys else next(iter(sums.values())).low)
    count = len(range(*chosen.indices(length))) if isinstance(chosen, slice) else len(chosen)
    group, groups = groups_of(keys_of(keys, names, chosen, wanted, cut.grain_ms), count)
    size = len(groups[0]) if names else 1
    return pl.DataFrame(
        [*groups, *(summed(sums[name], chosen, group, size).alias(name) for name in wanted.sums)]
    )


def _is_sketch(key: PartKey, parts: Sequence[Part]) -> bool:
    """Whether quantiles alone are read off it: of anything else all sums are needed by bucket."""
    return key.sketch is not None and not key.groups and parts[0].after is None


def _weight(parts: Sequence[Part]) -> str:
    return n_columns(parts[0].of)[1]


def _keys(wanted: Wanted) -> tuple[str, ...]:
    instant = (wanted.instant,) if wanted.instant else ()
    return (*instant, *wanted.where, *wanted.by)


def _known(
    lake: Lake, every: int, key: PartKey, parts: Sequence[Part], cut: Cut
) -> tuple[Sketch, Wanted] | None:
    """The sketch by all that pages filter by and the question as one to it; None where it does not tell it."""
    bounds = (cut.start_ts_ms, cut.end_ts_ms, cut.grain_ms)
    names = {*cut.by, *dict(cut.where)}
    is_cut = key.groups or cut.replicates or any(bound is not None and bound % DAY_MS for bound in bounds)
    if not _is_sketch(key, parts) or is_cut or not key.is_sliced or not names <= {*FINE, *SERVICE_FILTERS}:
        return None
    file = _fine_file(lake, key, every)
    sketch = _HELD.known(file, _weight(parts))
    by = (*cut.by, SKETCH, *cut.bucket)
    period = (cut.start_ts_ms, cut.end_ts_ms)
    wanted = Wanted(file, by, dict(cut.where), _sums(parts), period, BUCKET, DAY_MS)
    return None if sketch is None else (sketch, wanted)


def _fine_file(lake: Lake, key: PartKey, every: int) -> Path:
    """What a held sketch is known by, where a cube's file would be: of one lake, version, clock and part."""
    return lake.path / f"{key.table}-{lake.last_commit(key.table)}-{key.clock}-{key.sketch}-{every}"


def _fine(lake: Lake, key: PartKey, parts: Sequence[Part], every: int) -> pl.DataFrame:
    """Sums of a sketch by day, bucket and :data:`FINE` dimensions."""
    by = tuple(name for name in (*SERVICE_FILTERS, *FINE) if name in dimensions_of(key.table))
    cut, sums = Cut(by, grain_ms=DAY_MS), _sums(parts)
    days = groupby(sorted(lake.snapshot(key.table).files, key=_folder), key=_folder)
    files, frames = [list(of_day) for _, of_day in days], []
    for first in range(0, len(files), _DAYS):
        some = list(chain(*files[first : first + _DAYS]))
        rows = lake.scan(key.table, some) if every == 1 else some_rows(lake, key.table, some)[0]
        (frame,) = collect([rolled(nw.from_native(rows), key, parts, cut)])
        narrow = [frame[name].cast(pl.Int64).shrink_dtype() for name in (*sums, SKETCH)]
        words = [pl.col(name).cast(pl.Categorical) for name in by if frame[name].dtype == pl.String]
        frames.append(frame.with_columns(*narrow, *words))
    return pl.concat(frames, how="vertical_relaxed")


def _folder(file: str) -> str:
    return Path(file).parent.name


def _sums(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in (part.name, *n_columns(part.of))))


class _Held:
    """Columns by file and name, and sketches by file and weight; those asked for last."""

    def __init__(self) -> None:
        self._columns: OrderedDict[tuple[Path, str], Codes | Column | Sketch] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._unfit: set[tuple[Path, str]] = set()

    def of(
        self, file: Path, keys: Sequence[str], sums: Sequence[str]
    ) -> tuple[dict[str, Codes], dict[str, Column]]:
        """The columns of a file: ``keys`` as codes, ``sums`` as integers."""
        with self._lock:
            found = {name: known for name in (*keys, *sums) if (known := self._known(file, name))}
            missing = [name for name in dict.fromkeys((*keys, *sums)) if name not in found]
            if missing:
                frame = pl.read_parquet(file, columns=missing)
                for name in missing:
                    found[name] = codes_of(frame[name]) if name in keys else column_of(frame[name])
                    self._keep(file, name, found[name])
            self._trim()
        return (
            {name: one for name, one in found.items() if isinstance(one, Codes)},
            {name: one for name, one in found.items() if isinstance(one, Column)},
        )

    def sketch(self, file: Path, weight: str) -> Sketch | None:
        """The sketch that a file holds; None where it cannot be kept as runs."""
        with self._lock:
            known = self._known(file, f"{SKETCH} {weight}")
            if known is None and (file, weight) not in self._unfit:
                known = sketch_of(pl.read_parquet(file), weight)
                if known is None:
                    self._unfit.add((file, weight))
                else:
                    self._keep(file, f"{SKETCH} {weight}", known)
                    self._trim()
        return known if isinstance(known, Sketch) else None

    def known(self, file: Path, weight: str) -> Sketch | None:
        """A sketch that was :meth:`put`; None where it was given up, or never held."""
        with self._lock:
            known = self._known(file, f"{SKETCH} {weight}")
        return known if isinstance(known, Sketch) else None

    def put(self, file: Path, weight: str, sketch: Sketch | None) -> None:
        """Hold a sketch that can be read from no file."""
        with self._lock:
            if sketch is not None:
                self._keep(file, f"{SKETCH} {weight}", sketch)
            self._trim()

    def _known(self, file: Path, name: str) -> Codes | Column | Sketch | None:
        known = self._columns.get((file, name))
        if known is not None:
            self._columns.move_to_end((file, name))
        return known

    def _keep(self, file: Path, name: str, column: Codes | Column | Sketch) -> None:
        self._columns[file, name] = column
        self._bytes += column.nbytes

    def _trim(self) -> None:
        while self._bytes > MOST_BYTES:
            self._bytes -= self._columns.popitem(last=False)[1].nbytes


_HELD = _Held()
