"""Objectives as Prometheus rules: recorded ratios, budgets, and alerts that page or ticket.

Counts are per-minute gauges, so a window's share of bad events is a ratio of sums::

    sum(sum_over_time(bad[w])) / (sum(sum_over_time(total[w])) > 0)

No extrapolation, no counter resets, no lost first event; without traffic there is no sample instead of a
NaN. The period's ratio is a ratio of sums as well, over recorded one-minute sums: cheap for 30 days, and
right where the usual mean of 5-minute ratios is wrong by the shape of the traffic.

All rules of an objective form one group, which Prometheus evaluates in order at one instant: an alert
reads the ratios recorded a moment before it, never those of another minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alerts import names
from alerts.alert_rules import Links, alert_rule, missing_rules
from alerts.indicator import Counted
from alerts.policy import BurnPolicy, Policy
from alerts.recording_rules import meta_rules, period_name, share_rules
from alerts.slo import Objective
from metrics.errors import InputError, did_you_mean

__all__ = ["compile_rules", "without_rules"]

_INTERVAL = "1m"
RUNBOOKS = "docs/runbooks.md"


def without_rules(objectives: Iterable[Objective]) -> list[Objective]:
    """Those that Prometheus cannot watch: a ratio with no counts on the event clock."""
    return [objective for objective in objectives if not isinstance(objective.indicator, Counted)]


def compile_rules(
    objectives: Sequence[Objective],
    policies: Mapping[str, Policy],
    *,
    by: Sequence[str] = (),
    runbooks_url: str = RUNBOOKS,
    dashboard_url: str = "http://127.0.0.1:8501/objectives",
    now_ms: int | None = None,
) -> dict[str, Any]:
    """The rule file of ``objectives`` as plain data (see :func:`alerts.rule_file.render`).

    ``by`` names labels (``region``, ``device``, ``cdn``) to keep apart: one alert each. Calendar periods are written
    out from ``now_ms`` (the present) on. Objectives watched by a seasonal baseline have no rules;
    :func:`without_rules` names them. Raises :class:`~metrics.errors.InputError` when no objective is left, or for a
    label the gauges do not have.
    """
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    for label in by:
        if label not in names.SLICES:
            raise InputError(f"minute counts have no label {label!r}", mend=did_you_mean(label, names.SLICES))
    groups = []
    gauges: set[str] = set()
    for objective in objectives:
        policy = objective.watched_by(policies)
        if isinstance(objective.indicator, Counted) and isinstance(policy, BurnPolicy):
            links = Links(runbooks_url, dashboard_url)
            sli_rules = share_rules(objective, objective.indicator, policy, tuple(by), now_ms)
            groups.append(_group(objective, policy, sli_rules, links))
            gauges |= {names.gauge(column) for column in objective.indicator.columns}
    if not groups:
        raise InputError("no objective that Prometheus can watch", mend="give one that counts events")
    groups.append(
        {
            "name": "playhead-minute-counts",
            "interval": _INTERVAL,
            "rules": missing_rules(gauges, runbooks_url),
        }
    )
    return {"groups": groups}


def _group(
    objective: Objective, policy: BurnPolicy, sli_rules: Sequence[dict[str, Any]], links: Links
) -> dict[str, Any]:
    rules = [
        *sli_rules,
        *meta_rules(objective, period_name(objective, policy)),
        *(
            alert_rule(objective, policy, severity, pairs, links)
            for severity, pairs in policy.severities.items()
        ),
    ]
    return {"name": f"playhead-slo-{objective.id}", "interval": _INTERVAL, "rules": rules}
