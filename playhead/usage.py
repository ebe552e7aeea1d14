"""What a lake's telemetry says a quarter used: the frames the cost model bills, aggregated as they are read."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

import narwhals as nw
import polars as pl

from cost_model.rates import Rates
from cost_model.usage import USAGE_SCHEMAS, Quarter, Usage, fleet
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.measures import DAYS_PER_MONTH
from metrics.truth import counterfactuals
from metrics.unknown import told

__all__ = [
    "collect_each",
    "hours_told",
    "measured_consumption",
    "measured_usage",
    "paired_worlds",
    "title_hours",
]

FACTUAL, H264_ONLY = "factual", "h264_only"
_BYTES = pl.Decimal(38, 0)
_SLICE = ("month", "region", "isp", "tier", "cdn", "codec")
_MONTH = pl.col("day").dt.truncate("1mo").alias("month")
_TIER_OF_BYTES = {
    "edge_bytes": ("edge", "own"),
    "storage_bytes": ("storage", "own"),
    "third_party_bytes": ("third_party", "third_party"),
    "unattributed_bytes": ("unattributed", "third_party"),
}


def measured_usage(lake: Lake, quarter: Quarter, rates: Rates) -> tuple[Usage, dict[str, tuple[float, str]]]:
    """Usage of the quarter, and the consumption measured with it (for break-even and payback).

    Bytes come from ``delivery``; where a lake has none (telemetry of players alone), bytes and hours come from
    those of its sessions that tell both.
    """
    here = pl.col("day").is_between(quarter.months[0], quarter.end, closed="left")
    counted = lake.scan("playback_session").filter(here, pl.col("excluded_reason").is_null())
    source, health = lake.scan("delivery").filter(here), lake.scan("appliance_health").filter(here)
    by_appliance, hourly, hours, members, encode, control, appliances, reported = collect_each(
        [
            source.group_by(_MONTH, *_SLICE[1:], "appliance").agg(
                pl.col("delivered_bytes").cast(_BYTES).sum()
            ),
            _hourly(source),
            _hours(counted),
            lake.scan("membership")
            .filter(here, pl.col("status") == "paying")
            .group_by(_MONTH, "region")
            .agg(member_days=pl.col("weight").sum().cast(_BYTES)),
            lake.scan("encode")
            .filter(pl.col("encoded_ts_ms") < quarter.ts_ms()[1])
            .group_by(
                pl.from_epoch("encoded_ts_ms", time_unit="ms").dt.date().dt.truncate("1mo").alias("month"),
                "codec",
            )
            .agg(pl.col("runtime_ms").sum()),
            lake.scan("control_request")
            .filter(here)
            .group_by(_MONTH, "service", "region")
            .agg(requests=pl.col("weight").sum()),
            health.group_by(_MONTH, "region", "site", "tier", "appliance")
            .agg(pl.col("capacity_kbps").max())
            .group_by("month", "region", "site", "tier")
            .agg(pl.col("capacity_kbps").sum()),
            health.group_by(_MONTH, "region", "tier", "ts_ms")
            .agg(pl.col("peak_kbps").sum())
            .group_by("month", "region", "tier")
            .agg(reported_kbps=pl.col("peak_kbps").max()),
        ]
    )
    peaks = _peaks(hourly, by_appliance)
    days = hourly.group_by("month").agg(days=pl.col("day").n_unique().cast(pl.Int64))
    is_empty = not hours.height
    delivery = by_appliance.group_by(_SLICE).agg(pl.col("delivered_bytes").sum())
    if not delivery.height:
        delivery, days, hours = _usage_of_sessions(counted)
        peaks = peaks.clear()
    if not delivery.height and not is_empty:
        raise InputError(
            f"the sessions of {quarter} have no bytes beside a time playing, and there is no delivery",
            where=str(lake.path),
            mend="map unattributed_bytes (all bytes of a session), or edge_bytes, storage_bytes and "
            "third_party_bytes where they are known, and playing_ms, with playhead ingest sessions",
        )
    if not delivery.height:
        raise InputError(
            f"no delivery and no sessions in {quarter}", where=str(lake.path), mend=_quarters_with_data(lake)
        )
    # What appliances report comes from the whole service's load; a panel's busiest hour is noisier.
    peaks = peaks.join(reported, on=["month", "region", "tier"], how="left", nulls_equal=True).with_columns(
        peak_kbps=pl.coalesce("reported_kbps", "peak_kbps")
    )
    usage = Usage(
        quarter=quarter,
        delivery=_typed("delivery", delivery),
        appliances=_typed("appliances", by_appliance.filter(pl.col("cdn") == "own")),
        days=_typed("days", days),
        fleet=fleet(appliances, peaks.filter(pl.col("cdn") == "own"), rates),
        encode=_typed("encode", encode),
        control=_typed("control", control),
        hours=_typed("hours", hours),
        members=_typed("members", members),
    )
    return usage, measured_consumption(usage, peaks)


def collect_each(frames: Iterable[pl.LazyFrame]) -> list[pl.DataFrame]:
    """One after the other, in bounded memory.

    Collected together they would share one scan, which keeps what the slower of them has not read yet: at a hundred
    million rows a tenfold of memory, for no less work.
    """
    return [frame.collect(engine="streaming") for frame in frames]


def hours_told(lake: Lake, quarter: Quarter) -> tuple[Decimal, float]:
    """Hours played in the quarter's sessions that tell it, and the share of sessions that do (0..1)."""
    here = pl.col("day").is_between(quarter.months[0], quarter.end, closed="left")
    sessions = lake.scan("playback_session").filter(here, pl.col("excluded_reason").is_null())
    weight = pl.col("weight").cast(_BYTES)
    is_told = pl.col("is_told")
    every, telling, playing_ms = (
        nw.from_native(sessions)
        .with_columns(is_told=told(("playing",)))
        .to_native()
        .select(
            weight.sum().alias("every"),
            weight.filter(is_told).sum().alias("telling"),
            (pl.col("playing_ms").cast(_BYTES) * weight).filter(is_told).sum(),
        )
        .collect(engine="streaming")
        .row(0)
    )
    return Decimal(playing_ms or 0) / 3_600_000, float((telling or 0) / every) if every else 0.0


def measured_consumption(usage: Usage, peaks: pl.DataFrame) -> dict[str, tuple[float, str]]:
    """What the quarter measured of rates that describe viewing and not price."""
    ground = f"measured in {usage.quarter}"
    hours, size = float(usage.total_hours()), usage.total_bytes()
    days = int(usage.days["days"].sum())
    member_days = float(usage.members["member_days"].sum())
    found: dict[str, tuple[float, str]] = {}
    if hours and size:
        found["gb_per_hour"] = (size / 1e9 / hours, ground)
    if hours and member_days:
        found["hours_per_member_day"] = (hours / member_days, ground)
    by_tier = {
        t: float(b) for t, b in usage.delivery.group_by("tier").agg(pl.sum("delivered_bytes")).iter_rows()
    }
    own = by_tier.get("edge", 0.0) + by_tier.get("storage", 0.0)
    if own and by_tier.get("storage"):
        found["storage_tier_ratio"] = (by_tier["storage"] / own, ground)
    if own and by_tier.get("third_party"):
        found["overflow_ratio"] = (by_tier["third_party"] / size, ground)
    if peaks.height and days:
        # The busiest hour of each region, as the fleet is built region by region.
        regions = peaks.group_by("month", "region").agg(pl.col("peak_kbps").sum()).group_by("region")
        peak = float(regions.agg(pl.col("peak_kbps").max())["peak_kbps"].sum())
        mean = size * 8 / 1000 / (days * 86_400)
        found["peak_to_mean"] = (peak / mean, ground)
    return found


def paired_worlds(lake: Lake, usage: Usage) -> dict[str, tuple[float, str]]:
    """What AV1 with film grain saved, where the emulator ran the same seed with H.264 alone; else nothing.

    ::

        av1_device_ratio = share of hours played in AV1, with or without film grain
        av1_saving_ratio = (1 − GB an hour / GB an hour with H.264 alone) / av1_device_ratio
    """
    worlds = (
        counterfactuals(lake)
        .filter(pl.col("world").is_in([FACTUAL, H264_ONLY]))
        .group_by("world")
        .agg(
            size=pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes").sum(),
            playing=pl.col("playing_ms").sum(),
        )
        .collect()
    )
    gb_per_hour = {
        world: float(size) / 1e9 / (float(playing) / 3.6e6)
        for world, size, playing in worlds.iter_rows()
        if size and playing
    }
    in_av1 = usage.hours.filter(pl.col("codec").is_in(["av1", "av1_fgs"]))["playing_ms"].sum()
    if len(gb_per_hour) < 2 or not in_av1:
        return {}
    share = float(in_av1) / float(usage.hours["playing_ms"].sum())
    saving = (1 - gb_per_hour[FACTUAL] / gb_per_hour[H264_ONLY]) / share
    if not 0 < saving < 1:
        return {}
    ground = "both worlds of one seed"
    return {
        "av1_saving_ratio": (saving, ground),
        "av1_device_ratio": (share, f"measured in {usage.quarter}"),
        "gb_per_hour": (gb_per_hour[H264_ONLY], f"{ground}, H.264 alone"),
    }


def title_hours(lake: Lake) -> pl.DataFrame:
    """Hours watched a month and runtime of each title, in the columns of :data:`cost_model.titles.TITLES`.

    Runtime is that of the title's encodes, else what its sessions tell; a title without one is left out. A panel
    sees few of the least watched titles, and those too often: its tail is shorter than the catalogue's.
    """
    sessions = lake.scan("playback_session").filter(pl.col("excluded_reason").is_null())
    counted = nw.from_native(sessions).filter(told(("playing",))).to_native()
    runtime = lake.scan("encode").group_by("content_id").agg(pl.col("runtime_ms").max())
    days, titles = collect_each(
        [
            counted.select(pl.col("day").n_unique()),
            counted.filter(pl.col("content_id").is_not_null())
            .group_by("content_id")
            .agg(playing_ms=_weighted("playing_ms"), told_ms=pl.col("content_duration_ms").max())
            .join(runtime, on="content_id", how="left")
            .with_columns(length_ms=pl.coalesce("runtime_ms", "told_ms"))
            .filter(pl.col("length_ms") > 0),
        ]
    )
    months = max(days.item(), 1) / float(DAYS_PER_MONTH)
    return titles.select(
        "content_id",
        runtime_hours=pl.col("length_ms") / 3.6e6,
        hours_per_month=pl.col("playing_ms").cast(pl.Float64) / 3.6e6 / months,
    ).sort("content_id")


def _hourly(source: pl.LazyFrame) -> pl.LazyFrame:
    """Delivered kbit/s by hour, region, CDN and tier."""
    return (
        source.group_by(_MONTH, "day", "region", "cdn", "tier", hour=pl.col("ts_ms") // 3_600_000)
        .agg(pl.col("delivered_bytes").cast(_BYTES).sum())
        .with_columns(kbps=(pl.col("delivered_bytes").cast(pl.Float64) * 8 / 1000 / 3600).cast(pl.Int64))
    )


def _peaks(hourly: pl.DataFrame, by_appliance: pl.DataFrame) -> pl.DataFrame:
    """The busiest hour and the 95th percentile of hours by month, region, CDN and tier, and the ISPs served."""
    # Tiers are taken at the hour in which the region's CDN is busiest, so that they add up to its peak.
    busiest = (
        hourly.with_columns(total=pl.col("kbps").sum().over("month", "region", "cdn", "hour"))
        .sort("total", "hour", descending=True)
        .group_by("month", "region", "cdn", "tier", maintain_order=True)
        .agg(peak_kbps=pl.col("kbps").first())
    )
    billed = (
        hourly.group_by("month", "region", "cdn", "hour")
        .agg(pl.col("kbps").sum())
        .group_by("month", "region", "cdn")
        .agg(p95_kbps=pl.col("kbps").quantile(0.95, interpolation="higher").cast(pl.Int64))
    )
    keys = ["month", "region", "cdn", "tier"]
    isps = by_appliance.group_by(keys).agg(isps=pl.col("isp").n_unique().cast(pl.Int64))
    return (
        busiest.join(isps, on=keys, how="left", nulls_equal=True)
        .join(billed, on=keys[:3], how="left", nulls_equal=True)
        .sort(keys)
    )


def _hours(counted: pl.LazyFrame) -> pl.LazyFrame:
    return counted.group_by(_MONTH, "region", "isp", "device", "codec", "cdn").agg(
        streams=pl.when(pl.col("playing_ms") > 0).then("weight").otherwise(0).cast(_BYTES).sum(),
        playing_ms=_weighted("playing_ms"),
        delivered_bytes=_weighted(*_TIER_OF_BYTES),
    )


def _usage_of_sessions(counted: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Bytes by slice, days and hours of the sessions that tell both bytes and time playing."""
    # Hours whose bytes nobody told would make an hour look cheap, and bytes without hours dear.
    counted = nw.from_native(counted).filter(told(("bytes", "playing"))).to_native()
    parts = [
        counted.group_by(_MONTH, "region", "isp", pl.col("codec").fill_null("h264"))
        .agg(delivered_bytes=_weighted(column))
        .with_columns(tier=pl.lit(tier), cdn=pl.lit(cdn))
        for column, (tier, cdn) in _TIER_OF_BYTES.items()
    ]
    counted_days = counted.group_by(_MONTH).agg(days=pl.col("day").n_unique().cast(pl.Int64))
    *frames, days, hours = collect_each([*parts, counted_days, _hours(counted)])
    return pl.concat(frames).filter(pl.col("delivered_bytes") > 0), days, hours


def _weighted(*columns: str) -> pl.Expr:
    """Sum over rows of the columns together, times the row's weight; what a row does not tell is 0."""
    # Whole numbers of 128 bits: what a decimal holds, at two thirds of its time.
    known = reduce(add, (pl.col(column).fill_null(0).cast(pl.Int128) for column in columns))
    return (known * pl.col("weight").cast(pl.Int128)).sum().cast(_BYTES)


def _typed(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    schema = USAGE_SCHEMAS[name]
    return frame.select(schema.names()).cast(schema).sort(schema.names(), nulls_last=True)


def _quarters_with_data(lake: Lake) -> str:
    days: Any = (
        lake.scan("playback_session")
        .select(first=pl.col("day").min(), last=pl.col("day").max())
        .collect()
        .row(0)
    )
    if days[0] is None:
        return "the lake has no sessions; ingest or synthesise some first"
    first, last = (f"{d.year}Q{(d.month + 2) // 3}" for d in days)
    return f"the lake has {first}" if first == last else f"the lake has {first} to {last}"
