"""Plane isolation: the same days with and without an incident of the control plane, side by side.

An outage of recommendations may reach streaming by two roads alone: through the requests (who finds less plays
less) and, from the next training on, through load (what is predicted to be popular is what sites hold). Playing
the requests of one run in the other run's load tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from synthetic.day import DayState
from synthetic.emulator import Served, days
from synthetic.playing import Delivered, deliver
from synthetic.scenario import IncidentSpec, Scenario
from synthetic.world import World, make_world

__all__ = ["compare_incident", "compare_worlds", "same_load", "walk_both"]

Pair = tuple[Served, Served]
"""A day without the incident and the same day with it."""


def compare_incident(scenario: Scenario, incident: IncidentSpec) -> pl.DataFrame:
    """:func:`compare_worlds` of a scenario with that incident alone, and without any; nobody is in an experiment."""
    world = make_world(scenario.model_copy(update={"incident": (), "experiment": ()}))
    return compare_worlds(world, walk_both(world, incident))


def walk_both(world: World, incident: IncidentSpec) -> Iterator[Pair]:
    """The days of a world in step: as its scenario has them, and with one more incident."""
    scenario = world.scenario
    hit = scenario.model_copy(update={"incident": (*scenario.incident, incident)})
    return zip(days(world), days(replace(world, scenario=hit)), strict=True)


def same_load(load: DayState, incidents: DayState) -> DayState:
    """The load, holdings and health of one run's day with the incidents of another's."""
    return replace(load, incidents=incidents.incidents)


def compare_worlds(world: World, pairs: Iterable[Pair]) -> pl.DataFrame:
    """Weighted counts over all days: a row a world, with ``attempts``, ``starts``, ``startup_p99_ms`` and ``stalls``.

    ``quiet`` and ``hit``: the two runs. ``quiet_requests_hit``: requests of the quiet run, played with the incident
    in the quiet run's load. ``hit_requests_quiet_load``: requests of the run with the incident, likewise.
    """
    played: dict[str, list[pl.DataFrame]] = {}
    for quiet, hit in pairs:
        held = same_load(quiet.state, hit.state)
        for name, served in {
            "quiet": quiet,
            "quiet_requests_hit": replace(quiet, delivered=deliver(world, held, quiet.request)),
            "hit": hit,
            "hit_requests_quiet_load": replace(hit, delivered=deliver(world, held, hit.request)),
        }.items():
            played.setdefault(name, []).append(_plays(world, served))
    rows = []
    for name, parts in played.items():
        frame = pl.concat(parts)
        started = frame.filter("started")
        rows.append(
            {
                "world": name,
                "attempts": frame["weight"].sum(),
                "starts": started["weight"].sum(),
                "startup_p99_ms": _quantile(started, 0.99),
                "stalls": (started["stall_count"] * started["weight"]).sum(),
            }
        )
    return pl.DataFrame(rows)


def _plays(world: World, served: Served) -> pl.DataFrame:
    d: Delivered = served.delivered
    member = served.request.visits.member[d.rows]
    return pl.DataFrame(
        {
            "weight": world.members.weight[member],
            "started": d.played.started & (d.failure == 0),
            "startup_ms": d.played.startup_ms,
            "stall_count": d.played.stall_count.astype(np.int64),
        }
    )


def _quantile(started: pl.DataFrame, q: float) -> float | None:
    if started.is_empty():
        return None
    return float(
        np.quantile(started["startup_ms"], q, weights=started["weight"].to_numpy(), method="inverted_cdf")
    )
