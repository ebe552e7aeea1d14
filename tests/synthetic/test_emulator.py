"""The emulator as a whole: the contract kept, the same rows for any partitions, truth written."""

from __future__ import annotations

import pickle
from functools import partial

import polars as pl
import pytest

from metrics.engine import map_partitions
from metrics.telemetry import TABLES
from synthetic import emulator
from synthetic.counterfactual import WORLDS
from synthetic.scenario import Scenario, load_scenario
from synthetic.world import make_world


def small(**changes: int) -> Scenario:
    return load_scenario(None, **({"panel": 400, "days": 8, "titles": 3_000} | changes))


def tables(scenario: Scenario, partitions: int = 2) -> dict[str, pl.DataFrame]:
    frames: dict[str, list[pl.DataFrame]] = {}
    for batch in emulator.run(scenario, partitions=partitions):
        for name, frame in batch.tables.items():
            frames.setdefault(name, []).append(frame)
    return {name: pl.concat(parts) for name, parts in frames.items()}


@pytest.fixture(scope="module")
def run() -> dict[str, pl.DataFrame]:
    return tables(small())


def test_every_row_keeps_the_contract(run: dict[str, pl.DataFrame]) -> None:
    for name, frame in run.items():
        assert TABLES[name].validate(frame).reasons == {}, name
    computed = {"charge", "score"}  # from telemetry, not written by the service
    of_experiments = {"assignment", "truth_discovery"}  # none begins within the days of this run
    assert set(run) == set(TABLES) - computed - of_experiments


@pytest.mark.parametrize("partitions", [1, 3, 8])
def test_rows_do_not_depend_on_partitions(run: dict[str, pl.DataFrame], partitions: int) -> None:
    other = tables(small(), partitions)
    for name, frame in run.items():
        assert frame.equals(other[name]), name


def test_rows_do_not_depend_on_the_process_that_makes_them() -> None:
    """Another process is sent the day's state and builds the world anew."""
    scenario = small(panel=100, days=1)
    elsewhere = emulator.run(scenario, mapper=partial(map_partitions, where="processes"))
    (other,), (here,) = elsewhere, emulator.run(scenario)
    assert set(other.tables) == set(here.tables)
    for name, frame in here.tables.items():
        assert frame.equals(other.tables[name]), name


def test_a_world_travels_as_its_scenario() -> None:
    world = make_world(small(panel=100))
    sent = pickle.dumps(world)
    assert len(sent) < 100_000
    again = pickle.loads(sent)
    assert again.scenario == world.scenario
    assert again.members.subscriber_id.equals(world.members.subscriber_id)
    assert (again.titles.share == world.titles.share).all()
    assert pickle.loads(sent) is again


def test_another_seed_is_another_world(run: dict[str, pl.DataFrame]) -> None:
    other = tables(small(seed=7, days=1))
    assert not run["playback_session"].head(100).equals(other["playback_session"].head(100))


def test_bytes_are_the_same_in_sessions_and_in_delivery(run: dict[str, pl.DataFrame]) -> None:
    sessions, delivery = run["playback_session"], run["delivery"]
    for tier in ("edge", "storage", "third_party"):
        of_sessions = (sessions[f"{tier}_bytes"] * sessions["weight"]).sum()
        assert delivery.filter(pl.col("tier") == tier)["delivered_bytes"].sum() == of_sessions


def test_minutes_count_what_sessions_say(run: dict[str, pl.DataFrame]) -> None:
    scenario, minutes = small(), run["minute_count"]
    # The clock stops with the last day; sessions that are still on then are told by their own rows alone.
    stop = scenario.start_ts_ms + scenario.days * 86_400_000
    assert minutes["ts_ms"].max() == stop - 60_000
    sessions = run["playback_session"].filter(pl.col("end_ts_ms") < stop)
    on = run["playback_session"].filter(pl.col("end_ts_ms") >= stop)
    assert 0 < on.height < sessions.height / 50
    weight = pl.col("weight")
    parts = {
        "attempts": weight.sum(),
        "starts": weight.filter(pl.col("startup_ms").is_not_null()).sum(),
        "starts_late": weight.filter(pl.col("startup_ms") >= 2_000).sum(),
        "exits_before_start": weight.filter(pl.col("outcome") == "exit_before_start").sum(),
        "start_failures": weight.filter(pl.col("outcome") == "start_failure").sum(),
        "playback_failures": weight.filter(pl.col("outcome") == "playback_failure").sum(),
        "first_stalls": weight.filter(pl.col("stall_count") > 0).sum(),
        "attempts_n": pl.len().cast(pl.Int64),
        "attempts_weight_squared": (weight**2).sum(),
    }
    ended, still_on = sessions.select(**parts).row(0), on.select(**parts).row(0)
    counted = minutes.select(pl.col(list(parts)).sum()).row(0)
    for name, low, more, found in zip(parts, ended, still_on, counted, strict=True):
        assert low <= found <= low + more, name
    # A session watched for t minutes touches between t and t + 2 minutes of the clock.
    started = run["playback_session"].filter(pl.col("startup_ms").is_not_null())
    unpaused = started["end_ts_ms"] - started["paused_ms"]
    seen = unpaused.clip(upper_bound=stop) - started["start_ts_ms"] - started["waited_ms"]
    wall = seen.clip(lower_bound=0) / 60_000
    low, high = (wall * started["weight"]).sum(), ((wall + 2) * started["weight"]).sum()
    assert low <= minutes["watched_viewer_minutes"].sum() <= high


def test_a_viewer_watches_what_was_published_and_once_at_a_place(run: dict[str, pl.DataFrame]) -> None:
    played = run["impression"].filter("is_played").select("impression_id", "content_id")
    attributed = run["playback_session"].drop_nulls("impression_id").select("impression_id", "content_id")
    both = attributed.join(played, on="impression_id", how="full")
    assert both.height == attributed.height == played.height > 0
    assert (both["content_id"] == both["content_id_right"]).all()


def test_events_tell_the_stalls_of_their_session() -> None:
    base = small(days=3)
    every = base.model_copy(
        update={"telemetry": base.telemetry.model_copy(update={"event_sample_ratio": 1.0})}
    )
    run = tables(every)
    stalls = run["playback_event"].filter(pl.col("event") == "stall").group_by("session_id").len()
    stalled = run["playback_session"].filter(pl.col("stall_count") > 0).select("session_id", "stall_count")
    both = stalls.join(stalled, on="session_id", how="full")
    assert both.height > 0
    assert (both["len"].cast(pl.Int64) == both["stall_count"]).all()


def test_both_worlds_saw_the_same_members(run: dict[str, pl.DataFrame]) -> None:
    worlds = run["truth_counterfactual"].group_by("world").agg(pl.col("attempts", "member_days").sum())
    assert set(worlds["world"]) == set(WORLDS)
    assert worlds["attempts"].n_unique() == 1
    assert worlds["member_days"].n_unique() == 1
    per = {row["world"]: row for row in run["truth_counterfactual"].group_by("world").agg(
        pl.col("edge_bytes", "storage_bytes", "third_party_bytes").sum()).iter_rows(named=True)}  # fmt: skip
    assert per["third_party_cdn"]["edge_bytes"] == 0
    assert per["h264_only"]["edge_bytes"] > per["factual"]["edge_bytes"]
    factual = run["playback_session"]
    assert per["factual"]["edge_bytes"] == (factual["edge_bytes"] * factual["weight"]).sum()
