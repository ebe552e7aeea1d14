"""Keeping a lake small and replacing what was computed; each holds the lake alone.

Files are rewritten and swapped by one Delta commit a table, so readers see the table before or after. What
no commit names any more is deleted by :func:`vacuum`, and with it the history that named it.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from deltalake.transaction import RemoveAction

from metrics.errors import ContractError
from metrics.lake import Lake
from metrics.own_tables import CHECKPOINT, contract_of
from metrics.telemetry import get_table

__all__ = [
    "TableSize", "compact", "day_files", "drop", "erase", "read_files", "replace", "sizes", "supersede",
    "sweep", "vacuum",
]  # fmt: skip

DEFAULT_RETENTION_HOURS = 168
_MS_PER_HOUR = 3_600_000
_FILE = "_file"
_FILES = {
    "path": pl.String,
    "folder": pl.String,
    "day": pl.Date,
    "size_bytes": pl.Int64,
    "written_ms": pl.Int64,
}


@dataclass(frozen=True)
class TableSize:
    """What one table takes."""

    table: str
    version: int
    rows: int
    files: int
    size_bytes: int


def sizes(lake: Lake) -> list[TableSize]:
    """Every table's version, rows, files and bytes."""
    found = []
    for name in lake.tables():
        snapshot = lake.snapshot(name)
        size = TableSize(name, snapshot.version, snapshot.rows, len(snapshot.files), snapshot.size_bytes)
        found.append(size)
    return found


def compact(lake: Lake) -> dict[str, tuple[int, int]]:
    """Join the files of each day into one; number of files before and after, by table."""
    counts: dict[str, tuple[int, int]] = {}
    with lake.alone():
        for name in lake.tables():
            files = _files(lake, name)
            crowded = files.filter(pl.len().over("day") > 1)
            if crowded.height:
                _rewrite(lake, name, crowded["path"].to_list(), keep=None)
            counts[name] = (files.height, len(lake.snapshot(name).files))
    return counts


def vacuum(lake: Lake, *, retention_hours: float = DEFAULT_RETENTION_HOURS) -> int:
    """Delete data files that no table names and that are older than ``retention_hours``; how many.

    Checkpoints that later ones stand for go too, and are not counted.
    """
    with lake.alone():
        sweep(lake, CHECKPOINT.name, retention_hours=retention_hours)
        return sum(sweep(lake, name, retention_hours=retention_hours) for name in lake.tables())


def replace(lake: Lake, table: str, frame: pl.DataFrame, *, matches: pl.Expr, application: str) -> bool:
    """Make the rows of ``table`` that match be those of ``frame``; False where they are, and nothing is done.

    One commit under the next version of ``application`` takes the old rows out and the new ones in, so that
    whoever reads has the ones or the others, and who runs it again changes nothing.
    Raises :class:`~metrics.errors.ContractError` for rows that break the contract: what is computed must not.
    """
    contract = get_table(table)
    validated = contract.validate(frame)
    if validated.quarantined.height:
        reasons = "; ".join(validated.reasons)
        raise ContractError(f"computed rows of {table} break the contract: {reasons}")
    new = validated.good
    assert new.filter(matches).height == new.height, "rows that do not match would never be replaced again"
    with lake.alone():
        last = lake.appended_version(table, application)
        old = lake.scan(table).filter(matches).select(new.columns).collect()
        if last is not None and old.sort(old.columns).equals(new.sort(new.columns)):
            return False
        supersede(lake, table, new, matches=matches, application=application, version=(last or 0) + 1)
    return True


def supersede(
    lake: Lake,
    table: str,
    new: pl.DataFrame,
    *,
    matches: pl.Expr | None,
    application: str,
    version: int | None = None,
    days: tuple[dt.date, dt.date] | None = None,
) -> bool:
    """Take the rows that match (None: no row) out and put ``new`` in, in one commit; False where that was done.

    The commit goes under ``version`` of ``application``, else under its next. Rows out of ``days`` (both counted)
    are not looked at. ``new`` is valid, and the caller holds the lake alone.
    """
    last = lake.appended_version(table, application)
    if version is not None and last is not None and last >= version:
        return False
    hit = _files(lake, table)
    if days is not None:
        hit = hit.filter(pl.col("day").is_between(*days))
    kept: list[pl.DataFrame] = []
    if matches is None:
        hit = hit.clear()
    else:
        matches = matches.fill_null(value=False)
        hit = hit.filter(pl.col("path").is_in(_holding(lake, table, matches, hit["path"].to_list())))
        kept = [_read(lake, table, path).filter(~matches).select(new.columns) for path in hit["path"]]
    return lake.commit_batch(
        contract_of(table),
        pl.concat([*kept, new]),
        application,
        (0 if last is None else last + 1) if version is None else version,
        removals=[_removal(row) for row in hit.iter_rows(named=True)],
    )


def erase(lake: Lake, table: str, matches: pl.Expr) -> int:
    """Rewrite the files that hold matching rows, without them; how many rows went. The caller holds the lake alone."""
    matches = matches.fill_null(value=False)
    hit = _holding(lake, table, matches)
    if not hit:
        return 0
    before = lake.snapshot(table).rows
    _rewrite(lake, table, hit, keep=~matches)
    return before - lake.snapshot(table).rows


def drop(lake: Lake, table: str, before: dt.date) -> int:
    """Take out whole days before ``before``; how many rows went. The caller holds the lake alone.

    A row's day is that of the table's instant; in a table without days, the one it was written on.
    """
    files = _files(lake, table).filter(pl.col("day") < before)
    delta = lake.delta(table)
    if files.is_empty() or delta is None:
        return 0
    rows = lake.snapshot(table).rows
    contract = contract_of(table)
    lake.commit(contract, delta, [_removal(row) for row in files.iter_rows(named=True)], [])
    return rows - lake.snapshot(table).rows


def sweep(lake: Lake, table: str, *, retention_hours: float = 0) -> int:
    """Delete data files that the table does not name; how many. The caller holds the lake alone."""
    current = set(lake.snapshot(table).files)
    oldest_kept_ms = time.time() * 1000 - retention_hours * _MS_PER_HOUR
    deleted = 0
    for file in lake.table_path(table).rglob("*.parquet"):
        logged = "_delta_log" in file.relative_to(lake.table_path(table)).parts
        if not logged and str(file) not in current and file.stat().st_mtime * 1000 <= oldest_kept_ms:
            file.unlink()
            deleted += 1
    return deleted


def day_files(lake: Lake, table: str) -> Iterator[tuple[int, list[str]]]:
    """The table's files, a day at a time: when the newest was written (UTC epoch ms), and their paths."""
    for _, group in _files(lake, table).group_by("day", maintain_order=True):
        yield int(str(group["written_ms"].max())), group["path"].to_list()


def read_files(lake: Lake, table: str, paths: Sequence[str]) -> pl.DataFrame:
    """The rows of some of a table's files, as they are stored; null where a file has not a column of another."""
    return pl.concat([_read(lake, table, path) for path in paths], how="diagonal")


def _holding(lake: Lake, table: str, matches: pl.Expr, paths: list[str] | None = None) -> list[str]:
    """Files that hold matching rows, of those given or of all."""
    paths = _files(lake, table)["path"].to_list() if paths is None else paths
    if not paths:
        return []
    root = lake.table_path(table)
    files = {str(root / path): path for path in paths}
    rows = pl.scan_parquet(list(files), hive_partitioning=False, glob=False, include_file_paths=_FILE)
    found = rows.filter(matches).select(pl.col(_FILE).unique()).collect()[_FILE].to_list()
    return [path for name, path in files.items() if name in set(found)]


def _read(lake: Lake, table: str, path: str) -> pl.DataFrame:
    return pl.read_parquet(lake.table_path(table) / path, hive_partitioning=False, glob=False)


def _rewrite(lake: Lake, table: str, paths: list[str], *, keep: pl.Expr | None) -> None:
    """Replace the files by one a day, in one commit."""
    contract = contract_of(table)
    delta = lake.delta(table)
    assert delta is not None
    files = _files(lake, table).filter(pl.col("path").is_in(paths))
    removed, added = [], []
    for _, group in files.group_by("day", maintain_order=True):
        rows = read_files(lake, table, group["path"].to_list())
        # A joined file is as old as its newest rows: what is kept for so many days must not grow younger.
        written_ms = int(str(group["written_ms"].max()))
        rows = rows if keep is None else rows.filter(keep)
        added += lake.write_files(contract, rows, written_ms=written_ms)
        removed += [_removal(row) for row in group.iter_rows(named=True)]
    lake.commit(contract, delta, [*removed, *added], [])


def _removal(file: dict[str, object]) -> RemoveAction:
    folder = str(file["folder"])
    return RemoveAction(
        path=str(file["path"]),
        data_change=True,
        deletion_timestamp=int(time.time() * 1000),
        size=int(str(file["size_bytes"])),
        partition_values={"day": folder[4:-1]} if folder else {},
    )


def _files(lake: Lake, table: str) -> pl.DataFrame:
    """Files of the table as it is, oldest first: ``path, folder, day, size_bytes, written_ms``."""
    delta = lake.delta(table)
    if delta is None:
        return pl.DataFrame(schema=_FILES)
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    written_ms = pl.col("modification_time").cast(pl.Datetime("ms")).dt.epoch("ms")
    folder = pl.col("path").str.extract(r"^(.*/)").fill_null("")
    written_on = pl.from_epoch(written_ms, time_unit="ms").dt.date()
    of_rows = folder.str.extract(r"^day=(\d{4}-\d\d-\d\d)/").str.to_date("%Y-%m-%d")
    return actions.sort("modification_time", "path").select(
        "path", folder.alias("folder"), pl.coalesce(of_rows, written_on).alias("day"), "size_bytes",
        written_ms.alias("written_ms"),
    )  # fmt: skip
