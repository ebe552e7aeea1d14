"""Run the emulator and append what it writes to a lake, exactly once, resuming where it was cut off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from metrics.lake import Lake
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
    scenario: Scenario, lake: Lake, *, partitions: int = 2, tell: Tell | None = None
) -> Synthesised:
    """Simulate ``scenario`` into ``lake``.

    A scenario is known by its content: the same one again adds nothing, and one that was cut off goes on with
    the first batch that is missing (earlier weeks are simulated again, since later ones hang on them).
    """
    from synthetic import emulator

    digest = hashlib.blake2b(scenario.model_dump_json().encode(), digest_size=6).hexdigest()
    application = f"synthesize/{scenario.name}-{digest}"
    last = (scenario.days - 1) // emulator.BATCH_DAYS
    # The session table is appended last in each batch, so it closes the batch.
    appended = lake.appended_version("playback_session", application)
    if appended is not None and appended >= last:
        return Synthesised(application, {}, 0, 0, already=True)
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
        for batch in emulator.run(scenario, partitions=partitions, tell=tell):
            if pending is not None:
                pending.result()
            pending = writer.submit(append, batch)
        if pending is not None:
            pending.result()
    return Synthesised(application, rows, quarantined, sessions, already=False)
