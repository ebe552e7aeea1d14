"""What a table of the lake is made of on disk: its schema, a Parquet file a day, and the number of its last commit."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from deltalake import Schema
from deltalake.transaction import AddAction

from metrics.contract import Table

__all__ = ["delta_schema", "last_commit", "partition_by", "stored_schema", "with_day", "write_files"]

_COMPRESSION_LEVEL = 1


def partition_by(contract: Table) -> list[str]:
    """The columns the table is partitioned by: its day, or none."""
    return ["day"] if contract.day else []


def stored_schema(contract: Table) -> pl.Schema:
    """The contract's columns, and the partition column ``day`` where the table has one."""
    if contract.day is None:
        return contract.schema
    return pl.Schema([*contract.schema.items(), ("day", pl.Date())])


def delta_schema(contract: Table) -> Schema:
    """The same, as Delta has it."""
    empty = pl.DataFrame(schema=stored_schema(contract))
    return Schema.from_arrow(empty.to_arrow(compat_level=pl.CompatLevel.oldest()).schema)


def with_day(contract: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the partition column ``day``, where the table has one."""
    if contract.day is None:
        return rows
    return rows.with_columns(pl.from_epoch(contract.day, time_unit="ms").dt.date().alias("day"))


def write_files(
    root: Path, contract: Table, frame: pl.DataFrame, *, written_ms: int | None = None
) -> list[AddAction]:
    """Write ``frame`` (with ``day``) under ``root`` as a Parquet file a day; nobody sees it before its commit.

    ``written_ms`` is when its rows were first written, where that was not now.
    """
    actions = []
    for day, part in _by_day(contract, frame):
        name = f"{day}part-{uuid.uuid4().hex}.zstd.parquet"
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_parquet(file, compression="zstd", compression_level=_COMPRESSION_LEVEL)
        actions.append(
            AddAction(
                path=name,
                size=file.stat().st_size,
                partition_values={"day": day[4:-1]} if day else {},
                modification_time=written_ms or int(file.stat().st_mtime * 1000),
                data_change=True,
                # No minima and maxima: readers prune by day, and the log must hold no viewer's id.
                stats=json.dumps({"numRecords": part.height}),
            )
        )
    return actions


def last_commit(path: Path) -> int:
    """The number of the last commit in a table's log, -1 without one; far cheaper than opening the table."""
    try:
        with os.scandir(path / "_delta_log") as entries:
            stems = [e.name[:-5] for e in entries if e.name.endswith(".json")]
    except (FileNotFoundError, NotADirectoryError):
        return -1
    return max((int(stem) for stem in stems if stem.isdigit()), default=-1)


def _by_day(contract: Table, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Parts of the frame with the folder each belongs to: ``day=2026-04-01/``, or none."""
    if contract.day is None:
        if frame.height:
            yield "", frame
        return
    for (day,), part in sorted(frame.partition_by("day", as_dict=True).items()):
        yield f"day={day}/", part
