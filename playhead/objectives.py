"""Objectives of a lake: evaluated on its minute counts, kept as figures and as rules beside the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from alerts.compile import compile_rules, without_rules
from alerts.counts import Clock
from alerts.evaluate import Evaluation, evaluate_all, kept_by
from alerts.policy import Policy, load_policies
from alerts.rule_file import render
from alerts.seasonal import watch
from alerts.slo import Objective, RawRatio, load
from alerts.verdict import Verdict, verdict
from metrics.baseline import seasonal_anomalies
from metrics.lake import Lake
from metrics.query import measure

__all__ = ["Judged", "evaluate_objectives", "judge"]

RULES = "rules.yaml"
VERDICT = "verdict.json"


@dataclass(frozen=True)
class Judged:
    """Every objective over the lake's last period, and in which regions each was kept."""

    evaluations: list[Evaluation]
    by_region: pl.DataFrame
    verdict: Verdict


def evaluate_objectives(
    lake: Lake,
    objectives: Sequence[Objective],
    policies: Mapping[str, Policy],
    *,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
    clock: Clock | None = None,
) -> list[Evaluation]:
    """Every objective on a lake: those that count events by the minute, then the rest by their season.

    A ratio for which the lake has no rows at all is left out.
    """
    apart = without_rules(objectives)
    counted = [objective for objective in objectives if objective not in apart]
    evaluations = []
    if counted:
        minutes = lake.scan("minute_count")
        evaluations = evaluate_all(
            counted, minutes, policies=policies, start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms, clock=clock
        )
    for objective in apart:
        evaluations += _by_season(lake, objective, policies, start_ts_ms, end_ts_ms)
    return evaluations


def judge(lake: Lake) -> Judged:
    """Evaluate the shipped objectives; write ``rules.yaml`` and ``verdict.json`` among the lake's artefacts."""
    policies = load_policies()
    objectives = load((), policies)
    by_region = kept_by(objectives, lake.scan("minute_count"))
    evaluations = evaluate_objectives(lake, objectives, policies)
    judged = Judged(evaluations, by_region, verdict(by_region, unsliced=evaluations))
    rules = lake.artefact(RULES)
    rules.parent.mkdir(parents=True, exist_ok=True)
    rules.write_text(render(compile_rules(objectives, policies)), encoding="utf-8")
    found = judged.verdict
    said = {"sentence": found.sentence, "detail": found.detail, "kept": found.kept, "judged": found.judged}
    lake.artefact(VERDICT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return judged


def _by_season(
    lake: Lake,
    objective: Objective,
    policies: Mapping[str, Policy],
    start_ts_ms: int | None,
    end_ts_ms: int | None,
) -> list[Evaluation]:
    assert isinstance(objective.indicator, RawRatio)
    hours = measure(lake, [objective.indicator.metric], grain="1h", end_ts_ms=end_ts_ms)
    if hours.is_empty():
        return []
    return [
        watch(
            objective,
            hours,
            seasonal_anomalies,
            policies=policies,
            start_ts_ms=start_ts_ms,
            end_ts_ms=end_ts_ms,
        )
    ]
