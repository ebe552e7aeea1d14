"""The series that are recorded for an objective: shares of bad events by window, budgets, Sloth's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from alerts import expressions, names
from alerts.indicator import Counted
from alerts.policy import BurnPolicy, Usual, duration_text
from alerts.slo import Objective

__all__ = ["identity", "meta_rules", "period_name", "share_rules"]

_CURRENT_MS = 300_000
# Three years of months; what is a day long wants compiling anew every other month.
_PERIODS_AHEAD = 40


def share_rules(
    objective: Objective, indicator: Counted, policy: BurnPolicy, by: tuple[str, ...], now_ms: int
) -> list[dict[str, Any]]:
    select = identity(objective)
    rules = [
        record(name, expr, objective, labels=labels)
        for name, labels, expr in expressions.minute_sums(indicator, by, select)
    ]
    pairs = [pair for severity in policy.severities.values() for pair in severity]
    windows = windows_of(policy)
    for window_ms in windows:
        window = duration_text(window_ms)
        expr = expressions.share(indicator, window_ms, by, select)
        rules.append(record(names.error_ratio(window), expr, objective, window))
    guarded = {pair.long_ms for pair in pairs}.union(*(pair.evidence for pair in pairs))
    for window_ms in sorted(guarded):
        window = duration_text(window_ms)
        expr = (
            f"({expressions.bad_events(indicator, window, by)})\n"
            f"* {expressions.gauges_sum([names.ATTEMPTS], window, by)}\n"
            f"/ {expressions.gauges_sum([names.ATTEMPTS_WEIGHT_SQUARED], window, by)}"
        )
        rules.append(record(names.BAD_EFFECTIVE + window, expr, objective, window))
    if policy.usual is not None:
        rules.append(_usual(objective, policy.usual))
    calendar = objective.calendar
    if calendar is None and objective.period_ms in windows:
        return rules
    longest_ms = objective.period_ms
    if calendar is not None:
        starts_ms = calendar.starts_ms(now_ms, _PERIODS_AHEAD)
        longest_ms = max(after - before for before, after in pairwise(starts_ms))
        rules.append(record(names.PERIOD_START, expressions.period_start(starts_ms), objective))
    by_period = calendar is not None
    for name, expr in (
        *expressions.since_hour(select),
        *expressions.whole_hours(select, by_period=by_period),
    ):
        rules.append(record(name, expr, objective))
    expr = expressions.period_share(indicator, longest_ms, select, by_period=by_period)
    rules.append(record(period_name(objective, policy), expr, objective, duration_text(objective.period_ms)))
    return rules


def meta_rules(objective: Objective, period: str) -> list[dict[str, Any]]:
    select = identity(objective)
    on = "/ on(sloth_id, sloth_slo, sloth_service) group_left"
    budget = f"{names.ERROR_BUDGET}{select}"
    current = names.error_ratio(duration_text(_CURRENT_MS))
    info = record(names.SLO_INFO, "vector(1)", objective)
    percent = f"{(objective.target * 100).normalize():f}"
    info["labels"] |= {
        names.LABEL_OBJECTIVE: percent,
        "sloth_mode": "playhead",
        "sloth_spec": "openslo/v1",
        "sloth_version": "playhead",
    }
    return [
        record(names.OBJECTIVE, f"vector({objective.target:f})", objective),
        record(names.ERROR_BUDGET, f"vector({objective.budget:f})", objective),
        record(names.PERIOD_DAYS, f"vector({objective.period_ms / 86_400_000:g})", objective),
        record(names.CURRENT_BURN, f"{current}{select}\n{on}\n{budget}", objective),
        record(names.PERIOD_BURN, f"{period}{select}\n{on}\n{budget}", objective),
        record(names.PERIOD_BUDGET_LEFT, f"1 - {names.PERIOD_BURN}{select}", objective),
        info,
    ]


def period_name(objective: Objective, policy: BurnPolicy) -> str:
    """The recorded share of the period, Sloth's where no window of another meaning has that name."""
    if objective.calendar is not None and objective.period_ms in windows_of(policy):
        return names.error_ratio("_period")
    return names.error_ratio(duration_text(objective.period_ms))


def windows_of(policy: BurnPolicy) -> list[int]:
    """Lengths of all windows that a share is recorded of, rising."""
    pairs = [pair for severity in policy.severities.values() for pair in severity]
    told = () if policy.usual is None else policy.usual.over_ms
    return sorted({_CURRENT_MS, *told, *(w for pair in pairs for w in (pair.short_ms, pair.long_ms))})


def _usual(objective: Objective, usual: Usual) -> dict[str, Any]:
    """The least share of bad events over the windows that tell what is usual, within its bounds."""
    select, budget = identity(objective), f"{objective.budget:f}"
    shares = " or ".join(
        f"{names.error_ratio(duration_text(window_ms))}{select}" for window_ms in usual.over_ms
    )
    most = f"({expressions.number(float(usual.burn_maximum))} * {budget})"
    expr = f"clamp(min without ({names.LABEL_WINDOW}) ({shares}), {budget}, {most})"
    return record(names.USUAL, expr, objective)


def identity(objective: Objective) -> str:
    labels = {
        names.LABEL_ID: objective.id,
        names.LABEL_SERVICE: objective.service,
        names.LABEL_SLO: objective.name,
    }
    return "{" + ", ".join(f'{label}="{value}"' for label, value in labels.items()) + "}"


def record(
    record: str,
    expr: str,
    objective: Objective,
    window: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    labels = {
        **(labels or {}),
        **objective.labels,
        names.LABEL_ID: objective.id,
        names.LABEL_SERVICE: objective.service,
        names.LABEL_SLO: objective.name,
    }
    if window is not None:
        labels[names.LABEL_WINDOW] = window
    return {"record": record, "expr": expr, "labels": labels}
