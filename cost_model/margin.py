"""Unit costs and contribution margin: charges ÷ usage, by any dimension both have.

The tree, an identity that multiplies out exactly::

    cost / member-month = cost / GB · GB / stream hour · stream hours / member-month

Cost is EffectiveCost of the pools named (delivery, encoding, control plane). Contribution margin is revenue
less those; content, marketing and everything else is **not** in it, and it is labelled so wherever shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction

import polars as pl

from cost_model.rates import GLOBAL, Rates
from cost_model.usage import Usage, months_of
from metrics.errors import InputError, did_you_mean
from metrics.measures import DAYS_PER_MONTH

__all__ = ["COST_POOLS", "INCLUDED", "revenue_usd", "unit_cost_tree", "unit_costs"]

COST_POOLS = ("delivery", "encoding", "control_plane")
INCLUDED = "delivery, encoding and control plane; content, marketing and overhead are not included"
_DIMENSIONS = {"month": "month", "region": "RegionId", "codec": "x_codec", "cdn": "x_cdn", "isp": "x_isp"}
_NOT_OF_HOURS = ("isp",)
_USD = pl.Decimal(38, 10)
_BYTES_PER_GB = 10**9
_RATIO = Context(prec=16)


def unit_costs(charged: pl.DataFrame, usage: Usage, rates: Rates, by: Sequence[str] = ()) -> pl.DataFrame:
    """Parts and ratios by ``by``: any of month, region, codec, cdn, isp.

    Columns: the dimensions; the parts ``hours, gb, member_months, delivery_usd, encoding_usd,
    control_plane_usd, cost_usd, revenue_usd``; the ratios ``usd_per_hour, usd_per_gb, usd_per_member_month,
    gb_per_hour, hours_per_member_month, revenue_usd_per_hour, contribution_usd_per_hour``. A ratio is null
    where its denominator is 0 or unknown. Unless sliced by region or month, a slice keeps the whole service's
    member-months, so that its cost a member-month adds up; revenue follows hours within a region.
    """
    for name in by:
        if name not in _DIMENSIONS:
            raise InputError(f"no cost dimension {name!r}", mend=did_you_mean(name, _DIMENSIONS))
    keys = list(by)
    month = pl.from_epoch("x_period_start_ts_ms", time_unit="ms").dt.date()
    cost = (
        charged.filter(pl.col("x_cost_pool").is_in(COST_POOLS))
        .with_columns(
            month=month, **{name: pl.col(focus) for name, focus in _DIMENSIONS.items() if name != "month"}
        )
        .group_by(keys or [pl.lit(1).alias("_all")])
        .agg(
            pl.when(pl.col("x_cost_pool") == pool)
            .then(pl.col("EffectiveCost"))
            .otherwise(pl.lit(0, _USD))
            .sum()
            .alias(f"{pool}_usd")
            for pool in COST_POOLS
        )
    )
    size = usage.delivery.group_by(keys or [pl.lit(1).alias("_all")]).agg(pl.col("delivered_bytes").sum())
    frame = cost.join(size, on=keys or "_all", how="full", coalesce=True, nulls_equal=True)
    if not set(by) & set(_NOT_OF_HOURS):
        hours = _hours_with_revenue(usage, rates)
        hours = hours.group_by(keys or [pl.lit(1).alias("_all")]).agg(
            pl.col("playing_ms", "revenue_usd").sum()
        )
        frame = frame.join(hours, on=keys or "_all", how="full", coalesce=True, nulls_equal=True)
    else:
        frame = frame.with_columns(playing_ms=pl.lit(None, pl.Decimal(38, 0)), revenue_usd=pl.lit(None, _USD))
    members = _member_months(usage, [key for key in keys if key in ("month", "region")])
    rows = [_row(row, keys, members) for row in frame.iter_rows(named=True)]
    schema = {key: pl.Date if key == "month" else pl.String for key in keys} | dict.fromkeys(_MEASURES, _USD)
    return pl.DataFrame(rows, schema=schema, orient="row").sort(keys or "cost_usd", nulls_last=True)


def unit_cost_tree(cost_usd: Decimal, usage: Usage) -> dict[str, Fraction | None]:
    """The tree's four figures as exact fractions; null where a denominator is 0.

    ``usd_per_gb · gb_per_hour · hours_per_member_month = usd_per_member_month`` holds exactly.
    """
    gb = Fraction(usage.total_bytes(), _BYTES_PER_GB)
    hours = Fraction(int(usage.hours["playing_ms"].sum()), 3_600_000)
    months = Fraction(usage.member_days()) / DAYS_PER_MONTH

    def ratio(numerator: Fraction, denominator: Fraction) -> Fraction | None:
        return numerator / denominator if denominator else None

    return {
        "usd_per_gb": ratio(Fraction(cost_usd), gb),
        "gb_per_hour": ratio(gb, hours),
        "hours_per_member_month": ratio(hours, months),
        "usd_per_hour": ratio(Fraction(cost_usd), hours),
        "usd_per_member_month": ratio(Fraction(cost_usd), months),
    }


def revenue_usd(usage: Usage, rates: Rates) -> pl.DataFrame:
    """Revenue by ``month, region``: member-months · revenue_price of the region."""
    rows = [
        (
            month,
            region,
            months_of(int(days)) * rates.usd("revenue_price", month, region or GLOBAL),
        )
        for month, region, days in usage.members.group_by("month", "region")
        .agg(pl.col("member_days").sum())
        .sort("month", "region", nulls_last=True)
        .iter_rows()
    ]
    return pl.DataFrame(
        rows, schema={"month": pl.Date, "region": pl.String, "revenue_usd": _USD}, orient="row"
    )


_MEASURES = (
    "hours", "gb", "member_months", "delivery_usd", "encoding_usd", "control_plane_usd", "cost_usd",
    "revenue_usd", "usd_per_hour", "usd_per_gb", "usd_per_member_month", "gb_per_hour",
    "hours_per_member_month", "revenue_usd_per_hour", "contribution_usd_per_hour",
)  # fmt: skip


def _row(
    row: dict[str, Decimal | None], keys: list[str], members: dict[tuple[object, ...], Decimal]
) -> tuple[object, ...]:
    pools = [row[f"{pool}_usd"] or Decimal(0) for pool in COST_POOLS]
    cost = sum(pools, Decimal(0))
    hours = None if row["playing_ms"] is None else row["playing_ms"] / 3_600_000
    gb = (row["delivered_bytes"] or Decimal(0)) / _BYTES_PER_GB
    months = members.get(tuple(row[key] for key in keys if key in ("month", "region")))
    revenue = row["revenue_usd"] if months else None
    earned, spent = _ratio(revenue, hours), _ratio(cost, hours)
    contribution = None if earned is None or spent is None else earned - spent
    return (
        *(row[key] for key in keys), hours, gb, months, *pools, cost, revenue,
        spent, _ratio(cost, gb), _ratio(cost, months), _ratio(gb, hours), _ratio(hours, months), earned,
        contribution,
    )  # fmt: skip


def _hours_with_revenue(usage: Usage, rates: Rates) -> pl.DataFrame:
    """Hours by month, region, codec, cdn, with the region's revenue spread over them by hours."""
    revenue = {(m, r): usd for m, r, usd in revenue_usd(usage, rates).iter_rows()}
    totals = {
        (m, r): ms
        for m, r, ms in usage.hours.group_by("month", "region").agg(pl.col("playing_ms").sum()).iter_rows()
    }
    shares = [
        _ratio(revenue.get((m, r), Decimal(0)) * ms, totals[m, r]) or Decimal(0)
        for m, r, ms in usage.hours.select("month", "region", "playing_ms").iter_rows()
    ]
    return usage.hours.with_columns(pl.Series("revenue_usd", shares, dtype=_USD))


def _member_months(usage: Usage, keys: list[str]) -> dict[tuple[object, ...], Decimal]:
    totals: dict[tuple[object, ...], Decimal] = {}
    for row in usage.members.iter_rows(named=True):
        key = tuple(row[k] for k in keys)
        totals[key] = totals.get(key, Decimal(0)) + months_of(int(row["member_days"]))
    return totals


def _ratio(numerator: Decimal | None, denominator: Decimal | None) -> Decimal | None:
    if numerator is None or not denominator:
        return None
    return _RATIO.divide(numerator, denominator)
