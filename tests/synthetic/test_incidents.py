"""Incidents: each kind is seen in telemetry within its scope and window, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from metrics.catalog import METRICS
from metrics.telemetry import TABLES
from synthetic import emulator
from synthetic.demand import visits_of_day
from synthetic.incident_kinds import KINDS, PLACE_SCOPES, SCOPES, kinds_table
from synthetic.incidents import level_of_sites, resolve_incidents, severity, sites_in, surge_ratio
from synthetic.places import make_places
from synthetic.scenario import IncidentSpec, Scenario, load_scenario
from synthetic.world import make_world

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"
HOUR_MS = 3_600_000
Frames = dict[str, pl.DataFrame]


def one_day() -> Scenario:
    base = load_scenario(None, panel=4_000, days=1, titles=3_000)
    telemetry = base.telemetry.model_copy(update={"request_sample_ratio": 1.0})
    # Disks that a catalogue this small does not fit on, so that some plays are served past the edge.
    delivery = base.delivery.model_copy(update={"edge_disk_tb": 50})
    return base.model_copy(update={"incident": (), "telemetry": telemetry, "delivery": delivery})


def incident(kind: str, hour: float, minutes: int, share: float, scope: Mapping[str, str]) -> IncidentSpec:
    start = datetime.fromtimestamp(one_day().start_ts_ms / 1000 + hour * 3_600, UTC)
    return IncidentSpec(
        id=kind, kind=kind, start=start, minutes=minutes, ramp_minutes=0, severity=share, scope=dict(scope)
    )


HIT = (
    incident("config_push", 9, 300, 0.5, {"region": "asia-pacific"}),
    incident("auth_outage", 0, 360, 0.5, {"region": "latin-america"}),
    incident("access_congestion", 2, 900, 0.95, {"country": "FR"}),
    incident("bad_encode", 0, 720, 0.6, {"codec": "av1", "device": "smart_tv"}),
    incident("player_bug", 12, 660, 0.4, {"player_version": "8.3", "os": "roku"}),
    incident("recommendation_outage", 1, 300, 0.6, {"region": "north-america", "device": "connected_tv"}),
    incident("live_surge", 18, 60, 0.2, {"region": "north-america"}).model_copy(update={"ramp_minutes": 40}),
)


def tables(scenario: Scenario, partitions: int = 2) -> Frames:
    (batch,) = emulator.run(scenario, partitions=partitions)
    return batch.tables


@pytest.fixture(scope="module")
def quiet() -> Frames:
    return tables(one_day())


@pytest.fixture(scope="module")
def hit() -> Frames:
    return tables(one_day().model_copy(update={"incident": HIT}))


def within(spec: IncidentSpec, at: str = "start_ts_ms") -> pl.Expr:
    """Rows in the scope and the window of an incident; for requests made on opening, ``at`` is told."""
    expression = pl.col(at).is_between(spec.start_ts_ms, spec.start_ts_ms + spec.minutes * 60_000 - 1)
    for key, value in spec.scope.items():
        expression &= pl.col(key) == value
    return expression


def sessions(frames: Frames) -> pl.DataFrame:
    # Home, browsing and the play come in this order; a search's latency is no part of either, and is short.
    return frames["playback_session"].with_columns(open_ts_ms=pl.col("start_ts_ms") - pl.col("browse_ms"))


def spec_of(kind: str) -> IncidentSpec:
    return next(spec for spec in HIT if spec.kind == kind)


def others(kind: str) -> pl.Expr:
    """Whether another incident than that may have had a hand in a session."""
    return pl.any_horizontal(
        within(spec, at) for spec in HIT if spec.kind != kind for at in ("start_ts_ms", "open_ts_ms")
    )


def test_all_tables_keep_the_contract(hit: Frames) -> None:
    for name, frame in hit.items():
        assert TABLES[name].validate(frame).reasons == {}, name


def test_what_lies_in_no_scope_is_the_same_to_the_bit(quiet: Frames, hit: Frames) -> None:
    one, two = sessions(quiet), sessions(hit)
    loose = pl.any_horizontal(
        # An answer on opening is seen some minutes later, when something has been found.
        # A session that is on when a network fills up feels it too.
        (pl.col("end_ts_ms") >= spec.start_ts_ms - 10_000)
        & pl.all_horizontal([pl.lit(value=True), *(pl.col(k) == v for k, v in spec.scope.items())])
        for spec in HIT
    )
    # What a member was shown and met is on the service's mind, and theirs, for the rest of the day.
    touched = pl.concat([one.filter(loose), two.filter(loose)])["subscriber_id"].unique()
    alike = one.filter(~loose, ~pl.col("subscriber_id").is_in(touched.implode()))
    assert 0.3 * one.height < alike.height < one.height
    left = two.filter(pl.col("session_id").is_in(alike["session_id"].implode()))
    assert alike.equals(left)


def failed(frame: pl.DataFrame, outcome: str) -> float:
    return float((frame["outcome"] == outcome).mean())  # type: ignore[arg-type]


def test_a_config_push_is_answered_with_errors_by_edges(quiet: Frames, hit: Frames) -> None:
    rows = sessions(hit).filter(within(spec_of("config_push")) & ~others("config_push"))
    edge = sessions(quiet).filter(pl.col("appliance").str.contains("-edge-"))["session_id"]
    on_edge = rows.filter(pl.col("session_id").is_in(edge.implode()))
    assert failed(on_edge, "start_failure") == pytest.approx(0.5, abs=0.08)
    broken = on_edge.filter(pl.col("outcome") == "start_failure")
    assert broken.filter(pl.col("failure_class") == "technical").height > 0.95 * broken.height
    assert broken["waited_ms"].min() > 0  # type: ignore[operator]
    assert failed(rows.filter(~pl.col("session_id").is_in(edge.implode())), "start_failure") < 0.05
    # The control plane has authorised what an edge then refused: it does not see the failure.
    scope = (pl.col("service") == "authorise") & within(spec_of("config_push"), "ts_ms")
    assert (hit["control_request"].filter(scope)["status"] == 503).mean() < 0.02  # type: ignore[operator]


def test_a_bad_encode_fails_at_the_start_and_while_playing(quiet: Frames, hit: Frames) -> None:
    rows = sessions(hit).filter(within(spec_of("bad_encode")) & ~others("bad_encode"))
    assert rows.height > 200
    at_start, playing = failed(rows, "start_failure"), failed(rows, "playback_failure")
    assert at_start == pytest.approx(0.3, abs=0.07)
    assert playing == pytest.approx(0.3, abs=0.07)
    spared = sessions(hit).filter(
        within(spec_of("bad_encode").model_copy(update={"scope": {"codec": "h264"}})) & ~others("bad_encode")
    )
    assert failed(spared, "playback_failure") < 0.01


def test_a_player_bug_breaks_plays_off(hit: Frames) -> None:
    rows = sessions(hit).filter(within(spec_of("player_bug")) & ~others("player_bug"))
    assert rows.height > 100
    assert failed(rows, "playback_failure") == pytest.approx(0.4, abs=0.1)
    assert failed(rows, "start_failure") < 0.05
    other_version = spec_of("player_bug").model_copy(
        update={"scope": {"player_version": "8.4", "os": "roku"}}
    )
    spared = sessions(hit).filter(within(other_version) & ~others("player_bug"))
    assert failed(spared, "playback_failure") < 0.03


def test_an_authorisation_outage_refuses_plays(hit: Frames) -> None:
    rows = sessions(hit).filter(within(spec_of("auth_outage"), "open_ts_ms") & ~others("auth_outage"))
    assert failed(rows, "start_failure") == pytest.approx(0.5, abs=0.08)
    requests = hit["control_request"].filter((pl.col("service") == "authorise") & (pl.col("status") == 503))
    assert (requests["region"] == "latin-america").mean() > 0.95  # type: ignore[operator]


def test_a_recommendation_outage_degrades_home_pages_alone(quiet: Frames, hit: Frames) -> None:
    spec = spec_of("recommendation_outage")
    home = hit["control_request"].filter(pl.col("service") == "home")
    degraded = home.filter("is_degraded")
    assert degraded.height > 50
    assert degraded.filter(within(spec, "ts_ms")).height == degraded.height
    assert degraded.height / home.filter(within(spec, "ts_ms")).height == pytest.approx(0.6, abs=0.08)
    assert not quiet["control_request"]["is_degraded"].any()


def test_access_congestion_slows_what_it_names(quiet: Frames, hit: Frames) -> None:
    mine = within(spec_of("access_congestion")) & ~others("access_congestion")
    both = (
        sessions(quiet)
        .filter(mine)
        .join(sessions(hit), on="session_id", suffix="_hit")
        .drop_nulls("startup_ms_hit")
    )
    assert (both["startup_ms_hit"] >= both["startup_ms"]).all()
    # What is gone on with is on the device already, and so is what rested on screen: about a quarter of the rest.
    fetched = both.filter(pl.col("surface") != "continue")
    slower = fetched["startup_ms_hit"] > fetched["startup_ms"]
    assert slower.mean() == pytest.approx(0.75, abs=0.2)
    assert both["mean_bitrate_kbps_hit"].mean() < 0.6 * both["mean_bitrate_kbps"].mean()  # type: ignore[operator]
    assert (both["stall_count_hit"] > 0).mean() > (both["stall_count"] > 0).mean()  # type: ignore[operator]


def test_a_surge_brings_members_on_top_of_their_usual_visits(quiet: Frames, hit: Frames) -> None:
    spec = spec_of("live_surge")
    opened = hit["control_request"].filter(pl.col("service") == "home")
    usual = quiet["control_request"].filter(pl.col("service") == "home")
    came = opened.join(usual, on=["subscriber_id", "ts_ms"], how="anti")
    assert opened.height - usual.height == came.height
    assert came["region"].unique().to_list() == ["north-america"]
    assert came["ts_ms"].min() >= spec.start_ts_ms  # type: ignore[operator]
    assert came["ts_ms"].max() < spec.start_ts_ms + spec.ramp_minutes * 60_000  # type: ignore[operator]
    members = hit["membership"].filter(pl.col("region") == "north-america").height
    assert came.height / members == pytest.approx(0.2, abs=0.04)
    assert came["subscriber_id"].n_unique() == came.height
    assert hit["playback_session"]["session_id"].n_unique() == hit["playback_session"].height


def test_rows_with_incidents_do_not_depend_on_partitions() -> None:
    few = one_day().model_copy(update={"incident": HIT, "panel": 300})
    one, five = tables(few, partitions=1), tables(few, partitions=5)
    for name, frame in one.items():
        assert frame.equals(five[name]), name


def test_the_truth_is_written_in_names(hit: Frames) -> None:
    truth = hit["truth_incident"]
    assert truth["kind"].to_list() == [spec.kind for spec in HIT]
    for spec, row in zip(HIT, truth.iter_rows(named=True), strict=True):
        assert json.loads(row["scope"]) == spec.scope
        assert row["start_ts_ms"] == spec.start_ts_ms
        assert row["end_ts_ms"] == spec.start_ts_ms + spec.minutes * 60_000
        assert row["severity_ratio"] == spec.severity
        assert row["metric"] in METRICS


@pytest.mark.parametrize(
    "kind",
    ["config_push", "appliance_crash", "cluster_saturation", "peering_loss", "fill_failure", "control_plane_loss",
     "access_congestion", "live_surge"],
)  # fmt: skip
def test_the_level_of_sites_is_the_severity_within_scope_and_window(kind: str) -> None:
    scenario = load_scenario()
    places = make_places(scenario)
    scope = {"region": "mena", "isp": "@2"}
    if "exchange" in KINDS[kind].scope:
        scope["exchange"] = "m-ix-1"
    spec = incident(kind, 6, 120, 0.8, scope).model_copy(update={"ramp_minutes": 60})
    incidents = resolve_incidents(scenario.model_copy(update={"incident": (spec,)}), places)
    hours = np.array([5.9, 6.0, 6.5, 7.0, 7.99, 8.0])
    ts_ms = scenario.start_ts_ms + np.round(hours * HOUR_MS).astype(np.int64)
    expected = [0.0, 0.0, 0.4, 0.8, 0.8, 0.0]
    assert severity(incidents[0], ts_ms) == pytest.approx(expected)
    levels = level_of_sites(incidents, kind, ts_ms, places)
    inside = np.array([name.startswith("m-isp-2-") for name in places.sites])
    if "exchange" in scope:
        inside &= places.site_exchange == places.exchanges.index("m-ix-1")
    assert 0 < inside.sum() < inside.size / 10
    assert (sites_in(incidents[0].where, places) == inside).all()
    assert levels == pytest.approx(np.outer(expected, inside))
    other = next(name for name in KINDS if name != kind)
    assert not level_of_sites(incidents, other, ts_ms, places).any()


def test_the_load_of_a_surge_has_the_hours_of_its_visits() -> None:
    scenario = one_day().model_copy(update={"incident": HIT, "panel": 1_500})
    world = make_world(scenario)
    served = next(iter(emulator.days(world)))
    visit_ms = round(scenario.demand.hours_per_member_day * HOUR_MS / served.state.visits_per_member_day)
    every = 60_000
    ts_ms = scenario.start_ts_ms + np.arange(0, 24 * HOUR_MS, every)
    ratio = surge_ratio(served.state.incidents, ts_ms, world.places, visit_ms)
    inside = world.places.site_region == world.places.regions.index("north-america")
    assert not ratio[:, ~inside].any()
    assert not ratio[: 18 * 60 + 1].any()
    # Concurrent members summed over time: who came, times how long they stay.
    assert ratio[:, inside].sum(axis=0) * every == pytest.approx(0.2 * visit_ms, rel=1e-3)
    assert ratio.max() <= 0.2
    visits = served.request.visits
    usual = visits_of_day(
        scenario,
        world.places,
        world.members,
        np.arange(world.members.count),
        0,
        served.state.visits_per_member_day,
        served.state.member_state.standing,
    )
    extra = ~np.isin(visits.member * (1 << 20) + visits.step, usual.member * (1 << 20) + usual.step)
    meant_ms = served.request.browse.watch_ms[extra].mean()
    assert meant_ms == pytest.approx(visit_ms, rel=0.25)


def test_each_kind_says_what_can_be_looked_up() -> None:
    assert len(KINDS) == 12
    for name, kind in KINDS.items():
        assert kind.moves in METRICS, name
        assert set(kind.needs) <= set(kind.scope) <= set(SCOPES), name
        assert set(kind.scope) & {*PLACE_SCOPES, "device"}, name
    shipped = load_scenario().incident
    assert sorted(spec.kind for spec in shipped) == sorted(KINDS)


def test_the_documented_kinds_are_current() -> None:
    """``playhead scenario kinds`` prints the table for ``docs/scenarios.md``."""
    assert kinds_table() in DOCS.read_text("utf-8")
