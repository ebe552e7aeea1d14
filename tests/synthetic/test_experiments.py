"""Experiments: arms by hash, each with a model of its own, delivery arms as their world, both worlds in truth."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import polars as pl
import pytest

from metrics.errors import InputError
from metrics.telemetry import TABLES
from synthetic import emulator
from synthetic.experiments import arms_of_week, assignments, treated
from synthetic.paired import live_through, lived_until, paired_worlds, sampled
from synthetic.playing import deliver
from synthetic.scenario import ExperimentSpec, Scenario, load_scenario
from synthetic.side_by_side import LEAST_DAYS, untried
from synthetic.switches import DELIVERY, FACTUAL, SWITCHES, Switches
from synthetic.warmup import Settled, settle_in
from synthetic.world import World, make_world


def spec(switch: str, share: float = 0.5, from_day: int = 0, to_day: int = 7) -> ExperimentSpec:
    return ExperimentSpec(name=f"{switch} test", switch=switch, share=share, from_day=from_day, to_day=to_day)


def scenario(*specs: ExperimentSpec, **changes: int) -> Scenario:
    small = load_scenario(None, **({"panel": 400, "days": 7, "titles": 2_000} | changes))
    return small.model_copy(update={"experiment": specs})


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(scenario(spec("siloed"), spec("no_edge_tier", 0.3)))


def test_arms_are_drawn_by_hash_and_apart(world: World) -> None:
    silo, edge = world.scenario.experiment
    one, other = treated(world, silo), treated(world, edge)
    assert one.mean() == pytest.approx(0.5, abs=0.08)
    assert other.mean() == pytest.approx(0.3, abs=0.08)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.15
    again = treated(world, spec("siloed"))
    assert (again == one).all()
    more = treated(world, spec("siloed", 0.7))
    assert more[one].all()


def test_arms_of_discovery_run_their_weeks_and_no_longer(world: World) -> None:
    worlds, arm = arms_of_week(world, 0)
    assert worlds == (FACTUAL, Switches(recommender="siloed"))
    assert ((arm == 1) == treated(world, world.scenario.experiment[0])).all()
    worlds, arm = arms_of_week(world, 7)
    assert worlds == (FACTUAL,)
    assert not arm.any()


def test_assignments_tell_everyone_once(world: World) -> None:
    frame = assignments(world)
    assert frame.group_by("experiment", "member").len()["len"].max() == 1
    assert set(frame["arm"]) == {"control", "treatment"}
    assert (frame["is_control"] == (frame["arm"] == "control")).all()
    assert frame["assigned_ts_ms"].min() == world.scenario.start_ts_ms
    assert assignments(make_world(scenario())).is_empty()


def test_each_arm_is_ranked_by_its_own_model_and_delivered_in_its_own_world(world: World) -> None:
    silo, edge = (treated(world, each) for each in world.scenario.experiment)
    served = next(iter(emulator.days(world)))
    models = [arm.model.recommender for arm in served.state.week.arms]
    assert models == ["unified", "siloed"]
    assert (served.state.week.arm == silo).all()
    member = served.request.visits.member[served.delivered.rows]
    assert (served.delivered.world[edge[member]] > 0).all()
    assert (served.delivered.world[~edge[member]] == 0).all()
    assert (served.delivered.tier[edge[member]] > 0).all()  # nothing from the edge tier
    assert (served.delivered.tier[~edge[member]] == 0).mean() > 0.5


def test_a_run_with_experiments_keeps_the_contract_and_tells_the_truth() -> None:
    shown = scenario(spec("popularity"), panel=300)
    runs = []
    for partitions in (1, 3):
        (batch,) = emulator.run(shown, partitions=partitions)
        runs.append(batch.tables)
        for name, frame in batch.tables.items():
            assert TABLES[name].validate(frame).reasons == {}, name
    for name, frame in runs[0].items():
        assert frame.equals(runs[1][name]), name
    truth = runs[0]["truth_discovery"].group_by("world").agg(pl.all().exclude("experiment", "region").sum())
    both = {row["world"]: row for row in truth.to_dicts()}
    assert set(both) == {"control", "treatment"}
    # The same members in both worlds: what is shown differs, and so what is watched.
    member_days = {name: float(row["member_days"]) for name, row in both.items()}
    assert member_days["control"] == pytest.approx(member_days["treatment"], rel=0.02)
    share = {name: row["rec_plays"] / row["plays"] for name, row in both.items()}
    assert share["control"] > share["treatment"]


def test_no_switch_no_difference(world: World) -> None:
    """The same world lived through twice is the same to the last sum, and leaves where it began as it was."""
    part = sampled(world, 150)
    settled = settle_in(part)
    before = settled.state.open_left_ms.copy()
    one, two = (live_through(part, settled, FACTUAL, spec("siloed")) for _ in range(2))
    assert one.equals(two)
    assert (settled.state.open_left_ms == before).all()
    assert 100 < part.members.count < 200
    assert part.members.weight.sum() == pytest.approx(world.members.weight.sum(), rel=0.25)


def test_only_discovery_is_lived_through_in_pairs() -> None:
    assert paired_worlds(make_world(scenario(spec("no_edge_tier"), panel=100))).is_empty()


def test_without_an_experiment_there_are_no_tables_of_experiments() -> None:
    (batch,) = emulator.run(scenario(panel=100))
    assert not {"assignment", "truth_discovery"} & set(batch.tables)


def test_what_begins_after_the_last_day_is_left_out() -> None:
    late = spec("siloed", from_day=14, to_day=28)
    world = make_world(scenario(late, panel=100))
    assert assignments(world).is_empty()
    assert paired_worlds(world).is_empty()


def test_experiments_on_delivery_take_turns() -> None:
    text = scenario().model_dump(mode="json")

    def of(*specs: ExperimentSpec) -> Scenario:
        return Scenario.model_validate(text | {"experiment": [each.model_dump() for each in specs]})

    of(spec("h264_only"), spec("throughput_abr", from_day=7, to_day=14), spec("siloed"))
    with pytest.raises(ValueError, match="let one end before the other"):
        of(spec("throughput_abr"), spec("h264_only"))


def test_three_experiments_run_on_a_day_and_more_one_after_another() -> None:
    text = scenario().model_dump(mode="json")
    switches = ("siloed", "keyword_search", "default_artwork")

    def of(*specs: ExperimentSpec) -> Scenario:
        return Scenario.model_validate(text | {"experiment": [each.model_dump() for each in specs]})

    early = [spec(name, from_day=0, to_day=14) for name in switches]
    of(*early, spec("popularity", from_day=14, to_day=21), spec("h264_only", from_day=14, to_day=21))
    with pytest.raises(ValueError, match="run at a time, where 3 can"):
        of(*early, spec("popularity", from_day=7, to_day=21))


@pytest.mark.parametrize("name", sorted(DELIVERY))
def test_each_arm_of_a_switch_of_delivery_is_served_in_its_world_to_the_bit(name: str) -> None:
    """The treatment gets what everyone would get in the other world, the control what everyone gets in this one."""
    world = make_world(scenario(spec(name), panel=150))
    served = next(iter(emulator.days(world)))
    member = served.request.visits.member[served.delivered.rows]
    is_treated = treated(world, world.scenario.experiment[0])[member]
    for switches, rows in ((FACTUAL, ~is_treated), (replace(FACTUAL, **SWITCHES[name]), is_treated)):
        whole = deliver(world, served.state, served.request, switches)
        assert rows.any()
        for field in ("codec", "tier", "appliance", "miss", "failure", "fails_playing"):
            assert (getattr(served.delivered, field)[rows] == getattr(whole, field)[rows]).all(), field
        for f in fields(whole.played):
            lived = getattr(served.delivered.played, f.name)[rows]
            assert (lived == getattr(whole.played, f.name)[rows]).all(), f.name


def test_every_switch_of_delivery_tells_its_true_effect() -> None:
    """The same attempts in every world; what a switch is there for is another, and only that for the player's rule."""
    # A catalogue that no edge holds whole: or else a cache that pulls would come to the same as one that is filled.
    (batch,) = emulator.run(scenario(spec("throughput_abr"), panel=200, titles=10_000))
    sums = ["attempts", "starts", "edge_bytes", "storage_bytes", "third_party_bytes"]
    truth = (
        batch.tables["truth_counterfactual"]
        .filter(pl.col("experiment").is_null())
        .group_by("world")
        .agg(pl.col(sums).sum())
    )
    by_world = {row.pop("world"): row for row in truth.to_dicts()}
    assert set(by_world) == {"factual", *DELIVERY}
    factual = by_world.pop("factual")
    for name, row in by_world.items():
        assert row["attempts"] == factual["attempts"], name
        assert row["edge_bytes"] != factual["edge_bytes"], name
    abr = by_world["throughput_abr"]
    assert abr["starts"] == factual["starts"]
    # Throughput alone never dares more than nine tenths of what it sees; BOLA fills the buffer and may.
    assert 0.9 < float(abr["edge_bytes"]) / float(factual["edge_bytes"]) < 1.0
    assert set(batch.tables["assignment"]["experiment"]) == {"throughput_abr test"}


@pytest.fixture(scope="module")
def settled() -> Settled:
    """A service with many new members, whose search can do with and without meaning."""
    busy = scenario(spec("keyword_search"), panel=300)
    joining = busy.membership.model_copy(update={"monthly_join_ratio": 0.5})
    world = make_world(busy.model_copy(update={"membership": joining}))
    return settle_in(sampled(world, 200))


@pytest.fixture(scope="module")
def control(settled: Settled) -> pl.DataFrame:
    return live_through(settled.discovery.world, settled, FACTUAL, spec("siloed"))


@pytest.mark.parametrize("name", sorted(set(SWITCHES) - DELIVERY))
def test_every_switch_of_discovery_tells_its_true_effect(
    settled: Settled, control: pl.DataFrame, name: str
) -> None:
    world = settled.discovery.world
    treatment = live_through(world, settled, replace(FACTUAL, **SWITCHES[name]), spec(name))
    both = [
        frame.drop("region_index", "replicate").sum().row(0, named=True) for frame in (control, treatment)
    ]
    assert both[0]["visits"] > 0
    assert [part for part in both[0] if both[0][part] != both[1][part]], "nothing differs"
    assert float(both[0]["member_days"]) == pytest.approx(float(both[1]["member_days"]), rel=0.02)


def test_what_worlds_share_is_lived_through_once_and_comes_to_the_same(settled: Settled) -> None:
    world = settled.discovery.world
    longer = replace(world, scenario=world.scenario.model_copy(update={"days": 14}))
    late = spec("siloed", from_day=7, to_day=14)
    at_once = live_through(longer, settled, Switches(recommender="siloed"), late)
    begun = lived_until(longer, settled, 7)
    assert (settled.day, begun.day) == (0, 7)
    assert live_through(longer, begun, Switches(recommender="siloed"), late).equals(at_once)


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_every_switch_changes_something(name: str) -> None:
    assert SWITCHES[name]
    assert {field: getattr(FACTUAL, field) for field in SWITCHES[name]} != SWITCHES[name]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('switch = "siloed"', 'switch = "silod"', "did you mean siloed"),
        ("to_day = 14", "to_day = 15", "multiple of 7"),
        ("from_day = 7", "from_day = 14", "is not before"),
        ("share = 0.5", "share = 1.5", "less than 1"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_in_one_line(
    tmp_path: object, old: str, new: str, told: str
) -> None:
    from pathlib import Path

    from synthetic.scenario import scenario_text

    section = '[[experiment]]\nname = "silos"\nswitch = "siloed"\nshare = 0.5\nfrom_day = 7\nto_day = 14\n'
    path = Path(str(tmp_path)) / "s.toml"
    text = scenario_text()[0] + "\n"
    path.write_text(text + section, "utf-8")
    assert load_scenario(path).experiment[-1].switch == "siloed"
    path.write_text(text + section.replace(old, new), "utf-8")
    with pytest.raises(InputError, match=told):
        load_scenario(path)


def test_a_switch_nobody_tries_is_turned_for_a_few(world: World) -> None:
    """By the name of the switch, against the world as it is; a short run has none, and neither has what is tried."""
    long = replace(world, scenario=world.scenario.model_copy(update={"days": LEAST_DAYS, "experiment": ()}))
    found = untried(long, 100)
    assert TABLES["truth_discovery"].validate(found).reasons == {}
    names = {"siloed", "no_first_week_diversity", "keyword_search"}
    assert set(found["experiment"]) == names
    sums = found.group_by("experiment", "world").agg(pl.col("playing_ms", "visits").sum())
    as_it_is = sums.filter(world="control")
    assert as_it_is["playing_ms"].n_unique() == 1
    assert as_it_is["playing_ms"][0] > 0
    turned = sums.filter(world="treatment", experiment="siloed")["playing_ms"][0]
    assert turned != as_it_is["playing_ms"][0]
    tried = long.scenario.model_copy(update={"experiment": (spec("siloed"),)})
    assert set(untried(replace(long, scenario=tried), 100)["experiment"]) == names - {"siloed"}
    later = long.scenario.model_copy(update={"experiment": (spec("siloed", from_day=35, to_day=42),)})
    assert set(untried(replace(long, scenario=later), 100)["experiment"]) == names
    assert untried(replace(long, scenario=tried.model_copy(update={"days": LEAST_DAYS - 1}))).is_empty()


def test_the_truth_of_an_experiment_is_of_its_days_and_of_every_member() -> None:
    """Each member lives in both arms once: what the worlds add up to is what both lives do."""
    silo, player = spec("siloed", from_day=7, to_day=14), spec("throughput_abr", 0.3, from_day=7, to_day=14)
    batches = list(emulator.run(scenario(silo, player, panel=200, days=14)))
    sessions = pl.concat([batch.tables["playback_session"] for batch in batches])
    truth = batches[-1].tables["truth_counterfactual"]
    sums = truth.group_by("experiment", "world").agg(pl.col("starts", "member_days", "attempts").sum())
    whole = sums.filter(pl.col("experiment").is_null(), world="factual")
    assert set(sums["world"].filter(sums["experiment"] == silo.name)) == {"factual", "siloed"}
    assert set(sums["world"].filter(sums["experiment"] == player.name)) == {"factual", "throughput_abr"}
    of_player = sums.filter(experiment=player.name, world="factual")
    began = pl.col("start_ts_ms") >= scenario().start_ts_ms + 7 * 86_400_000
    assert of_player["attempts"][0] == sessions.filter(began)["weight"].sum() < whole["attempts"][0]
    assert of_player["member_days"][0] < whole["member_days"][0]
    # Both lives of a member are in it: as many paying days in either world, within who left in one alone.
    of_silo = sums.filter(experiment=silo.name)
    assert of_silo["member_days"].cast(pl.Float64).to_list() == pytest.approx(
        [float(of_player["member_days"][0])] * 2, rel=0.01
    )
    found = batches[-1].tables["truth_discovery"]
    plays = found.group_by("world").agg(pl.col("playing_ms").sum().cast(pl.Float64)).sort("world")
    delivered = (
        truth.filter(experiment=silo.name).group_by("world").agg(pl.col("playing_ms").sum().cast(pl.Float64))
    )
    assert plays["playing_ms"].to_list() == delivered.sort("world")["playing_ms"].to_list()


def test_twins_leave_the_experiment_as_it_is() -> None:
    """A member's twin lives by the other arm's model, and what it plays teaches no title."""
    world = make_world(scenario(spec("siloed"), panel=300))
    settled = settle_in(world)
    alone, beside = (settled.discovery.copied(world=world) for _ in range(2))
    twin = settled.discovery.copied(world=world)
    alone.learn(0)
    beside.learn(0, {"siloed test": twin})
    for one, other in zip(alone.week.arms, beside.week.arms, strict=True):
        for name in ("title", "title_norm", "log_popularity", "prominence", "cohort_lift", "take"):
            assert (getattr(one.model, name) == getattr(other.model, name)).all(), name
    for name in ("candidate", "score", "taste", "arm"):
        assert (getattr(alone.week, name) == getattr(beside.week, name)).all(), name
    assert (twin.week.arm == 1 - beside.week.arm).all()
    assert twin.week.taste.any(axis=1).mean() > 0.9  # what is liked is known of who is not in the arm, too
