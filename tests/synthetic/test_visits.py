"""Visits, searches and arms as telemetry: all of a sample, what they led to, and what each stands for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from metrics.query import measure_frames
from metrics.telemetry import TABLES
from synthetic import emulator, experiments
from synthetic.scenario import ExperimentSpec, Scenario, load_scenario
from synthetic.tables import assignments
from synthetic.titles import GENRES
from synthetic.visits import _commonest
from synthetic.world import make_world


def scenario(sample: float) -> Scenario:
    base = load_scenario(None, panel=300, days=8, titles=2_000, seed=5)
    rates = {"request_sample_ratio": sample, "event_sample_ratio": sample, "first_week_sample_ratio": 1.0}
    # Many join, so that there are first weeks to look at.
    membership = base.membership.model_copy(update={"monthly_join_ratio": 0.4})
    telemetry = base.telemetry.model_copy(update=rates)
    return base.model_copy(update={"telemetry": telemetry, "membership": membership})


def run(sample: float, *running: ExperimentSpec) -> dict[str, pl.DataFrame]:
    frames: dict[str, list[pl.DataFrame]] = {}
    for batch in emulator.run(scenario(sample).model_copy(update={"experiment": running})):
        for name, frame in batch.tables.items():
            frames.setdefault(name, []).append(frame)
    return {name: pl.concat(parts) for name, parts in frames.items()}


@pytest.fixture(scope="module")
def everything() -> dict[str, pl.DataFrame]:
    return run(1.0)


@pytest.fixture(scope="module")
def sampled() -> dict[str, pl.DataFrame]:
    return run(0.1)


def test_every_play_attempt_is_the_end_of_a_visit(everything: dict[str, pl.DataFrame]) -> None:
    visits, sessions = everything["visit"], everything["playback_session"]
    ends = visits.drop_nulls("session_id")
    assert set(ends["session_id"]) == set(sessions["session_id"])
    same = ends.join(sessions, on="session_id", suffix="_of_play")
    for name in ("browse_ms", "surface", "playing_ms", "content_duration_ms", "tenure_days", "weight"):
        assert same[name].equals(same[f"{name}_of_play"], check_names=False), name
    assert (same["ts_ms"] + same["browse_ms"]).equals(same["start_ts_ms"], check_names=False)
    left = visits.filter(~pl.col("is_found"))
    assert 0 < left.height < visits.height / 3
    assert left.select("session_id", "surface", "playing_ms").null_count().row(0) == (left.height,) * 3


def test_a_new_account_has_one_first_visit_which_is_its_first(everything: dict[str, pl.DataFrame]) -> None:
    visits = everything["visit"]
    members = visits.sort("ts_ms").group_by("subscriber_id", maintain_order=True)
    first = members.agg(
        pl.col("is_first_visit").sum().alias("firsts"), pl.first("is_first_visit", "tenure_days")
    )
    new = first.filter(pl.col("firsts") > 0)
    assert 0 < new.height < first.height / 5
    assert new["firsts"].max() == 1
    assert new["is_first_visit"].all()


def test_a_sample_stands_for_all_and_holds_every_first_week(
    everything: dict[str, pl.DataFrame], sampled: dict[str, pl.DataFrame]
) -> None:
    for table in ("visit", "search", "impression"):
        whole, part = everything[table], sampled[table]
        key = TABLES[table].columns[0].name
        assert set(part[key]) <= set(whole[key])
        fresh = pl.col("tenure_days") < 7
        assert part.filter(fresh).drop("weight").equals(whole.filter(fresh).drop("weight"))
        later = [frame.filter(~fresh) for frame in (whole, part)]
        both = later[1].join(later[0], on=key, suffix="_of_all")
        assert both["weight"].equals(10 * both["weight_of_all"], check_names=False)
        assert later[1].height < 0.25 * later[0].height
    # What a member's play came from is known where the impression is kept.
    played = sampled["impression"].filter("is_played")["impression_id"]
    attributed = sampled["playback_session"].drop_nulls("impression_id")["impression_id"]
    assert set(attributed) == set(played)


def test_a_search_is_about_what_it_was_answered_with() -> None:
    genre = np.array([3, 1, 1, 0])
    answers = np.array([[0, 1, 2, -1], [3, 0, -1, -1], [-1, -1, -1, -1]], np.int32)
    has, found = _commonest(genre, answers)
    assert has.tolist() == [True, True, False]
    assert found[:2].tolist() == [1, 0]  # of equal ones the first


def test_searches_say_what_came_of_them_and_what_the_page_held(everything: dict[str, pl.DataFrame]) -> None:
    searches, visits = everything["search"], everything["visit"]
    assert set(searches["genre"].drop_nulls()) <= set(GENRES)
    assert searches["home_count"].max() == 40
    assert (searches["home_before_count"].drop_nulls() <= 40).all()
    of = searches.join(visits, on="visit_id", validate="1:1", suffix="_of_visit")
    assert of.height == searches.height
    assert of.filter("is_played")["surface"].unique().to_list() == ["search"]
    assert not of.filter(~pl.col("is_played"))["surface"].eq("search").any()


def test_a_search_moves_the_page_where_one_taste_serves_all_and_not_at_all_where_each_has_its_own() -> None:
    spec = ExperimentSpec(name="silos", switch="siloed", share=0.5, from_day=0, to_day=7)
    told = run(1.0, spec)
    given = {name: told.get(name, table.empty()).lazy() for name, table in TABLES.items()}
    names = ["search_to_home_transfer_ratio", "first_week_genres", "time_to_find_p50_ms", "take_rate"]
    by_arm = measure_frames(given, names, by=["arm"])
    unified, siloed = (
        dict(by_arm.filter(arm=arm).select("metric", "value").iter_rows()) for arm in ("control", "treatment")
    )
    assert siloed["search_to_home_transfer_ratio"] == 0
    assert unified["search_to_home_transfer_ratio"] > 0.005
    for arm in (unified, siloed):
        assert 1 < arm["first_week_genres"] < len(GENRES)
        assert 5_000 < arm["time_to_find_p50_ms"] < 180_000
        assert 0 < arm["take_rate"] < 0.5


def test_arms_are_written_for_all_members_with_what_they_stand_for() -> None:
    specs = tuple(
        ExperimentSpec(name=name, switch=switch, share=0.5, from_day=0, to_day=7)
        for name, switch in (("one taste", "siloed"), ("holdout", "popularity"))
    )
    world = make_world(scenario(1.0).model_copy(update={"experiment": specs}))
    good = TABLES["assignment"].validate(assignments(world, experiments.assignments(world)))
    assert good.quarantined.is_empty()
    arms = good.good
    assert arms["weight"].sum() == 2 * world.members.weight[world.members.join_day < 7].sum()
    held = arms.filter("is_holdout")
    assert set(held.select("experiment", "arm").unique().rows()) == {("holdout", "treatment")}
    assert 0.3 < held.height / (arms.height / 2) < 0.7
    start = world.scenario.start_ts_ms
    assert arms["until_ts_ms"].unique().to_list() == [start + 7 * 86_400_000]
    assert arms["assigned_ts_ms"].min() == start
    assert arms.select("experiment", "subscriber_id").is_unique().all()
    assert (
        assignments(world, experiments.assignments(world).clear()).schema
        == assignments(world, experiments.assignments(world)).schema
    )
