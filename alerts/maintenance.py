"""Maintenance that was agreed not to count: periods in a file, taken out of the minutes before anything is judged.

What is taken out is said in every result: which minutes, and how many events of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerts import names
from alerts.counts import Frame
from alerts.policy import MINUTE_MS
from alerts.source import read_documents
from metrics.errors import InputError

__all__ = ["Maintenance", "excluded", "load_maintenance", "without"]


def _instant(text: object) -> datetime:
    if isinstance(text, datetime):
        return text
    try:
        instant = datetime.fromisoformat(str(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an instant such as 2026-01-03T02:00Z") from None
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write 2026-01-03T02:00Z")
    if instant.second or instant.microsecond:
        raise ValueError(f"{text!r} is not a whole minute")
    return instant.astimezone(UTC)


Instant = Annotated[datetime, BeforeValidator(_instant)]


class Maintenance(BaseModel):
    """``start <= t < end``; everywhere, or where a region, device or CDN is the one given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    reason: str = Field(min_length=1, max_length=500)
    where: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _is_a_period(self) -> Maintenance:
        if self.end <= self.start:
            raise ValueError("it ends before it begins")
        for name in self.where:
            if name not in names.SLICES:
                raise ValueError(f"minute counts have no dimension {name!r}; {', '.join(names.SLICES)}")
        return self

    @property
    def start_ts_ms(self) -> int:
        return int(self.start.timestamp()) * 1000

    @property
    def end_ts_ms(self) -> int:
        return int(self.end.timestamp()) * 1000

    @property
    def hit(self) -> pl.Expr:
        """The rows of ``minute_count`` that it takes out."""
        inside = (pl.col("ts_ms") >= self.start_ts_ms) & (pl.col("ts_ms") < self.end_ts_ms)
        for name, value in self.where.items():
            inside &= pl.col(name).eq_missing(pl.lit(value))
        return inside


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    maintenance: tuple[Maintenance, ...]


def load_maintenance(path: Path) -> list[Maintenance]:
    """The periods of a file, its documents together, by start.

    Raises :class:`~metrics.errors.InputError` with ``file:line`` for what cannot be read.
    """
    documents = read_documents(path)
    if not documents:
        raise InputError("no document in it", where=str(path), mend="write a list `maintenance:`")
    periods = [period for document in documents for period in document.parse(_File).maintenance]
    return sorted(periods, key=lambda period: (period.start, period.end, period.reason))


def without(minute_counts: Frame, maintenance: Sequence[Maintenance]) -> pl.LazyFrame:
    """The rows that no maintenance takes out."""
    rows = minute_counts.lazy()
    return rows.filter(~pl.any_horizontal(m.hit for m in maintenance)) if maintenance else rows


def excluded(
    minute_counts: Frame,
    maintenance: Sequence[Maintenance],
    columns: Sequence[str],
    start_ts_ms: int,
    end_ts_ms: int,
) -> pl.DataFrame:
    """What the maintenance took out of ``start_ts_ms <= t < end_ts_ms``, a row a period.

    ``start_ts_ms, end_ts_ms`` (within that time), ``minutes, reason, where`` and the sums of ``columns``. A row
    that two periods take out stands with the first. Periods outside that time have no row.
    """
    rows = minute_counts.lazy().filter(pl.col("ts_ms") >= start_ts_ms, pl.col("ts_ms") < end_ts_ms)
    before = pl.lit(value=False)
    found = []
    for period in maintenance:
        start, end = max(period.start_ts_ms, start_ts_ms), min(period.end_ts_ms, end_ts_ms)
        if start < end:
            sums = rows.filter(period.hit & ~before).select(pl.col(columns).cast(pl.Int64).sum())
            found.append(
                sums.select(
                    start_ts_ms=pl.lit(start, pl.Int64),
                    end_ts_ms=pl.lit(end, pl.Int64),
                    minutes=pl.lit((end - start) // MINUTE_MS, pl.Int64),
                    reason=pl.lit(period.reason),
                    where=pl.lit(", ".join(f"{k} {v}" for k, v in period.where.items())),
                    **{column: column for column in columns},
                )
            )
        before |= period.hit
    if not found:
        schema = {"start_ts_ms": pl.Int64, "end_ts_ms": pl.Int64, "minutes": pl.Int64}
        return pl.DataFrame(
            schema={**schema, "reason": pl.String, "where": pl.String, **dict.fromkeys(columns, pl.Int64)}
        )
    return pl.concat(found).collect()
