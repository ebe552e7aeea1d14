"""Metrics of a lake, by any dimensions, slice, period and grain: the one door for whoever asks.

::

    measure(lake, ["rebuffer_rate", "watch_hours_per_subscriber"], by=["region"], grain="1d", intervals=True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.catalog import Metric, get_metric
from metrics.cube import source_of
from metrics.errors import InputError
from metrics.intervals import jackknife
from metrics.lake import Lake
from metrics.parts import Part, is_weighted
from metrics.period import DAY_MS, grain_ms
from metrics.plan import REPLICATE, SKETCH, Cut, PartKey, Source, check_dimensions, part_key, roll_up
from metrics.quantiles import quantile_of_buckets, quantile_without_each
from metrics.rollup import n_columns
from metrics.sides import EXACT, SAMPLE, join, quotient, side, total, without_each
from metrics.telemetry import REPLICATES

__all__ = ["check_cut", "measure", "measure_frames"]

Where = Mapping[str, Sequence[str | None]]


def measure(
    lake: Lake,
    names: Sequence[str],
    *,
    by: Sequence[str] = (),
    where: Where | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
    grain: str | None = None,
    intervals: bool = False,
    scan: Callable[[str], IntoLazyFrame] | None = None,
) -> pl.DataFrame:
    """Metrics ``names`` of a lake, a row a metric and group.

    Columns: ``by`` dimensions, ``bucket_ts_ms`` (with a grain), ``metric``, ``value`` (null where there is
    nothing to divide by), ``numerator`` and ``denominator`` (``Decimal(38, 10)``, in the units of the
    metric's parts; of a quantile the denominator is the weight of its rows), ``unit``, ``n`` (rows),
    ``n_effective`` ((Σw)²/Σw²; null for tables that are no panel), and with ``intervals`` ``low`` and ``high``
    (90 %). ``where`` keeps rows whose dimension is one of the values (None: unknown). The period is
    ``[start_ts_ms, end_ts_ms)`` on each metric's own clock. ``scan`` gives a table by its name to another
    engine, which then does the work: :func:`metrics.engine.spark.scan` of this lake.

    Raises :class:`~metrics.errors.InputError` for an unknown metric, dimension or grain, and for a dimension
    that a metric's tables do not tell.
    """
    source = Source(scan) if scan else source_of(lake)
    return _measure(source, names, by, where, start_ts_ms, end_ts_ms, grain, intervals)


def measure_frames(
    frames: Mapping[str, IntoLazyFrame],
    names: Sequence[str],
    *,
    by: Sequence[str] = (),
    where: Where | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
    grain: str | None = None,
    intervals: bool = False,
) -> pl.DataFrame:
    """:func:`measure` over tables given as frames of the contract's columns."""
    source = Source(frames.__getitem__)
    return _measure(source, names, by, where, start_ts_ms, end_ts_ms, grain, intervals)


def check_cut(names: Sequence[str], dimensions: Sequence[str], grain: str | None = None) -> None:
    """Raise :class:`~metrics.errors.InputError` where a metric cannot be cut by a dimension or a grain."""
    metrics = [get_metric(name) for name in names]
    check_dimensions(metrics, dimensions)
    length = grain_ms(grain) if grain else DAY_MS
    for metric in metrics:
        daily = [part for part in metric.parts if part.table == "membership"]
        # A level holds for every bucket of its day; what adds up by days cannot be cut finer.
        if length % DAY_MS and any(not part.is_level or length > DAY_MS for part in daily):
            raise InputError(
                f"{metric.name} is known by the day, not by {grain}", mend="give a grain of whole days"
            )


def _measure(
    source: Source,
    names: Sequence[str],
    by: Sequence[str],
    where: Where | None,
    start_ts_ms: int | None,
    end_ts_ms: int | None,
    grain: str | None,
    intervals: bool,
) -> pl.DataFrame:
    metrics = [get_metric(name) for name in dict.fromkeys(names)]
    if not metrics:
        raise InputError("no metric asked for", mend="name at least one")
    if start_ts_ms is not None and end_ts_ms is not None and start_ts_ms >= end_ts_ms:
        raise InputError("the period ends before it starts", mend="give a start before the end")
    cut = Cut(
        tuple(dict.fromkeys(by)),
        tuple((name, tuple(values)) for name, values in (where or {}).items()),
        start_ts_ms,
        end_ts_ms,
        grain_ms(grain) if grain else None,
        intervals,
    )
    check_cut([metric.name for metric in metrics], [*cut.by, *(name for name, _ in cut.where)], grain)
    rolled = roll_up(source, metrics, cut)
    rows = [_measured(metric, rolled, cut) for metric in metrics]
    order = {metric.name: place for place, metric in enumerate(metrics)}
    place = pl.col("metric").replace_strict(order, return_dtype=pl.Int64)
    return pl.concat(rows).sort(place, *cut.bucket, *cut.by, nulls_last=True)


def _measured(metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut) -> pl.DataFrame:
    keys = [*cut.by, *cut.bucket]
    divide = _quantiles if metric.kind == "quantile" else _ratios
    found = divide(metric, rolled, cut, keys)
    weight = pl.col("w").cast(pl.Float64)
    is_panel = pl.lit(is_weighted(_sample_part(metric).table)) & (pl.col("w2") > 0)
    kish = pl.when(is_panel).then(weight * weight / pl.col("w2").cast(pl.Float64))
    return found.select(
        *cut.by,
        *cut.bucket,
        pl.lit(metric.name).alias("metric"),
        "value",
        "numerator",
        "denominator",
        pl.lit(metric.unit).alias("unit"),
        pl.col("n").cast(pl.Int64),
        kish.alias("n_effective"),
        *(("low", "high") if cut.replicates else ()),
    )


def _ratios(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> pl.DataFrame:
    sides = [side(rolled[part_key(metric, part, cut)], part, cut) for part in metric.parts]
    totals = [total(one, part) for one, part in zip(sides, metric.parts, strict=True)]
    found = _divided(metric, totals, keys)
    sample = totals[metric.parts.index(_sample_part(metric))]
    found = join(found, sample.select(*(c for c in keys if c in sample.columns), *SAMPLE), keys)
    found = found.with_columns(pl.col(SAMPLE).fill_null(0))
    # Nothing was recorded, which is not the same as a zero that was.
    found = found.with_columns(pl.when(~_is_silent(metric, totals[0])).then("value").alias("value"))
    if not cut.replicates:
        return found
    deleted = [without_each(*these) for these in zip(sides, totals, metric.parts, strict=True)]
    if not any(REPLICATE in frame.columns for frame in deleted):
        none = pl.lit(None, pl.Float64)
        return found.with_columns(none.alias("low"), none.alias("high"))
    values = _divided(metric, deleted, [*keys, REPLICATE])
    return join(found, jackknife(found, values, keys, is_share=metric.unit == "ratio"), keys)


def _is_silent(metric: Metric, numerator: pl.DataFrame) -> pl.Expr:
    """Whether a group has a numerator that nobody recorded: a total, or one of another table's rows."""
    if metric.denominator is None:
        return pl.col("n") == 0
    if metric.numerator.table == metric.denominator.table:
        return pl.lit(value=False)
    # Sessions that do not tell what is needed are silent slice by slice; charges are known or not as a whole.
    if metric.numerator.of.needs and _sample_part(metric) is metric.numerator:
        return pl.col("n") == 0
    return pl.lit(not numerator["n"].sum())


def _divided(metric: Metric, sides: Sequence[pl.DataFrame], keys: Sequence[str]) -> pl.DataFrame:
    """``keys, value, numerator, denominator`` of a ratio's two sides, or a total's one."""
    columns = {"sum": "sum_0", "amount": "amount_0"}
    top = sides[0].rename(columns).drop("days", *SAMPLE)
    if metric.denominator is None:
        none = pl.lit(None, EXACT)
        return top.select(*keys, value="amount_0", numerator=_shown("0", metric.numerator), denominator=none)
    bottom = sides[1].rename({name: name + "_1" for name in columns}).drop("days", *SAMPLE)
    # A denominator that no dimension slices goes with what was recorded, and adds no group of its own.
    both = join(top, bottom, keys, how="full" if metric.denominator.is_sliced else "left")
    both = both.with_columns(
        pl.col("sum_0", "sum_1").fill_null(0), pl.col("amount_0", "amount_1").fill_null(0.0)
    )
    # In the same unit of the same table, the exact sums are divided: one rounding, and none by a unit.
    one, other = metric.numerator, metric.denominator
    is_alike = one.per == other.per and one.table == other.table and not (one.is_level or other.is_level)
    used = "sum" if is_alike else "amount"
    return both.select(
        *keys,
        quotient(both[f"{used}_0"], both[f"{used}_1"]).alias("value"),
        _shown("0", metric.numerator).alias("numerator"),
        _shown("1", metric.denominator).alias("denominator"),
    )


def _shown(place: str, part: Part) -> pl.Expr:
    """The part in its unit; exact where the unit is what was summed."""
    is_exact = part.per == 1 and not part.is_level
    return pl.col(f"sum_{place}" if is_exact else f"amount_{place}").cast(EXACT)


def _quantiles(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> pl.DataFrame:
    assert metric.quantile is not None
    part, quantile = metric.numerator, metric.quantile
    frame = rolled[part_key(metric, part, cut)]
    names = dict(zip(n_columns(part.of), SAMPLE, strict=True))
    frame = frame.rename(names).select(
        *keys, *(c for c in (REPLICATE,) if c in frame.columns), SKETCH, *SAMPLE
    )
    sample = frame.group_by(keys).agg(pl.col(SAMPLE).sum()) if keys else frame.select(pl.col(SAMPLE).sum())
    value = quantile_of_buckets(frame, quantile, bucket=SKETCH, weight="w", by=keys)
    if not keys and value.is_empty():
        value = pl.DataFrame({"value": [None]}, schema={"value": pl.Float64})
    found = join(sample, value, keys).with_columns(
        numerator=pl.lit(None, EXACT), denominator=pl.col("w").cast(EXACT)
    )
    if not cut.replicates:
        return found
    deleted = quantile_without_each(
        frame, quantile, bucket=SKETCH, weight="w", group=REPLICATE, groups=REPLICATES, by=keys
    )
    return join(found, jackknife(found, deleted, keys, is_share=False), keys)


def _sample_part(metric: Metric) -> Part:
    """The part whose rows are the metric's sample: the denominator's, where those are a sliced panel."""
    for part in reversed(metric.parts):
        if part.is_sliced and is_weighted(part.table):
            return part
    return metric.numerator
