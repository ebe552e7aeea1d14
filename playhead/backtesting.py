"""Objectives and policies brought together with what they are tried on: a lake's minutes, its truth, made cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from alerts.backtest import hindsight, histories, known, over_cases, over_history
from alerts.cases import BURNS, incident_cases
from alerts.policy import BurnPolicy, Policy
from alerts.quality import Judged, compared, quality
from alerts.slo import CountRatio, Objective
from metrics import truth
from metrics.errors import InputError, did_you_mean
from metrics.lake import Lake

__all__ = ["Trial", "chosen", "comparisons", "on_cases", "on_lake"]


@dataclass(frozen=True)
class Trial:
    """A policy on an objective's minutes; ``sessions_per_hour`` is the mean of what was counted."""

    objective: Objective
    policy: BurnPolicy
    sessions_per_hour: float
    judged: Judged

    @property
    def key(self) -> tuple[str, float]:
        """What two policies must share to be compared."""
        return self.objective.name, self.sessions_per_hour

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the figures over all incidents, and of made cases by the bad share they were made with."""
        made = "incident_id" not in self.judged.incidents.columns
        by_share = quality(self.judged, "bad_ratio").drop_nulls("bad_ratio").to_dicts() if made else None
        return {
            "objective": self.objective.name,
            "policy": self.policy.name,
            "sessions_per_hour": round(self.sessions_per_hour, 1),
            "days": round(self.judged.days, 2),
            "quality": quality(self.judged).to_dicts()[0],
            "by_bad_ratio": by_share,
        }


def on_lake(
    lake: Lake,
    objectives: Sequence[Objective],
    policies: Mapping[str, Policy],
    names: Sequence[str | None],
    *,
    with_truth: bool,
    volumes: Sequence[float] = (),
    seed: int = 0,
    least_share: float,
) -> list[Trial]:
    """Each named policy (None: the objective's own) on each objective's history, as it was and at ``volumes``.

    Raises :class:`~metrics.errors.InputError` for an unknown policy, or a lake without known incidents where
    the truth is asked for.
    """
    incidents = truth.incidents(lake).collect() if with_truth else None
    if incidents is not None and incidents.is_empty():
        raise InputError(
            "no incident of this lake is known",
            where=str(lake.path),
            mend="leave out --truth, and incidents are told in hindsight",
        )
    trials = []
    for history in histories(objectives, lake.scan("minute_count")):
        # The same incidents at every volume: thinner traffic hides them, and does not undo them.
        found = (
            hindsight(history, least_share=least_share)
            if incidents is None
            else known(history, incidents, least_share=least_share)
        )
        # Slices, minutes beyond a threshold and composites have no volume of their own.
        scaled = volumes if isinstance(history.objective.indicator, CountRatio) else ()
        for tried in (history, *(history.at(volume, seed) for volume in scaled)):
            trials += [
                Trial(history.objective, policy, tried.sessions_per_hour, over_history(policy, tried, found))
                for policy in chosen(history.objective, policies, names)
            ]
    return trials


def on_cases(
    objectives: Sequence[Objective],
    policies: Mapping[str, Policy],
    names: Sequence[str | None],
    *,
    count: int,
    volumes: Sequence[float],
    seed: int,
    base_burn: float,
) -> list[Trial]:
    """Each named policy on ``count`` made incidents a volume, at the bad shares that burn the objective's budget
    5, 10, 20, 50, 100 and 1,000 times too fast, over a base that burns it ``base_burn`` times."""
    trials = []
    made: dict[tuple[float, float], Any] = {}
    for objective in objectives:
        if not isinstance(objective.indicator, CountRatio):
            continue
        budget = float(objective.budget)
        tried = chosen(objective, policies, names)
        for volume in volumes:
            if (budget, volume) not in made:
                made[budget, volume] = incident_cases(
                    seed,
                    count,
                    sessions_per_hour=volume,
                    base_ratio=min(base_burn * budget, 1.0),
                    bad_ratios=sorted({min(burn * budget, 1.0) for burn in BURNS}),
                )
            trials += [
                Trial(objective, policy, volume, over_cases(policy, budget, made[budget, volume]))
                for policy in tried
            ]
    return trials


def comparisons(trials: Sequence[Trial], *, seed: int = 0) -> pl.DataFrame:
    """The first policy against the second, a row an objective and volume; see :func:`alerts.quality.compared`."""
    rows = []
    by_key: dict[tuple[str, float], list[Trial]] = {}
    for trial in trials:
        by_key.setdefault(trial.key, []).append(trial)
    for (objective, volume), pair in by_key.items():
        if len(pair) == 2:
            ours, theirs = pair
            rows.append(
                compared(ours.judged, theirs.judged, seed=seed).select(
                    pl.lit(objective).alias("objective"),
                    pl.lit(volume).alias("sessions_per_hour"),
                    pl.lit(ours.policy.name).alias("policy"),
                    pl.lit(theirs.policy.name).alias("versus"),
                    pl.all(),
                )
            )
    return pl.concat(rows, how="vertical_relaxed") if rows else pl.DataFrame()


def chosen(
    objective: Objective, policies: Mapping[str, Policy], names: Sequence[str | None]
) -> list[BurnPolicy]:
    """The policies of those names; None is the objective's own, which may be none that has windows."""
    found = []
    for name in names:
        policy = objective.watched_by(policies) if name is None else policies.get(name)
        if policy is None:
            raise InputError(f"no alert policy {name!r}", mend=did_you_mean(name or "", policies))
        if isinstance(policy, BurnPolicy):
            found.append(policy)
        elif name is not None:
            raise InputError(f"{name} has no windows to try", mend="name a burn-rate policy")
    return found
