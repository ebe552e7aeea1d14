"""A metric by a dimension, worst first: ranked by what each value does to the whole, not by its own figure."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from metrics.metric import Metric

__all__ = ["DRILL", "breakdown", "with_days"]

# Where a click leads: the next dimension down.
DRILL = {"region": "isp", "isp": "site", "site": "device", "device": "codec", "codec": "cdn"}


def breakdown(
    metric: Metric,
    by: Sequence[str],
    now: pl.DataFrame,
    before: pl.DataFrame | None,
    overall: float | None,
) -> pl.DataFrame:
    """The combinations of ``by``'s values with their share in how far the metric is off.

    ``now`` and ``before``: :func:`metrics.query.measure` by ``by``; ``overall`` the metric over all of it.
    ``impact`` says what the whole would gain without the difference of this value from it, so that a small
    place with a terrible figure stands below a large one with a bad figure::

        impact = ± (value − overall) · denominator / Σ denominator      (+ where lower is better)

    and for a total, its change against the period before. Positive is harm. Columns: those of ``by``, ``value,
    low, high, before, change, n, n_effective, share, impact``, worst first.
    """
    rows = now.filter(pl.col("metric") == metric.name)
    by = list(by)
    old = pl.DataFrame(schema={name: now.schema[name] for name in by} | {"before": pl.Float64})
    if before is not None:
        old = before.filter(pl.col("metric") == metric.name).select(*by, before="value")
    worse = 1.0 if metric.better == "lower" else -1.0
    weight = pl.col("denominator" if metric.kind != "total" else "numerator").cast(pl.Float64)
    # A part that is not sliced (members of the whole service) is the same for every value: hours rank instead.
    flat = metric.denominator is not None and not metric.denominator.is_sliced
    off = pl.lit(overall, pl.Float64) if overall is not None and not flat and metric.kind != "total" else None
    frame = rows.join(old, on=by, how="left", nulls_equal=True).with_columns(
        change=pl.col("value") - pl.col("before"),
        share=weight / weight.sum() if not flat else pl.col("value") / pl.col("value").sum(),
    )
    impact = (
        worse * (pl.col("value") - off) * pl.col("share") if off is not None else worse * pl.col("change")
    )
    for name in ("low", "high"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name))
    columns = (*by, "value", "low", "high", "before", "change", "n", "n_effective", "share", "impact")
    return (
        frame.with_columns(impact=impact)
        .select(columns)
        .sort("impact", *by, descending=[True, *[False] * len(by)], nulls_last=True)
    )


def with_days(frame: pl.DataFrame, daily: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """``frame`` with the column ``days``: the metric's values by bucket, in order, as a list."""
    lists = (
        daily.sort("bucket_ts_ms").group_by(list(by), maintain_order=True).agg(pl.col("value").alias("days"))
    )
    return frame.join(lists, on=list(by), how="left", nulls_equal=True, maintain_order="left")
