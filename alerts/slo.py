"""Objectives: what is promised, read from OpenSLO v1 and checked before anything believes it.

A query is a sum of per-minute count gauges (``playhead_starts + playhead_exits_before_start``), so that
Prometheus and the local evaluation read the same counts. What OpenSLO leaves open is settled so:

- a threshold on a ratio of gauges judges each minute with traffic; one on a percentile of the catalogue is the exact
  count of events beyond its value, where the event clock has that count;
- a slice of time without events is not counted, neither good nor bad;
- objectives with indicators of their own are one composite: the weighted mean of their shares of bad events,
  against the weighted mean of their targets;
- several objectives of one indicator are several promises, numbered from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from alerts import names
from alerts.calendar import CalendarPeriod
from alerts.conditions import Condition, ConditionPolicy, condition, conditions_policy, no_alerts
from alerts.indicator import Composite, Counted, CountRatio, Indicator, Part, RawRatio, Slices, Threshold
from alerts.objects import Found, ObjectiveRefused, Objects, read_objects
from alerts.openslo import (
    AlertCondition,
    AlertPolicy,
    ConditionRef,
    PolicyRef,
    Sli,
    Slo,
    Target,
    TargetRef,
    TimeWindow,
)
from alerts.policy import BaselinePolicy, BurnPolicy, Policy, duration_text, load_policies, parse_duration
from alerts.queries import ratio_indicator, threshold_indicator
from alerts.source import Document
from metrics.errors import did_you_mean

__all__ = ["CountRatio", "Objective", "ObjectiveRefused", "RawRatio", "load", "read", "shipped"]

SHIPPED = Path(__file__).parent / "objectives"
NO_ALERTS = "none"
_USUAL_WINDOW = {"duration": "30d", "isRolling": True}


class Objective(BaseModel):
    """One promise: at least ``target`` of the events of a period are good.

    The period is the last ``period_ms``, or a period of ``calendar``. ``policy`` names the alert policy;
    ``own_policy`` is one that stands with the objective itself. ``where`` is the ``file:line`` it was read from.
    Shares are 0..1, exact.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    about: str
    service: str
    target: Decimal
    indicator: Indicator
    period_ms: int
    calendar: CalendarPeriod | None = None
    policy: str
    own_policy: ConditionPolicy | None = None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    where: str

    @property
    def budget(self) -> Decimal:
        """Share of events that may be bad."""
        return 1 - self.target

    @property
    def id(self) -> str:
        """Identity in rules and labels."""
        return names.slo_id(self.service, self.name)

    @property
    def in_contract(self) -> bool:
        """Part of the promise to viewers; companions are watched but not promised."""
        return self.labels.get("promise") != "companion"

    def watched_by(self, policies: Mapping[str, Policy]) -> Policy | None:
        """Its alert policy: its own, or the one of ``policies`` it names."""
        return self.own_policy or policies.get(self.policy)


def shipped() -> list[Path]:
    """The files of the user contract's own objectives."""
    return sorted(SHIPPED.glob("*.yaml"))


def load(paths: Iterable[Path] = (), policies: Mapping[str, Policy] | None = None) -> list[Objective]:
    """The objectives of ``paths`` (the shipped ones where none is given), each one checked.

    Raises :class:`~metrics.errors.InputError` with ``file:line`` at the first document that cannot be read,
    and :class:`ObjectiveRefused` at the first that could not be kept to.
    """
    objectives = []
    for objective in read(paths, policies):
        if isinstance(objective, ObjectiveRefused):
            raise objective
        objectives.append(objective)
    return objectives


def read(
    paths: Iterable[Path] = (), policies: Mapping[str, Policy] | None = None
) -> list[Objective | ObjectiveRefused]:
    """As :func:`load`, but a refused objective stands in the list as the reason for it.

    Files of other objects alone give an empty list.
    """
    policies = load_policies() if policies is None else policies
    objects = read_objects(list(paths) or shipped())
    found: list[Objective | ObjectiveRefused] = []
    seen: dict[str, str] = {}
    for slo in objects.slos:
        assert isinstance(slo.model, Slo)
        try:
            for objective in _objectives(slo.model, slo.document, objects, policies):
                if objective.id in seen:
                    raise ObjectiveRefused(
                        f"objective {objective.id!r} stands at {seen[objective.id]} already",
                        where=slo.document.where("metadata", "name"),
                        mend="rename one of them",
                    )
                seen[objective.id] = objective.where
                found.append(objective)
        except ObjectiveRefused as refused:
            found.append(refused)
    return found


# --- of a document ----------------------------------------------------------------------------------------


def _objectives(
    slo: Slo, document: Document, objects: Objects, policies: Mapping[str, Policy]
) -> list[Objective]:
    spec = slo.spec
    window = spec.timeWindow[0] if spec.timeWindow else TimeWindow.model_validate(_USUAL_WINDOW)
    calendar = None
    if window.calendar is not None:
        count, unit = window.duration
        at = window.calendar
        calendar = CalendarPeriod(start=at.startTime, zone=at.timeZone, count=count, unit=unit)
        period_ms = calendar.nominal_ms
    else:
        period_ms = parse_duration("".join(map(str, window.duration)))
    name, own_policy, notified = _policy(slo, document, objects, policies, period_ms)
    labels = _labels(slo.metadata.labels, document)
    objectives = []
    for suffix, title, target, indicator in _promises(slo, document, objects):
        objective = Objective(
            name=slo.metadata.name + suffix,
            title=title,
            about=spec.description,
            service=spec.service,
            target=target,
            indicator=indicator,
            period_ms=period_ms,
            calendar=calendar,
            policy=name,
            own_policy=own_policy,
            labels=labels | ({"notify": notified} if notified else {}),
            annotations=_as_prometheus_names(slo.metadata.annotations, document, "annotations"),
            where=document.where("metadata", "name"),
        )
        _check_policy(objective, policies, document)
        objectives.append(objective)
    return objectives


def _promises(slo: Slo, document: Document, objects: Objects) -> list[tuple[str, str, Decimal, Indicator]]:
    """Suffix of the name, title, target and indicator of each promise."""
    title = slo.metadata.displayName or slo.metadata.name
    own = [one.indicator is not None or one.indicatorRef is not None for one in slo.spec.objectives]
    for i, one in enumerate(slo.spec.objectives):
        _check_target(one.ratio, document.where("spec", "objectives", i))
    if any(own) and len(own) > 1:
        target, composite = _composite(slo, document, objects)
        return [("", title, target, composite)]
    promises: list[tuple[str, str, Decimal, Indicator]] = []
    for i, one in enumerate(slo.spec.objectives):
        sli = _sli(
            one if any(own) else slo.spec,
            document,
            ("spec", "objectives", i) if any(own) else ("spec",),
            objects,
        )
        counted: Indicator = _indicator(sli, one, document, i, objects)
        if slo.spec.budgetingMethod == "Timeslices":
            counted = _sliced(counted, one, document.where("spec", "objectives", i))
        is_only = len(slo.spec.objectives) == 1
        full = title if is_only or one.displayName is None else f"{title}: {one.displayName}"
        promises.append(("" if is_only else f"-{i}", full, one.ratio, counted))
    return promises


def _check_target(target: Decimal, where: str) -> None:
    if not 0 < target < 1:
        raise ObjectiveRefused(
            f"an objective of {target:f} leaves {'no' if target else 'nothing but'} budget",
            where=where,
            mend="give a target between 0 and 1",
        )


def _sli(holder: object, document: Document, at: tuple[str | int, ...], objects: Objects) -> Found[Sli]:
    """The indicator that stands in ``holder`` (at ``at``), or the one it refers to."""
    reference = getattr(holder, "indicatorRef")  # noqa: B009 - an SLO's spec and an objective both have it
    if reference is not None:
        return objects.get(Sli, reference, document.where(*at, "indicatorRef"))
    inline = getattr(holder, "indicator")  # noqa: B009
    # What is read of either is its spec, and both have it in the same place.
    return Found(inline, document.below(*at, "indicator"))


def _indicator(
    sli: Found[Sli], objective: Target, document: Document, i: int, objects: Objects
) -> CountRatio | Threshold | RawRatio:
    spec = sli.model.spec
    where = document.where("spec", "objectives", i)
    if spec.ratioMetric is not None:
        if objective.value is not None:
            raise ObjectiveRefused(
                "`value` stands with a thresholdMetric",
                where=where,
                mend="leave it out of a ratio's objective",
            )
        return ratio_indicator(spec.ratioMetric, sli.document, ("spec", "ratioMetric"), objects)
    assert spec.thresholdMetric is not None
    loc = ("spec", "thresholdMetric", "metricSource")
    source = spec.thresholdMetric.metricSource
    return threshold_indicator(source, objective, sli.document, loc, where, objects)


def _sliced(counted: Indicator, objective: Target, where: str) -> Slices:
    if isinstance(counted, RawRatio):
        raise ObjectiveRefused(
            "a raw ratio has no counts to slice", where=where, mend="budget it by Occurrences"
        )
    assert isinstance(counted, CountRatio | Threshold)
    assert objective.timeSliceTarget is not None
    assert objective.timeSliceWindow is not None
    if 86_400_000 % objective.timeSliceWindow:
        raise ObjectiveRefused(
            f"slices of {duration_text(objective.timeSliceWindow)} do not fill a day",
            where=where,
            mend="take a length that does, such as 1m, 5m or 1h",
        )
    if isinstance(counted, CountRatio) and objective.op in {"lt", "lte"}:
        raise ObjectiveRefused(
            f"`op: {objective.op}` would call a slice good for its bad events",
            where=where,
            mend="leave `op` out, or write gte",
        )
    return Slices(of=counted, slice_ms=objective.timeSliceWindow, good_ratio=objective.timeSliceTarget)


def _composite(slo: Slo, document: Document, objects: Objects) -> tuple[Decimal, Composite]:
    """The parts, and the weighted mean of their targets."""
    parts, weights, weighted = [], Decimal(0), Decimal(0)
    for i, one in enumerate(slo.spec.objectives):
        at = ("spec", "objectives", i)
        where = document.where(*at)
        if slo.spec.budgetingMethod == "Timeslices":
            raise ObjectiveRefused(
                "a composite is not read in slices", where=where, mend="budget it by Occurrences"
            )
        sli = _sli(one, document, at, objects)
        counted = _indicator(sli, one, document, i, objects)
        if not isinstance(counted, CountRatio):
            raise ObjectiveRefused(
                "a part of a composite counts events", where=where, mend="give it bad or good and total"
            )
        weight = one.compositeWeight if one.compositeWeight is not None else Decimal(1)
        named = sli.model.metadata.name if sli.model.metadata else f"part {i}"
        parts.append(Part(title=one.displayName or named, of=counted, weight=weight))
        weights += weight
        weighted += weight * one.ratio
    return weighted / weights, Composite(parts=tuple(parts))


def _labels(labels: Mapping[str, str | list[str]], document: Document) -> dict[str, str]:
    for label in labels:
        if label in names.RESERVED_LABELS or label.startswith(("sloth_", "__")):
            raise ObjectiveRefused(
                f"label {label!r} is taken",
                where=document.where("metadata", "labels", label),
                mend="rename it",
            )
    texts = {k: v if isinstance(v, str) else ",".join(v) for k, v in labels.items()}
    return _as_prometheus_names(texts, document, "labels")


def _as_prometheus_names(texts: Mapping[str, str], document: Document, field: str) -> dict[str, str]:
    """OpenSLO's keys may hold dashes, dots and slashes, which Prometheus has no place for in a name."""
    found: dict[str, str] = {}
    for key, text in texts.items():
        name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
        name = f"_{name}" if not name or name[0].isdecimal() else name
        if name in found or name in names.RESERVED_LABELS:
            raise ObjectiveRefused(
                f"{key!r} is {name} to Prometheus, which is taken",
                where=document.where("metadata", field, key),
                mend="rename it: letters, digits and underscores",
            )
        found[name] = text
    return found


# --- alerts -----------------------------------------------------------------------------------------------


def _policy(
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


def _check_policy(objective: Objective, policies: Mapping[str, Policy], document: Document) -> None:
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
