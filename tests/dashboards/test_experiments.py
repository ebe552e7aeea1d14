"""Experiments as pages read them: who is in, and how sure each figure is; known answers."""

from __future__ import annotations

import narwhals as nw
import polars as pl
import pytest

from dashboards.experiments import judged, power_of, ratio_p, state_of, usual_share
from metrics.arms import arms_of

DAY_MS = 86_400_000


def counted(until: int | None) -> pl.DataFrame:
    rows = [
        {"experiment": "e", "arm": arm, "is_control": arm == "control", "subscriber_id": f"{arm}-{i}",
         "assigned_ts_ms": DAY_MS, "until_ts_ms": until, "is_holdout": None}
        for arm, members in (("control", 60), ("treatment", 40)) for i in range(members)
    ]  # fmt: skip
    types = {"until_ts_ms": pl.Int64, "is_holdout": pl.Boolean}
    return arms_of(nw.from_native(pl.LazyFrame(rows, schema_overrides=types)))


def test_an_experiment_runs_until_it_is_over() -> None:
    for until, now, state, end in ((None, 9, "running", 9), (5, 9, "finished", 5), (5, 4, "running", 4)):
        found = counted(None if until is None else until * DAY_MS)
        assert found.select("arm", "members").rows() == [("control", 60), ("treatment", 40)]
        assert state_of(found, now * DAY_MS) == (state, DAY_MS, end * DAY_MS)


def test_arms_that_are_unequal_have_a_small_p() -> None:
    # χ² = (60 − 50)² / 50 + (40 − 50)² / 50 = 4 with one degree of freedom
    assert ratio_p(counted(None), 0.5) == pytest.approx(0.0455, abs=5e-5)


def compared(
    lift: float, low: float | None, high: float | None, metric: str = "rebuffer_rate"
) -> pl.DataFrame:
    rows = [
        {
            "metric": metric,
            "arm": "control",
            "is_control": True,
            "lift": None,
            "lift_low": None,
            "lift_high": None,
        },
        {
            "metric": metric,
            "arm": "new",
            "is_control": False,
            "lift": lift,
            "lift_low": low,
            "lift_high": high,
        },
    ]
    kinds = dict.fromkeys(("lift", "lift_low", "lift_high"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=kinds)


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict"),
    [
        ("rebuffer_rate", 0.01, 0.2, "worse"),
        ("rebuffer_rate", -0.2, -0.01, "better"),
        ("take_rate", 0.01, 0.2, "better"),
        ("take_rate", -0.01, 0.2, "not told apart"),
        ("take_rate", None, None, "not told apart"),
    ],
)
def test_a_verdict_follows_the_interval_and_the_metric(
    metric: str, low: float | None, high: float | None, verdict: str
) -> None:
    assert judged(compared(0.1, low, high, metric), [])["verdict"].to_list() == [verdict]


def test_the_truth_is_inside_or_not_or_not_known() -> None:
    told = compared(0.1, 0.05, 0.15)
    for truth, inside in (([{"metric": "rebuffer_rate", "lift": 0.06}], True),
                          ([{"metric": "rebuffer_rate", "lift": 0.2}], False), ([], None)):  # fmt: skip
        assert judged(told, truth)["is_inside"].to_list() == [inside]


def test_power_grows_with_the_effect_and_the_least_lift_does_not_hang_on_it() -> None:
    powers = [power_of(lift, lift - 0.1, lift + 0.1) for lift in (0.0, 0.05, 0.15, 0.5)]
    assert [p for p, _ in powers] == sorted(p for p, _ in powers if p is not None)
    assert len({round(least, 12) for _, least in powers if least is not None}) == 1
    _, least = powers[0]
    assert least is not None
    power, _ = power_of(least, least - 0.1, least + 0.1)
    assert power == pytest.approx(0.8, abs=0.001)
    assert power_of(0.1, None, None) == (None, None)


def arms(*sizes: int) -> pl.DataFrame:
    """One experiment's arms, the control first."""
    return pl.DataFrame({"is_control": [True] + [False] * (len(sizes) - 1), "members": sizes})


def test_unequal_arms_are_judged_against_the_share_they_were_meant_to_have() -> None:
    holdout = arms(18_516, 1_960)
    assert usual_share(holdout) == 0.1
    assert ratio_p(holdout, 0.1) == pytest.approx(0.041, abs=1e-3)
    assert ratio_p(holdout, 0.5) == pytest.approx(0)
    assert ratio_p(arms(10_000, 8_000), usual_share(arms(10_000, 8_000))) == pytest.approx(0)
    assert usual_share(arms(300, 310, 290)) == pytest.approx(1 / 3)
    assert ratio_p(arms(300, 300, 300), 0.5) is None
    assert ratio_p(arms(300), 0.5) is None
