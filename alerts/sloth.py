"""Sloth's own specifications as the rules that Sloth makes of them, expression for expression.

Read are ``prometheus/v1``, the Kubernetes object ``PrometheusServiceLevel`` and OpenSLO ``v1alpha`` (whose good
events Sloth turns into a raw ratio), and ``AlertWindows``. Numbers are made by the same operations on floats as
Sloth makes them, so that a threshold is the same to the last bit. Plugins that Sloth ships are honoured
where they need no Go (:mod:`alerts.sloth_plugins`).

The rules are Sloth's to the end: the period's ratio is a mean of ratios, and without traffic a ratio is NaN. Playhead's
own rules (:mod:`alerts.compile`) have neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alerts import names
from alerts.sloth_alpha import objectives_of_alpha
from alerts.sloth_base import UNIT_MS, WINDOW_TEMPLATE, Alert, SlothObjective, prometheus_duration
from alerts.sloth_native import objectives_of_file, objectives_of_kubernetes
from alerts.sloth_plugins import applied
from alerts.sloth_windows import Speeds, Windows, windows_for
from alerts.source import Document, read_documents
from metrics.errors import InputError

__all__ = ["sloth_rules"]


def sloth_rules(
    files: Sequence[Path],
    *,
    windows: Iterable[Path] = (),
    labels: Mapping[str, str] | None = None,
    period: str | None = None,
) -> dict[str, Any]:
    """The rule file that Sloth would write for the specifications of ``files``, as plain data.

    ``windows`` are ``AlertWindows`` files; they replace the shipped ones of the same period. ``labels`` go onto
    every recorded series, and ``period`` is the one of all objectives, as on Sloth's command line: 30 days, or that
    of the only windows given. Raises
    :class:`~metrics.errors.InputError` with ``file:line`` for what cannot be read or needs a plugin.
    """
    chosen = windows_for(list(windows), period)
    groups: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    for path in files:
        documents = read_documents(path)
        if not documents:
            raise InputError("no document in it", where=str(path), mend="write a Sloth specification")
        for document in documents:
            for slo in _objectives(document):
                if slo.id in seen:
                    raise InputError(
                        f"objective {slo.id!r} stands at {seen[slo.id]} already",
                        where=slo.where,
                        mend="rename one of them",
                    )
                seen[slo.id] = slo.where
                groups += applied(_groups(slo, chosen, dict(labels or {})), slo.plugins)
    return {"groups": groups}


def _objectives(document: Document) -> list[SlothObjective]:
    head = document.value if isinstance(document.value, dict) else {}
    if "version" in head:
        return objectives_of_file(document)
    kind = (head.get("apiVersion"), head.get("kind"))
    if kind == ("sloth.slok.dev/v1", "PrometheusServiceLevel"):
        return objectives_of_kubernetes(document)
    if kind == ("openslo/v1alpha", "SLO"):
        return objectives_of_alpha(document)
    raise InputError(
        "no Sloth specification",
        where=document.where(),
        mend="begin with `version: prometheus/v1`; for OpenSLO v1 leave out --format sloth",
    )


def _groups(slo: SlothObjective, windows: Windows, extra: Mapping[str, str]) -> list[dict[str, Any]]:
    labels = {**slo.identity, **slo.labels, **extra}
    groups = [
        {"name": f"sloth-slo-sli-recordings-{slo.id}", "rules": _sli_rules(slo, windows, labels)},
        {"name": f"sloth-slo-meta-recordings-{slo.id}", "rules": _meta_rules(slo, windows, labels)},
    ]
    alerts = [
        _alert(slo, severity, alert, speeds, windows.period_ms)
        for severity, alert, speeds in (
            ("page", slo.alerting.page, windows.page),
            ("ticket", slo.alerting.ticket, windows.ticket),
        )
        if not alert.disable
    ]
    if alerts:
        groups.append({"name": f"sloth-slo-alerts-{slo.id}", "rules": alerts})
    return groups


def _sli_rules(slo: SlothObjective, windows: Windows, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    pairs = (windows.page.quick, windows.page.slow, windows.ticket.quick, windows.ticket.slow)
    exprs = {
        ms: WINDOW_TEMPLATE.sub(prometheus_duration(ms), slo.ratio_query)
        for ms in sorted({pair.short_ms for pair in pairs} | {pair.long_ms for pair in pairs})
    }
    short = f"{names.error_ratio(prometheus_duration(windows.page.quick.short_ms))}{slo.select}"
    period = prometheus_duration(windows.period_ms)
    exprs[windows.period_ms] = (
        f"sum_over_time({short}[{period}])\n/ ignoring ({names.LABEL_WINDOW})\ncount_over_time({short}[{period}])\n"
    )
    return [
        {
            "record": names.error_ratio(prometheus_duration(ms)),
            "expr": expr,
            "labels": {**labels, names.LABEL_WINDOW: prometheus_duration(ms)},
        }
        for ms, expr in exprs.items()
    ]


def _meta_rules(slo: SlothObjective, windows: Windows, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    ratio = slo.objective / 100
    current = names.error_ratio(prometheus_duration(windows.page.quick.short_ms))
    period = names.error_ratio(prometheus_duration(windows.period_ms))
    on = f"/ on({names.LABEL_ID}, {names.LABEL_SLO}, {names.LABEL_SERVICE}) group_left"
    burn = f"{{}}{slo.select}\n{on}\n{names.ERROR_BUDGET}{slo.select}\n"
    rules = {
        names.OBJECTIVE: f"vector({ratio!r})",
        names.ERROR_BUDGET: f"vector(1-{ratio!r})",
        names.PERIOD_DAYS: f"vector({windows.period_ms / UNIT_MS['d']:g})",
        names.CURRENT_BURN: burn.replace("{}", current, 1),
        names.PERIOD_BURN: burn.replace("{}", period, 1),
        names.PERIOD_BUDGET_LEFT: f"1 - {names.PERIOD_BURN}{slo.select}",
        names.SLO_INFO: "vector(1)",
    }
    info = {
        "sloth_mode": slo.mode,
        names.LABEL_OBJECTIVE: repr(slo.objective).removesuffix(".0"),
        "sloth_spec": slo.spec,
        "sloth_version": "dev",
    }
    return [
        {
            "record": name,
            "expr": expr,
            "labels": {**labels, **info} if name == names.SLO_INFO else dict(labels),
        }
        for name, expr in rules.items()
    ]


def _alert(
    slo: SlothObjective, severity: str, alert: Alert, speeds: Speeds, period_ms: int
) -> dict[str, Any]:
    # Per cent first and divided after: 99.9 leaves 0.0999999999999943 there, and dashboards compare texts.
    budget = (100 - slo.objective) / 100

    def over(window_ms: int, factor: float) -> str:
        ratio = f"{names.error_ratio(prometheus_duration(window_ms))}{slo.select}"
        return (
            f"max({ratio} > ({repr(factor).removesuffix('.0')} * {budget!r})) without ({names.LABEL_WINDOW})"
        )

    pairs = [
        f"(\n    {over(pair.short_ms, factor)}\n    and\n    {over(pair.long_ms, factor)}\n)"
        for pair in (speeds.quick, speeds.slow)
        for factor in (pair.factor(period_ms),)
    ]
    whose = "{{$labels.sloth_service}} {{$labels.sloth_slo}} SLO error budget burn rate is"
    annotations = {
        "summary": f"{whose} over expected.",
        "title": f"({severity}) {whose} too fast.",
    }
    return {
        "alert": slo.alerting.name,
        "expr": "\nor\n".join(pairs) + "\n",
        "labels": {names.LABEL_SEVERITY: severity, **slo.alerting.labels, **alert.labels},
        "annotations": {**annotations, **slo.alerting.annotations, **alert.annotations},
    }
