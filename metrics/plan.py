"""From metrics asked to rolled-up frames: each table is scanned once for a clock, grouped once.

A plan knows which parts are needed, brings each table into the shape its parts need, and rolls it up. What
the parts then mean for a metric is :mod:`metrics.query`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.arms import arms_of, experiment_of, holdout_of, in_time, with_arms
from metrics.charges import in_force, spread_charges
from metrics.engine import collect
from metrics.errors import InputError, did_you_mean
from metrics.measures import DERIVED
from metrics.metric import Metric
from metrics.parts import ARMS, HOLDOUT, Part, clock_column, dimensions_of, has_arms, is_weighted
from metrics.period import DAY_MS, bucket_start
from metrics.quantiles import with_bucket
from metrics.rollup import add_up, filter_rows, merge, rollup, summands
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
    "derived",
    "group_column",
    "part_key",
    "parts_by_key",
    "roll_up",
    "rolled",
    "rolled_by_each",
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
    """Parts with the same key are rolled up together. ``sketch`` names the part whose values are bucketed;
    ``groups`` are columns to add up by beside the dimensions."""

    table: str
    clock: str
    is_sliced: bool
    is_level: bool
    sketch: str | None
    groups: tuple[str, ...] = ()


def _nothing(key: PartKey, parts: Sequence[Part], cut: Cut) -> None:
    return None


def _no_arms() -> pl.DataFrame | None:
    return None


@dataclass(frozen=True)
class Source:
    """Where rows come from: ``scan`` gives a table by its name, ``ready`` what is rolled up already, if anything."""

    scan: Callable[[str], IntoLazyFrame]
    ready: Callable[[PartKey, Sequence[Part], Cut], nw.LazyFrame[Any] | pl.DataFrame | None] = _nothing
    counted_arms: Callable[[], pl.DataFrame | None] = _no_arms

    def arms(self) -> pl.DataFrame:
        """:func:`metrics.arms.arms_of` its members: as they are counted already, or of the rows."""
        found = self.counted_arms()
        return arms_of(nw.from_native(self.scan("assignment"))) if found is None else found


def part_key(metric: Metric, part: Part, cut: Cut) -> PartKey:
    """Which rollup holds ``part`` of ``metric``."""
    clock = clock_column(part.table, metric.clock)
    # Without a period and a grain no clock is looked at: one rollup of the table serves them all.
    is_timed = cut.start_ts_ms is not None or cut.end_ts_ms is not None or cut.grain_ms is not None
    default = clock_column(part.table, "end")
    sketch = part.name if metric.quantile is not None else None
    return PartKey(
        part.table, clock if is_timed else default, part.is_sliced, part.is_level, sketch, metric.groups
    )


def group_column(name: str) -> str:
    """The column of a rollup that holds a group of a metric's own; a dimension may be of the same name."""
    return f"group:{name}"


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
    if {*cut.by, *dict(cut.where)} & set(ARMS) or any(HOLDOUT in key.groups for key in wanted):
        all_of = {
            key.table
            for key, parts in wanted.items()
            if not key.is_sliced or any(part.of.derived for part in parts)
        }
        tables = _with_arms(source, tables, cut, all_of)
    lazy = {
        key: rolled(tables[key.table], key, wanted[key], cut) if frame is None else frame
        for key, frame in found.items()
        if not isinstance(frame, pl.DataFrame)
    }
    computed = dict(zip(lazy, collect(lazy.values()), strict=True)) if lazy else {}
    return {key: frame if isinstance(frame, pl.DataFrame) else computed[key] for key, frame in found.items()}


def rolled(rows: nw.LazyFrame[Any], key: PartKey, parts: Sequence[Part], cut: Cut) -> nw.LazyFrame[Any]:
    """The rows of a table rolled up to ``parts``, which all have ``key``."""
    some = list(_some_subscribers(rows, parts))
    if len(some) == 1:
        return _named(rollup(_prepared(rows, key, parts, cut), parts, _keys(key, cut)), cut)
    each = [collect([rollup(_prepared(these, key, parts, cut), parts, _keys(key, cut))])[0] for these in some]
    return _named(merge(nw.from_native(pl.concat(each).lazy()), _keys(key, cut)), cut)


def rolled_by_each(
    rows: nw.LazyFrame[Any], key: PartKey, parts: Sequence[Part], cuts: Sequence[Cut]
) -> Iterator[tuple[Cut, pl.DataFrame]]:
    """:func:`rolled` by cuts that differ in dimensions, grains and replicates alone, looking at each row once.

    Grains are multiples of the finest. A cut may come several times: what it comes with is to be merged.
    """
    by = tuple(dict.fromkeys(name for cut in cuts for name in cut.by))
    finest = min((cut.grain_ms for cut in cuts if cut.grain_ms), default=None)
    widest = replace(cuts[0], by=by, grain_ms=finest, replicates=any(cut.replicates for cut in cuts))
    for these in _some_subscribers(rows, parts):
        prepared = summands(_prepared(these, key, parts, widest), parts, _keys(key, widest))
        held = nw.from_native(collect([prepared])[0].lazy())
        for cut in cuts:
            mine = held
            if cut.grain_ms and cut.grain_ms != finest and not key.is_level:
                mine = held.with_columns(bucket_start(nw.col(BUCKET), cut.grain_ms).alias(BUCKET))
            yield cut, collect([_named(add_up(mine, parts, _keys(key, cut)), cut)])[0]


def derived(rows: nw.LazyFrame[Any], parts: Sequence[Part]) -> Iterator[nw.LazyFrame[Any]]:
    """The rows with the columns that ``parts`` derive from rows before, some subscribers at a time, computed once."""
    columns = {name: DERIVED[name] for part in parts for name in part.of.derived}
    if not columns:
        yield rows
        return
    for some in _some_subscribers(rows, parts):
        yield nw.from_native(collect([some.with_columns(**columns)])[0].lazy())


def _some_subscribers(rows: nw.LazyFrame[Any], parts: Sequence[Part]) -> Iterator[nw.LazyFrame[Any]]:
    """The rows; where parts look along each subscriber's, which holds them all, few enough of them at a time."""
    some = 1
    if rows.implementation.is_polars() and any(part.of.derived for part in parts):
        count: int = rows.select(nw.len()).collect("polars").item()
        some = min(REPLICATES, -(-count // _ROWS_LOOKED_ALONG))
    if some <= 1:
        yield rows
        return
    for n in range(some):
        yield rows.filter(nw.col(REPLICATE) % some == n)


def _with_arms(
    source: Source, tables: dict[str, nw.LazyFrame[Any]], cut: Cut, all_of: set[str]
) -> dict[str, nw.LazyFrame[Any]]:
    """The tables of members with the arm of the experiment: of the one asked for by a slice, or the only one.

    Where no arm is asked for and no experiment has a holdout, all are outside of one. Where an experiment is asked for,
    rows outside of its time are left out sooner, but of the tables that parts want ``all_of``.
    """
    asked = dict(cut.where).get("experiment", (None,))
    if len(asked) > 1:
        raise InputError("arms of several experiments", mend="ask for one experiment at a time")
    is_by_arm = {*cut.by, *dict(cut.where)} & set(ARMS)
    arms = source.arms()
    experiment = experiment_of(arms, asked[0]) if is_by_arm else holdout_of(arms)
    mine = {name: rows for name, rows in tables.items() if has_arms(name)}
    if experiment is None:
        nothing = nw.lit(None, nw.Boolean()).alias(HOLDOUT)
        return tables | {name: rows.with_columns(nothing) for name, rows in mine.items()}
    if not mine:
        return tables
    assignments = nw.from_native(source.scan("assignment"))
    joined = {}
    for name, rows in mine.items():
        clock = clock_column(name, "start")
        is_asked = bool(asked) and asked[0] is not None and "experiment" in dict(cut.where)
        rows = in_time(rows, arms, experiment, clock) if is_asked and name not in all_of else rows
        joined[name] = with_arms(rows, assignments, experiment, clock)
    return tables | joined


def _keys(key: PartKey, cut: Cut) -> list[str]:
    """The columns that rows are grouped by; dimensions apart from columns of the same name that parts read."""
    keys = [f"by:{name}" for name in cut.by] if key.is_sliced else []
    keys += [DAY] if key.is_level else cut.bucket
    keys += [REPLICATE] if cut.replicates and is_weighted(key.table) else []
    keys += [group_column(name) for name in key.groups]
    return keys + ([SKETCH] if key.sketch is not None else [])


def _named(frame: nw.LazyFrame[Any], cut: Cut) -> nw.LazyFrame[Any]:
    """Dimensions under their public names; groups keep theirs, since they may be the same columns."""
    names = set(frame.collect_schema().names())
    return frame.rename({f"by:{name}": name for name in cut.by if f"by:{name}" in names})


def _prepared(rows: nw.LazyFrame[Any], key: PartKey, parts: Sequence[Part], cut: Cut) -> nw.LazyFrame[Any]:
    """The rows in the slice and the period, with the columns they are grouped by."""
    dimensions = dimensions_of(key.table)
    where = {
        dimensions[name]: values for name, values in cut.where if key.is_sliced or name in SERVICE_FILTERS
    }
    by = cut.by if key.is_sliced else ()
    if key.table == "charge":
        # Whose service it is comes first: a bill replaces what was computed for the same one.
        service = {dimensions[name]: values for name, values in cut.where if name in SERVICE_FILTERS}
        rows = spread_charges(
            in_force(filter_rows(rows, where=service)),
            [dimensions[name] for name in by] + list(where),
            start_ts_ms=cut.start_ts_ms,
            end_ts_ms=cut.end_ts_ms,
            grain_ms=cut.grain_ms,
            bucket=BUCKET,
        )
        rows = filter_rows(rows, where=where)
    else:
        names = {name for part in parts for name in part.of.derived}
        if names and not names <= set(rows.collect_schema().names()):
            rows = rows.with_columns(**{name: DERIVED[name] for name in sorted(names)})
        start = cut.start_ts_ms
        if start is not None and key.table == "membership":
            start = start // DAY_MS * DAY_MS  # a member-day belongs to the period that holds any of it
        rows = filter_rows(rows, where=where, clock=key.clock, start_ts_ms=start, end_ts_ms=cut.end_ts_ms)
        if key.table == "playback_session" and key.clock == "start_ts_ms" and start is not None:
            # Files are by the day of the end: what started in the period did not end before it.
            rows = rows.filter(nw.col("end_ts_ms") >= start)
        if cut.grain_ms and not key.is_level:
            rows = rows.with_columns(bucket_start(nw.col(key.clock), cut.grain_ms).alias(BUCKET))
    rows = rows.with_columns(nw.col(dimensions[name]).alias(f"by:{name}") for name in by) if by else rows
    rows = rows.with_columns(nw.col("ts_ms").alias(DAY)) if key.is_level else rows
    if key.sketch is not None or key.groups:
        # What does not count makes no bucket or group of its own.
        counted = parts[0].of.condition if len({part.of.name for part in parts}) == 1 else None
        rows = rows if counted is None else rows.filter(counted)
        rows = rows.with_columns(nw.col(name).alias(group_column(name)) for name in key.groups)
        if HOLDOUT in key.groups:
            rows = rows.filter(~nw.col(HOLDOUT).is_null())
    if key.sketch is not None:
        value = parts[0].value if parts[0].after is None else parts[0].after
        assert value is not None, f"{parts[0].name} has no value to take a quantile of"
        rows = with_bucket(rows, value, SKETCH)
    return rows


def _dimensions(metric: Metric) -> set[str]:
    sliced = [set(dimensions_of(part.table)) for part in metric.parts if part.is_sliced]
    return set.intersection(*sliced) if sliced else set()
