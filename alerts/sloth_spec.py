"""Sloth's specifications as they are written: ``prometheus/v1``, its Kubernetes object, OpenSLO v1alpha, windows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from alerts import names
from alerts.source import Document, Loc, read_documents
from metrics.errors import InputError

__all__ = [
    "UNIT_MS", "WINDOW_TEMPLATE", "Alert", "SlothObjective", "Speeds", "Windows", "duration_text", "objectives_of",
    "windows_for",
]  # fmt: skip

WINDOWS = Path(__file__).parent / "windows" / "sloth"
UNIT_MS = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000,
}  # fmt: skip
_HOUR_MS = 3_600_000
WINDOW_TEMPLATE = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SLOTH_NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"
_PLUGIN = "a plugin is Go code, which is not run here"


def duration_text(duration_ms: int) -> str:
    """A duration as Prometheus prints one: 28 days are four weeks, 36 hours a day and twelve.

    >>> [duration_text(hours * 3_600_000) for hours in (1, 36, 168, 672, 720)]
    ['1h', '1d12h', '1w', '4w', '30d']
    """
    text = ""
    for unit in ("y", "w", "d", "h", "m", "s", "ms"):
        # Years and weeks are written only when nothing is left over.
        if unit in {"y", "w"} and duration_ms % UNIT_MS[unit]:
            continue
        if count := duration_ms // UNIT_MS[unit]:
            text += f"{count}{unit}"
            duration_ms -= count * UNIT_MS[unit]
    return text


def _duration(value: object) -> int:
    text = str(value)
    parts = re.findall(r"(\d{1,6})(ms|[smhdwy])", text)
    total = sum(int(count) * UNIT_MS[unit] for count, unit in parts)
    if not total or "".join(count + unit for count, unit in parts) != text:
        raise ValueError(f"{text[:40]!r} is not a duration such as 5m, 6h or 30d")
    return total


def _text(value: object) -> object:
    """YAML of other tools' making writes numbers and truth values without quotes; labels are text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | Decimal) else value


def _some(value: object) -> object:
    if isinstance(value, list) and not value:
        raise ValueError("none given")
    return value


_Duration = Annotated[int, BeforeValidator(_duration)]
_Texts = dict[str, Annotated[str, BeforeValidator(_text)]]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Window(_Frozen):
    error_budget_percent: Decimal = Field(alias="errorBudgetPercent", gt=0)
    short_ms: _Duration = Field(alias="shortWindow")
    long_ms: _Duration = Field(alias="longWindow")

    def factor(self, period_ms: int) -> float:
        """Burn rate that spends the share of the budget, in Sloth's order of operations."""
        hours = float(self.error_budget_percent) * (period_ms / _HOUR_MS) / 100
        return hours / (self.long_ms / _HOUR_MS)


class Speeds(_Frozen):
    quick: _Window
    slow: _Window


class Windows(_Frozen):
    period_ms: _Duration = Field(alias="sloPeriod")
    page: Speeds
    ticket: Speeds


class _AlertWindows(_Frozen):
    apiVersion: Literal["sloth.slok.dev/v1"]  # noqa: N815 - Sloth's own
    kind: Literal["AlertWindows"]
    spec: Windows


def _either(snake: str, camel: str) -> Any:
    """A field as the file format or as the Kubernetes object spells it."""
    return Field(validation_alias=AliasChoices(snake, camel))


class _Raw(_Frozen):
    error_ratio_query: str = _either("error_ratio_query", "errorRatioQuery")


class _Events(_Frozen):
    error_query: str = _either("error_query", "errorQuery")
    total_query: str = _either("total_query", "totalQuery")


class _Sli(_Frozen):
    raw: _Raw | None = None
    events: _Events | None = None
    plugin: Any = None


class Alert(_Frozen):
    disable: bool = False
    labels: _Texts = {}
    annotations: _Texts = {}


class _Alerting(_Frozen):
    name: str = ""
    labels: _Texts = {}
    annotations: _Texts = {}
    page: Alert = Field(default=Alert(), validation_alias=AliasChoices("page_alert", "pageAlert"))
    ticket: Alert = Field(default=Alert(), validation_alias=AliasChoices("ticket_alert", "ticketAlert"))


class _SlothSlo(_Frozen):
    name: str = Field(pattern=_SLOTH_NAME)
    objective: Decimal = Field(gt=0, lt=100)
    description: str = ""
    labels: _Texts = {}
    sli: _Sli
    alerting: _Alerting = Field(default_factory=lambda: _Alerting.model_validate({}))
    plugins: Any = None

    @model_validator(mode="before")
    @classmethod
    def _absent_blocks(cls, value: Any) -> Any:
        # `alerting:` with nothing under it is the same as none.
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class _Spec(_Frozen):
    service: str = Field(pattern=_SLOTH_NAME)
    labels: _Texts = {}
    slos: Annotated[tuple[_SlothSlo, ...], BeforeValidator(_some)]
    plugins: Any = Field(None, validation_alias=AliasChoices("slo_plugins", "sloPlugins"))


class _PrometheusV1(_Spec):
    version: Literal["prometheus/v1"]


class _Kubernetes(_Frozen):
    apiVersion: Literal["sloth.slok.dev/v1"]  # noqa: N815
    kind: Literal["PrometheusServiceLevel"]
    metadata: Any = None
    status: Any = None
    spec: _Spec


class _Query(_Frozen):
    source: Literal["prometheus", "sloth"]
    queryType: Literal["promql"]  # noqa: N815
    query: str
    metadata: Any = None


class _RatioMetrics(_Frozen):
    counter: bool | None = None
    incremental: bool | None = None
    good: _Query
    total: _Query


class _AlphaObjective(_Frozen):
    displayName: str = ""  # noqa: N815
    ratioMetrics: _RatioMetrics  # noqa: N815
    target: Decimal = Field(gt=0, lt=1)
    value: Any = None


class _AlphaWindow(_Frozen):
    """Sloth takes nothing but 30 days of OpenSLO."""

    count: Literal[30]
    unit: Literal["Day", "day"]
    isRolling: bool = True  # noqa: N815
    calendar: None = None


class _AlphaSpec(_Frozen):
    service: str = Field(pattern=_SLOTH_NAME)
    description: str = ""
    budgetingMethod: Literal["Occurrences"]  # noqa: N815
    objectives: Annotated[tuple[_AlphaObjective, ...], BeforeValidator(_some)]
    timeWindows: Annotated[tuple[_AlphaWindow, ...], BeforeValidator(_some)]  # noqa: N815


class _AlphaMetadata(_Frozen):
    name: str = Field(pattern=_SLOTH_NAME)
    displayName: str = ""  # noqa: N815


class _OpenSloAlpha(_Frozen):
    apiVersion: Literal["openslo/v1alpha"]  # noqa: N815
    kind: Literal["SLO"]
    metadata: _AlphaMetadata
    spec: _AlphaSpec


class SlothObjective(_Frozen):
    """One objective, however it was written. ``objective`` in per cent; a query holds ``{{.window}}``."""

    name: str
    service: str
    objective: float
    ratio_query: str
    labels: Mapping[str, str]
    alerting: _Alerting
    mode: str
    spec: str
    where: str

    @property
    def id(self) -> str:
        return names.slo_id(self.service, self.name)

    @property
    def identity(self) -> dict[str, str]:
        return {
            names.LABEL_ID: self.id,
            names.LABEL_SERVICE: self.service,
            names.LABEL_SLO: self.name,
        }

    @property
    def select(self) -> str:
        return "{" + ", ".join(f'{label}="{value}"' for label, value in sorted(self.identity.items())) + "}"


def windows_for(paths: Sequence[Path], period: str | None) -> Windows:
    own = _windows(paths)
    by_period = _windows(sorted(WINDOWS.glob("*.yaml"))) | own
    if period is None:
        return next(iter(own.values())) if len(own) == 1 else by_period[_duration("30d")]
    try:
        period_ms = _duration(period)
    except ValueError as error:
        raise InputError(str(error), mend="give a period such as 30d") from None
    if period_ms not in by_period:
        known = ", ".join(sorted(duration_text(ms) for ms in by_period))
        raise InputError(f"no alert windows for a period of {period}", mend=f"give some; known: {known}")
    return by_period[period_ms]


def _windows(paths: Iterable[Path]) -> dict[int, Windows]:
    """Of files and of folders of them, by period."""
    found: dict[int, Windows] = {}
    files = [file for path in paths for file in (sorted(path.glob("*.y*ml")) if path.is_dir() else [path])]
    for path in files:
        for document in read_documents(path):
            spec = document.parse(_AlertWindows).spec
            if spec.period_ms in found:
                raise InputError(
                    "a second set of windows for this period",
                    where=document.where("spec", "sloPeriod"),
                    mend="keep one of them",
                )
            found[spec.period_ms] = spec
    return found


def objectives_of(document: Document) -> list[SlothObjective]:
    head = document.value if isinstance(document.value, dict) else {}
    if "version" in head:
        spec = document.parse(_PrometheusV1)
        return _of_spec(spec, document, (), "cli-gen-prom", "prometheus/v1")
    kind = (head.get("apiVersion"), head.get("kind"))
    if kind == ("sloth.slok.dev/v1", "PrometheusServiceLevel"):
        found = document.parse(_Kubernetes).spec
        return _of_spec(found, document, ("spec",), "cli-gen-k8s", "sloth.slok.dev/v1")
    if kind == ("openslo/v1alpha", "SLO"):
        return _of_alpha(document.parse(_OpenSloAlpha), document)
    raise InputError(
        "no Sloth specification",
        where=document.where(),
        mend="begin with `version: prometheus/v1`; for OpenSLO v1 leave out --format sloth",
    )


def _of_spec(spec: _Spec, document: Document, at: Loc, mode: str, named: str) -> list[SlothObjective]:
    if spec.plugins is not None:
        key = "slo_plugins" if mode == "cli-gen-prom" else "sloPlugins"
        raise InputError(_PLUGIN, where=document.where(*at, key), mend="write its rules out")
    _check_labels(spec.labels, document, (*at, "labels"))
    slos = []
    for i, slo in enumerate(spec.slos):
        loc = (*at, "slos", i)
        for plugin, field in ((slo.sli.plugin, ("sli", "plugin")), (slo.plugins, ("plugins",))):
            if plugin is not None:
                raise InputError(
                    _PLUGIN, where=document.where(*loc, *field), mend="write the query out as `raw`"
                )
        _check_labels(slo.labels, document, (*loc, "labels"))
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
            )
        )
    return slos


def _of_alpha(found: _OpenSloAlpha, document: Document) -> list[SlothObjective]:
    """Sloth numbers the objectives of a document, turns good ÷ total round, and makes no alerts of them."""
    quiet = _Alerting.model_validate({"page_alert": {"disable": True}, "ticket_alert": {"disable": True}})
    slos = []
    for i, objective in enumerate(found.spec.objectives):
        good, total = objective.ratioMetrics.good.query, objective.ratioMetrics.total.query
        loc = ("spec", "objectives", i, "ratioMetrics")
        for query, part in ((good, "good"), (total, "total")):
            _check_window(query, document, (*loc, part, "query"))
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


def _ratio(sli: _Sli, document: Document, loc: Loc) -> str:
    if (sli.raw is None) == (sli.events is None):
        raise InputError(
            "one of `events` and `raw` says what is bad", where=document.where(*loc), mend="give one"
        )
    if sli.raw is not None:
        _check_window(sli.raw.error_ratio_query, document, (*loc, "raw"))
        return f"({sli.raw.error_ratio_query})"
    assert sli.events is not None
    error, total = sli.events.error_query, sli.events.total_query
    if error == total:
        raise InputError("both queries are the same", where=document.where(*loc, "events"), mend="check them")
    for query in (error, total):
        _check_window(query, document, (*loc, "events"))
    return f"({error})\n/\n({total})\n"


def _check_window(query: str, document: Document, loc: Loc) -> None:
    rest = WINDOW_TEMPLATE.sub("", query)
    if rest == query or "{{" in rest:
        what = "a query without {{.window}}" if rest == query else "a template other than {{.window}}"
        raise InputError(what, where=document.where(*loc), mend="write the range as [{{.window}}]")


def _check_labels(labels: Mapping[str, str], document: Document, loc: Loc) -> None:
    for label in labels:
        if not _LABEL.fullmatch(label) or label == "__name__":
            raise InputError(
                f"{label!r} is not a Prometheus label name",
                where=document.where(*loc, label),
                mend="letters, digits and underscores",
            )


def _check_alerting(alerting: _Alerting, document: Document, loc: Loc) -> None:
    alerts = [alert for alert in (alerting.page, alerting.ticket) if not alert.disable]
    if alerts and not alerting.name:
        raise InputError(
            "alerts without a name", where=document.where(*loc), mend="name them, or disable both"
        )
    for alert in alerts:
        for texts in (alerting.labels, alerting.annotations, alert.labels, alert.annotations):
            _check_labels(texts, document, loc)
