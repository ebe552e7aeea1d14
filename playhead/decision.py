"""The decision table of a lake: what telemetry says of each switch, and what both worlds on one seed truly did.

:mod:`metrics.decide` estimates and never sees the truth; here the two are set side by side, with what the rates
say of margin. Frames in; :func:`table` and :func:`publish` read the lake.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from cost_model.rates import Rates, load
from cost_model.usage import Usage
from metrics.decide import DECISIONS, MARGIN, TRUTHS, decide, estimates, tried
from metrics.errors import InputError
from metrics.intervals import CONFIDENCE
from metrics.lake import Lake
from metrics.truth import counterfactuals, discovery
from metrics.truth import experiments as of_experiments
from playhead.effects import Cost, DiscoveryWorld, Effect, Parts, World, effects
from playhead.margins import (
    FACTUAL,
    costs_of,
    fixed_usd_per_hour,
    margins_of,
    models,
    pushed_to_edges,
    usage_of,
    valued,
)  # fmt: skip
from playhead.usage import paired_worlds

__all__ = [
    "ARTEFACT", "LABEL", "Cost", "Effect", "Paired", "as_rows", "discovery_effects", "paired", "publish", "table",
    "truths",
]  # fmt: skip

ARTEFACT = "decision.json"
LABEL = "effect of what runs over the alternative: from telemetry, and true where both worlds ran on one seed"

_WORLDS = tuple(decision.world for decision in DECISIONS)
_DELIVERED = "both worlds on one seed, the same members, visits and titles"
_DISCOVERED = (
    "both worlds on one seed, lived through by a few members as a service of their own, without delivery"
)
_TWICE = "both lives of each member, over the days of {}"


@dataclass(frozen=True)
class Paired:
    """A switch in both worlds of one seed: its true effects, and what the figures of each world are made of."""

    world: str
    effects: tuple[Effect, ...]
    parts: Parts
    parts_was: Parts
    region: str | None = None
    """Null: the whole service."""


def table(
    lake: Lake,
    rates: Rates | None = None,
    *,
    experiments: Mapping[str, str] | None = None,
    by_region: bool = False,
) -> pl.DataFrame:
    """The table, columns :data:`metrics.decide.CELLS`. Margins are left out where the lake tells no usage.

    Raises :class:`~metrics.errors.InputError` for a lake without sessions, and as :func:`metrics.decide.estimates`.
    """
    if not lake.scan("playback_session").head(1).collect().height:
        raise InputError(
            "no sessions to decide on", where=str(lake.path), mend="ingest or synthesise some first"
        )
    rates = rates or load()
    chosen = tried(lake, experiments)
    found = estimates(lake, chosen)
    used = usage_of(lake, rates)
    known = truths(
        pl.concat([counterfactuals(lake), of_experiments(lake)]).collect(),
        discovery(lake).collect(),
        used and used[0],
        rates,
        experiments=chosen,
        by_region=by_region,
    )
    if used:
        found = pl.concat([found, models(found, *used, rates, pushed_to_edges(lake, used[0]))])
        known = _with_av1_margin(known, valued(paired_worlds(lake, used[0])), *used, rates)
    return decide(lake, found, truths=known, by_region=by_region)


def publish(lake: Lake) -> bool:
    """Keep the table, regions too, as ``decision.json``; False where it was taken at this version of the lake."""
    version = lake.version()
    path = lake.artefact(ARTEFACT)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads(path.read_text(encoding="utf-8"))["lake_version"] == version:
            return False
    try:
        decided = as_rows(table(lake, by_region=True))
    except InputError:
        decided = []
    said = {"lake_version": version, "label": LABEL, "confidence": CONFIDENCE, "decisions": decided}
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return True


def as_rows(cells: pl.DataFrame) -> list[dict[str, Any]]:
    """For JSON: a row a switch and region, its cells in it."""
    keys = ("world", "switch", "was", "region")
    rest = [c for c in cells.columns if c not in keys]
    return [
        dict(zip(keys, key, strict=True)) | {"cells": rows.select(rest).to_dicts()}
        for key, rows in cells.group_by(keys, maintain_order=True)
    ]


# --- the truth --------------------------------------------------------------------------------------------


def truths(
    delivered: pl.DataFrame,
    discovered: pl.DataFrame,
    usage: Usage | None,
    rates: Rates,
    *,
    experiments: Mapping[str, str] | None = None,
    by_region: bool = False,
) -> pl.DataFrame:
    """Columns :data:`metrics.decide.TRUTHS`, from rows of ``truth_counterfactual`` and ``truth_discovery``.

    ``experiments``: by world the one that turns it, whose days and members its truth is of. A switch that none turns
    has its truth over all days. Margin is of the quarter's usage, as its estimate is.
    """
    always = delivered.filter(pl.col("experiment").is_null())
    costs = costs_of(always, usage, rates) if usage and always.height else {}
    fixed = fixed_usd_per_hour(usage, rates) if usage else None
    chosen = experiments or {}
    of_days = [
        _truth(world, one.region, effect, _TWICE.format(name))
        for world, name in chosen.items()
        for one in paired(_as_world(delivered.filter(experiment=name), world), by_region=by_region)
        for effect in one.effects
    ]
    of_all = [
        _truth(one.world, one.region, effect, _DELIVERED)
        for one in paired(always, costs, by_region=by_region)
        for effect in one.effects
    ]
    lived = discovery_effects(discovered, fixed, experiments=chosen, by_region=by_region)
    found = [
        _truth(world, region, effect, _DISCOVERED if name == world else _TWICE.format(name))
        for world, name, region, effects in lived
        for effect in effects
    ]
    rows = pl.DataFrame([*of_days, *of_all, *found], schema=TRUTHS, orient="row")
    return rows.unique(["world", "region", "metric"], keep="first", maintain_order=True)


def _as_world(rows: pl.DataFrame, world: str) -> pl.DataFrame:
    """Rows of an experiment with the world that is not the factual one under the name it has in the table."""
    is_factual = pl.col("world") == FACTUAL
    return rows.with_columns(world=pl.when(is_factual).then("world").otherwise(pl.lit(world)))


def paired(
    truth: pl.DataFrame, costs: Mapping[str, Cost] | None = None, *, by_region: bool = False
) -> list[Paired]:
    """Both worlds of each switch, from ``truth_counterfactual`` rows, and what each cost over the same period.

    ``by_region``: each switch's whole is followed by its regions, which have no cost: fleets and encodes are the
    service's.
    """
    whole = _worlds(truth, costs or {})
    slices = {None: whole} | {r: _worlds(rows, {}) for r, rows in _regions(truth) if by_region}
    return [
        Paired(world, effects(of[FACTUAL], of[world]), of[FACTUAL].parts, of[world].parts, region)
        for world in _WORLDS
        for region, of in slices.items()
        if FACTUAL in of and world in of
    ]


def discovery_effects(
    truth: pl.DataFrame,
    fixed_usd_per_hour: float | None = None,
    *,
    experiments: Mapping[str, str] | None = None,
    by_region: bool = False,
) -> Iterator[tuple[str, str, str | None, tuple[Effect, ...]]]:
    """World, experiment, region (null: the whole) and true effects, from ``truth_discovery`` rows.

    A world's experiment is that of ``experiments``; else the first by name of those whose name holds the world's.
    """
    told = truth["experiment"].unique().sort().to_list()
    for decision in DECISIONS:
        world = decision.world
        chosen = (experiments or {}).get(world)
        named = [chosen] if chosen is not None and chosen in told else []
        names = named or [name for name in told if decision.is_tried_by(name)]
        if not names:
            continue
        rows = truth.filter(experiment=names[0])
        slices = [(None, rows), *(_regions(rows) if by_region else ())]
        for region, part in slices:
            now, was = (part.filter(world=name) for name in ("control", "treatment"))
            if now.height and was.height:
                usd = None if region else fixed_usd_per_hour
                sides = (DiscoveryWorld.of(side, now, usd) for side in (now, was))
                yield world, names[0], region, effects(*sides)


def _truth(world: str, region: str | None, e: Effect, ground: str) -> tuple[Any, ...]:
    if e.metric == "cost_per_stream_hour_usd":
        # What members pay for the hour is held, so margin gains what cost loses.
        low, high = (None if end is None else -end for end in (e.high, e.low))
        return (
            world,
            region,
            MARGIN,
            -e.effect,
            low,
            high,
            -e.now,
            -e.was,
            f"{ground}; at the rates' middle values",
        )
    return (world, region, e.metric, e.effect, e.low, e.high, e.now, e.was, ground)


def _worlds(truth: pl.DataFrame, costs: Mapping[str, Cost]) -> dict[str, World]:
    return {name: World.of(rows, costs.get(name)) for (name,), rows in truth.group_by("world")}


def _regions(truth: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for region in truth["region"].unique().sort():
        yield region, truth.filter(region=region)


def _with_av1_margin(
    known: pl.DataFrame,
    saving: Mapping[str, float],
    usage: Usage,
    consumption: Mapping[str, tuple[float, str]],
    rates: Rates,
) -> pl.DataFrame:
    """``known`` with AV1's margin at the bytes that both worlds say it saves, priced as the estimate is.

    The fleet of both worlds is the same, so what they cost says nothing of a byte saved.
    """
    is_av1 = (pl.col("world") == "h264_only") & (pl.col("metric") == MARGIN)
    effect = margins_of(usage, consumption, rates, saving).get("av1_fgs") if saving else None
    if effect is None:
        return known.filter(~is_av1)
    ground = "the bytes of both worlds on one seed, over the rates' ranges"
    row = ("h264_only", None, MARGIN, effect.median, effect.low, effect.high, None, None, ground)
    return pl.concat([known.filter(~is_av1), pl.DataFrame([row], schema=TRUTHS, orient="row")])
