"""Objectives: what is promised, read from OpenSLO v1 and checked before anything believes it.

What is read of OpenSLO: one ``SLO`` a document, a ``ratioMetric`` (bad or good over total, or a raw ratio),
one objective, budgeting by occurrences, one rolling window, one alert policy by reference. A query is a sum
of per-minute count gauges (``playhead_starts + playhead_exits_before_start``), so that Prometheus and the
local evaluation read the same counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from alerts import names
from alerts.openslo import RatioMetric, Slo
from alerts.policy import BaselinePolicy, BurnPolicy, Policy, duration_text, load_policies
from alerts.source import Document, read_documents
from metrics.catalog import METRICS
from metrics.errors import InputError, did_you_mean

__all__ = ["CountRatio", "Objective", "ObjectiveRefused", "RawRatio", "load", "read", "shipped"]

SHIPPED = Path(__file__).parent / "objectives"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class ObjectiveRefused(InputError):  # noqa: N818 - a verdict on the objective, not a fault of the file
    """A well-formed objective that nobody could keep to: its alert never fires, its metric is unknown."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CountRatio(_Frozen):
    """Columns of ``minute_count``, each list a sum. Exactly one of ``bad`` and ``good`` is given."""

    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    total: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Every column named."""
        return frozenset((*self.bad, *self.good, *self.total))


class RawRatio(_Frozen):
    """A ratio of the metric catalogue, computed elsewhere; no counts on the event clock."""

    metric: str
    of: Literal["success", "failure"]


class Objective(_Frozen):
    """One promise: at least ``target`` of the events of a rolling period are good.

    ``where`` is the ``file:line`` it was read from. Shares are 0..1, exact.
    """

    name: str
    title: str
    about: str
    service: str
    target: Decimal
    indicator: CountRatio | RawRatio
    period_ms: int
    policy: str
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
    """As :func:`load`, but a refused objective stands in the list as the reason for it."""
    policies = load_policies() if policies is None else policies
    found: list[Objective | ObjectiveRefused] = []
    seen: dict[str, str] = {}
    for path in list(paths) or shipped():
        documents = read_documents(path)
        if not documents:
            raise InputError("no document in it", where=str(path), mend="write an OpenSLO v1 SLO")
        for document in documents:
            slo = document.parse(Slo)
            try:
                objective = _objective(slo, document)
                if objective.id in seen:
                    raise ObjectiveRefused(
                        f"objective {objective.id!r} stands at {seen[objective.id]} already",
                        where=document.where("metadata", "name"),
                        mend="rename one of them",
                    )
                _check_policy(objective, policies, document)
                seen[objective.id] = objective.where
                found.append(objective)
            except ObjectiveRefused as refused:
                found.append(refused)
    return found


def _objective(slo: Slo, document: Document) -> Objective:
    spec = slo.spec
    target = spec.objectives[0].ratio
    if not 0 < target < 1:
        raise ObjectiveRefused(
            f"an objective of {target:f} leaves {'no' if target else 'nothing but'} budget",
            where=document.where("spec", "objectives", 0),
            mend="give a target between 0 and 1",
        )
    return Objective(
        name=slo.metadata.name,
        title=slo.metadata.displayName or slo.metadata.name,
        about=spec.description,
        service=spec.service,
        target=target,
        indicator=_indicator(spec.indicator.spec.ratioMetric, document),
        period_ms=spec.timeWindow[0].duration,
        policy=spec.alertPolicies[0].alertPolicyRef,
        labels=_labels(slo.metadata.labels, document),
        annotations=slo.metadata.annotations,
        where=document.where("metadata", "name"),
    )


_RATIO_LOC = ("spec", "indicator", "spec", "ratioMetric")


def _indicator(ratio: RatioMetric, document: Document) -> CountRatio | RawRatio:
    if ratio.raw is not None and ratio.rawType is not None:
        metric = ratio.raw.metricSource.spec.metric
        ratios = [name for name, known in METRICS.items() if known.kind == "ratio"]
        if metric not in ratios:
            raise ObjectiveRefused(
                f"{metric!r} is no ratio of the metric catalogue",
                where=document.where(*_RATIO_LOC, "raw", "metricSource", "spec", "metric"),
                mend=did_you_mean(metric, ratios),
            )
        return RawRatio(metric=metric, of=ratio.rawType)
    parts = {"bad": ratio.bad, "good": ratio.good, "total": ratio.total}
    return CountRatio(
        **{
            part: _columns(counts.metricSource.spec.query, document, (*_RATIO_LOC, part, "metricSource"))
            for part, counts in parts.items()
            if counts is not None
        }
    )


def _columns(query: str, document: Document, loc: tuple[str, ...]) -> tuple[str, ...]:
    where = document.where(*loc, "spec", "query")
    known = {names.gauge(column): column for column in names.COUNT_COLUMNS}
    columns: list[str] = []
    for term in (part.strip() for part in query.split("+")):
        if not _LABEL.fullmatch(term):
            raise ObjectiveRefused(
                f"{term[:80]!r} is not the name of a gauge",
                where=where,
                mend="write a sum: gauge_a + gauge_b",
            )
        if term not in known:
            raise ObjectiveRefused(f"unknown metric {term!r}", where=where, mend=did_you_mean(term, known))
        if known[term] in columns:
            raise ObjectiveRefused(f"{term} is added twice", where=where, mend="name it once")
        columns.append(known[term])
    return tuple(columns)


def _labels(labels: Mapping[str, str | list[str]], document: Document) -> dict[str, str]:
    for label in labels:
        reserved = label in names.RESERVED_LABELS or label.startswith(("sloth_", "__"))
        if reserved or not _LABEL.fullmatch(label):
            raise ObjectiveRefused(
                f"label {label!r} is {'taken' if reserved else 'not a Prometheus label name'}",
                where=document.where("metadata", "labels", label),
                mend="rename it: letters, digits and underscores",
            )
    return {k: v if isinstance(v, str) else ",".join(v) for k, v in labels.items()}


def _check_policy(objective: Objective, policies: Mapping[str, Policy], document: Document) -> None:
    where = document.where("spec", "alertPolicies", 0, "alertPolicyRef")
    policy = policies.get(objective.policy)
    if policy is None:
        raise ObjectiveRefused(
            f"no alert policy {objective.policy!r}",
            where=where,
            mend=did_you_mean(objective.policy, policies),
        )
    counted = isinstance(objective.indicator, CountRatio)
    if isinstance(policy, BaselinePolicy):
        if counted:
            raise ObjectiveRefused(
                f"{policy.name} watches a ratio of the metric catalogue",
                where=where,
                mend="name a burn-rate policy, or give the ratio as `raw`",
            )
        return
    _check_burn_rates(objective, policy, where, document.where("spec", "timeWindow", 0))
    if not counted:
        raise ObjectiveRefused(
            f"a raw ratio has no counts to burn, so {policy.name} cannot watch it",
            where=where,
            mend="name the policy seasonal-baseline",
        )


def _check_burn_rates(objective: Objective, policy: BurnPolicy, where: str, window_where: str) -> None:
    for pair in (*policy.page, *policy.ticket):
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
