"""OpenSLO's own alert conditions, and none at all, as burn-rate policies.

A condition has one window where the textbook has pairs: it fires while the budget burns faster than its threshold
over the window, after it has held for as long as it asks. The low-traffic guard holds for it as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from pydantic import model_validator

from alerts.policy import BurnPolicy, Pair, duration_text

__all__ = ["Condition", "ConditionPolicy", "condition", "conditions_policy", "no_alerts"]

BAD_EVENTS_MINIMUM = 5


class Condition(Pair):
    """One window and a burn rate; long and short are the same."""

    threshold: Decimal

    @property
    def text(self) -> str:
        return duration_text(self.long_ms)

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Condition:
        return self

    def factor(self, period_ms: int) -> float:
        """Burn rate at which it fires, whatever the period."""
        return float(self.threshold)


class ConditionPolicy(BurnPolicy):
    """Conditions by severity, and for how long each must hold before it fires."""

    conditions: Mapping[str, tuple[Condition, ...]] = {}
    after_ms: Mapping[str, int] = {}

    @model_validator(mode="after")
    def _windows_fit(self) -> ConditionPolicy:
        return self

    @property
    def severities(self) -> Mapping[str, tuple[Pair, ...]]:
        return self.conditions

    def pending_ms(self, severity: str) -> int:
        return self.after_ms.get(severity, 0)


def condition(window_ms: int, threshold: Decimal) -> Condition:
    """A condition of a window of whole minutes."""
    text = duration_text(window_ms)
    # Of what the window may spend, a condition says nothing: its threshold is the burn rate itself.
    return Condition.model_validate(
        {"long": text, "short": text, "budget_share_ratio": Decimal(1), "threshold": threshold}
    )


def no_alerts(period_ms: int) -> ConditionPolicy:
    """The policy of an objective that is measured and alerts nobody."""
    return conditions_policy("none", period_ms, {}, {})


def conditions_policy(
    name: str, period_ms: int, conditions: Mapping[str, tuple[Condition, ...]], after_ms: Mapping[str, int]
) -> ConditionPolicy:
    """The conditions as a policy for that period."""
    return ConditionPolicy.model_validate(
        {
            "name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
            "about": "Alert conditions that stand with the objective.",
            "source": "the objective's own file",
            "grade": "assumed",
            "kind": "burn_rate",
            "period": duration_text(period_ms),
            "bad_events_minimum": BAD_EVENTS_MINIMUM,
            "conditions": conditions,
            "after_ms": after_ms,
        }
    )
