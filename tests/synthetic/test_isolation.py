"""Plane isolation, proved: recommendations go down, and streaming of the same requests does not change by one bit.

What members have seen differs between the runs after the outage, and with it what they choose; so that what
discovery explains is asked of the days up to the outage, and what delivery does is asked of the same requests.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from synthetic.arrays import Ints, take
from synthetic.browsing import HOME, ROWS, SLOTS
from synthetic.control_plane.page import page_shift
from synthetic.day import session_keys
from synthetic.discovery import ranking_of
from synthetic.emulator import Served
from synthetic.impressions import impressions
from synthetic.isolation import Pair, compare_worlds, same_load, walk_both
from synthetic.playing import deliver
from synthetic.scenario import IncidentSpec, load_scenario
from synthetic.titles import make_titles
from synthetic.viewer import people_of
from synthetic.world import FACTUAL, World, make_world

DAYS, OUT, TRAINED_ANEW = 9, 1, 7


@pytest.fixture(scope="module")
def world() -> World:
    base = load_scenario(None, panel=400, days=DAYS, titles=3_000)
    telemetry = base.telemetry.model_copy(update={"event_sample_ratio": 1.0})
    made = make_world(base.model_copy(update={"incident": (), "experiment": (), "telemetry": telemetry}))
    # Taste parts these few members strongly, so that pages of their own are plainly worth more than popular ones.
    shares = [region.member_share for region in made.scenario.region.values()]
    titles = make_titles(made.scenario.titles, made.scenario.seed, shares, taste_strength=1.6)
    people = people_of(made.subscriber, made.members.region, made.taste, titles)
    return replace(made, titles=titles, people=people)


@pytest.fixture(scope="module")
def pairs(world: World) -> list[Pair]:
    start_s = world.scenario.start_ts_ms // 1000 + OUT * 86_400 + 6 * 3600
    outage = IncidentSpec(
        id="out",
        kind="recommendation_outage",
        start=datetime.fromtimestamp(start_s, UTC),
        minutes=720,
        ramp_minutes=0,
        severity=1.0,
        scope={},
    )
    return list(walk_both(world, outage))


def same(one: Any, two: Any) -> bool:
    """Whether two dataclasses of arrays are the same to the bit."""
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(two, f.name)) for f in fields(one))
    return bool(one.dtype == two.dtype and one.tobytes() == two.tobytes())


def test_the_same_requests_stream_the_same_to_the_bit(world: World, pairs: list[Pair]) -> None:
    in_outage = 0
    for quiet, hit in pairs:
        held = same_load(quiet.state, hit.state)
        assert same(deliver(world, held, quiet.request), quiet.delivered)
        # The outage's own requests, told apart from nothing: the data plane does not ask who found the title how.
        assert same(deliver(world, held, hit.request), deliver(world, quiet.state, hit.request))
        in_outage += int(hit.request.is_degraded[hit.delivered.rows].sum())
    assert in_outage > 100


def test_until_the_next_training_the_load_itself_is_the_same(pairs: list[Pair]) -> None:
    for quiet, hit in pairs[:TRAINED_ANEW]:
        one_night, other = quiet.state.night, hit.state.night
        assert same(one_night.holdings, other.holdings)
        assert same(one_night.away, other.away)
        for switches, paths in one_night.paths.items():
            assert same(paths.congestion, other.paths[switches].congestion)
            assert same(paths.conditions, other.paths[switches].conditions)
        # So the days as they were run hold for each visit that asked for the same at the same moment.
        one, two = common_visits(quiet, hit)
        asks = (quiet.request.browse.chosen[one] == hit.request.browse.chosen[two]) & (
            quiet.request.play_ts_ms[one] == hit.request.play_ts_ms[two]
        )
        of_quiet = np.isin(quiet.delivered.rows, one[asks])
        of_hit = np.isin(hit.delivered.rows, two[asks])
        for name in ("startup_ms", "stall_count", "stall_ms", "started"):
            one, two = getattr(quiet.delivered.played, name), getattr(hit.delivered.played, name)
            # How long the member means to watch hangs on what they have seen; a start does not.
            alike = (
                quiet.request.browse.watch_ms[quiet.delivered.rows][of_quiet]
                == (hit.request.browse.watch_ms[hit.delivered.rows][of_hit])
            )
            assert (one[of_quiet][alike] == two[of_hit][alike]).all(), name
            assert alike.mean() > 0.9


def common_visits(quiet: Served, hit: Served) -> tuple[Ints, Ints]:
    """Rows, in each of both, of the visits that both have."""
    key, other = session_keys(quiet.request.visits), session_keys(hit.request.visits)
    _, one, two = np.intersect1d(key, other, assume_unique=True, return_indices=True)
    return one, two


def test_the_other_services_answer_the_same_visits_alike(pairs: list[Pair]) -> None:
    for quiet, hit in pairs[: OUT + 1]:
        assert same(quiet.request.visits, hit.request.visits)
    touched = np.zeros(0, np.int64)
    for day, (quiet, hit) in enumerate(pairs):
        # Who found less may come back less. Whom no page of the outage was shown comes as they would have, to the bit.
        if day < TRAINED_ANEW:
            come, still_come = (
                take(s.request.visits, np.flatnonzero(~np.isin(s.request.visits.member, touched)))
                for s in (quiet, hit)
            )
            assert come.member.size > 0
            assert same(come, still_come)
        touched = np.union1d(touched, hit.request.visits.member[hit.request.is_degraded])
        one, two = common_visits(quiet, hit)
        assert one.size > 0
        for name in ("failure", "authorise_ms", "steer_ms", "licence_ms"):
            assert (getattr(quiet.request, name)[one] == getattr(hit.request, name)[two]).all(), name


def test_attempts_fall_by_what_discovery_explains_and_by_nothing_else(pairs: list[Pair]) -> None:
    before, (quiet, hit) = pairs[:OUT], pairs[OUT]
    for one, two in before:
        assert same(one.request, two.request)
        assert same(one.delivered, two.delivered)
    degraded = hit.request.is_degraded
    assert degraded.any()
    assert not quiet.request.is_degraded.any()
    # What a member saw in the outage is on the service's mind at their next visit of the day.
    member = quiet.request.visits.member
    untouched = ~np.isin(member, member[degraded])
    for name in (f.name for f in fields(quiet.request.browse)):
        one, two = getattr(quiet.request.browse, name), getattr(hit.request.browse, name)
        assert (one[untouched] == two[untouched]).all(), name
    found, still_found = quiet.request.browse.chosen >= 0, hit.request.browse.chosen >= 0
    lost, gained = found & ~still_found, still_found & ~found
    assert not (lost | gained)[untouched].any()
    assert quiet.delivered.rows.size - hit.delivered.rows.size == lost.sum() - gained.sum()
    assert lost.any()
    # Popular titles in place of those ranked for the member: more is looked at for each play.
    taken, still_taken = (
        (served.request.browse.surface[degraded] == HOME).sum()
        / served.request.browse.examined[degraded].sum()
        for served in (quiet, hit)
    )
    assert taken > still_taken
    assert same(quiet.request.play_ts_ms[untouched], hit.request.play_ts_ms[untouched])


def test_a_degraded_page_is_the_popular_one(world: World, pairs: list[Pair]) -> None:
    _, hit = pairs[OUT]
    state, request = hit.state, hit.request
    shown = impressions(world, request, state.week)
    home = shown.filter(pl.col("surface") == "home")
    fallback = ranking_of(world, state.week, state.day).fallback
    keys = request.visits.member * (1 << 20) + request.visits.step
    looked = np.flatnonzero(request.browse.examined > 0)
    for at in looked[:400]:
        degraded = bool(request.is_degraded[at])
        of_visit = home.filter(pl.col("impression_id").str.starts_with(f"{keys[at]}-h"))
        expected = request.browse.page[at]
        if degraded:
            page = fallback[int(request.region[at])].reshape(ROWS, SLOTS)
            expected = np.roll(page, -page_shift(world.scenario.seed, int(keys[at])), axis=0).reshape(-1)
        assert of_visit.sort("row", "slot")["content_id"].to_list() == [
            str(world.titles.id[title]) for title in expected if title >= 0
        ]
        assert of_visit["model"].unique().to_list() == ["popularity" if degraded else "unified"]
    assert request.is_degraded[looked[:400]].sum() > 50


def test_what_differs_is_told_apart_by_its_road(world: World, pairs: list[Pair]) -> None:
    frame = compare_worlds(world, pairs)
    by = {row.pop("world"): row for row in frame.to_dicts()}
    assert by["quiet"] == by["quiet_requests_hit"]
    # Whom the popular page shows nothing may search: in so few members plays need not fall.
    assert by["hit"]["attempts"] == by["hit_requests_quiet_load"]["attempts"] != by["quiet"]["attempts"]
    # Up to the next training there is no other load, and the two rows of the outage are one.
    first = {row.pop("world"): row for row in compare_worlds(world, pairs[:7]).to_dicts()}
    assert first["hit"] == first["hit_requests_quiet_load"]


def test_a_difference_of_load_is_reported_as_one(world: World, pairs: list[Pair]) -> None:
    quiet, hit = pairs[OUT]
    night = hit.state.night
    usual = night.paths[FACTUAL]
    full = replace(
        usual, congestion=replace(usual.congestion, edge_ppm=np.zeros_like(usual.congestion.edge_ppm))
    )
    state = replace(hit.state, night=replace(night, paths={FACTUAL: full}))
    loaded = replace(hit, state=state, delivered=deliver(world, state, hit.request))
    by = {row.pop("world"): row for row in compare_worlds(world, [(quiet, loaded)]).to_dicts()}
    assert by["quiet"] == by["quiet_requests_hit"]
    assert by["hit"]["attempts"] == by["hit_requests_quiet_load"]["attempts"]
    assert by["hit"]["startup_p99_ms"] != by["hit_requests_quiet_load"]["startup_p99_ms"]


def test_the_proof_would_see_a_road_between_the_planes(world: World, pairs: list[Pair]) -> None:
    quiet, hit = pairs[OUT]
    lossy = replace(same_load(quiet.state, hit.state), incidents=_pushed(hit.state.incidents))
    assert not same(deliver(world, lossy, quiet.request), quiet.delivered)


def _pushed(incidents: Any) -> Any:
    spec = incidents[0].spec.model_copy(update={"kind": "config_push", "severity": 0.01})
    return [replace(incidents[0], spec=spec)]
