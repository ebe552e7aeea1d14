"""OpenSLO v1's alerting: policies, the condition on which one alerts, and whom it tells."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Tag

from alerts.openslo_base import About, Frozen, LooseMetadata, One, Operator, by_name, reference_or_inline
from alerts.policy import Duration, parse_duration

__all__ = [
    "AlertCondition",
    "AlertPolicy",
    "ConditionRef",
    "NotificationTarget",
    "Policies",
    "PolicyRef",
    "TargetRef",
]


class PolicyRef(Frozen):
    alertPolicyRef: str  # noqa: N815


class ConditionRef(Frozen):
    conditionRef: str  # noqa: N815


class TargetRef(Frozen):
    targetRef: str  # noqa: N815


class _Condition(Frozen):
    kind: Literal["burnrate"] = "burnrate"
    op: Operator | None = None
    threshold: Decimal = Field(gt=0, le=1_000_000)
    lookbackWindow: Duration  # noqa: N815
    alertAfter: Annotated[int, BeforeValidator(lambda v: 0 if v == "0m" else parse_duration(v))] = 0  # noqa: N815


class _ConditionSpec(Frozen):
    description: About = ""
    severity: str = Field(pattern=r"^[^\s{}\"\\]{1,60}$")
    condition: _Condition


class AlertCondition(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"] | None = None  # noqa: N815
    kind: Literal["AlertCondition"]
    metadata: LooseMetadata
    spec: _ConditionSpec


class _NotificationSpec(Frozen):
    description: About = ""
    target: str


class NotificationTarget(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"] | None = None  # noqa: N815
    kind: Literal["AlertNotificationTarget"]
    metadata: LooseMetadata
    spec: _NotificationSpec


_Conditions = Annotated[
    Annotated[ConditionRef, by_name("conditionRef"), Tag("reference")]
    | Annotated[AlertCondition, Tag("inline")],
    reference_or_inline("conditionRef"),
]
_Targets = Annotated[
    Annotated[TargetRef, by_name("targetRef"), Tag("reference")]
    | Annotated[NotificationTarget, Tag("inline")],
    reference_or_inline("targetRef"),
]


class _PolicySpec(Frozen):
    description: About = ""
    alertWhenBreaching: bool = False  # noqa: N815
    alertWhenResolved: bool = False  # noqa: N815
    alertWhenNoData: bool = False  # noqa: N815
    conditions: Annotated[tuple[_Conditions, ...], One]
    notificationTargets: tuple[_Targets, ...] = ()  # noqa: N815


class AlertPolicy(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"] | None = None  # noqa: N815
    kind: Literal["AlertPolicy"]
    metadata: LooseMetadata
    spec: _PolicySpec


Policies = Annotated[
    Annotated[PolicyRef, by_name("alertPolicyRef"), Tag("reference")] | Annotated[AlertPolicy, Tag("inline")],
    reference_or_inline("alertPolicyRef"),
]
