"""Run the emulator and append what it writes to a lake, exactly once, resuming where it was cut off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from metrics.engine import Mapper
from metrics.errors import LakeError
from metrics.lake import Lake
from metrics.telemetry import TABLES
from synthetic.scenario import Scenario

__all__ = ["Synthesised", "synthesise"]

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Synthesised:
    """Rows appended by table, sessions simulated, and whether the whole run was in the lake already."""

    application: str
    rows: dict[str, int]
    quarantined: int
    sessions: int
    already: bool


def synthesise(
    scenario: Scenario,
    lake: Lake,
    *,
    partitions: int = 2,
    mapper: Mapper | None = None,
    tell: Tell | None = None,
) -> Synthesised:
    """Simulate ``scenario`` into ``lake``; ``mapper`` runs a day's partitions, here when absent.

    A scenario is known by its content: the same one again adds nothing, and one that was cut off goes on with
    the first batch that is missing (earlier weeks are simulated again, since later ones hang on them).
    Raises :class:`~metrics.errors.LakeError` for a lake that holds another scenario: two services in one lake
    would be added up as if they were one.
    """
    from synthetic import emulator

    digest = hashlib.blake2b(scenario.model_dump_json().encode(), digest_size=6).hexdigest()
    application = f"synthesize/{scenario.name}-{digest}"
    last = (scenario.days - 1) // emulator.BATCH_DAYS
    # The session table is appended last in each batch, so it closes the batch.
    appended = lake.appended_version("playback_session", application)
    if appended is not None and appended >= last:
        return Synthesised(application, {}, 0, 0, already=True)
    _refuse_another(lake, application)
    rows: dict[str, int] = {}
    quarantined = sessions = 0

    def append(batch: emulator.Batch) -> None:
        nonlocal quarantined, sessions
        sessions += batch.sessions
        for name in sorted(batch.tables, key=lambda table: table == "playback_session"):
            done = lake.append(name, batch.tables[name], application=application, version=batch.index)
            rows[name] = rows.get(name, 0) + done.rows
            quarantined += done.quarantined

    # One batch is written while the next is simulated; never more than one waits, so memory stays bounded.
    with ThreadPoolExecutor(1) as writer:
        pending = None
        for batch in emulator.run(scenario, partitions=partitions, mapper=mapper, tell=tell):
            if pending is not None:
                pending.result()
            pending = writer.submit(append, batch)
        if pending is not None:
            pending.result()
    return Synthesised(application, rows, quarantined, sessions, already=False)


def _refuse_another(lake: Lake, application: str) -> None:
    written = [name for name in lake.tables() if name in TABLES and name != "charge"]
    if any(lake.appended_version(name, application) is not None for name in written):
        return
    for name in written:
        if "is_synthetic" not in TABLES[name].schema:
            continue
        if lake.scan(name).filter(pl.col("is_synthetic")).head(1).collect().height:
            raise LakeError(
                "the lake holds another emulated service already",
                where=str(lake.path),
                mend="name another folder with --lake, or remove this one",
            )
