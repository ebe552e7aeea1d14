"""The alerts of an objective, and the one that speaks where its counts have fallen silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alerts import expressions, names
from alerts.evidence import expression
from alerts.policy import BurnPolicy, Pair, duration_text
from alerts.recording_rules import identity
from alerts.slo import Objective

__all__ = ["Links", "alert_rule", "literal", "missing_rules"]

_MISSING_MS = 600_000


class Links:
    """Where an alert sends the person it wakes."""

    def __init__(self, runbooks_url: str, dashboard_url: str) -> None:
        self.runbooks_url, self.dashboard_url = runbooks_url, dashboard_url

    def of(self, objective: Objective) -> dict[str, str]:
        ours = {
            "runbook_url": f"{self.runbooks_url}#{objective.name}",
            "dashboard_url": f"{self.dashboard_url}?objective={objective.name}",
        }
        return ours | {key: literal(text) for key, text in objective.annotations.items()}


def literal(text: str) -> str:
    """``text`` as a Prometheus template that prints it: what a user wrote is never run.

    >>> literal("100 {{ $value }}")
    '100 {{"{"}}{{"{"}} $value }}'
    """
    # Brace by brace: replacing pairs would let the last of three join with what follows it.
    return text.replace("{", '{{"{"}}')


def alert_rule(
    objective: Objective, policy: BurnPolicy, severity: str, pairs: Sequence[Pair], links: Links
) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "alert": names.alert_name(objective.name),
        "expr": "\nor\n".join(_pair(objective, policy, pair) for pair in pairs),
    }
    if pending_ms := policy.pending_ms(severity):
        rule["for"] = duration_text(pending_ms)
    if policy.keep_firing_ms is not None:
        rule["keep_firing_for"] = duration_text(policy.keep_firing_ms)
    rule["labels"] = {
        **{key: literal(text) for key, text in objective.labels.items()},
        "severity": severity,
        names.LABEL_SEVERITY: severity,
    }
    burns = " or ".join(
        f"{expressions.number(pair.factor(policy.period_ms))} times over {pair.text}" for pair in pairs
    )
    rule["annotations"] = {
        "title": f"({severity}) {literal(objective.title)}: the error budget burns too fast",
        "summary": literal(objective.about or objective.title),
        "description": "{{ $value | humanizePercentage }} of events are bad. "
        f"Fires when the budget burns faster than {burns}.",
        **links.of(objective),
    }
    return rule


def _pair(objective: Objective, policy: BurnPolicy, pair: Pair) -> str:
    threshold = f"({expressions.number(pair.factor(policy.period_ms))} * {objective.budget:f})"
    select = identity(objective)
    long, short = duration_text(pair.long_ms), duration_text(pair.short_ms)
    over = [
        f"max({names.error_ratio(window)}{select} > {threshold}) without ({names.LABEL_WINDOW})"
        for window in dict.fromkeys((short, long))
    ]
    # `unless`, not `and`: where the weights are not exported the alert still fires.
    few = f"{names.BAD_EFFECTIVE}{long}{select} < {policy.bad_events_minimum}"
    held_back = [few, *(_unsure(objective, policy, *asked) for asked in pair.evidence.items())]
    unless = "".join(f"\n    unless\n    max({part}) without ({names.LABEL_WINDOW})" for part in held_back)
    return "(\n    " + "\n    and\n    ".join(over) + f"{unless}\n)"


def _unsure(objective: Objective, policy: BurnPolicy, window_ms: int, least: float) -> str:
    """Where a window's evidence that more than the allowed share is bad is below what is asked for."""
    window, select = duration_text(window_ms), identity(objective)
    allowed, matching = f"{objective.budget:f}", ""
    if policy.usual is not None:
        allowed, matching = f"{names.USUAL}{select}", f"ignoring ({names.LABEL_WINDOW})"
    evidence = expression(
        f"{names.BAD_EFFECTIVE}{window}{select}",
        f"{names.error_ratio(window)}{select}",
        allowed,
        matching,
    )
    return f"{evidence} < {expressions.number(least)}"


def missing_rules(gauges: Iterable[str], runbooks_url: str) -> list[dict[str, Any]]:
    """An objective without counts looks like one that is kept: silence must speak."""
    return [
        {
            "alert": "MinuteCountsMissing",
            "expr": f"absent_over_time({gauge}[{duration_text(_MISSING_MS)}])",
            "labels": {"severity": "ticket", "gauge": gauge},
            "annotations": {
                "title": f"(ticket) {gauge} has not been scraped for {duration_text(_MISSING_MS)}",
                "summary": "Objectives that count it can neither fire nor be called kept.",
                "runbook_url": f"{runbooks_url}#minute-counts-missing",
            },
        }
        for gauge in sorted(gauges)
    ]
