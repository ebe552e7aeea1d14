"""What stands beside the margin and is never mixed into it: content, and what a system is worth to members kept.

Content is charged in a pool of its own (:func:`cost_model.bill.content`): at the rate ``content_price``, and where
content charges were received, in their months, as received.

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

from cost_model.bill import content
from cost_model.prices import exact, simulated
from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, quantiles, sample
from cost_model.usage import Usage
from metrics.errors import InputError

__all__ = ["Basis", "ChurnEffect", "ContentCost", "Received", "Value", "content_cost", "values"]

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
    """One system's worth, USD a member-month, with what it stands on and the grade of that."""

    system: str
    usd_per_member_month: Interval
    basis: Basis
    source: str
    grade: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        figure = {**self.usd_per_member_month.as_dict(), "unit": "USD/member-month"}
        return {
            "system": self.system, **figure, "basis": self.basis, "source": self.source, "grade": self.grade,
        }  # fmt: skip


@dataclass(frozen=True)
class Received:
    """Content charges received for a quarter: their effective cost, and the months their periods touch."""

    usd: Decimal
    months: frozenset[date]


@dataclass(frozen=True)
class ContentCost:
    """Content cost of a period by members, by those retained (paying on its first and on its last day), by hours.

    ``charged_usd`` is what is charged for it, exact; the intervals are over the rate's range where it is a rate.
    """

    charged_usd: Decimal
    usd: Interval
    usd_per_member_month: Interval
    usd_per_retained_member: Interval | None
    usd_per_hour: Interval | None
    retained: int
    basis: Basis
    source: str
    grade: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        retained, hour = self.usd_per_retained_member, self.usd_per_hour
        return {
            "charged_usd": str(self.charged_usd),
            "usd": self.usd.as_dict(),
            "usd_per_member_month": self.usd_per_member_month.as_dict(),
            "usd_per_retained_member": retained.as_dict() if retained else None,
            "usd_per_hour": hour.as_dict() if hour else None,
            "retained_members": self.retained,
            "basis": self.basis,
            "source": self.source,
            "grade": self.grade,
        }


def content_cost(
    usage: Usage,
    rates: Rates,
    *,
    retained: int,
    received: Received | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> ContentCost | None:
    """Content cost at the rates, with what was ``received`` in place of its months; None without members."""
    months, hours = float(usage.member_months()), float(usage.total_hours())
    if not months:
        return None
    covered = received.months if received else frozenset()
    charged = received.usd if received else Decimal(0)
    total: Floats = np.full(draws, float(charged))
    uncovered = False
    for line, drawn in zip(
        content(usage, exact(rates)), content(usage, simulated(rates, draws=draws, seed=seed)), strict=True
    ):
        if line.month not in covered:
            charged, total, uncovered = charged + line.effective, total + drawn.effective, True
    rate = rates.at("content_price", usage.months[0])
    basis: Basis = "charges" if received else "prior"
    source = "content charges received" if received else f"charged at content_price: {rate.source}"
    if received and uncovered:
        source += ", and content_price for the months they do not cover"
    return ContentCost(
        charged_usd=charged.quantize(Decimal("1e-10")),
        usd=interval(total),
        usd_per_member_month=interval(total / months),
        usd_per_retained_member=interval(total / retained) if retained else None,
        usd_per_hour=interval(total / hours) if hours else None,
        retained=retained,
        basis=basis,
        source=source,
        grade=rate.grade if uncovered else "measured",
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
    prior, saving = rates.at("recommendation_value_price", day), rates.at("av1_saving_ratio", day)
    found: dict[str, Value] = {
        "recommendation": Value(
            "recommendation",
            interval(drawn["recommendation_value_price"]),
            "prior",
            prior.source,
            prior.grade,
        )
    }
    if encoding is not None:
        found["encoding"] = Value(
            "encoding",
            encoding,
            "experiment" if is_encoding_measured else "prior",
            f"bytes saved: {'both worlds of one seed' if is_encoding_measured else saving.source}",
            "measured" if is_encoding_measured else saving.grade,
        )
    for system, effect in (experiments or {}).items():
        if contribution_usd_per_member_month is None:
            continue
        stream = np.random.Generator(np.random.Philox(key=[seed, len(found)]))
        spread = (effect.high - effect.low) / (2 * _Z90)
        avoided = (effect.low + effect.high) / 2 + spread * stream.standard_normal(draws)
        # A trial's own interval is passed on as it is.
        worth = quantiles(contribution_usd_per_member_month * avoided)
        found[system] = Value(system, worth, "experiment", effect.source, "measured")
    return list(found.values())
