"""Unit costs: the tree multiplies out, slices add up, empty denominators are null."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from cost_model.bill import bill
from cost_model.charges import bill_frame, charges
from cost_model.margin import revenue_usd, unit_cost_tree, unit_costs
from cost_model.prices import simulated
from cost_model.rates import load
from cost_model.switches import margin_effects
from cost_model.uncertainty import interval
from cost_model.usage import Usage
from metrics.errors import InputError
from tests.cost_model.conftest import frame, usage

RATES = load()


def test_the_tree_multiplies_out_exactly(small: Usage) -> None:
    cost = Decimal(bill_frame(small, RATES)["effective_usd"].sum())
    tree = unit_cost_tree(cost, small)
    gb, per_hour, hours = tree["usd_per_gb"], tree["gb_per_hour"], tree["hours_per_member_month"]
    assert gb is not None
    assert per_hour is not None
    assert hours is not None
    assert gb * per_hour * hours == tree["usd_per_member_month"]
    assert gb * per_hour == tree["usd_per_hour"]


def test_known_answers(small: Usage) -> None:
    row = unit_costs(charges(small, RATES), small, RATES).row(0, named=True)
    assert row["hours"] == 9 * 10**9
    assert row["gb"] == Decimal("19.5") * 10**9
    assert float(row["member_months"]) == pytest.approx((61 * 10**8 + 30 * 10**7) / 30.4375)
    # 17.26 a month for 10^8 members over 61 days, and South Asia's sqrt(2 · 5) for 10^7 over 30
    earned = (17.26 * 61 * 10**8 + 10**0.5 * 30 * 10**7) / 30.4375
    assert float(row["revenue_usd"]) == pytest.approx(earned)
    assert row["contribution_usd_per_hour"] == row["revenue_usd_per_hour"] - row["usd_per_hour"]


@pytest.mark.parametrize("by", ["region", "codec", "cdn", "month", "isp"])
def test_slices_add_up_to_the_whole(small: Usage, by: str) -> None:
    charged = charges(small, RATES)
    whole = unit_costs(charged, small, RATES).row(0, named=True)
    slices = unit_costs(charged, small, RATES, [by])
    for part in ("cost_usd", "gb", "delivery_usd", "encoding_usd", "control_plane_usd"):
        assert slices[part].sum() == whole[part]
    if by != "isp":
        assert slices["hours"].sum() == whole["hours"]
    if by in ("codec", "cdn"):
        total = sum(slices["usd_per_member_month"].drop_nulls().to_list())
        assert total == pytest.approx(whole["usd_per_member_month"], abs=Decimal("1e-9"))


def test_no_members_and_no_hours_are_null_not_zero() -> None:
    empty = usage(hours=frame("hours"), members=frame("members"))
    row = unit_costs(charges(empty, RATES), empty, RATES).row(0, named=True)
    assert row["usd_per_hour"] is None
    assert row["usd_per_member_month"] is None
    assert row["contribution_usd_per_hour"] is None
    assert row["usd_per_gb"] > 0
    assert unit_cost_tree(Decimal(1), empty)["usd_per_member_month"] is None


def test_revenue_is_no_charge(small: Usage) -> None:
    assert revenue_usd(small, RATES)["revenue_usd"].sum() > 0
    assert set(charges(small, RATES)["x_cost_pool"]) == {"delivery", "encoding", "control_plane", "content"}


def test_an_unknown_dimension_is_refused(small: Usage) -> None:
    with pytest.raises(InputError, match="did you mean region"):
        unit_costs(charges(small, RATES), small, RATES, ["regoin"])


def test_what_a_decision_does_to_margin_by_hand(small: Usage) -> None:
    """With one price and one saving fixed: own bytes bought instead, less the fleet, over hours."""
    fixed = {"third_party_price": 0.002, "av1_saving_ratio": 0.4, "gb_per_hour": 2.0}
    av1 = usage(
        hours=small.hours.with_columns(
            codec=pl.when(pl.col("region") == "south-asia").then(pl.lit("av1_fgs")).otherwise("codec")
        )
    )
    found = margin_effects(av1, RATES, members=1e8, given=fixed, given_encoding=fixed, draws=400)
    rates = simulated(RATES, draws=400)
    fleet = np.sum([line.effective for line in bill(av1, rates) if line.cdn == "own"], axis=0)
    expected = interval((19e9 * 0.002 - fleet) / 9e9)
    assert found["own_cdn"].median == pytest.approx(expected.median)
    # 2 GB an hour over a ninth of the hours, 40 % saved, at no more than the third party's price
    assert found["av1_fgs"].high < 2 / 9 * 0.4 * 0.002
    assert found["av1_fgs"].low > -0.001


def test_a_switch_that_was_off_states_no_effect() -> None:
    bought = usage(fleet=frame("fleet"))
    assert margin_effects(bought, RATES, members=1e8, draws=50) == {}
    assert margin_effects(usage(hours=frame("hours")), RATES, members=1e8, draws=50) == {}
