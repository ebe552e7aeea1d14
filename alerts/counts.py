"""Minute counts as dense arrays on the event clock, and sums over windows of them.

The table is sparse: a minute without a row counts 0. A window's sum is a difference of cumulative sums of
integers, so any number of windows over a quarter of minutes costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from alerts import names
from alerts.policy import MINUTE_MS
from metrics.errors import InputError

if TYPE_CHECKING:
    from alerts.indicator import CountRatio

__all__ = [
    "Clock",
    "Floats",
    "Frame",
    "Ints",
    "Minutes",
    "Running",
    "bounds",
    "minutes_of",
    "ratio_of",
    "slices_of",
]

# Ten years: what is longer is no history but a clock that was wrong, and would be held in memory minute by minute.
MINUTES_MAXIMUM = 10 * 366 * 1440

Frame = pl.DataFrame | pl.LazyFrame
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clock:
    """When a minute's count is stamped, when rules are evaluated, and which samples a window holds.

    Offsets are from the start of the minute: a count is stamped in its middle, rules run at its end. A
    window ending at t holds samples of (t − w, t], or of [t − w, t] if ``closed`` (Prometheus 2.x); the two
    differ only where a sample falls on the edge.
    """

    sample_ms: int = 30_000
    evaluate_ms: int = MINUTE_MS
    closed: bool = False

    def reach(self, window_ms: int) -> tuple[int, int]:
        """First and last minute in a window, relative to the minute of the evaluation.

        >>> Clock().reach(300_000), Clock(sample_ms=0, closed=True).reach(300_000)
        ((-4, 0), (-4, 1))
        """
        shift = self.evaluate_ms - self.sample_ms
        last = shift // MINUTE_MS
        edge = shift - window_ms
        first = -(-edge // MINUTE_MS) if self.closed else edge // MINUTE_MS + 1
        return first, last


@dataclass(frozen=True)
class Minutes:
    """Dense counts: element k is the minute ``start_ts_ms + k`` minutes."""

    start_ts_ms: int
    counts: Mapping[str, Ints]
    length: int

    @property
    def end_ts_ms(self) -> int:
        return self.start_ts_ms + self.length * MINUTE_MS

    def sum(self, columns: Sequence[str]) -> Ints:
        """Events a minute, of all ``columns`` together."""
        total: Ints = np.sum([self.counts[column] for column in columns], axis=0, dtype=np.int64)
        return total

    def parts(self, ratio: CountRatio) -> tuple[Ints, Ints]:
        """Bad and all events a minute."""
        total = self.sum(ratio.total)
        return (self.sum(ratio.bad) if ratio.bad else total - self.sum(ratio.good)), total


def bounds(frame: Frame, end_ts_ms: int | None) -> tuple[int, int]:
    """First minute of the data and end of its last one, or ``end_ts_ms`` where that is sooner.

    Rows of more than ten years before the last are those of a clock that was wrong and are left out, unless they are
    the greater part: then the last one's was.
    """
    rows = frame.lazy() if end_ts_ms is None else frame.lazy().filter(pl.col("ts_ms") < end_ts_ms)
    first, last = rows.select(first=pl.col("ts_ms").min(), last=pl.col("ts_ms").max()).collect().row(0)
    if first is None:
        raise InputError(
            "no minute counts" + ("" if end_ts_ms is None else " in that period"),
            mend="the emulator, CMCD logs with times and `ingest prometheus` bring them",
        )
    if (last - first) // MINUTE_MS > MINUTES_MAXIMUM:
        early = pl.col("ts_ms") <= last - MINUTES_MAXIMUM * MINUTE_MS
        first, count, left_out = (
            rows.select(pl.col("ts_ms").filter(~early).min(), pl.len(), left_out=early.sum()).collect().row(0)
        )
        if 2 * left_out >= count:
            raise InputError(
                "most minute counts lie ten years and more before the last: a clock has jumped",
                mend="give the end of the period to judge",
            )
    first -= first % MINUTE_MS
    after = last - last % MINUTE_MS + MINUTE_MS
    return first, after if end_ts_ms is None else min(after, end_ts_ms)


def minutes_of(frame: Frame, columns: Sequence[str], end_ts_ms: int | None) -> Minutes:
    start, end = bounds(frame, end_ts_ms)
    length = -(-(end - start) // MINUTE_MS)
    minute = ((pl.col("ts_ms") - start) // MINUTE_MS).alias("minute")
    rows = frame.lazy().filter((pl.col("ts_ms") >= start) & (pl.col("ts_ms") < end))
    counted = pl.col(columns).cast(pl.Int64)
    # Rows that are read are added up as they come; others one row a minute is made of, so that few are in memory.
    is_read = isinstance(frame, pl.DataFrame)
    sums = (
        rows.select(minute, counted.fill_null(0)) if is_read else rows.group_by(minute).agg(counted.sum())
    ).collect()
    at = sums["minute"].to_numpy()
    counts = {}
    for column in columns:
        dense = np.zeros(length, dtype=np.int64)
        np.add.at(dense, at, sums[column].to_numpy())
        if length and dense.min() < 0:
            raise InputError(
                f"{column} is below 0 in a minute", mend="count events, do not take differences of counters"
            )
        counts[column] = dense
    return Minutes(start, counts, length)


def slices_of(
    frame: Frame, columns: Sequence[str], spans: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], pl.DataFrame]:
    """Sums by region, device and CDN, for each distinct span of time."""
    distinct = sorted(set(spans))
    collected = pl.collect_all(
        [
            frame.lazy()
            .filter((pl.col("ts_ms") >= start) & (pl.col("ts_ms") < end))
            .group_by(names.SLICES)
            .agg(pl.col(columns).cast(pl.Int64).sum())
            for start, end in distinct
        ]
    )
    return dict(zip(distinct, collected, strict=True))


class Running:
    """Cumulative counts, element k those before minute k: a window's sum is a difference of two of them."""

    def __init__(self, counts: Ints) -> None:
        self._sums = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=self._sums[1:])

    def over(self, clock: Clock, window_ms: int, at: Ints | None = None) -> Ints:
        """Sum over the window that ends at the evaluation of each minute, or of the minutes ``at``."""
        first, last = clock.reach(window_ms)
        if at is None:
            sums = self._ahead(last + 1)
            sums -= self._ahead(first)
            return sums
        # Before the data nothing has been counted, after it everything.
        found: Ints = self._sums.take(at + (last + 1), mode="clip")
        found -= self._sums.take(at + first, mode="clip")
        return found

    def _ahead(self, minutes: int) -> Ints:
        """What was counted by every minute ``minutes`` later."""
        n = len(self._sums) - 1
        begin = min(max(-minutes, 0), n)
        end = max(min(n - minutes + 1, n), begin)
        ahead = np.empty(n, dtype=np.int64)
        ahead[:begin] = self._sums[0]
        ahead[begin:end] = self._sums[begin + minutes : end + minutes]
        ahead[end:] = self._sums[n]
        return ahead


def ratio_of(bad: Ints | Floats, total: Ints | Floats) -> Floats:
    """bad ÷ total; NaN where there was no traffic, which no comparison lets through."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Floats = np.divide(bad, total)
    out[~(total > 0)] = np.nan
    return out
