"""What Sloth's specifications have in common: durations, labels, alerts, and the objective that each comes to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from alerts import names
from alerts.sloth_plugins import Plugin
from alerts.source import Document, Loc
from metrics.errors import InputError

__all__ = [
    "NAME", "UNIT_MS", "WINDOW_TEMPLATE", "Alert", "Alerting", "Duration", "Frozen", "SlothObjective", "Texts",
    "check_labels", "check_window", "either", "parse_duration", "prometheus_duration", "some",
]  # fmt: skip

UNIT_MS = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000,
}  # fmt: skip
WINDOW_TEMPLATE = re.compile(r"\{\{-?\s*\.window\s*-?\}\}")
NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def prometheus_duration(duration_ms: int) -> str:
    """A duration as Prometheus prints one: 28 days are four weeks, 36 hours a day and twelve.

    >>> [prometheus_duration(hours * 3_600_000) for hours in (1, 36, 168, 672, 720)]
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


def parse_duration(value: object) -> int:
    text = str(value)
    parts = re.findall(r"(\d{1,6})(ms|[smhdwy])", text)
    total = sum(int(count) * UNIT_MS[unit] for count, unit in parts)
    if not total or "".join(count + unit for count, unit in parts) != text:
        raise ValueError(f"{text[:40]!r} is not a duration such as 5m, 6h or 30d")
    return total


def _as_text(value: object) -> object:
    """YAML of other tools' making writes numbers and truth values without quotes; labels are text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | Decimal) else value


def some(value: object) -> object:
    if isinstance(value, list) and not value:
        raise ValueError("none given")
    return value


Duration = Annotated[int, BeforeValidator(parse_duration)]
Texts = dict[str, Annotated[str, BeforeValidator(_as_text)]]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def either(snake: str, camel: str) -> Any:
    """A field as the file format or as the Kubernetes object spells it."""
    return Field(validation_alias=AliasChoices(snake, camel))


class Alert(Frozen):
    disable: bool = False
    labels: Texts = {}
    annotations: Texts = {}


class Alerting(Frozen):
    name: str = ""
    labels: Texts = {}
    annotations: Texts = {}
    page: Alert = Field(default=Alert(), validation_alias=AliasChoices("page_alert", "pageAlert"))
    ticket: Alert = Field(default=Alert(), validation_alias=AliasChoices("ticket_alert", "ticketAlert"))


class SlothObjective(Frozen):
    """One objective, however it was written. ``objective`` in per cent; a query holds ``{{.window}}``."""

    name: str
    service: str
    objective: float
    ratio_query: str
    labels: Mapping[str, str]
    alerting: Alerting
    mode: str
    spec: str
    where: str
    plugins: tuple[Plugin, ...] = ()

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


def check_window(query: str, document: Document, loc: Loc) -> None:
    rest = WINDOW_TEMPLATE.sub("", query)
    if rest == query or "{{" in rest:
        what = "a query without {{.window}}" if rest == query else "a template other than {{.window}}"
        raise InputError(what, where=document.where(*loc), mend="write the range as [{{.window}}]")


def check_labels(labels: Mapping[str, str], document: Document, loc: Loc) -> None:
    for label in labels:
        if not LABEL.fullmatch(label) or label == "__name__":
            raise InputError(
                f"{label!r} is not a Prometheus label name",
                where=document.where(*loc, label),
                mend="letters, digits and underscores",
            )
