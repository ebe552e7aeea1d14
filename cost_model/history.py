"""Eight plainly synthetic quarters before the first measured one, and a budget, for a service that has no past yet.

They exist so that a demo's report has something to bridge from and a series to forecast. Every charge says so:
``BillingAccountId`` is :data:`ACCOUNT`, ``is_synthetic`` is set, the description begins with "Synthetic history".
They are drawn from the measured quarter backwards, by hashes alone, so the same quarter gives the same past.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import polars as pl

from cost_model.period import COSTS, HOURS, KEYS, SIZES, Period
from cost_model.usage import Quarter
from metrics.telemetry import get_table

__all__ = [
    "ACCOUNT", "BUDGET_ORIGIN", "ORIGIN", "QUARTERS", "earlier", "from_charges", "history_charges",
    "synthetic_budget", "synthetic_history",
]  # fmt: skip

ACCOUNT = "playhead-synthetic-history"
ORIGIN = "synthetic history"
BUDGET_ORIGIN = "synthetic budget"
QUARTERS = 8

# Per quarter back: the service was smaller, prices higher, hours heavier, AV1 rarer.
_GROWTH, _PRICE_FALL, _LEANER = 0.022, 0.012, 0.006
_AV1_RISE = 0.05
_SEASON = {1: 0.03, 2: -0.03, 3: -0.02, 4: 0.02}
_NOISE = 0.012
_PLANNED = {"volume": 0.03, "price": -0.02, "leaner": -0.01}


def synthetic_history(now: Period, *, quarters: int = QUARTERS) -> tuple[Period, ...]:
    """Quarters before ``now``, earliest first."""
    return tuple(_earlier(now, back) for back in range(quarters, 0, -1))


def synthetic_budget(before: Period, quarter: Quarter) -> Period:
    """What a planner would have written: the quarter before, 3 % more hours, 2 % cheaper, 1 % leaner, without ISPs."""
    grown, cheaper, leaner = 1 + _PLANNED["volume"], 1 + _PLANNED["price"], 1 + _PLANNED["leaner"]
    coarse = [pl.lit(None, pl.String).alias(key) for key in ("isp", "tier")]
    costs, sizes = (
        frame.with_columns(coarse)
        .group_by(keys, maintain_order=True)
        .agg(pl.col(measure).sum())
        .select(names)
        for frame, keys, measure, names in (
            (before.costs, ["pool", *KEYS], "effective_usd", COSTS.names()),
            (before.sizes, [*KEYS], "delivered_bytes", SIZES.names()),
        )
    )
    return Period(
        quarter=quarter,
        origin=BUDGET_ORIGIN,
        days=before.days,
        costs=_scaled(costs, "effective_usd", pl.lit(grown * cheaper * leaner)),
        sizes=_scaled(sizes, "delivered_bytes", pl.lit(grown * leaner)),
        hours=_scaled(before.hours, "playing_ms", pl.lit(grown)),
    )


def history_charges(period: Period) -> pl.DataFrame:
    """A past quarter's cells as rows of the contract's table ``charge``, marked as what they are."""
    table = get_table("charge")
    start, end = period.quarter.ts_ms()
    service = {"delivery": "Content delivery", "encoding": "Video encoding", "control_plane": "Control plane"}
    category = {"delivery": "Networking", "encoding": "Media", "control_plane": "Compute"}
    bytes_ = period.sizes.rename({"delivered_bytes": "consumed"})
    frame = period.costs.join(bytes_, on=list(KEYS), how="left", nulls_equal=True).select(
        x_period_start_ts_ms=pl.lit(start),
        x_period_end_ts_ms=pl.lit(end),
        BillingAccountId=pl.lit(ACCOUNT),
        BillingCurrency=pl.lit("USD"),
        BilledCost="effective_usd",
        EffectiveCost="effective_usd",
        ListCost="effective_usd",
        ChargeCategory=pl.lit("Usage"),
        ChargeDescription=pl.lit("Synthetic history: ") + pl.col("pool").str.replace_all("_", " "),
        ConsumedQuantity=(pl.col("consumed").cast(pl.Decimal(38, 10)) / 10**9).cast(pl.Decimal(38, 10)),
        ConsumedUnit=pl.when(pl.col("consumed").is_not_null()).then(pl.lit("GB")),
        ProviderName=pl.lit("Synthetic"),
        PublisherName=pl.lit("Synthetic"),
        ServiceCategory=pl.col("pool").replace_strict(category),
        ServiceName=pl.col("pool").replace_strict(service),
        RegionId="region",
        SkuId=pl.lit("synthetic_history_") + pl.col("pool"),
        x_cost_pool="pool",
        x_isp="isp",
        x_tier="tier",
        x_codec="codec",
        x_cdn="cdn",
        is_synthetic=pl.lit(True),
    )
    missing = [name for name in table.schema.names() if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, table.schema[name]).alias(name) for name in missing)
    return frame.select(table.schema.names()).cast(table.schema)


def earlier(quarter: Quarter, back: int) -> Quarter:
    """The quarter ``back`` before.

    >>> str(earlier(Quarter.parse("2026Q2"), 3))
    '2025Q3'
    """
    number = quarter.year * 4 + quarter.number - 1 - back
    return Quarter(number // 4, number % 4 + 1)


def from_charges(charged: pl.DataFrame, quarter: Quarter, hours: pl.DataFrame, days: int) -> Period:
    """The period that :func:`history_charges` wrote; bytes are those consumed, hours are kept beside them."""
    renamed = charged.select(
        pool="x_cost_pool", region="RegionId", isp="x_isp", tier="x_tier", cdn="x_cdn", codec="x_codec",
        effective_usd="EffectiveCost", consumed="ConsumedQuantity",
    )  # fmt: skip
    sizes = renamed.filter(pl.col("consumed").is_not_null()).unique(
        [*KEYS], keep="first", maintain_order=True
    )
    return Period(
        quarter,
        ORIGIN,
        days,
        renamed.select(COSTS.names()).sort(["pool", *KEYS], nulls_last=True),
        sizes.with_columns(delivered_bytes=(pl.col("consumed") * 10**9).cast(pl.Decimal(38, 0)))
        .select(SIZES.names())
        .sort(KEYS, nulls_last=True),
        hours.select(HOURS.names()).sort("region", "codec", nulls_last=True),
    )


def _earlier(now: Period, back: int) -> Period:
    quarter = earlier(now.quarter, back)
    season = (1 + _SEASON[quarter.number]) / (1 + _SEASON[now.quarter.number])
    size = (1 + _GROWTH) ** -back * season
    days = min(now.days, (quarter.end - quarter.months[0]).days)
    heavier = (1 + _LEANER) ** back
    places = now.hours.select("region", "codec").unique()
    volume = {
        (region, codec): size * _codec_shift(codec, back) * _noise(quarter, "hours", region, codec)
        for region, codec in places.iter_rows()
    }
    weight = {place: factor * heavier * _noise(quarter, "bytes", *place) for place, factor in volume.items()}
    price = {
        pool: (1 + _PRICE_FALL) ** back * _noise(quarter, "price", pool, None)
        for pool in sorted(set(now.costs["pool"]))
    }
    return replace(
        now,
        quarter=quarter,
        origin=ORIGIN,
        days=days,
        hours=_scaled(now.hours, "playing_ms", _of_place(volume, size)),
        sizes=_scaled(now.sizes, "delivered_bytes", _of_place(weight, size * heavier)),
        costs=_scaled(
            now.costs,
            "effective_usd",
            _of_place(weight, size * heavier) * pl.col("pool").replace_strict(price, return_dtype=pl.Float64),
        ),
    )


def _codec_shift(codec: str | None, back: int) -> float:
    return (1 - _AV1_RISE) ** back if codec in ("av1", "av1_fgs") else 1 + 0.01 * back


def _noise(quarter: Quarter, *of: str | None) -> float:
    text = "|".join([str(quarter), *(part or "" for part in of)])
    drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") / 2**64
    return 1 + _NOISE * (2 * drawn - 1)


def _of_place(factors: Mapping[tuple[str | None, str | None], float], otherwise: float) -> pl.Expr:
    keys = {f"{region}|{codec}": factor for (region, codec), factor in factors.items()}
    place = pl.concat_str(pl.col("region").fill_null("None"), pl.lit("|"), pl.col("codec").fill_null("None"))
    return place.replace_strict(keys, default=otherwise, return_dtype=pl.Float64)


def _scaled(frame: pl.DataFrame, measure: str, factor: pl.Expr) -> pl.DataFrame:
    # Exact from here on: the factor is cut to 10⁻⁶ first, so no float multiplies an amount.
    parts = frame.select((factor * 1e6).round().cast(pl.Int64).alias("millionths")).to_series()
    if parts.len() == 1:
        parts = parts.extend_constant(parts[0], frame.height - 1) if frame.height else parts.clear()
    scale = frame.schema[measure].scale  # type: ignore[attr-defined]
    quantum = Decimal(1).scaleb(-scale)
    values = [
        (Decimal(value) * part / 10**6).quantize(quantum)
        for value, part in zip(frame[measure].to_list(), parts.to_list(), strict=True)
    ]
    return frame.with_columns(pl.Series(measure, values, dtype=frame.schema[measure]))
