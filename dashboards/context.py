"""What a page looks at: a lake at a version, a period, a slice. Plain values, so that caches can be keyed on them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from metrics.catalog import get_metric
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.plan import BUCKET, Source, check_dimensions
from metrics.query import measure

__all__ = ["FILTERS", "PRESETS", "Filters", "Period", "Span", "Where", "lake_path", "period_of", "span_of"]

Where = tuple[tuple[str, tuple[str, ...]], ...]

# The dimensions that can be filtered by, in the order of the filter row.
FILTERS = ("region", "device", "isp", "codec", "cdn")
PRESETS = ("7d", "30d", "all", "dates")
_DAY_MS = 86_400_000


def lake_path() -> Path:
    """The lake to show: ``PLAYHEAD_LAKE``, or ``./lake``."""
    return Path(os.environ.get("PLAYHEAD_LAKE") or "lake")


@dataclass(frozen=True)
class Span:
    """The days a lake has more than a few sessions of, both included, and the instant the last one ended."""

    first: date
    last: date
    last_ts_ms: int


@dataclass(frozen=True)
class Period:
    """Whole UTC days, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def start_ts_ms(self) -> int:
        return _ts_ms(self.first)

    @property
    def end_ts_ms(self) -> int:
        """Exclusive."""
        return _ts_ms(self.last) + _DAY_MS

    def before(self) -> Period:
        """The period of the same length that ends where this one starts."""
        length = timedelta(days=self.days)
        return Period(self.first - length, self.last - length)


def period_of(preset: str, dates: tuple[date, ...], span: Span) -> Period:
    """The period a preset means on this lake: the last so many days it has, or the dates given.

    Dates outside the lake are drawn into it; an unfinished choice of dates is a single day.
    """
    if preset == "dates" and dates:
        first, last = min(dates), max(dates)
        first = min(max(first, span.first), span.last)
        return Period(first, max(min(last, span.last), first))
    if preset in ("7d", "30d"):
        length = timedelta(days=int(preset[:-1]) - 1)
        return Period(max(span.first, span.last - length), span.last)
    return Period(span.first, span.last)


def span_of(lake: Lake, rows: Source | None = None) -> Span | None:
    """The days of a lake with sessions, of its ``rows`` as they are held; None where it has none."""
    days = measure(rows or lake, ["attempts"], grain="1d").filter(pl.col("n") > 0)
    if days.is_empty():
        return None
    days = days.select("n", day=pl.from_epoch(BUCKET, time_unit="ms").dt.date()).sort("day")
    # What ran on past the last midnight makes no day that could be compared with the others.
    few = float(days["n"].median()) / 10  # type: ignore[arg-type]
    whole = days.filter(pl.col("n") >= few)["day"]
    last = [file for file in lake.snapshot("playback_session").files if f"day={days['day'][-1]}/" in file]
    ended = lake.scan("playback_session", last).select(pl.col("end_ts_ms").max()).collect()
    return Span(whole[0], whole[-1], int(ended.item()))


@dataclass(frozen=True)
class Filters:
    """A period, what it is compared with (null where there is nothing before it), and a slice."""

    period: Period
    versus: Period | None
    where: Where = ()

    @classmethod
    def of(
        cls, period: Period, where: Mapping[str, list[str]], span: Span, *, compare: bool = True
    ) -> Filters:
        """Compare with the period before, where the lake holds the whole of it."""
        before = period.before()
        versus = before if compare and before.first >= span.first else None
        return cls(period, versus, tuple((k, tuple(sorted(v))) for k, v in where.items() if v))

    @property
    def whole(self) -> Period:
        """The period and what it is compared with."""
        return Period(self.versus.first, self.period.last) if self.versus else self.period

    def tells(self, metric: str, *by: str) -> bool:
        """Whether ``metric`` can be cut by this slice, and by ``by`` besides."""
        try:
            check_dimensions([get_metric(metric)], [*by, *(name for name, _ in self.where)])
        except InputError:
            return False
        return True


def _ts_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
