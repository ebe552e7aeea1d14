"""All that the quarterly report says, computed once: the statement, and what sets it beside other quarters.

HTML, PDF, XLSX and JSON show these figures and compute none of them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from cost_model.assets import Assets, roll_forward
from cost_model.bridge import Bridge, bridge
from cost_model.cdn import own_usd_per_month, rate_names, third_party_usd_per_month
from cost_model.credits import sla_credits
from cost_model.forecast import Forecast, forecast
from cost_model.investment import Case, own_cdn_case
from cost_model.margin import unit_costs
from cost_model.period import Period, period_of
from cost_model.sensitivity import Scenario, Swing, cost_tornado, scenarios
from cost_model.statement import Statement
from cost_model.uncertainty import DRAWS, Floats, Interval
from cost_model.value import ChurnEffect, ContentCost, Received, Value, content_cost, values

__all__ = ["Beside", "Quarterly", "quarterly"]


@dataclass(frozen=True)
class Beside:
    """What a quarter is told with, all optional: its past (any order), a budget, attainment, content, experiments.

    ``retained``: members paying on the first and on the last day; ``content``: charges received of pool ``content``.
    """

    past: Sequence[Period] = ()
    budget: Period | None = None
    attainment: pl.DataFrame | None = None
    retained: int = 0
    content: Received | None = None
    experiments: Mapping[str, ChurnEffect] | None = None


@dataclass(frozen=True)
class Quarterly:
    """The statement, and beside it bridges, forecast, assets, the investment case, credits and values."""

    statement: Statement
    period: Period
    prior: Bridge | None
    budget: Bridge | None
    forecast: Forecast
    assets: Sequence[Assets]
    case: Case | None
    tornado: Sequence[Swing]
    scenarios: Sequence[Scenario]
    by: Mapping[str, pl.DataFrame]
    content: ContentCost | None
    values: Sequence[Value]
    credits: pl.DataFrame | None

    @property
    def credit_usd(self) -> Decimal | None:
        """Service credits owed; None where no attainment was given."""
        return None if self.credits is None else Decimal(self.credits["credit_usd"].sum())

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the statement's figures and these."""
        return self.statement.as_dict() | {
            "bridge_prior_quarter": self.prior.as_dict() if self.prior else None,
            "bridge_budget": self.budget.as_dict() if self.budget else None,
            "forecast": self.forecast.as_dict(),
            "assets": [row.as_dict() for row in self.assets],
            "own_cdn_case": self.case.as_dict() if self.case else None,
            "tornado_usd": [row.as_dict() for row in self.tornado],
            "own_cdn_saving_usd_per_year_by_scenario": {s.name: s.outcome.as_dict() for s in self.scenarios},
            "by_device": _rows(self.by["device"]),
            "by_isp": _rows(self.by["isp"]),
            "content": self.content.as_dict() if self.content else None,
            "values": [row.as_dict() for row in self.values],
            "sla_credit_usd": None if self.credit_usd is None else str(self.credit_usd),
        }


def quarterly(
    statement: Statement, beside: Beside | None = None, *, draws: int = DRAWS, seed: int = 0
) -> Quarterly:
    """Set a statement beside its past, its budget and what else is known."""
    beside = beside or Beside()
    usage, rates, day = statement.usage, statement.rates, statement.usage.months[0]
    now = period_of(statement.charges, usage)
    before = {(p.quarter.year, p.quarter.number): p for p in beside.past}
    prior = before.get(_previous(now))
    size, given = statement.members or 100e6, {n: value for n, (value, _) in statement.given.items()}

    def saving(rate: Mapping[str, Floats]) -> Floats:
        members = size + 0 * rate["wacc_ratio"]
        return 12 * (third_party_usd_per_month(members, rate) - own_usd_per_month(members, rate, "lean"))

    months, hours = float(usage.member_months()), float(usage.total_hours())
    contribution = statement.figures.get("contribution_usd_per_hour")
    per_month = contribution.value * hours / months if contribution and months else None
    return Quarterly(
        statement=statement,
        period=now,
        prior=bridge(prior, now) if prior else None,
        budget=bridge(beside.budget, now) if beside.budget else None,
        forecast=forecast([*before.values(), now]),
        assets=roll_forward(usage, rates, statement.bill),
        case=own_cdn_case(rates, day, subscribers=size, given=given, draws=draws, seed=seed),
        tornado=cost_tornado(usage, rates),
        scenarios=scenarios(saving, rates, rate_names(), day, given=given, draws=min(draws, 4_000), seed=seed),
        by={
            name: unit_costs(statement.charges, usage, rates, [name], cells=statement.cells)
            for name in ("device", "isp")
        },
        content=content_cost(
            usage, rates, retained=beside.retained, received=beside.content, draws=draws, seed=seed
        ),
        values=values(
            rates, day, contribution_usd_per_member_month=per_month,
            encoding=_a_month(statement.switches.get("av1_fgs"), hours / months if months else 0.0),
            is_encoding_measured=bool(statement.given_encoding),
            experiments=beside.experiments, draws=draws, seed=seed,
        ),
        credits=None if beside.attainment is None else sla_credits(beside.attainment, usage, rates),
    )  # fmt: skip


def _previous(now: Period) -> tuple[int, int]:
    year, number = now.quarter.year, now.quarter.number
    return (year, number - 1) if number > 1 else (year - 1, 4)


def _a_month(an_hour: Interval | None, hours_per_month: float) -> Interval | None:
    if an_hour is None or not hours_per_month:
        return None
    return Interval(*(x * hours_per_month for x in (an_hour.low, an_hour.median, an_hour.high)))


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [
        {k: str(v) if isinstance(v, Decimal) and k.endswith("_usd") else float(v) if isinstance(v, Decimal) else v
         for k, v in row.items()}
        for row in frame.iter_rows(named=True)
    ]  # fmt: skip
