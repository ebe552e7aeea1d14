"""Planted gaps are found, with their figures; a service that goes its way raises no alarm."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from metrics.completeness import SHIPPED, Finding, completeness, load_limits
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.telemetry import DEVICES, TABLES
from metrics.upkeep import compact
from tests.metrics.rows import APRIL_MS, DAY_MS, rows

REGIONS = ("mena", "europe", "oceania")
Rows = Callable[[int], int]


def _usual(day: int) -> int:
    """Rows a day: twice as many at weekends; 1 April 2026 is a Wednesday."""
    return 600 if (day + 2) % 7 in (5, 6) else 300


def _day(
    day: int, rows: int, *, seed: int = 0, slow: float = 0.0, regions: tuple[str, ...] = REGIONS
) -> pl.DataFrame:
    """Answers of the control plane through a day, up to its last minute."""
    draw = np.random.default_rng((seed, day))
    frame = pl.DataFrame(
        {
            "ts_ms": APRIL_MS + day * DAY_MS + np.linspace(0, DAY_MS - 60_000, rows).astype(np.int64),
            "service": ["home"] * rows,
            "latency_ms": draw.lognormal(4.0 + slow, 0.5, rows).astype(np.int64),
            "status": [200] * rows,
            "is_degraded": [False] * rows,
            "region": draw.choice(regions, rows),
            "device": draw.choice(DEVICES, rows),
            "is_synthetic": [False] * rows,
            "weight": [1] * rows,
            "replicate": [0] * rows,
        }
    )
    assert TABLES["control_request"].validate(frame).quarantined.is_empty()
    return frame


def _write(lake: Lake, days: range, rows: Rows = _usual, **more: object) -> None:
    for day in days:
        frame = _day(day, rows(day), **more)  # type: ignore[arg-type]
        lake.append("control_request", frame, application="test", version=day)


def _found(lake: Lake, check: str) -> list[Finding]:
    return [one for one in completeness(lake, load_limits(lake)) if one.check == check]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def test_a_service_that_goes_its_way_raises_no_alarm(lake: Lake) -> None:
    """Weekends are twice as busy, and no alarm: each day is held against its own weekday."""
    _write(lake, range(42))
    found = completeness(lake, load_limits(lake))
    assert {one.check for one in found} == {"volume", "regions", "late rows", "behind", "drift"}
    assert [one for one in found if one.holds is False] == []
    volumes = [one for one in found if one.check == "volume"]
    assert [(one.value, one.usual) for one in volumes] == [
        (_usual(day), _usual(day)) for day in range(35, 42)
    ]
    assert volumes[-1].about == "2026-05-12: 300 rows, 1.00 of the usual, 300 on a Tuesday"


def test_a_day_of_too_few_and_of_too_many_rows(lake: Lake) -> None:
    _write(lake, range(42), lambda day: {38: 120, 40: 0}.get(day, _usual(day)) if day != 41 else 900)
    wrong = {
        one.about.split(":")[0]: (one.value, one.usual) for one in _found(lake, "volume") if not one.holds
    }
    assert wrong == {"2026-05-09": (120, 600), "2026-05-11": (0, 300), "2026-05-12": (900, 300)}


def test_a_day_that_is_not_over_is_told_and_not_judged(lake: Lake) -> None:
    _write(lake, range(41))
    morning = _day(41, 300).filter(pl.col("ts_ms") < APRIL_MS + 41 * DAY_MS + DAY_MS // 3)
    lake.append("control_request", morning, application="test", version=41)
    last = _found(lake, "volume")[-1]
    assert (last.value, last.usual, last.holds) == (100, 300, None)


def test_the_first_hour_of_a_day_is_not_the_whole_day_of_a_table_told_by_the_hour(lake: Lake) -> None:
    """What ends after midnight begins a new day; its first hour alone looks like a day told by its start."""
    hours = [
        {"ts_ms": APRIL_MS + day * DAY_MS + hour * 3_600_000, "region": region}
        for day in range(36)
        for hour in (range(24) if day < 35 else range(1))
        for region in (REGIONS if day < 35 else REGIONS[:1])
    ]
    lake.append("delivery", rows("delivery", *hours), application="test", version=0)
    assert [one.holds for one in _found(lake, "volume")][-2:] == [True, None]
    assert _found(lake, "missing region") == []


def test_a_table_told_by_the_month_is_not_judged_by_the_day(lake: Lake) -> None:
    """A bill names the first of its month; most days have none, and that is usual."""
    start = {"x_period_start_ts_ms": APRIL_MS, "x_period_end_ts_ms": APRIL_MS + 30 * DAY_MS}
    june = {"x_period_start_ts_ms": APRIL_MS + 61 * DAY_MS, "x_period_end_ts_ms": APRIL_MS + 91 * DAY_MS}
    lake.append("charge", rows("charge", *[start] * 300, *[june] * 300), application="test", version=0)
    assert [one.holds for one in _found(lake, "volume")] == [None] * 7


def _visits(people: int, days: int, seed: int, most: int = 4) -> list[pl.DataFrame]:
    """Each of so many people comes or stays away by the day, and who comes brings up to ``most`` times ten rows."""
    draw = np.random.default_rng(seed)
    frames = []
    for day in range(days):
        at = [
            {"ts_ms": APRIL_MS + day * DAY_MS + DAY_MS - 60_000 * (n + 1), "subscriber_id": f"{one}"}
            for one in range(people)
            if draw.random() < 0.6
            for n in range(10 * int(draw.integers(1, most + 1)))
        ]
        frames.append(rows("visit", *at))
    return frames


def test_a_panel_of_few_wanders_without_an_alarm(tmp_path: Path) -> None:
    """Rows of a person come together: six people a day make a count that halves and doubles by itself."""
    judged = out = wandered = 0
    for seed in range(12):
        lake = Lake.create(tmp_path / f"{seed}")
        lake.append("visit", pl.concat(_visits(10, 28, seed)), application="test", version=0)
        found = _found(lake, "volume")
        judged += len(found)
        out += sum(one.holds is False for one in found)
        wandered += sum(not 0.5 <= one.value / (one.usual or 1) <= 2 for one in found)
    assert wandered
    assert (judged, out) == (84, 0)


@pytest.mark.parametrize(("people", "is_told"), [(4, True), (60, False)])
def test_silence_is_chance_of_a_few_alone(lake: Lake, people: int, is_told: bool) -> None:
    frames = _visits(people, 29, seed=3)
    frames[26] = frames[26].head(0)
    lake.append("visit", pl.concat(frames), application="test", version=0)
    assert {one.holds for one in _found(lake, "volume") if one.value == 0} == {is_told}


def test_a_day_of_thrice_the_rows_of_many_people_is_no_chance(lake: Lake) -> None:
    frames = _visits(200, 29, seed=4)
    frames[26] = pl.concat([frames[26]] * 3)
    frames[27] = frames[27].head(frames[27].height // 4)
    lake.append("visit", pl.concat(frames), application="test", version=0)
    assert [one.holds for one in _found(lake, "volume")].count(False) == 2


def test_two_weekdays_are_needed_to_know_what_is_usual(lake: Lake) -> None:
    _write(lake, range(14))
    assert _found(lake, "volume") == []
    _write(lake, range(14, 15))
    assert len(_found(lake, "volume")) == 1


def test_a_region_that_falls_silent(lake: Lake) -> None:
    _write(lake, range(20))
    _write(lake, range(20, 21), regions=REGIONS[:2])
    (silent,) = _found(lake, "missing region")
    assert silent.holds is False
    assert silent.about.startswith("2026-04-21: no row of oceania, usually 1")
    assert 100 < (silent.usual or 0) < 160
    (told,) = _found(lake, "regions")
    assert (told.value, told.usual) == (2, 3)


@pytest.mark.parametrize(("viewers", "missed"), [(5, []), (50, ["oceania"])])
def test_the_few_viewers_of_a_region_may_all_stay_away(lake: Lake, viewers: int, missed: list[str]) -> None:
    """The rows of one sampled viewer are not so many witnesses."""
    for day in range(20):
        visits = [
            {
                "ts_ms": APRIL_MS + day * DAY_MS + at * 60_000,
                "region": region,
                "subscriber_id": f"{at // 12 % viewers}",
            }
            for region in (REGIONS if day < 19 else REGIONS[:2])
            for at in range(60, 1440, 12)
        ]
        lake.append("visit", rows("visit", *visits), application="test", version=day)
    assert [
        one.about.split("no row of ")[1].split(",")[0] for one in _found(lake, "missing region")
    ] == missed


def test_rows_that_come_late_are_counted_and_joined_files_change_nothing(lake: Lake) -> None:
    """Of 10 days, 90 rows of the third come after the tenth had begun, 7 days late."""
    _write(lake, range(10))
    rows = sum(_usual(day) for day in range(10))
    assert [(one.value, one.holds) for one in _found(lake, "late rows")] == [(0, True)]
    lake.append("control_request", _day(2, 90), application="late", version=0)
    compact(lake)
    (late,) = _found(lake, "late rows")
    assert late.value == 90 / (rows + 90)
    assert late.about == f"90 of {rows + 90:,} rows came after a later day had begun, up to 7 days late"
    assert late.holds is False


def test_a_table_that_lags(lake: Lake) -> None:
    _write(lake, range(10))
    member = {
        "ts_ms": [APRIL_MS + 4 * DAY_MS],
        "subscriber_id": ["a"],
        "tenure_days": [1],
        "status": ["paying"],
    }
    member |= {"is_churned": [False], "is_synthetic": [False], "weight": [1], "replicate": [0]}
    lake.append("membership", pl.DataFrame(member), application="test", version=0)
    behind = {one.table: (one.value, one.holds) for one in _found(lake, "behind")}
    assert behind == {"control_request": (0, True), "membership": (5, False)}


def test_a_measure_that_drifts_is_named(lake: Lake) -> None:
    _write(lake, range(28))
    _write(lake, range(28, 35), slow=1.0)
    drifting = [one for one in _found(lake, "drift") if not one.holds]
    assert [one.about.split(":")[0] for one in drifting] == ["latency_ms"]
    assert drifting[0].value > 1
    assert (drifting[0].usual or 0) < 0.1


def test_weeks_that_always_differ_do_not_drift(lake: Lake) -> None:
    """Every other week is slow: what the newest does is no news."""
    for week in range(6):
        _write(lake, range(7 * week, 7 * week + 7), slow=week % 2)
    assert all(one.holds for one in _found(lake, "drift"))


def test_a_week_a_little_further_off_than_any_before_is_no_alarm(lake: Lake) -> None:
    """Of five weeks alike one is the furthest off: an alarm that rang for that would ring every fifth week."""
    for week, some in enumerate((0.0, 0.35, 0.0, 0.35, 0.45)):
        _write(lake, range(7 * week, 7 * week + 7), slow=some)
    worst = max(_found(lake, "drift"), key=lambda one: one.value)
    assert worst.value > 0.25
    assert worst.usual is not None
    assert worst.value > worst.usual
    assert worst.holds


def test_limits_of_ones_own(lake: Lake) -> None:
    shipped = SHIPPED.read_text(encoding="utf-8")
    assert load_limits(lake).volume.low_ratio == 0.5
    (lake.path / "completeness.toml").write_text(shipped.replace("low_ratio = 0.5", "low_ratio = 0.9"))
    assert load_limits(lake).volume.low_ratio == 0.9
    (lake.path / "completeness.toml").write_text(shipped.replace("weeks = 4", "weeks = 1"))
    with pytest.raises(InputError, match=r"completeness.toml: volume.weeks: Input should be greater"):
        load_limits(lake)


def test_the_shipped_limits_say_where_they_come_from(lake: Lake) -> None:
    policy = load_limits(lake).policy
    assert policy.source
    assert policy.date <= dt.date(2100, 1, 1)
