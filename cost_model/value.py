"""What stands beside the margin and is never mixed into it: content, and what a system is worth to members kept.

No public causal figure says what quality or recommendation does to churn. So each value says what it stands on: a
*prior* from the rates, or an *experiment* of one's own, whose effect on churn becomes money by ::

    value / member-month = contribution / member-month · share of churn avoided

for where a share s of churn is avoided, a share s of the members who are there is there for it, once their number
has settled (joins / churn).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

import numpy as np

from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, quantiles, sample
from metrics.errors import InputError

__all__ = ["Basis", "ChurnEffect", "ContentCost", "Value", "content_cost", "values"]

Basis = Literal["prior", "experiment", "charges"]
_Z90 = 1.6448536269514722


@dataclass(frozen=True)
class ChurnEffect:
    """An experiment's result: the 90 % interval of the share of churn avoided, 0.01 being a hundredth of it.

    Raises :class:`~metrics.errors.InputError` for an interval that is not one.
    """

    low: float
    high: float
    source: str

    def __post_init__(self) -> None:
        if not -1 < self.low < self.high < 1:
            raise InputError(
                f"{self.low:g} to {self.high:g} is no interval of a share of churn",
                mend="give the lower end, then the upper, as 0.002 0.01",
            )


@dataclass(frozen=True)
class Value:
    """One system's worth, USD a member-month, with what it stands on."""

    system: str
    usd_per_member_month: Interval
    basis: Basis
    source: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        figure = {**self.usd_per_member_month.as_dict(), "unit": "USD/member-month"}
        return {"system": self.system, **figure, "basis": self.basis, "source": self.source}


@dataclass(frozen=True)
class ContentCost:
    """Content cost of a period by members, and by those retained: paying on its first and on its last day."""

    usd: Interval
    usd_per_member_month: Interval
    usd_per_retained_member: Interval | None
    retained: int
    basis: Basis
    source: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        retained = self.usd_per_retained_member
        return {
            "usd": self.usd.as_dict(),
            "usd_per_member_month": self.usd_per_member_month.as_dict(),
            "usd_per_retained_member": retained.as_dict() if retained else None,
            "retained_members": self.retained,
            "basis": self.basis,
            "source": self.source,
        }


def content_cost(
    rates: Rates,
    day: date,
    *,
    member_months: float,
    retained: int,
    charged_usd: Decimal | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> ContentCost | None:
    """Content cost from the charges of pool ``content``, else from the prior ``content_price``."""
    if not member_months:
        return None
    if charged_usd:
        total: Floats = np.full(draws, float(charged_usd))
        basis, source = "charges", "charges of pool content in the lake"
    else:
        total = sample(rates, ["content_price"], day, draws=draws, seed=seed)["content_price"] * member_months
        basis, source = "prior", rates.at("content_price", day).source
    return ContentCost(
        usd=interval(total),
        usd_per_member_month=interval(total / member_months),
        usd_per_retained_member=interval(total / retained) if retained else None,
        retained=retained,
        basis=basis,  # type: ignore[arg-type]
        source=source,
    )


def values(
    rates: Rates,
    day: date,
    *,
    contribution_usd_per_member_month: float | None,
    encoding: Interval | None,
    is_encoding_measured: bool,
    experiments: Mapping[str, ChurnEffect] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Value]:
    """Recommendation, encoding and every system of ``experiments``, each with its basis.

    ``encoding``: what AV1 does to cost a member-month (:func:`cost_model.switches.margin_effects`); measured where
    both worlds of one seed say what it saves. A system in ``experiments`` replaces its prior.
    """
    drawn = sample(rates, ["recommendation_value_price"], day, draws=draws, seed=seed)
    found: dict[str, Value] = {
        "recommendation": Value(
            "recommendation",
            interval(drawn["recommendation_value_price"]),
            "prior",
            rates.at("recommendation_value_price", day).source,
        )
    }
    if encoding is not None:
        found["encoding"] = Value(
            "encoding",
            encoding,
            "experiment" if is_encoding_measured else "prior",
            "bytes saved: both worlds of one seed"
            if is_encoding_measured
            else f"bytes saved: {rates.at('av1_saving_ratio', day).source}",
        )
    for system, effect in (experiments or {}).items():
        if contribution_usd_per_member_month is None:
            continue
        stream = np.random.Generator(np.random.Philox(key=[seed, len(found)]))
        spread = (effect.high - effect.low) / (2 * _Z90)
        avoided = (effect.low + effect.high) / 2 + spread * stream.standard_normal(draws)
        # A trial's own interval is passed on as it is.
        worth = quantiles(contribution_usd_per_member_month * avoided)
        found[system] = Value(system, worth, "experiment", effect.source)
    return list(found.values())
