"""The two sides of a ratio as frames: ``keys…, [replicate], sum, days, amount, n, w, w2``.

``sum`` is the exact sum, ``days`` what a level was averaged over (1 for all else), and ``amount`` the part in
its unit: ``sum / (part.per · days)``, in floating point.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import numpy as np
import polars as pl

from metrics.parts import Part
from metrics.period import DAY_MS, bucket_start
from metrics.plan import BUCKET, DAY, REPLICATE, Cut
from metrics.rollup import n_columns
from metrics.telemetry import REPLICATES

__all__ = ["EXACT", "SAMPLE", "amount", "join", "quotient", "side", "total", "without_each"]

EXACT = pl.Decimal(38, 10)
SAMPLE = ("n", "w", "w2")
_GROUPS = pl.DataFrame({REPLICATE: range(REPLICATES)}, schema={REPLICATE: pl.Int64})
_SUMS = ("sum", *SAMPLE)
_FACTORS = ("days", "amount")


def side(rolled: pl.DataFrame, part: Part, cut: Cut) -> pl.DataFrame:
    """``part`` out of its rollup; a level averaged over the days of each bucket that have data."""
    keys = [c for c in (*cut.by, BUCKET, DAY, REPLICATE) if c in rolled.columns]
    sample = [rolled[n].alias(name) for n, name in zip(n_columns(part.of), SAMPLE, strict=True)]
    days = pl.Series("days", np.ones(rolled.height, dtype=np.int64))
    found = pl.DataFrame([*(rolled[key] for key in keys), rolled[part.name].alias("sum"), days, *sample])
    return _averaged(found, cut) if part.is_level else found


def total(one: pl.DataFrame, part: Part) -> pl.DataFrame:
    """All jackknife groups together, in the order of ``one`` where it has none; one row of zeros where there is
    nothing to group by."""
    if REPLICATE not in one.columns:
        return _with_amount(one, part)  # a rollup has a row a group
    keys = _keys(one)
    sums = [pl.col(_SUMS).sum(), pl.col("days").first()]
    summed = one.group_by(keys).agg(sums) if keys else one.select(sums)
    return _with_amount(summed.with_columns(pl.col("days").fill_null(0)), part)


def without_each(one: pl.DataFrame, whole: pl.DataFrame, part: Part) -> pl.DataFrame:
    """``whole`` without each of the 32 groups in turn, scaled up to stand for all; unpanelled sides as is."""
    if REPLICATE not in one.columns:
        return whole
    keys = [*_keys(one), REPLICATE]
    own = one.select(*keys, pl.col("sum").alias("own"))
    left = join(whole.join(_GROUPS, how="cross"), own, keys, how="left")
    rest = (pl.col("sum") - pl.col("own").fill_null(0)).alias("sum")
    left = _with_amount(left.with_columns(rest).drop("own"), part)
    return left.with_columns(pl.col("amount") * (REPLICATES / (REPLICATES - 1)))


def quotient(top: pl.Series, bottom: pl.Series) -> pl.Series:
    """``top / bottom`` in floating point, null where ``bottom`` is 0 or either is null.

    By numpy, whose quotient of two floats does not depend on how many rows there are: a data frame of one
    row would be divided by way of a reciprocal, and differ in the last digit.
    """
    x, y = top.cast(pl.Float64).to_numpy(), bottom.cast(pl.Float64).to_numpy()
    found = np.full(len(x), np.nan)
    np.divide(x, y, out=found, where=y != 0)
    return pl.Series(found, nan_to_null=True)


def join(left: pl.DataFrame, right: pl.DataFrame, keys: Sequence[str], *, how: str = "full") -> pl.DataFrame:
    """Join on those of ``keys`` that both have; unknown dimensions meet. Where ``right`` is known by fewer
    keys, it repeats."""
    on = [key for key in keys if key in left.columns and key in right.columns]
    if not on:
        return left.join(right, how="cross")
    if len([key for key in keys if key in left.columns]) > len(on):
        how = "left"
    if how == "left":
        return left.join(right, on=on, how="left", nulls_equal=True)
    return left.join(right, on=on, how="full", nulls_equal=True, coalesce=True)


def amount(sums: pl.Series, days: pl.Series | None, part: Part) -> pl.Series:
    """``part`` in its unit, averaged over ``days`` (None: no level): ``sum / (part.per · days)``, 0 without either."""
    top = sums.cast(pl.Float64).to_numpy()
    per = (
        np.full(len(top), float(part.per))
        if days is None
        else days.cast(pl.Float64).to_numpy() * float(part.per)
    )
    found = np.zeros(len(top))
    np.divide(top, per, out=found, where=(per != 0) & ~np.isnan(top))
    return pl.Series("amount", found)


def _with_amount(one: pl.DataFrame, part: Part) -> pl.DataFrame:
    return one.drop("amount", strict=False).hstack([amount(one["sum"], one["days"], part)])


def _keys(one: pl.DataFrame) -> list[str]:
    return [c for c in one.columns if c not in (*_SUMS, *_FACTORS, REPLICATE)]


def _averaged(one: pl.DataFrame, cut: Cut) -> pl.DataFrame:
    by = [c for c in one.columns if c not in (*_SUMS, *_FACTORS, DAY, REPLICATE)]
    own = [REPLICATE] if REPLICATE in one.columns else []
    buckets: list[str] = []
    if cut.grain_ms:
        buckets = [BUCKET]
        start = bucket_start(nw.col(DAY), max(cut.grain_ms, DAY_MS))
        one = nw.from_native(one).with_columns(start.alias(BUCKET)).to_native()
    # Days with data are days of the whole, whatever slice a row is in.
    known = one.filter(pl.col("sum") > 0)
    day_count = pl.col(DAY).n_unique().cast(pl.Int64).alias("days")
    days = known.group_by(buckets).agg(day_count) if buckets else known.select(day_count)
    keys = [*by, *buckets, *own]
    sums = pl.col(_SUMS).sum()
    summed = one.group_by(keys).agg(sums) if keys else one.select(sums)
    averaged = summed.join(days, on=buckets, how="left") if buckets else summed.join(days, how="cross")
    averaged = averaged.select(*keys, "sum", pl.col("days").fill_null(0), *SAMPLE)
    return averaged if cut.grain_ms is None else _for_each_bucket(averaged, cut.grain_ms)


def _for_each_bucket(daily: pl.DataFrame, grain_ms: int) -> pl.DataFrame:
    """A day's level stands for every bucket that starts in the day."""
    first, last = daily[BUCKET].min(), daily[BUCKET].max()
    if grain_ms >= DAY_MS or not isinstance(first, int) or not isinstance(last, int):
        return daily
    starts = pl.int_range(
        -(-first // grain_ms) * grain_ms, last + DAY_MS, grain_ms, dtype=pl.Int64, eager=True
    )
    days = starts.alias("start").to_frame().with_columns(pl.col("start") // DAY_MS * DAY_MS)
    days = days.select(pl.col("start").alias(BUCKET), start=starts)
    return daily.join(days, on=BUCKET).drop(BUCKET).rename({"start": BUCKET})
