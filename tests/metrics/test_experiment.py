"""Arms: whose rows are in which, how far arms are apart, and what a holdout says recommendations bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from metrics.catalog import METRICS
from metrics.errors import InputError
from metrics.experiment import HEADLINE, comparable, compare
from metrics.lake import Lake
from metrics.query import measure, measure_frames
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, member_days, rows, session

HOUR_MS = 3_600_000


def assigned(member: str, arm: str, experiment: str = "page", **given: Any) -> dict[str, Any]:
    is_control = arm == "control"
    return {
        "experiment": experiment, "arm": arm, "is_control": is_control, "subscriber_id": member,
        "assigned_ts_ms": APRIL_MS,
    } | given  # fmt: skip


def played(member: str, hours: int, day: int = 0, **given: Any) -> dict[str, Any]:
    start = APRIL_MS + day * DAY_MS
    return session(subscriber_id=member, playing_ms=hours * HOUR_MS, start_ts_ms=start, **given)


ARMS = [assigned("m0", "control"), assigned("m1", "control"), assigned("m2", "new"), assigned("m3", "new")]
PLAYS = [played("m0", 1), played("m1", 3), played("m2", 4), played("m2", 2), played("m3", 0), played("m4", 9)]


def tables(arms: list[dict[str, Any]] = ARMS, plays: list[dict[str, Any]] = PLAYS) -> dict[str, pl.LazyFrame]:
    return frames(
        assignment=rows("assignment", *arms)
        if arms
        else pl.DataFrame(schema=rows("assignment", ARMS[0]).schema),
        playback_session=rows("playback_session", *plays),
        membership=rows("membership", *member_days(2, members=5)),
    )


def test_a_metric_by_arm_is_of_the_arms_members() -> None:
    found = measure_frames(tables(), ["hours_per_member_day", "watch_hours"], by=["arm"])
    assert found.select("metric", "arm", "value").rows() == [
        ("hours_per_member_day", "control", 1.0),
        ("hours_per_member_day", "new", 1.5),
        ("hours_per_member_day", None, 4.5),  # who is in no arm
        ("watch_hours", "control", 4.0),
        ("watch_hours", "new", 6.0),
        ("watch_hours", None, 9.0),
    ]
    only = measure_frames(tables(), ["watch_hours"], where={"arm": ["new"]})
    assert only["value"].item() == 6
    everyone = measure_frames(tables(), ["watch_hours"], where={"experiment": ["page"]})
    assert everyone["value"].item() == 10


def test_nothing_counts_for_an_arm_before_the_assignment_or_after_its_end() -> None:
    arms = [assigned("m0", "new", assigned_ts_ms=APRIL_MS + DAY_MS, until_ts_ms=APRIL_MS + 2 * DAY_MS)]
    plays = [played("m0", 1, day=0), played("m0", 2, day=1), played("m0", 4, day=2)]
    found = measure_frames(tables(arms, plays), ["watch_hours"], by=["arm"])
    assert found.select("arm", "value").rows() == [("new", 2.0), (None, 5.0)]


def test_who_was_assigned_twice_is_in_no_arm() -> None:
    found = measure_frames(tables([*ARMS, assigned("m2", "control")]), ["watch_hours"], by=["arm"])
    assert found.select("arm", "value").rows() == [("control", 4.0), ("new", 0.0), (None, 15.0)]


def test_a_name_of_two_words_is_told_as_a_shell_takes_it() -> None:
    two = tables([*ARMS, assigned("m0", "b", "a holdout"), assigned("m2", "control", "a holdout")])
    told = r"--where 'experiment=a holdout', or playhead experiment 'a holdout'"
    with pytest.raises(InputError, match=told):
        measure_frames(two, ["watch_hours"], by=["arm"])


def test_arms_of_one_experiment_at_a_time() -> None:
    two = tables([*ARMS, assigned("m0", "b", "other"), assigned("m2", "control", "other")])
    with pytest.raises(InputError, match=r"2 experiments: other, page; choose one: --where experiment=other"):
        measure_frames(two, ["watch_hours"], by=["arm"])
    found = measure_frames(two, ["watch_hours"], by=["arm"], where={"experiment": ["other"]})
    assert found.select("arm", "value").rows() == [("b", 1.0), ("control", 6.0)]
    with pytest.raises(InputError, match="no experiment 'pagee'; did you mean page"):
        measure_frames(two, ["watch_hours"], by=["arm"], where={"experiment": ["pagee"]})
    with pytest.raises(InputError, match="arms of several experiments"):
        measure_frames(two, ["watch_hours"], where={"experiment": ["page", "other"]})
    with pytest.raises(InputError, match="no experiment: nobody is assigned"):
        measure_frames(tables([]), ["watch_hours"], by=["arm"])
    with pytest.raises(InputError, match="delivered_gigabytes cannot be cut by 'arm'"):
        measure_frames(two, ["delivered_gigabytes"], by=["arm"])


def test_a_trial_is_looked_along_within_its_arm() -> None:
    days = [{"ts_ms": APRIL_MS + d * DAY_MS, "tenure_days": d} for d in range(2)]
    states = {"m0": ("trial", "paying"), "m1": ("trial", "lapsed"), "m2": ("trial", "paying")}
    members = rows(
        "membership",
        *(
            day | {"subscriber_id": m, "status": s}
            for m, each in states.items()
            for day, s in zip(days, each, strict=True)
        ),
    )
    given = tables([*ARMS, assigned("m0", "b", "other")]) | {"membership": members.lazy()}
    found = measure_frames(given, ["trial_to_paid_ratio"], by=["arm"], where={"experiment": ["page"]})
    assert found.select("arm", "value", "n").rows() == [("control", 0.5, 2), ("new", 1.0, 1)]


def test_arms_are_the_same_on_another_engine() -> None:
    names = [name for name in HEADLINE if METRICS[name].numerator.table in ("playback_session", "membership")]
    connection = duckdb.connect()
    for table, frame in tables().items():
        connection.register(f"rows_{table}", frame.collect().to_arrow())
    there = {table: connection.table(f"rows_{table}") for table in tables()}
    ours = measure_frames(tables(), names, by=["arm"], intervals=True)
    assert measure_frames(there, names, by=["arm"], intervals=True).equals(ours)


def many(lift: float, groups: int = 32) -> dict[str, pl.LazyFrame]:
    """Two arms of many members over all jackknife groups; the new one watches ``lift`` more."""
    members = [(f"m{i}", i % 2, i // 2 % groups) for i in range(8 * groups)]
    hours = [(1 + i * 37 % 11) * (1 + lift * (i % 2)) for i in range(len(members))]
    return frames(
        assignment=rows(
            "assignment",
            *(
                assigned(m, ("control", "new")[arm], replicate=r, is_holdout=arm == 0)
                for m, arm, r in members
            ),
        ),
        playback_session=rows(
            "playback_session",
            *(
                session(subscriber_id=m, playing_ms=round(h * HOUR_MS), replicate=r, start_ts_ms=APRIL_MS)
                for (m, _, r), h in zip(members, hours, strict=True)
            ),
        ),
        membership=rows(
            "membership",
            *(
                {"ts_ms": APRIL_MS, "subscriber_id": m, "status": "paying", "replicate": r}
                for m, _, r in members
            ),
        ),
    )


def test_the_difference_of_arms_with_its_interval() -> None:
    found = compare(many(0.5), ["hours_per_member_day"])
    control, new = found.iter_rows(named=True)
    assert (control["arm"], control["is_control"], control["difference"]) == ("control", True, None)
    assert new["difference"] == pytest.approx(new["value"] - control["value"])
    assert new["lift"] == pytest.approx(new["value"] / control["value"] - 1)
    assert new["lift_low"] < new["lift"] < new["lift_high"]
    assert new["lift_low"] > 0.2


def test_a_lift_that_no_group_sways_has_no_interval() -> None:
    _, new = compare(many(-1.0), ["hours_per_member_day"]).iter_rows(named=True)
    assert (new["value"], new["lift"]) == (0, -1)
    assert new["difference_low"] < new["difference"] < new["difference_high"]
    assert (new["lift_low"], new["lift_high"]) == (None, None)


def test_an_interval_of_no_difference_holds_zero_and_goes_below_it() -> None:
    new = compare(many(0.0), ["hours_per_member_day"]).filter(~pl.col("is_control"))
    assert new["lift_low"].item() < 0 < new["lift_high"].item()


def test_how_many_titles_arms_are_spread_over_is_compared_between_arms_of_like_size_alone() -> None:
    """A member each watches titles of their own: an arm half as large shows half as many, and that is no effect."""
    members = [(f"m{i}", "new" if i % 3 == 0 else "control") for i in range(96)]

    def found(of: list[tuple[str, str]]) -> dict[str, Any]:
        plays = [played(m, 1, content_id=m, replicate=n % 32) for n, (m, _) in enumerate(of)]
        compared = compare(tables([assigned(m, arm) for m, arm in of], plays), ["effective_catalogue_size"])
        return compared.row(1, named=True)

    unlike = found(members)
    assert (unlike["value"], unlike["difference"], unlike["lift_low"]) == (pytest.approx(32), None, None)
    alike = found([one for i, one in enumerate(members) if i % 3 != 2])
    assert alike["difference"] == pytest.approx(0)


def test_everything_an_experiment_is_read_by_can_be_compared() -> None:
    assert all(comparable(METRICS[name]) for name in HEADLINE)
    found = compare(many(0.5))
    assert set(found["metric"]) <= set(HEADLINE)
    with pytest.raises(InputError, match="watch_hours is not known of the members of an arm"):
        compare(many(0.5), ["watch_hours"])
    with pytest.raises(InputError, match="page has no control arm"):
        compare(tables([assigned("m0", "a"), assigned("m1", "b")]), ["hours_per_member_day"])


def test_what_recommendations_bring_is_what_a_holdout_goes_without() -> None:
    """The arm with recommendations watches half as much again: a third of its hours are theirs."""
    names = ["incremental_hours_ratio", "incremental_play_ratio"]
    found = measure_frames(many(0.5), names, intervals=True)
    hours, plays = found.iter_rows(named=True)
    control, new = compare(many(0.5), ["hours_per_member_day"])["value"]
    assert hours["value"] == pytest.approx(1 - control / new)
    assert hours["low"] < hours["value"] < hours["high"]
    assert plays["value"] == 0  # as many plays, only longer ones
    without = {name: frame for name, frame in many(0.5).items() if name != "assignment"}
    none = measure_frames(without | {"assignment": rows("assignment", ARMS[0]).lazy()}, names, intervals=True)
    assert none["value"].to_list() == [None, None]


def test_a_lake_answers_by_arm_though_its_cubes_do_not_know_of_them(tmp_path: Path) -> None:
    from metrics.cube_build import build

    lake = Lake.create(tmp_path / "lake")
    for name, frame in many(0.5).items():
        if name in ("assignment", "playback_session", "membership"):
            lake.append(name, frame.collect(), application="test", version=0)
    build(lake)
    found = measure(lake, ["hours_per_member_day"], by=["arm"])
    assert found.equals(measure_frames(many(0.5), ["hours_per_member_day"], by=["arm"]))
    assert compare(lake, ["hours_per_member_day"]).equals(compare(many(0.5), ["hours_per_member_day"]))
    assert measure(lake, ["incremental_hours_ratio"])["value"].item() > 0.2
