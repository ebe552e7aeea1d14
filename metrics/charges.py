"""Which charges count, and when: on the delivery clock a charge period is spread evenly over the buckets it
overlaps, to the last unit.

What falls in ``[a, b)`` of a charge period ``[p, q)`` is ``⌊c·(b−p)/(q−p)⌋ − ⌊c·(a−p)/(q−p)⌋`` with the cost
``c`` in units of 10⁻¹⁰, so that the pieces of any cutting add up to the charge exactly.

A bill that was received takes the place of what was computed for the same cost pool, CDN and calendar month;
what no bill covers stands as computed. So a lake that holds both counts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import narwhals as nw
import polars as pl

from metrics.period import bucket_start

__all__ = ["COMPUTED_ACCOUNT", "in_force", "spread_charges"]

COMPUTED_ACCOUNT = "playhead"
"""BillingAccountId of charges computed from usage, which tells them from a bill that was received."""

_UNIT = 10**10
_FROM, _TO = "x_period_start_ts_ms", "x_period_end_ts_ms"
_READ = ("x_cost_pool", "BillingCurrency")


def in_force(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The charges that count: all received ones, and those computed that none received covers.

    Covered is a month (UTC) in which the period of a received charge in USD, of the same pool, lies or begins or
    ends; of the same CDN, where the received one names a CDN.
    """
    is_computed = nw.col("BillingAccountId") == COMPUTED_ACCOUNT
    received: pl.DataFrame = (
        frame.filter(~is_computed, nw.col("BillingCurrency") == "USD", ~nw.col("x_cost_pool").is_null())
        .group_by("x_cost_pool", "x_cdn", _FROM, _TO)
        .agg(nw.len().alias("charges"))
        .collect("polars")
        .to_native()
    )
    if received.is_empty():
        return frame
    covered = [
        (nw.col("x_cost_pool") == pool) & (nw.col(_FROM) >= first) & (nw.col(_FROM) < end)
        if cdn is None
        else (nw.col("x_cost_pool") == pool)
        & (nw.col("x_cdn") == cdn).fill_null(False)
        & (nw.col(_FROM) >= first)
        & (nw.col(_FROM) < end)
        for pool, cdn, first, end in _months(received).iter_rows()
    ]
    return frame.filter(~(is_computed & reduce(or_, covered)).fill_null(False))


def spread_charges(
    frame: nw.LazyFrame[Any],
    keep: Sequence[str],
    *,
    start_ts_ms: int | None,
    end_ts_ms: int | None,
    grain_ms: int | None,
    bucket: str,
) -> nw.LazyFrame[Any]:
    """``keep`` columns, pool, currency and ``EffectiveCost`` of what falls in the period, by bucket.

    Without a period and a grain charges are left as they are. ``bucket`` is the column added for a grain.
    """
    if start_ts_ms is None and end_ts_ms is None and grain_ms is None:
        return frame
    keys = list(dict.fromkeys((*keep, *_READ, _FROM, _TO)))
    # By whatever engine holds them; what is left is a bill, and is spread here.
    charges: pl.DataFrame = (
        frame.group_by(keys).agg(nw.col("EffectiveCost").sum()).collect("polars").to_native()
    )
    first, last = charges[_FROM].min(), charges[_TO].max()
    if first is None or last is None:
        return nw.from_native(charges.lazy().with_columns(pl.lit(0, pl.Int64).alias(bucket)))
    low = int(str(first)) if start_ts_ms is None else start_ts_ms
    high = int(str(last)) if end_ts_ms is None else end_ts_ms
    pieces = charges.lazy().join(_buckets(low, high, grain_ms, bucket).lazy(), how="cross")
    pieces = pieces.filter((pl.col("b_from") < pl.col(_TO)) & (pl.col("b_to") > pl.col(_FROM)))
    units = (pl.col("EffectiveCost") * _UNIT).cast(pl.Int128)
    length = (pl.col(_TO) - pl.col(_FROM)).cast(pl.Int128)

    def until(instant: pl.Expr) -> pl.Expr:
        return units * (instant - pl.col(_FROM)).cast(pl.Int128) // length

    piece = until(pl.min_horizontal("b_to", _TO)) - until(pl.max_horizontal("b_from", _FROM))
    # Whole and fraction apart: as one Decimal(38, 10) the unscaled integer might not fit.
    exact = (piece // _UNIT).cast(pl.Decimal(38, 10)) + (piece % _UNIT).cast(pl.Decimal(38, 10)) / _UNIT
    spread = pieces.with_columns(exact.cast(pl.Decimal(38, 10)).alias("EffectiveCost"))
    return nw.from_native(spread.drop("b_from", "b_to"))


def _buckets(low: int, high: int, grain_ms: int | None, bucket: str) -> pl.DataFrame:
    if grain_ms is None:
        return pl.DataFrame({bucket: [low], "b_from": [low], "b_to": [high]})
    first = nw.from_native(pl.DataFrame({"t": [low]})).select(bucket_start(nw.col("t"), grain_ms)).item()
    starts = pl.int_range(first, high, grain_ms, dtype=pl.Int64, eager=True).alias(bucket)
    return starts.to_frame().with_columns(
        b_from=pl.max_horizontal(bucket, pl.lit(low)),
        b_to=pl.min_horizontal(pl.col(bucket) + grain_ms, pl.lit(high)),
    )


def _months(received: pl.DataFrame) -> pl.DataFrame:
    """``x_cost_pool, x_cdn, first_ms, end_ms``: the calendar months that the charges lie in, a row each."""
    first, last = (
        pl.from_epoch(instant, time_unit="ms").dt.date().dt.truncate("1mo")
        for instant in (pl.col(_FROM), pl.col(_TO) - 1)
    )
    month = pl.date_ranges(first, last, "1mo").alias("month")
    months = received.select("x_cost_pool", "x_cdn", month).explode("month").unique(maintain_order=True)

    def instant(day: pl.Expr) -> pl.Expr:
        return day.cast(pl.Datetime("ms")).dt.epoch("ms")

    return months.select(
        "x_cost_pool",
        "x_cdn",
        first_ms=instant(pl.col("month")),
        end_ms=instant(pl.col("month").dt.offset_by("1mo")),
    )
