"""Sobol indices against SALib and a known model; tornado and scenarios; NPV and IRR against numpy-financial."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import numpy_financial as npf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_model.bill import bill
from cost_model.companies import FAMILIES, calibrate, companies, coverage, needed_widening
from cost_model.investment import irr, npv, own_cdn_case, payback_years
from cost_model.prices import exact
from cost_model.rates import GLOBAL, load
from cost_model.sensitivity import SCENARIOS, cost_tornado, scenarios, sobol, tornado
from cost_model.uncertainty import Floats, Interval, interval, quantile, ranks, widened
from cost_model.usage import Usage
from metrics.errors import InputError

RATES, DAY = load(), date(2026, 4, 1)
NAMES = ("third_party_price", "gb_per_hour", "hours_per_member_day", "wacc_ratio", "colocation_price")


def monthly_bill(rate: Mapping[str, Floats]) -> Floats:
    return rate["third_party_price"] * rate["gb_per_hour"] * rate["hours_per_member_day"]


def test_sobol_agrees_with_salib() -> None:
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as design

    found = {row.rate: row for row in sobol(monthly_bill, RATES, NAMES, DAY, points=1_024)}
    assert set(found) == set(NAMES[:3])  # what the model does not use, and what has no range, has no index
    problem = {"num_vars": 3, "names": list(NAMES[:3]), "bounds": [[1e-9, 1 - 1e-9]] * 3}
    points = design.sample(problem, 1_024, calc_second_order=False, seed=1)
    drawn = {name: quantile(RATES.at(name, DAY), points[:, k]) for k, name in enumerate(NAMES[:3])}
    theirs = analyze.analyze(problem, ranks(monthly_bill(drawn)), calc_second_order=False, seed=1)
    for k, name in enumerate(NAMES[:3]):
        assert found[name].first_order == pytest.approx(theirs["S1"][k], abs=0.05)
        assert found[name].total_order == pytest.approx(theirs["ST"][k], abs=0.05)


def test_sobol_of_a_product_of_log_normals() -> None:
    """ln y = Σ ln x: shares of the variance of ln y, which ranks keep nearly."""
    spread = {
        n: np.log(float(b) / float(a)) ** 2
        for n in NAMES[:3]
        for a, b in [RATES.at(n, DAY).range_90 or (1, 1)]
    }
    for row in sobol(monthly_bill, RATES, NAMES, DAY, points=2_048):
        assert row.first_order == pytest.approx(spread[row.rate] / sum(spread.values()), abs=0.05)
        assert row.total_order >= row.first_order - 0.03


def test_a_model_that_never_moves_has_no_index() -> None:
    assert sobol(lambda rate: 0 * rate["wacc_ratio"], RATES, NAMES, DAY, points=64) == ()


def test_the_tornado_moves_one_rate_at_a_time() -> None:
    found = tornado(monthly_bill, RATES, NAMES, DAY, given={"gb_per_hour": 2.0})
    assert [row.rate for row in found] == ["third_party_price", "hours_per_member_day"]
    low, high = (float(x) for x in RATES.at("third_party_price", DAY).range_90 or ())
    middle = float(RATES.at("hours_per_member_day", DAY).point())
    assert found[0].low == pytest.approx(low * 2.0 * middle)
    assert found[0].high == pytest.approx(high * 2.0 * middle)


def test_the_tornado_of_the_bill_ends_at_the_bill(small: Usage) -> None:
    total = float(sum(line.effective for line in bill(small, exact(RATES))))
    found = cost_tornado(small, RATES)
    assert all(row.base == pytest.approx(total) for row in found)
    assert all(row.low < row.base < row.high for row in found if not row.rate.endswith("years"))
    price = next(row for row in found if row.rate == "third_party_price")
    low, high = (float(x) for x in RATES.at("third_party_price", DAY).range_90 or ())
    assert price.high - price.low == pytest.approx((high - low) * 5e8)  # 0.5 EB from the third party


def test_scenarios_hold_what_they_name() -> None:
    found = {s.name: s.outcome.median for s in scenarios(monthly_bill, RATES, NAMES, DAY, draws=500)}
    assert found["cheap_third_party"] < found["dear_third_party"] / 4
    assert found["less_viewing_in_lower_quality"] < found["more_viewing_in_higher_quality"]
    assert "small_team" not in found  # the model has no staff
    assert SCENARIOS.is_file()


def test_a_scenario_of_an_unknown_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[odd]\nabout = "x"\nat = { third_party_prise = 0.5 }\n', encoding="utf-8")
    with pytest.raises(InputError, match="did you mean third_party_price"):
        scenarios(monthly_bill, RATES, NAMES, DAY, file=path)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.01, 0.3),
    st.floats(100, 1e6),
    st.lists(st.floats(1, 1e6), min_size=2, max_size=8),
)
def test_npv_irr_and_payback_are_numpy_financials(rate: float, out: float, back: list[float]) -> None:
    flows = np.array([-out, *back])
    column = flows[:, None]
    assert npv(np.array([rate]), column)[0] == pytest.approx(npf.npv(rate, flows), rel=1e-9, abs=1e-6)
    theirs = npf.irr(flows)
    if np.isfinite(theirs) and -0.98 < theirs < 99:
        assert irr(column)[0] == pytest.approx(theirs, abs=1e-6)
    years = payback_years(column)[0]
    if np.isinf(years):
        assert flows.sum() < 1e-6
    else:
        whole = int(np.floor(years))
        assert flows[: whole + 1].sum() <= 1e-6 * out
        assert flows[: whole + 2].sum() >= -1e-6 * out


def test_known_paybacks() -> None:
    flows = np.array([[-100.0, -100.0, 0.0], [40.0, 10.0, 5.0], [40.0, 10.0, 5.0], [40.0, 10.0, 5.0]])
    assert payback_years(flows).tolist() == [2.5, np.inf, 0.0]


def test_the_case_of_an_own_cdn_follows_the_price() -> None:
    cheap, dear = (
        own_cdn_case(RATES, DAY, subscribers=100e6, given={"third_party_price": price}, draws=400)
        for price in (0.0005, 0.008)
    )
    assert cheap.npv_usd.median < 0 < dear.npv_usd.median
    assert cheap.positive_npv_ratio < 0.05 < 0.95 < dear.positive_npv_ratio
    assert dear.irr_ratio.median > dear.wacc_ratio


@given(st.floats(0.5, 3))
def test_widening_is_undone_by_its_inverse(factor: float) -> None:
    for raw in (Interval(1.0, 2.0, 9.0), Interval(-4.0, 1.0, 2.0), Interval(1.0, 2.0, float("inf"))):
        again = widened(widened(raw, factor), 1 / factor) if raw.low > 0 else raw
        assert again.low == pytest.approx(raw.low)
        assert again.high == pytest.approx(raw.high)
        wide = widened(raw, factor)
        if factor > 1:
            assert wide.low <= raw.low
            assert raw.high <= wide.high


def test_the_widening_that_is_needed_just_holds() -> None:
    raw = Interval(1.0, 2.0, 4.0)
    for truth in (0.3, 1.5, 2.0, 11.0):
        least = needed_widening(raw, truth)
        held = widened(raw, least * (1 + 1e-9) + 1e-12)
        assert held.low <= truth * (1 + 1e-9)
        assert truth * (1 - 1e-9) <= held.high
    assert needed_widening(raw, float("inf")) == float("inf")


def test_the_conformal_factor_is_an_order_statistic() -> None:
    assert calibrate(np.arange(1.0, 100.0)) == 90.0


def test_companies_are_not_drawn_from_the_models_prior() -> None:
    """Correlated truths, other families, other ranges; the same company for the same seed and place."""
    one, two = next(companies(1, seed=5)), next(companies(1, seed=5))
    assert one.truth == two.truth
    assert one.truth != next(companies(1, seed=6)).truth
    some = list(companies(50, seed=5))
    assert {company.family for company in some} == set(FAMILIES)
    inside = [
        float(r.range_90[0]) <= c.truth[r.name] <= float(r.range_90[1])
        for c in some
        for r in c.rates.entries
        if r.range_90 is not None and r.region == GLOBAL and c.family == "overconfident"
    ]
    assert 0.6 < np.mean(inside) < 0.88


def test_published_intervals_hold_about_nine_in_ten() -> None:
    """A small run of what docs/coverage.md has in full, on companies of a third seed."""
    found = coverage(40, seed=303, draws=800)
    held = found["is_covered"].mean()
    assert isinstance(held, float)
    assert 0.84 <= held <= 0.97


def test_an_interval_ends_where_its_outcome_does() -> None:
    shares = np.random.Generator(np.random.Philox(key=1)).uniform(0.5, 1.0, 1_000)
    assert interval(shares).high > 1
    found = interval(shares, most=1.0)
    assert found.high == 1.0
    assert (found.low, found.median) == (interval(shares).low, interval(shares).median)
