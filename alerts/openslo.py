"""OpenSLO v1 documents, as far as they are read: one objective, one rolling window, one policy by name.

What OpenSLO allows beyond this (threshold indicators, time slices, calendar periods, inline policies) is
refused by field, never passed over.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerts.policy import Duration

__all__ = ["RatioMetric", "Slo"]

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # RFC 1123, as OpenSLO asks


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Metadata(Frozen):
    name: str = Field(pattern=NAME)
    displayName: str | None = Field(default=None, max_length=200)  # noqa: N815 - OpenSLO's own
    labels: dict[str, str | list[str]] = {}
    annotations: dict[str, str] = {}


class _Query(Frozen):
    query: str = Field(max_length=2000)


class _CatalogueMetric(Frozen):
    metric: str


class _PrometheusSource(Frozen):
    type: Literal["Prometheus", "prometheus"]
    spec: _Query


class _PlayheadSource(Frozen):
    type: Literal["playhead"]
    spec: _CatalogueMetric


class _Counts(Frozen):
    metricSource: _PrometheusSource  # noqa: N815


class RawSource(Frozen):
    metricSource: _PlayheadSource  # noqa: N815


class RatioMetric(Frozen):
    # Per-minute counts are gauges: a counter would need rate(), which extrapolates.
    counter: Literal[False] | None = None
    bad: _Counts | None = None
    good: _Counts | None = None
    total: _Counts | None = None
    raw: RawSource | None = None
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
    description: str | None = None
    ratioMetric: RatioMetric  # noqa: N815


class _Indicator(Frozen):
    metadata: _Metadata
    spec: _IndicatorSpec


class _TimeWindow(Frozen):
    duration: Duration
    isRolling: Literal[True]  # noqa: N815


class _Target(Frozen):
    displayName: str | None = None  # noqa: N815
    target: Decimal | None = Field(default=None, ge=0, le=1)
    targetPercent: Decimal | None = Field(default=None, ge=0, le=100)  # noqa: N815

    @model_validator(mode="after")
    def _one_target(self) -> _Target:
        if (self.target is None) == (self.targetPercent is None):
            raise ValueError("give one of `target` and `targetPercent`")
        return self

    @property
    def ratio(self) -> Decimal:
        return self.target if self.target is not None else (self.targetPercent or Decimal(0)) / 100


class _PolicyRef(Frozen):
    alertPolicyRef: str  # noqa: N815


def _exactly_one(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 1:
        raise ValueError(f"exactly one is read here, {len(value)} given")
    return value


_One = BeforeValidator(_exactly_one)


class _SloSpec(Frozen):
    description: str = Field(default="", max_length=1050)
    service: str = Field(pattern=NAME)
    indicator: _Indicator
    timeWindow: Annotated[tuple[_TimeWindow, ...], _One]  # noqa: N815
    budgetingMethod: Literal["Occurrences"]  # noqa: N815
    objectives: Annotated[tuple[_Target, ...], _One]
    alertPolicies: Annotated[tuple[_PolicyRef, ...], _One]  # noqa: N815


class Slo(Frozen):
    apiVersion: Literal["openslo/v1", "openslo.com/v1"]  # noqa: N815
    kind: Literal["SLO"]
    metadata: _Metadata
    spec: _SloSpec
