"""OpenSLO ``v1alpha`` as Sloth reads it: good over total turned round, objectives numbered, no alerts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from alerts.sloth_base import NAME, Alerting, Frozen, SlothObjective, check_window, some
from alerts.source import Document

__all__ = ["objectives_of_alpha"]


class _Query(Frozen):
    source: Literal["prometheus", "sloth"]
    queryType: Literal["promql"]  # noqa: N815
    query: str
    metadata: Any = None


class _RatioMetrics(Frozen):
    counter: bool | None = None
    incremental: bool | None = None
    good: _Query
    total: _Query


class _AlphaObjective(Frozen):
    displayName: str = ""  # noqa: N815
    ratioMetrics: _RatioMetrics  # noqa: N815
    target: Decimal = Field(gt=0, lt=1)
    value: Any = None


class _AlphaWindow(Frozen):
    """Sloth takes nothing but 30 days of OpenSLO."""

    count: Literal[30]
    unit: Literal["Day", "day"]
    isRolling: bool = True  # noqa: N815
    calendar: None = None


class _AlphaSpec(Frozen):
    service: str = Field(pattern=NAME)
    description: str = ""
    budgetingMethod: Literal["Occurrences"]  # noqa: N815
    objectives: Annotated[tuple[_AlphaObjective, ...], BeforeValidator(some)]
    timeWindows: Annotated[tuple[_AlphaWindow, ...], BeforeValidator(some)]  # noqa: N815


class _AlphaMetadata(Frozen):
    name: str = Field(pattern=NAME)
    displayName: str = ""  # noqa: N815


class _OpenSloAlpha(Frozen):
    apiVersion: Literal["openslo/v1alpha"]  # noqa: N815
    kind: Literal["SLO"]
    metadata: _AlphaMetadata
    spec: _AlphaSpec


def objectives_of_alpha(document: Document) -> list[SlothObjective]:
    """Sloth numbers the objectives of a document, turns good ÷ total round, and makes no alerts of them."""
    found = document.parse(_OpenSloAlpha)
    quiet = Alerting.model_validate({"page_alert": {"disable": True}, "ticket_alert": {"disable": True}})
    slos = []
    for i, objective in enumerate(found.spec.objectives):
        good, total = objective.ratioMetrics.good.query, objective.ratioMetrics.total.query
        loc = ("spec", "objectives", i, "ratioMetrics")
        for query, part in ((good, "good"), (total, "total")):
            check_window(query, document, (*loc, part, "query"))
        slos.append(
            SlothObjective(
                name=f"{found.metadata.name}-{i}",
                service=found.spec.service,
                objective=float(objective.target) * 100,
                ratio_query=f"(\n  1 - (\n    (\n      {good}\n    )\n    /\n    (\n      {total}\n    )\n  )\n)",
                labels={},
                alerting=quiet,
                mode="cli-gen-openslo",
                spec="openslo/v1alpha",
                where=document.where(*loc),
            )
        )
    return slos
