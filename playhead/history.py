"""Quarters before the one reported: from the lake where they were reported, else what the demo supplied beside it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl

from cost_model.history import (
    ACCOUNT,
    BUDGET_ORIGIN,
    QUARTERS,
    earlier,
    from_charges,
    history_charges,
    synthetic_budget,
    synthetic_history,
)
from cost_model.margin import COST_POOLS
from cost_model.period import COSTS, HOURS, KEYS, SIZES, Period
from cost_model.usage import Quarter
from cost_model.value import Received
from metrics.charges import COMPUTED_ACCOUNT
from metrics.lake import Lake
from playhead.usage import collect_each

__all__ = ["past", "received_content", "retained_members", "supplied_budget", "supply"]

CHARGES, HOURS_FILE, BUDGET = "history/charges.parquet", "history/hours.parquet", "history/budget.parquet"
_BYTES = pl.Decimal(38, 0)


def supply(lake: Lake, now: Period) -> None:
    """Write eight synthetic quarters before ``now`` and a synthetic budget for it beside the lake's tables.

    They are artefacts, not rows of the lake: no metric counts them, and their charges say what they are.
    """
    periods = synthetic_history(now)
    folder = lake.artefact(CHARGES).parent
    folder.mkdir(parents=True, exist_ok=True)
    pl.concat([history_charges(p) for p in periods]).write_parquet(lake.artefact(CHARGES))
    pl.concat([_labelled(p) for p in periods]).write_parquet(lake.artefact(HOURS_FILE))
    budget = synthetic_budget(periods[-1], now.quarter)
    kept = [
        budget.costs.select(pl.lit("usd").alias("measure"), "pool", *KEYS, value="effective_usd"),
        budget.sizes.select(pl.lit("bytes").alias("measure"), *KEYS, value="delivered_bytes"),
        budget.hours.select(pl.lit("ms").alias("measure"), *HOURS.names()[:2], value="playing_ms"),
    ]
    money = pl.Decimal(38, 10)
    frame = pl.concat([f.with_columns(pl.col("value").cast(money)) for f in kept], how="diagonal")
    frame.with_columns(quarter=pl.lit(str(now.quarter)), days=pl.lit(budget.days)).write_parquet(
        lake.artefact(BUDGET)
    )


def past(lake: Lake, quarter: Quarter, *, count: int = QUARTERS) -> tuple[Period, ...]:
    """Up to ``count`` quarters before, earliest first: those reported to the lake, and supplied ones for the rest."""
    wanted = [earlier(quarter, back) for back in range(count, 0, -1)]
    found = {str(p.quarter): p for p in _supplied(lake) if p.quarter in wanted}
    found |= {str(p.quarter): p for p in _reported(lake, wanted)}
    return tuple(found[str(q)] for q in wanted if str(q) in found)


def supplied_budget(lake: Lake, quarter: Quarter) -> Period | None:
    """The budget that :func:`supply` wrote for this quarter, if any."""
    path = lake.artefact(BUDGET)
    if not path.is_file():
        return None
    frame = pl.read_parquet(path)
    if frame.is_empty() or frame["quarter"][0] != str(quarter):
        return None
    usd, size, hours = (frame.filter(pl.col("measure") == name) for name in ("usd", "bytes", "ms"))
    return Period(
        quarter,
        BUDGET_ORIGIN,
        int(frame["days"][0]),
        usd.rename({"value": "effective_usd"}).select(COSTS.names()),
        size.select(*KEYS, delivered_bytes=pl.col("value").cast(_BYTES)).select(SIZES.names()),
        hours.select("region", "codec", playing_ms=pl.col("value").cast(_BYTES)).select(HOURS.names()),
    )


def retained_members(lake: Lake, quarter: Quarter) -> int:
    """Members who paid on the first and on the last day of the quarter that has members, weights applied."""
    paying = lake.scan("membership").filter(
        pl.col("day").is_between(quarter.months[0], quarter.end - timedelta(days=1)),
        pl.col("status") == "paying",
    )
    first, last = paying.select(first=pl.col("day").min(), last=pl.col("day").max()).collect().row(0)
    if first is None or first == last:
        return 0
    both = (
        paying.filter(pl.col("day").is_in([first, last]))
        .group_by("subscriber_id")
        .agg(days=pl.col("day").n_unique(), weight=pl.col("weight").min())
        .filter(pl.col("days") == 2)
        .select(pl.col("weight").cast(_BYTES).sum())
        .collect()
    )
    return int(both.item() or 0)


def received_content(lake: Lake, quarter: Quarter) -> Received | None:
    """Charges received in USD of pool ``content`` whose period begins in the quarter; None where there are none."""
    start, end = quarter.ts_ms()
    charged = (
        lake.scan("charge")
        .filter(
            pl.col("x_period_start_ts_ms").is_between(start, end, closed="left"),
            pl.col("x_cost_pool") == "content",
            pl.col("BillingCurrency") == "USD",
            pl.col("BillingAccountId") != COMPUTED_ACCOUNT,
        )
        .select("EffectiveCost", first="x_period_start_ts_ms", last=pl.col("x_period_end_ts_ms") - 1)
        .collect()
    )
    if charged.is_empty():
        return None
    first, last = (
        pl.from_epoch(instant, time_unit="ms").dt.date().dt.truncate("1mo") for instant in ("first", "last")
    )
    months = charged.select(pl.date_ranges(first, last, "1mo").explode().unique()).to_series()
    return Received(Decimal(charged["EffectiveCost"].sum()), frozenset(months))


def _reported(lake: Lake, quarters: list[Quarter]) -> list[Period]:
    """Quarters whose charges the lake has, with the bytes and hours they were for."""
    start, end = quarters[0].ts_ms()[0], quarters[-1].ts_ms()[1]
    at = pl.from_epoch("x_period_start_ts_ms", time_unit="ms")
    costs = (
        lake.scan("charge")
        .filter(
            pl.col("x_period_start_ts_ms").is_between(start, end, closed="left"),
            pl.col("BillingAccountId") == COMPUTED_ACCOUNT,
            pl.col("x_cost_pool").is_in(COST_POOLS),
        )
        .group_by(
            _quarter(at),
            pool="x_cost_pool",
            region="RegionId",
            isp="x_isp",
            tier="x_tier",
            cdn="x_cdn",
            codec="x_codec",
        )
        .agg(effective_usd=pl.col("EffectiveCost").sum())
        .collect()
    )
    if costs.is_empty():
        return []
    here = pl.col("day").is_between(quarters[0].months[0], quarters[-1].end, closed="left")
    counted = lake.scan("playback_session").filter(here, pl.col("excluded_reason").is_null())
    delivered = lake.scan("delivery").filter(here)
    sizes, hours, days = collect_each(
        [
            delivered.group_by(_quarter(pl.col("day")), *KEYS).agg(
                pl.col("delivered_bytes").cast(_BYTES).sum()
            ),
            counted.group_by(_quarter(pl.col("day")), "region", "codec").agg(
                playing_ms=(pl.col("playing_ms").cast(_BYTES) * pl.col("weight").cast(_BYTES)).sum()
            ),
            delivered.group_by(_quarter(pl.col("day"))).agg(days=pl.col("day").n_unique().cast(pl.Int64)),
        ]
    )
    observed = dict(days.iter_rows())
    return [
        Period(
            quarter,
            "measured",
            int(observed.get(str(quarter), 0)) or (quarter.end - quarter.months[0]).days,
            *(f.filter(pl.col("quarter") == str(quarter)).drop("quarter") for f in (costs, sizes, hours)),
        )
        for quarter in quarters
        if costs.filter(pl.col("quarter") == str(quarter)).height
    ]


def _supplied(lake: Lake) -> list[Period]:
    if not lake.artefact(CHARGES).is_file():
        return []
    charged = pl.read_parquet(lake.artefact(CHARGES)).filter(pl.col("BillingAccountId") == ACCOUNT)
    hours = pl.read_parquet(lake.artefact(HOURS_FILE))
    charged = charged.with_columns(_quarter(pl.from_epoch("x_period_start_ts_ms", time_unit="ms")))
    return [
        from_charges(
            charged.filter(pl.col("quarter") == name),
            Quarter.parse(name),
            rows.drop("quarter", "days"),
            int(rows["days"][0]),
        )
        for (name,), rows in hours.group_by("quarter", maintain_order=True)
    ]


def _labelled(period: Period) -> pl.DataFrame:
    return period.hours.with_columns(quarter=pl.lit(str(period.quarter)), days=pl.lit(period.days))


def _quarter(at: pl.Expr) -> pl.Expr:
    return pl.concat_str(at.dt.year().cast(pl.String), pl.lit("Q"), at.dt.quarter().cast(pl.String)).alias(
        "quarter"
    )
