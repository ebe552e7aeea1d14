"""What a switch of discovery truly does: the same members in both worlds, on one seed.

Such a switch changes what is watched, so each world needs members and a service of its own from the day the switch is
turned; they share all draws. A sample of the members lives through both, without delivery: what is chosen is watched as
meant. Each world's recommender learns from its own logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, replace

import numpy as np
import polars as pl

from metrics.telemetry import get_table
from synthetic.arrays import Bools, Ints
from synthetic.browsing import HOME, SEARCH
from synthetic.discovery import Discovery
from synthetic.experiments import ARMS
from synthetic.members import Members
from synthetic.random import Stream, uniforms
from synthetic.scenario import ExperimentSpec
from synthetic.switches import DELIVERY, FACTUAL, SWITCHES, Switches
from synthetic.viewer import Browse, MemberState, people_of
from synthetic.warmup import Settled, live_day, settle_in
from synthetic.world import World

__all__ = ["PAIRED_MEMBERS", "live_through", "paired_worlds", "sampled"]

PAIRED_MEMBERS = 2_000
_KEYS = ("region_index", "replicate")


def paired_worlds(world: World, members: int = PAIRED_MEMBERS) -> pl.DataFrame:
    """The table ``truth_discovery``: both worlds of each of the scenario's experiments on discovery."""
    specs = [spec for spec in world.scenario.experiment if spec.switch not in DELIVERY]
    columns = get_table("truth_discovery").schema
    if not specs:
        return pl.DataFrame(schema=columns)
    part = sampled(world, members)
    settled = settle_in(part)
    frames = []
    for spec in specs:
        for is_treated, name in ARMS.items():
            switches = replace(FACTUAL, **SWITCHES[spec.switch]) if is_treated else FACTUAL
            frame = live_through(part, settled, switches, spec)
            frames.append(frame.with_columns(experiment=pl.lit(spec.name), world=pl.lit(name)))
    regions = dict(enumerate(world.places.regions))
    return (
        pl.concat(frames)
        .with_columns(region=pl.col("region_index").replace_strict(regions, return_dtype=pl.String))
        .select(columns.names())
    )


def sampled(world: World, members: int) -> World:
    """The world of ``members`` of its members, drawn by hash, with weights that stand for all."""
    count = world.members.count
    share = min(members / count, 1.0)
    rows = np.flatnonzero(uniforms(world.scenario.seed, np.arange(count), 1, Stream.TELEMETRY_SAMPLE) < share)
    taken = {f.name: getattr(world.members, f.name)[rows] for f in fields(Members)}
    taken["weight"] = np.round(taken["weight"] / share).astype(np.int64)
    people = people_of(world.subscriber[rows], taken["region"], world.taste[rows], world.titles)
    scenario = world.scenario.model_copy(update={"experiment": ()})
    return replace(
        world, scenario=scenario, members=Members(**taken), subscriber=world.subscriber[rows],
        taste=world.taste[rows], people=people,
    )  # fmt: skip


def live_through(world: World, settled: Settled, switches: Switches, spec: ExperimentSpec) -> pl.DataFrame:
    """Sums by region and jackknife group over the experiment's days, in the world of ``switches``.

    ``settled`` is left as it is. Before the experiment's first day the world is the factual one.
    """
    scenario, members = world.scenario, world.members
    discovery, state = _copied(settled)
    rate = settled.visits_per_member_day
    sums: list[pl.DataFrame] = []
    for day in range(min(spec.to_day, scenario.days)):
        if day % 7 == 0:
            discovery.switches = switches if day >= spec.from_day else FACTUAL
            discovery.learn(day)
        visits, found = live_day(world, discovery, state, day, rate)
        leaves_before = state.standing.is_churn.copy()
        membership = scenario.membership
        here = (state.standing.paying_day <= day) & (state.standing.leave_day > day)
        state.standing.close(
            scenario.seed, day, members.join_day, trial_days=membership.trial_days,
            trial_paid_ratio=membership.trial_paid_ratio, price_ratio=membership.price_ratio,
        )  # fmt: skip
        if day >= spec.from_day:
            churned = state.standing.is_churn & ~leaves_before
            sums.extend(_sums(world, visits.member, found, here, churned))
    return (
        pl.concat(sums, how="diagonal")
        .group_by(_KEYS)
        .agg(pl.all().fill_null(0).sum().cast(pl.Decimal(38, 0)))
        .sort(_KEYS)
    )


def _copied(settled: Settled) -> tuple[Discovery, MemberState]:
    """The service and its members, to live on from here apart from the originals."""
    old = settled.discovery
    return Discovery(old.world, old.plays, old.choices, list(old.looks)), deepcopy(settled.state)


def _sums(world: World, member: Ints, found: Browse, here: Bools, churned: Bools) -> Iterator[pl.DataFrame]:
    """A day's weighted sums, of visits and of members."""
    m = world.members
    weight = m.weight[member]
    played = found.chosen >= 0
    values = {
        "visits": np.ones(member.size, np.int64),
        "plays": played,
        "rec_plays": played & found.is_rec_driven,
        "searches": found.asked >= 0,
        "search_plays": (found.surface == SEARCH) & played,
        "skips": found.is_skipped,
        "playing_ms": found.watch_ms,
        "rec_playing_ms": found.watch_ms * found.is_rec_driven,
        "found_ms": found.browse_ms * played,
        "lost_ms": found.browse_ms * ~played,
        "home_looks": found.examined,
        "home_plays": (found.surface == HOME) & played,
    }
    frame = pl.DataFrame(
        {"region_index": m.region[member], "replicate": m.replicate[member]}
        | {name: weight * np.asarray(value).astype(np.int64) for name, value in values.items()}
    )
    yield frame.group_by(_KEYS).sum()
    days = pl.DataFrame(
        {
            "region_index": m.region,
            "replicate": m.replicate,
            "member_days": m.weight * here,
            "churned": m.weight * churned,
        }
    )
    yield days.group_by(_KEYS).sum()
