"""Charges: the bill split over slices of usage, in FOCUS 1.2 names, exact to the last decimal.

A line of the bill is split over the slices (month, region, ISP, tier, CDN, codec) that bear it, in
proportion to their bytes, by largest remainder: the slices of a line sum to the line, and so all charges sum
to the bill. Hardware is split over the appliances too, where their bytes are told (``ResourceId``). A line that
no slice bears is charged whole, with the dimensions it has.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl

from cost_model.apportion import apportion
from cost_model.bill import UNITS_PER_USD, Line, bill, content, list_costs, whole_units
from cost_model.prices import exact
from cost_model.rates import Rates
from cost_model.usage import Usage
from metrics.charges import COMPUTED_ACCOUNT
from metrics.errors import InputError
from metrics.telemetry import get_table

__all__ = ["DESCRIPTIONS", "bill_frame", "charges", "neutralised", "neutralised_text", "residual"]

_BYTES_PER_GB = 10**9

_SLICE = ("month", "region", "isp", "tier", "cdn", "codec", "appliance")
_BORNE_BY = ("region", "tier", "cdn", "codec")
_HARDWARE = ("appliances_", "maintenance_", "hosting_", "capex_")
# Neither requests nor content are caused by bytes: charged to the region, whole.
_NOT_BY_BYTES = ("control_plane", "content")
_PROVIDER = {"third_party": "Third-party CDN"}
_SERVICE = {
    "delivery": ("Networking", "Content delivery"),
    "encoding": ("Media", "Video encoding"),
    "control_plane": ("Compute", "Control plane"),
    "content": ("Media", "Content"),
}
DESCRIPTIONS = {
    "appliances_edge": "Depreciation of edge appliances",
    "appliances_storage": "Depreciation of storage appliances and exchange equipment",
    "maintenance_edge": "Spares and support of edge appliances",
    "maintenance_storage": "Spares and support of storage appliances and exchange equipment",
    "hosting_edge": "Space and power of embedded appliances that the ISP does not host free",
    "hosting_storage": "Space and power at exchanges",
    "exchange_ports": "Ports at internet exchanges",
    "transit": "IP transit, 95th percentile",
    "isp_partnership": "ISP partnership: partner management, logistics, remote hands",
    "staff": "Staff of the own CDN",
    "platform": "Steering, fill, telemetry and backbone",
    "third_party": "Third-party delivery at the negotiated price",
    "capex_edge": "Purchase of edge appliances",
    "capex_storage": "Purchase of storage appliances and exchange equipment",
    "content": "Content: licences and productions, amortised",
}


def charges(
    usage: Usage, rates: Rates, *, account: str = COMPUTED_ACCOUNT, is_synthetic: bool = False
) -> pl.DataFrame:
    """The contract's table ``charge`` for a quarter of usage.

    BilledCost is what is invoiced in the month (capex when bought), EffectiveCost its amortised cost,
    ListCost what would be invoiced at public list price where there is one. Amounts are whole 10⁻¹⁰ USD.
    """
    lines = _rounded(usage, rates)
    slices = _slices(usage)
    sizes = [int(size) for size in slices["delivered_bytes"].to_list()]
    places = _Places(slices)
    out: dict[str, list[int | None]] = {
        k: [] for k in ("line", "slice", "billed", "effective", "listed", "share")
    }
    per_slice = _BYTES_PER_GB, "GB"
    measures: list[tuple[int, str] | tuple[None, None]] = []
    for number, (line, billed, effective, listed) in enumerate(lines):
        at = places.of(line)
        weights = [sizes[i] for i in at]
        out["line"] += [number] * max(1, len(at))
        out["slice"] += at or [None]
        for key, amount in (("billed", billed), ("effective", effective), ("listed", listed)):
            if not at:
                out[key] += [amount]
            elif amount == 0:
                out[key] += [0] * len(at)
            else:
                out[key] += apportion(amount, weights)
        # Usage of a metered line, split like its cost; else the bytes that bear it.
        quantity = line.quantity
        if quantity is not None:
            out["share"] += apportion(quantity[0], weights) if at else [quantity[0]]
            measures.append(quantity[1:])
        elif at and line.category == "Usage":
            out["share"] += weights
            measures.append(per_slice)
        else:
            out["share"] += [None] * max(1, len(at))
            measures.append((None, None))
    return _shaped(out, lines, measures, slices, account, is_synthetic)


def bill_frame(usage: Usage, rates: Rates) -> pl.DataFrame:
    """The bill with content: ``month, pool, sku, region, rate, billed_usd, effective_usd, list_usd``, a row a line."""
    usd = pl.Decimal(38, 10)
    return pl.DataFrame(
        [
            (line.month, line.pool, line.sku, line.region, line.rate, *(Decimal(c).scaleb(-10) for c in cost))
            for line, *cost in _rounded(usage, rates)
        ],
        schema={
            "month": pl.Date, "pool": pl.String, "sku": pl.String, "region": pl.String, "rate": pl.String,
            "billed_usd": usd, "effective_usd": usd, "list_usd": usd,
        },
        orient="row",
    )  # fmt: skip


def residual(charged: pl.DataFrame, billed: pl.DataFrame) -> Decimal:
    """Σ |charges − bill| of billed, effective and list cost by month and SKU; 0 when they reconcile."""
    keys = {"BilledCost": "billed_usd", "EffectiveCost": "effective_usd", "ListCost": "list_usd"}
    month = pl.from_epoch("x_period_start_ts_ms", time_unit="ms").dt.date().alias("month")
    left = charged.group_by(month, sku="SkuId").agg(pl.col(c).sum() for c in keys)
    right = billed.group_by("month", "sku").agg(pl.col(c).sum() for c in keys.values())
    both = left.join(right, on=["month", "sku"], how="full", coalesce=True, nulls_equal=True)
    return sum(
        (
            abs((a or Decimal(0)) - (b or Decimal(0)))
            for ours, theirs in keys.items()
            for a, b in both.select(ours, theirs).iter_rows()
        ),
        Decimal(0),
    )


def neutralised(frame: pl.DataFrame) -> pl.DataFrame:
    """Text that a spreadsheet would run as a formula (``= + - @``, tab, return) gets a leading apostrophe."""
    text = pl.col(pl.String)
    return frame.with_columns(
        pl.when(text.str.contains(r"^[=+\-@\t\r]")).then(pl.lit("'") + text).otherwise(text).name.keep()
    )


def neutralised_text(text: str) -> str:
    """One text, as :func:`neutralised` does it.

    >>> neutralised_text("=1+1"), neutralised_text("isp-a")
    ("'=1+1", 'isp-a')
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


class _Places:
    """Row numbers of the slices that bear a line."""

    def __init__(self, slices: pl.DataFrame) -> None:
        self._slices = slices.with_row_index("slice")
        self._found: dict[tuple[str, ...], dict[tuple[object, ...], list[int]]] = {}

    def of(self, line: Line[Decimal]) -> list[int]:
        if line.pool in _NOT_BY_BYTES:
            return []
        is_hardware = line.sku.startswith(_HARDWARE)
        return (is_hardware and self._bearing(line, by_appliance=True)) or self._bearing(
            line, by_appliance=False
        )

    def _bearing(self, line: Line[Decimal], *, by_appliance: bool) -> list[int]:
        """Rows of the line's month that have what it names; what it does not name may be anything."""
        named = {name: value for name in _BORNE_BY if (value := getattr(line, name)) is not None}
        keys = ("month", "by_appliance", *named)
        if keys not in self._found:
            rows = self._slices.group_by(keys, maintain_order=True).agg("slice")
            self._found[keys] = {tuple(key): numbers for *key, numbers in rows.iter_rows()}
        return self._found[keys].get((line.month, by_appliance, *named.values()), [])


def _slices(usage: Usage) -> pl.DataFrame:
    """Slices of all delivery, and after them those of the own CDN by appliance."""
    return pl.concat(
        [
            frame.filter(pl.col("delivered_bytes") > 0)
            .with_columns(by_appliance=pl.lit(by_appliance))
            .sort(_SLICE, nulls_last=True)
            for frame, by_appliance in (
                (usage.delivery.with_columns(appliance=pl.lit(None, pl.String)), False),
                (usage.appliances, True),
            )
        ],
        how="diagonal",
    )


def _rounded(usage: Usage, rates: Rates) -> list[tuple[Line[Decimal], int, int, int]]:
    if not usage.months or usage.total_bytes() == 0:
        raise InputError(f"no delivery in {usage.quarter}", mend="pick a quarter that the lake has data for")
    listed = list_costs(usage, rates)
    rows = []
    for line in (*bill(usage, exact(rates)), *content(usage, exact(rates))):
        billed, effective = whole_units(line.billed), whole_units(line.effective)
        at_list = listed.get((line.month, line.region)) if line.sku == "third_party" else None
        if billed or effective:
            rows.append((line, billed, effective, billed if at_list is None else at_list))
    return rows


def _shaped(
    out: dict[str, list[int | None]],
    lines: list[tuple[Line[Decimal], int, int, int]],
    measures: list[tuple[int, str] | tuple[None, None]],
    slices: pl.DataFrame,
    account: str,
    is_synthetic: bool,
) -> pl.DataFrame:
    described = pl.DataFrame(
        [
            (
                number, *_instants(line.month), line.category,
                DESCRIPTIONS.get(line.sku, f"{line.sku.replace('_', ' ').capitalize()}"),
                measures[number][1], measures[number][0],
                _PROVIDER.get(line.cdn or "", "Own"), *_SERVICE[line.pool], line.sku, line.pool, line.rate,
                line.region, line.tier, line.cdn, line.codec,
            )
            for number, (line, *_) in enumerate(lines)
        ],
        schema={
            "line": pl.Int64, "x_period_start_ts_ms": pl.Int64, "x_period_end_ts_ms": pl.Int64,
            "ChargeCategory": pl.String, "ChargeDescription": pl.String, "ConsumedUnit": pl.String,
            "per": pl.Int64, "ProviderName": pl.String, "ServiceCategory": pl.String,
            "ServiceName": pl.String, "SkuId": pl.String, "x_cost_pool": pl.String, "x_rate": pl.String,
            "line_region": pl.String, "line_tier": pl.String, "line_cdn": pl.String, "line_codec": pl.String,
        },
        orient="row",
    )  # fmt: skip
    table = get_table("charge")
    usd = table.schema["BilledCost"]
    parts = pl.DataFrame(
        out,
        schema={"line": pl.Int64, "slice": pl.UInt32, "billed": pl.Int128, "effective": pl.Int128,
                "listed": pl.Int128, "share": pl.Int128},
    )  # fmt: skip
    placed = slices.select(_SLICE[1:]).with_row_index("slice")
    joined = (
        parts.join(described, on="line", how="left", maintain_order="left")
        .join(placed, on="slice", how="left", maintain_order="left")
        .with_columns(
            *(
                _usd(pl.col(ours)).cast(usd).alias(focus)
                for ours, focus in (
                    ("billed", "BilledCost"),
                    ("effective", "EffectiveCost"),
                    ("listed", "ListCost"),
                )
            ),
            ConsumedQuantity=(
                pl.col("share").cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 10)) / pl.col("per")
            ).cast(pl.Decimal(38, 10)),
            ListUnitPrice=pl.lit(None, usd),
            RegionId=pl.coalesce("region", "line_region"),
            x_isp=pl.col("isp"),
            x_tier=pl.coalesce("tier", "line_tier"),
            x_codec=pl.coalesce("codec", "line_codec"),
            x_cdn=pl.coalesce("cdn", "line_cdn"),
            BillingAccountId=pl.lit(account),
            BillingCurrency=pl.lit("USD"),
            PublisherName=pl.col("ProviderName"),
            ResourceId=pl.col("appliance"),
            is_synthetic=pl.lit(is_synthetic),
        )
    )
    return joined.select(table.schema.names()).cast(table.schema)


def _usd(units: pl.Expr) -> pl.Expr:
    """Whole 10⁻¹⁰ USD as decimals; whole and fraction apart, for as one the unscaled integer might not fit."""
    exact_usd = pl.Decimal(38, 10)
    whole, rest = units // UNITS_PER_USD, units % UNITS_PER_USD
    return whole.cast(exact_usd) + (rest.cast(exact_usd) / UNITS_PER_USD).cast(exact_usd)


def _instants(month: date) -> tuple[int, int]:
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    days = calendar.monthrange(month.year, month.month)[1]
    first = int(start.timestamp()) * 1000
    return first, first + days * 86_400_000
