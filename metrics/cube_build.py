"""Making cubes, and extending them by new files alone; which ones, :mod:`metrics.cube_sets` says.

Files are read some at a time, and what so many gave is added up: memory is bounded by the cubes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from metrics.arms import arms_of, holdout_of, in_time, with_arms
from metrics.cube import ARMS_FILE, arms_of_lake, folder_of
from metrics.cube_sets import TABLES, Kept, kept_of, kind_of
from metrics.engine import collect
from metrics.errors import LakeError
from metrics.lake import Lake
from metrics.parts import ARMS, HOLDOUT, clock_column, dimensions_of
from metrics.plan import BUCKET, DAY, REPLICATE, SKETCH, Cut, derived, group_column, rolled_by_each

__all__ = ["build", "keys_of", "narrow"]

_CHUNK_BYTES = 32 * 2**20
_CHUNKS = 8
_FILES = "files.json"


def build(lake: Lake) -> dict[str, int]:
    """Make the cubes of every table that has moved on since; bytes by table.

    Where files were only added, those alone are read. The new cubes appear at once, by a rename; the last ones
    stay for whoever is reading them.
    """
    arms = _counted(lake)
    sizes = {}
    for table in TABLES:
        snapshot = lake.snapshot(table)
        if not snapshot.rows:
            continue
        folder = folder_of(lake, table)
        if not folder.exists():
            old, rows = _last(folder), _Rows(lake, table, arms)
            _replace(folder, old, partial(_write, rows, old))
        sizes[table] = sum(file.stat().st_size for file in folder.iterdir())
    return sizes


def keys_of(table: str, frame: pl.DataFrame) -> list[str]:
    """The columns of a cube that are no sums."""
    keys = {BUCKET, DAY, REPLICATE, SKETCH, *dimensions_of(table)}
    return [name for name in frame.columns if name in keys or name.startswith(group_column(""))]


def narrow(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Sums in 64 bits where they fit, which are read faster."""
    keys = keys_of(table, frame)
    sums = [c for c in frame.columns if c not in keys]
    types = {name: pl.Int64() if _largest(frame, name) < 2**63 else pl.Decimal(38, 0) for name in sums}
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in types.items())


def _counted(lake: Lake) -> pl.DataFrame:
    """Members by arm, counted and kept; no row where nobody is in an experiment."""
    known = arms_of_lake(lake)
    if known is not None:
        return known
    found = arms_of(nw.from_native(lake.scan("assignment")))
    if found.height:
        folder = folder_of(lake, "assignment")

        def write(new: Path) -> None:
            new.mkdir()
            found.write_parquet(new / ARMS_FILE)

        _replace(folder, _last(folder), write)
    return found


def _replace(folder: Path, old: Path | None, write: Callable[[Path], None]) -> None:
    """``folder`` appears whole, by a rename of what was written; all others beside it but ``old`` go."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as new:
            write(Path(new) / "cube")
            (Path(new) / "cube").rename(folder)
    except OSError as error:
        if not folder.exists():  # made by another meanwhile, it would be the same
            what = f"the cubes of {folder.parent.name} cannot be written ({error.strerror or error})"
            mend = "free space or mend permissions and run the command again"
            raise LakeError(what, where=str(folder.parent), mend=mend) from error
    for other in folder.parent.iterdir():
        if other not in (folder, old):
            shutil.rmtree(other, ignore_errors=True)


def _last(folder: Path) -> Path | None:
    """The newest cubes beside ``folder`` of these definitions, and of the same arms where it has any."""
    _, _, rest = folder.name.partition("-")
    found = [other for other in folder.parent.glob("[0-9]*") if other.name.partition("-")[2] == rest]
    return max(found, key=lambda other: int(other.name.partition("-")[0]), default=None)


@dataclass(frozen=True)
class _Rows:
    """A table of a lake, and who is in which arm."""

    lake: Lake
    table: str
    arms: pl.DataFrame

    def of(self, kept: Kept, files: Sequence[str]) -> Iterator[tuple[nw.LazyFrame[Any], tuple[Cut, ...]]]:
        """The rows of ``files`` that cubes are made of, and how they are cut: those of each experiment apart."""
        rows = nw.from_native(self.lake.scan(self.table, files))
        if kept.arms:
            for these in derived(rows, kept.parts):
                for experiment in self.arms["experiment"].unique(maintain_order=True):
                    if (mine := self._in(these, experiment)) is not None:
                        of_it = ((ARMS[0], (experiment,)),)
                        yield mine, tuple(replace(cut, where=of_it) for cut in kept.cuts)
        elif HOLDOUT in kept.key.groups:
            experiment = holdout_of(self.arms)
            mine = None if experiment is None else self._in(rows, experiment)
            nothing = nw.lit(None, nw.Boolean()).alias(HOLDOUT)
            yield rows.head(0).with_columns(nothing) if mine is None else mine, kept.cuts
        else:
            yield rows, kept.cuts

    def _in(self, rows: nw.LazyFrame[Any], experiment: str) -> nw.LazyFrame[Any] | None:
        """The rows of the experiment's time with their members' arms; None without any."""
        clock = clock_column(self.table, "start")
        mine = in_time(rows, self.arms, experiment, clock)
        if not mine.select(nw.len()).collect("polars").item():
            return None
        return with_arms(mine, nw.from_native(self.lake.scan("assignment")), experiment, clock)


def _write(rows: _Rows, old: Path | None, folder: Path) -> None:
    """The cubes of a table's files, out of the ``old`` ones and the rows that are new; one kind held at a time."""
    files = list(rows.lake.snapshot(rows.table).files)
    wanted = list(kept_of(rows.table))
    known = json.loads((old / _FILES).read_text("utf-8")) if old else []
    known = known if set(known) <= set(files) else []
    # By their days: what is held is then about one cube, and not one a copy of the days.
    by_day = sorted(files, key=lambda file: Path(file).parent.name)
    new = [file for file in by_day if file not in set(known)]
    folder.mkdir()
    (folder / _FILES).write_text(json.dumps(files), encoding="utf-8")
    for kept in wanted:
        # What looks at a whole table cannot be added up file by file.
        is_whole = any(part.of.derived for part in kept.parts)
        made: dict[str, list[pl.DataFrame]] = {}
        for some in _batched([by_day] if is_whole else _chunks(new), _CHUNKS):
            of_some: dict[str, list[pl.DataFrame]] = {}
            for chunk in some:
                for name, frame in _cubed(rows, chunk, kept):
                    of_some.setdefault(name, []).append(frame)
            for name, frames in of_some.items():
                made.setdefault(name, []).append(_added_up(rows.table, frames))
        if old and known and not is_whole:
            for name in {_name(kept, cut) for cut in kept.cuts}:
                if (old / name).exists():
                    made.setdefault(name, []).append(pl.read_parquet(old / name))
        while made:
            name, frames = made.popitem()
            _by_instant(rows.table, _added_up(rows.table, frames)).write_parquet(
                folder / name, compression="zstd", compression_level=1
            )


def _cubed(rows: _Rows, files: Sequence[str], kept: Kept) -> Iterator[tuple[str, pl.DataFrame]]:
    """What each cube, by the name of its file, holds of the rows of ``files``; it may come several times."""
    for these, cuts in rows.of(kept, files):
        for cut, frame in rolled_by_each(these, kept.key, kept.parts, cuts):
            if frame.height or HOLDOUT in kept.key.groups:
                yield _name(kept, cut), narrow(rows.table, frame)


def _by_instant(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """In the order of instants, for periods to find theirs, and then like by like, which takes less room."""
    keys = keys_of(table, frame)
    instants = [name for name in (DAY, BUCKET) if name in keys]
    # By the number that each text has, and not by the text: faster, and as well for the purpose.
    others = [
        pl.col(name).cast(pl.Categorical).to_physical() if frame.schema[name] == pl.String else pl.col(name)
        for name in keys
        if name not in instants
    ]
    return frame.sort(*instants, *others) if keys else frame


def _name(kept: Kept, cut: Cut) -> str:
    own = f".{REPLICATE}" if cut.replicates else ""
    return f"{kept.key.clock}.{kind_of(kept.key)}.{cut.grain_ms or 0}.{'+'.join(cut.by)}{own}.parquet"


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
    """The cubes of several chunks as one; sums in 64 bits where they fit, which are read faster."""
    if len(frames) == 1:
        return frames[0]
    keys = keys_of(table, frames[0])
    sums = [c for c in frames[0].columns if c not in keys]
    # A group is at most once in a frame: no sum is larger than all frames' largest together.
    largest = [sum(_largest(frame, name) for frame in frames) for name in sums]
    wide = [name for name, size in zip(sums, largest, strict=True) if size >= 2**63]
    each = [frame.lazy().with_columns(pl.col(wide).cast(pl.Int128)) for frame in frames]
    (frame,) = collect([pl.concat(each).group_by(keys).agg(pl.col(sums).sum())])
    return narrow(table, frame)


def _largest(frame: pl.DataFrame, name: str) -> int:
    low, high = (int(str(bound or 0)) for bound in (frame[name].min(), frame[name].max()))
    return max(-low, high)
