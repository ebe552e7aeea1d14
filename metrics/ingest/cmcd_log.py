"""A CMCD log, line by line: what came of every line, and the reports of every session in it. Nothing is written."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from metrics.contract import EARLIEST_TS_MS, LATEST_TS_MS
from metrics.ingest.cmcd_lines import LineReader, Record, Rejected, Skipped
from metrics.ingest.report import Report
from metrics.ingest.source import Source, Unfinished, Unreadable

__all__ = ["UNFINISHED", "Ingested", "Log", "SessionLines", "read_cmcd"]

UNFINISHED = "unfinished last line"
_QUARANTINED_CHARS = 2_000
# What sessions are made of; the other keys are checked and let go.
_KEPT = frozenset(
    [
        "bl", "br", "bs", "bsa", "bsd", "bsda", "d", "e", "ec", "msd", "mtp", "ot", "pb", "pr", "sn", "sta", "su",
        "v",
    ]
)  # fmt: skip


@dataclass
class Ingested:
    """What came of one file, or of several. Lines = records + quarantined + the lines ignored, always.

    ``sessions_continued`` of the ``sessions`` were in the lake and are told anew.
    ``quarantined`` counts lines; ``sessions_quarantined`` sessions that broke the contract. ``noted`` counts
    what was wrong with keys of lines that were used.
    """

    lines: int = 0
    records: int = 0
    sessions: int = 0
    sessions_continued: int = 0
    quarantined: int = 0
    sessions_quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    already: list[str] = field(default_factory=list)

    def add(self, other: Ingested) -> None:
        """Add another file's counts."""
        self.lines += other.lines
        self.records += other.records
        self.sessions += other.sessions
        self.sessions_continued += other.sessions_continued
        self.quarantined += other.quarantined
        self.sessions_quarantined += other.sessions_quarantined
        self.reasons += other.reasons
        self.ignored += other.ignored
        self.noted += other.noted
        self.already += other.already


@dataclass
class SessionLines:
    """The reports of one session id, and what their lines say of the client, in clear."""

    reports: list[Report] = field(default_factory=list)
    contents: Counter[str] = field(default_factory=Counter)
    client: str | None = None
    user_agent: str | None = None
    player_version: str | None = None
    flags: set[str] = field(default_factory=set)


@dataclass
class Log:
    """One log, or a part of it, read and not yet written: its counts, its sessions' reports, its unusable lines.

    ``heading`` is what its lines hold for those that may follow.
    """

    source: Source
    done: Ingested = field(default_factory=Ingested)
    groups: dict[str, SessionLines] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    is_dated: bool = False
    """Some line tells its time."""
    begun: bool = False
    """Some line above is a record."""
    heading: list[str] = field(default_factory=list)
    reopened: tuple[str, ...] = ()
    """Keys of sessions that the part before has told by a line that it had not seen the end of."""
    unfinished: Unfinished | None = None
    unfinished_name: str | None = None

    @property
    def position_bytes(self) -> int:
        """Where the log is to be read on: at a line whose end has not been written, if there is one."""
        return self.unfinished.start_bytes if self.unfinished else self.source.size_bytes

    def take(self, outcome: Record | Skipped | Rejected, line: str) -> None:
        """Count one line under what came of it."""
        done = self.done
        if isinstance(outcome, Record) and (name := _session_name(outcome)):
            done.records += 1
            for issue in outcome.issues:
                done.noted[f"{issue.key}: {issue.message.partition(': ')[0]}"] += 1
            lines = self.groups.get(name)
            if lines is None:
                lines = self.groups[name] = SessionLines()
            _collect(lines, outcome, done.lines, is_unfinished=self.unfinished is not None)
            self.is_dated = self.is_dated or lines.reports[-1].ts_ms is not None
        elif isinstance(outcome, (Record, Rejected)):
            missing = "no sid, and no client to tell the session by"
            reason = outcome.reason if isinstance(outcome, Rejected) else missing
            done.quarantined += 1
            done.reasons[reason] += 1
            self.rejected.append((reason, line[:_QUARANTINED_CHARS]))
        else:
            done.ignored[outcome.kind] += 1


def read_cmcd(source: Source, above: dict[str, Any] | None = None) -> Log:
    """Read a log, or the part of it that follows ``above``; nothing is written.

    Without a usable record its ``done.records`` is 0. A last line whose end has not been written is used where it
    can be, and read again with the next part.
    """
    held = above or {}
    log = Log(source, is_dated=held.get("is_dated", False), begun=held.get("begun", False))
    log.reopened = tuple(held.get("reopened", ()))
    with _without_garbage_collection():
        _read_lines(log, list(held.get("lines", ())))
    return log


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Millions of reports are kept and none is in a cycle: to look for cycles takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_lines(log: Log, heading: list[str]) -> None:
    log.heading += heading
    reader = LineReader(begun=log.begun)
    for held_line in log.heading:
        reader.read(held_line)
    # Words above the first record, until that record tells whether they are a player's banner.
    words: list[tuple[Skipped, str]] = []
    for line in log.source.lines():
        log.done.lines += 1
        if isinstance(line, Unreadable):
            log.take(Rejected(line.reason), line.shown)
            continue
        text = line.text if isinstance(line, Unfinished) else line
        outcome = reader.read(text)
        if isinstance(line, Unfinished):
            log.unfinished = line
            if not isinstance(outcome, Record) or not (name := _session_name(outcome)):
                log.done.ignored[UNFINISHED] += 1
                continue
            log.unfinished_name = name
        elif isinstance(outcome, Skipped) and outcome.kind == "banner":
            words.append((outcome, text))
            continue
        if isinstance(outcome, Record):
            for word, shown in words:
                log.take(word if outcome.is_dump else word.otherwise, shown)
            log.heading += [shown for _, shown in words if outcome.is_dump]
            words.clear()
        elif text.startswith("#Fields:"):
            log.heading = [*(kept for kept in log.heading if not kept.startswith("#Fields:")), text]
        log.take(outcome, text)
    for word, shown in words:
        log.take(word.otherwise, shown)


def _session_name(record: Record) -> str | None:
    """What tells the session: its id, or without one the client and the content."""
    sid = record.keys.get("sid")
    if sid:
        return str(sid)
    client = _client(record)
    return f"{client}|{record.keys.get('cid', '')}" if client else None


def _client(record: Record) -> str | None:
    request = record.request
    return f"{request.address}|{request.user_agent or ''}" if request.address else None


def _collect(lines: SessionLines, record: Record, order: int, *, is_unfinished: bool) -> None:
    keys, request = record.keys, record.request
    sent_ts_ms = keys.get("ts")
    if sent_ts_ms is not None and not EARLIEST_TS_MS <= sent_ts_ms <= LATEST_TS_MS:
        lines.flags.add("bad_client_clock")
        sent_ts_ms = None
    lines.reports.append(
        Report(
            order=order,
            ts_ms=request.ts_ms if sent_ts_ms is None else sent_ts_ms,
            keys=_kept(keys),
            mode=record.mode,
            status=request.status,
            sent_bytes=request.sent_bytes,
            client_ts_ms=sent_ts_ms,
            receipt_ts_ms=request.ts_ms,
            is_unfinished=is_unfinished,
        )
    )
    if "cid" in keys:
        # An advertisement that is not shown must not name the content.
        lines.contents[keys["cid"]] += 0 if keys.get("nr") else 1
    if lines.client is None:
        lines.client = _client(record)
    lines.user_agent = lines.user_agent or request.user_agent
    lines.player_version = lines.player_version or record.player_version
    if "sid" not in keys:
        lines.flags.add("no_sid")


def _kept(keys: dict[str, Any]) -> dict[str, Any]:
    names, values_of = _kept_names(tuple(keys))
    return dict(zip(names, values_of(keys), strict=True))


# Players send few sets of keys.
@lru_cache(maxsize=4096)
def _kept_names(names: tuple[str, ...]) -> tuple[tuple[str, ...], Callable[[dict[str, Any]], Iterable[Any]]]:
    kept = tuple(name for name in names if name in _KEPT)
    if len(kept) > 1:
        return kept, itemgetter(*kept)
    return kept, lambda keys: [keys[name] for name in kept]
