"""Delivery in a run: what hits it is seen where it says and nowhere else; a world differs by its switch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from synthetic import emulator
from synthetic.counterfactual import WORLDS
from synthetic.data_plane.appliances import (
    CONTENT_MISS,
    EDGE,
    HEALTH_MISS,
    HIT,
    OTHER,
    STORAGE,
    THIRD_PARTY,
)
from synthetic.emulator import Served
from synthetic.playing import Delivered, deliver
from synthetic.scenario import IncidentSpec, Scenario, load_scenario
from synthetic.world import FACTUAL, Switches, World, make_world

HOUR_MS = 3_600_000


def scenario() -> Scenario:
    return load_scenario(None, panel=3_000, days=2).model_copy(update={"incident": ()})


def incident(kind: str, scope: dict[str, str], share: float = 1.0) -> IncidentSpec:
    """One that lasts from 6 h to 18 h of the second day."""
    start = datetime.fromtimestamp(scenario().start_ts_ms / 1000 + 30 * 3_600, UTC)
    return IncidentSpec(
        id=kind, kind=kind, start=start, minutes=720, ramp_minutes=0, severity=share, scope=scope
    )


HITS = (
    incident("appliance_crash", {"region": "north-america"}, 0.8),
    incident("cluster_saturation", {"region": "latin-america"}, 0.97),
    incident("control_plane_loss", {"region": "western-europe"}),
    incident("peering_loss", {"region": "asia-pacific"}),
)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(scenario())


@pytest.fixture(scope="module")
def days(world: World) -> list[Served]:
    return list(emulator.days(replace(world, scenario=scenario().model_copy(update={"incident": HITS}))))


@pytest.fixture(scope="module")
def quiet(world: World) -> list[Served]:
    return list(emulator.days(world))


def plays(world: World, served: Served, delivered: Delivered | None = None) -> pl.DataFrame:
    d = delivered or served.delivered
    member = served.request.visits.member[d.rows]
    return pl.DataFrame(
        {
            "region": pl.Series(world.places.regions).gather(world.members.region[member]),
            "hour": (served.request.play_ts_ms[d.rows] - world.scenario.start_ts_ms) / HOUR_MS,
            "tier": d.tier,
            "miss": d.miss,
            "startup_ms": d.played.startup_ms,
            "title": served.request.browse.chosen[d.rows],
            "route": d.plays.route // len(world.places.sites),
        }
    )


def shares(frame: pl.DataFrame, expression: pl.Expr) -> dict[str, float]:
    rows = frame.group_by("region").agg(share=expression.mean()).iter_rows(named=True)
    return {row["region"]: row["share"] for row in rows}


def test_without_incidents_what_the_edge_does_not_serve_it_does_not_hold(
    world: World, quiet: list[Served]
) -> None:
    for served in quiet:
        frame = plays(world, served)
        assert set(frame["miss"].unique()) == {HIT, CONTENT_MISS}
        assert ((frame["tier"] == EDGE) == (frame["miss"] == HIT)).all()


def test_each_incident_of_delivery_is_felt_in_its_scope_and_window_alone(
    world: World, days: list[Served], quiet: list[Served]
) -> None:
    first, second = (plays(world, served) for served in days)
    assert first.equals(plays(world, quiet[0]))
    inside = second.filter(pl.col("hour").is_between(30, 42, closed="left"))
    outside = second.filter(~pl.col("hour").is_between(30, 42, closed="left"))
    assert set(outside["miss"].unique()) == {HIT, CONTENT_MISS}
    missed = shares(inside, pl.col("miss") == HEALTH_MISS)
    on_edge = shares(inside, pl.col("tier") == EDGE)
    hit = {"north-america", "latin-america", "western-europe"}
    assert all(missed[region] > 0.1 for region in hit), missed
    assert all(share == 0 for region, share in missed.items() if region not in hit), missed
    assert on_edge["western-europe"] == 0  # no new session, though the edge has room and the title
    assert min(share for region, share in on_edge.items() if region not in hit) > 0.8


def test_a_withdrawn_link_leaves_the_public_port_and_a_longer_way(world: World, days: list[Served]) -> None:
    both = pl.concat([plays(world, served) for served in days])
    frame = both.filter(pl.col("region") == "asia-pacific", pl.col("tier") == STORAGE)
    in_window = pl.col("hour").is_between(30, 42, closed="left")
    private = 1
    assert frame.filter(in_window, pl.col("route") == private).is_empty()
    assert frame.filter(~in_window, pl.col("route") == private).height > 0
    assert frame.filter(in_window).height > 0


def test_nothing_is_served_by_an_appliance_that_is_down(world: World, days: list[Served]) -> None:
    served = days[1]
    d, night = served.delivered, served.state.night
    site = world.members.site[served.request.visits.member[d.rows]]
    interval = (served.request.play_ts_ms[d.rows] - world.scenario.start_ts_ms) // 900_000 - 96
    of = world.footprint.edge_appliances[site]
    turned = (d.appliance - night.turned[site]) % of
    on_edge = d.tier == EDGE
    assert (d.appliance[on_edge] < of[on_edge]).all()
    assert (turned[on_edge] >= night.away[interval, site][on_edge]).all()


def test_running_sessions_of_an_edge_without_its_control_plane_go_on(
    world: World, days: list[Served], quiet: list[Served]
) -> None:
    found, usual = (served[1].state.night.paths[FACTUAL].congestion.edge_streams for served in (days, quiet))
    here = world.places.site_region == world.places.regions.index("western-europe")
    begins = 6 * 4
    assert (found[:begins, here] == usual[:begins, here]).all()
    assert 0 < found[begins, here].sum() < usual[begins, here].sum()
    assert (np.diff(found[begins : begins + 4, here].sum(axis=1)) < 0).all()
    untouched = world.places.site_region == world.places.regions.index("mena")
    assert (found[:, untouched] == usual[:, untouched]).all()


def test_a_failed_fill_keeps_yesterdays_titles(world: World) -> None:
    """Three nights without a push: releases of those days are not there, elsewhere they are."""
    base = load_scenario(None, panel=200, days=4, titles=6_000).model_copy(update={"incident": ()})
    spec = IncidentSpec(
        id="fill", kind="fill_failure", start=datetime(2026, 4, 1, tzinfo=UTC), minutes=4 * 1440,
        ramp_minutes=0, severity=1.0, scope={"region": "mena"},
    )  # fmt: skip
    served = list(emulator.days(make_world(base.model_copy(update={"incident": (spec,)}))))
    places = make_world(base).places
    night = served[-1].state.night
    mena = places.site_region == places.regions.index("mena")
    status = night.fill.status[night.holdings.of_cluster]
    assert (status[mena] == 2).all()
    assert (status[~mena] != 2).all()
    of_cluster = night.holdings.of_cluster
    assert night.fill.pushed_bytes[of_cluster[mena]].sum() == 0
    first = served[0].state.night.holdings
    assert (night.holdings.copies[of_cluster[mena]] == first.copies[first.of_cluster[mena]]).all()
    assert (night.holdings.copies[of_cluster[~mena]] != first.copies[first.of_cluster[~mena]]).any()


def worlds(world: World, served: Served) -> Iterator[tuple[str, Switches, Delivered]]:
    for name, switches in WORLDS.items():
        yield name, switches, deliver(world, served.state, served.request, switches, served.delivered)


def test_what_a_world_leaves_as_it_was_comes_out_as_if_played_again(
    world: World, quiet: list[Served]
) -> None:
    served = quiet[1]
    for name, switches, quick in worlds(world, served):
        whole = deliver(world, served.state, served.request, switches)
        for field in ("startup_ms", "playing_ms", "stall_ms", "delivered_kbit", "switch_count"):
            assert (getattr(quick.played, field) == getattr(whole.played, field)).all(), (name, field)


def test_each_world_is_served_by_what_it_has(world: World, quiet: list[Served]) -> None:
    seen = {name: plays(world, quiet[1], d) for name, _, d in worlds(world, quiet[1])}
    tiers = {name: set(frame["tier"].unique()) for name, frame in seen.items()}
    assert tiers == {
        "factual": {EDGE, STORAGE},
        "h264_only": {EDGE, STORAGE},
        "third_party_cdn": {THIRD_PARTY},
        "pull_on_miss": {EDGE, STORAGE},
        "no_edge_tier": {STORAGE},
        "throughput_abr": {EDGE, STORAGE},
    }
    assert set(seen["no_edge_tier"]["miss"].unique()) == {OTHER}
    # Who fetches the same from farther away waits longer.
    far, near = (seen[name]["startup_ms"].to_numpy() for name in ("no_edge_tier", "factual"))
    assert np.mean(far >= near - 1e-3) > 0.95
    fetched = ~quiet[1].delivered.plays.prefetched
    far, near = far[fetched], near[fetched]
    assert np.median(far) > np.median(near)


def test_caches_that_pull_hold_what_is_asked_for_often_and_make_the_first_wait(
    world: World, quiet: list[Served]
) -> None:
    served = quiet[1]
    paths = served.state.night.paths[Switches(pull=True)]
    pull = paths.pull
    assert pull is not None
    best, least = int(pull.share[0].argmax()), int(pull.share[0].argmin())
    now = int(served.request.play_ts_ms.max())

    def held(title: int, ts_ms: int) -> float:
        return float(pull.held(pull.sites, np.array([0]), np.array([title]), np.array([ts_ms]))[0])

    assert held(best, now) > max(held(least, now), 0.9)
    # A title that has just come out is nowhere yet, and the more viewers there are the sooner it is.
    out = int(pull.release_ts_ms[best])
    assert held(best, out) == 0
    assert 0 < held(best, out + 1_000) < held(best, out + 60_000)
    frame = plays(world, served, deliver(world, served.state, served.request, Switches(pull=True)))
    usual = plays(world, served)
    missed = ((frame["miss"] == CONTENT_MISS) & (usual["miss"] == HIT)).to_numpy()
    waited = frame["startup_ms"].to_numpy() - usual["startup_ms"].to_numpy()
    # What is on the device already waits for no cache.
    fetched = missed & ~served.delivered.plays.prefetched
    assert fetched.sum() > 10
    assert np.mean(waited[fetched] > 0) > 0.9
    assert (waited[missed & served.delivered.plays.prefetched] == 0).all()
