"""Objectives of a lake: evaluated on its minute counts, kept as figures and as rules beside the tables."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from alerts.compile import compile_rules, render, without_rules
from alerts.evaluate import Evaluation, evaluate_all, kept_by
from alerts.policy import load_policies
from alerts.slo import load
from alerts.verdict import Verdict, verdict
from metrics.lake import Lake

__all__ = ["Judged", "judge"]

RULES = "rules.yaml"
VERDICT = "verdict.json"


@dataclass(frozen=True)
class Judged:
    """Every counted objective over the lake's last period, and in which regions each was kept."""

    evaluations: list[Evaluation]
    by_region: pl.DataFrame
    verdict: Verdict


def judge(lake: Lake) -> Judged:
    """Evaluate the shipped objectives; write ``rules.yaml`` and ``verdict.json`` among the lake's artefacts."""
    policies = load_policies()
    objectives = load((), policies)
    apart = {objective.id for objective in without_rules(objectives)}
    counted = [objective for objective in objectives if objective.id not in apart]
    minutes = lake.scan("minute_count")
    by_region = kept_by(counted, minutes)
    judged = Judged(evaluate_all(counted, minutes, policies=policies), by_region, verdict(by_region))
    rules = lake.artefact(RULES)
    rules.parent.mkdir(parents=True, exist_ok=True)
    rules.write_text(render(compile_rules(objectives, policies)), encoding="utf-8")
    found = judged.verdict
    said = {"sentence": found.sentence, "detail": found.detail, "kept": found.kept, "judged": found.judged}
    lake.artefact(VERDICT).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return judged
