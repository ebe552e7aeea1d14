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
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from alerts import names
from alerts.alerting import check_policy, policy_of
from alerts.indicator import Composite, CountRatio, Indicator, Part, RawRatio, Slices, Threshold
from alerts.objective import Objective
from alerts.objects import Found, ObjectiveRefused, Objects, read_objects
from alerts.openslo import (
    Sli,
    Slo,
    Target,
    TimeWindow,
)
from alerts.policy import Policy, duration_text, load_policies
from alerts.queries import ratio_indicator, threshold_indicator
from alerts.source import Document

__all__ = ["CountRatio", "Objective", "ObjectiveRefused", "RawRatio", "load", "read", "shipped"]

SHIPPED = Path(__file__).parent / "objectives"
_USUAL_WINDOW = {"duration": "30d", "isRolling": True}


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
    calendar = window.period if window.calendar is not None else None
    period_ms = window.nominal_ms
    name, own_policy, notified = policy_of(slo, document, objects, policies, period_ms)
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
        check_policy(objective, policies, document)
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
