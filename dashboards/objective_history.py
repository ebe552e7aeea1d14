"""An objective's past: what each incident spent of its budget, and how good its alerts were."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import streamlit as st

from alerts.backtest import (
    History,
    can_fire,
    hindsight,
    histories,
    known,
    over_history,
    pages,
    scripted,
    told,
)
from alerts.budget import by_incident
from alerts.evaluation import Evaluation
from alerts.policy import BurnPolicy
from alerts.quality import quality
from dashboards.context import Where
from dashboards.minute_queries import minutes_in, policies
from dashboards.queries import Source
from metrics.lake import Lake

__all__ = ["backtested", "incidents_spent"]

# What stands beside the objective's own policy.
_BESIDE = ("google-30d", "evidence-30d")


def incidents_spent(source: Source, where: Where, evaluation: Evaluation) -> pl.DataFrame:
    """:func:`alerts.budget.by_incident` of incidents told in hindsight, with ``known_as``: the id of the incident of
    the truth that holds half of its minutes or more; null where there is none, or no truth."""
    return _spent(source, where, evaluation.objective.name, evaluation.end_ts_ms, evaluation)


def backtested(source: Source, where: Where, evaluation: Evaluation) -> pl.DataFrame:
    """:func:`alerts.quality.quality` over all incidents, a row a policy that can watch the objective and what it is
    held against: ``policy, against`` (``hindsight``, and ``truth`` where there is one) and the figures."""
    return _backtested(source, where, evaluation.objective.name, evaluation.end_ts_ms, evaluation)


@st.cache_data(show_spinner=False, max_entries=32)
def _spent(source: Source, where: Where, name: str, end_ts_ms: int, _evaluation: Evaluation) -> pl.DataFrame:
    history, stretches = _history(source, where, name, end_ts_ms, _evaluation)
    spent = by_incident(
        _evaluation, told(history, stretches), history.start_ts_ms, history.bad[0], history.total[0]
    )
    names = scripted(Lake.open(Path(source.path)))
    shared = (
        spent.select("incident_id", "start_ts_ms", "end_ts_ms")
        .drop_nulls()
        .join(names, how="cross")
        .with_columns(
            shared_ms=pl.min_horizontal("end_ts_ms", "end_ts_ms_right")
            - pl.max_horizontal("start_ts_ms", "start_ts_ms_right")
        )
        .filter(2 * pl.col("shared_ms") >= pl.col("end_ts_ms") - pl.col("start_ts_ms"))
        .sort("shared_ms", "incident_id_right", descending=[True, False])
        .unique("incident_id", keep="first", maintain_order=True)
    )
    return spent.join(
        shared.select("incident_id", known_as="incident_id_right"),
        on="incident_id",
        how="left",
        maintain_order="left",
    )


@st.cache_data(show_spinner=False, max_entries=32)
def _backtested(
    source: Source, where: Where, name: str, end_ts_ms: int, _evaluation: Evaluation
) -> pl.DataFrame:
    objective = _evaluation.objective
    history, stretches = _history(source, where, name, end_ts_ms, _evaluation)
    told_by = {"hindsight": stretches}
    if (incidents := scripted(Lake.open(Path(source.path)))).height:
        told_by["truth"] = known(history, incidents)
    frames = []
    for policy_name in dict.fromkeys((objective.policy, *_BESIDE)):
        known_as = policies()
        policy = objective.watched_by(known_as) if policy_name == objective.policy else known_as[policy_name]
        if not isinstance(policy, BurnPolicy) or not can_fire(policy, objective):
            continue
        fired = pages(policy, float(objective.budget), history)
        for against, told_incidents in told_by.items():
            found = quality(over_history(policy, history, told_incidents, found=fired))
            frames.append(
                found.select(pl.lit(policy_name).alias("policy"), pl.lit(against).alias("against"), pl.all())
            )
    return pl.concat(frames, how="vertical_relaxed") if frames else pl.DataFrame()


@st.cache_resource(show_spinner=False, max_entries=8)
def _history(
    source: Source, where: Where, name: str, end_ts_ms: int, _evaluation: Evaluation
) -> tuple[History, pl.DataFrame]:
    """An objective's minutes, and the incidents that they tell in hindsight."""
    (history,) = histories([_evaluation.objective], minutes_in(source, where, 0, end_ts_ms))
    return history, hindsight(history)
