"""What a switch of discovery truly does: the same members in both worlds, on one seed.

Such a switch changes what is watched, so each world needs members and a service of its own from the day the switch is
turned; they share all draws. A sample of the members lives through both, without delivery: what is chosen is watched as
meant. Each world's recommender learns from its own logs. Up to that day there is one world, lived through once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from metrics.telemetry import get_table
from synthetic.arrays import Bools, Ints, Tinies
from synthetic.browsing import HOME, SEARCH
from synthetic.demand import Visits
from synthetic.experiments import ARMS
from synthetic.members import Members
from synthetic.random import Stream, uniforms
from synthetic.scenario import ExperimentSpec
from synthetic.staying import Standing
from synthetic.switches import DELIVERY, FACTUAL, SWITCHES, Switches
from synthetic.viewer import Browse, people_of
from synthetic.warmup import Settled, live_day, settle_in
from synthetic.world import World

__all__ = ["PAIRED_MEMBERS", "Lived", "live_days", "live_through", "lived_until", "paired_worlds", "sampled"]

PAIRED_MEMBERS = 2_000
KEYS = ("region_index", "replicate")


def paired_worlds(world: World, members: int = PAIRED_MEMBERS) -> pl.DataFrame:
    """The table ``truth_discovery``: both worlds of each of the scenario's experiments on discovery; empty without."""
    days = world.scenario.days
    specs = [s for s in world.scenario.experiment if s.switch not in DELIVERY and s.from_day < days]
    columns = get_table("truth_discovery").schema
    if not specs:
        return pl.DataFrame(schema=columns)
    part = sampled(world, members)
    settled = settle_in(part)
    frames = []
    for spec in sorted(specs, key=lambda spec: spec.from_day):
        settled = lived_until(part, settled, spec.from_day)
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
    days = range(spec.from_day, min(spec.to_day, world.scenario.days))
    begun = lived_until(world, settled, days.start)
    sums = [
        frame
        for lived in live_days(world, begun, switches, days.stop)
        for frame in sums_of_day(
            world, lived.day, lived.visits, lived.found, lived.found.watch_ms, lived.standing
        )
    ]
    return added_up(sums, KEYS)


def lived_until(world: World, settled: Settled, day: int) -> Settled:
    """The factual world as ``day``, the first of a week, finds it; ``settled`` is left as it is."""
    begun = _copied(settled)
    for _ in _live(world, begun, FACTUAL, day):
        pass
    return replace(begun, day=day)


@dataclass(frozen=True)
class Lived:
    """A day: visits and what they came to, and of all members who paid, who left, and how they stand in the evening."""

    day: int
    visits: Visits
    found: Browse
    is_paying: Bools
    is_churned: Bools
    standing: Standing


def live_days(world: World, settled: Settled, switches: Switches, end: int) -> Iterator[Lived]:
    """Each day in the world of ``switches`` from ``settled``, the first of a week, up to ``end``, exclusive."""
    return _live(world, _copied(settled), switches, end)


def _copied(settled: Settled) -> Settled:
    """The service and its members, to live on from here apart from the originals."""
    return replace(settled, discovery=settled.discovery.copied(), state=deepcopy(settled.state))


def _live(world: World, settled: Settled, switches: Switches, end: int) -> Iterator[Lived]:
    """As :func:`live_days`, moving what is settled on."""
    scenario, members = world.scenario, world.members
    discovery, state = settled.discovery, settled.state
    discovery.switches = switches
    for day in range(settled.day, end):
        if day % 7 == 0:
            discovery.learn(day)
        visits, found = live_day(world, discovery, state, day, settled.visits_per_member_day)
        leaves_before = state.standing.is_churn.copy()
        membership = scenario.membership
        is_paying = (state.standing.paying_day <= day) & (state.standing.leave_day > day)
        state.standing.close(
            scenario.seed, day, members.join_day, trial_days=membership.trial_days,
            trial_paid_ratio=membership.trial_paid_ratio, price_ratio=membership.price_ratio,
        )  # fmt: skip
        is_churned = state.standing.is_churn & ~leaves_before
        yield Lived(day, visits, found, is_paying, is_churned, state.standing)


def sums_of_day(
    world: World, day: int, visits: Visits, found: Browse, watched_ms: Ints, standing: Standing,
    lived_in: Mapping[str, Tinies] = MappingProxyType({}),
) -> list[pl.DataFrame]:  # fmt: skip
    """A closed day's weighted sums, of visits and of members, by region, jackknife group and ``lived_in`` [members]."""
    m, member = world.members, visits.member
    played = found.chosen >= 0
    values: dict[str, npt.NDArray[Any]] = {
        "visits": np.ones(member.size, np.int64),
        "plays": played,
        "rec_plays": played & found.is_rec_driven,
        "searches": found.asked >= 0,
        "search_plays": (found.surface == SEARCH) & played,
        "skips": found.is_skipped,
        "playing_ms": watched_ms,
        "rec_playing_ms": watched_ms * found.is_rec_driven,
        "found_ms": found.browse_ms * played,
        "lost_ms": found.browse_ms * ~played,
        "home_looks": found.examined,
        "home_plays": (found.surface == HOME) & played,
    }
    of_members: dict[str, npt.NDArray[Any]] = {
        "member_days": (standing.paying_day <= day) & (standing.leave_day > day),
        "churned": standing.is_churn & (standing.leave_day == day + 1),
    }
    keys: dict[str, npt.NDArray[Any]] = {**lived_in, "region_index": m.region, "replicate": m.replicate}
    every = np.arange(m.count)
    tables: list[tuple[Ints, dict[str, npt.NDArray[Any]]]] = [(member, values), (every, of_members)]
    return [
        pl.DataFrame(
            {name: of[who] for name, of in keys.items()}
            | {name: m.weight[who] * np.asarray(value).astype(np.int64) for name, value in counted.items()}
        )
        .group_by(list(keys))
        .sum()
        for who, counted in tables
    ]


def added_up(sums: Sequence[pl.DataFrame], keys: Sequence[str]) -> pl.DataFrame:
    """Frames of :func:`sums_of_day` as one."""
    parts = pl.all().exclude(*keys).fill_null(0).sum().cast(pl.Decimal(38, 0))
    return pl.concat(sums, how="diagonal_relaxed").group_by(keys).agg(parts).sort(keys)
