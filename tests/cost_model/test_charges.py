"""Charges: the bill by hand, and the identity that charges sum to it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_model.apportion import apportion
from cost_model.charges import bill_frame, charges, neutralised, residual
from cost_model.focus import write_focus
from cost_model.rates import load
from cost_model.usage import USAGE_SCHEMAS, Quarter, Usage
from metrics.errors import InputError
from metrics.telemetry import get_table
from tests.cost_model.conftest import APRIL, MAY, frame, usage

RATES = load()


def amounts(billed: pl.DataFrame, sku: str, column: str = "effective_usd") -> list[Decimal]:
    """To the cent, as a bill worked out by hand is."""
    return [round(v, 2) for v in billed.filter(pl.col("sku") == sku).sort("month")[column]]


@given(
    amount=st.integers(0, 10**14),
    weights=st.lists(st.integers(0, 10**20), min_size=1, max_size=40).filter(any),
)
def test_parts_sum_to_the_amount_and_are_within_a_unit_of_their_share(
    amount: int, weights: list[int]
) -> None:
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * total - amount * weight) < total


def test_apportion_refuses_what_has_no_answer() -> None:
    with pytest.raises(ValueError, match="not all 0"):
        apportion(1, [0, 0])
    with pytest.raises(ValueError, match="not negative"):
        apportion(1, [2, -1])


def test_the_bill_by_hand(small: Usage) -> None:
    billed = bill_frame(small, RATES)
    april = round(Decimal(2 * 10**8) * RATES.usd("third_party_price", APRIL), 2)
    assert amounts(billed, "third_party")[0] == april
    # 40 servers · sqrt(15,000 · 45,000) = 25,980.76… over 60 months
    assert amounts(billed, "appliances_edge")[0] == Decimal("17320.51")
    # depreciation is not invoiced; the six bought in May are: five added, and one for one that retires
    assert amounts(billed, "appliances_edge", "billed_usd") == [0, 0]
    assert amounts(billed, "capex_edge", "billed_usd") == [Decimal("155884.57")]
    assert amounts(billed, "capex_edge") == [0]
    # 12 storage servers · sqrt(.35 · .7) kW · 184
    assert amounts(billed, "hosting_storage")[0] == Decimal("1092.90")
    # 3 billion member-days are 3e9 / 30.4375 months at sqrt(3.5 · 6); a tenth of them in South Asia
    assert amounts(billed, "content")[:2] == [Decimal("451670705.05"), Decimal("45167070.50")]
    # 5 M requests at sqrt(1 · 10) a million
    assert amounts(billed, "home") == [Decimal("15.81")]
    # 1,000 minutes · ¥0.063 · 0.14 · ladder sqrt(15) · trials sqrt(20), written off over 36 months
    assert amounts(billed, "encode_h264", "billed_usd") == [Decimal("152.77"), 0, 0]
    assert amounts(billed, "encode_h264") == [0, Decimal("4.24"), Decimal("4.24")]


def test_list_cost_counts_volume_tiers() -> None:
    volume = frame(
        "delivery",
        (APRIL, "north-america", "isp-a", "third_party", "third_party", "h264", Decimal(20_240 * 10**9)),
    )
    billed = bill_frame(usage(delivery=volume, fleet=frame("fleet"), encode=frame("encode")), RATES)
    # 10,240 GB at .085 and 10,000 GB at .080
    assert amounts(billed, "third_party", "list_usd") == [Decimal("1670.40")]


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 10**19), min_size=6, max_size=6))
def test_charges_reconcile_to_the_last_decimal(sizes: list[int]) -> None:
    small = usage()
    delivery = small.delivery.with_columns(
        pl.Series("delivered_bytes", [Decimal(size) for size in sizes], dtype=pl.Decimal(38, 0))
    )
    small = usage(delivery=delivery)
    charged, billed = charges(small, RATES), bill_frame(small, RATES)
    assert residual(charged, billed) == 0
    assert charged["EffectiveCost"].sum() == billed["effective_usd"].sum()
    assert charged["BilledCost"].sum() == billed["billed_usd"].sum()


def test_charges_keep_the_contract(small: Usage) -> None:
    charged = charges(small, RATES, is_synthetic=True)
    validated = get_table("charge").validate(charged)
    assert validated.quarantined.height == 0
    assert validated.good.equals(charged)
    bought = charged.filter(pl.col("SkuId") == "third_party")
    assert bought["ProviderName"].unique().to_list() == ["Third-party CDN"]
    delivered = bought["ConsumedQuantity"].sum()
    assert delivered == Decimal(5 * 10**8)  # GB


def test_a_residual_is_seen(small: Usage) -> None:
    charged, billed = charges(small, RATES), bill_frame(small, RATES)
    assert residual(charged.slice(1), billed) > 0


def test_a_part_of_a_month_bears_a_part_of_its_costs(small: Usage) -> None:
    half = usage(days=frame("days", (APRIL, 15), (MAY, 31)))
    whole, part = (amounts(bill_frame(u, RATES), "staff")[0] for u in (small, half))
    assert abs(part * 2 - whole) <= Decimal("0.01")


def test_a_line_that_no_slice_bears_is_charged_whole(small: Usage) -> None:
    with_hevc = usage(encode=frame("encode", (APRIL, "hevc", 60_000_000)))
    charged = charges(with_hevc, RATES)
    (row,) = charged.filter((pl.col("SkuId") == "encode_hevc") & (pl.col("BilledCost") > 0)).to_dicts()
    assert row["x_codec"] == "hevc"
    assert row["x_isp"] is None
    assert residual(charged, bill_frame(with_hevc, RATES)) == 0


def test_negative_usage_is_refused() -> None:
    with pytest.raises(InputError, match="delivered_bytes is negative"):
        usage(delivery=frame("delivery", (APRIL, None, None, "edge", "own", "h264", Decimal(-1))))


def test_a_quarter_without_data_is_refused() -> None:
    with pytest.raises(InputError, match="no delivery in 2026Q2"):
        charges(usage(delivery=frame("delivery"), days=frame("days")), RATES)


@pytest.mark.parametrize("text", ["2026", "2026Q5", "Q2", "1926Q1", ""])
def test_a_malformed_quarter_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a quarter; write it as 2026Q2"):
        Quarter.parse(text)


def test_formulas_are_neutralised(small: Usage) -> None:
    evil = frame(
        "delivery",
        (APRIL, "@SUM(A1)", '=HYPERLINK("x")', "third_party", "third_party", "h264", Decimal(10**15)),
    )
    charged = neutralised(charges(usage(delivery=evil), RATES))
    row = charged.filter(pl.col("SkuId") == "third_party").row(0, named=True)
    assert row["x_isp"] == '\'=HYPERLINK("x")'
    assert row["RegionId"] == "'@SUM(A1)"
    assert row["ServiceName"] == "Content delivery"
    assert small.months == (APRIL, MAY)


@pytest.mark.integration
def test_a_million_charges_reconcile_to_the_bill(tmp_path: Path) -> None:
    """Bytes of every size from one to 10^16, so that shares round in every way; the file written, read back."""
    isps, appliances = 60, 1_000
    sizes = (10 ** (16 * np.random.default_rng(1).random(2 * isps * appliances))).astype(np.int64) + 1
    slices = pl.DataFrame(
        {
            "month": [month for month in (APRIL, MAY) for _ in range(isps * appliances)],
            "region": "north-america",
            "isp": [f"isp-{n // appliances % isps}" for n in range(2 * isps * appliances)],
            "tier": "edge",
            "cdn": "own",
            "codec": [("h264", "av1_fgs")[n % 2] for n in range(2 * isps * appliances)],
            "appliance": [f"edge-{n}" for n in range(2 * isps * appliances)],
            "delivered_bytes": sizes,
        }
    ).cast(dict(USAGE_SCHEMAS["appliances"].items()))
    whole = usage(appliances=slices, delivery=slices.drop("appliance"))
    billed = bill_frame(whole, RATES)
    charged = charges(whole, RATES)
    assert charged.height > 10**6
    assert residual(charged, billed) == 0
    write_focus(charged, tmp_path / "charges.parquet")
    month = pl.col("ChargePeriodStart").dt.date()
    sums = (
        pl.scan_parquet(tmp_path / "charges.parquet")
        .group_by(month=month, sku="SkuId")
        .agg(pl.col("BilledCost", "EffectiveCost", "ListCost").sum())
        .collect()
    )
    both = sums.join(billed.group_by("month", "sku").agg(pl.col("^.*_usd$").sum()), on=["month", "sku"])
    assert both.height == sums.height == billed.group_by("month", "sku").len().height
    for ours, theirs in (
        ("BilledCost", "billed_usd"), ("EffectiveCost", "effective_usd"), ("ListCost", "list_usd"),
    ):  # fmt: skip
        assert (both[ours] - both[theirs]).abs().max() == 0


def test_a_slice_of_more_than_64_bits_of_bytes_is_charged() -> None:
    huge = frame(
        "delivery",
        (APRIL, "north-america", "isp-a", "third_party", "third_party", "h264", Decimal(3 * 10**19)),
        (APRIL, "north-america", "isp-b", "third_party", "third_party", "h264", Decimal(7)),
    )
    found = charges(usage(delivery=huge), load()).filter(pl.col("SkuId") == "third_party")
    assert found["ConsumedQuantity"].sum() == Decimal("30000000000.000000007")
