"""From metrics asked to rolled-up frames: each table is scanned once for a clock, grouped once.

A plan knows which parts are needed, brings each table into the shape its parts need, and rolls it up. What
the parts then mean for a metric is :mod:`metrics.query`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.charges import spread_charges
from metrics.engine import collect
from metrics.errors import InputError, did_you_mean
from metrics.measures import DERIVED
from metrics.metric import Metric
from metrics.parts import Part, clock_column, dimensions_of, is_weighted
from metrics.period import DAY_MS, bucket_start
from metrics.quantiles import with_bucket
from metrics.rollup import filter_rows, merge, rollup
from metrics.telemetry import REPLICATES, TABLES

__all__ = [
    "BUCKET",
    "DAY",
    "REPLICATE",
    "SERVICE_FILTERS",
    "SKETCH",
    "Cut",
    "PartKey",
    "Source",
    "check_dimensions",
    "part_key",
    "parts_by_key",
    "roll_up",
    "rolled",
]

BUCKET, REPLICATE, SKETCH, DAY = "bucket_ts_ms", "replicate", "sketch_bucket", "day_ts_ms"

_ROWS_LOOKED_ALONG = 4_000_000
# Filters that choose whose service is looked at, and not a slice of it: they narrow every part.
SERVICE_FILTERS = ("is_synthetic",)


@dataclass(frozen=True)
class Cut:
    """How the telemetry is cut: by which dimensions, which slice, which period, which buckets."""

    by: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    start_ts_ms: int | None = None
    end_ts_ms: int | None = None
    grain_ms: int | None = None
    replicates: bool = False

    @property
    def bucket(self) -> tuple[str, ...]:
        """The bucket column, if there is a grain."""
        return (BUCKET,) if self.grain_ms else ()


@dataclass(frozen=True)
class PartKey:
    """Parts with the same key are rolled up together. ``sketch`` names the part whose values are bucketed."""

    table: str
    clock: str
    is_sliced: bool
    is_level: bool
    sketch: str | None


def _nothing(key: PartKey, parts: Sequence[Part], cut: Cut) -> None:
    return None


@dataclass(frozen=True)
class Source:
    """Where rows come from: ``scan`` gives a table by its name, ``ready`` what is rolled up already, if anything."""

    scan: Callable[[str], IntoLazyFrame]
    ready: Callable[[PartKey, Sequence[Part], Cut], nw.LazyFrame[Any] | None] = _nothing


def part_key(metric: Metric, part: Part, cut: Cut) -> PartKey:
    """Which rollup holds ``part`` of ``metric``."""
    clock = clock_column(part.table, metric.clock)
    # Without a period and a grain no clock is looked at: one rollup of the table serves them all.
    is_timed = cut.start_ts_ms is not None or cut.end_ts_ms is not None or cut.grain_ms is not None
    default = clock_column(part.table, "end")
    sketch = part.name if metric.quantile is not None else None
    return PartKey(part.table, clock if is_timed else default, part.is_sliced, part.is_level, sketch)


def check_dimensions(metrics: Sequence[Metric], names: Sequence[str]) -> None:
    """Raise :class:`~metrics.errors.InputError` for a dimension that a metric cannot be cut by."""
    telemetry = (table for table in TABLES if table != "score" and not table.startswith("truth_"))
    known = {name for table in telemetry for name in dimensions_of(table)}
    for name in names:
        if name not in known:
            raise InputError(f"no dimension {name!r}", mend=did_you_mean(name, known))
        for metric in metrics:
            for part in metric.parts:
                if part.is_sliced and name not in dimensions_of(part.table):
                    allowed = sorted(_dimensions(metric))
                    raise InputError(
                        f"{metric.name} cannot be cut by {name!r}",
                        mend=f"table {part.table} does not tell it; it can be cut by {', '.join(allowed)}",
                    )


def parts_by_key(metrics: Iterable[Metric], cut: Cut) -> dict[PartKey, list[Part]]:
    """The parts of ``metrics``, those together that are rolled up together."""
    wanted: dict[PartKey, list[Part]] = {}
    for metric in metrics:
        for part in metric.parts:
            wanted.setdefault(part_key(metric, part, cut), []).append(part)
    return wanted


def roll_up(source: Source, metrics: Sequence[Metric], cut: Cut) -> dict[PartKey, pl.DataFrame]:
    """The rolled-up parts of ``metrics``: columns are dimensions, bucket, replicate, sketch; then sums."""
    wanted = parts_by_key(metrics, cut)
    found = {key: source.ready(key, parts, cut) for key, parts in wanted.items()}
    unread = sorted({key.table for key in wanted if found[key] is None})
    tables = {table: nw.from_native(source.scan(table)) for table in unread}
    lazy = [
        frame if frame is not None else rolled(tables[key.table], key, wanted[key], cut)
        for key, frame in found.items()
    ]
    return dict(zip(wanted, collect(lazy), strict=True))


def rolled(rows: nw.LazyFrame[Any], key: PartKey, parts: Sequence[Part], cut: Cut) -> nw.LazyFrame[Any]:
    """The rows of a table rolled up to ``parts``, which all have ``key``."""
    if rows.implementation.is_polars() and any(part.of.derived for part in parts):
        # Looking along each subscriber's rows holds them all: some subscribers at a time, to bound memory.
        count: int = rows.select(nw.len()).collect("polars").item()
        some = min(REPLICATES, -(-count // _ROWS_LOOKED_ALONG))
        if some > 1:
            each = (rows.filter(nw.col(REPLICATE) % some == n) for n in range(some))
            frames = [collect([_rolled(these, key, parts, cut)])[0] for these in each]
            keys = [name for name in frames[0].columns if frames[0][name].dtype != pl.Decimal]
            return merge(nw.from_native(pl.concat(frames).lazy()), keys)
    return _rolled(rows, key, parts, cut)


def _rolled(rows: nw.LazyFrame[Any], key: PartKey, parts: Sequence[Part], cut: Cut) -> nw.LazyFrame[Any]:
    dimensions = dimensions_of(key.table)
    where = {
        dimensions[name]: values for name, values in cut.where if key.is_sliced or name in SERVICE_FILTERS
    }
    by = cut.by if key.is_sliced else ()
    if key.table == "charge":
        rows = spread_charges(
            rows,
            [dimensions[name] for name in by] + list(where),
            start_ts_ms=cut.start_ts_ms,
            end_ts_ms=cut.end_ts_ms,
            grain_ms=cut.grain_ms,
            bucket=BUCKET,
        )
        rows = filter_rows(rows, where=where)
    else:
        derived = {name: DERIVED[name] for part in parts for name in part.of.derived}
        rows = rows.with_columns(**derived) if derived else rows
        start = cut.start_ts_ms
        if start is not None and key.table == "membership":
            start = start // DAY_MS * DAY_MS  # a member-day belongs to the period that holds any of it
        rows = filter_rows(rows, where=where, clock=key.clock, start_ts_ms=start, end_ts_ms=cut.end_ts_ms)
        if key.table == "playback_session" and key.clock == "start_ts_ms" and start is not None:
            # Files are by the day of the end: what started in the period did not end before it.
            rows = rows.filter(nw.col("end_ts_ms") >= start)
        if cut.grain_ms and not key.is_level:
            rows = rows.with_columns(bucket_start(nw.col(key.clock), cut.grain_ms).alias(BUCKET))
    # Dimensions under their public names, beside columns of the same name that parts read.
    keys = [f"by:{name}" for name in by]
    rows = rows.with_columns(nw.col(dimensions[name]).alias(f"by:{name}") for name in by) if by else rows
    if key.is_level:
        rows, keys = rows.with_columns(nw.col("ts_ms").alias(DAY)), [*keys, DAY]
    elif cut.grain_ms:
        keys = [*keys, BUCKET]
    if cut.replicates and is_weighted(key.table):
        keys = [*keys, REPLICATE]
    if key.sketch is not None:
        value = parts[0].value
        assert value is not None, f"{parts[0].name} has no value to take a quantile of"
        counted = parts[0].of.condition
        rows = rows if counted is None else rows.filter(counted)
        rows, keys = with_bucket(rows, value, SKETCH), [*keys, SKETCH]
    return rollup(rows, parts, keys).rename({f"by:{name}": name for name in by})


def _dimensions(metric: Metric) -> set[str]:
    sliced = [set(dimensions_of(part.table)) for part in metric.parts if part.is_sliced]
    return set.intersection(*sliced) if sliced else set()
