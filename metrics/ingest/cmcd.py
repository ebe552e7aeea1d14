"""CMCD logs to the lake: every line accounted for, every session once.

A log is read on from where it ended before (:mod:`metrics.ingest.checkpoint`), whatever its name: taken in again it
adds nothing, and what it has grown by is a batch of its own. A session whose reports are spread over two batches is
one where it was still open at the end of the first; of logs of the same hours, join the files first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from heapq import nlargest
from statistics import median_low
from typing import Any

import polars as pl

from metrics.event_clock import recount
from metrics.ingest.checkpoint import (
    Begun,
    Open,
    application_of,
    begin,
    is_batch_in,
    next_part,
    open_sessions,
)
from metrics.ingest.cmcd_log import UNFINISHED, Ingested, Log, SessionLines, read_cmcd
from metrics.ingest.continued import Group, Told, days_of, tell
from metrics.ingest.session_rows import About, event_rows, frame, session_row
from metrics.ingest.source import Source
from metrics.ingest.user_agent import device_of, os_of
from metrics.lake import Lake
from metrics.own_tables import LINES, QUARANTINE, named
from metrics.privacy import hash_id, scrub, scrub_rows
from metrics.telemetry import TABLES
from metrics.upkeep import supersede

__all__ = ["SESSION_TIMEOUT_MS", "Ingested", "Log", "ingest_cmcd", "is_in", "read_cmcd", "write_cmcd"]

SESSION_TIMEOUT_MS = 30 * 60 * 1000
_LAST_REPORTS = 101
_SESSION, _EVENT = "playback_session", "playback_event"


def is_in(lake: Lake, source: Source) -> bool:
    """Whether the lake holds all of this log, under whatever name."""
    return is_batch_in(lake, application_of(source.digest))


def ingest_cmcd(
    lake: Lake, source: Source, *, received_ts_ms: int | None = None, timeout_ms: int = SESSION_TIMEOUT_MS
) -> Ingested:
    """Take in what is not in yet of one log. Lines that cannot be used go to quarantine with a reason."""
    if is_in(lake, source):
        return Ingested(already=[source.name])
    done = Ingested()
    while (part := next_part(lake, source)) is not None:
        done.add(write_cmcd(lake, read_cmcd(*part), received_ts_ms=received_ts_ms, timeout_ms=timeout_ms))
    return done


def write_cmcd(
    lake: Lake, log: Log, *, received_ts_ms: int | None = None, timeout_ms: int = SESSION_TIMEOUT_MS
) -> Ingested:
    """Write a log that was read.

    ``received_ts_ms`` is when lines without a time were received, by default when the file was last changed;
    but where other lines of the log tell their time, that default would be a guess, and a session without
    any time goes to quarantine. ``timeout_ms`` of silence end a session that was never closed.
    """
    application, key = application_of(log.source.digest), lake.key
    received = received_ts_ms
    if received is None and not log.is_dated:
        received = log.source.modified_ts_ms
    groups = {hash_id(name, key): _grouped(lines, key) for name, lines in log.groups.items()}
    groups |= {name: Group() for name in log.reopened if name not in groups}
    latest = _latest_ts_ms(groups.values())
    with lake.alone():
        if is_batch_in(lake, application):
            return Ingested(already=[log.source.name])
        kept = open_sessions(lake, groups.keys(), but=application)
        told = tell(
            lake,
            groups,
            kept,
            reopened=log.reopened,
            received_ts_ms=received,
            timeout_ms=timeout_ms,
            latest_ts_ms=latest,
        )
        # What is told stands in for what was kept of it; of a session reopened, in any case.
        ids = {name for session in told for name in session.stands_for}
        kept = [s for s in kept if s.session_id in ids or s.key in log.reopened]
        _write(lake, log, application, told, kept, latest, timeout_ms)
    return log.done


def _write(
    lake: Lake,
    log: Log,
    application: str,
    told: list[Told],
    kept: list[Open],
    latest_ts_ms: int | None,
    timeout_ms: int,
) -> None:
    """The checkpoint first, the sessions last: that they are in means that the rest is."""
    rows = frame(_SESSION, [session_row(t.session_id, t.about, t.playback, t.clock_skew_ms) for t in told])
    impossible = {t.session_id: t.playback.impossible for t in told if t.playback.impossible}
    good, bad = _validated(rows, impossible)
    begin(
        lake,
        _begun(lake, log, application, told, set(good["session_id"]), latest_ts_ms),
        timeout_ms=timeout_ms,
    )
    if log.rejected:
        lines = [(_SESSION, reason, scrub(line, lake.key)) for reason, line in log.rejected]
        rejected = pl.DataFrame(lines, schema=["table", "reason", "row"], orient="row")
        batch = f"{LINES}{application}"
        lake.commit_batch(QUARANTINE, named(rejected, batch, 0), batch, 0)
    # Sessions told anew replace what the lake has of them, in quarantine too.
    before = [session.session_id for session in kept]
    ids = list(dict.fromkeys([*before, *(t.session_id for t in told)]))
    instants = [
        r.ts_ms for part in [*(t.reports for t in told), *(s.reports for s in kept)] for r in part if r.ts_ms
    ]
    instants += [end for s in kept if (end := s.end_ts_ms) is not None]
    days = days_of(instants)
    events = (
        TABLES[_EVENT]
        .validate(frame(_EVENT, [row for t in told for row in event_rows(t.session_id, t.reports)]))
        .good
    )
    is_again = lake.appended_version(_EVENT, application) is not None
    of_these = _named(ids if is_again else before)
    supersede(lake, _EVENT, events, matches=of_these, application=application, days=days)
    batch = f"{_SESSION}/{application}"
    # A row may be bad because a viewer stands in a column where none belongs.
    bad = bad.with_columns(scrub_rows(bad["row"], lake.key).alias("row"))
    out = [s.session_id for s in kept if s.about.is_quarantined]
    if bad.height or out or lake.appended_version(QUARANTINE.name, batch) is not None:
        ours = pl.col("application") == batch
        ours |= (pl.col("table") == _SESSION) & pl.any_horizontal(
            pl.lit(value=False),
            *(pl.col("row").str.contains(f'"session_id":"{name}"', literal=True) for name in out),
        )
        supersede(lake, QUARANTINE.name, named(bad, batch, 0), matches=ours, application=batch)
    recount(lake, good, replaced=before, days=days)
    supersede(lake, _SESSION, good, matches=_named(before), application=application, version=0, days=days)
    done = log.done
    done.sessions, done.sessions_quarantined = good.height, bad.height
    done.sessions_continued = sum(bool(t.stands_for) for t in told)
    done.reasons.update(dict(bad.group_by("reason").len().sort("len", "reason").iter_rows()))


def _named(ids: list[str]) -> pl.Expr | None:
    return pl.col("session_id").is_in(ids) if ids else None


def _validated(rows: pl.DataFrame, impossible: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Good sessions, and those for quarantine: what breaks the contract and what cannot have been."""
    cannot = rows["session_id"].is_in(list(impossible))
    validated = TABLES[_SESSION].validate(rows.filter(~cannot))
    out = rows.filter(cannot)
    said = out.select(
        table=pl.lit(_SESSION),
        reason=pl.col("session_id").replace_strict(impossible, return_dtype=pl.String),
        row=pl.struct(pl.all()).struct.json_encode(),
    )
    return validated.good, pl.concat([validated.quarantined, said])


def _begun(
    lake: Lake, log: Log, application: str, told: list[Told], good: set[str], latest_ts_ms: int | None
) -> Begun:
    reopened = hash_id(log.unfinished_name, lake.key) if log.unfinished_name else None
    sessions = []
    for session in told:
        if session.is_open or session.key == reopened:
            session.about.is_quarantined = session.session_id not in good
            # What a line whose end is not written says is told, and not kept: the line is read again.
            finished = tuple(r for r in session.reports if not r.is_unfinished)
            sessions.append(
                Open(
                    session.key,
                    session.session_id,
                    session.playback.end_ts_ms,
                    finished,
                    replace(session.about),
                )
            )
    heading = {
        "lines": [scrub(line, lake.key) for line in log.heading],
        "begun": bool(log.groups) or log.begun,
        "is_dated": log.is_dated,
        "reopened": [reopened] if reopened else [],
        "counts": _finished(log),
    }
    return Begun(
        application, log.source.size_bytes, log.position_bytes, latest_ts_ms, heading, tuple(sessions)
    )


def _finished(log: Log) -> dict[str, Any]:
    """The lines that are written to their end, by what came of them."""
    ignored = {kind: count for kind, count in log.done.ignored.items() if kind != UNFINISHED}
    left, provisional = int(log.unfinished is not None), int(log.unfinished_name is not None)
    used, quarantined = log.done.records - provisional, log.done.quarantined
    return {"lines": log.done.lines - left, "used": used, "ignored": ignored, "quarantined": quarantined}


def _latest_ts_ms(groups: Iterable[Group]) -> int | None:
    """When the log ends: the lower median of its last reports, since one absurd clock must not end all sessions."""
    timed = ((r.order, r.ts_ms) for group in groups for r in group.reports if r.ts_ms is not None)
    last = nlargest(_LAST_REPORTS, timed)
    return median_low(ts_ms for _, ts_ms in last) if last else None


def _grouped(lines: SessionLines, key: bytes) -> Group:
    agent = lines.user_agent
    return Group(
        lines.reports,
        About(
            viewer_id=hash_id(lines.client, key) if lines.client else None,
            device=device_of(agent) if agent else None,
            os=os_of(agent) if agent else None,
            player_version=lines.player_version,
            contents=lines.contents,
            flags=lines.flags,
        ),
    )
