"""The decision table: what each switch of the system does to viewers and to cost, both worlds on one seed.

For each switch the emulator ran the same members, visits and titles twice; :mod:`playhead.effects` says what their
difference is worth. Frames in; :func:`decide` and :func:`publish` read the lake.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from cost_model.bill import bill
from cost_model.prices import exact
from cost_model.rates import Rates, load
from cost_model.usage import Quarter, Usage
from metrics.errors import InputError
from metrics.intervals import CONFIDENCE
from metrics.lake import Lake
from metrics.truth import counterfactuals
from playhead.effects import Cost, Effect, Parts, World, effects
from playhead.usage import measured_usage

__all__ = [
    "ARTEFACT", "LABEL", "Cost", "Decision", "Effect", "as_rows", "decide", "decisions", "publish", "world_cost",
]  # fmt: skip

ARTEFACT = "decision.json"
LABEL = "true effect, both worlds on one seed"
FACTUAL = "factual"

# The world without it, the switch as it is set, and what it was set to there.
SWITCHES: Mapping[str, tuple[str, str]] = {
    "third_party_cdn": ("Own CDN", "third-party CDN"),
    "h264_only": ("AV1 + film grain", "H.264"),
    "pull_on_miss": ("Push fill", "pull on miss"),
    "no_edge_tier": ("Edge in ISPs", "exchanges only"),
}
# Worlds whose fleet telemetry cannot tell: exchanges were planned for all of the peak there.
_FLEET_UNKNOWN = ("no_edge_tier",)


@dataclass(frozen=True)
class Decision:
    """A switch as it is set, what it was set to in the other world, and what that does."""

    world: str
    switch: str
    was: str
    effects: tuple[Effect, ...]
    parts: Parts
    """What the figures of the world that runs are made of."""
    parts_was: Parts
    region: str | None = None
    """Null: the whole service."""


def decide(lake: Lake, rates: Rates | None = None, *, by_region: bool = False) -> list[Decision]:
    """The table of a lake; empty where nobody ran two worlds. Costs are left out where none can be computed."""
    truth = counterfactuals(lake).collect()
    if truth.is_empty():
        return []
    return decisions(truth, _costs(lake, truth, rates or load()), by_region=by_region)


def publish(lake: Lake) -> bool:
    """Keep the table as ``decision.json``; False where it was taken at this version of the lake already."""
    version = lake.version()
    path = lake.artefact(ARTEFACT)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads(path.read_text(encoding="utf-8"))["lake_version"] == version:
            return False
    said = {
        "lake_version": version,
        "label": LABEL,
        "confidence": CONFIDENCE,
        "decisions": as_rows(decide(lake)),
    }
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return True


def as_rows(found: Sequence[Decision]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {
            "world": d.world,
            "switch": d.switch,
            "was": d.was,
            "region": d.region,
            "parts": {"now": asdict(d.parts), "was": asdict(d.parts_was)},
            "effects": [asdict(e) | {"relative": e.relative, "is_better": e.is_better} for e in d.effects],
        }
        for d in found
    ]


def decisions(
    truth: pl.DataFrame, costs: Mapping[str, Cost] | None = None, *, by_region: bool = False
) -> list[Decision]:
    """The table from ``truth_counterfactual`` rows, and what each world cost over the same period.

    ``by_region``: each switch's whole is followed by its regions, which have no cost: fleets and encodes are the
    service's.
    """
    whole = _worlds(truth, costs or {})
    slices = {None: whole} | {r: _worlds(rows, {}) for r, rows in _regions(truth) if by_region}
    return [
        Decision(
            world, switch, was, effects(of[FACTUAL], of[world]), of[FACTUAL].parts, of[world].parts, region
        )
        for world, (switch, was) in SWITCHES.items()
        for region, of in slices.items()
        if FACTUAL in of and world in of
    ]


def _worlds(truth: pl.DataFrame, costs: Mapping[str, Cost]) -> dict[str, World]:
    return {name: World.of(rows, costs.get(name)) for (name,), rows in truth.group_by("world")}


def _regions(truth: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for region in truth["region"].unique().sort():
        yield region, truth.filter(region=region)


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


def _costs(lake: Lake, truth: pl.DataFrame, rates: Rates) -> dict[str, Cost]:
    middle = lake.scan("playback_session").select(pl.col("day").cast(pl.Int32).median()).collect().item()
    if middle is None:
        return {}
    # The quarter that most of the run lies in; a few sessions always run on into the next one.
    day = date(1970, 1, 1) + timedelta(days=int(middle))
    try:
        usage, _ = measured_usage(lake, Quarter(day.year, (day.month + 2) // 3), rates)
    except InputError:
        return {}
    bytes_by = (
        truth.with_columns(size=pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes"))
        .group_by("world", "region")
        .agg(pl.col("size").sum().cast(pl.Float64))
    )
    size = {(world, region): value for world, region, value in bytes_by.iter_rows()}
    regions = {region for world, region in size if world == FACTUAL}
    found = {}
    for world in (FACTUAL, *SWITCHES):
        ratios: dict[str | None, float] = {
            r: size[world, r] / size[FACTUAL, r] for r in regions if (world, r) in size and size[FACTUAL, r]
        }
        if ratios and world not in _FLEET_UNKNOWN:
            found[world] = world_cost(usage, rates, world, ratios)
    return found
