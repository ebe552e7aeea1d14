"""What became of an objective: attained, budget left, alerts, and who spent the budget.

The same answer whether events were counted by the minute or a ratio was compared with its season.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl

from alerts.counts import Floats, Ints, ratio_of
from alerts.indicator import WeightedCounts, weighted_share
from alerts.policy import MINUTE_MS
from alerts.slo import Objective

__all__ = [
    "EPISODES",
    "HOUR_MS",
    "SPENT",
    "Attained",
    "Evaluation",
    "Fired",
    "burn_down",
    "incidents",
    "is_kept",
    "period_of",
    "within",
]

HOUR_MS = 60 * MINUTE_MS

EPISODES = pl.Schema(
    {
        "severity": pl.String,
        "start_ts_ms": pl.Int64,
        "end_ts_ms": pl.Int64,
        "duration_ms": pl.Int64,
        "peak_burn": pl.Float64,
        "pairs": pl.String,
    }
)

SPENT = pl.Schema(
    {
        "dimension": pl.String,
        "value": pl.String,
        "bad": pl.Int64,
        "total": pl.Int64,
        "attained": pl.Float64,
        "budget_spent": pl.Float64,
        "excess_bad": pl.Float64,
    }
)


@dataclass(frozen=True)
class Attained:
    """How an objective stands: ``bad`` and ``total`` events (weighted; or hours, of a ratio that is no count).

    ``attained`` is the share of good ones, ``budget_left`` 1 untouched, 0 gone, negative when broken; both are
    null without traffic.
    """

    objective: Objective
    bad: int | Decimal
    total: int | Decimal

    @property
    def attained(self) -> float | None:
        return 1 - float(self.bad / self.total) if self.total else None

    @property
    def budget_left(self) -> float | None:
        return 1 - float(self.bad / self.total) / float(self.objective.budget) if self.total else None

    @property
    def kept(self) -> bool | None:
        """Whether the promise was kept, in exact arithmetic; null without traffic."""
        return is_kept(self.objective, self.bad, self.total)


@dataclass(frozen=True)
class Fired:
    """Alerts of one objective: ``episodes`` as of an :class:`Evaluation`."""

    objective: Objective
    episodes: pl.DataFrame


@dataclass(frozen=True)
class Evaluation(Attained):
    """What became of one objective over the period ``start_ts_ms <= t < end_ts_ms``, and how.

    ``burn``: an hour a row: ``ts_ms, bad, total, burn`` (the hour's bad share ÷ budget) and ``budget_left``
    of the period that ends with the hour. ``episodes``: an alert a row: ``severity, start_ts_ms, end_ts_ms``
    (null while it fires), ``duration_ms, peak_burn`` (highest over the short window of a firing pair),
    ``pairs``. ``spent``: ``dimension, value, bad, total, attained, budget_spent, excess_bad``: the share of
    the whole budget that a region, device or CDN used up, and its bad events beyond its own allowance; worst
    first.
    """

    start_ts_ms: int
    end_ts_ms: int
    burn: pl.DataFrame
    episodes: pl.DataFrame
    spent: pl.DataFrame

    def firing(self, severity: str) -> bool:
        """Whether that alert fires at the end of the data."""
        still = self.episodes.filter((pl.col("severity") == severity) & pl.col("end_ts_ms").is_null())
        return still.height > 0


def incidents(episodes: pl.DataFrame, quiet_ms: int = HOUR_MS) -> pl.DataFrame:
    """Episodes of one severity joined where less than ``quiet_ms`` lies between them.

    An alert that flickers is one thing to whoever is woken by it. Same columns, and ``episode_count``.
    """
    joined = (
        episodes.sort("severity", "start_ts_ms")
        .with_columns(before=pl.col("end_ts_ms").shift(1).over("severity"))
        .with_columns(
            incident=(pl.col("start_ts_ms") - pl.col("before") >= quiet_ms)
            .fill_null(value=True)
            .cum_sum()
            .over("severity")
        )
        .group_by("severity", "incident", maintain_order=True)
        .agg(
            pl.col("start_ts_ms").first(),
            pl.col("end_ts_ms").last(),
            pl.col("duration_ms").last() + pl.col("start_ts_ms").last() - pl.col("start_ts_ms").first(),
            pl.col("peak_burn").max(),
            pl.col("pairs").str.split(", ").explode().unique(maintain_order=True).str.join(", "),
            episode_count=pl.len().cast(pl.Int64),
        )
    )
    return joined.drop("incident").sort("start_ts_ms", "severity")


def within(episodes: pl.DataFrame, start_ts_ms: int, end_ts_ms: int) -> pl.DataFrame:
    """The episodes that fired at some time of ``start_ts_ms <= t < end_ts_ms``."""
    ended_before = (pl.col("end_ts_ms") <= start_ts_ms).fill_null(value=False)
    return episodes.filter(pl.col("start_ts_ms") < end_ts_ms, ~ended_before)


def is_kept(objective: Objective, bad: int | Decimal, total: int | Decimal) -> bool | None:
    """Whether the promise was kept; null without traffic."""
    # Integers and an exact decimal: attaining 0.99 exactly is kept, whatever floats make of it.
    return bad <= objective.budget * total if total else None


def period_of(objective: Objective, first_ms: int, end_ms: int, start_ts_ms: int | None) -> tuple[int, int]:
    """Start and end of the period judged: the objective's own unless a start is given, within the data."""
    if start_ts_ms is not None:
        start = start_ts_ms
    elif objective.calendar is not None:
        start = objective.calendar.begin_ms(end_ms - 1)
    else:
        start = end_ms - objective.period_ms
    return max(start - start % MINUTE_MS, first_ms), end_ms


def burn_down(
    objective: Objective,
    ts_ms: Ints,
    bad: Ints | Floats,
    total: Ints | Floats,
    parts: WeightedCounts = (),
) -> pl.DataFrame:
    """The frame :attr:`Evaluation.burn` of counts by the hour, none left out.

    ``parts`` are those of a composite, weight, bad and total each by the hour: its share is theirs.
    """
    budget = float(objective.budget)
    begin = _period_begins(objective, ts_ms)

    def trailing(counts: Ints | Floats) -> Ints | Floats:
        running = np.concatenate(([0], np.cumsum(counts)))
        sums: Ints | Floats = running[1:] - running[begin]
        return sums

    if parts:
        share = weighted_share(parts)
        since = weighted_share([(weight, trailing(b), trailing(t)) for weight, b, t in parts])
    else:
        share, since = ratio_of(bad, total), ratio_of(trailing(bad), trailing(total))
    return pl.DataFrame(
        {
            "ts_ms": ts_ms,
            "bad": bad,
            "total": total,
            "burn": share / budget,
            "budget_left": 1 - since / budget,
        }
    ).with_columns(pl.col("burn", "budget_left").fill_nan(None))


def _period_begins(objective: Objective, ts_ms: Ints) -> Ints:
    """For each hour the first one of the period that ends with it."""
    hours = np.arange(len(ts_ms), dtype=np.int64)
    if objective.calendar is None:
        rolled: Ints = np.maximum(hours + 1 - max(objective.period_ms // HOUR_MS, 1), 0)
        return rolled
    # An hour that a period begins within belongs to it: zones half an hour off are told to the hour.
    begins = np.zeros(len(ts_ms), dtype=np.int64)
    at = len(ts_ms)
    while at > 0:
        start_ms = objective.calendar.begin_ms(int(ts_ms[at - 1]) + HOUR_MS - 1)
        first = min(int(np.searchsorted(ts_ms, start_ms - HOUR_MS, side="right")), at - 1)
        begins[first:at] = first
        at = first
    return begins
