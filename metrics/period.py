"""Periods and grains: UTC instants, ``[start, end)``, and buckets of a fixed length."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import narwhals as nw

from metrics.errors import InputError

__all__ = ["DAY_MS", "bucket_start", "grain_ms", "instant_ms", "period_ms"]

DAY_MS = 86_400_000
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
# The epoch was a Thursday; weeks start on Mondays.
_FIRST_MONDAY_MS = 4 * DAY_MS


def grain_ms(grain: str) -> int:
    """The length of a grain such as ``5m``, ``1h``, ``1d``, ``1w``, in ms.

    >>> grain_ms("5m")
    300000
    """
    found = re.fullmatch(r"([1-9][0-9]{0,3})([mhdw])", grain)
    if not found:
        raise InputError(f"no grain {grain!r}", mend="give a number and m, h, d or w, as in 5m, 1h, 1d, 1w")
    return int(found[1]) * _UNITS_MS[found[2]]


def bucket_start(instant: nw.Expr, length_ms: int) -> nw.Expr:
    """The start of the bucket an instant lies in; whole weeks start on Mondays, all else at the epoch."""
    origin = _FIRST_MONDAY_MS if length_ms % _UNITS_MS["w"] == 0 else 0
    return (instant - origin) // length_ms * length_ms + origin


def instant_ms(text: str, *, where: str = "") -> int:
    """A UTC instant in epoch ms, from ISO 8601 (a date is its midnight; an offset is heeded).

    >>> instant_ms("2026-04-01")
    1775001600000
    """
    try:
        instant = datetime.fromisoformat(text)
        zoned = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return round(zoned.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        mend = "give a date or an instant in UTC, as 2026-04-01 or 2026-04-01T12:00"
        raise InputError(f"no instant {text!r}", where=where, mend=mend) from error


def period_ms(start: str, end: str, *, where: str = "") -> tuple[int, int]:
    """``[start, end)`` in epoch ms; raises :class:`~metrics.errors.InputError` where it is empty."""
    period = instant_ms(start, where=where), instant_ms(end, where=where)
    if period[0] >= period[1]:
        raise InputError("the period ends before it starts", where=where, mend="give a start before the end")
    return period
