"""Effects of experiments: published values, the same by other libraries, identities, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.effects import (
    Estimate,
    Moments,
    adjusted_p,
    difference,
    effects,
    preference,
    sample_ratio_p,
    sensitivity_gain,
    team_draft,
    units_per_arm,
)
from metrics.errors import InputError

ARMS: dict[str, Any] = {"unit": "member", "arm": "arm", "control": "old"}
FEW = 1_200


def members(lift: float = 0.3, seed: int = 5) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    before = rng.gamma(2.0, 2.0, FEW)
    arm = rng.permutation(np.repeat(["old", "new", "newer"], FEW // 3))
    hours = before + rng.normal(5.0, 1.0, FEW) + lift * (arm == "new")
    return pl.DataFrame(
        {
            "member": [f"m{i}" for i in range(FEW)], "arm": arm, "hours": hours, "before": before,
            "sessions": 1.0 + rng.poisson(3.0, FEW), "is_active": rng.random(FEW) < 0.4,
        }
    )  # fmt: skip


def only(frame: pl.DataFrame, metric: str = "hours", arm: str = "new", **asked: Any) -> dict[str, Any]:
    return effects(frame, [metric], **ARMS, **asked).row(by_predicate=pl.col("arm") == arm, named=True)


def told(pair: tuple[Estimate, Estimate], which: int) -> list[float]:
    return [round(float(x), 5) for x in (pair[which].effect, *pair[which].interval(), pair[which].p())]


# The values that GrowthBook publishes in the tests of its statistics (gbstats, tests of frequentist tests).
ONE, OTHER = (1396.87, 52377.9767), (2422.7, 134698.29)


def test_published_values_of_means() -> None:
    pair = difference(Moments.of_sums(3407, *ONE), Moments.of_sums(3461, *OTHER))
    assert told(pair, 0)[1:] == [0.04538, 0.53462, 0.02016]
    assert told(pair, 0)[0] == 0.29
    assert told(pair, 1) == [0.70732, -0.03526, 1.44989, 0.06191]


def test_published_values_of_proportions() -> None:
    one, other = (Moments.of_sums(n, k, k).of_proportion() for n, k in ((28, 14), (30, 16)))
    assert told(difference(one, other), 1) == [0.06667, -0.47767, 0.61101, 0.80707]


def test_published_values_of_a_confidence_sequence() -> None:
    pair = difference(Moments.of_sums(3000, *ONE), Moments.of_sums(3461, *OTHER), tuning=1000)
    assert told(pair, 1) == [0.50336, -0.55844, 1.56516, 1.0]


def test_a_mean_is_welchs_test_and_a_share_has_the_variance_of_one() -> None:
    frame = members()
    old, new = (frame.filter(pl.col("arm") == arm)["hours"].to_numpy() for arm in ("old", "new"))
    found, peer = only(frame), stats.ttest_ind(new, old, equal_var=False)
    interval = peer.confidence_interval()
    assert list(found["absolute"].values()) == pytest.approx(
        [new.mean() - old.mean(), interval.low, interval.high, peer.pvalue]
    )
    assert found["relative"]["effect"] == pytest.approx(new.mean() / old.mean() - 1)
    share = only(frame, "is_active")
    p = [share["control_value"], share["value"]]
    error = np.sqrt(sum(x * (1 - x) / (FEW / 3) for x in p))
    assert share["method"] == "Welch, proportion"
    assert share["absolute"]["effect"] / error == pytest.approx(
        stats.t.isf(share["absolute"]["p"] / 2, 798) * np.sign(p[1] - p[0]), rel=1e-3
    )


def test_a_covariate_narrows_and_one_that_does_not_vary_changes_nothing() -> None:
    frame = members()
    plain, cuped, lin = (
        only(frame),
        only(frame, covariate="before"),
        only(frame, covariate="before", adjustment="lin"),
    )
    widths = [x["absolute"]["high"] - x["absolute"]["low"] for x in (plain, cuped, lin)]
    assert widths[1] < 0.5 * widths[0]
    assert widths[2] == pytest.approx(widths[1], rel=0.02)
    assert cuped["absolute"]["low"] < 0.3 < cuped["absolute"]["high"]
    constant = only(frame.with_columns(before=pl.lit(7.3)), covariate="before")
    assert constant["absolute"] == plain["absolute"]


def test_lins_regression_is_least_squares_with_slopes_by_arm() -> None:
    frame = members().filter(pl.col("arm") != "newer")
    treated = (frame["arm"] == "new").to_numpy().astype(float)
    apart = frame["before"].to_numpy() - frame["before"].mean()
    design = np.column_stack([np.ones(frame.height), treated, apart, apart * treated])
    fit = sm.OLS(frame["hours"].to_numpy(), design).fit(cov_type="HC2", use_t=True)
    found = only(frame, covariate="before", adjustment="lin")
    assert found["absolute"]["effect"] == pytest.approx(fit.params[1])
    assert found["absolute"]["p"] == pytest.approx(fit.pvalues[1], rel=0.01)


def test_cupeds_effect_is_by_hand() -> None:
    frame = members().filter(pl.col("arm") != "newer")
    theta = np.cov(frame["hours"], frame["before"])[0, 1] / frame["before"].var()
    means = dict(
        frame.group_by("arm").agg(pl.col("hours").mean() - theta * pl.col("before").mean()).iter_rows()
    )
    found = only(frame, covariate="before")
    assert found["absolute"]["effect"] == pytest.approx(means["new"] - means["old"])
    old = frame.filter(pl.col("arm") == "old")["hours"].mean()
    assert found["relative"]["effect"] == pytest.approx((means["new"] - means["old"]) / old)


def test_a_ratio_is_of_sums_and_over_ones_it_is_the_mean() -> None:
    frame = members()
    found = only(frame, denominator="sessions")
    sums = {
        arm: frame.filter(pl.col("arm") == arm).select("hours", "sessions").sum().row(0)
        for arm in ("old", "new")
    }
    assert found["value"] == pytest.approx(sums["new"][0] / sums["new"][1])
    assert found["absolute"]["effect"] == pytest.approx(found["value"] - sums["old"][0] / sums["old"][1])
    ones = only(frame.with_columns(sessions=pl.lit(1.0)), denominator="sessions")
    assert ones["absolute"] == pytest.approx(only(frame)["absolute"])
    # A ratio's error is that of its residuals (Taylor), over the mean denominator.
    variance = 0.0
    for arm in ("old", "new"):
        one = frame.filter(pl.col("arm") == arm)
        rest = one["hours"] - sums[arm][0] / sums[arm][1] * one["sessions"]
        variance += (
            float(rest.to_numpy().var(ddof=1)) / one.height / float(one["sessions"].to_numpy().mean()) ** 2
        )
    half = found["absolute"]["high"] - found["absolute"]["effect"]
    assert half / np.sqrt(variance) == pytest.approx(1.963, abs=0.002)


def test_rows_of_a_unit_are_one_unit() -> None:
    frame = members()
    split = pl.concat([frame.with_columns(pl.col("hours") * share) for share in (0.25, 0.75)]).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    for asked in ({}, {"covariate": "before"}):
        once, twice = only(frame, **asked), only(split, **asked)
        assert twice["n"] == once["n"] == FEW // 3
        assert twice["absolute"] == pytest.approx(once["absolute"])


def test_a_cluster_of_one_is_a_unit_and_rows_alike_add_nothing() -> None:
    frame = members().with_columns(home=pl.col("member"))
    assert only(frame, cluster="home")["absolute"] == pytest.approx(only(frame)["absolute"])
    copies = pl.concat([frame.with_columns(pl.col("member") + f"-{i}") for i in range(4)])
    assert only(copies, cluster="home")["absolute"] == pytest.approx(only(frame)["absolute"])
    assert only(copies)["absolute"]["p"] < only(frame)["absolute"]["p"]
    quantile = only(copies, cluster="home", quantile=0.9)
    assert quantile["method"] == "clustered quantile 0.9"
    plain = only(frame, quantile=0.9)
    widths = [x["absolute"]["high"] - x["absolute"]["low"] for x in (quantile, plain)]
    assert widths[0] == pytest.approx(widths[1], rel=0.15)


def test_who_is_in_two_arms_is_counted_and_in_none() -> None:
    frame = members()
    crossed = frame.filter(pl.col("arm") == "old").head(30).with_columns(arm=pl.lit("new"))
    with_both = pl.concat([frame, crossed])
    found = only(with_both)
    assert (found["contaminated"], found["n_control"], found["n"]) == (30, FEW // 3 - 30, FEW // 3)
    kept = frame.filter(~pl.col("member").is_in(crossed["member"].to_list()))
    assert found["absolute"] == only(kept)["absolute"]


def test_what_is_missing_is_counted() -> None:
    frame = members()
    holes = frame.with_columns(
        hours=pl.when(pl.int_range(pl.len()) >= 10).then("hours"),
        arm=pl.when(pl.int_range(pl.len()) != 500).then("arm"),
        before=pl.when(pl.int_range(pl.len()) % 50 != 0).then("before"),
    )
    found = effects(holes, ["hours"], **ARMS, covariate="before")
    first = frame.head(10)["arm"].value_counts().to_dicts()
    lost = {each["arm"]: each["count"] for each in first}
    assert found["unassigned_rows"].to_list() == [1, 1]
    for row in found.iter_rows(named=True):
        assert row["missing"] == lost.get("old", 0) + lost.get(row["arm"], 0)


def test_an_experiment_read_as_text_is_the_same() -> None:
    frame = members()
    text = frame.with_columns(pl.all().cast(pl.String))
    assert effects(text, ["hours", "is_active"], **ARMS).equals(
        effects(frame, ["hours", "is_active"], **ARMS)
    )


def test_several_metrics_and_arms_are_adjusted_together() -> None:
    found = effects(members(), ["hours", "is_active"], **ARMS)
    assert found.select("metric", "arm").rows() == [
        ("hours", "new"), ("hours", "newer"), ("is_active", "new"), ("is_active", "newer"),
    ]  # fmt: skip
    p = found["absolute"].struct.field("p").to_list()
    assert found["p_adjusted"].to_list() == pytest.approx(adjusted_p(p))
    assert adjusted_p([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted_p([0.01, 0.04, 0.03, 0.005], "bh") == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert adjusted_p([0.2], "none") == [0.2]


def test_sizes_of_arms_are_told_from_the_shares_meant() -> None:
    assert sample_ratio_p([50, 50]) == 1.0
    assert sample_ratio_p([900, 100], [0.9, 0.1]) == 1.0
    assert sample_ratio_p([821_588, 815_482]) < 1e-5
    uneven = members().filter((pl.col("arm") == "old") | (pl.int_range(pl.len()) % 2 == 0))
    assert only(uneven)["srm_p"] < 1e-6
    meant = effects(uneven, ["hours"], **ARMS, shares={"old": 2.0, "new": 1.0, "newer": 1.0})
    assert meant["srm_p"][0] > 0.05


def test_units_for_an_effect_give_that_power_and_that_least_effect() -> None:
    n = units_per_arm(0.2, 1.0)
    assert n == 393  # the textbook's 16 s² / d², more exactly
    arm = Moments(np.array(n), np.array([1.0, 1, 0, 1]), np.diag([1.0, 0, 0, 0]))
    estimate, _ = difference(arm, arm)
    assert float(estimate.power(0.2)) == pytest.approx(0.8, abs=0.003)
    assert float(estimate.detectable()) == pytest.approx(0.2, rel=0.003)


@given(
    st.floats(-5, 5), st.floats(0.01, 10), st.integers(4, 100_000), st.floats(100, 1e6), st.floats(0.5, 0.999)
)
def test_a_sequence_is_wider_than_one_look_and_its_p_agrees_with_its_interval(
    effect: float, variance: float, n: int, tuning: float, level: float
) -> None:
    fixed = Estimate(np.asarray(effect), np.asarray(variance), np.asarray(1e9), np.asarray(n))
    anytime = Estimate(np.asarray(effect), np.asarray(variance), np.asarray(1e9), np.asarray(n), tuning)
    assert anytime.critical(level) > fixed.critical(level)
    low, high = anytime.interval(level)
    p = float(anytime.p(level))
    if abs(p - (1 - level)) > 1e-9:
        assert (low > 0 or high < 0) == (p < 1 - level)


def test_daily_looks_raise_false_alarms_but_not_a_sequences() -> None:
    rng = np.random.default_rng(11)
    noise = rng.normal(10, 3, (2, 600, 20, 50))
    naive, anytime = np.zeros(600, np.bool_), np.zeros(600, np.bool_)
    for day in range(1, 21):
        arms = [Moments.of(side[:, :day].reshape(600, -1)) for side in noise]
        naive |= difference(arms[0], arms[1])[0].p() < 0.05
        anytime |= difference(arms[0], arms[1], tuning=1_000)[0].p() < 0.05
    assert naive.mean() > 0.18
    assert anytime.mean() <= 0.05


def test_a_team_draft_shows_each_title_once_and_both_sides_alike() -> None:
    rng = np.random.default_rng(3)
    one, two = (rng.permuted(np.tile(np.arange(12), (300, 1)), axis=1)[:, :8] for _ in range(2))
    shown, teams = team_draft(one, two, rng.integers(0, 2, (300, 4)))
    assert all(np.unique(row).size == 8 for row in shown)
    assert (teams.sum(axis=1) == 4).all()
    first = np.where(teams[:, 0] == 0, one[:, 0], two[:, 0])
    assert (shown[:, 0] == first).all()


def test_preference_is_of_members_and_gains_over_parting_them() -> None:
    rng = np.random.default_rng(4)
    taste = rng.gamma(0.5, 4.0, 2_000)
    one, two = rng.poisson(taste), rng.poisson(1.3 * taste)
    mixed = preference(one, two)
    assert float(mixed.interval()[0]) > 0
    assert float(preference(two, one).effect) == pytest.approx(-float(mixed.effect))
    parted, _ = difference(Moments.of(one[:1_000]), Moments.of(two[1_000:]))
    assert sensitivity_gain(mixed, parted) > 2


def nothing_is_nan(found: pl.DataFrame) -> bool:
    flat = found.unnest("absolute").drop("relative")
    numbers = flat.select(pl.selectors.float()).fill_null(0.0)
    return bool(np.isfinite(numbers.to_numpy()).all())


def test_a_control_at_nothing_has_no_relative_effect_and_no_figure_is_nan() -> None:
    frame = members()
    zero = frame.with_columns(hours=pl.when(pl.col("arm") != "old").then("hours").otherwise(0.0))
    found = only(zero)
    assert set(found["relative"].values()) == {None}
    gone = frame.with_columns(hours=pl.when(pl.col("arm") == "old").then("hours").otherwise(0.0))
    for each in (zero, gone):
        assert nothing_is_nan(effects(each, ["hours"], **ARMS))


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        ({}, {"control": "odl"}, "no arm 'odl' in arm; did you mean old"),
        ({}, {"unit": "membre"}, "no column 'membre'; did you mean member"),
        ({"hours": pl.lit(3.0)}, {}, "hours does not vary"),
        ({"hours": pl.lit(0.1) + 0.2}, {}, "hours does not vary"),
        ({"hours": pl.lit(None, pl.Float64)}, {}, "hours: no row has a number"),
        ({"hours": pl.lit(float("inf"))}, {}, "hours: an infinite value"),
        ({"hours": pl.lit("three")}, {}, "hours: 'three' is no number"),
        ({"hours": pl.lit(1e200) * pl.col("hours")}, {}, "too large to square"),
        ({"sessions": pl.lit(-1.0)}, {"denominator": "sessions"}, "sessions: a negative denominator"),
        ({"sessions": pl.lit(0.0)}, {"denominator": "sessions"}, "sessions sums to 0 in arm 'old'"),
        ({"arm": pl.lit("old")}, {}, "no arm besides the control"),
        ({"arm": pl.lit(None, pl.String)}, {}, "no row has both member and arm"),
        ({"before": pl.lit(None, pl.Float64)}, {"covariate": "before"}, "before: no row has a number"),
        ({}, {"quantile": 1.0}, "no quantile 1.0"),
        ({}, {"quantile": 0.999}, "too few rows to tell the error"),
        ({}, {"quantile": 0.5, "covariate": "before"}, "a quantile has no covariate"),
        ({}, {"cluster": "sessions"}, "clusters have units in several arms"),
        ({}, {"sequential": True, "tuning": 0.0}, "cannot tune at 0.0 units"),
        ({}, {"level": 1.0}, "no level 1.0"),
        ({}, {"adjustment": "lin"}, "of a mean and a covariate"),
        ({}, {"shares": {"old": 1.0}}, "no share of arm"),
        ({}, {"shares": {"old": 1.0, "new": 0.0, "newer": 1.0}}, "a share above 0"),
    ],
)
def test_a_slip_is_told(change: dict[str, pl.Expr], asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        effects(members().with_columns(**change), ["hours"], **(ARMS | asked))


def test_the_unit_of_a_metric_changes_no_relative_figure() -> None:
    frame = members()
    relative = only(frame)["relative"]
    for scale in (1e-90, 1e90):
        assert only(frame.with_columns(pl.col("hours") * scale))["relative"] == pytest.approx(relative)


def test_a_slope_that_one_unit_alone_tells_is_refused() -> None:
    one = (pl.col("arm") == "newer") | (pl.int_range(pl.len()) == pl.col("arm").is_in(["old"]).arg_max())
    frame = members().with_columns(before=one.cast(pl.Float64) * pl.col("before"))
    with pytest.raises(InputError, match="no slope in each arm"):
        only(frame, covariate="before", adjustment="lin")


def test_everyone_in_two_arms_is_refused() -> None:
    frame = members().filter(pl.col("arm") == "old")
    with pytest.raises(InputError, match="every member is in several arms"):
        effects(pl.concat([frame, frame.with_columns(arm=pl.lit("new"))]), ["hours"], **ARMS)


def test_an_arm_of_one_is_refused() -> None:
    frame = members()
    one = pl.concat([frame.filter(pl.col("arm") == "old"), frame.filter(pl.col("arm") == "new").head(1)])
    with pytest.raises(InputError, match="arm 'new' has 1 unit with hours"):
        effects(one, ["hours"], **ARMS)
