"""Cubes: the parts of the catalogue already added up by day and a few sets of dimensions, beside the lake.

A cube is the answer of :func:`metrics.plan.roll_up` to a question by day and dimensions, kept as a Parquet file
under the version of its table. A coarser question is that answer added up again, to the same integers, as long
as it is cut at whole days, by dimensions of the cube. Every other question, and every one once the table has
moved on, is answered from the rows. Cubes hold sums, no row and no id; they are made and extended by :func:`build`.

::

    artefacts/cube/<table>/<version>-<definitions>/files.json
                                                   <clock>.<kind>.<dimensions>[.replicate].parquet
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.catalog import METRICS
from metrics.engine import collect
from metrics.errors import LakeError
from metrics.lake import Lake
from metrics.parts import Part, dimensions_of, is_weighted
from metrics.period import DAY_MS, bucket_start
from metrics.plan import (
    BUCKET,
    DAY,
    REPLICATE,
    SERVICE_FILTERS,
    SKETCH,
    Cut,
    PartKey,
    Source,
    parts_by_key,
    rolled_by_each,
)  # fmt: skip
from metrics.rollup import filter_rows, n_columns

__all__ = ["TABLES", "Wanted", "build", "discard", "source_of", "wanted_of"]

TABLES = (
    "playback_session",
    "membership",
    "minute_count",
    "delivery",
    "control_request",
    "visit",
    "search",
    "impression",
    "fill",
)
"""Tables that have cubes; a bill is small, and spread over any period."""

# The sets of dimensions; of each, those that the table tells. A sketch has a row a bucket, so of few.
_SUMS = (
    Cut(("region", "isp", "device", "codec", "cdn")),
    Cut(("region", "country", "site")),
    Cut(("region", "device", "os", "player_version", "surface")),
    Cut(("region", "tier", "miss_class", "service", "plan", "status")),
    Cut(("region", "device"), replicates=True),
)
_SKETCHES = (
    Cut(("region", "isp")),
    Cut(("region", "device")),
    Cut(("codec", "cdn")),
    Cut(("service",)),
    Cut(replicates=True),
)
# Files are read so much at a time, and what so many times gave is added up: memory is bounded by the cubes.
_CHUNK_BYTES = 32 * 2**20
_CHUNKS = 8
_FILES = "files.json"


def build(lake: Lake) -> dict[str, int]:
    """Make the cubes of every table that has moved on since; bytes by table.

    Where files were only added, those alone are read. The new cubes appear at once, by a rename; the last ones
    stay for whoever is reading them.
    """
    sizes = {}
    for table in TABLES:
        snapshot = lake.snapshot(table)
        if not snapshot.rows:
            continue
        folder = _folder(lake, table, snapshot.version)
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            old = _last(folder.parent)
            try:
                with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as new:
                    _write(lake, table, list(snapshot.files), old, Path(new) / "cube")
                    (Path(new) / "cube").rename(folder)
            except OSError as error:
                if not folder.exists():  # made by another meanwhile, it would be the same
                    what = f"the cubes of {table} cannot be written ({error.strerror or error})"
                    mend = "free space or mend permissions and run the command again"
                    raise LakeError(what, where=str(folder.parent), mend=mend) from error
            for other in folder.parent.iterdir():
                if other not in (folder, old):
                    shutil.rmtree(other, ignore_errors=True)
        sizes[table] = sum(file.stat().st_size for file in folder.iterdir())
    return sizes


def discard(lake: Lake) -> None:
    """Delete all cubes: what they count may have been erased."""
    shutil.rmtree(lake.artefact("cube"), ignore_errors=True)


def source_of(source: Lake | Source | Mapping[str, IntoLazyFrame]) -> Source:
    """The lake's rows, with what its cubes tell of them; or tables given by their names; or a source as it is."""
    if isinstance(source, Source):
        return source
    return (
        Source(source.scan, partial(_ready, source))
        if isinstance(source, Lake)
        else Source(source.__getitem__)
    )


@dataclass(frozen=True)
class Wanted:
    """A question to a cube: its ``file``, and which columns are grouped by, filtered and summed, over which days."""

    file: Path
    by: tuple[str, ...]
    where: Mapping[str, Sequence[str | None]]
    sums: tuple[str, ...]
    period: tuple[int | None, int | None]


def wanted_of(lake: Lake, key: PartKey, parts: Sequence[Part], cut: Cut) -> Wanted | None:
    """How the smallest cube that tells what :func:`metrics.plan.roll_up` gives for ``key`` is asked; None without."""
    bounds = (cut.start_ts_ms, cut.end_ts_ms, None if key.is_level else cut.grain_ms)
    if key.table not in TABLES or key.groups or any(bound is not None and bound % DAY_MS for bound in bounds):
        return None
    where = {name: values for name, values in cut.where if key.is_sliced or name in SERVICE_FILTERS}
    by = cut.by if key.is_sliced else ()
    own = [REPLICATE] if cut.replicates and is_weighted(key.table) else []
    sums = tuple(dict.fromkeys(name for part in parts for name in (part.name, *n_columns(part.of))))
    is_timed = any(bound is not None for bound in (cut.start_ts_ms, cut.end_ts_ms, cut.grain_ms))
    bucket = [DAY] if key.is_level else [BUCKET] if cut.grain_ms else []
    keys = (*by, *own, *([SKETCH] if key.sketch else []), *bucket)
    for cube in _cubes(_folder(lake, key.table, lake.last_commit(key.table))):
        # Over all time a part is the same by any clock.
        is_it = cube.kind == _kind(key) and (cube.clock == key.clock or not is_timed)
        if is_it and cube.names >= {*by, *where, *own} and cube.columns >= set(sums):
            return Wanted(cube.file, keys, where, sums, (cut.start_ts_ms, cut.end_ts_ms))
    return None


def _ready(lake: Lake, key: PartKey, parts: Sequence[Part], cut: Cut) -> nw.LazyFrame[Any] | None:
    """What :func:`metrics.plan.roll_up` gives for ``key``, out of the smallest cube that tells it; None without."""
    wanted = wanted_of(lake, key, parts, cut)
    if wanted is None:
        return None
    instant = DAY if key.is_level else BUCKET
    start_ts_ms, end_ts_ms = wanted.period
    rows = filter_rows(
        nw.from_native(pl.scan_parquet(wanted.file)), where=wanted.where, clock=instant, start_ts_ms=start_ts_ms,
        end_ts_ms=end_ts_ms,
    )  # fmt: skip
    if BUCKET in wanted.by and cut.grain_ms:
        rows = rows.with_columns(bucket_start(nw.col(BUCKET), cut.grain_ms).alias(BUCKET))
    wide, exact = nw.Int128(), nw.Decimal(38, 0)
    rows = rows.select(*wanted.by, *(nw.col(name).cast(wide) for name in wanted.sums))
    totals = [nw.col(name).sum().cast(exact) for name in wanted.sums]
    return rows.group_by(*wanted.by).agg(*totals) if wanted.by else rows.select(*totals)


def _folder(lake: Lake, table: str, version: int) -> Path:
    return lake.path / "artefacts" / "cube" / table / f"{version}-{_definitions()}"


@cache
def _definitions() -> str:
    """Changes whenever a metric may mean something else: a digest of this package."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def _last(tables: Path) -> Path | None:
    """The newest cubes of these definitions."""
    found = [folder for folder in tables.glob(f"*-{_definitions()}") if folder.name[0] != "."]
    return max(found, key=lambda folder: int(folder.name.partition("-")[0]), default=None)


def _kind(key: PartKey) -> str:
    return key.sketch or ("level" if key.is_level else "sum")


@dataclass(frozen=True)
class _Cube:
    """A cube's file, what its name tells of it, and its columns."""

    file: Path
    clock: str
    kind: str
    names: frozenset[str]
    columns: frozenset[str]


def _cubes(folder: Path) -> tuple[_Cube, ...]:
    """The cubes of a table as it is now, smallest first; none before they are made."""
    # What was made stays as it is: a folder appears whole, by a rename.
    return _found(folder) if folder.exists() else ()


@lru_cache(maxsize=64)
def _found(folder: Path) -> tuple[_Cube, ...]:
    found = []
    for file in sorted(folder.glob("*.parquet"), key=lambda file: file.stat().st_size):
        clock, kind, names, *own = file.stem.split(".")
        columns = frozenset(pl.read_parquet_schema(file))
        found.append(_Cube(file, clock, kind, frozenset({*names.split("+"), *own}), columns))
    return tuple(found)


def _write(lake: Lake, table: str, files: list[str], old: Path | None, folder: Path) -> None:
    """Every cube of ``table`` into ``folder``: the old ones and what new files add, or all anew."""
    wanted = _wanted(table)
    # What looks at a whole table cannot be added up file by file.
    whole = {key: parts for key, parts in wanted.items() if any(part.of.derived for part in parts)}
    by_file = {key: parts for key, parts in wanted.items() if key not in whole}
    known = json.loads((old / _FILES).read_text("utf-8")) if old and not whole else []
    made: dict[str, list[pl.DataFrame]] = {}
    if old and known and set(known) <= set(files):
        made = {file.name: [pl.read_parquet(file)] for file in old.glob("*.parquet")}
    else:
        known = []
    # By their days: what is held is then about one cube, and not one a copy of the days.
    new = sorted((file for file in files if file not in set(known)), key=lambda file: Path(file).parent.name)
    for these, chunks in ((whole, [new]), (by_file, _chunks(new))):
        for some in _batched(chunks if these else [], _CHUNKS):
            of_some: dict[str, list[pl.DataFrame]] = {}
            for chunk in some:
                rows = nw.from_native(lake.scan(table, chunk))
                for name, frame in _cubed(rows, table, these):
                    of_some.setdefault(name, []).append(frame)
            for name, frames in of_some.items():
                made.setdefault(name, []).append(_added_up(table, frames))
    folder.mkdir()
    (folder / _FILES).write_text(json.dumps(files), encoding="utf-8")
    while made:
        name, frames = made.popitem()
        _added_up(table, frames).write_parquet(folder / name, compression="zstd")


def _wanted(table: str) -> dict[PartKey, list[Part]]:
    """What metrics ask of ``table`` by day, on each clock; and by none, which is on the first."""
    by_day = parts_by_key(METRICS.values(), Cut(grain_ms=DAY_MS))
    by_none = parts_by_key(METRICS.values(), Cut())
    wanted: dict[PartKey, list[Part]] = {}
    for key, parts in (*by_day.items(), *((key, parts) for key, parts in by_none.items() if not key.sketch)):
        if key.table == table and not key.groups:
            wanted.setdefault(replace(key, is_sliced=True), []).extend(parts)
    return wanted


def _cubed(
    rows: nw.LazyFrame[Any], table: str, wanted: Mapping[PartKey, list[Part]]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """What each cube, by the name of its file, holds of ``rows``; it may come several times."""
    for key, parts in wanted.items():
        names: dict[Cut, str] = {}
        for cut in _SKETCHES if key.sketch else _SUMS:
            by = tuple(name for name in (*SERVICE_FILTERS, *cut.by) if name in dimensions_of(table))
            own = cut.replicates and is_weighted(table)
            stem = f"{key.clock}.{_kind(key)}.{'+'.join(by)}" + (f".{REPLICATE}" if own else "")
            names[Cut(by, grain_ms=DAY_MS, replicates=own)] = f"{stem}.parquet"
        for cut, frame in rolled_by_each(rows, key, parts, list(names)):
            yield names[cut], _narrow(table, frame)


def _chunks(files: Sequence[str]) -> Iterator[list[str]]:
    """The files in their order, some at a time, so that memory is bounded."""
    chunk: list[str] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += Path(file).stat().st_size
        if size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _batched(chunks: Iterable[list[str]], size: int) -> Iterator[list[list[str]]]:
    """``itertools.batched``, which Python 3.11 lacks."""
    waiting = iter(chunks)
    while some := list(islice(waiting, size)):
        yield some


def _added_up(table: str, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The cubes of several chunks as one, by day; sums in 64 bits where they fit, which are read faster."""
    if len(frames) == 1:
        return frames[0]
    keys = _keys(table, frames[0])
    sums = [c for c in frames[0].columns if c not in keys]
    # A group is at most once in a frame: no sum is larger than all frames' largest together.
    largest = [sum(_largest(frame, name) for frame in frames) for name in sums]
    wide = [name for name, size in zip(sums, largest, strict=True) if size >= 2**63]
    each = [frame.lazy().with_columns(pl.col(wide).cast(pl.Int128)) for frame in frames]
    (frame,) = collect([pl.concat(each).group_by(keys).agg(pl.col(sums).sum())])
    return _narrow(table, frame)


def _narrow(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Sums in 64 bits where they fit, which are read faster; by day, for periods to find theirs."""
    keys = _keys(table, frame)
    sums = [c for c in frame.columns if c not in keys]
    types = {name: pl.Int64() if _largest(frame, name) < 2**63 else pl.Decimal(38, 0) for name in sums}
    narrow = frame.with_columns(pl.col(name).cast(dtype) for name, dtype in types.items())
    return narrow.sort(DAY if DAY in keys else BUCKET, *keys)


def _largest(frame: pl.DataFrame, name: str) -> int:
    low, high = (int(str(bound or 0)) for bound in (frame[name].min(), frame[name].max()))
    return max(-low, high)


def _keys(table: str, frame: pl.DataFrame) -> list[str]:
    keys = {BUCKET, DAY, REPLICATE, SKETCH, *dimensions_of(table)}
    return [name for name in frame.columns if name in keys]
