"""Rows of any table for tests: what is given, and something plain for every other required column."""

from __future__ import annotations

from typing import Any

import polars as pl

from metrics.telemetry import TABLES

DAY_MS = 86_400_000
APRIL_MS = 1_775_001_600_000  # 2026-04-01T00:00:00Z, a Wednesday

_PLAIN: dict[Any, Any] = {pl.String: "", pl.Boolean: False}


def rows(table: str, *given: dict[str, Any]) -> pl.DataFrame:
    """A frame in the contract's columns; an unknown column is a fault of the test."""
    contract = TABLES[table]
    plain = {
        c.name: None
        if c.nullable
        else c.one_of[0]
        if c.one_of
        else APRIL_MS
        if c.unit == "UTC epoch ms"
        else 1
        if c.name == "weight"
        else _PLAIN.get(c.dtype, 0)
        for c in contract.columns
    }
    unknown = {name for row in given for name in row} - set(plain)
    assert not unknown, unknown
    frame = pl.DataFrame([plain | row for row in given], schema=contract.schema, orient="row")
    assert contract.validate(frame).quarantined.is_empty(), contract.validate(frame).reasons
    return frame


def session(**given: Any) -> dict[str, Any]:
    """A session that started after 1 s and played 10 minutes of an hour, without a stall."""
    row: dict[str, Any] = {
        "outcome": "played",
        "startup_ms": 1_000,
        "playing_ms": 600_000,
        "content_duration_ms": 3_600_000,
        "start_ts_ms": APRIL_MS,
    } | given
    row.setdefault("waited_ms", row["startup_ms"] or 0)
    row.setdefault("media_ms", row["playing_ms"])
    watched = row["waited_ms"] + row["playing_ms"] + row.get("stall_ms", 0) + row.get("seeking_ms", 0)
    row.setdefault("watched_ms", watched)
    row.setdefault("end_ts_ms", row["start_ts_ms"] + row["watched_ms"] + row.get("paused_ms", 0))
    return row


def unstarted(outcome: str, **given: Any) -> dict[str, Any]:
    """An attempt that never showed a frame."""
    return session(outcome=outcome, startup_ms=None, playing_ms=0, **given)


def member_days(days: int, *, members: int = 1, **given: Any) -> list[dict[str, Any]]:
    """Paying members, a row a member and day, from 1 April on."""
    plain = {"status": "paying", "tenure_days": 100} | given
    return [
        {"ts_ms": APRIL_MS + day * DAY_MS, "subscriber_id": f"m{member}", **plain}
        for day in range(days)
        for member in range(members)
    ]


def frames(**tables: pl.DataFrame) -> dict[str, pl.LazyFrame]:
    """Every table of the contract, lazily: those given, and the others empty."""
    return {name: tables.get(name, contract.empty()).lazy() for name, contract in TABLES.items()}
