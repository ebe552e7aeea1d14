"""A quarter's statement: charges, unit costs with their intervals, break-even and payback, computed once.

The report renders it, the pages and the verdict read it as JSON; none of them computes a figure again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from cost_model.bill import bill
from cost_model.cdn import POLICIES, Breakeven, Policy, breakeven
from cost_model.charges import bill_frame, charges, residual
from cost_model.encoding import Delivery, Payback, payback
from cost_model.margin import COST_POOLS, INCLUDED, margin_cells, unit_cost_tree, unit_costs
from cost_model.prices import simulated
from cost_model.rates import Rates, load
from cost_model.switches import margin_effects
from cost_model.uncertainty import DRAWS, Floats, Interval, interval
from cost_model.usage import Quarter, Usage
from metrics.measures import DAYS_PER_MONTH

__all__ = ["CURVE_PRICES", "Figure", "Statement", "state"]

CURVE_PRICES = tuple(round(0.001 * 8 ** (i / 16), 6) for i in range(17))  # 0.001 … 0.008, even in the log
_DELIVERIES: tuple[Delivery, ...] = ("third_party", "own")


@dataclass(frozen=True)
class Figure:
    """A figure at the rates' points (exact, to the cent's worth) and its 90 % interval over their ranges."""

    value: float
    interval: Interval
    unit: str

    def as_dict(self) -> dict[str, float | str | None]:
        """For JSON."""
        return {"value": self.value, **self.interval.as_dict(), "unit": self.unit}


@dataclass(frozen=True)
class Statement:
    """Everything the quarter's report says. Frames are those of their modules; ``residual_usd`` must be 0.

    ``cost_usd`` and ``billed_usd`` are of serving (:data:`cost_model.margin.COST_POOLS`); ``charges`` and ``bill``
    have content too, whose charges are ``content_usd``.
    ``given`` are the rates that measurement replaced in break-even and payback, ``given_encoding`` those
    replaced in the payback alone, with where each came from; ``cells`` are what margins add up.
    ``switches``: effect of each decision on margin, USD a stream hour.
    """

    quarter: Quarter
    usage: Usage
    rates: Rates
    charges: pl.DataFrame
    bill: pl.DataFrame
    residual_usd: Decimal
    cost_usd: Decimal
    billed_usd: Decimal
    total: Mapping[str, Any]
    figures: Mapping[str, Figure]
    tree: Mapping[str, float | None]
    by: Mapping[str, pl.DataFrame]
    breakevens: Mapping[Policy, Breakeven]
    list_price_breakevens: Mapping[Policy, Interval]
    paybacks: Mapping[Delivery, Payback]
    switches: Mapping[str, Interval]
    given: Mapping[str, tuple[float, str]]
    given_encoding: Mapping[str, tuple[float, str]]
    members: float
    cells: pl.DataFrame
    differences: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what pages, verdict and command line show."""
        return {
            "quarter": str(self.quarter),
            "months": [str(month) for month in self.usage.months],
            "days": int(self.usage.days["days"].sum()),
            "rates_file": self.rates.file,
            "rates_overridden": self.differences,
            "included": INCLUDED,
            "given": {k: {"value": v, "source": s} for k, (v, s) in self.given.items()},
            "given_encoding": {k: {"value": v, "source": s} for k, (v, s) in self.given_encoding.items()},
            "members": self.members,
            "hours": float(self.usage.total_hours()),
            "delivered_bytes": self.usage.total_bytes(),
            "cost_usd": str(self.cost_usd),
            "billed_usd": str(self.billed_usd),
            "content_usd": str(self.content_usd),
            "residual_usd": str(self.residual_usd),
            "figures": {k: v.as_dict() for k, v in self.figures.items()},
            "unit_cost_tree": dict(self.tree),
            "pools": _rows(self.pools),
            **{f"by_{k}": _rows(frame) for k, frame in self.by.items()},
            "margin_effect_usd_per_hour": {k: v.as_dict() for k, v in self.switches.items()},
            "breakeven_cdn": {k: v.as_dict() for k, v in self.breakevens.items()},
            "breakeven_cdn_at_list_price": {k: v.as_dict() for k, v in self.list_price_breakevens.items()},
            "payback_encoding": {k: v.as_dict() for k, v in self.paybacks.items()},
        }

    @property
    def content_usd(self) -> Decimal:
        """Charges of pool ``content``, at the rates."""
        return Decimal(self.bill.filter(pl.col("pool") == "content")["effective_usd"].sum())

    @property
    def charged_usd(self) -> Decimal:
        """Effective cost of all charges, content with them."""
        return self.cost_usd + self.content_usd

    @property
    def pools(self) -> pl.DataFrame:
        """What serving costs by pool and SKU: ``pool, sku, billed_usd, effective_usd, list_usd``, dearest first."""
        return (
            self.bill.filter(pl.col("pool").is_in(COST_POOLS))
            .group_by("pool", "sku")
            .agg(pl.col("billed_usd", "effective_usd", "list_usd").sum())
            .sort(["effective_usd", "sku"], descending=[True, False])
        )


def state(
    usage: Usage,
    rates: Rates,
    *,
    given: Mapping[str, tuple[float, str]] | None = None,
    given_encoding: Mapping[str, tuple[float, str]] | None = None,
    is_synthetic: bool = False,
    draws: int = DRAWS,
    seed: int = 0,
) -> Statement:
    """Compute a quarter's statement from its usage.

    ``given`` replaces rates in break-even and payback by measured values, each with where it comes from;
    ``given_encoding`` in the payback alone (what two worlds of one seed say of AV1).
    Raises :class:`~metrics.errors.InputError` for a quarter without delivery.
    """
    charged = charges(usage, rates, is_synthetic=is_synthetic)
    billed = bill_frame(usage, rates)
    members = usage.member_days() / int(usage.days["days"].sum()) if usage.days.height else 0.0
    given, given_encoding = dict(given or {}), dict(given_encoding or {})
    fixed = {name: value for name, (value, _) in given.items()}
    fixed_encoding = fixed | {name: value for name, (value, _) in given_encoding.items()}
    day = usage.months[0]
    size = members or 100e6
    cells = margin_cells(charged, usage, rates)
    total = unit_costs(charged, usage, rates, cells=cells).row(0, named=True)
    serving = billed.filter(pl.col("pool").is_in(COST_POOLS))
    cost = Decimal(serving["effective_usd"].sum())
    return Statement(
        quarter=usage.quarter,
        usage=usage,
        rates=rates,
        charges=charged,
        bill=billed,
        residual_usd=residual(charged, billed),
        cost_usd=cost,
        billed_usd=Decimal(serving["billed_usd"].sum()),
        total=total,
        figures=_figures(usage, rates, total, draws, seed),
        tree={k: None if v is None else float(v) for k, v in unit_cost_tree(cost, usage).items()},
        by={
            name: unit_costs(charged, usage, rates, [name], cells=cells)
            for name in ("region", "codec", "cdn")
        },
        breakevens={
            policy: breakeven(
                rates,
                day,
                policy=policy,
                given=fixed,
                at_subscribers=size,
                prices=CURVE_PRICES,
                draws=draws,
                seed=seed,
            )
            for policy in POLICIES
        },
        list_price_breakevens={
            policy: breakeven(
                rates, day, policy=policy, given=fixed, at_list_price=True, draws=2_000
            ).subscribers
            for policy in POLICIES
        },
        paybacks={
            delivery: payback(
                rates,
                day,
                delivery=delivery,
                given=fixed_encoding,
                at_subscribers=size,
                draws=draws,
                seed=seed,
            )
            for delivery in _DELIVERIES
        },
        switches=margin_effects(
            usage,
            rates,
            members=members,
            given=fixed,
            given_encoding={name: value for name, (value, _) in given_encoding.items()},
            draws=draws,
            seed=seed,
        ),
        given=given,
        given_encoding=given_encoding,
        members=members,
        cells=cells,
        differences=rates.differences(load()),
    )


def _figures(
    usage: Usage, rates: Rates, total: Mapping[str, Decimal | None], draws: int, seed: int
) -> dict[str, Figure]:
    price = simulated(rates, draws=draws, seed=seed)
    cost: Floats = np.zeros(draws)
    for line in bill(usage, price):
        cost = cost + line.effective
    revenue: Floats = np.zeros(draws)
    for month, region, days in usage.members.select("month", "region", "member_days").iter_rows():
        revenue = revenue + price("revenue_price", month, region) * int(days) / float(DAYS_PER_MONTH)
    hours = float(usage.total_hours())
    outcomes: dict[str, tuple[Floats, float, str]] = {
        "usd_per_hour": (cost, hours, "USD/stream hour"),
        "usd_per_gb": (cost, usage.total_bytes() / 1e9, "USD/GB"),
        "usd_per_member_month": (cost, float(usage.member_months()), "USD/subscriber-month"),
        "contribution_usd_per_hour": (revenue - cost, hours, "USD/stream hour"),
        "revenue_usd_per_hour": (revenue, hours, "USD/stream hour"),
    }
    figures = {}
    for name, (outcome, units, unit) in outcomes.items():
        value = total[name]
        if units and value is not None:
            figures[name] = Figure(float(value), interval(outcome / units), unit)
    return figures


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            k: str(v) if isinstance(v, Decimal) and k.endswith("_usd") and k != "usd" else _number(v)
            for k, v in r.items()
        }
        for r in frame.iter_rows(named=True)
    ]


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
