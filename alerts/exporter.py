"""Counts of whole minutes as gauges for Prometheus, each stamped in the middle of its minute.

A count that is a gauge loses nothing to extrapolation or resets, and one with a time of its own lies in its minute
whenever it is scraped. A slice that was ever counted goes on being exported with 0, so that silence is a number.
Prometheus takes samples in order only, so a minute that comes after a later one can no longer be shown; and it sees
a minute only if it scrapes while that is the last. Both are counted and exported.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from alerts import names
from alerts.policy import MINUTE_MS
from metrics.errors import InputError
from metrics.telemetry import TABLES

__all__ = ["Minute", "MinuteExporter", "minutes_in_order"]

_ABOUT = {column.name: column.about for column in TABLES["minute_count"].columns}
_NO_SLICE = ""  # a label cannot be null


@dataclass(frozen=True)
class Minute:
    """Counts of the minute that begins at ``ts_ms``: rows of ``minute_count``, of that minute alone."""

    ts_ms: int
    rows: pl.DataFrame


@dataclass(eq=False)
class MinuteExporter(Collector):
    """What a scrape finds: the counts of the last minute given.

    ``late_count`` are minutes that came after a later one, ``unscraped_count`` those that were followed by another
    before anybody had asked for them.
    """

    late_count: int = 0
    unscraped_count: int = 0
    _last_ts_ms: int | None = None
    _stamp_s: float = 0.0
    _counts: dict[tuple[str, ...], dict[str, int]] = field(default_factory=dict)
    _is_scraped: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def registry(self) -> CollectorRegistry:
        """A registry of this alone: the process that exports says nothing of itself."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def put(self, minute: Minute, *, stamp_ms: int | None = None) -> bool:
        """Show this minute from now on; False where it is too late for that.

        ``stamp_ms`` is the time its samples carry, by default the middle of the minute. Raises
        :class:`~metrics.errors.InputError` for rows of another minute, and for counts below 0: a counter that went
        backwards is no count.
        """
        counts = _counts(minute)
        with self._lock:
            if self._last_ts_ms is not None and minute.ts_ms <= self._last_ts_ms:
                self.late_count += 1
                return False
            self.unscraped_count += not self._is_scraped
            self._is_scraped = False
            self._last_ts_ms = minute.ts_ms
            self._stamp_s = (minute.ts_ms + MINUTE_MS // 2 if stamp_ms is None else stamp_ms) / 1000
            for slice_ in self._counts:
                self._counts[slice_] = dict.fromkeys(names.COUNT_COLUMNS, 0)
            self._counts |= counts
        return True

    def collect(self) -> Iterator[Metric]:
        """The gauges with their time, and the two counts of what Prometheus missed."""
        with self._lock:
            self._is_scraped = True
            counts, stamp_s = dict(self._counts), self._stamp_s
            late, unscraped = self.late_count, self.unscraped_count
        for column in names.COUNT_COLUMNS:
            gauge = GaugeMetricFamily(
                names.gauge(column), f"{_ABOUT[column]}; of one minute", labels=names.SLICES
            )
            for slice_, values in counts.items():
                gauge.add_metric(slice_, values[column], timestamp=stamp_s)
            yield gauge
        yield CounterMetricFamily(
            f"{names.GAUGE_PREFIX}minutes_late",
            "minutes that came after a later one and were not shown",
            value=late,
        )
        yield CounterMetricFamily(
            f"{names.GAUGE_PREFIX}minutes_unscraped", "minutes that nobody asked for in time", value=unscraped
        )


def minutes_in_order(frames: Iterable[pl.DataFrame]) -> Iterator[Minute]:
    """Rows of ``minute_count`` as minutes, a minute without rows as one with none.

    ``frames`` are spans of time one after the other; rows of a minute may be spread over two of them that adjoin.
    """
    held: pl.DataFrame | None = None
    following: int | None = None
    for frame in frames:
        rows = frame.sort("ts_ms") if held is None else pl.concat([held, frame.sort("ts_ms")], how="diagonal")
        if rows.is_empty():
            continue
        # The last minute may go on in the next frame.
        last = int(rows["ts_ms"].max())  # type: ignore[arg-type]
        held = rows.filter(pl.col("ts_ms") >= last - last % MINUTE_MS)
        following = yield from _whole(rows.filter(pl.col("ts_ms") < last - last % MINUTE_MS), following)
    if held is not None:
        yield from _whole(held, following)


def _whole(rows: pl.DataFrame, following: int | None) -> Generator[Minute, None, int | None]:
    """The minutes of the rows, those between without any; returns the one that follows."""
    minute = (pl.col("ts_ms") // MINUTE_MS * MINUTE_MS).alias("minute")
    for (ts_ms,), own in rows.with_columns(minute).group_by("minute", maintain_order=True):
        at = int(ts_ms)
        if following is not None and at < following:
            # Late rows are passed on as they are: who shows them says so.
            yield Minute(at, own.drop("minute"))
            continue
        while following is not None and following < at:
            yield Minute(following, rows.clear())
            following += MINUTE_MS
        yield Minute(at, own.drop("minute"))
        following = at + MINUTE_MS
    return following


def _counts(minute: Minute) -> dict[tuple[str, ...], dict[str, int]]:
    rows = minute.rows
    if rows.is_empty():
        return {}
    outside = (pl.col("ts_ms") < minute.ts_ms) | (pl.col("ts_ms") >= minute.ts_ms + MINUTE_MS)
    if rows.filter(outside).height:
        raise InputError("counts of another minute", where=str(minute.ts_ms), mend="give a minute's own rows")
    columns = [column for column in names.COUNT_COLUMNS if column in rows.columns]
    sums = rows.group_by(names.SLICES).agg(pl.col(columns).cast(pl.Int64).sum())
    below = [column for column in columns if sums.filter(pl.col(column) < 0).height]
    if below:
        raise InputError(
            f"{below[0]} is below 0",
            where=f"minute {minute.ts_ms}",
            mend="count events, do not take differences",
        )
    return {
        tuple(row[label] or _NO_SLICE for label in names.SLICES): {
            **dict.fromkeys(names.COUNT_COLUMNS, 0),
            **{column: int(row[column]) for column in columns},
        }
        for row in sums.iter_rows(named=True)
    }
