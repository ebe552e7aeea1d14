"""The local evaluation against answers known from elsewhere, and against itself done the slow way."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.counts import Clock
from alerts.evaluate import evaluate, evaluate_all, kept_by
from alerts.evaluation import EPISODES, incidents
from alerts.policy import load_policies
from alerts.slo import Objective, load
from metrics.errors import InputError
from tests.alerts.frames import DAY, T0, minute_counts

POLICIES = load_policies()
OBJECTIVES = {objective.name: objective for objective in load()}
COUNTED = [o for o in OBJECTIVES.values() if o.name != "rec-driven-share"]


def incident(objective: Objective, error_rate: float, starts: int = 100_000) -> pl.DataFrame:
    """Three quiet days, four hours at ``error_rate``, a day without."""
    bad = np.zeros(4 * DAY + 240, dtype=np.int64)
    bad[3 * DAY : 3 * DAY + 240] = round(starts * error_rate)
    (column,) = objective.indicator.bad  # type: ignore[union-attr]
    (total,) = objective.indicator.total  # type: ignore[union-attr]
    return minute_counts(
        np.arange(len(bad)),
        **{column: bad, total: starts, "attempts": starts, "attempts_weight_squared": starts},
    )


@pytest.mark.parametrize(
    ("error_rate", "detected_min", "reset_min"),
    [(1.0, 1, 29), (0.10, 9, 28), (0.05, 18, 26), (0.02, 44, 20), (0.01, 217, 11), (0.005, None, None)],
)
def test_textbook_windows_page_and_reset_after_the_known_minutes(
    error_rate: float, detected_min: int | None, reset_min: int | None
) -> None:
    """At 99.9 % a four-hour incident is paged and let go of when the workbook's windows say."""
    objective = OBJECTIVES["rebuffering-sessions"]
    pages = evaluate(objective, incident(objective, error_rate)).episodes.filter(pl.col("severity") == "page")
    if detected_min is None:
        assert pages.is_empty()
        return
    begin = T0 + 3 * DAY * 60_000
    assert (pages["start_ts_ms"].min() - begin) / 60_000 == detected_min  # type: ignore[operator]
    # The last minute it still fires is `reset_min` after the incident's end.
    assert (pages["end_ts_ms"].max() - 60_000 - begin) / 60_000 - 240 == reset_min  # type: ignore[operator]


def test_a_slow_burn_is_ticketed_where_it_is_not_paged() -> None:
    objective = OBJECTIVES["rebuffering-sessions"]
    frame = minute_counts(np.arange(4 * DAY), starts=100_000, first_stalls=200)
    episodes = evaluate(objective, frame).episodes
    assert set(episodes["severity"]) == {"ticket"}
    assert episodes["peak_burn"].to_list() == pytest.approx([2.0])
    assert episodes["end_ts_ms"].to_list() == [None]


def test_budget_is_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    busy_and_good, idle_and_bad = (1_000_000, 0), (100, 50)
    frame = minute_counts(
        [0, 1], starts=[busy_and_good[0], idle_and_bad[0]], first_stalls=[busy_and_good[1], idle_and_bad[1]]
    )
    result = evaluate(OBJECTIVES["rebuffering-sessions"], frame)
    assert result.attained == 1 - 50 / 1_000_100
    assert result.budget_left == pytest.approx(1 - 50 / 1_000_100 / 0.001)
    assert result.kept is True


def test_a_promise_met_to_the_last_event_is_kept() -> None:
    """In floats 1 − 0.999 is more than 0.001; the verdict is taken in exact arithmetic."""
    objective = OBJECTIVES["rebuffering-sessions"]
    assert evaluate(objective, minute_counts([0], starts=1000, first_stalls=1)).kept is True
    assert evaluate(objective, minute_counts([0], starts=999, first_stalls=1)).kept is False


def test_bad_and_total_add_the_gauges_of_the_query() -> None:
    frame = minute_counts([0], starts=90, starts_late=3, exits_before_start=10, exits_late=2)
    result = evaluate(OBJECTIVES["time-to-play-p99"], frame)
    assert (result.bad, result.total) == (5, 100)


def test_without_traffic_nothing_is_attained_and_nothing_fires() -> None:
    for result in evaluate_all(COUNTED, minute_counts(np.arange(DAY))):
        assert (result.bad, result.total) == (0, 0)
        assert result.attained is result.budget_left is result.kept is None
        assert result.episodes.is_empty()
        assert result.burn["burn"].null_count() == result.burn.height
        assert not result.burn["burn"].is_nan().any()


def test_a_gap_of_days_is_silence_and_not_failure() -> None:
    frame = minute_counts([*range(60), *range(5 * DAY, 5 * DAY + 60)], starts=1000, first_stalls=0)
    result = evaluate(OBJECTIVES["rebuffering-sessions"], frame)
    assert result.total == 120_000
    assert result.episodes.is_empty()


def test_a_single_failure_at_low_traffic_wakes_nobody_but_an_outage_does() -> None:
    objective = OBJECTIVES["rebuffering-sessions"]
    one = np.zeros(DAY, dtype=np.int64)
    one[700] = 1
    assert evaluate(objective, minute_counts(np.arange(DAY), starts=1, first_stalls=one)).episodes.is_empty()
    outage = np.zeros(DAY, dtype=np.int64)
    outage[700:730] = 1
    alerts = evaluate(objective, minute_counts(np.arange(DAY), starts=1, first_stalls=outage)).episodes
    assert "page" in alerts["severity"].to_list()


def test_the_guard_counts_panel_members_and_not_the_people_they_stand_for() -> None:
    """Three panel sessions of weight 16,000 are 48,000 sessions and three pieces of evidence."""
    objective = OBJECTIVES["rebuffering-sessions"]
    weight, bad = 16_000, np.zeros(DAY, dtype=np.int64)
    bad[700:703] = weight
    weighted = minute_counts(
        np.arange(DAY), starts=weight, first_stalls=bad, attempts=weight, attempts_weight_squared=weight**2
    )
    assert evaluate(objective, weighted).episodes.is_empty()
    census = minute_counts(np.arange(DAY), starts=weight, first_stalls=bad)
    assert not evaluate(objective, census).episodes.is_empty()


def test_unknown_weights_let_an_alert_through() -> None:
    objective = OBJECTIVES["home-page-latency"]
    frame = minute_counts(np.arange(120), home_pages=100, home_pages_late=100, attempts=0)
    assert "page" in evaluate(objective, frame).episodes["severity"].to_list()


def test_spent_ranks_the_slice_that_did_the_harm_and_adds_up() -> None:
    frame = pl.concat(
        [
            minute_counts(np.arange(60), starts=1000, first_stalls=bad).with_columns(region=pl.lit(region))
            for region, bad in (("mena", 5), ("asia-pacific", 1), ("latin-america", 0))
        ]
    )
    result = evaluate(OBJECTIVES["rebuffering-sessions"], frame)
    regions = result.spent.filter(pl.col("dimension") == "region")
    assert regions["value"].to_list() == ["mena", "asia-pacific", "latin-america"]
    assert regions["budget_spent"].sum() == pytest.approx(1 - result.budget_left)  # type: ignore[operator]
    assert regions["excess_bad"].to_list() == pytest.approx([240.0, 0.0, -60.0])


def test_kept_by_region_says_where_the_promise_holds() -> None:
    frame = pl.concat(
        [
            minute_counts([0], starts=starts, first_stalls=bad).with_columns(region=pl.lit(region))
            for region, starts, bad in (("mena", 1000, 5), ("asia-pacific", 1000, 1), ("nowhere", 0, 0))
        ]
    )
    verdicts = kept_by([OBJECTIVES["rebuffering-sessions"]], frame, "region")
    assert dict(verdicts.select("region", "kept").iter_rows()) == {
        "mena": False, "asia-pacific": True, "nowhere": None,
    }  # fmt: skip
    assert verdicts.filter(pl.col("region") == "nowhere")["budget_left"].to_list() == [None]
    with pytest.raises(InputError, match="did you mean region"):
        kept_by([OBJECTIVES["rebuffering-sessions"]], frame, "regions")


def test_the_period_is_the_objectives_own_unless_one_is_given() -> None:
    early_bad = np.zeros(40 * DAY, dtype=np.int64)
    early_bad[:DAY] = 10
    frame = minute_counts(np.arange(40 * DAY), starts=10, first_stalls=early_bad)
    objective = OBJECTIVES["rebuffering-sessions"]
    rolling = evaluate(objective, frame)
    assert (rolling.bad, rolling.total) == (0, 300 * DAY)
    whole = evaluate(objective, frame, start_ts_ms=T0)
    assert (whole.bad, whole.total) == (10 * DAY, 400 * DAY)
    first = evaluate(objective, frame, start_ts_ms=T0, end_ts_ms=T0 + DAY * 60_000)
    assert (first.bad, first.total) == (10 * DAY, 10 * DAY)
    assert first.firing("page")
    assert not rolling.firing("page")
    # The burn-down ends where the period's budget does.
    assert rolling.burn["budget_left"][-1] == rolling.budget_left
    assert rolling.burn["bad"].sum() == 10 * DAY


def test_for_delays_an_alert_and_forgets_a_short_one() -> None:
    objective = OBJECTIVES["rebuffering-sessions"]
    frame = incident(objective, 0.10)
    patient = POLICIES["google-30d"].model_copy(update={"for_ms": 5 * 60_000})
    pages = [
        evaluate(objective, frame, policies={"google-30d": policy}).episodes.filter(
            pl.col("severity") == "page"
        )
        for policy in (POLICIES["google-30d"], patient)
    ]
    assert pages[1]["start_ts_ms"][0] - pages[0]["start_ts_ms"][0] == 5 * 60_000
    never = POLICIES["google-30d"].model_copy(update={"for_ms": DAY * 60_000})
    short = evaluate(objective, frame, policies={"google-30d": never}).episodes
    assert "page" not in short["severity"].to_list()


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=90),
    sample_ms=st.sampled_from([0, 30_000, 60_000]),
    evaluate_ms=st.sampled_from([0, 15_000, 60_000, 90_000]),
    closed=st.booleans(),
)
def test_windows_hold_exactly_the_samples_between_their_edges(
    counts: list[tuple[int, int]], sample_ms: int, evaluate_ms: int, closed: bool
) -> None:
    """Every minute's firing state, against each window summed sample by sample."""
    objective = OBJECTIVES["rebuffering-sessions"]
    bad = [min(pair) for pair in counts]
    total = [max(pair) for pair in counts]
    frame = minute_counts(np.arange(len(counts)), starts=total, first_stalls=bad)
    clock = Clock(sample_ms=sample_ms, evaluate_ms=evaluate_ms, closed=closed)
    policy = POLICIES["google-30d"].model_copy(update={"bad_events_minimum": 1})
    episodes = evaluate(objective, frame, policies={"google-30d": policy}, clock=clock).episodes
    pages = episodes.filter(pl.col("severity") == "page")
    for minute in range(len(counts)):
        at = minute * 60_000 + evaluate_ms
        expected = any(
            all(
                _share(bad, total, at, window, sample_ms, closed) > pair.factor(policy.period_ms) * 0.001  # type: ignore[union-attr]
                for window in (pair.short_ms, pair.long_ms)
            )
            for pair in policy.page  # type: ignore[union-attr]
        )
        fires = any(
            start <= T0 + at and (end is None or T0 + at < end)
            for start, end in pages.select("start_ts_ms", "end_ts_ms").iter_rows()
        )
        assert fires == expected, minute


def _share(
    bad: list[int], total: list[int], at: int, window_ms: int, sample_ms: int, closed: bool
) -> Fraction:
    begin = at - window_ms
    stamps = [(k, k * 60_000 + sample_ms) for k in range(len(bad))]
    inside = [k for k, stamp in stamps if begin < stamp <= at or (closed and stamp == begin)]
    events = sum(total[k] for k in inside)
    return Fraction(sum(bad[k] for k in inside), events) if events else Fraction(0)


def test_rows_in_any_order_and_split_into_slices_give_the_same() -> None:
    objective = OBJECTIVES["rebuffering-sessions"]
    frame = incident(objective, 0.02)
    halves = pl.concat(
        [
            frame.with_columns(pl.col("starts", "first_stalls", "attempts") // 2, region=pl.lit(r))
            for r in "ab"
        ]
    ).with_columns(pl.col("attempts_weight_squared") // 2)
    shuffled = halves.sample(fraction=1, shuffle=True, seed=1)
    assert evaluate(objective, shuffled.lazy()).episodes.equals(evaluate(objective, frame).episodes)


def test_no_rows_and_a_ratio_without_counts_are_refused() -> None:
    with pytest.raises(InputError, match="no minute counts"):
        evaluate(OBJECTIVES["rebuffering-sessions"], minute_counts([]))
    with pytest.raises(InputError, match="does not count events"):
        evaluate(OBJECTIVES["rec-driven-share"], minute_counts([0]))


def test_an_alert_that_flickers_is_one_incident() -> None:
    hour = 3_600_000
    starts = [0, hour // 2, 3 * hour, 0]
    ends = [hour // 4, hour, None, hour]
    episodes = pl.DataFrame(
        {
            "severity": ["page", "page", "page", "ticket"],
            "start_ts_ms": starts,
            "end_ts_ms": ends,
            "duration_ms": [(end or 4 * hour) - start for start, end in zip(starts, ends, strict=True)],
            "peak_burn": [15.0, 30.0, 8.0, 4.0],
            "pairs": ["1h/5m", "1h/5m, 6h/30m", "6h/30m", "1d/2h"],
        },
        schema=EPISODES,
    )
    joined = incidents(episodes)
    assert joined.rows() == [
        ("page", 0, hour, hour, 30.0, "1h/5m, 6h/30m", 2),
        ("ticket", 0, hour, hour, 4.0, "1d/2h", 1),
        ("page", 3 * hour, None, hour, 8.0, "6h/30m", 1),
    ]
    assert incidents(episodes.clear()).is_empty()


def test_episodes_of_a_period_are_those_that_fired_in_it() -> None:
    from alerts.evaluation import EPISODES, within

    rows = [
        {"severity": "page", "start_ts_ms": start, "end_ts_ms": end}
        for start, end in ((0, 10), (5, 20), (15, None), (30, 40))
    ]
    episodes = pl.DataFrame(
        rows, schema={name: EPISODES[name] for name in ("severity", "start_ts_ms", "end_ts_ms")}
    )
    assert within(episodes, 10, 30)["start_ts_ms"].to_list() == [5, 15]
