"""CMCD logs to the lake: every line accounted for, every session once.

A file is a batch, known by the hash of its bytes: taken in again it adds nothing, whatever its name. A
session whose reports are spread over two files is two sessions; join the files first.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from statistics import median_low
from typing import Any

import polars as pl

from metrics.contract import EARLIEST_TS_MS, LATEST_TS_MS
from metrics.ingest.cmcd_lines import LineReader, Record, Rejected, Skipped
from metrics.ingest.report import Report
from metrics.ingest.sessionise import Playback, fold, split_at_silence
from metrics.ingest.source import Source, Unreadable
from metrics.ingest.user_agent import device_of, os_of
from metrics.lake import LINES, Lake
from metrics.privacy import hash_id, replicate_of, scrub
from metrics.telemetry import TABLES

__all__ = ["SESSION_TIMEOUT_MS", "Ingested", "Log", "ingest_cmcd", "is_in", "read_cmcd", "write_cmcd"]

SESSION_TIMEOUT_MS = 30 * 60 * 1000
_QUARANTINED_CHARS = 2_000
_LARGEST = 2**62
# What sessions are made of; the other keys are checked and let go.
_KEPT = frozenset(
    ["bl", "br", "bs", "bsa", "bsd", "bsda", "d", "e", "ec", "msd", "mtp", "ot", "pb", "sn", "sta", "su", "v"]
)
_EVENT_OF_STATE = {
    "s": "play", "r": "stall", "a": "pause", "k": "seek", "f": "error", "e": "end", "q": "end",
}  # fmt: skip


@dataclass
class Ingested:
    """What came of one file, or of several. Lines = records + quarantined + the lines ignored, always.

    ``quarantined`` counts lines; ``sessions_quarantined`` sessions that broke the contract. ``noted`` counts
    what was wrong with keys of lines that were used.
    """

    lines: int = 0
    records: int = 0
    sessions: int = 0
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
        self.quarantined += other.quarantined
        self.sessions_quarantined += other.sessions_quarantined
        self.reasons += other.reasons
        self.ignored += other.ignored
        self.noted += other.noted
        self.already += other.already


@dataclass
class _Group:
    """The reports of one session id, and what their lines say of the client."""

    reports: list[Report] = field(default_factory=list)
    contents: Counter[str] = field(default_factory=Counter)
    skews_ms: list[int] = field(default_factory=list)
    client: str | None = None
    user_agent: str | None = None
    player_version: str | None = None
    flags: set[str] = field(default_factory=set)


@dataclass
class Log:
    """One log, read and not yet written: its counts, its sessions' reports, and the lines it could not use."""

    source: Source
    done: Ingested = field(default_factory=Ingested)
    groups: dict[str, _Group] = field(default_factory=dict)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    is_dated: bool = False
    """Some line tells its time."""

    def take(self, outcome: Record | Skipped | Rejected, line: str) -> None:
        """Count one line under what came of it."""
        done = self.done
        if isinstance(outcome, Record) and (name := _session_name(outcome)):
            done.records += 1
            for issue in outcome.issues:
                done.noted[f"{issue.key}: {issue.message.partition(': ')[0]}"] += 1
            group = self.groups.get(name)
            if group is None:
                group = self.groups[name] = _Group()
            _collect(group, outcome, done.lines)
            self.is_dated = self.is_dated or group.reports[-1].ts_ms is not None
        elif isinstance(outcome, (Record, Rejected)):
            missing = "no sid, and no client to tell the session by"
            reason = outcome.reason if isinstance(outcome, Rejected) else missing
            done.quarantined += 1
            done.reasons[reason] += 1
            self.rejected.append((reason, line[:_QUARANTINED_CHARS]))
        else:
            done.ignored[outcome.kind] += 1


def read_cmcd(source: Source) -> Log:
    """Read one log whole; nothing is written. Without a usable record its ``done.records`` is 0."""
    log = Log(source)
    with _without_garbage_collection():
        _read_lines(log)
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


def _read_lines(log: Log) -> None:
    reader = LineReader()
    # Words above the first record, until that record tells whether they are a player's banner.
    above: list[tuple[Skipped, str]] = []
    for line in log.source.lines():
        log.done.lines += 1
        if isinstance(line, Unreadable):
            log.take(Rejected(line.reason), line.shown)
            continue
        outcome = reader.read(line)
        if isinstance(outcome, Skipped) and outcome.kind == "banner":
            above.append((outcome, line))
            continue
        if isinstance(outcome, Record):
            for words, text in above:
                log.take(words if outcome.is_dump else words.otherwise, text)
            above.clear()
        log.take(outcome, line)
    for words, text in above:
        log.take(words.otherwise, text)


def application_of(source: Source) -> str:
    """What a log's batch is called: by its content."""
    return f"ingest/cmcd/{source.digest[:32]}"


def is_in(lake: Lake, source: Source) -> bool:
    """Whether the lake holds this log, under whatever name."""
    return lake.appended_version("playback_session", application_of(source)) is not None


def ingest_cmcd(
    lake: Lake, source: Source, *, received_ts_ms: int | None = None, timeout_ms: int = SESSION_TIMEOUT_MS
) -> Ingested:
    """Take one log in, unless it is in already. Lines that cannot be used go to quarantine with a reason."""
    if is_in(lake, source):
        return Ingested(already=[source.name])
    return write_cmcd(lake, read_cmcd(source), received_ts_ms=received_ts_ms, timeout_ms=timeout_ms)


def write_cmcd(
    lake: Lake, log: Log, *, received_ts_ms: int | None = None, timeout_ms: int = SESSION_TIMEOUT_MS
) -> Ingested:
    """Write a log that was read.

    ``received_ts_ms`` is when lines without a time were received, by default when the file was last changed;
    but where other lines of the log tell their time, that default would be a guess, and a session without
    any time goes to quarantine. ``timeout_ms`` of silence end a session that was never closed.
    """
    application, done, key = application_of(log.source), log.done, lake.key
    received = received_ts_ms
    if received is None and not log.is_dated:
        received = log.source.modified_ts_ms
    sessions: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for name, group in log.groups.items():
        for index, reports in enumerate(split_at_silence(group.reports, timeout_ms)):
            session_id = hash_id(f"{name}#{index}" if index else name, key)
            playback = fold(reports, received_ts_ms=received)
            sessions.append(_session_row(session_id, group, playback, key))
            events.extend(_event_rows(session_id, reports))
    # The sessions commit last: that they are in means that the rest is.
    if log.rejected:
        kept = [(reason, scrub(line, key)) for reason, line in log.rejected]
        quarantine = pl.DataFrame(kept, schema=["reason", "row"], orient="row")
        named = quarantine.with_columns(table=pl.lit("playback_session"))
        lake.quarantine(named, application=f"{LINES}{application}", version=0)
    lake.append("playback_event", _frame("playback_event", events), application=application, version=0)
    appended = lake.append(
        "playback_session", _frame("playback_session", sessions), application=application, version=0
    )
    done.sessions = appended.rows
    done.sessions_quarantined = appended.quarantined
    done.reasons.update(appended.reasons)
    return done


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


def _collect(group: _Group, record: Record, order: int) -> None:
    keys, request = record.keys, record.request
    sent_ts_ms = keys.get("ts")
    if sent_ts_ms is not None and not EARLIEST_TS_MS <= sent_ts_ms <= LATEST_TS_MS:
        group.flags.add("bad_client_clock")
        sent_ts_ms = None
    if sent_ts_ms is not None and request.ts_ms is not None:
        group.skews_ms.append(sent_ts_ms - request.ts_ms)
    group.reports.append(
        Report(
            order=order,
            ts_ms=request.ts_ms if sent_ts_ms is None else sent_ts_ms,
            keys=_kept(keys),
            mode=record.mode,
            status=request.status,
            sent_bytes=request.sent_bytes,
        )
    )
    if "cid" in keys:
        # An advertisement that is not shown must not name the content.
        group.contents[keys["cid"]] += 0 if keys.get("nr") else 1
    if group.client is None:
        group.client = _client(record)
    group.user_agent = group.user_agent or request.user_agent
    group.player_version = group.player_version or record.player_version
    if "sid" not in keys:
        group.flags.add("no_sid")


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


def _session_row(session_id: str, group: _Group, playback: Playback, key: bytes) -> dict[str, Any]:
    agent = group.user_agent
    # A sum beyond 64 bits comes of absurd values; as null it puts its row into quarantine.
    measured = {
        name: None if isinstance(value, int) and value > _LARGEST else value
        for name, value in vars(playback).items()
        if name != "flags"
    }
    return measured | {
        "session_id": session_id,
        "viewer_id": hash_id(group.client, key) if group.client else None,
        "content_id": group.contents.most_common(1)[0][0] if group.contents else None,
        "watched_ms": min(playback.watched_ms, _LARGEST),
        "edge_bytes": 0,
        "storage_bytes": 0,
        "third_party_bytes": 0,
        "device": device_of(agent) if agent else None,
        "os": os_of(agent) if agent else None,
        "player_version": group.player_version,
        "clock_skew_ms": median_low(group.skews_ms) if group.skews_ms else None,
        "flags": ",".join(sorted(playback.flags | group.flags)),
        "is_synthetic": False,
        "weight": 1,
    }


def _event_rows(session_id: str, reports: list[Report]) -> Iterator[dict[str, Any]]:
    """Requests and changes of state; a log without times has sessions but no events."""
    state, started = None, False
    for sequence, report in enumerate(report for report in reports if report.ts_ms is not None):
        now = report.keys.get("sta", state)
        if report.mode == "request" or report.keys.get("e") == "rr":
            event = "request"
        elif now == state:
            event = {"bc": "bitrate", "e": "error"}.get(report.keys.get("e", ""), "")
        elif now == "p":
            event, started = ("resume" if started else "started"), True
        else:
            event = _EVENT_OF_STATE.get(now or "", "")
        state = now
        if event:
            yield {
                "session_id": session_id,
                "ts_ms": report.ts_ms,
                "sequence": sequence,
                "event": event,
                "state": now,
                "buffer_ms": report.of_type("bl"),
                "bitrate_kbps": report.of_type("br"),
                "throughput_kbps": report.of_type("mtp"),
                "duration_ms": report.duration_ms or None,
                "is_synthetic": False,
                "weight": 1,
            }


def _frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = dict(TABLES[table].schema)
    del schema["replicate"]
    frame = pl.DataFrame(rows, schema=schema)
    return frame.with_columns(replicate_of(pl.col("session_id")).alias("replicate"))
