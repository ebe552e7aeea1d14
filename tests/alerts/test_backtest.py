"""Backtests: the minutes of the evaluation, figures known from elsewhere, and the better policy held to its word."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.backtest import (
    History,
    can_fire,
    hindsight,
    histories,
    known,
    over_cases,
    over_history,
    pages,
)
from alerts.cases import CASES, Cases, incident_cases, quiet_cases
from alerts.evaluate import evaluate
from alerts.indicator import Composite, CountRatio, Part, Slices, Threshold
from alerts.kernel import held, runs
from alerts.policy import BurnPolicy, load_policies
from alerts.quality import compared, quality
from alerts.slo import load
from metrics.errors import InputError
from tests.alerts.frames import DAY, T0, minute_counts

POLICIES = load_policies()
OBJECTIVES = {objective.name: objective for objective in load()}
REBUFFERING = OBJECTIVES["rebuffering-sessions"]
BUDGET = float(REBUFFERING.budget)


def _policy(name: str) -> BurnPolicy:
    policy = POLICIES[name]
    assert isinstance(policy, BurnPolicy)
    return policy


TEXTBOOK, EVIDENCE = _policy("google-30d"), _policy("evidence-30d")


def _four_hours(share: float) -> Cases:
    total = np.full((1, 4 * DAY + 240), 100_000)
    bad = np.zeros_like(total)
    bad[0, 3 * DAY : 3 * DAY + 240] = round(100_000 * share)
    row = (0, 3 * DAY, 3 * DAY + 240, "step", share)
    return Cases(bad, total, pl.DataFrame([row], schema=CASES, orient="row"))


@pytest.mark.parametrize(
    ("share", "textbook", "evidence"),
    [
        (1.0, (1, 29), (1, 9)),
        (0.1, (9, 28), (2, 9)),
        (0.05, (18, 26), (3, 9)),
        (0.02, (44, 20), (6, 8)),
        (0.01, (217, 11), (11, 7)),
        (0.005, None, (22, 4)),
    ],
)
def test_the_published_minutes_of_the_textbook_and_ours_beside_them(
    share: float, textbook: tuple[int, int] | None, evidence: tuple[int, int]
) -> None:
    for policy, expected in ((TEXTBOOK, textbook), (EVIDENCE, evidence)):
        judged = over_cases(policy, BUDGET, _four_hours(share)).incidents
        found = judged.select("detect_minutes", "reset_minutes").row(0)
        assert found == (expected or (np.inf, None))


@settings(max_examples=80, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=120),
    weight=st.sampled_from([0, 1, 40]),
    name=st.sampled_from(["google-30d", "evidence-30d", "google-28d"]),
    severity=st.sampled_from(["page", "ticket"]),
    wait=st.sampled_from([None, 120_000]),
    keep=st.sampled_from([None, 180_000]),
)
def test_a_backtest_pages_in_the_minutes_that_the_evaluation_does(
    counts: list[tuple[int, int]], weight: int, name: str, severity: str, wait: int | None, keep: int | None
) -> None:
    bad = np.array([min(pair) for pair in counts]) * max(weight, 1)
    total = np.array([max(pair) for pair in counts]) * max(weight, 1)
    weights = {"attempts": total * (weight > 0), "attempts_weight_squared": total * weight}
    frame = minute_counts(np.arange(len(counts)), starts=total, first_stalls=bad, **weights)
    policy = _policy(name).model_copy(update={"for_ms": wait, "keep_firing_ms": keep})
    objective = REBUFFERING.model_copy(update={"policy": name})
    episodes = evaluate(objective, frame, policies={name: policy}).episodes.filter(
        pl.col("severity") == severity
    )
    (history,) = histories([REBUFFERING], frame)
    found = pages(policy, BUDGET, history, severity=severity)
    assert found[:, 1].tolist() == ((episodes["start_ts_ms"] - T0) // 60_000 - 1).to_list()
    open_end = T0 + (len(counts) + 1) * 60_000
    ends = ((episodes["end_ts_ms"].fill_null(open_end) - T0) // 60_000 - 1).to_list()
    assert found[:, 2].tolist() == ends


_LATE = CountRatio(bad=("starts_late", "exits_late"), total=("starts", "exits_before_start"))
_HOME = CountRatio(good=("home_pages",), total=("home_pages", "home_pages_late"))
_SHAPES = {
    "threshold": Threshold(
        numerator=("home_pages_late",), denominator=("home_pages",), operator="lte", value=Decimal("0.1")
    ),
    "slices": Slices(of=_LATE, slice_ms=300_000, good_ratio=Decimal("0.95")),
    "composite": Composite(
        parts=(
            Part(title="late", of=_LATE, weight=Decimal("0.7")),
            Part(title="home", of=_HOME, weight=Decimal(2)),
        )
    ),
}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    shape=st.sampled_from(sorted(_SHAPES)),
    name=st.sampled_from(["google-30d", "evidence-30d"]),
    severity=st.sampled_from(["page", "ticket"]),
    weight=st.sampled_from([0, 1, 40]),
)
def test_slices_thresholds_and_composites_page_in_the_minutes_that_the_evaluation_does(
    seed: int, shape: str, name: str, severity: str, weight: int
) -> None:
    draw = np.random.default_rng(seed)
    n = 400
    wild = np.repeat(draw.choice([0.0, 0.02, 0.5], n // 40), 40)
    counts = {
        "starts": draw.poisson(20, n),
        "exits_before_start": draw.poisson(2, n) * (draw.random(n) < 0.5),
    }
    counts |= {
        "starts_late": draw.binomial(counts["starts"], wild),
        "exits_late": counts["exits_before_start"] // 2,
    }
    counts |= {"home_pages": draw.poisson(9, n) * (draw.random(n) < 0.7)}
    counts["home_pages_late"] = draw.binomial(counts["home_pages"], wild[::-1])
    attempts = counts["starts"] + counts["exits_before_start"]
    rows = {key: value * max(weight, 1) for key, value in counts.items()}
    rows |= {"attempts": attempts * weight, "attempts_weight_squared": attempts * weight**2}
    frame = minute_counts(np.arange(n), **rows)
    objective = REBUFFERING.model_copy(update={"policy": name, "indicator": _SHAPES[shape]})
    policy = _policy(name)
    (history,) = histories([objective], frame)
    found = pages(policy, BUDGET, history, severity=severity)
    judged = evaluate(objective, frame, policies={name: policy})
    episodes = judged.episodes.filter(pl.col("severity") == severity)
    assert found[:, 1].tolist() == ((episodes["start_ts_ms"] - T0) // 60_000 - 1).to_list()
    if judged.total:
        assert float(history.bad.sum()) == pytest.approx(float(judged.bad))


def test_a_slice_of_time_has_no_volume_of_its_own() -> None:
    frame = minute_counts(np.arange(60), starts=[5] * 60, starts_late=[1] * 60)
    objective = REBUFFERING.model_copy(update={"indicator": _SHAPES["slices"]})
    (history,) = histories([objective], frame)
    with pytest.raises(InputError, match="no single kind of events"):
        history.at(100.0, 1)


@given(active=st.lists(st.booleans(), max_size=40), pending=st.integers(0, 4), keep=st.integers(0, 4))
def test_pending_and_kept_minutes_one_state_at_a_time(active: list[bool], pending: int, keep: int) -> None:
    """Prometheus's own words: pending since, firing once that is long enough, kept since it stopped."""
    since: int | None = None
    stopped: int | None = None
    is_firing, expected = False, []
    for k, is_active in enumerate(active):
        if is_active:
            since, stopped = (k if since is None else since), None
            is_firing = is_firing or k - since >= pending
        else:
            stopped = k if stopped is None else stopped
            if not (is_firing and k - stopped < keep):
                since, is_firing = None, False
        expected.append(is_firing)
    found = held(np.array([active], dtype=np.bool_), pending, keep)
    assert found[0].tolist() == expected


def test_cases_are_the_same_however_many_are_made() -> None:
    few, many = (
        incident_cases(7, n, sessions_per_hour=500, base_ratio=0.001, bad_ratios=[0.05, 0.5])
        for n in (10, 30)
    )
    assert np.array_equal(few.bad[0], many.bad[0])
    assert few.incidents.equals(many.incidents.filter(pl.col("series") == 0))
    assert many.bad.shape == (3, 20 * DAY)
    assert (many.bad <= many.total).all()


def test_cases_have_the_traffic_and_the_shares_they_were_asked_for() -> None:
    cases = incident_cases(
        3, 40, sessions_per_hour=60_000, base_ratio=0.002, bad_ratios=[0.05], minutes=240, shapes=["step"]
    )
    inside = np.zeros(cases.bad.shape, dtype=np.bool_)
    for series, start, end in cases.incidents.select("series", "start_minute", "end_minute").iter_rows():
        assert end - start == 240
        inside[series, start:end] = True
    # Three standard errors of the counts.
    for where, share in ((inside, 0.05), (~inside, 0.002)):
        n = cases.total[where].sum()
        assert abs(cases.bad[where].sum() / n - share) < 3 * np.sqrt(share / n)
    assert abs(cases.total.mean() * 60 - 60_000) < 100
    spread = quiet_cases(3, 4, 30, sessions_per_hour=60_000, base_ratio=0.002, spread=0.5)
    hours = spread.bad.reshape(4, -1, 60).sum(axis=2) / spread.total.reshape(4, -1, 60).sum(axis=2)
    assert np.log(hours).std() == pytest.approx(0.5, abs=0.03)
    assert spread.incidents.is_empty()


def test_a_better_policy_on_incidents_not_used_to_choose_it() -> None:
    """600 random incidents at 99.9 %, steps, ramps and flaps of half an hour to twelve, over half the budget."""
    cases = incident_cases(
        20_261_126, 600, sessions_per_hour=10_000, base_ratio=0.0005, bad_ratios=[0.05, 0.02, 0.01, 0.005]
    )
    ours, theirs = (over_cases(policy, BUDGET, cases) for policy in (EVIDENCE, TEXTBOOK))
    mine, textbook = (quality(judged, "bad_ratio") for judged in (ours, theirs))
    assert mine["false_pages"][0] <= textbook["false_pages"][0]
    low = mine.filter(pl.col("bad_ratio") == 0.005).row(0, named=True)
    assert low["recall"] >= 0.9
    assert mine["reset_minutes"][0] <= 10
    assert (mine.filter(pl.col("incidents") < 600)["reset_minutes"] <= 10).all()
    versus = compared(ours, theirs, by="bad_ratio").filter(pl.col("bad_ratio") >= 0.01)
    assert (versus["detect_ratio_high"] <= 0.5).all()
    assert versus["later"].sum() == 0


def test_thin_traffic_wakes_nobody_for_nothing() -> None:
    """Two years at each volume with the whole budget spent by chance alone: no more pages than the textbook's."""
    for volume in (10, 100, 1000, 10_000):
        quiet = quiet_cases(99, 24, 30, sessions_per_hour=volume, base_ratio=BUDGET)
        ours, theirs = (over_cases(policy, BUDGET, quiet).pages.height for policy in (EVIDENCE, TEXTBOOK))
        assert ours <= max(theirs, 1), volume


def test_what_is_usual_pages_nobody_and_what_is_worse_does() -> None:
    """A service that always spends one and a half, two or three times its budget is one for a ticket."""
    for burn in (1.5, 2, 3):
        cases = incident_cases(
            5, 100, sessions_per_hour=10_000, base_ratio=burn * BUDGET, bad_ratios=[0.05, 0.02]
        )
        judged = over_cases(EVIDENCE, BUDGET, cases)
        row = quality(judged).row(0, named=True)
        assert row["false_pages_per_30d"] < 0.2, burn
        assert row["recall"] == 1.0
        assert row["detect_minutes"] <= 10


def _history(bad: np.ndarray[tuple[int, ...], np.dtype[np.int64]], starts: int) -> History:
    frame = minute_counts(np.arange(len(bad)), starts=starts, first_stalls=bad)
    (history,) = histories([REBUFFERING], frame)
    return history


def _truth(*spans: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "incident_id": [f"i{k}" for k in range(len(spans))],
            "kind": ["bad_encode"] * len(spans),
            "start_ts_ms": [T0 + start * 60_000 for start, _ in spans],
            "end_ts_ms": [T0 + end * 60_000 for _, end in spans],
        }
    )


def test_a_known_incident_counts_by_the_budget_it_spent() -> None:
    bad = np.zeros(10 * DAY, dtype=np.int64)
    bad[5000:5060] = 500  # an hour at 50 % of 1,000 a minute: 30,000 bad, of 43,200 in the period's budget
    bad[9000:9005] = 20  # 100 bad: a quarter of a percent
    history = _history(bad, 1000)
    incidents = known(history, _truth((5000, 5060), (9000, 9005), (20 * DAY, 21 * DAY)))
    assert incidents["budget_share"].to_list() == pytest.approx([30_000 / 43_200, 100 / 43_200])
    assert incidents["counts"].to_list() == [True, False]
    judged = over_history(TEXTBOOK, history, incidents)
    assert judged.incidents["incident_id"].to_list() == ["i0"]
    assert judged.incidents["detect_minutes"].to_list() == [2.0]
    # A page of the small one would not be false either.
    assert not over_history(EVIDENCE, history, incidents).pages["is_false"].any()


def test_hindsight_finds_what_was_bad_and_not_what_was_chance() -> None:
    rng = np.random.default_rng(5)
    share = np.full(20 * DAY, 0.0004)
    share[10_000:10_120] = 0.05
    bad = rng.binomial(1000, share)
    found = hindsight(_history(bad, 1000))
    counted = found.filter("counts")
    assert counted.height == 1
    start, end = counted.select("start_minute", "end_minute").row(0)
    assert abs(start - 10_000) <= 2
    assert abs(end - 10_120) <= 2
    assert counted["budget_share"][0] == pytest.approx(120 * 50 / 43_200, rel=0.05)
    # By chance one bad event now and then stands alone: no stretch of it is called an incident.
    assert found.height <= 2


def test_thinned_history_keeps_its_shares_and_its_day() -> None:
    rng = np.random.default_rng(8)
    starts = (1000 * (1.2 + np.sin(np.arange(6 * DAY) / DAY * 2 * np.pi))).astype(np.int64)
    bad = rng.binomial(starts, 0.01)
    frame = minute_counts(np.arange(6 * DAY), starts=starts, first_stalls=bad)
    (history,) = histories([REBUFFERING], frame)
    assert history.sessions_per_hour == pytest.approx(72_000, rel=0.01)
    for volume in (600.0, 600_000.0):
        thin = history.at(volume, seed=1)
        assert thin.sessions_per_hour == pytest.approx(volume, rel=0.02)
        assert thin.bad.sum() / thin.total.sum() == pytest.approx(0.01, rel=0.1)
        assert np.array_equal(thin.total, thin.weight)
        assert np.array_equal(thin.total, history.at(volume, seed=1).total)


def test_what_cannot_be_tried_is_refused() -> None:
    with pytest.raises(InputError, match="no objective counts events"):
        histories([OBJECTIVES["rec-driven-share"]], minute_counts([0]))
    only_tickets = TEXTBOOK.model_copy(update={"page": ()})
    with pytest.raises(InputError, match="has no page to try"):
        pages(only_tickets, BUDGET, _four_hours(0.1))
    assert can_fire(EVIDENCE, REBUFFERING)
    assert not can_fire(EVIDENCE, OBJECTIVES["time-to-play-p50"])
    assert runs(np.zeros((2, 0), dtype=np.bool_)).shape == (0, 3)
