"""Unit costs and contribution margin: charges ÷ usage, by any dimension, from the finest cells up.

The tree, an identity that multiplies out exactly::

    cost / member-month = cost / GB · GB / stream hour · stream hours / member-month
    contribution / stream = (revenue − cost) / streams

Cost is EffectiveCost of the pools named (delivery, encoding, control plane). Contribution margin is revenue
less those; content, marketing and everything else is **not** in it, and it is labelled so wherever shown.

Every amount is split in whole 10⁻¹⁰ USD over cells of month, region, ISP, device, codec and CDN, so slices of any
dimensions sum to the total exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction

import polars as pl

from cost_model.apportion import apportion
from cost_model.rates import GLOBAL, Rates
from cost_model.usage import Usage, months_of
from metrics.errors import InputError, did_you_mean
from metrics.measures import DAYS_PER_MONTH

__all__ = [
    "COST_POOLS", "DIMENSIONS", "INCLUDED", "margin_cells", "revenue_usd", "unit_cost_tree", "unit_costs",
]  # fmt: skip

COST_POOLS = ("delivery", "encoding", "control_plane")
INCLUDED = "delivery, encoding and control plane; content, marketing and overhead are not included"
DIMENSIONS = ("month", "region", "isp", "device", "codec", "cdn")
_CHARGE_KEYS = {"region": "RegionId", "isp": "x_isp", "codec": "x_codec", "cdn": "x_cdn"}
# Where sessions tell the device, the others share what is delivered there.
_VIEWED = ("month", "region", "isp", "codec")
_USD, _WHOLE = pl.Decimal(38, 10), pl.Decimal(38, 0)
_BYTES_PER_GB = 10**9
_UNITS_PER_USD = 10**10
_RATIO = Context(prec=16)
_AMOUNTS = {
    **dict.fromkeys((f"{pool}_usd" for pool in COST_POOLS), _USD),
    "delivered_bytes": _WHOLE, "streams": _WHOLE, "playing_ms": _WHOLE, "revenue_usd": _USD,
}  # fmt: skip


def margin_cells(charged: pl.DataFrame, usage: Usage, rates: Rates) -> pl.DataFrame:
    """Cost, bytes, streams, time and revenue by :data:`DIMENSIONS`: what :func:`unit_costs` adds up.

    Charges and delivered bytes know no device: they are split over the devices that were watched on in their
    month, region, ISP and codec, in proportion to the sessions' bytes; where no session tells, the device is null.
    Revenue of a month and region follows its hours.
    """
    month = pl.from_epoch("x_period_start_ts_ms", time_unit="ms").dt.date()
    dimensions = [name for name in DIMENSIONS if name != "device"]
    cost = (
        charged.filter(pl.col("x_cost_pool").is_in(COST_POOLS))
        .with_columns(month=month, **{name: pl.col(focus) for name, focus in _CHARGE_KEYS.items()})
        .group_by(dimensions)
        .agg(
            pl.when(pl.col("x_cost_pool") == pool)
            .then(pl.col("EffectiveCost"))
            .otherwise(pl.lit(0, _USD))
            .sum()
            .alias(f"{pool}_usd")
            for pool in COST_POOLS
        )
    )
    size = usage.delivery.group_by(dimensions).agg(pl.col("delivered_bytes").sum())
    borne = cost.join(size, on=dimensions, how="full", coalesce=True, nulls_equal=True)
    cells = pl.concat([_by_device(borne, usage), _viewing(usage, rates)], how="diagonal")
    return (
        cells.select(*DIMENSIONS, *(pl.col(name).cast(dtype) for name, dtype in _AMOUNTS.items()))
        .group_by(DIMENSIONS)
        .agg(pl.col(name).sum() for name in _AMOUNTS)
        .sort(DIMENSIONS, nulls_last=True)
    )


def unit_costs(
    charged: pl.DataFrame,
    usage: Usage,
    rates: Rates,
    by: Sequence[str] = (),
    *,
    cells: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Parts and ratios by ``by``, any of :data:`DIMENSIONS`; ``cells`` saves computing :func:`margin_cells` again.

    Columns: the dimensions; the parts ``hours, streams, gb, member_months, delivery_usd, encoding_usd,
    control_plane_usd, cost_usd, revenue_usd``; the ratios ``usd_per_hour, usd_per_gb, usd_per_member_month,
    gb_per_hour, hours_per_member_month, usd_per_stream, revenue_usd_per_hour, contribution_usd_per_hour,
    contribution_usd_per_stream``. A ratio is null where its denominator is 0 or unknown. Unless sliced by region
    or month, a slice keeps the whole service's member-months, so that its cost a member-month adds up; revenue
    follows hours within a region, and is unknown where there are no members.
    """
    for name in by:
        if name not in DIMENSIONS:
            raise InputError(f"no cost dimension {name!r}", mend=did_you_mean(name, DIMENSIONS))
    keys = list(by)
    if cells is None:
        cells = margin_cells(charged, usage, rates)
    frame = cells.group_by(keys or [pl.lit(1).alias("_all")]).agg(pl.col(name).sum() for name in _AMOUNTS)
    members = _member_months(usage, [key for key in keys if key in ("month", "region")])
    rows = [_row(row, keys, members) for row in frame.iter_rows(named=True)]
    schema = {key: pl.Date if key == "month" else pl.String for key in keys} | dict.fromkeys(_MEASURES, _USD)
    return pl.DataFrame(rows, schema=schema, orient="row").sort(keys or "cost_usd", nulls_last=True)


def unit_cost_tree(cost_usd: Decimal, usage: Usage) -> dict[str, Fraction | None]:
    """The tree's four figures as exact fractions; null where a denominator is 0.

    ``usd_per_gb · gb_per_hour · hours_per_member_month = usd_per_member_month`` holds exactly.
    """
    gb = Fraction(usage.total_bytes(), _BYTES_PER_GB)
    hours = Fraction(int(usage.hours["playing_ms"].sum()), 3_600_000)
    months = Fraction(usage.member_days()) / DAYS_PER_MONTH

    def ratio(numerator: Fraction, denominator: Fraction) -> Fraction | None:
        return numerator / denominator if denominator else None

    return {
        "usd_per_gb": ratio(Fraction(cost_usd), gb),
        "gb_per_hour": ratio(gb, hours),
        "hours_per_member_month": ratio(hours, months),
        "usd_per_hour": ratio(Fraction(cost_usd), hours),
        "usd_per_member_month": ratio(Fraction(cost_usd), months),
    }


def revenue_usd(usage: Usage, rates: Rates) -> pl.DataFrame:
    """Revenue by ``month, region``: member-months · revenue_price of the region."""
    rows = [
        (
            month,
            region,
            months_of(int(days)) * rates.usd("revenue_price", month, region or GLOBAL),
        )
        for month, region, days in usage.members.group_by("month", "region")
        .agg(pl.col("member_days").sum())
        .sort("month", "region", nulls_last=True)
        .iter_rows()
    ]
    return pl.DataFrame(
        rows, schema={"month": pl.Date, "region": pl.String, "revenue_usd": _USD}, orient="row"
    )


_MEASURES = (
    "hours", "streams", "gb", "member_months", "delivery_usd", "encoding_usd", "control_plane_usd", "cost_usd",
    "revenue_usd", "usd_per_hour", "usd_per_gb", "usd_per_member_month", "gb_per_hour",
    "hours_per_member_month", "usd_per_stream", "revenue_usd_per_hour", "contribution_usd_per_hour",
    "contribution_usd_per_stream",
)  # fmt: skip


def _row(
    row: dict[str, Decimal | None], keys: list[str], members: dict[tuple[object, ...], Decimal]
) -> tuple[object, ...]:
    pools = [row[f"{pool}_usd"] or Decimal(0) for pool in COST_POOLS]
    cost = sum(pools, Decimal(0))
    hours = (row["playing_ms"] or Decimal(0)) / 3_600_000
    gb = (row["delivered_bytes"] or Decimal(0)) / _BYTES_PER_GB
    months = members.get(tuple(row[key] for key in keys if key in ("month", "region")))
    streams, revenue = row["streams"], row["revenue_usd"] if months else None
    earned, spent = _ratio(revenue, hours), _ratio(cost, hours)
    contribution = None if earned is None or spent is None else earned - spent
    a_stream = _ratio(None if revenue is None else revenue - cost, streams)
    return (
        *(row[key] for key in keys), hours, streams, gb, months, *pools, cost, revenue,
        spent, _ratio(cost, gb), _ratio(cost, months), _ratio(gb, hours), _ratio(hours, months),
        _ratio(cost, streams), earned, contribution, a_stream,
    )  # fmt: skip


def _by_device(borne: pl.DataFrame, usage: Usage) -> pl.DataFrame:
    """Costs and bytes of each row split over devices, in whole units, by largest remainder."""
    watched: dict[tuple[object, ...], tuple[list[str | None], list[int]]] = {}
    sizes = usage.hours.group_by(*_VIEWED, "device").agg(pl.col("delivered_bytes").sum())
    for *place, device, size in sizes.sort(*_VIEWED, "device", nulls_last=True).iter_rows():
        devices, weights = watched.setdefault(tuple(place), ([], []))
        devices.append(device)
        weights.append(int(size))
    scales = dict.fromkeys((f"{pool}_usd" for pool in COST_POOLS), _UNITS_PER_USD) | {"delivered_bytes": 1}
    kept = [name for name in DIMENSIONS if name != "device"]
    columns: dict[str, list[object]] = {name: [] for name in (*kept, "device", *scales)}
    for row in borne.sort(kept, nulls_last=True).iter_rows(named=True):
        devices, weights = watched.get(tuple(row[name] for name in _VIEWED), ([None], [1]))
        if not sum(weights):
            devices, weights = [None], [1]
        columns["device"] += devices
        for name in kept:
            columns[name] += [row[name]] * len(devices)
        for name, scale in scales.items():
            whole = int((row[name] or Decimal(0)) * scale)
            columns[name] += _decimals(apportion(whole, weights), scale)
    schema = pl.Schema(
        {**dict.fromkeys(DIMENSIONS, pl.String()), "month": pl.Date(), **{n: _AMOUNTS[n] for n in scales}}
    )
    return pl.DataFrame(columns, schema_overrides=schema)


def _viewing(usage: Usage, rates: Rates) -> pl.DataFrame:
    """Streams and hours by cell, with the region's revenue of the month spread over them by hours.

    Where a region earned without an hour, its revenue stands in a row of its own.
    """
    hours = usage.hours.select(*DIMENSIONS, "streams", "playing_ms").sort(DIMENSIONS, nulls_last=True)
    places: dict[tuple[object, object], list[int]] = {}
    for number, (month, region) in enumerate(hours.select("month", "region").iter_rows()):
        places.setdefault((month, region), []).append(number)
    played = [int(ms) for ms in hours["playing_ms"].to_list()]
    shares: list[object] = [Decimal(0)] * len(played)
    unplayed: list[tuple[object, ...]] = []
    for month, region, usd in revenue_usd(usage, rates).iter_rows():
        rows = places.get((month, region), [])
        weights = [played[number] for number in rows]
        if sum(weights):
            parts = _decimals(apportion(int(usd * _UNITS_PER_USD), weights), _UNITS_PER_USD)
            for number, part in zip(rows, parts, strict=True):
                shares[number] = part
        else:
            unplayed.append((month, region, usd))
    schema = pl.Schema({"month": pl.Date(), "region": pl.String(), "revenue_usd": _USD})
    beside = pl.DataFrame(unplayed, schema=schema, orient="row")
    return pl.concat(
        [hours.with_columns(pl.Series("revenue_usd", shares, dtype=_USD)), beside], how="diagonal"
    )


def _decimals(units: Iterable[int], scale: int) -> list[Decimal]:
    return [Decimal(unit) / scale for unit in units]


def _member_months(usage: Usage, keys: list[str]) -> dict[tuple[object, ...], Decimal]:
    totals: dict[tuple[object, ...], Decimal] = {}
    for row in usage.members.iter_rows(named=True):
        key = tuple(row[k] for k in keys)
        totals[key] = totals.get(key, Decimal(0)) + months_of(int(row["member_days"]))
    return totals


def _ratio(numerator: Decimal | None, denominator: Decimal | None) -> Decimal | None:
    if numerator is None or not denominator:
        return None
    return _RATIO.divide(numerator, denominator)
