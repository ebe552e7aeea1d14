"""Playbacks as rows of ``playback_session``, and their reports as rows of ``playback_event``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from metrics.ingest.playback import Playback
from metrics.ingest.report import Report
from metrics.privacy import replicate_of
from metrics.telemetry import TABLES

__all__ = ["About", "event_rows", "frame", "session_row"]

_LARGEST = 2**62
_EVENT_OF_STATE = {
    "s": "play", "r": "stall", "a": "pause", "k": "seek", "f": "error", "e": "end", "q": "end",
}  # fmt: skip
_NO_COLUMN = ("flags", "resuming_ms", "impossible")


@dataclass
class About:
    """What the lines of a session say of its client and its content; nobody is named."""

    viewer_id: str | None = None
    device: str | None = None
    os: str | None = None
    player_version: str | None = None
    contents: Counter[str] = field(default_factory=Counter)
    flags: set[str] = field(default_factory=set)
    is_quarantined: bool = False
    """The lake has the session in quarantine."""

    def add(self, later: About) -> None:
        """What later lines say: what is known stays, what is counted adds up."""
        for name in ("viewer_id", "device", "os", "player_version"):
            setattr(self, name, getattr(self, name) or getattr(later, name))
        # A content that is counted 0 times is one all the same.
        for content, count in later.contents.items():
            self.contents[content] += count
        self.flags |= later.flags

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return vars(self) | {"contents": dict(self.contents), "flags": sorted(self.flags)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> About:
        """What :meth:`to_json` gave."""
        return cls(**(stored | {"contents": Counter(stored["contents"]), "flags": set(stored["flags"])}))


def session_row(
    session_id: str, about: About, playback: Playback, clock_skew_ms: int | None
) -> dict[str, Any]:
    """One row; ids in ``about`` are hashed already."""
    # A sum beyond 64 bits comes of absurd values; as null it puts its row into quarantine.
    measured = {
        name: None if isinstance(value, int) and value > _LARGEST else value
        for name, value in vars(playback).items()
        if name not in _NO_COLUMN
    }
    return measured | {
        "session_id": session_id,
        "viewer_id": about.viewer_id,
        "content_id": about.contents.most_common(1)[0][0] if about.contents else None,
        "watched_ms": min(playback.watched_ms, _LARGEST),
        "edge_bytes": 0,
        "storage_bytes": 0,
        "third_party_bytes": 0,
        "device": about.device,
        "os": about.os,
        "player_version": about.player_version,
        "clock_skew_ms": clock_skew_ms,
        "flags": ",".join(sorted(playback.flags | about.flags)),
        "is_synthetic": False,
        "weight": 1,
    }


def event_rows(session_id: str, reports: Sequence[Report]) -> Iterator[dict[str, Any]]:
    """Requests and changes of state; a log without times has sessions but no events.

    Where no report tells a state, a request that tells of starvation (``bs``) stands for the stall that it is the
    first sign of.
    """
    state, started = None, False
    is_told, starved = any("sta" in report.keys for report in reports), False
    for sequence, report in enumerate(report for report in reports if report.ts_ms is not None):
        now = report.keys.get("sta", state)
        if report.mode == "request" or report.keys.get("e") == "rr":
            now_starved = not is_told and report.keys.get("bs") is True
            event = "stall" if now_starved and not starved else "request"
            starved = now_starved
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


def frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows in the contract's columns."""
    schema = dict(TABLES[table].schema)
    del schema["replicate"]
    found = pl.DataFrame(rows, schema=schema)
    return found.with_columns(replicate_of(pl.col("session_id")).alias("replicate"))
