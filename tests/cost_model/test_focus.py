"""Charges as FOCUS 1.2: the same costs, quantity · price = cost, and what the standard's validator says."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from cost_model.charges import bill_frame, charges
from cost_model.focus import COLUMNS, focus_frame, write_focus
from cost_model.rates import load
from cost_model.usage import Usage
from metrics.errors import InputError
from metrics.ingest import focus as ingest
from tests.cost_model import focus_validator
from tests.cost_model.conftest import APRIL, frame, usage

RATES = load()
ALLOWED = tomllib.loads(Path(__file__).with_name("focus_allowlist.toml").read_text(encoding="utf-8"))


@pytest.fixture
def told() -> Usage:
    """The small usage, its own delivery of April told by appliance."""
    return usage(
        appliances=frame(
            "appliances",
            (APRIL, "north-america", "isp-a", "edge", "own", "h264", "a-edge-1", Decimal(4 * 10**18)),
            (APRIL, "north-america", "isp-a", "edge", "own", "h264", "a-edge-2", Decimal(3 * 10**18)),
            (APRIL, "north-america", "isp-b", "edge", "own", "av1_fgs", "b-edge-1", Decimal(3 * 10**18)),
        )
    )


def test_costs_stay_and_every_column_is_there(told: Usage) -> None:
    charged = charges(told, RATES)
    focus = focus_frame(charged)
    assert focus.columns == list(COLUMNS)
    billed = bill_frame(told, RATES)
    assert focus["BilledCost"].sum() == billed["billed_usd"].sum()
    assert focus["EffectiveCost"].sum() == billed["effective_usd"].sum()
    assert focus["ListCost"].sum() == billed["list_usd"].sum()


def test_quantity_times_price_is_the_cost(told: Usage) -> None:
    for quantity, price, listed, contracted, cost in (
        focus_frame(charges(told, RATES))
        .select("PricingQuantity", "ListUnitPrice", "ListCost", "ContractedUnitPrice", "ContractedCost")
        .iter_rows()
    ):
        assert abs(quantity * price - listed) <= Decimal("1e-9") * max(1, listed)
        assert abs(quantity * contracted - cost) <= Decimal("1e-9") * max(1, cost)


def test_hardware_is_bought_once_and_written_off_by_appliance(told: Usage) -> None:
    focus = focus_frame(charges(told, RATES))
    bought = focus.filter(pl.col("ChargeCategory") == "Purchase", pl.col("SkuId") == "capex_edge")
    assert bought["BilledCost"].sum() > 0
    assert bought["EffectiveCost"].sum() == 0
    april = focus.filter(pl.col("SkuId") == "appliances_edge", pl.col("ChargePeriodStart").dt.month() == 4)
    assert april["BilledCost"].sum() == 0
    shares = dict(april.select("x_appliance", "EffectiveCost").iter_rows())
    whole = Decimal(april["EffectiveCost"].sum())
    assert shares["a-edge-1"] == pytest.approx(whole * 4 / 10)
    assert set(shares) == {"a-edge-1", "a-edge-2", "b-edge-1"}
    # What no appliance tells is split over slices; people and transit are nobody's hardware.
    others = focus.filter(~pl.col("SkuId").str.contains("appliances|maintenance|hosting|capex"))
    assert others["x_appliance"].null_count() == others.height


def test_a_written_file_is_read_back_to_the_same_charges(told: Usage, tmp_path: Path) -> None:
    charged = charges(told, RATES)
    for name in ("charges.parquet", "charges.csv"):
        write_focus(charged, tmp_path / name)
        back = ingest.read(tmp_path / name)
        for column in (
            "BilledCost",
            "EffectiveCost",
            "x_cost_pool",
            "x_isp",
            "x_tier",
            "x_codec",
            "ResourceId",
        ):
            assert back[column].equals(charged[column]), (name, column)


def test_text_from_data_runs_no_formula(tmp_path: Path) -> None:
    evil = frame(
        "delivery",
        (APRIL, "@SUM(A1)", '=HYPERLINK("x")', "third_party", "third_party", "h264", Decimal(10**15)),
    )
    charged = charges(usage(delivery=evil), RATES)
    for name in ("charges.parquet", "charges.csv"):
        write_focus(charged, tmp_path / name)
        read = pl.read_parquet if name.endswith("parquet") else pl.read_csv
        row = read(tmp_path / name).filter(pl.col("SkuId") == "third_party").row(0, named=True)
        assert row["x_isp"] == '\'=HYPERLINK("x")'
        assert row["RegionId"] == row["RegionName"] == "'@SUM(A1)"


def test_another_ending_is_refused(told: Usage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.xml is not known; end it in \.parquet or \.csv"):
        write_focus(charges(told, RATES), tmp_path / "charges.xml")
    with pytest.raises(InputError, match="cannot be written"):
        write_focus(charges(told, RATES), tmp_path / "absent" / "charges.csv")


def test_a_failure_is_explained_by_its_parts_alone() -> None:
    output = (
        "Total: 5 | Pass: 2 | Fail: 3 | Skipped: 0\n"
        "❌ A-C-000: FAIL  (violations=1, msg=A-C-000: AND failed - failed child rules: [A-C-001, A-C-002])\n"
        "❌ A-C-001: FAIL  (violations=9, msg=A MUST NOT be NULL., 1.0ms)\n"
        "❌ A-C-002: FAIL  (violations=9, msg=A MUST be one of x., 1.0ms)\n"
    )
    verdict = focus_validator.parse(output)
    assert verdict.passed == 2
    assert verdict.unexplained({"A-C-001", "A-C-002"}) == set()
    assert verdict.unexplained({"A-C-001"}) == {"A-C-000", "A-C-002"}
    with pytest.raises(AssertionError, match="no total line"):
        focus_validator.parse("done")


@pytest.mark.integration
@pytest.mark.parametrize("name", ["charges.parquet", "charges.csv"])
def test_the_validator_of_the_standard_finds_nothing_unexplained(
    told: Usage, tmp_path: Path, name: str
) -> None:
    program = focus_validator.find()
    if program is None:
        pytest.skip("no focus-validator; it needs Python 3.12 or 3.13, and `make integration` installs it")
    write_focus(charges(told, RATES), tmp_path / name)
    verdict = focus_validator.validate(program, tmp_path / name)
    assert verdict.passed > 300
    assert verdict.unexplained(set(ALLOWED)) == set()
    assert set(ALLOWED) <= set(verdict.failed), "an allowed rule passes now: take it off the list"
    # It does find what is wrong.
    frame = focus_frame(charges(told, RATES)).with_columns(ProviderName=pl.lit(None, pl.String))
    frame.write_parquet(tmp_path / "wrong.parquet")
    assert focus_validator.validate(program, tmp_path / "wrong.parquet").unexplained(set(ALLOWED))
