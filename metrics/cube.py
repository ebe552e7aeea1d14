"""Cubes: the parts of the catalogue already added up by the sets of :mod:`metrics.cube_sets`, beside the lake.

A cube is the answer of :func:`metrics.plan.roll_up` to a question by instant and dimensions, kept as a Parquet file
under the version of its table. A coarser question is that answer added up again, to the same integers, as long
as it is cut at whole days (quarters of an hour, where one is by those), by dimensions of the cube. Every other
question, and every one once the table has moved on, is answered from the rows. Cubes hold sums, no row and no id;
they are made and extended by :func:`metrics.cube_build.build`.

::

    artefacts/cube/<table>/<version>-<that of assignment>-<definitions>/files.json
                                                   <clock>.<kind>.<length>.<dimensions>[.replicate].parquet
    artefacts/cube/assignment/<version>-<definitions>/arms.parquet
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.cube_sets import TABLES, kind_of
from metrics.lake import Lake
from metrics.metric import Metric
from metrics.parts import ARMS, Part, has_arms, is_weighted
from metrics.period import bucket_start
from metrics.plan import (
    BUCKET,
    DAY,
    REPLICATE,
    SERVICE_FILTERS,
    SKETCH,
    Cut,
    PartKey,
    Source,
    group_column,
    part_key,
    parts_by_key,
)  # fmt: skip
from metrics.rollup import filter_rows, n_columns

__all__ = [
    "ARMS_FILE",
    "Wanted",
    "arms_of_lake",
    "definitions",
    "discard",
    "folder_of",
    "made_with",
    "source_of",
    "wanted_of",
]

_PACKAGE = Path(__file__).parent
# Modules of the package, by their full names or from the package: some, or some in brackets.
_IMPORTED = re.compile(r"^\s*(?:from|import) metrics(?:\.(\w+)| import (\([^)]*\)|.*))", re.MULTILINE)

ARMS_FILE = "arms.parquet"
"""Members by arm, :func:`metrics.arms.arms_of`, among the cubes of ``assignment``."""


def discard(lake: Lake) -> None:
    """Delete all cubes and samples: what they count and hold may have been erased."""
    shutil.rmtree(lake.artefact("cube"), ignore_errors=True)


def source_of(source: Lake | Source | Mapping[str, IntoLazyFrame]) -> Source:
    """The lake's rows, with what its cubes tell of them; or tables given by their names; or a source as it is."""
    if isinstance(source, Source):
        return source
    return (
        Source(source.scan, partial(_ready, source), partial(arms_of_lake, source))
        if isinstance(source, Lake)
        else Source(source.__getitem__)
    )


def arms_of_lake(lake: Lake) -> pl.DataFrame | None:
    """:func:`metrics.arms.arms_of` a lake's members, as they were counted; None where they were not, or not since."""
    file = folder_of(lake, "assignment") / ARMS_FILE
    return pl.read_parquet(file) if file.exists() else None


@dataclass(frozen=True)
class Wanted:
    """A question to a cube: its ``file``, and which columns are grouped by, filtered and summed, over which period.

    ``instant`` is the column of its instants, ``length_ms`` apart; null of a cube over all time.
    """

    file: Path
    by: tuple[str, ...]
    where: Mapping[str, Sequence[str | None]]
    sums: tuple[str, ...]
    period: tuple[int | None, int | None]
    instant: str | None
    length_ms: int


def wanted_of(lake: Lake, key: PartKey, parts: Sequence[Part], cut: Cut) -> Wanted | None:
    """How the smallest cube that tells what :func:`metrics.plan.roll_up` gives for ``key`` is asked; None without."""
    where = {name: values for name, values in cut.where if key.is_sliced or name in SERVICE_FILTERS}
    by = cut.by if key.is_sliced else ()
    is_by_arm = bool({*by, *where} & set(ARMS))
    if key.table not in TABLES or (is_by_arm and len(set(where.get(ARMS[0], ())) - {None}) != 1):
        return None
    bounds = [
        bound for bound in (cut.start_ts_ms, cut.end_ts_ms, None if key.is_level else cut.grain_ms) if bound
    ]
    own = [REPLICATE] if cut.replicates and is_weighted(key.table) else []
    sums = tuple(dict.fromkeys(name for part in parts for name in (part.name, *n_columns(part.of))))
    is_timed = any(bound is not None for bound in (cut.start_ts_ms, cut.end_ts_ms, cut.grain_ms))
    bucket = [DAY] if key.is_level else [BUCKET] if cut.grain_ms else []
    groups = [group_column(name) for name in key.groups]
    keys = (*by, *own, *groups, *([SKETCH] if key.sketch else []), *bucket)
    for cube in _cubes(folder_of(lake, key.table)):
        if cube.kind != kind_of(key) or cube.is_by_arm != is_by_arm:
            continue
        # Over all time a part is the same by any clock.
        is_it = not is_timed or (cube.clock == key.clock and cube.tells(bounds))
        if is_it and cube.names >= {*by, *where, *own} and cube.columns >= {*sums, *bucket}:
            instant = (DAY if key.is_level else BUCKET) if cube.length_ms else None
            return Wanted(
                cube.file, keys, where, sums, (cut.start_ts_ms, cut.end_ts_ms), instant, cube.length_ms
            )
    return None


def told(lake: Lake, metrics: Sequence[Metric], cut: Cut) -> list[Metric]:
    """Those of ``metrics`` that no member's row need be read for: told by cubes, or of tables that do not grow so."""
    is_told = {
        key: not has_arms(key.table) or wanted_of(lake, key, parts, cut) is not None
        for key, parts in parts_by_key(metrics, cut).items()
    }
    return [
        metric for metric in metrics if all(is_told[part_key(metric, part, cut)] for part in metric.parts)
    ]


def folder_of(lake: Lake, table: str) -> Path:
    """Where the cubes of a table are as it is now, and of those by arm as ``assignment`` is; made or not."""
    versions = f"{lake.last_commit(table)}"
    if has_arms(table) and table != "assignment":
        versions += f"-{lake.last_commit('assignment')}"
    return lake.path / "artefacts" / "cube" / table / f"{versions}-{definitions()}"


@cache
def definitions() -> str:
    """Changes whenever a cube may hold something else: a digest of what makes cubes, and of all it is made with."""
    return hashlib.sha256(b"".join(source.read_bytes() for source in made_with("cube_build"))).hexdigest()[
        :12
    ]


def made_with(module: str) -> list[Path]:
    """The sources of this package that ``module`` imports, itself or by others that it imports, and its own."""
    found: set[Path] = set()
    names = {module}
    while names:
        name = names.pop()
        folder, file = _PACKAGE / name, _PACKAGE / f"{name}.py"
        for source in {file} if file.exists() else {*folder.rglob("*.py")}:
            if source not in found:
                found.add(source)
                for own, several in _IMPORTED.findall(source.read_text(encoding="utf-8")):
                    names |= {own} if own else {*re.findall(r"(?:^\(?|,)\s*(\w+)", several)}
    return sorted(found)


def _ready(lake: Lake, key: PartKey, parts: Sequence[Part], cut: Cut) -> nw.LazyFrame[Any] | None:
    """What :func:`metrics.plan.roll_up` gives for ``key``, out of the smallest cube that tells it; None without."""
    wanted = wanted_of(lake, key, parts, cut)
    if wanted is None:
        return None
    start_ts_ms, end_ts_ms = wanted.period
    rows = filter_rows(
        nw.from_native(pl.scan_parquet(wanted.file)), where=wanted.where, clock=wanted.instant,
        start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms,
    )  # fmt: skip
    if BUCKET in wanted.by and cut.grain_ms:
        rows = rows.with_columns(bucket_start(nw.col(BUCKET), cut.grain_ms).alias(BUCKET))
    wide, exact = nw.Int128(), nw.Decimal(38, 0)
    rows = rows.select(*wanted.by, *(nw.col(name).cast(wide) for name in wanted.sums))
    totals = [nw.col(name).sum().cast(exact) for name in wanted.sums]
    return rows.group_by(*wanted.by).agg(*totals) if wanted.by else rows.select(*totals)


@dataclass(frozen=True)
class _Cube:
    """A cube's file, what its name tells of it, and its columns."""

    file: Path
    clock: str
    kind: str
    length_ms: int
    names: frozenset[str]
    columns: frozenset[str]

    @property
    def is_by_arm(self) -> bool:
        return ARMS[0] in self.names

    def tells(self, bounds: Sequence[int]) -> bool:
        """Whether all of ``bounds`` lie between two of its instants."""
        return bool(self.length_ms) and not any(bound % self.length_ms for bound in bounds)


def _cubes(folder: Path) -> tuple[_Cube, ...]:
    """The cubes of a table as it is now, smallest first; none before they are made."""
    # What was made stays as it is: a folder appears whole, by a rename.
    return _found(folder) if folder.exists() else ()


@lru_cache(maxsize=64)
def _found(folder: Path) -> tuple[_Cube, ...]:
    found = []
    for file in sorted(folder.glob("*.parquet"), key=lambda file: file.stat().st_size):
        clock, kind, length_ms, names, *own = file.stem.split(".")
        columns = frozenset(pl.read_parquet_schema(file))
        found.append(_Cube(file, clock, kind, int(length_ms), frozenset({*names.split("+"), *own}), columns))
    return tuple(found)
