"""Error budgets of a lake, with what was agreed not to count, what spent them, and what they give back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from alerts.backtest import histories, told
from alerts.budget import Exhaustion, by_incident, projected, trailing_burn
from alerts.credit import Agreement, credit_table
from alerts.evaluate import Evaluation, evaluate_all
from alerts.indicator import CountRatio, Slices, Threshold
from alerts.maintenance import Maintenance, excluded, without
from alerts.policy import Policy
from alerts.slo import Objective
from metrics import truth
from metrics.errors import InputError
from metrics.lake import Lake

__all__ = ["Spending", "budgets_of"]

# A composite has shares and no counts that incidents could have spent.
_COUNTED = CountRatio | Threshold | Slices


@dataclass(frozen=True)
class Spending:
    """An objective's budget: how it stands, how fast it goes (``trailing``), when it will be gone, what spent it
    (``incidents``; by dimension it is in the evaluation), what is not counted (``excluded``), and by month what
    an agreement gives back (``credits``; null where none was named)."""

    evaluation: Evaluation
    trailing: pl.DataFrame
    exhaustion: Exhaustion
    incidents: pl.DataFrame
    excluded: pl.DataFrame
    credits: pl.DataFrame | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the projected path is left out."""
        judged, ahead = self.evaluation, self.exhaustion
        return {
            "objective": judged.objective.name,
            "title": judged.objective.title,
            "in_contract": judged.objective.in_contract,
            "target": float(judged.objective.target),
            "start_ts_ms": judged.start_ts_ms,
            "end_ts_ms": judged.end_ts_ms,
            "bad": judged.bad,
            "total": judged.total,
            "attained": judged.attained,
            "budget_left": judged.budget_left,
            "kept": judged.kept,
            "trailing": self.trailing.to_dicts(),
            "exhaustion": {
                "burn": ahead.burn,
                "burn_low": ahead.burn_low,
                "burn_high": ahead.burn_high,
                "at_ts_ms": ahead.at_ts_ms,
                "earliest_ts_ms": ahead.earliest_ts_ms,
                "latest_ts_ms": ahead.latest_ts_ms,
            },
            "spent": judged.spent.to_dicts(),
            "incidents": self.incidents.to_dicts(),
            "excluded": self.excluded.to_dicts(),
            "credits": None if self.credits is None else self.credits.to_dicts(),
        }


def budgets_of(
    lake: Lake,
    objectives: Sequence[Objective],
    policies: Mapping[str, Policy],
    *,
    maintenance: Sequence[Maintenance] = (),
    with_truth: bool = False,
    agreement: Agreement | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> list[Spending]:
    """The budget of each objective that counts events, maintenance taken out first.

    Incidents are the scenario's with ``with_truth``, else those told in hindsight. The period is as in
    :func:`alerts.evaluate.evaluate_all`. Raises :class:`~metrics.errors.InputError` where no objective counts
    events, or nothing is left to count.
    """
    counted = [objective for objective in objectives if isinstance(objective.indicator, _COUNTED)]
    if not counted:
        raise InputError("no objective counts events by the minute", mend="give one that does")
    every = lake.scan("minute_count")
    if end_ts_ms is not None:
        every = every.filter(pl.col("ts_ms") < end_ts_ms)
    minutes = without(every, maintenance).collect()
    known = truth.incidents(lake).collect() if with_truth else None
    evaluations = evaluate_all(
        counted, minutes, policies=policies, start_ts_ms=start_ts_ms, end_ts_ms=end_ts_ms
    )
    spendings = []
    for evaluation, history in zip(evaluations, histories(counted, minutes), strict=True):
        objective = evaluation.objective
        assert isinstance(objective.indicator, _COUNTED)
        bad, total = history.bad[0], history.total[0]
        spendings.append(
            Spending(
                evaluation=evaluation,
                trailing=trailing_burn(objective, evaluation.burn),
                exhaustion=projected(objective, evaluation.burn),
                incidents=by_incident(
                    evaluation,
                    told(history) if known is None else known,
                    history.start_ts_ms,
                    bad,
                    total,
                ),
                excluded=excluded(
                    every,
                    maintenance,
                    sorted(objective.indicator.columns),
                    evaluation.start_ts_ms,
                    evaluation.end_ts_ms,
                ),
                credits=None
                if agreement is None
                else credit_table(agreement, history.start_ts_ms, bad, total),
            )
        )
    return spendings
