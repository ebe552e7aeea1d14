"""One promise, however it was written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from alerts import names
from alerts.calendar import CalendarPeriod
from alerts.conditions import ConditionPolicy
from alerts.indicator import Indicator
from alerts.policy import Policy

__all__ = ["Objective"]


class Objective(BaseModel):
    """One promise: at least ``target`` of the events of a period are good.

    The period is the last ``period_ms``, or a period of ``calendar``. ``policy`` names the alert policy;
    ``own_policy`` is one that stands with the objective itself. ``where`` is the ``file:line`` it was read from.
    Shares are 0..1, exact.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    about: str
    service: str
    target: Decimal
    indicator: Indicator
    period_ms: int
    calendar: CalendarPeriod | None = None
    policy: str
    own_policy: ConditionPolicy | None = None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    where: str

    @property
    def budget(self) -> Decimal:
        """Share of events that may be bad."""
        return 1 - self.target

    @property
    def id(self) -> str:
        """Identity in rules and labels."""
        return names.slo_id(self.service, self.name)

    @property
    def in_contract(self) -> bool:
        """Part of the promise to viewers; companions are watched but not promised."""
        return self.labels.get("promise") != "companion"

    def watched_by(self, policies: Mapping[str, Policy]) -> Policy | None:
        """Its alert policy: its own, or the one of ``policies`` it names."""
        return self.own_policy or policies.get(self.policy)
