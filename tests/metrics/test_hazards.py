"""Hazards of leaving: the same by statsmodels, a planted one recovered, what cannot be told said so."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight

from benchmarks.retention import PLANTED, population
from metrics.errors import InputError
from metrics.hazards import hazard_ratios, identified
from metrics.leaving import CONFOUNDERS, EXPOSURES, member_weeks, survival
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session

KNOWN = ["log_hours", "region"]


def few(seed: int = 1, **given: Any) -> pl.DataFrame:
    return population(np.random.default_rng(seed), members=900, **given)


def judged(episodes: pl.DataFrame, exposure: str = "stalls", step: float = 1.0) -> dict[str, Any]:
    return hazard_ratios(episodes, {exposure: step}, KNOWN, stratum="week").row(0, named=True)


def test_a_hazard_ratio_is_coxs() -> None:
    # Whole days: whoever starts on a day is at risk from the next on.
    frame = few()
    levels = [(frame["region"] == f"r{i}").cast(pl.Float64) for i in (1, 2, 3)]
    design = np.column_stack([frame["stalls"], frame["log_hours"], *levels])
    fit = PHReg(
        frame["stop"].to_numpy().astype(float), design, status=frame["is_event"].cast(pl.Int64).to_numpy(),
        entry=frame["start"].to_numpy() + 0.5, strata=frame["week"].to_numpy(), ties="efron",
    ).fit(disp=0)  # fmt: skip
    found = judged(frame)
    assert np.log(found["hazard_ratio"]) == pytest.approx(fit.params[0], rel=1e-5)
    assert np.log(found["high"] / found["low"]) / (2 * 1.959964) == pytest.approx(fit.bse[0], rel=1e-5)
    assert judged(frame, step=2.0)["hazard_ratio"] == pytest.approx(found["hazard_ratio"] ** 2)


def test_a_planted_hazard_is_found_where_the_crude_one_is_not() -> None:
    found = [judged(few(seed)) for seed in range(8)]
    logs, crude = (np.log([each[name] for each in found]) for name in ("hazard_ratio", "crude"))
    assert abs(logs.mean() - PLANTED) < 3 * logs.std(ddof=1) / np.sqrt(8)
    assert crude.mean() > 1.15 * PLANTED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stalls": pl.lit(2.0)}, "does not vary"),
        ({"is_event": pl.col("is_event") & (pl.int_range(pl.len()) < 300)}, "events for 5 parameters"),
        ({"stalls": 2 * pl.col("log_hours") + 0.01 * pl.col("stalls")}, "confounders explain"),
        ({"stalls": pl.col("region").is_in(["r2", "r3"]).cast(pl.Float64)}, "confounders explain 100%"),
        ({"stalls": (pl.col("is_event") | (pl.col("stalls") > 1)).cast(pl.Float64)}, "parted perfectly"),
        ({"stalls": pl.col("stalls").clip(0, 1) + 2 * pl.col("is_event")}, "parted perfectly"),
    ],
)
def test_what_cannot_be_told_has_a_reason_and_no_figure(change: dict[str, pl.Expr], reason: str) -> None:
    found = judged(few().with_columns(**change))
    assert not found["is_identified"]
    assert reason in found["reason"]
    assert {found[name] for name in ("hazard_ratio", "low", "high", "p", "crude")} == {None}


def test_what_can_be_told_is_not_flagged() -> None:
    assert identified(few(), ["stalls"], KNOWN) == []


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        ({}, "stall", "no column 'stall'; did you mean stalls"),
        ({"stalls": pl.lit(float("inf"))}, "stalls", "null or not finite"),
        ({"stalls": pl.lit(None, pl.Float64)}, "stalls", "null or not finite"),
        ({"stop": pl.col("start")}, "stalls", "does not end after its start"),
    ],
)
def test_a_slip_is_told(change: dict[str, pl.Expr], asked: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        hazard_ratios(few().with_columns(**change), {asked: 1.0}, KNOWN)


def memberships(members: int = 400, days: int = 70) -> pl.DataFrame:
    """Everyone joins on their own day; each leaves with a chance of 2 % a day."""
    rng = np.random.default_rng(2)
    given = []
    for member in range(members):
        first = int(rng.integers(-20, 20))
        stay = int(rng.geometric(0.02))
        given += [
            {
                "subscriber_id": f"m{member}", "ts_ms": APRIL_MS + day * DAY_MS, "tenure_days": day - first,
                "status": "paying", "is_churned": day == first + stay - 1, "plan": "standard", "region": "mena",
            }
            for day in range(max(first, 0), min(first + stay, days))
        ]  # fmt: skip
    return rows("membership", *given)


def test_survival_is_the_product_limit_with_late_entries() -> None:
    frame = memberships()
    found = survival(frame.lazy(), "plan", [7, 14, 30])
    members = frame.sort("ts_ms").group_by("subscriber_id").agg(
        pl.col("tenure_days").first().alias("entry"), pl.col("tenure_days").max() + 1, pl.col("is_churned").any()
    )  # fmt: skip
    stop, is_event, entry = (members[name].to_numpy() for name in ("tenure_days", "is_churned", "entry"))
    peer = SurvfuncRight(stop, is_event.astype(int), entry=entry)
    assert found["tenure_days"].to_list() == [7, 14, 30]
    for row in found.iter_rows(named=True):
        before = peer.surv_times <= row["tenure_days"]
        assert row["value"] == pytest.approx(peer.surv_prob[before][-1])
        assert row["low"] < 0.98 ** row["tenure_days"] < row["high"]
    with pytest.raises(InputError, match="no cohort 'plans'; did you mean plan"):
        survival(frame.lazy(), "plans")


def test_a_week_knows_the_week_before_it() -> None:
    days = [
        {
            "subscriber_id": "m0", "ts_ms": APRIL_MS + day * DAY_MS, "tenure_days": 100 + day, "status": "paying",
            "is_churned": day == 16, "plan": "standard",
        }
        for day in range(17)
    ]  # fmt: skip
    hour = 3_600_000
    plays = [
        session(subscriber_id="m0", playing_ms=7 * hour, startup_ms=2_000, is_rec_driven=True),
        session(subscriber_id="m0", playing_ms=hour, start_ts_ms=APRIL_MS + 16 * DAY_MS),
        session(subscriber_id="m0", playing_ms=hour, start_ts_ms=APRIL_MS, excluded_reason="bot"),
    ]
    found = member_weeks(rows("membership", *days).lazy(), rows("playback_session", *plays).lazy())
    told = found.select("week", "start", "stop", "is_event", "hours_per_day", "rec_driven_share", "is_idle")
    # The second week played nothing: what it may have been like is the others' mean, and it counts as idle.
    first, second = told.rows()
    assert first == pytest.approx((1, 107, 114, False, 1.0, 1.0, 0.0))
    assert second == (2, 114, 117, True, 0.0, 1.0, 1.0)
    assert found["startup_s"][0] == 2.0
    with pytest.raises(InputError, match="fewer than two weeks"):
        member_weeks(rows("membership", *days[:3]).lazy(), rows("playback_session", *plays).lazy())


def test_a_lake_with_too_few_leavings_says_so() -> None:
    frame = memberships(members=30)
    plays = [
        session(subscriber_id=f"m{i}", stall_ms=i, stall_count=min(i, 1), start_ts_ms=APRIL_MS + i * DAY_MS)
        for i in range(30)
    ]
    weeks = member_weeks(frame.lazy(), rows("playback_session", *plays).lazy())
    found = hazard_ratios(weeks, EXPOSURES, CONFOUNDERS, stratum="week")
    assert not found["is_identified"].any()
    assert found["reason"].null_count() == 0


def test_episodes_at_no_event_change_nothing_and_neither_does_splitting() -> None:
    frame = few().select("start", "stop", "is_event", "stalls", pl.lit(0).alias("week"))
    found = hazard_ratios(frame, {"stalls": 1.0}, stratum="week").row(0, named=True)
    half = pl.col("start") + 3
    long = frame.filter(pl.col("stop") > half)
    split = pl.concat(
        [
            frame.filter(pl.col("stop") <= half),
            long.with_columns(stop=half, is_event=pl.lit(value=False)),
            long.with_columns(start=half),
        ]
    )
    again = hazard_ratios(split, {"stalls": 1.0}).row(0, named=True)
    for name in ("hazard_ratio", "low", "high"):
        assert again[name] == pytest.approx(found[name], rel=1e-6)


def test_ties_are_efrons() -> None:
    # By hand: of 120, 80 leave on one day, 40 of them exposed; nobody else is.
    frame = pl.DataFrame(
        {
            "start": 0,
            "stop": [3, 3, 5] * 40,
            "is_event": [True, True, False] * 40,
            "stalls": [1.0, 0.0, 0.0] * 40,
        }
    )
    found = hazard_ratios(frame, {"stalls": 1.0}).row(0, named=True)
    ratios = np.linspace(1.5, 20, 40_001)
    both = 40 * ratios[:, None] + 80 - np.arange(80) / 80 * (40 * ratios[:, None] + 40)
    likelihood = 40 * np.log(ratios) - np.log(both).sum(axis=1)
    assert found["hazard_ratio"] == pytest.approx(ratios[likelihood.argmax()], rel=1e-3)
