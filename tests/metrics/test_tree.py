"""Contributions sum to the change, to the last unit, whatever comes, goes or shifts."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.catalog import METRICS
from metrics.cube import source_of
from metrics.errors import InputError
from metrics.tree import NORTH_STAR, TREE, Explanation, explain
from tests.metrics.rows import APRIL_MS, DAY_MS, frames, member_days, rows, session, unstarted

BEFORE = (APRIL_MS, APRIL_MS + DAY_MS)
AFTER = (APRIL_MS + DAY_MS, APRIL_MS + 2 * DAY_MS)
MEMBERS = rows("membership", *member_days(2, members=3, weight=11))


def explained(metric: str, sessions: list[dict[str, Any]], by: tuple[str, ...] = ()) -> Explanation:
    tables = frames(playback_session=rows("playback_session", *sessions), membership=MEMBERS)
    return explain(tables, metric, AFTER, BEFORE, by)


def amounts(found: Explanation) -> dict[tuple[Any, ...], Fraction]:
    return {(*c.group, c.part): c.amount for c in found.contributions}


SESSIONS = st.lists(
    st.builds(
        session,
        start_ts_ms=st.sampled_from([BEFORE[0], AFTER[0]]),
        playing_ms=st.sampled_from([1_000, 119_999, 120_000, 7_200_000]) | st.integers(0, 10**7),
        stall_count=st.integers(0, 2),
        surface=st.sampled_from(["home", "search", "direct", None]),
        device=st.sampled_from(["web", "mobile"]),
        weight=st.integers(1, 10**5),
    ),
    max_size=12,
)
# In each period something is recorded, so that there is a change to explain.
BOTH = [session(start_ts_ms=start) for start in (BEFORE[0], AFTER[0])]


@given(
    SESSIONS,
    st.sampled_from([NORTH_STAR, "rebuffer_rate", "stalls_per_hour", "watch_hours", "hours_per_play",
                     "qualified_plays_per_subscriber", "play_success_ratio"]),
    st.sampled_from([(), ("surface",), ("surface", "device")]),
)  # fmt: skip
def test_contributions_sum_exactly_to_the_change(
    sessions: list[dict[str, Any]], metric: str, by: tuple[str, ...]
) -> None:
    found = explained(metric, [*BOTH, *sessions], by)
    assert sum((c.amount for c in found.contributions), Fraction(0)) == found.change


def test_more_plays_and_longer_plays_are_told_apart() -> None:
    hour = 3_600_000
    found = explained(
        NORTH_STAR,
        [
            session(start_ts_ms=BEFORE[0], playing_ms=hour, surface="home", weight=33),
            *(session(start_ts_ms=AFTER[0], playing_ms=2 * hour, surface="home", weight=33),) * 3,
            session(start_ts_ms=AFTER[0], playing_ms=60_000, surface="search", weight=33),
        ],
        ("surface",),
    )
    # 33 members; plays 1 to 3 a member at 1 to 2 hours a play: Δp·h̄ = 2·1.5, p̄·Δh = 2·1.
    assert found.before == 1
    assert found.after == 6 + Fraction(1, 60)
    assert amounts(found) == {
        ("home", "qualified_plays_per_subscriber"): 3,
        ("home", "hours_per_play"): 2,
        ("home", "unqualified_hours_per_subscriber"): 0,
        ("search", "qualified_plays_per_subscriber"): 0,
        ("search", "hours_per_play"): 0,
        ("search", "unqualified_hours_per_subscriber"): Fraction(1, 60),
    }


def test_a_shift_of_mix_is_no_change_of_rates() -> None:
    """Every device keeps its rate; viewing moves to the worse one: all mix, no rate (Simpson's case)."""

    def day(start: int, web: int, mobile: int) -> list[dict[str, Any]]:
        return [
            session(start_ts_ms=start, device=device, weight=weight, stall_count=stalls, stall_ms=stalls)
            for device, weight, stalls in (
                ("web", web * 9, 0), ("web", web, 1), ("mobile", mobile * 5, 0), ("mobile", mobile * 5, 1)
            )
        ]  # fmt: skip

    found = explained("rebuffer_rate", [*day(BEFORE[0], 3, 1), *day(AFTER[0], 1, 3)], ("device",))
    assert found.change == Fraction(1, 5)
    got = amounts(found)
    assert got["web", "rate"] == got["mobile", "rate"] == 0
    assert got["web", "mix"] + got["mobile", "mix"] == found.change
    assert got["mobile", "mix"] > 0
    assert found.is_reversal
    harm = [c.amount for c in found.worst_first]  # of a rate that is better lower
    assert harm == sorted(harm, reverse=True)


def test_the_whole_moves_against_every_slice() -> None:
    """One device stays and one improves, while viewing moves to the worse one: the whole is worse."""

    def day(start: int, sessions: dict[str, int], stalled: dict[str, int]) -> list[dict[str, Any]]:
        return [
            session(start_ts_ms=start, device=device, weight=weight, stall_count=stalls, stall_ms=stalls)
            for device in sessions
            for weight, stalls in ((sessions[device] - stalled[device], 0), (stalled[device], 1))
        ]

    before = day(BEFORE[0], {"web": 90, "mobile": 10}, {"web": 9, "mobile": 5})
    after = day(AFTER[0], {"web": 10, "mobile": 90}, {"web": 1, "mobile": 36})
    worse = explained("rebuffer_rate", [*before, *after], ("device",))
    assert worse.change == Fraction(37 - 14, 100)
    own = {(c.group[0], c.before, c.after) for c in worse.contributions if c.part == "rate"}
    tenth = Fraction(1, 10)
    assert own == {("web", tenth, tenth), ("mobile", 5 * tenth, 4 * tenth)}
    assert worse.is_reversal
    assert sum((c.amount for c in worse.contributions if c.part == "mix"), Fraction(0)) > worse.change
    one_way = explained(
        "rebuffer_rate",
        [*before, *day(AFTER[0], {"web": 90, "mobile": 10}, {"web": 18, "mobile": 9})],
        ("device",),
    )
    assert not one_way.is_reversal


def test_a_slice_that_comes_or_goes_is_mix() -> None:
    found = explained(
        "rebuffer_rate",
        [
            session(start_ts_ms=BEFORE[0], device="web"),
            session(start_ts_ms=AFTER[0], device="web"),
            session(start_ts_ms=AFTER[0], device="mobile", stall_count=1, stall_ms=1),
        ],
        ("device",),
    )
    got = amounts(found)
    assert got["mobile", "rate"] == got["web", "rate"] == 0
    assert found.change == Fraction(1, 2)


def test_failures_take_away_from_success() -> None:
    found = explained(
        "play_success_ratio",
        [
            *(session(start_ts_ms=BEFORE[0]),) * 4,
            *(session(start_ts_ms=AFTER[0]),) * 2,
            unstarted("exit_before_start", start_ts_ms=AFTER[0]),
            unstarted("start_failure", start_ts_ms=AFTER[0], failure_class="technical"),
        ],
    )
    assert found.change == Fraction(-1, 2)
    assert amounts(found) == {
        ("exit_before_start_ratio",): Fraction(-1, 4),
        ("start_failure_technical_ratio",): Fraction(-1, 4),
        ("start_failure_business_ratio",): 0,
        ("start_failure_unclassed_ratio",): 0,
    }


def test_the_frame_keeps_the_unknown_and_ranks_by_size() -> None:
    sessions = [*BOTH, session(start_ts_ms=AFTER[0], surface="home", stall_count=1, stall_ms=1)]
    frame = explained("rebuffer_rate", sessions, ("surface",)).frame()
    assert frame.columns == ["surface", "part", "contribution", "before", "after"]
    assert set(frame["surface"]) == {"home", None}
    assert frame["contribution"].abs().is_sorted(descending=True)
    assert frame["contribution"].sum() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("metric", "period", "versus", "said"),
    [
        ("time_to_play_p99_ms", AFTER, BEFORE, "is a quantile: its parts do not add up; explain time_to_play_late"),
        ("home_latency_p50_ms", AFTER, BEFORE, "explain home_late_ratio"),
        ("rebuffer_rate", AFTER, (0, 60_000), "1970-01-01T00:00 to 1970-01-01T00:01 UTC: rebuffer_rate has no data"),
        ("rebuffer_rate", AFTER, (0, 60_000), "no data in a period; telemetry tells it from 2026-04-01T00:"),
        ("cost_per_stream_hour_usd", AFTER, BEFORE, "no data in a period; no telemetry tells it"),
        (NORTH_STAR, AFTER, (BEFORE[0], AFTER[1]), "the periods differ in length"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_said(
    metric: str, period: tuple[int, int], versus: tuple[int, int], said: str
) -> None:
    tables = frames(playback_session=rows("playback_session", *BOTH), membership=MEMBERS)
    for source in (tables, source_of(tables)):
        with pytest.raises(InputError, match=re.escape(said)):
            explain(source, metric, period, versus)


def test_the_tree_has_one_root_and_no_cycle() -> None:
    assert {edge.edge for edge in TREE[NORTH_STAR]} == {"identity", "influence"}

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above
        for edge in TREE.get(name, ()):
            assert edge.parent == name
            assert edge.child in METRICS
            walk(edge.child, (*above, name))

    for name in TREE:
        walk(name, ())
    assert isinstance(explained("rebuffer_rate", BOTH).frame(), pl.DataFrame)


def test_hours_that_nobody_told_are_no_change() -> None:
    """A slice that tells nothing is in no contribution, and a period that tells nothing is not explained."""
    told = [
        session(start_ts_ms=at, device="web", playing_ms=ms) for at, ms in ((BEFORE[0], 10), (AFTER[0], 30))
    ]
    untold = [
        session(start_ts_ms=at, device="mobile", playing_ms=0, flags="playing_unknown")
        for at in (BEFORE[0], AFTER[0])
    ]
    for metric in ("watch_hours", NORTH_STAR):
        found = explained(metric, [*told, *untold], ("device",))
        assert {c.group for c in found.contributions} == {("web",)}
        assert found.change == explained(metric, told, ("device",)).change
        with pytest.raises(InputError, match="no data in a period"):
            explained(metric, untold)
