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

__all__ = ["MOST_A_DAY", "TABLES", "build", "some_rows"]

MOST_A_DAY = 50_000
"""Rows of a day, on average, that are read at most."""

TABLES = ("playback_session", "control_request")
"""Tables of which a sample is kept."""


def build(lake: Lake) -> None:
    """Sample the days that have changed since, one at a time; samples of days as they no longer are go."""
    for table in TABLES:
        snapshot = lake.snapshot(table)
        by_day = _by_day(snapshot.files)
        every = _every(snapshot.rows, len(by_day))
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
    snapshot = lake.snapshot(table)
    every = _every(snapshot.rows, len(_by_day(snapshot.files))) if table in TABLES else 1
    if every == 1 or not files:
        return lake.scan(table, files), 1
    days = [
        pl.scan_parquet(file)
        if (file := _file(lake, table, every, day)).exists()
        else _kth(lake, table, day, every)
        for day in _by_day(files).values()
    ]
    return pl.concat(days, how="diagonal"), every


def _kth(lake: Lake, table: str, files: Sequence[str], every: int) -> pl.LazyFrame:
    numbered = lake.scan(table, sorted(files)).with_row_index("_row")
    return numbered.filter(pl.col("_row") % every == 0).drop("_row")


def _every(rows: int, days: int) -> int:
    every = 1
    while rows > every * MOST_A_DAY * days:
        every *= 2
    return every


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
