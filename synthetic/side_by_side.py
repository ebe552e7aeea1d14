"""The truth of the switches of discovery: of each experiment that runs, and of the others over a fortnight.

An experiment is paired over its own days by :mod:`synthetic.paired`. A switch that nobody tries is turned for a smaller
sample over the first days, so that the decision table knows what an estimate of it would be marked by.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from metrics.telemetry import get_table
from synthetic.paired import live_through, paired_worlds, sampled
from synthetic.scenario import ExperimentSpec
from synthetic.switches import FACTUAL, SWITCHES
from synthetic.warmup import settle_in
from synthetic.world import World

__all__ = ["LEAST_DAYS", "UNTRIED_DAYS", "UNTRIED_MEMBERS", "discovery_truth", "untried"]

DECIDED = ("siloed", "no_first_week_diversity", "keyword_search")
"""The switches of discovery that the decision table has."""

UNTRIED_MEMBERS, UNTRIED_DAYS = 800, 14
LEAST_DAYS = 28
"""A shorter run is for trying things out: its untried switches have no truth."""


def discovery_truth(world: World) -> pl.DataFrame:
    """The table ``truth_discovery``: a switch that no experiment turns stands as an experiment of its own name."""
    return pl.concat([paired_worlds(world), untried(world)])


def untried(world: World, members: int = UNTRIED_MEMBERS) -> pl.DataFrame:
    """Rows of ``truth_discovery`` for the switches of :data:`DECIDED` that no experiment turns."""
    scenario = world.scenario
    tried = {spec.switch for spec in scenario.experiment if spec.from_day < scenario.days}
    switches = [name for name in DECIDED if name not in tried]
    columns = get_table("truth_discovery").schema
    if scenario.days < LEAST_DAYS or not switches:
        return pl.DataFrame(schema=columns)
    part = sampled(world, members)
    settled = settle_in(part)
    spec = ExperimentSpec(name="untried", switch=switches[0], share=0.5, from_day=0, to_day=UNTRIED_DAYS)
    # The world as it is serves every switch as the other side.
    control = live_through(part, settled, FACTUAL, spec).with_columns(world=pl.lit("control"))
    frames = []
    for name in switches:
        turned = live_through(part, settled, replace(FACTUAL, **SWITCHES[name]), spec)
        both = pl.concat([control, turned.with_columns(world=pl.lit("treatment"))])
        frames.append(both.with_columns(experiment=pl.lit(name)))
    regions = dict(enumerate(world.places.regions))
    region = pl.col("region_index").replace_strict(regions, return_dtype=pl.String)
    return pl.concat(frames).with_columns(region=region).select(columns.names())
