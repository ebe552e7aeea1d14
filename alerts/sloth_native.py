"""Sloth's own specification, as a file (``prometheus/v1``) and as a Kubernetes object: one shape, spelt twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from alerts.sloth_base import (
    NAME,
    Alerting,
    Frozen,
    SlothObjective,
    Texts,
    check_labels,
    check_window,
    either,
    some,
)  # fmt: skip
from alerts.sloth_plugins import Plugins, chained
from alerts.source import Document, Loc
from metrics.errors import InputError

__all__ = ["objectives_of_file", "objectives_of_kubernetes"]


class _Raw(Frozen):
    error_ratio_query: str = either("error_ratio_query", "errorRatioQuery")


class _Events(Frozen):
    error_query: str = either("error_query", "errorQuery")
    total_query: str = either("total_query", "totalQuery")


class _Sli(Frozen):
    raw: _Raw | None = None
    events: _Events | None = None
    plugin: Any = None


class _SlothSlo(Frozen):
    name: str = Field(pattern=NAME)
    objective: Decimal = Field(gt=0, lt=100)
    description: str = ""
    labels: Texts = Field(default_factory=dict)
    sli: _Sli
    alerting: Alerting = Field(default_factory=lambda: Alerting.model_validate({}))
    plugins: Plugins = Plugins()

    @model_validator(mode="before")
    @classmethod
    def _absent_blocks(cls, value: Any) -> Any:
        # `alerting:` with nothing under it is the same as none.
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class _Spec(Frozen):
    service: str = Field(pattern=NAME)
    labels: Texts = Field(default_factory=dict)
    slos: Annotated[tuple[_SlothSlo, ...], BeforeValidator(some)]
    plugins: Plugins = Field(default=Plugins(), validation_alias=AliasChoices("slo_plugins", "sloPlugins"))


class _PrometheusV1(_Spec):
    version: Literal["prometheus/v1"]


class _Kubernetes(Frozen):
    apiVersion: Literal["sloth.slok.dev/v1"]  # noqa: N815
    kind: Literal["PrometheusServiceLevel"]
    metadata: Any = None
    status: Any = None
    spec: _Spec


def objectives_of_file(document: Document) -> list[SlothObjective]:
    """Those of a ``prometheus/v1`` document."""
    return _of_spec(document.parse(_PrometheusV1), document, (), "cli-gen-prom", "prometheus/v1")


def objectives_of_kubernetes(document: Document) -> list[SlothObjective]:
    """Those of a ``PrometheusServiceLevel``."""
    spec = document.parse(_Kubernetes).spec
    return _of_spec(spec, document, ("spec",), "cli-gen-k8s", "sloth.slok.dev/v1")


def _of_spec(spec: _Spec, document: Document, at: Loc, mode: str, named: str) -> list[SlothObjective]:
    check_labels(spec.labels, document, (*at, "labels"))
    whole = (spec.plugins, (*at, "slo_plugins" if mode == "cli-gen-prom" else "sloPlugins"))
    slos = []
    for i, slo in enumerate(spec.slos):
        loc = (*at, "slos", i)
        if slo.sli.plugin is not None:
            raise InputError(
                "a plugin of an indicator is Go code, which is not run here",
                where=document.where(*loc, "sli", "plugin"),
                mend="write the query that it gives out as `raw`",
            )
        check_labels(slo.labels, document, (*loc, "labels"))
        _check_alerting(slo.alerting, document, (*loc, "alerting"))
        slos.append(
            SlothObjective(
                name=slo.name,
                service=spec.service,
                objective=float(slo.objective),
                ratio_query=_ratio(slo.sli, document, (*loc, "sli")),
                labels={**spec.labels, **slo.labels},
                alerting=slo.alerting,
                mode=mode,
                spec=named,
                where=document.where(*loc, "name"),
                plugins=chained([whole, (slo.plugins, (*loc, "plugins"))], document),
            )
        )
    return slos


def _ratio(sli: _Sli, document: Document, loc: Loc) -> str:
    if (sli.raw is None) == (sli.events is None):
        raise InputError(
            "one of `events` and `raw` says what is bad", where=document.where(*loc), mend="give one"
        )
    if sli.raw is not None:
        check_window(sli.raw.error_ratio_query, document, (*loc, "raw"))
        return f"({sli.raw.error_ratio_query})"
    assert sli.events is not None
    error, total = sli.events.error_query, sli.events.total_query
    if error == total:
        raise InputError("both queries are the same", where=document.where(*loc, "events"), mend="check them")
    for query in (error, total):
        check_window(query, document, (*loc, "events"))
    return f"({error})\n/\n({total})\n"


def _check_alerting(alerting: Alerting, document: Document, loc: Loc) -> None:
    alerts = [alert for alert in (alerting.page, alerting.ticket) if not alert.disable]
    if alerts and not alerting.name:
        raise InputError(
            "alerts without a name", where=document.where(*loc), mend="name them, or disable both"
        )
    for alert in alerts:
        for texts in (alerting.labels, alerting.annotations, alert.labels, alert.annotations):
            check_labels(texts, document, loc)
