"""Intervals from a delete-a-group jackknife over the 32 groups that subscribers are hashed into.

Weighting a panel up to a census does not make it surer. Leaving each group of subscribers out in turn shows
how far the figure hangs on who was sampled: the variance is (G − 1)/G · Σ (θ₍g₎ − θ̄)², with G = 32
(Wolter, Introduction to Variance Estimation, 2007, chapter 4), and the interval θ ± t · its square root.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

from metrics.telemetry import REPLICATES

__all__ = ["CONFIDENCE", "T", "jackknife"]

CONFIDENCE = 0.90
# Student's t at 95 %, 31 degrees of freedom: scipy.stats.t.ppf(0.95, 31).
T = 1.6955187889


def jackknife(
    values: pl.DataFrame,
    deleted: pl.DataFrame,
    keys: Sequence[str],
    *,
    is_share: bool,
    is_signed: bool = False,
) -> pl.DataFrame:
    """``keys, low, high`` from ``values`` (``keys, value``) and ``deleted`` (``keys, replicate, value``).

    ``deleted`` holds the figure without each group, for all 32. Where a figure without a group does not exist
    (everything is in that group), there is no interval: null. A share stays within 0..1, all else above 0 where
    the figure is, unless it ``is_signed``.
    """
    on = list(keys)
    if not on and values.height == 1:
        return _of_one(values["value"][0], deleted["value"], is_share=is_share, is_signed=is_signed)
    spread = (deleted.group_by(on) if on else deleted.group_by(pl.lit(0).alias("_one"))).agg(
        groups=pl.col("value").is_not_null().sum(),
        squares=((pl.col("value") - pl.col("value").mean()) ** 2).sum(),
    )
    joined = (
        values.join(spread, on=on, how="left", nulls_equal=True) if on else values.join(spread, how="cross")
    )
    error = (pl.col("squares") * (REPLICATES - 1) / REPLICATES).sqrt() * T
    error = pl.when(pl.col("groups") == REPLICATES).then(error)
    low, high = pl.col("value") - error, pl.col("value") + error
    low = low if is_signed else pl.when(pl.col("value") >= 0).then(low.clip(lower_bound=0)).otherwise(low)
    high = high.clip(upper_bound=1) if is_share else high
    return joined.select(*on, low.alias("low"), high.alias("high"))


def _of_one(value: float | None, deleted: pl.Series, *, is_share: bool, is_signed: bool) -> pl.DataFrame:
    """The same of a single figure, without a query over frames."""
    low = high = None
    if value is not None and len(deleted) - deleted.null_count() == REPLICATES:
        squares = float(((deleted - deleted.mean()) ** 2).sum())
        error = math.sqrt(squares * (REPLICATES - 1) / REPLICATES) * T
        low, high = value - error, value + error
        low = max(low, 0.0) if value >= 0 and not is_signed else low
        high = min(high, 1.0) if is_share else high
    return pl.DataFrame({"low": [low], "high": [high]}, schema={"low": pl.Float64, "high": pl.Float64})
