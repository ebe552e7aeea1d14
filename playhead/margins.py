"""Margin in the decision table: what the rates say of each switch, and what each world would have cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from cost_model.bill import bill
from cost_model.prices import exact
from cost_model.rates import Rates
from cost_model.switches import margin_effects
from cost_model.tiers import tier_effects
from cost_model.uncertainty import Interval
from cost_model.usage import Quarter, Usage
from metrics.decide import DECISIONS, ESTIMATES, MARGIN
from metrics.errors import InputError
from metrics.lake import Lake
from playhead.effects import Cost
from playhead.usage import measured_usage

__all__ = [
    "FACTUAL",
    "costs_of",
    "fixed_usd_per_hour",
    "margins_of",
    "models",
    "pushed_to_edges",
    "usage_of",
    "valued",
    "world_cost",
]

FACTUAL = "factual"

# Worlds of which telemetry and truth do not tell what the cost model charges: exchanges were planned for all of the
# peak in the one, and the traffic of what is pulled at the peak is not counted in the other.
_COST_UNKNOWN = ("no_edge_tier", "pull_on_miss")
_MARGINS = {
    "third_party_cdn": "own_cdn", "h264_only": "av1_fgs", "no_edge_tier": "edge_tier", "pull_on_miss": "nightly_push",
}  # fmt: skip
_BESIDE = {
    "h264_only": "bytes that AV1 saves from telemetry",
    "no_edge_tier": "the edge's peak from exchanges instead",
    "pull_on_miss": "transit alone: what is pulled at the peak lies between nothing and what was pushed",
}


def models(
    found: pl.DataFrame,
    usage: Usage,
    consumption: Mapping[str, tuple[float, str]],
    rates: Rates,
    pushed_bytes: int = 0,
) -> pl.DataFrame:
    """What the rates say of margin, columns :data:`metrics.decide.ESTIMATES`; nothing in it is of another world's run.

    The own CDN and AV1: bytes priced at the margin over the rates' ranges (:mod:`cost_model.switches`); what AV1 saves
    is the estimate of ``found``, else the rates' range. The edge tier and the push of ``pushed_bytes`` to it: what they
    ask for and spare (:mod:`cost_model.tiers`). Where ``found`` has an experiment that moves hours: fixed costs
    spread over them, at the rates' middle values.
    """
    saving = _av1_saving(found, usage)
    margins = margins_of(usage, consumption, rates, saving)
    margins |= tier_effects(usage, rates, pushed_bytes=pushed_bytes, given=valued(consumption))
    ground = "the rates' ranges on the quarter's usage"
    rows: list[tuple[Any, ...]] = [
        (world, None, MARGIN, "model", effect.median, effect.low, effect.high,
         f"{ground}; {_BESIDE[world]}" if world in _BESIDE and (saving or world != "h264_only") else ground)
        for world, name in _MARGINS.items()
        if (effect := margins.get(name))
    ]  # fmt: skip
    fixed = fixed_usd_per_hour(usage, rates)
    hours = found.filter(
        pl.col("region").is_null(), pl.col("metric") == "watch_hours_per_subscriber_month",
        pl.col("method") == "experiment", ~pl.col("world").is_in(list(_MARGINS)),
    )  # fmt: skip
    now = consumption.get("hours_per_member_day")
    if fixed is not None and now:
        month = now[0] * 487 / 16
        for world, effect, low, high in hours.select("world", "estimate", "low", "high").iter_rows():
            ends = [fixed * x / (month - x) for x in (effect, low, high)]
            rows.append(
                (world, None, MARGIN, "model", *ends, "fixed costs over the hours that the experiment moves")
            )
    return pl.DataFrame(rows, schema=ESTIMATES, orient="row")


def margins_of(
    usage: Usage,
    consumption: Mapping[str, tuple[float, str]],
    rates: Rates,
    saving: Mapping[str, float] | None,
) -> dict[str, Interval]:
    """What the own CDN and AV1 add to margin; ``saving``: what AV1 saves, None: the rates' range."""
    days = int(usage.days["days"].sum())
    members = float(usage.member_days()) / days if days else 0.0
    return margin_effects(usage, rates, members=members, given=valued(consumption), given_encoding=saving)


def valued(given: Mapping[str, tuple[float, str]]) -> dict[str, float]:
    """Figures without their grounds."""
    return {name: value for name, (value, _) in given.items()}


def _av1_saving(found: pl.DataFrame, usage: Usage) -> dict[str, float] | None:
    """What telemetry says that AV1 saves of the bytes of an hour; None where it says nothing, or no saving."""
    hours = float(usage.total_hours())
    in_av1 = float(usage.hours.filter(pl.col("codec").is_in(["av1", "av1_fgs"]))["playing_ms"].sum()) / 3.6e6
    effect = found.filter(
        pl.col("region").is_null(), pl.col("world") == "h264_only", pl.col("metric") == "gigabytes_per_hour"
    )
    if effect.is_empty() or not hours or not in_av1:
        return None
    now = usage.total_bytes() / 1e9 / hours
    was = now - float(effect["estimate"][0])
    saving = (1 - now / was) / (in_av1 / hours) if was > 0 else 0.0
    return {"av1_saving_ratio": saving, "gb_per_hour": was} if 0 < saving < 1 else None


def fixed_usd_per_hour(usage: Usage, rates: Rates) -> float | None:
    """Costs that do not move with bytes, by the hour played; None without hours."""
    hours = float(usage.total_hours())
    return world_cost(usage, rates, FACTUAL, {}).fixed_usd / hours if hours else None


def world_cost(usage: Usage, rates: Rates, world: str, ratios: Mapping[str | None, float]) -> Cost:
    """What ``usage`` would have cost in ``world``; ``ratios`` is the world's bytes over the factual, by region.

    The own fleet is the same with H.264 alone, as it was in that world: bytes saved on an own CDN save no
    appliance. With a third-party CDN there is no fleet, and every byte is bought. Caches that pull are the same
    appliances.
    """
    scaled = [
        int(float(size) * ratios.get(region, 1.0))
        for region, size in usage.delivery.select("region", "delivered_bytes").iter_rows()
    ]
    delivery = usage.delivery.with_columns(pl.Series("delivered_bytes", scaled, dtype=pl.Decimal(38, 0)))
    changed = replace(usage, delivery=delivery)
    if world == "third_party_cdn":
        bought = delivery.with_columns(cdn=pl.lit("third_party"), tier=pl.lit("third_party"))
        changed = replace(usage, delivery=bought, fleet=usage.fleet.clear())
    elif world == "h264_only":
        changed = replace(changed, encode=usage.encode.filter(~pl.col("codec").is_in(["av1", "av1_fgs"])))
    fixed = variable = 0.0
    for line in bill(changed, exact(rates)):
        if line.sku == "third_party":
            variable += float(line.effective)
        else:
            fixed += float(line.effective)
    return Cost(fixed, variable)


def usage_of(lake: Lake, rates: Rates) -> tuple[Usage, dict[str, tuple[float, str]]] | None:
    """Usage of the quarter that most of the lake lies in; a few sessions always run on into the next one."""
    middle = lake.scan("playback_session").select(pl.col("day").cast(pl.Int32).median()).collect().item()
    day = date(1970, 1, 1) + timedelta(days=int(middle))
    try:
        return measured_usage(lake, Quarter(day.year, (day.month + 2) // 3), rates)
    except InputError:
        return None


def costs_of(truth: pl.DataFrame, usage: Usage, rates: Rates) -> dict[str, Cost]:
    """What the usage would have cost in each world of ``truth_counterfactual`` rows, where that is known."""
    bytes_by = (
        truth.with_columns(size=pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes"))
        .group_by("world", "region")
        .agg(pl.col("size").sum().cast(pl.Float64))
    )
    size = {(world, region): value for world, region, value in bytes_by.iter_rows()}
    regions = {region for world, region in size if world == FACTUAL}
    found = {}
    for world in (FACTUAL, *(decision.world for decision in DECISIONS)):
        ratios: dict[str | None, float] = {
            r: size[world, r] / size[FACTUAL, r] for r in regions if (world, r) in size and size[FACTUAL, r]
        }
        if ratios and world not in _COST_UNKNOWN:
            found[world] = world_cost(usage, rates, world, ratios)
    return found


def pushed_to_edges(lake: Lake, usage: Usage) -> int:
    """Bytes that the nightly push brought to edges in the months of the usage."""
    here = pl.col("day").is_between(usage.quarter.months[0], usage.quarter.end, closed="left")
    pushed = (
        lake.scan("fill")
        .filter(here, pl.col("tier") == "edge")
        .select(pl.col("pushed_bytes").sum())
        .collect()
    )
    return int(pushed.item() or 0)
