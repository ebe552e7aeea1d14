"""Charges cut into any buckets add up to the charges, to the last unit."""

from __future__ import annotations

from decimal import Decimal

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.charges import spread_charges
from tests.metrics.rows import APRIL_MS, DAY_MS, rows

COSTS = st.decimals(-(10**6), 10**9, places=10, allow_nan=False)
BUCKET = "bucket_ts_ms"


def spread(
    cost: Decimal, length_ms: int, *, grain_ms: int | None, start: int | None = None, end: int | None = None
) -> pl.DataFrame:
    table = rows(
        "charge",
        {
            "x_period_start_ts_ms": APRIL_MS,
            "x_period_end_ts_ms": APRIL_MS + length_ms,
            "EffectiveCost": cost,
            "BillingCurrency": "USD",
            "x_cost_pool": "delivery",
        },
    )
    lazy = spread_charges(
        nw.from_native(table.lazy()), [], start_ts_ms=start, end_ts_ms=end, grain_ms=grain_ms, bucket=BUCKET
    )
    found: pl.DataFrame = lazy.to_native().collect()
    return found


@given(COSTS, st.integers(1, 40 * DAY_MS), st.sampled_from([3_600_000, DAY_MS, 7 * DAY_MS]))
def test_buckets_add_up_to_the_charge(cost: Decimal, length_ms: int, grain_ms: int) -> None:
    pieces = spread(cost, length_ms, grain_ms=grain_ms)
    assert pieces["EffectiveCost"].sum() == cost
    assert pieces[BUCKET].is_unique().all()


@given(COSTS, st.integers(2, 40 * DAY_MS), st.data())
def test_periods_that_meet_add_up_to_the_charge(cost: Decimal, length_ms: int, data: st.DataObject) -> None:
    cut = APRIL_MS + data.draw(st.integers(1, length_ms - 1))
    before = spread(cost, length_ms, grain_ms=None, end=cut)["EffectiveCost"].sum()
    after = spread(cost, length_ms, grain_ms=None, start=cut)["EffectiveCost"].sum()
    assert Decimal(before) + Decimal(after) == cost


def test_a_period_beside_the_charge_has_none_of_it() -> None:
    assert spread(Decimal(5), DAY_MS, grain_ms=None, start=APRIL_MS + DAY_MS).is_empty()
    assert spread(Decimal(5), DAY_MS, grain_ms=DAY_MS, end=APRIL_MS).is_empty()


@pytest.mark.parametrize(("length", "shares"), [(2 * DAY_MS, [12, 12]), (DAY_MS * 3 // 2, [16, 8])])
def test_a_charge_is_spread_evenly(length: int, shares: list[int]) -> None:
    assert spread(Decimal(24), length, grain_ms=DAY_MS).sort(BUCKET)["EffectiveCost"].to_list() == shares
