"""OpenSLO v1: every kind of object, as it is written.

What a field may hold is said here; what an objective of such objects means is :mod:`alerts.slo`'s, which also says
which of them nobody could keep to. An unknown field is refused, never passed over.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from alerts.calendar import CalendarPeriod
from alerts.policy import Duration, parse_duration

__all__ = [
    "KINDS",
    "AlertCondition",
    "AlertPolicy",
    "Calendar",
    "ConditionRef",
    "DataSource",
    "Indicator",
    "MetricSource",
    "NotificationTarget",
    "PolicyRef",
    "RatioMetric",
    "Sli",
    "Slo",
    "Target",
    "TargetRef",
    "TimeWindow",
    "parse_span",
]

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # RFC 1123, as OpenSLO asks
# What it encourages beyond, for names that are only referred to.
OTHERS = r"^[A-Za-z0-9]([A-Za-z0-9._|/\\-]{0,253}[A-Za-z0-9])?$"
Operator = Literal["lte", "gte", "lt", "gt"]
_LONGEST_MS = 10 * 366 * 86_400_000


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_span(text: object) -> tuple[int, str]:
    """A duration with the units that only a calendar knows: how many of ``m h d w M Q Y``.

    >>> parse_span("1Q")
    (1, 'Q')
    """
    match = re.fullmatch(r"([1-9][0-9]{0,2})([MQY])", text) if isinstance(text, str) else None
    if match is None:
        parse_duration(text)
    assert isinstance(text, str)
    return int(text[:-1]), text[-1]


def _slice_window(value: object) -> int:
    """Minutes where it is a bare number."""
    return parse_duration(f"{value}m" if isinstance(value, int | Decimal) else value)


def _exactly_one(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 1:
        raise ValueError(f"exactly one is read here, {len(value)} given")
    return value


def _at_least_one(value: Any) -> Any:
    if isinstance(value, list) and not 1 <= len(value) <= 20:
        raise ValueError(f"1 to 20 are read here, {len(value)} given")
    return value


_One = BeforeValidator(_exactly_one)
_About = Annotated[str, Field(max_length=1050)]


class Metadata(Frozen):
    name: str = Field(pattern=NAME)
    displayName: str | None = Field(default=None, max_length=200)  # noqa: N815 - OpenSLO's own
    labels: dict[str, str | list[str]] = {}
    annotations: dict[str, str] = {}


class _LooseMetadata(Metadata):
    name: str = Field(pattern=OTHERS)


class MetricSource(Frozen):
    metricSourceRef: str | None = None  # noqa: N815
    type: str | None = None
    spec: dict[str, Any] = {}


class _Metric(Frozen):
    metricSource: MetricSource  # noqa: N815


class RatioMetric(Frozen):
    counter: bool | None = None
    bad: _Metric | None = None
    good: _Metric | None = None
    total: _Metric | None = None
    raw: _Metric | None = None
    rawType: Literal["success", "failure"] | None = None  # noqa: N815

    @model_validator(mode="after")
    def _one_shape(self) -> RatioMetric:
        if self.raw is not None:
            if self.rawType is None or self.bad or self.good or self.total:
                raise ValueError("`raw` stands with `rawType` and without bad, good and total")
        elif self.total is None or (self.bad is None) == (self.good is None):
            raise ValueError("give `total` with one of `bad` and `good`, or `raw`")
        elif self.rawType is not None:
            raise ValueError("`rawType` stands with `raw`")
        return self


class _IndicatorSpec(Frozen):
    description: _About | None = None
    ratioMetric: RatioMetric | None = None  # noqa: N815
    thresholdMetric: _Metric | None = None  # noqa: N815

    @model_validator(mode="after")
    def _one_metric(self) -> _IndicatorSpec:
        if (self.ratioMetric is None) == (self.thresholdMetric is None):
            raise ValueError("give one of `ratioMetric` and `thresholdMetric`")
        return self


class Indicator(Frozen):
    metadata: _LooseMetadata | None = None
    spec: _IndicatorSpec


class Calendar(Frozen):
    startTime: datetime  # noqa: N815
    timeZone: str  # noqa: N815

    @model_validator(mode="after")
    def _known_zone(self) -> Calendar:
        if self.startTime.tzinfo is not None:
            raise ValueError("`startTime` is without a zone; `timeZone` says it")
        if not 1970 <= self.startTime.year <= 2100:
            raise ValueError("`startTime` lies in no year from 1970 to 2100")
        try:
            ZoneInfo(self.timeZone)
        except (KeyError, ValueError, OSError):  # not in the database, no path within it, a folder of it
            raise ValueError(f"no time zone {self.timeZone[:60]!r}") from None
        return self


class TimeWindow(Frozen):
    duration: Annotated[tuple[int, str], BeforeValidator(parse_span)]
    isRolling: bool | None = None  # noqa: N815
    calendar: Calendar | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> TimeWindow:
        if self.calendar is None and self.isRolling is not True:
            raise ValueError("give `isRolling: true`, or `calendar` with where it begins")
        if self.calendar is not None and self.isRolling:
            raise ValueError("a calendar's window does not roll: leave one of the two out")
        if self.calendar is None and self.duration[1] in {"M", "Q", "Y"}:
            raise ValueError(
                "a rolling window is of m, h, d or w; months, quarters and years need `calendar`"
            )
        if self.nominal_ms > _LONGEST_MS:
            raise ValueError("a window of more than ten years")
        return self

    @property
    def nominal_ms(self) -> int:
        """Its length; a month of a calendar has 30 days there, a year 365."""
        if self.calendar is not None:
            return self.period.nominal_ms
        return parse_duration("".join(map(str, self.duration)))

    @property
    def period(self) -> CalendarPeriod:
        """The calendar's periods."""
        assert self.calendar is not None
        count, unit = self.duration
        return CalendarPeriod(
            start=self.calendar.startTime, zone=self.calendar.timeZone, count=count, unit=unit
        )


class Target(Frozen):
    displayName: str | None = None  # noqa: N815
    op: Operator | None = None
    value: Decimal | None = None
    target: Decimal | None = Field(default=None, ge=0, le=1)
    targetPercent: Decimal | None = Field(default=None, ge=0, le=100)  # noqa: N815
    timeSliceTarget: Decimal | None = Field(default=None, gt=0, le=1)  # noqa: N815
    timeSliceWindow: Annotated[int | None, BeforeValidator(_slice_window)] = None  # noqa: N815
    indicator: Indicator | None = None
    indicatorRef: str | None = None  # noqa: N815
    compositeWeight: Decimal | None = Field(default=None, gt=0, le=1_000_000)  # noqa: N815

    @model_validator(mode="after")
    def _one_target(self) -> Target:
        if (self.target is None) == (self.targetPercent is None):
            raise ValueError("give one of `target` and `targetPercent`")
        if self.indicator is not None and self.indicatorRef is not None:
            raise ValueError("give one of `indicator` and `indicatorRef`")
        return self

    @property
    def ratio(self) -> Decimal:
        return self.target if self.target is not None else (self.targetPercent or Decimal(0)) / 100


class PolicyRef(Frozen):
    alertPolicyRef: str  # noqa: N815


class ConditionRef(Frozen):
    conditionRef: str  # noqa: N815


class TargetRef(Frozen):
    targetRef: str  # noqa: N815


def _reference_or_inline(key: str) -> Discriminator:
    """Which of the two an item is, so that what is wrong with it is said once."""
    return Discriminator(
        lambda item: (
            "reference" if isinstance(item, str) or (isinstance(item, dict) and key in item) else "inline"
        )
    )


def _by_name(key: str) -> BeforeValidator:
    """A bare name is a reference."""
    return BeforeValidator(lambda item: {key: item} if isinstance(item, str) else item)


class _Condition(Frozen):
    kind: Literal["burnrate"] = "burnrate"
    op: Operator | None = None
    threshold: Decimal = Field(gt=0, le=1_000_000)
    lookbackWindow: Duration  # noqa: N815
    alertAfter: Annotated[int, BeforeValidator(lambda v: 0 if v == "0m" else parse_duration(v))] = 0  # noqa: N815


class _ConditionSpec(Frozen):
    description: _About = ""
    severity: str = Field(pattern=r"^[^\s{}\"\\]{1,60}$")
    condition: _Condition


class AlertCondition(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"] | None = None  # noqa: N815
    kind: Literal["AlertCondition"]
    metadata: _LooseMetadata
    spec: _ConditionSpec


class _NotificationSpec(Frozen):
    description: _About = ""
    target: str


class NotificationTarget(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"] | None = None  # noqa: N815
    kind: Literal["AlertNotificationTarget"]
    metadata: _LooseMetadata
    spec: _NotificationSpec


_Conditions = Annotated[
    Annotated[ConditionRef, _by_name("conditionRef"), Tag("reference")]
    | Annotated[AlertCondition, Tag("inline")],
    _reference_or_inline("conditionRef"),
]
_Targets = Annotated[
    Annotated[TargetRef, _by_name("targetRef"), Tag("reference")]
    | Annotated[NotificationTarget, Tag("inline")],
    _reference_or_inline("targetRef"),
]


class _PolicySpec(Frozen):
    description: _About = ""
    alertWhenBreaching: bool = False  # noqa: N815
    alertWhenResolved: bool = False  # noqa: N815
    alertWhenNoData: bool = False  # noqa: N815
    conditions: Annotated[tuple[_Conditions, ...], _One]
    notificationTargets: tuple[_Targets, ...] = ()  # noqa: N815


class AlertPolicy(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"] | None = None  # noqa: N815
    kind: Literal["AlertPolicy"]
    metadata: _LooseMetadata
    spec: _PolicySpec


_Policies = Annotated[
    Annotated[PolicyRef, _by_name("alertPolicyRef"), Tag("reference")]
    | Annotated[AlertPolicy, Tag("inline")],
    _reference_or_inline("alertPolicyRef"),
]


class _SloSpec(Frozen):
    description: _About = ""
    service: str = Field(pattern=NAME)
    indicator: Indicator | None = None
    indicatorRef: str | None = None  # noqa: N815
    timeWindow: Annotated[tuple[TimeWindow, ...], _One] = ()  # noqa: N815
    budgetingMethod: Literal["Occurrences", "Timeslices"]  # noqa: N815
    objectives: Annotated[tuple[Target, ...], BeforeValidator(_at_least_one)]
    alertPolicies: tuple[_Policies, ...] = ()  # noqa: N815

    @model_validator(mode="after")
    def _indicators_fit(self) -> _SloSpec:
        own = [one.indicator is not None or one.indicatorRef is not None for one in self.objectives]
        shared = (self.indicator is not None) + (self.indicatorRef is not None)
        if shared + any(own) != 1 or (any(own) and not all(own)):
            raise ValueError("give one of `indicator` and `indicatorRef`, or one with every objective")
        if any(one.compositeWeight is not None for one in self.objectives) and not any(own):
            raise ValueError("`compositeWeight` stands with an indicator of its own")
        for one in self.objectives:
            sliced = one.timeSliceTarget is not None and one.timeSliceWindow is not None
            if self.budgetingMethod == "Timeslices" and not sliced:
                raise ValueError("Timeslices need `timeSliceTarget` and `timeSliceWindow`")
            if self.budgetingMethod == "Occurrences" and (one.timeSliceTarget or one.timeSliceWindow):
                raise ValueError("`timeSliceTarget` and `timeSliceWindow` stand with Timeslices")
        return self


class _Object(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"]  # noqa: N815
    metadata: _LooseMetadata


class Slo(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"]  # noqa: N815
    kind: Literal["SLO"]
    metadata: Metadata
    spec: _SloSpec


class Sli(_Object):
    kind: Literal["SLI"]
    spec: _IndicatorSpec


class _SourceSpec(Frozen):
    description: _About = ""
    type: str
    connectionDetails: Any = None  # noqa: N815 - whatever the source needs; it is not connected to here


class DataSource(_Object):
    kind: Literal["DataSource"]
    spec: _SourceSpec


class _ServiceSpec(Frozen):
    description: _About = ""


class Service(_Object):
    kind: Literal["Service"]
    spec: _ServiceSpec = _ServiceSpec()


KINDS: dict[str, type[BaseModel]] = {
    "SLO": Slo,
    "SLI": Sli,
    "Service": Service,
    "DataSource": DataSource,
    "AlertPolicy": AlertPolicy,
    "AlertCondition": AlertCondition,
    "AlertNotificationTarget": NotificationTarget,
}
