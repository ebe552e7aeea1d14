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

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from alerts.calendar import CalendarPeriod
from alerts.openslo_alerting import AlertCondition, AlertPolicy, NotificationTarget, Policies
from alerts.openslo_base import NAME, About, Frozen, LooseMetadata, Metadata, One, Operator, at_least_one
from alerts.policy import parse_duration

__all__ = [
    "KINDS",
    "Calendar",
    "DataSource",
    "Indicator",
    "MetricSource",
    "RatioMetric",
    "Sli",
    "Slo",
    "Target",
    "TimeWindow",
    "parse_span",
]

_LONGEST_MS = 10 * 366 * 86_400_000


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


class MetricSource(Frozen):
    metricSourceRef: str | None = None  # noqa: N815
    type: str | None = None
    spec: dict[str, Any] = Field(default_factory=dict)


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
    description: About | None = None
    ratioMetric: RatioMetric | None = None  # noqa: N815
    thresholdMetric: _Metric | None = None  # noqa: N815

    @model_validator(mode="after")
    def _one_metric(self) -> _IndicatorSpec:
        if (self.ratioMetric is None) == (self.thresholdMetric is None):
            raise ValueError("give one of `ratioMetric` and `thresholdMetric`")
        return self


class Indicator(Frozen):
    metadata: LooseMetadata | None = None
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


class _SloSpec(Frozen):
    description: About = ""
    service: str = Field(pattern=NAME)
    indicator: Indicator | None = None
    indicatorRef: str | None = None  # noqa: N815
    timeWindow: Annotated[tuple[TimeWindow, ...], One] = ()  # noqa: N815
    budgetingMethod: Literal["Occurrences", "Timeslices"]  # noqa: N815
    objectives: Annotated[tuple[Target, ...], BeforeValidator(at_least_one)]
    alertPolicies: tuple[Policies, ...] = ()  # noqa: N815

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
    metadata: LooseMetadata


class Slo(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"]  # noqa: N815
    kind: Literal["SLO"]
    metadata: Metadata
    spec: _SloSpec


class Sli(_Object):
    kind: Literal["SLI"]
    spec: _IndicatorSpec


class _SourceSpec(Frozen):
    description: About = ""
    type: str
    connectionDetails: Any = None  # noqa: N815 - whatever the source needs; it is not connected to here


class DataSource(_Object):
    kind: Literal["DataSource"]
    spec: _SourceSpec


class _ServiceSpec(Frozen):
    description: About = ""


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
