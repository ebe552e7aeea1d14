"""The lake: Delta tables under one folder, appended to exactly once, scanned lazily.

::

    _playhead.json     lake id, contract version, fingerprint of the hash key
    _key               secret that ids are hashed with (mode 0600)
    tables/<name>/     one Delta table each, by UTC day where the table has one
    artefacts/         reports, rules, verdicts

A batch is known by (application, version). Its data files are written first and become visible by one
Delta commit that carries the pair as an application transaction, so a writer killed at any point leaves all
of the batch or none, and a writer that runs again finds what it has done. Delta records the pair; the check
is ours, and is repeated when another writer commits in between.

Rows that break the contract go to the table ``quarantine`` under the same pair. Two tables cannot commit
together, so quarantine commits first and the table last: each is checked on its own, and the table's commit
means that the whole batch is in.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction
from polars.exceptions import PolarsError

from metrics.contract import Table
from metrics.delta_files import delta_schema, last_commit, partition_by, stored_schema, with_day, write_files
from metrics.errors import LakeError
from metrics.files import locked, write_once, write_over
from metrics.own_tables import QUARANTINE, contract_of, named
from metrics.privacy import key_fingerprint, load_or_create_key, scrub_rows
from metrics.telemetry import CONTRACT_VERSION, TABLES, get_table

__all__ = [
    "Appended",
    "Lake",
    "Snapshot",
]

_META = "_playhead.json"
_KEY = "_key"
_LOCK = "_playhead.lock"
_ATTEMPTS = 20


@dataclass(frozen=True)
class Appended:
    """What an append did: rows let in, rows quarantined, and their reasons; nothing when ``already`` in."""

    rows: int
    quarantined: int
    already: bool
    reasons: dict[str, int]


@dataclass(frozen=True)
class Snapshot:
    """One version of a table: the Parquet files that hold it, for engines that have no Delta reader.

    The partition column ``day`` is in the files. ``version`` is -1 for a table that does not exist yet.
    """

    version: int
    files: tuple[str, ...]
    rows: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class Lake:
    """A folder of telemetry tables. Open one with :meth:`open`, make one with :meth:`create`."""

    path: Path
    lake_id: str
    key_fingerprint: str

    @classmethod
    def create(cls, path: Path | str) -> Lake:
        """Make a lake at ``path``, or open the one that is there.

        Raises :class:`LakeError` where the folder holds other things, or a lake of another contract version.
        """
        path = Path(path).absolute()
        if not (path / _META).exists():
            try:
                path.mkdir(parents=True, exist_ok=True)
                strangers = [
                    entry.name for entry in path.iterdir() if not entry.name.startswith((_META, _KEY))
                ]
                if strangers:
                    raise LakeError(
                        "the folder holds other things", where=str(path), mend="give an empty or a new folder"
                    )
                key = load_or_create_key(path / _KEY)
                write_once(path / _META, _description(uuid.uuid4().hex[:12], key_fingerprint(key)))
            except OSError as error:
                mend = "give a new folder that can be written"
                raise LakeError(
                    f"cannot make a lake ({error.strerror})", where=str(path), mend=mend
                ) from error
        return cls.open(path)

    @staticmethod
    def is_at(path: Path | str) -> bool:
        """Whether there is a lake at ``path``, of whatever version."""
        return (Path(path) / _META).exists()

    @classmethod
    def open(cls, path: Path | str) -> Lake:
        """Open the lake at ``path``.

        Raises :class:`LakeError` where there is none, or one of another contract version.
        """
        version, lake = cls.described(path)
        if version == CONTRACT_VERSION:
            return lake
        older = version < CONTRACT_VERSION
        migrate = f"run `playhead lake migrate --lake {path}`"
        raise LakeError(
            f"the lake has contract version {version}, this Playhead {CONTRACT_VERSION}",
            where=str(lake.path),
            mend=migrate if older else "use the Playhead that wrote it, or a newer one",
        )

    @classmethod
    def described(cls, path: Path | str) -> tuple[int, Lake]:
        """The contract version of the lake at ``path``, and the lake, for what brings it to the present one.

        Raises :class:`LakeError` where there is none, or its description cannot be read.
        """
        path = Path(path).absolute()
        try:
            meta = json.loads((path / _META).read_text(encoding="utf-8"))
            fields = int(meta["contract_version"]), str(meta["lake_id"]), str(meta["key_fingerprint"])
        except (FileNotFoundError, NotADirectoryError) as error:
            mend = "make one with `playhead demo`, `playhead synthesize` or `playhead ingest`"
            raise LakeError("no lake here", where=str(path), mend=mend) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            mend = "restore the file, or write to a new folder"
            raise LakeError(
                "cannot be read as a lake's description", where=str(path / _META), mend=mend
            ) from error
        return fields[0], cls(path, *fields[1:])

    def describe(self) -> None:
        """Write down that the lake is of the present contract version."""
        write_over(self.path / _META, _description(self.lake_id, self.key_fingerprint))

    @property
    def key(self) -> bytes:
        """The secret that ids are hashed with.

        Raises :class:`LakeError` where it is not the one this lake was made with: ids would not join.
        """
        key = load_or_create_key(self.path / _KEY)
        if key_fingerprint(key) != self.key_fingerprint:
            raise LakeError(
                "the hash key is not the one this lake was made with",
                where=str(self.path),
                mend="set PLAYHEAD_HASH_KEY to the first key, or restore the file _key",
            )
        return key

    def append(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        application: str,
        version: int,
        also: Mapping[str, pl.Expr] = MappingProxyType({}),
    ) -> Appended:
        """Append a batch exactly once, known by (``application``, ``version``).

        Versions of an application only grow: a batch with a version at or under the last one is already in,
        and nothing is done. Rows that break the contract go to the table ``quarantine``, and so do those that
        break the further rules ``also``.
        Raises :class:`~metrics.errors.ContractError` for a frame whose columns do not fit.
        """
        contract = get_table(table)
        if _is_in(self.delta(table), application, version):
            return Appended(0, 0, already=True, reasons={})
        validated = contract.validate(frame, also=also)
        bad = validated.quarantined
        if bad.height:
            # A row may be bad because a viewer stands in a column where none belongs.
            bad = bad.with_columns(scrub_rows(bad["row"], self.key).alias("row"))
            self.quarantine(bad, application=f"{table}/{application}", version=version)
        with self.shared():
            done = self.commit_batch(contract, validated.good, application, version)
        if not done:
            return Appended(0, 0, already=True, reasons={})
        return Appended(validated.good.height, bad.height, already=False, reasons=validated.reasons)

    def quarantine(self, rows: pl.DataFrame, *, application: str, version: int) -> bool:
        """Keep ``rows`` (``table, reason, row``) in quarantine, once; False where they were kept before.

        Commit quarantine before the table it belongs to, so that the table's commit closes the batch.
        """
        with self.shared():
            return self.commit_batch(QUARANTINE, named(rows, application, version), application, version)

    def appended_version(self, table: str, application: str) -> int | None:
        """The last version ``application`` has appended to ``table``; None where it never did."""
        delta = self.delta(table)
        return delta.transaction_version(application) if delta else None

    def scan(self, table: str, files: Sequence[str] | None = None) -> pl.LazyFrame:
        """The table, lazily, in the contract's columns and types, with the partition column ``day``.

        A table nobody has written is empty. ``files`` are some of its snapshot's; all of them when absent.
        """
        schema = stored_schema(contract_of(table))
        files = self.snapshot(table).files if files is None else files
        if not files:
            return pl.LazyFrame(schema=schema)
        # `day` is read from the files and not from their paths, which may hold any `name=value`.
        return pl.scan_parquet(list(files), schema=schema, hive_partitioning=False, glob=False)

    def snapshot(self, table: str) -> Snapshot:
        """The files that hold the table now. A version that was looked at stays as it is, and is not read again."""
        return _snapshot(self, table, self.last_commit(table))

    def delta(self, table: str) -> DeltaTable | None:
        """The Delta table itself, for maintenance; None for a table nobody has written."""
        path = self.table_path(table)
        if last_commit(path) < 0:
            return None
        try:
            return DeltaTable(path)
        except DeltaError as error:
            mend = "restore the folder from a backup, or write a new lake"
            raise LakeError(f"the Delta log cannot be read ({error})", where=str(path), mend=mend) from error

    def version(self) -> str:
        """Changes whenever any table does: the key that pages cache by. Reads file names only."""
        versions = [f"{name}:{last_commit(self.table_path(name))}" for name in self.tables()]
        return ",".join([self.lake_id, *versions])

    def last_commit(self, table: str) -> int:
        """The version of a table, -1 for one that nobody has written. Reads file names only."""
        return last_commit(self.table_path(table))

    def tables(self) -> list[str]:
        """Names of the tables that exist, in the contract's order, quarantine last."""
        return [name for name in (*TABLES, QUARANTINE.name) if last_commit(self.table_path(name)) >= 0]

    def artefact(self, name: str) -> Path:
        """Where the artefact ``name`` (a report, rules, a verdict) lives; its folder exists."""
        path = self.path / "artefacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def table_path(self, table: str) -> Path:
        """The folder of the table."""
        return self.path / "tables" / contract_of(table).name

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lake as one of many writers; whoever removes files waits."""
        with locked(self.path / _LOCK, exclusive=False):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lake as its only writer, to remove files that no commit names."""
        with locked(self.path / _LOCK, exclusive=True):
            yield

    def write_files(
        self, contract: Table, frame: pl.DataFrame, *, written_ms: int | None = None
    ) -> list[AddAction]:
        """Files of the table for a later :meth:`commit`; see :func:`~metrics.delta_files.write_files`."""
        return write_files(self.table_path(contract.name), contract, frame, written_ms=written_ms)

    def commit(
        self,
        contract: Table,
        delta: DeltaTable,
        actions: list[Any],
        transactions: list[Transaction],
        *,
        overwrite: bool = False,
    ) -> None:
        """One Delta commit of added and removed files; ``overwrite`` removes the rest, and takes the schema's place."""
        delta.create_write_transaction(
            actions,
            mode="overwrite" if overwrite else "append",
            schema=delta_schema(contract),
            partition_by=partition_by(contract),
            commit_properties=CommitProperties(app_transactions=transactions),
        )

    def commit_batch(
        self,
        contract: Table,
        rows: pl.DataFrame,
        application: str,
        version: int,
        *,
        removals: Sequence[RemoveAction] = (),
    ) -> bool:
        """Write valid ``rows`` and commit them, with the files they replace; False where the batch was in already.

        The caller holds the lake: as one of many, or alone where files are removed.
        """
        delta = self.delta(contract.name) or self._new(contract)
        if _is_in(delta, application, version):
            return False
        try:
            actions = self.write_files(contract, with_day(contract, rows))
        except (OSError, PolarsError) as error:
            what = f"cannot be written ({str(error).splitlines()[0]})"
            mend = "free space or mend permissions and run the command again: nothing was added"
            raise LakeError(what, where=str(self.table_path(contract.name)), mend=mend) from error
        for _ in range(_ATTEMPTS):
            try:
                # An empty batch is committed too: that it is done must be known.
                self.commit(contract, delta, [*removals, *actions], [Transaction(application, version)])
                return True
            except CommitFailedError:
                # Another writer got in first; if it was this batch (the same command run twice), we are done.
                delta = self.delta(contract.name) or self._new(contract)
                if _is_in(delta, application, version):
                    return False
        raise LakeError(
            f"{_ATTEMPTS} commits were overtaken by other writers",
            where=str(self.table_path(contract.name)),
            mend="run the command again: nothing was written",
        )

    def _new(self, contract: Table) -> DeltaTable:
        path = self.table_path(contract.name)
        path.mkdir(parents=True, exist_ok=True)
        try:
            DeltaTable.create(
                path,
                delta_schema(contract),
                mode="ignore",
                partition_by=partition_by(contract),
                name=contract.name,
                description=contract.about,
                # Readers without a Delta connector take the file list, so no row may be deleted in place.
                configuration={"delta.enableDeletionVectors": "false"},
            )
        except DeltaError:
            # Two writers may create it at once; the one that lost finds it there.
            if last_commit(path) < 0:
                raise
        return DeltaTable(path)


@lru_cache(maxsize=256)
def _snapshot(lake: Lake, table: str, version: int) -> Snapshot:
    delta = lake.delta(table) if version >= 0 else None
    if delta is None:
        return Snapshot(-1, ())
    actions = pl.DataFrame(delta.get_add_actions(flatten=True)).sort("path")
    root = lake.table_path(table)
    return Snapshot(
        delta.version(),
        tuple(str(root / path) for path in actions["path"]),
        int(actions["num_records"].sum()),
        int(actions["size_bytes"].sum()),
    )


def _description(lake_id: str, fingerprint: str) -> str:
    meta = {
        "contract_version": CONTRACT_VERSION,
        "lake_id": lake_id,
        "key_fingerprint": fingerprint,
    }
    return json.dumps(meta, indent=2) + "\n"


def _is_in(delta: DeltaTable | None, application: str, version: int) -> bool:
    last = delta.transaction_version(application) if delta else None
    return last is not None and last >= version
