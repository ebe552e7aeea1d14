"""Of a large lake, a sample of each day's rows, for questions that only rows answer and some are enough for.

Which slice explains an incident, how a measure is distributed: some fifty thousand sessions a day tell it as well as
millions do. Every k-th row of a day is kept beside the lake, k a power of two and the same for all days, so that days
can be compared; a lake of few rows a day has k = 1, no sample, and is read itself.

::

    artefacts/cube/sample/<table>/day=<day>-<k>-<digest of its files>.parquet
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from metrics.lake import Lake

__all__ = ["MOST_A_DAY", "TABLES", "build", "every_of", "some_rows"]

MOST_A_DAY = 50_000
"""Rows of a day, on average, that are read at most."""

TABLES = ("playback_session", "control_request")
"""Tables of which a sample is kept."""


def build(lake: Lake) -> None:
    """Sample the days that have changed since, one at a time; samples of days as they no longer are go."""
    for table in TABLES:
        snapshot = lake.snapshot(table)
        by_day, every = _by_day(snapshot.files), every_of(lake, table)
        wanted = {_file(lake, table, every, files): files for files in by_day.values()} if every > 1 else {}
        folder = _folder(lake, table)
        for file, files in wanted.items():
            if not file.exists():
                folder.mkdir(parents=True, exist_ok=True)
                handle, new = tempfile.mkstemp(prefix=".new-", dir=folder)
                os.close(handle)
                _kth(lake, table, files, every).sink_parquet(new)
                Path(new).rename(file)
        for other in folder.glob("*.parquet"):
            if other not in wanted:
                other.unlink(missing_ok=True)


def some_rows(lake: Lake, table: str, files: Sequence[str]) -> tuple[pl.LazyFrame, int]:
    """Every k-th row of ``files``, which are all those of some days, and k.

    Out of the samples where they are made; else every row is looked at.
    """
    every = every_of(lake, table)
    if every == 1 or not files:
        return lake.scan(table, files), 1
    days = [
        pl.scan_parquet(file)
        if (file := _file(lake, table, every, day)).exists()
        else _kth(lake, table, day, every)
        for day in _by_day(files).values()
    ]
    return pl.concat(days, how="diagonal"), every


def every_of(lake: Lake, table: str) -> int:
    """How manieth row of a table is in its sample; 1 where it has none."""
    snapshot, every = lake.snapshot(table), 1
    days = len({Path(file).parent.name for file in snapshot.files})
    while table in TABLES and snapshot.rows > every * MOST_A_DAY * days:
        every *= 2
    return every


def _kth(lake: Lake, table: str, files: Sequence[str], every: int) -> pl.LazyFrame:
    numbered = lake.scan(table, sorted(files)).with_row_index("_row")
    return numbered.filter(pl.col("_row") % every == 0).drop("_row")


def _by_day(files: Iterable[str]) -> dict[str, list[str]]:
    days = defaultdict(list)
    for file in files:
        days[Path(file).parent.name].append(file)
    return dict(sorted(days.items()))


def _folder(lake: Lake, table: str) -> Path:
    return lake.path / "artefacts" / "cube" / "sample" / table


def _file(lake: Lake, table: str, every: int, files: Sequence[str]) -> Path:
    digest = hashlib.sha256("\n".join(sorted(Path(file).name for file in files)).encode()).hexdigest()[:16]
    return _folder(lake, table) / f"{Path(files[0]).parent.name}-{every}-{digest}.parquet"
