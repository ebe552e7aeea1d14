"""The truth of the switches of discovery that no experiment turns: a small service of its own, over a fortnight.

A sample of the members lives through both worlds, without delivery, and all that is learned is learned from them; so
the decision table knows the sign and about the size of what an experiment would find. What an experiment that runs does
is counted in its own service (:mod:`synthetic.twins`).
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from metrics.telemetry import get_table
from synthetic.paired import live_through, sampled
from synthetic.scenario import ExperimentSpec
from synthetic.switches import FACTUAL, SWITCHES
from synthetic.warmup import settle_in
from synthetic.world import World

__all__ = ["LEAST_DAYS", "UNTRIED_DAYS", "UNTRIED_MEMBERS", "untried"]

DECIDED = ("siloed", "no_first_week_diversity", "keyword_search")
"""The switches of discovery that the decision table has."""

UNTRIED_MEMBERS, UNTRIED_DAYS = 800, 14
LEAST_DAYS = 28
"""A shorter run is for trying things out: its untried switches have no truth."""


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
