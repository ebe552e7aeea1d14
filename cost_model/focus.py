"""Charges as a FOCUS 1.2 file: every column of the standard that a charge of ours can fill, and our ``x_`` columns.

Bought hardware is a Purchase whose price is BilledCost; its depreciation is Usage whose share of that price is
EffectiveCost, and which bills nothing. A charge is priced for what it measures (GB, requests, minutes), so that
quantity · unit price = cost; a purchase, which measures nothing, is one allocation at its cost.

Charges modelled from usage stand on no invoice: InvoiceId is null.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cost_model.charges import neutralised
from metrics.errors import InputError

__all__ = ["COLUMNS", "focus_frame", "write_focus"]

_USD = pl.Decimal(38, 10)
# A price is a quotient: enough decimals that quantity · price gives the cost back.
_PRICE = pl.Decimal(38, 18)
_SUBCATEGORY = {
    "Networking": "Content Delivery", "Media": "Media Streaming", "Compute": "Other (Compute)",
    "Storage": "Other (Storage)",
}  # fmt: skip
_UNITS = {"Minutes in service": "Minutes", "Member-months": "Members-Months"}
_FREQUENCY = {"Purchase": "One-Time", "Usage": "Usage-Based"}
_NO_COMMITMENT = (
    "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit",
)  # fmt: skip
_NOT_TOLD = (
    "AvailabilityZone", "ChargeClass", "InvoiceId", "SkuPriceDetails", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags",
)  # fmt: skip
_OWN = ("x_cost_pool", "x_isp", "x_tier", "x_codec", "x_cdn", "x_rate")


def focus_frame(charged: pl.DataFrame) -> pl.DataFrame:
    """Rows of the contract's table ``charge``, computed or received, as FOCUS 1.2; costs stay to the decimal.

    Periods are UTC instants; the billing period is the calendar month the charge begins in. ``x_appliance`` is
    the appliance whose hardware the charge is for, where the delivery told it.
    """
    start = pl.from_epoch("x_period_start_ts_ms", time_unit="ms").dt.replace_time_zone("UTC")
    end = pl.from_epoch("x_period_end_ts_ms", time_unit="ms").dt.replace_time_zone("UTC")
    month = start.dt.truncate("1mo")
    text = pl.lit(None, pl.String)
    is_priced = pl.col("ChargeCategory").is_in(list(_FREQUENCY))
    measured = (pl.col("ConsumedQuantity") > 0).fill_null(value=False)
    quantity = pl.when(measured).then("ConsumedQuantity").otherwise(pl.lit(1, _USD))
    unit = pl.when(measured).then(pl.col("ConsumedUnit").replace(_UNITS)).otherwise(pl.lit("Allocations"))
    frame = charged.with_columns(
        quantity=pl.when(is_priced).then(quantity).cast(_USD),
        unit=pl.when(is_priced).then(unit),
    )
    # What is billed is at the negotiated price, so it is the contracted cost too.
    frame = frame.with_columns(
        list_price=_price(pl.col("ListCost")), contracted_price=_price(pl.col("BilledCost"))
    )
    out = frame.select(
        pl.col("BilledCost", "EffectiveCost", "ListCost", "BillingAccountId", "BillingCurrency"),
        pl.col("ChargeCategory", "ChargeDescription", "ProviderName", "PublisherName", "ServiceCategory"),
        pl.col("ServiceName", "RegionId", "ResourceId", "SkuId", *_OWN),
        *(text.alias(name) for name in (*_NO_COMMITMENT, *_NOT_TOLD)),
        pl.lit(None, _USD).alias("CommitmentDiscountQuantity"),
        BillingAccountName=pl.col("BillingAccountId"),
        BillingAccountType=pl.lit("Account"),
        BillingPeriodStart=month,
        BillingPeriodEnd=month.dt.offset_by("1mo"),
        ChargePeriodStart=start,
        ChargePeriodEnd=end,
        ChargeFrequency=pl.col("ChargeCategory").replace_strict(_FREQUENCY, default="One-Time"),
        ConsumedQuantity=pl.when(pl.col("ChargeCategory") == "Usage").then("ConsumedQuantity"),
        ConsumedUnit=pl.when((pl.col("ChargeCategory") == "Usage") & measured).then("unit"),
        ContractedCost=pl.col("BilledCost"),
        ContractedUnitPrice=pl.col("contracted_price"),
        InvoiceIssuerName=pl.col("ProviderName"),
        ListUnitPrice=pl.col("list_price"),
        PricingCategory=pl.when(is_priced).then(pl.lit("Standard")),
        PricingCurrency=pl.col("BillingCurrency"),
        PricingCurrencyContractedUnitPrice=pl.col("contracted_price"),
        PricingCurrencyEffectiveCost=pl.col("EffectiveCost"),
        PricingCurrencyListUnitPrice=pl.col("list_price"),
        PricingQuantity=pl.col("quantity"),
        PricingUnit=pl.col("unit"),
        RegionName=pl.col("RegionId"),
        ResourceName=pl.col("ResourceId"),
        ResourceType=pl.when(pl.col("ResourceId").is_not_null()).then(pl.lit("Appliance")),
        # Content is bought and made as much as it is streamed.
        ServiceSubcategory=pl.when(pl.col("ServiceName") == "Content")
        .then(pl.lit("Other (Media)"))
        .otherwise(pl.col("ServiceCategory").replace_strict(_SUBCATEGORY, default="Other (Other)")),
        SkuMeter=pl.col("SkuId"),
        # A SKU has one price a rate, and a price has one SKU.
        SkuPriceId=pl.when(is_priced).then(
            pl.concat_str("SkuId", "x_rate", separator="/", ignore_nulls=True)
        ),
        x_appliance=pl.col("ResourceId"),
    )
    return out.select(COLUMNS)


def write_focus(charged: pl.DataFrame, path: Path) -> None:
    """Write the charges as FOCUS 1.2, Parquet or CSV by the file's ending; text from data runs no formula.

    Raises :class:`~metrics.errors.InputError` for another ending and where the file cannot be written.
    """
    frame = neutralised(focus_frame(charged))
    try:
        if path.suffix == ".parquet":
            frame.write_parquet(path)
        elif path.suffix == ".csv":
            frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        else:
            raise InputError(
                f"{path.suffix or 'no ending'} is not known",
                where=str(path),
                mend="end it in .parquet or .csv",
            )
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            mend="give a file in a folder that exists",
        ) from error


def _price(cost: pl.Expr) -> pl.Expr:
    return (
        pl.when(pl.col("quantity") > 0).then(cost.cast(_PRICE) / pl.col("quantity").cast(_PRICE)).cast(_PRICE)
    )


COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType",
    "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId",
    "CapacityReservationStatus", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
    "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId",
    "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName",
    "SubAccountType", "Tags", *_OWN, "x_appliance",
)  # fmt: skip
"""The columns of FOCUS 1.2 in the standard's order, then ours."""
