"""A session as spans of what its player was doing. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

__all__ = ["levels_of", "spans_of", "spans_of_totals"]

# CMCD's player states (CTA-5004-B, key `sta`) as they are shown.
_STATES = {
    "s": "starting", "d": "starting", "p": "playing", "k": "seeking", "r": "stalled", "w": "stalled",
    "a": "paused", "f": "failed",
}  # fmt: skip
_EVENTS = {
    "play": "starting", "started": "playing", "resume": "playing", "stall": "stalled", "pause": "paused",
    "seek": "seeking", "error": "failed",
}  # fmt: skip
_LEVELS = {"bitrate_kbps": "bitrate, kbit/s", "throughput_kbps": "throughput, kbit/s"}
SPANS = pl.Schema({"state": pl.String(), "start_ms": pl.Int64(), "end_ms": pl.Int64()})


def spans_of(events: pl.DataFrame, start_ts_ms: int, end_ts_ms: int) -> pl.DataFrame:
    """``state, start_ms, end_ms`` since ``start_ts_ms``, in order, out of ``playback_event`` rows of a session.

    An event holds until the next; one that says nothing of the state (a request) holds the state it found. Spans
    of the same state that follow each other are one.
    """
    spans: list[dict[str, Any]] = []
    state = "starting"
    at = 0
    rows = events.sort("sequence").select("event", "state", "ts_ms").rows()
    for event, told, ts_ms in [*rows, ("end", "e", max(end_ts_ms, start_ts_ms))]:
        now = min(max(int(ts_ms), start_ts_ms), max(end_ts_ms, start_ts_ms)) - start_ts_ms
        if now > at:
            if spans and spans[-1]["state"] == state:
                spans[-1]["end_ms"] = now
            else:
                spans.append({"state": state, "start_ms": at, "end_ms": now})
            at = now
        state = _STATES.get(told or "", _EVENTS.get(event, state))
    return pl.DataFrame(spans, schema=SPANS)


def spans_of_totals(row: Mapping[str, Any]) -> pl.DataFrame:
    """The totals of a session end to end, where its events were not recorded: how long, not when."""
    spans, at = [], 0
    for state, name in (
        ("starting", "waited_ms"), ("playing", "playing_ms"), ("stalled", "stall_ms"), ("seeking", "seeking_ms"),
        ("paused", "paused_ms"),
    ):  # fmt: skip
        if row[name]:
            spans.append({"state": state, "start_ms": at, "end_ms": at + row[name]})
            at += row[name]
    return pl.DataFrame(spans, schema=SPANS)


def levels_of(events: pl.DataFrame, start_ts_ms: int) -> dict[str, pl.DataFrame]:
    """Bitrate and throughput as they changed, ``at_ms, value`` by title; those that were never told are left out."""
    found = {}
    for column, title in _LEVELS.items():
        told = (
            events.sort("sequence")
            .select(at_ms=pl.col("ts_ms") - start_ts_ms, value=column)
            .drop_nulls("value")
        )
        if told.height:
            found[title] = told.filter((pl.col("value") != pl.col("value").shift()).fill_null(value=True))
    return found
