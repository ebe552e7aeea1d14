"""Which alert policy watches an objective, and whether it can: what could never fire is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from alerts.conditions import Condition, ConditionPolicy, condition, conditions_policy, no_alerts
from alerts.indicator import Counted, Slices
from alerts.objective import Objective
from alerts.objects import Found, ObjectiveRefused, Objects
from alerts.openslo import Slo
from alerts.openslo_alerting import AlertCondition, AlertPolicy, ConditionRef, PolicyRef, TargetRef
from alerts.policy import BaselinePolicy, BurnPolicy, Policy, duration_text
from alerts.source import Document
from metrics.errors import did_you_mean

__all__ = ["check_policy", "policy_of"]

NO_ALERTS = "none"


def policy_of(
    slo: Slo, document: Document, objects: Objects, policies: Mapping[str, Policy], period_ms: int
) -> tuple[str, ConditionPolicy | None, str]:
    """Name of the policy, the objective's own one, and whom it notifies."""
    given = slo.spec.alertPolicies
    if not given:
        return NO_ALERTS, no_alerts(period_ms), ""
    found: list[Found[AlertPolicy]] = []
    own = objects.named.get(AlertPolicy.__name__, {})
    for i, one in enumerate(given):
        where = document.where("spec", "alertPolicies", i, "alertPolicyRef")
        if not isinstance(one, PolicyRef):
            found.append(Found(one, document.below("spec", "alertPolicies", i)))
        elif one.alertPolicyRef in own:
            found.append(objects.get(AlertPolicy, one.alertPolicyRef, where))
        elif one.alertPolicyRef not in policies:
            raise ObjectiveRefused(
                f"no alert policy {one.alertPolicyRef!r}",
                where=where,
                mend=did_you_mean(one.alertPolicyRef, [*policies, *own]),
            )
        elif len(given) > 1:
            raise ObjectiveRefused(
                f"{one.alertPolicyRef} stands alone",
                where=where,
                mend="give one policy, or AlertPolicy objects",
            )
        else:
            return one.alertPolicyRef, None, ""
    return _own_policy(found, objects, period_ms)


def _own_policy(
    found: Sequence[Found[AlertPolicy]], objects: Objects, period_ms: int
) -> tuple[str, ConditionPolicy, str]:
    conditions: dict[str, tuple[Condition, ...]] = {}
    after_ms: dict[str, int] = {}
    notified: list[str] = []
    for one in found:
        spec = one.model.spec
        for i, target in enumerate(spec.notificationTargets):
            at = one.document.where("spec", "notificationTargets", i)
            name = target.targetRef if isinstance(target, TargetRef) else target.metadata.name
            _check_text(name, at)
            notified.append(name)
        wanted = spec.conditions[0]
        where = one.document.where("spec", "conditions", 0)
        if isinstance(wanted, ConditionRef):
            wanted = objects.get(AlertCondition, wanted.conditionRef, where).model
        if not spec.alertWhenBreaching:
            continue
        asked, severity = wanted.spec.condition, wanted.spec.severity
        if asked.op in {"lt", "lte"}:
            raise ObjectiveRefused(
                f"`op: {asked.op}` would alert while all is well",
                where=where,
                mend="leave `op` out, or write gt",
            )
        if severity in conditions and after_ms[severity] != asked.alertAfter:
            raise ObjectiveRefused(
                f"two conditions of severity {severity} that wait for different times",
                where=where,
                mend="give both the same alertAfter, or another severity",
            )
        conditions[severity] = (
            *conditions.get(severity, ()),
            condition(asked.lookbackWindow, asked.threshold),
        )
        after_ms[severity] = asked.alertAfter
    name = "-".join(one.model.metadata.name for one in found)[:60]
    policy = conditions_policy(name, period_ms, conditions, after_ms)
    return name, policy, ",".join(dict.fromkeys(notified))


def _check_text(text: str, where: str) -> None:
    if not re.fullmatch(r"[^\s{}\"\\]{1,120}", text):
        raise ObjectiveRefused(f"{text[:60]!r} is no name", where=where, mend="letters, digits and dashes")


def check_policy(objective: Objective, policies: Mapping[str, Policy], document: Document) -> None:
    where = document.where("spec", "alertPolicies", 0, "alertPolicyRef")
    policy = objective.watched_by(policies)
    counted = isinstance(objective.indicator, Counted)
    if isinstance(policy, BaselinePolicy):
        if counted:
            raise ObjectiveRefused(
                f"{policy.name} watches a ratio of the metric catalogue",
                where=where,
                mend="name a burn-rate policy, or give the ratio as `raw`",
            )
        return
    assert isinstance(policy, BurnPolicy)
    _check_burn_rates(objective, policy, where, document.where("spec", "timeWindow", 0))
    if not counted:
        raise ObjectiveRefused(
            f"a raw ratio has no counts to burn, so {policy.name} cannot watch it",
            where=where,
            mend="name the policy seasonal-baseline",
        )


def _check_burn_rates(objective: Objective, policy: BurnPolicy, where: str, window_where: str) -> None:
    pairs = [pair for severity in policy.severities.values() for pair in severity]
    for pair in pairs:
        if pair.long_ms > objective.period_ms:
            raise ObjectiveRefused(
                f"window {duration_text(pair.long_ms)} of {policy.name} is longer than the period of "
                f"{duration_text(objective.period_ms)}",
                where=window_where,
                mend="lengthen the period or name another policy",
            )
    if policy.period_ms != objective.period_ms:
        raise ObjectiveRefused(
            f"{policy.name} is made for a period of {duration_text(policy.period_ms)}, not "
            f"{duration_text(objective.period_ms)}",
            where=window_where,
            mend="make the two agree",
        )
    if isinstance(objective.indicator, Slices):
        shortest = min((pair.short_ms for pair in pairs), default=objective.indicator.slice_ms)
        if shortest < objective.indicator.slice_ms:
            raise ObjectiveRefused(
                f"window {duration_text(shortest)} of {policy.name} is shorter than a slice of "
                f"{duration_text(objective.indicator.slice_ms)}",
                where=where,
                mend="shorten the slices or name another policy",
            )
    never = [
        f"{severity} {pair.text} asks for {pair.factor(policy.period_ms):g} × {objective.budget:f} = "
        f"{pair.factor(policy.period_ms) * float(objective.budget):.3g} of all events"
        for severity, pairs in policy.severities.items()
        for pair in pairs
        if pair.factor(policy.period_ms) * float(objective.budget) >= 1
    ]
    if never:
        raise ObjectiveRefused(
            f"an alert of {policy.name} can never fire at an objective of {objective.target:f}: "
            + "; ".join(never),
            where=where,
            mend="name a policy with smaller budget shares, or watch the ratio with seasonal-baseline",
        )
