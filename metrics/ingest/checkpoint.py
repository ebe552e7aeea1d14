"""How far logs were read, and what was open there: a log that grows is read on from where it ended.

A log is known by its content: what was read of it before is the beginning of what it is now. So it may be
renamed, rotated, copied or zipped, and a new log under an old name is new. That a batch is in is told by the
transaction its sessions were committed with (:mod:`metrics.lake`), and by nothing else; the table
``log_checkpoint`` only says which batches were begun. It is written first, and a batch that was begun and never
came in is read again to the same byte, so that what it had written already is found written and nothing doubles.

A session that may go on is kept with its reports, ids hashed; when more of it comes, in the same log or another,
the session is told anew and replaces what the lake had of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from metrics.ingest.report import Report
from metrics.ingest.session_rows import About
from metrics.ingest.source import Source
from metrics.lake import Lake
from metrics.own_tables import CHECKPOINT
from metrics.upkeep import supersede

__all__ = [
    "Begun",
    "Open",
    "application_of",
    "begin",
    "is_batch_in",
    "next_part",
    "open_sessions",
    "which_are_in",
]

_SESSIONS = "playback_session"
_NAME = pl.concat_str("application", "session_id", separator=" ")
# Records that come later than this after a session's last one make a session of their own.
_LATEST_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Open:
    """A session that may go on: its id, its reports so far, and what was learnt of its client."""

    key: str
    session_id: str
    end_ts_ms: int | None
    reports: tuple[Report, ...]
    about: About


@dataclass(frozen=True)
class Begun:
    """What a batch is about to write down: how far it reads, and what holds for the lines below."""

    application: str
    read_bytes: int
    position_bytes: int
    latest_ts_ms: int | None
    heading: dict[str, Any]
    sessions: tuple[Open, ...]


def application_of(digest: str) -> str:
    """What a log's batch is called: by all that was read of the log up to its end."""
    return f"ingest/cmcd/{digest[:32]}"


def next_part(lake: Lake, source: Source) -> tuple[Source, dict[str, Any]] | None:
    """What is to be read next of a log, and what the lines above it hold for those below; None when all is in.

    That is the part that was begun and never came in, as it was; else all after the last part that is in.
    """
    if is_batch_in(lake, application_of(source.digest)):
        return None
    batches = _scan(lake).filter(pl.col("session_key").is_null(), pl.col("read_bytes") <= source.size_bytes)
    known = batches.sort("read_bytes", "sequence").collect()
    digests = source.prefix_digests(known["read_bytes"].unique().to_list()) if known.height else {}
    start = 0
    heading: dict[str, Any] = {}
    for row in known.iter_rows(named=True):
        digest = digests.get(row["read_bytes"])
        if digest is None or application_of(digest) != row["application"]:
            continue
        if not row["is_in"] and not is_batch_in(lake, row["application"]):
            return source.up_to(row["read_bytes"], digest).starting_at(start), heading
        start, heading = row["position_bytes"], json.loads(row["state"])
    return source.starting_at(start), heading


def open_sessions(lake: Lake, keys: Collection[str], *, but: str) -> list[Open]:
    """Sessions of these keys that were left open, as the last batch that is in has them; ``but`` one batch."""
    rows = _scan(lake).filter(pl.col("session_key").is_in(list(keys)), pl.col("application") != but)
    found = rows.sort("sequence").collect()
    last = which_are_in(lake, found).unique("session_id", keep="last", maintain_order=True)
    return [
        Open(row["session_key"], row["session_id"], row["end_ts_ms"], tuple(reports), about)
        for row in last.iter_rows(named=True)
        for reports, about in (_unpacked(row["state"]),)
    ]


def which_are_in(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Those rows of the table whose batches are in. To ask for a transaction takes ms, so it is asked but once."""
    asked = rows.filter(~pl.col("is_in"))["application"].unique()
    return rows.filter(
        pl.col("is_in") | pl.col("application").is_in([a for a in asked if is_batch_in(lake, a)])
    )


def is_batch_in(lake: Lake, application: str) -> bool:
    """Whether the sessions of the batch are in."""
    return lake.appended_version(_SESSIONS, application) is not None


def begin(lake: Lake, begun: Begun, *, timeout_ms: int) -> None:
    """Write down that the batch is begun, anew if it was; and let go of sessions that cannot go on any more.

    The caller holds the lake alone.
    """
    kept = _scan(lake).drop("state").collect()
    are_in = which_are_in(lake, kept)
    common = {
        "application": begun.application,
        "is_in": False,
        "sequence": 1 + max(kept["sequence"], default=0),
        "read_bytes": begun.read_bytes,
        "position_bytes": begun.position_bytes,
        "latest_ts_ms": begun.latest_ts_ms,
    }
    rows = [common | {"state": json.dumps(begun.heading)}]
    rows += [
        common
        | {
            "session_key": session.key,
            "session_id": session.session_id,
            "end_ts_ms": session.end_ts_ms,
            "state": _packed(session),
        }
        for session in begun.sessions
    ]
    new = pl.DataFrame(rows, schema=CHECKPOINT.schema, orient="row")
    gone = _NAME.is_in(_over(are_in, timeout_ms).select(_NAME)[:, 0].to_list()).fill_null(value=False)
    gone |= pl.col("application") == begun.application
    # What is found to be in is written down as such, and comes into one file with what is new.
    found = pl.col("application").is_in(are_in.filter(~pl.col("is_in"))["application"].unique().to_list())
    confirmed = _scan(lake).filter(found, ~gone).with_columns(is_in=pl.lit(value=True)).collect()
    new = pl.concat([confirmed, new])
    supersede(lake, CHECKPOINT.name, new, matches=gone | found, application=begun.application)


def _over(are_in: pl.DataFrame, timeout_ms: int) -> pl.DataFrame:
    """Open sessions of batches that are in which later ones have told anew or left far behind."""
    batches = are_in.filter(pl.col("session_key").is_null()).sort("sequence", descending=True)
    later = batches.select("sequence", later_ts_ms=pl.col("latest_ts_ms").cum_max().shift(1))
    told_anew = pl.col("sequence") < pl.col("sequence").max().over("session_id")
    far_behind = pl.col("later_ts_ms") > pl.col("end_ts_ms") + timeout_ms + _LATEST_MS
    sessions = are_in.filter(pl.col("session_key").is_not_null()).join(later, on="sequence", how="left")
    return sessions.filter(told_anew | far_behind.fill_null(value=False))


def _scan(lake: Lake) -> pl.LazyFrame:
    return lake.scan(CHECKPOINT.name)


def _packed(session: Open) -> str:
    reports = [
        [r.ts_ms, r.keys, r.mode, r.status, r.sent_bytes, r.client_ts_ms, r.receipt_ts_ms]
        for r in session.reports
    ]
    return json.dumps({"about": session.about.to_json(), "reports": reports}, separators=(",", ":"))


def _unpacked(state: str) -> tuple[list[Report], About]:
    stored = json.loads(state)
    return [Report(order, *values) for order, values in enumerate(stored["reports"])], About.from_json(
        stored["about"]
    )
