"""Break-even and payback: answers by hand, identities, and what the distribution must keep."""

from __future__ import annotations

from datetime import date
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_model.backtest import backtest
from cost_model.cdn import (
    POLICIES,
    Fleet,
    Policy,
    at_size,
    breakeven,
    crossing_model,
    fleet_pools,
    monthly_gb,
    own_marginal_usd_per_gb,
    own_usd_per_month,
    rate_names,
    site_count,
    third_party_usd_per_month,
)
from cost_model.encoding import encode_usd_per_hour, payback
from cost_model.rates import load
from cost_model.reliability import reliability
from cost_model.sensitivity import sobol
from cost_model.uncertainty import Floats, drivers, interval, quantiles, sample, sample_rate
from metrics.errors import InputError

RATES, DAY, FEW = load(), date(2026, 4, 1), 2_000
POINTS = {name: float(RATES.usd(name, DAY)) for name in RATES.names}
ARRAYS = {name: np.array([value]) for name, value in POINTS.items()}


def test_fleet_pools_by_hand() -> None:
    rate: dict[str, Floats] = {name: np.array([2.0]) for name in POINTS}
    fleet: Fleet[Floats] = Fleet(3, 5, 7, 11, 13, 17)
    pools = fleet_pools(fleet, rate, np.array([0.5]))
    assert {name: float(cost[0]) for name, cost in pools.items()} == pytest.approx(
        {
            "appliances_edge": 5 * 2 * 0.5,
            "appliances_storage": (11 * 2 + 7 * 2) * 0.5,
            "maintenance_edge": 5 * 2 * 2 / 12,
            "maintenance_storage": (11 * 2 + 7 * 2) * 2 / 12,
            "hosting_edge": 5 * 2 * 4,
            "hosting_storage": 11 * 4,
            "exchange_ports": 26,
            "transit": 34,
            "isp_partnership": 3 * 2 / 12,
            "staff": 4 / 12,
            "platform": 2 / 12,
        }
    )


def test_the_public_anchors_are_met_within_a_factor_of_2() -> None:
    found = {row.anchor.name: row for row in backtest(RATES, DAY)}
    assert set(found) == {"servers", "sites", "access networks", "gross margin"}
    for row in found.values():
        assert row.holds, row
        assert row.model.low < row.anchor.value < row.model.high, row


def test_no_rate_is_read_off_the_anchors() -> None:
    for rate in RATES.entries:
        assert "231 M" not in rate.source, rate.name
        assert "18,000" not in rate.source, rate.name
        assert "6,000 locations" not in rate.source, rate.name


def test_sites_by_hand() -> None:
    """1,000 networks of Zipf's sizes: 7,485 Gbit/s is 1,000 to the largest, and the 200th has 5."""
    harmonic = np.log(1_000) + np.euler_gamma
    rate = {
        "access_networks": 1_000, "embedded_minimum_lean": 5, "embedded_minimum_dense": 2, "urban_areas": 1_000,
        "networks_per_urban_area": 4, "urban_ratio": 0.5,
    }  # fmt: skip
    rates = {name: np.array([float(value)]) for name, value in rate.items()}
    peak = np.array([1_000 * harmonic])
    assert site_count(peak, rates, "lean") == pytest.approx(200)
    # A network in an area has an eighth: the largest 125 Gbit/s, and 62.5 areas have 2; four networks each
    assert site_count(peak, rates, "dense") == pytest.approx(62.5 * 4)
    assert site_count(peak * 1e6, rates, "lean") == pytest.approx(1_000)
    assert site_count(peak * 1e6, rates, "dense") == pytest.approx(4_000)
    assert site_count(peak * 1e-6, rates, "dense") == pytest.approx(1)


def test_list_price_counts_volume_tiers() -> None:
    tiers = RATES.at("third_party_list_price", DAY).tiers
    assert tiers is not None
    one = dict(ARRAYS) | {"hours_per_member_day": np.array([12 / 365]), "gb_per_hour": np.array([1.0])}
    # A subscriber is a GB a month; 10,240 at .085, 10,000 at .080
    assert third_party_usd_per_month(np.array([20_240.0]), one, tiers) == pytest.approx(1_670.4)
    listed = breakeven(RATES, DAY, at_list_price=True, draws=FEW)
    flat = breakeven(RATES, DAY, given={"third_party_price": 0.02}, draws=FEW)
    # All but the first 5 PB of either side's bytes are at the last tier's price.
    assert listed.subscribers.median == pytest.approx(flat.subscribers.median, rel=0.01)
    again = breakeven(RATES, DAY, at_list_price=True, given={"third_party_price": 0.001}, draws=FEW)
    assert again.subscribers == listed.subscribers  # the negotiated price has no part in it


def test_reliability_stands_apart() -> None:
    before = breakeven(RATES, DAY, draws=FEW).subscribers
    prior = reliability(RATES, DAY, 1e8, draws=FEW)
    tried = reliability(RATES, DAY, 1e8, experiment=(-0.01, 0.03), draws=200_000)
    assert breakeven(RATES, DAY, draws=FEW).subscribers == before
    assert (prior.basis, tried.basis) == ("prior", "experiment")
    assert tried.usd_per_year.low < 0 < tried.usd_per_year.high
    assert tried.churn_avoided_ratio.low == pytest.approx(-0.01, abs=2e-4)
    assert tried.churn_avoided_ratio.high == pytest.approx(0.03, abs=2e-4)
    assert prior.as_dict()["in_break_even"] is False
    with pytest.raises(InputError, match="no interval of a share of churn"):
        reliability(RATES, DAY, 1e8, experiment=(0.03, 0.01))


def test_interactions_are_in_the_total_order() -> None:
    shares = sobol(crossing_model("dense"), RATES, rate_names(), DAY, points=512)
    assert shares[0].rate == "third_party_price"
    assert shares[0].total_order > 0.5
    assert sum(index.first_order for index in shares) < 1.1
    assert all(index.total_order > -0.02 for index in shares)


@pytest.mark.parametrize("policy", POLICIES)
def test_both_cost_the_same_at_break_even(policy: str) -> None:
    fixed = {name: value for name, value in POINTS.items() if RATES.at(name, DAY).range_90}
    result = breakeven(RATES, DAY, policy=policy, given=fixed, draws=3)  # type: ignore[arg-type]
    size = np.array([result.subscribers.median])
    own = own_usd_per_month(size, ARRAYS, policy)  # type: ignore[arg-type]
    assert own == pytest.approx(third_party_usd_per_month(size, ARRAYS), rel=1e-9)
    assert result.subscribers.low == result.subscribers.high
    assert result.drivers == []


@given(st.sampled_from(POLICIES), st.floats(1e6, 1e9), st.sampled_from([{}, {"third_party_price": 0.003}]))
@settings(max_examples=10, deadline=None)
def test_another_size_is_told_without_solving_again(
    policy: Policy, size: float, fixed: dict[str, float]
) -> None:
    solve = partial(breakeven, RATES, DAY, policy=policy, given=fixed, prices=(0.002, 0.004), draws=FEW)
    assert at_size(solve(), RATES, DAY, size, given=fixed).as_dict() == solve(at_subscribers=size).as_dict()


def test_a_dearer_third_party_lowers_break_even() -> None:
    prices = [0.001, 0.002, 0.004, 0.008]
    for policy in POLICIES:
        curve = breakeven(RATES, DAY, policy=policy, prices=prices, draws=FEW).curve
        medians = [point.subscribers.median for point in curve]
        assert medians == sorted(medians, reverse=True)
        assert len(set(medians)) == len(medians)


def test_where_a_familiar_figure_holds() -> None:
    prices = [0.001 * 8 ** (i / 16) for i in range(17)]
    result = breakeven(RATES, DAY, prices=prices, draws=FEW)
    price = result.price_for(50e6)
    assert price is not None
    again = breakeven(RATES, DAY, given={"third_party_price": price}, draws=FEW)
    assert again.subscribers.median == pytest.approx(50e6, rel=0.01)
    assert result.price_for(1e12) is None
    assert breakeven(RATES, DAY, draws=10).price_for(50e6) is None


def test_a_dense_footprint_never_breaks_even_earlier() -> None:
    lean, dense = (breakeven(RATES, DAY, policy=policy, draws=FEW) for policy in POLICIES)
    assert (dense.draws >= lean.draws * (1 - 1e-9)).all()
    assert dense.never_ratio >= lean.never_ratio


def test_the_price_matters_most() -> None:
    assert breakeven(RATES, DAY, draws=20_000).drivers[0].rate == "third_party_price"


@settings(max_examples=25, deadline=None)
@given(size=st.floats(1e5, 1e9), factor=st.floats(1.01, 30))
def test_own_cost_a_subscriber_never_rises(size: float, factor: float) -> None:
    for policy in POLICIES:
        small, large = (own_usd_per_month(np.array([n]), ARRAYS, policy) / n for n in (size, size * factor))
        assert large <= small * (1 + 1e-12)


def test_saved_bytes_save_little_where_footprint_binds() -> None:
    size = np.array([100e6])
    marginal = own_marginal_usd_per_gb(size, ARRAYS, "dense")
    average = own_usd_per_month(size, ARRAYS, "dense") / monthly_gb(size, ARRAYS)
    assert marginal < average / 3


def test_payback_by_hand() -> None:
    fixed = {
        "encode_price_av1": 0.1, "film_grain_encode_factor": 1.5, "ladder_1080p_equivalent": 4,
        "encode_trials": 5, "catalogue_hours": 1e5,
        "catalogue_growth_ratio": 0.12, "av1_programme_price": 2e6,
        "av1_device_ratio": 0.5, "av1_saving_ratio": 0.3, "hours_per_member_day": 2, "gb_per_hour": 3,
        "third_party_price": 0.002,
    }  # fmt: skip
    assert encode_usd_per_hour({k: np.array([v]) for k, v in fixed.items()})[0] == pytest.approx(180)
    result = payback(RATES, DAY, given=fixed, at_subscribers=1e8, draws=2)
    # investment 2 M + 18 M; upkeep 180 k a month; saved 10^8 · 2 · 365/12 · 3 · .15 · .002
    saved = 1e8 * 2 * 365 / 12 * 3 * 0.15 * 0.002
    assert result.at.months.median == pytest.approx(20e6 / (saved - 180e3))
    assert result.subscribers_for_12_months is not None
    again = payback(RATES, DAY, given=fixed, at_subscribers=result.subscribers_for_12_months.median, draws=2)
    assert again.at.months.median == pytest.approx(12)
    assert result.labels["av1_saving_ratio"] == "given"


def test_a_service_too_small_is_never_paid_back() -> None:
    result = payback(RATES, DAY, at_subscribers=1e4, draws=FEW)
    assert result.at.never_ratio == 1
    assert result.as_dict()["at"]["months"]["median"] is None  # type: ignore[index]


def test_payback_takes_longer_on_an_own_cdn() -> None:
    bought, own = (payback(RATES, DAY, delivery=d, draws=FEW) for d in ("third_party", "own"))
    assert own.at.months.median > 3 * bought.at.months.median


def test_draws_honour_the_range() -> None:
    for name in ("third_party_price", "av1_saving_ratio"):
        rate = RATES.at(name, DAY)
        assert rate.range_90 is not None
        found = quantiles(sample_rate(rate, draws=200_000))
        assert [found.low, found.high] == pytest.approx([float(x) for x in rate.range_90], rel=0.02)
        assert found.median == pytest.approx(float(rate.point()), rel=0.02)


def test_a_stream_belongs_to_its_rate_alone() -> None:
    one = sample(RATES, ["transit_price"], DAY, draws=50)
    two = sample(RATES, ["wacc_ratio", "transit_price"], DAY, draws=50, given={"wacc_ratio": 0.08})
    assert (one["transit_price"] == two["transit_price"]).all()
    assert (two["wacc_ratio"] == 0.08).all()
    assert (
        sample(RATES, ["transit_price"], DAY, draws=50, seed=1)["transit_price"] != one["transit_price"]
    ).any()


def test_first_order_shares_of_a_known_model() -> None:
    """y = 3a + b with like normals: shares 0.9 and 0.1 in value, close to it in rank."""
    draws = np.random.Generator(np.random.Philox(key=7)).standard_normal((3, 40_000))
    found = {
        d.rate: d.first_order for d in drivers(3 * draws[0] + draws[1], dict(zip("abc", draws, strict=True)))
    }
    assert found["a"] == pytest.approx(0.9, abs=0.03)
    assert found["b"] == pytest.approx(0.1, abs=0.03)
    assert found["c"] < 0.01


def test_an_infinite_tail_is_told_not_hidden() -> None:
    found = quantiles(np.array([1.0, 2.0, 3.0, np.inf]))
    assert found.high == 3.0
    assert interval(np.full(10, np.inf)).as_dict() == {"low": None, "median": None, "high": None}
