"""How far fourteen days stand for sixty-three: experiments with a planted effect on who is still a member.

Members watch, stall and find from week to week; who watches less, stalls more or is less pleased leaves more. Being
pleased is told by nothing but what is watched later. A treatment moves watching, stalls, pleasure, or several of them:
at once and for good, at once and fading (novelty), or growing slowly. The truth is the difference of the same 40,000
members in both arms, all draws shared, without the sampling of an experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Row
from metrics.surrogates import SurrogateIndex, agreement, calibrate, calibrated, effects, fit

__all__ = ["COURSES", "SURROGATES", "Treatment", "experiments", "members", "rows", "score_rows", "treatment"]

EXPERIMENTS, ARM, HISTORY, TWINS, SEED = 200, 20_000, 40_000, 40_000, 20_260_403
WEEKS, EARLY_WEEKS = 9, 2
SURROGATES = ("hours", "active_weeks", "stalled_percent", "rec_driven_share", "is_member_early")
COURSES = ("steady", "fading", "growing")

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Treatment:
    """What a treatment adds: to log hours, to log stalls, to pleasure; and how it goes on over the weeks."""

    hours: float = 0.0
    stalls: float = 0.0
    pleasure: float = 0.0
    course: str = "steady"

    def at(self, week: int) -> float:
        """The share of its full strength in a week."""
        return {"steady": 1.0, "fading": 0.4**week, "growing": (week + 1) / WEEKS}[self.course]


def rows() -> list[Row]:
    """Agreement over all experiments, by the course of the effect, and calibrated on half of them."""
    return [
        Row(
            f"14 days for 63, {row['case_set']}: {row['measure'].replace('_', ' ')}",
            f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})",
            "experiments",
            str(row["cases_count"]),
        )
        for row in score_rows(experiments()).iter_rows(named=True)
    ]


def score_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """:func:`experiments` as rows of the table ``score``; those calibrated are judged on the half not calibrated on."""
    half = frame.height // 2
    sets = {
        "all": frame,
        **{course: frame.filter(pl.col("course") == course) for course in COURSES},
        "second half": frame[half:],
        "second half, calibrated on the first": calibrated(frame[half:], calibrate(frame[:half])),
    }
    return pl.concat(
        agreement(part).select(
            pl.lit("surrogates").alias("estimator"), pl.lit(name).alias("case_set"), pl.all(),
            pl.lit("ratio").alias("unit"),
        )
        for name, part in sets.items()
    )  # fmt: skip


def experiments(
    count: int = EXPERIMENTS, seed: int = SEED, arm: int = ARM, *, first: int = 1
) -> pl.DataFrame:
    """A row an experiment: what the index says after 14 days, the outcome after 63, and the truth."""
    history = members(np.random.default_rng([seed, 0]), HISTORY, Treatment())
    index = fit(history, "is_member_late", SURROGATES)
    return pl.concat([_one(index, seed, number, arm) for number in range(first, first + count)])


def _one(index: SurrogateIndex, seed: int, number: int, arm: int) -> pl.DataFrame:
    drawn = treatment(np.random.default_rng([seed, number, 0]))
    arms = [
        members(np.random.default_rng([seed, number, 1 + is_treated]), arm, drawn if is_treated else Treatment())
        .with_columns(arm=pl.lit("treatment" if is_treated else "control"))
        for is_treated in (False, True)
    ]  # fmt: skip
    found = effects(pl.concat(arms), index, arm="arm", control="control", outcome="is_member_late")
    twins = [
        members(np.random.default_rng([seed, number, 3]), TWINS, each)["is_member_late"].mean()
        for each in (drawn, Treatment())
    ]
    truth = float(twins[0]) - float(twins[1])  # type: ignore[arg-type]
    return found.with_columns(experiment=pl.lit(number), course=pl.lit(drawn.course), truth=pl.lit(truth))


def treatment(rng: np.random.Generator) -> Treatment:
    """Half of all change little or nothing; a third move two things."""
    scale = 0.0 if rng.random() < 0.15 else float(rng.choice([0.01, 0.04]))
    moves = rng.permutation(3)[: 1 + (rng.random() < 1 / 3)]
    size = np.zeros(3)
    size[moves] = rng.normal(0, [1.0, 3.0, 2.0])[moves] * scale
    hours, stalls, pleasure = size.tolist()
    return Treatment(hours, stalls, pleasure, str(rng.choice(COURSES, p=[0.5, 0.25, 0.25])))


def members(rng: np.random.Generator, n: int, what: Treatment, *, base: float = -4.1) -> pl.DataFrame:
    """``n`` members over nine weeks: the surrogates of the first two, and ``is_member_late``, after the last."""
    keen, place = rng.normal(0, 0.8, n), rng.normal(0, 0.6, n)
    pleased = rng.normal(0, 0.5, n)
    is_member = np.ones(n, np.bool_)
    hours_all, active, stalled, led = (np.zeros(n) for _ in range(4))
    early = is_member
    for week in range(WEEKS):
        strength = what.at(week)
        pleased = 0.8 * pleased + rng.normal(0, 0.3, n) + 0.2 * what.pleasure * strength * 5
        log_hours = 1.5 + keen + 0.4 * pleased + what.hours * strength + rng.normal(0, 0.5, n)
        stalls = np.exp(-0.5 + place + what.stalls * strength + rng.normal(0, 0.5, n))
        share = 1 / (1 + np.exp(-(0.8 + 0.5 * pleased + rng.normal(0, 0.5, n))))
        if week < EARLY_WEEKS:
            hours_all += np.log1p(np.exp(log_hours)) * is_member
            active += (log_hours > 0.5) & is_member
            stalled += stalls * is_member
            led += share * is_member
        hazard = 1 / (1 + np.exp(-(base - 0.5 * (log_hours - 1.5) + 0.25 * stalls - 0.6 * pleased)))
        is_member = is_member & (rng.random(n) >= hazard)
        if week + 1 == EARLY_WEEKS:
            early = is_member
    return pl.DataFrame(
        {
            "hours": hours_all / EARLY_WEEKS, "active_weeks": active, "stalled_percent": stalled / EARLY_WEEKS,
            "rec_driven_share": led / EARLY_WEEKS, "is_member_early": early.astype(np.float64),
            "is_member_late": is_member.astype(np.float64),
        }
    )  # fmt: skip
