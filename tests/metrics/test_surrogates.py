"""Surrogates: known answers of the index, planted truth, and what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks.surrogates import SURROGATES, Treatment, experiments, members
from metrics.early import OUTCOME, early_and_late
from metrics.early import SURROGATES as EARLY
from metrics.errors import InputError
from metrics.surrogates import agreement, calibrate, calibrated, effects, fit
from tests.metrics.rows import APRIL_MS, DAY_MS, rows, session
from tests.metrics.test_hazards import memberships


def past(n: int = 400, seed: int = 1) -> pl.DataFrame:
    """An outcome that is 1 + 2 a - 3 b and noise."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=(2, n))
    return pl.DataFrame({"a": a, "b": b, "y": 1 + 2 * a - 3 * b + draw.normal(0, 0.5, n)})


def arms(shift: float, n: int = 2_000, seed: int = 2) -> pl.DataFrame:
    """Treatment has ``a`` shifted, so that the outcome is by twice that."""
    draw = np.random.default_rng(seed)
    parts = []
    for arm, by in (("old", 0.0), ("new", shift)):
        a, b = draw.normal(size=(2, n))
        y = 1 + 2 * (a + by) - 3 * b + draw.normal(0, 0.5, n)
        parts.append(pl.DataFrame({"arm": [arm] * n, "a": a + by, "b": b, "y": y}))
    return pl.concat(parts)


def test_the_index_is_the_regression_of_the_past() -> None:
    index = fit(past(), "y", ["a", "b"])
    assert index.params == pytest.approx([1, 2, -3], abs=0.1)
    assert index.r2 == pytest.approx(1 - 0.25 / 13.25, abs=0.01)
    assert index.r2_left_out == pytest.approx(index.r2, abs=0.01)


def test_an_effect_through_the_surrogates_is_recovered() -> None:
    found = effects(arms(0.2), fit(past(), "y", ["a", "b"]), arm="arm", control="old", outcome="y").row(
        0, named=True
    )
    error = (found["high"] - found["low"]) / (2 * 1.96)
    assert found["effect"] == pytest.approx(0.4, abs=4 * error)
    assert found["effect"] == pytest.approx(found["direct"], abs=0.1)


def test_the_interval_holds_the_doubt_of_the_history() -> None:
    """The same arms, a history a tenth as long: what is estimated alike is less sure."""
    units = arms(3.0)
    widths = [
        found["high"][0] - found["low"][0]
        for found in (
            effects(units, fit(past(n), "y", ["a", "b"]), arm="arm", control="old") for n in (60, 6_000)
        )
    ]
    assert widths[0] > widths[1]


def test_intervals_hold_where_all_goes_through_the_surrogates() -> None:
    held = [
        effects(arms(0.1, 200, 100 + seed), fit(past(200, seed), "y", ["a", "b"]), arm="arm", control="old")
        .select((pl.col("low") <= 0.2) & (pl.col("high") >= 0.2))
        .item()
        for seed in range(300)
    ]
    assert 0.92 <= np.mean(held) <= 0.98


def test_decisions_that_always_agree_and_never() -> None:
    good = {
        "effect": 1.0,
        "low": 0.5,
        "high": 1.5,
        "direct": 1.0,
        "direct_low": 0.1,
        "direct_high": 2.0,
        "truth": 1.0,
    }
    bad = {name: -value for name, value in good.items()} | {
        "low": -1.5, "high": -0.5, "direct_low": -2.0, "direct_high": -0.1
    }  # fmt: skip
    alike = agreement(pl.DataFrame([good, bad] * 10))
    values = dict(zip(alike["measure"], alike["value"], strict=True))
    assert values["consistency"] == values["launch_recall"] == values["sign_agreement"] == 1.0
    assert values["false_launch_ratio"] == 0.0
    turned = agreement(pl.DataFrame([good | {"truth": -1.0}, bad | {"truth": 1.0}] * 10))
    values = dict(zip(turned["measure"], turned["value"], strict=True))
    assert values["launch_recall"] == values["sign_agreement"] == 0.0
    assert values["correlation"] == pytest.approx(-1.0)


def test_without_a_truth_or_an_outcome_what_is_left_is_told() -> None:
    frame = pl.DataFrame({"effect": [1.0], "low": [0.5], "high": [1.5]})
    assert agreement(frame).is_empty()
    assert agreement(frame.with_columns(truth=1.0))["measure"].to_list()[0] == "sign_agreement"


def test_planted_experiments_are_ranked_better_than_by_chance() -> None:
    frame = experiments(24, seed=5, arm=4_000)
    found = agreement(frame)
    assert frame["course"].n_unique() == 3
    assert dict(zip(found["measure"], found["value"], strict=True))["correlation"] > 0.2


def test_a_treatment_of_nothing_moves_nobody() -> None:
    one, other = (
        members(np.random.default_rng(3), 5_000, what) for what in (Treatment(), Treatment(course="fading"))
    )
    assert one.equals(other)
    better = members(np.random.default_rng(3), 5_000, Treatment(hours=1.0))
    assert better["is_member_late"].sum() > one["is_member_late"].sum()
    assert set(SURROGATES) < set(one.columns)


def test_a_calibration_finds_the_slope_and_the_spread_and_its_intervals_hold() -> None:
    """The outcome moves twice as far as the index, and by chance of its own."""
    draw = np.random.default_rng(7)
    n = 4_000
    true_index, chance = draw.normal(0, 1.0, n), draw.normal(0, 0.5, n)
    truth = 2 * true_index + chance
    of_index = draw.normal(0, 0.3, n)
    effect, direct = true_index + of_index, truth + of_index + draw.normal(0, 0.6, n)
    reach, far = 1.96 * 0.3, 1.96 * np.hypot(0.3, 0.6)
    frame = pl.DataFrame({"effect": effect, "direct": direct, "truth": truth}).with_columns(
        low=pl.col("effect") - reach, high=pl.col("effect") + reach,
        direct_low=pl.col("direct") - far, direct_high=pl.col("direct") + far,
    )  # fmt: skip
    by = calibrate(frame[: n // 2])
    assert by.slope == pytest.approx(2.0, abs=0.08)
    assert by.spread == pytest.approx(0.5, abs=0.1)
    told = calibrated(frame[n // 2 :], by)
    held = ((told["low"] <= told["truth"]) & (told["high"] >= told["truth"])).mean()
    assert held == pytest.approx(0.95, abs=0.02)
    with pytest.raises(InputError, match="9 past experiments"):
        calibrate(frame[:9])
    with pytest.raises(InputError, match="no past experiment moved the index"):
        calibrate(frame[:20].with_columns(effect=pl.lit(0.0)))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (past().with_columns(a=pl.lit(1.0)), "a does not vary in the history"),
        (past().with_columns(y=pl.lit(1.0)), "y does not vary in the history"),
        (past().with_columns(b=pl.col("a") * 2), "sums of each other"),
        (past().with_columns(a=pl.lit(float("inf"))), "inf is no finite number"),
        (past().with_columns(a=pl.lit(None, pl.Float64)), "nothing is no finite number"),
        (past().with_columns(y=pl.lit("much")), "'much' is no finite number"),
        (past(1), "1 members for 2 surrogates"),
        (past().clear(), "0 members for 2 surrogates"),
        (past().drop("b"), "no column 'b'"),
    ],
)
def test_a_past_that_cannot_be_used_is_refused(frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit(frame, "y", ["a", "b"])


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (arms(0.1).filter(pl.col("arm") == "old"), "one arm alone"),
        (arms(0.1).filter(pl.col("arm") == "new"), "no arm 'old'"),
        (arms(0.1).clear(), "no arm 'old'"),
        (pl.concat([arms(0.1), arms(0.1).head(1).with_columns(arm=pl.lit("third"))]), "arm third has 1 unit"),
        (arms(0.1).with_columns(a=float("nan")), "nan is no finite number"),
        (arms(0.1).with_columns(arm=pl.lit(None, pl.String)), "a unit without an arm"),
    ],
)
def test_arms_that_cannot_be_compared_are_refused(frame: pl.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        effects(frame, fit(past(), "y", ["a", "b"]), arm="arm", control="old")


def test_arms_that_do_not_differ_at_all_have_no_nan() -> None:
    same = pl.DataFrame({"arm": ["old", "old", "new", "new"], "a": [1.0] * 4, "b": [2.0] * 4})
    found = effects(same, fit(past(), "y", ["a", "b"]), arm="arm", control="old").row(0, named=True)
    assert (found["effect"], found["low"], found["high"], found["p"]) == (0.0, 0.0, 0.0, 1.0)


def test_early_and_late_of_a_lake() -> None:
    membership = memberships().lazy()
    plays = rows(
        "playback_session",
        session(subscriber_id="m1", start_ts_ms=APRIL_MS + DAY_MS, playing_ms=3_600_000),
        session(subscriber_id="m1", start_ts_ms=APRIL_MS + 20 * DAY_MS, playing_ms=3_600_000),
    ).lazy()
    found = early_and_late(membership, plays, APRIL_MS, days=10, horizon=20)
    one = found.filter(pl.col("subscriber_id") == "m1").row(0, named=True)
    assert one["hours_per_day"] == pytest.approx(0.1)
    assert one["active_days"] == 1.0
    assert found.null_count().sum_horizontal().item() == 0
    assert set(EARLY) < set(found.columns)
    far = early_and_late(membership, plays, APRIL_MS, days=10, horizon=3_000)
    assert far[OUTCOME].null_count() == far.height
    for start, days, said in (
        (APRIL_MS - DAY_MS, 10, "nobody is a member"),
        (APRIL_MS, 2_000, "the lake ends"),
    ):
        with pytest.raises(InputError, match=said):
            early_and_late(membership, plays, start, days=days, horizon=3_000)
    with pytest.raises(InputError, match="10 days stand for 5"):
        early_and_late(membership, plays, APRIL_MS, days=10, horizon=5)
