"""Keeping a lake small, replacing what was computed, forgetting a subscriber; each holds the lake alone.

Files are rewritten and swapped by one Delta commit a table, so readers see the table before or after. What
no commit names any more is deleted by :func:`vacuum`, and with it the history that named it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import polars as pl
from deltalake.transaction import RemoveAction

from metrics.cube import drop
from metrics.errors import ContractError
from metrics.lake import QUARANTINE, Lake
from metrics.privacy import hash_id
from metrics.telemetry import TABLES, get_table

__all__ = ["Forgotten", "TableSize", "compact", "forget", "replace", "sizes", "vacuum"]

DEFAULT_RETENTION_HOURS = 168
_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True)
class TableSize:
    """What one table takes."""

    table: str
    version: int
    rows: int
    files: int
    size_bytes: int


@dataclass(frozen=True)
class Forgotten:
    """Rows erased by table, and files deleted with the history that held them."""

    rows: dict[str, int]
    files_deleted: int


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
            crowded = files.filter(pl.len().over("folder") > 1)
            if crowded.height:
                _rewrite(lake, name, crowded["path"].to_list(), keep=None)
            counts[name] = (files.height, len(lake.snapshot(name).files))
    return counts


def vacuum(lake: Lake, *, retention_hours: float = DEFAULT_RETENTION_HOURS) -> int:
    """Delete data files that no table names and that are older than ``retention_hours``; how many."""
    with lake.alone():
        return sum(_vacuum(lake, name, retention_hours) for name in lake.tables())


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
        files = _files(lake, table)
        hit = files.filter(pl.col("path").is_in(_holding(lake, table, matches)))
        kept = [_read(lake, table, path).filter(~matches).select(new.columns) for path in hit["path"]]
        lake.commit_batch(
            contract,
            pl.concat([*kept, new]),
            application,
            (last or 0) + 1,
            removals=[_removal(row) for row in hit.iter_rows(named=True)],
        )
    return True


def forget(lake: Lake, subscriber: str) -> Forgotten:
    """Erase a subscriber from every table: rows, their sessions' events, what is in quarantine, the history.

    ``subscriber`` is the id as the service knows it or as the lake has it (hashed).
    """
    ids = [subscriber, hash_id(subscriber, lake.key)]
    in_quarantine = [f'"subscriber_id":"{name}"' for name in ids]
    erased: dict[str, int] = {}
    with lake.alone():
        drop(lake)
        theirs = pl.col("subscriber_id").is_in(ids)
        sessions = lake.scan("playback_session").filter(theirs).select("session_id").collect()["session_id"]
        events = pl.col("session_id").is_in(sessions.to_list())
        named = pl.any_horizontal(pl.col("row").str.contains(text, literal=True) for text in in_quarantine)
        # Sessions go last: should this be interrupted, they still tell which events are theirs.
        for name in sorted(lake.tables(), key="playback_session".__eq__):
            columns = TABLES[name].schema if name in TABLES else QUARANTINE.schema
            if name == QUARANTINE.name:
                erased[name] = _erase(lake, name, named)
            elif "subscriber_id" in columns:
                erased[name] = _erase(lake, name, theirs)
            elif "session_id" in columns:
                erased[name] = _erase(lake, name, events)
        deleted = sum(_vacuum(lake, name, 0) for name in lake.tables())
    return Forgotten(erased, deleted)


def _erase(lake: Lake, table: str, matches: pl.Expr) -> int:
    """Rewrite the files that hold matching rows, without them."""
    matches = matches.fill_null(value=False)
    hit = _holding(lake, table, matches)
    if not hit:
        return 0
    before = lake.snapshot(table).rows
    _rewrite(lake, table, hit, keep=~matches)
    return before - lake.snapshot(table).rows


def _holding(lake: Lake, table: str, matches: pl.Expr) -> list[str]:
    return [path for path in _files(lake, table)["path"] if _count(lake, table, path, matches)]


def _count(lake: Lake, table: str, path: str, matches: pl.Expr) -> int:
    file = lake.table_path(table) / path
    found = pl.scan_parquet(file, hive_partitioning=False, glob=False).filter(matches).select(pl.len())
    return int(found.collect().item())


def _read(lake: Lake, table: str, path: str) -> pl.DataFrame:
    return pl.read_parquet(lake.table_path(table) / path, hive_partitioning=False, glob=False)


def _rewrite(lake: Lake, table: str, paths: list[str], *, keep: pl.Expr | None) -> None:
    """Replace the files by one a day, in one commit."""
    contract = QUARANTINE if table == QUARANTINE.name else get_table(table)
    delta = lake.delta(table)
    assert delta is not None
    files = _files(lake, table).filter(pl.col("path").is_in(paths))
    removed, added = [], []
    for (_,), group in files.group_by("folder", maintain_order=True):
        rows = pl.concat([_read(lake, table, path) for path in group["path"]])
        added += lake.write_files(contract, rows if keep is None else rows.filter(keep))
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
    """Files of the table as it is: ``path, folder, size_bytes``, oldest first."""
    delta = lake.delta(table)
    if delta is None:
        return pl.DataFrame(schema={"path": pl.String, "folder": pl.String, "size_bytes": pl.Int64})
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    folder = pl.col("path").str.extract(r"^(.*/)").fill_null("")
    return actions.sort("modification_time", "path").with_columns(folder=folder)


def _vacuum(lake: Lake, table: str, retention_hours: float) -> int:
    current = set(lake.snapshot(table).files)
    oldest_kept_ms = time.time() * 1000 - retention_hours * _MS_PER_HOUR
    deleted = 0
    for file in lake.table_path(table).rglob("*.parquet"):
        logged = "_delta_log" in file.relative_to(lake.table_path(table)).parts
        if not logged and str(file) not in current and file.stat().st_mtime * 1000 <= oldest_kept_ms:
            file.unlink()
            deleted += 1
    return deleted
