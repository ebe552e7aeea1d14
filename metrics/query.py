"""Metrics of a lake, by any dimensions, slice, period and grain: the one door for whoever asks.

::

    measure(lake, ["rebuffer_rate", "watch_hours_per_subscriber"], by=["region"], grain="1d", intervals=True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import IntoLazyFrame

from metrics.catalog import METRICS, Metric, get_metric
from metrics.cube import source_of
from metrics.errors import InputError
from metrics.figures import figures, grouped, sample_part
from metrics.intervals import jackknife
from metrics.lake import Lake
from metrics.parts import is_weighted
from metrics.period import DAY_MS, grain_ms
from metrics.plan import BUCKET, DAY, REPLICATE, SKETCH, Cut, PartKey, Source, check_dimensions, roll_up
from metrics.rollup import merge
from metrics.sides import join
from metrics.survival import curve

__all__ = ["apart", "check_cut", "cut_of", "measure", "measure_frames", "measured", "survival"]

Where = Mapping[str, Sequence[str | None]]


def measure(
    lake: Lake | Source,
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


def measured(rows: Source, metrics: Sequence[Metric], *, by: str) -> dict[str | None, pl.DataFrame]:
    """:func:`measure` with intervals, of the whole (None) and each known value of ``by``; rows are looked at once."""
    cut = cut_of(metrics, [by], None, None, None, None, intervals=True)
    groups = apart(roll_up(rows, metrics, cut), by)
    whole = replace(cut, by=())
    return {
        value: pl.concat([_measured(metric, rolled, whole) for metric in metrics])
        for value, rolled in groups.items()
    }


def apart(
    rolled: Mapping[PartKey, pl.DataFrame], dimension: str
) -> dict[str | None, dict[PartKey, pl.DataFrame]]:
    """A rollup by a dimension as rollups without it: added up (None), and of each known value alone."""
    values = {v for frame in rolled.values() for v in frame[dimension].drop_nulls().unique()}
    found: dict[str | None, dict[PartKey, pl.DataFrame]] = {
        None: {key: _over(frame, dimension) for key, frame in rolled.items()}
    }
    for value in sorted(values):
        found[value] = {k: f.filter(pl.col(dimension) == value).drop(dimension) for k, f in rolled.items()}
    return found


def _over(frame: pl.DataFrame, dimension: str) -> pl.DataFrame:
    own = (BUCKET, DAY, REPLICATE, SKETCH)
    keys = [c for c, t in frame.schema.items() if (c in own or not t.is_numeric()) and c != dimension]
    sums = pl.all().exclude(keys).cast(pl.Decimal(38, 0))  # what is held may come in 64 bits
    rows = frame.drop(dimension).lazy().with_columns(sums)
    added: pl.DataFrame = merge(nw.from_native(rows), keys).collect("polars").to_native()
    return added


def survival(
    source: Lake | Source | Mapping[str, IntoLazyFrame],
    name: str,
    *,
    by: Sequence[str] = (),
    where: Where | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
    intervals: bool = True,
) -> pl.DataFrame:
    """The whole curve of a metric of kind ``survival``, as :func:`metrics.survival.curve` gives it.

    Raises :class:`~metrics.errors.InputError` for a metric of another kind, and as :func:`measure`.
    """
    metric = get_metric(name)
    if metric.kind != "survival":
        curves = [known for known, one in METRICS.items() if one.kind == "survival"]
        raise InputError(f"{name} is no time to an event", mend=f"ask for {', '.join(curves)}")
    cut = cut_of([metric], by, where, start_ts_ms, end_ts_ms, None, intervals=intervals)
    return curve(grouped(metric, roll_up(source_of(source), [metric], cut), cut), by=cut.by)


def check_cut(names: Sequence[str], dimensions: Sequence[str], grain: str | None = None) -> None:
    """Raise :class:`~metrics.errors.InputError` where a metric cannot be cut by a dimension or a grain."""
    _check([get_metric(name) for name in names], dimensions, grain)


def _check(metrics: Sequence[Metric], dimensions: Sequence[str], grain: str | None) -> None:
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
    cut = cut_of(metrics, by, where, start_ts_ms, end_ts_ms, grain, intervals)
    rolled = roll_up(source, metrics, cut)
    rows = [_measured(metric, rolled, cut) for metric in metrics]
    if not cut.by and not cut.grain_ms:  # a row each, in the order of the question
        return pl.concat(rows)
    order = {metric.name: place for place, metric in enumerate(metrics)}
    place = pl.col("metric").replace_strict(order, return_dtype=pl.Int64)
    return pl.concat(rows).sort(place, *cut.bucket, *cut.by, nulls_last=True)


def cut_of(
    metrics: Sequence[Metric],
    by: Sequence[str],
    where: Where | None,
    start_ts_ms: int | None,
    end_ts_ms: int | None,
    grain: str | None,
    intervals: bool,
) -> Cut:
    """How the telemetry is to be cut, if these metrics can be."""
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
    _check(metrics, [*cut.by, *(name for name, _ in cut.where)], grain)
    return cut


def _measured(metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut) -> pl.DataFrame:
    keys = [*cut.by, *cut.bucket]
    found, deleted = figures(metric, rolled, cut, keys)
    if cut.replicates and deleted is not None:
        is_share = metric.unit == "ratio"
        bounds = jackknife(found, deleted, keys, is_share=is_share, is_signed=metric.is_signed)
        found = join(found, bounds, keys)
    elif cut.replicates:
        none = pl.Series([None], dtype=pl.Float64).new_from_index(0, found.height)
        found = found.hstack([none.alias(name) for name in ("low", "high")])
    said = {"metric": metric.name, "unit": metric.unit}
    columns = {
        **{name: pl.Series(name, [text]).new_from_index(0, found.height) for name, text in said.items()},
        "n": found["n"].cast(pl.Int64),
        "n_effective": _effective(found, is_weighted(sample_part(metric).table)),
    }
    order = ("metric", "value", "numerator", "denominator", "unit", "n", "n_effective")
    ends = ("low", "high") if cut.replicates else ()
    return pl.DataFrame(
        [columns[name] if name in columns else found[name] for name in (*keys, *order, *ends)]
    )


def _effective(found: pl.DataFrame, is_panel: bool) -> pl.Series:
    """Kish's effective sample size, (Σw)² / Σw²; null for what is no panel, and without a weight."""
    weight, squares = (found[name].cast(pl.Float64).to_numpy() for name in ("w", "w2"))
    kish = np.full(len(weight), np.nan)
    if is_panel:
        np.divide(weight * weight, squares, out=kish, where=squares > 0)
    return pl.Series("n_effective", kish, nan_to_null=True)
