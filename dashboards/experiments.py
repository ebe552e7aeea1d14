"""Experiments as pages read them: who is in, how sure each figure is, and the truth beside it where one is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import polars as pl

from metrics.catalog import METRICS
from metrics.effects.design import sample_ratio_p

__all__ = ["SRM_ALARM", "arms_of", "judged", "power_of", "state_of"]

SRM_ALARM = 0.001
# Student's t of 31 degrees of freedom: half of a 90 % jackknife interval over 32 groups, in standard errors.
_REACH = 1.6955
_POWER = 0.8


def arms_of(assignment: pl.LazyFrame) -> pl.LazyFrame:
    """Members of each arm: ``experiment, arm, is_control, members, from_ts_ms, until_ts_ms``, control first.

    ``assignment``: rows of that table; a member assigned twice counts in both, as the table has it.
    """
    return (
        assignment.group_by("experiment", "arm", "is_control")
        .agg(
            members=pl.col("subscriber_id").n_unique(),
            from_ts_ms=pl.col("assigned_ts_ms").min(),
            until_ts_ms=pl.col("until_ts_ms").max(),
        )
        .sort("experiment", ~pl.col("is_control"), "arm")
    )


def state_of(arms: pl.DataFrame, now_ts_ms: int) -> tuple[str, int, int, float | None]:
    """Of one experiment's :func:`arms_of`: running or finished, its first and last instant, and p of its sample ratio.

    The ratio is judged against equal shares; null with fewer than two arms.
    """
    start = int(arms["from_ts_ms"].min())  # type: ignore[arg-type]
    until = arms["until_ts_ms"].max()
    is_over = until is not None and int(until) <= now_ts_ms  # type: ignore[arg-type]
    end = int(until) if is_over else now_ts_ms  # type: ignore[arg-type]
    sizes = arms["members"].to_list()
    return (
        "finished" if is_over else "running",
        start,
        end,
        sample_ratio_p(sizes) if len(sizes) > 1 and min(sizes) > 0 else None,
    )


def judged(compared: pl.DataFrame, truth: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The treatments' rows of :func:`metrics.experiment.compare` with what they tell.

    Added: ``verdict`` (better, worse, not told apart), ``power`` of telling a lift of the size found from none,
    ``detectable`` (the least lift told with power .8), ``true_lift`` and ``is_inside`` (whether the interval holds it;
    null where the truth is not known). ``truth``: rows with ``metric`` and ``lift``.
    """
    known = {row["metric"]: row["lift"] for row in truth}
    rows = []
    for row in compared.filter(~pl.col("is_control") & pl.col("lift").is_not_null()).iter_rows(named=True):
        low, high = row["lift_low"], row["lift_high"]
        power, detectable = power_of(row["lift"], low, high)
        true = known.get(row["metric"])
        is_known = true is not None and low is not None and high is not None
        rows.append(
            row
            | {
                "verdict": _verdict(low, high, METRICS[row["metric"]].better),
                "power": power,
                "detectable": detectable,
                "true_lift": true,
                "is_inside": low <= true <= high if is_known else None,
            }
        )
    schema = compared.schema | {
        "verdict": pl.String, "power": pl.Float64, "detectable": pl.Float64, "true_lift": pl.Float64,
        "is_inside": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def power_of(lift: float, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """The chance of telling a lift of this size from none at the interval's level, and the least told with power .8.

    >>> power, least = power_of(0.0, -1.6955, 1.6955)
    >>> round(power, 2), round(least, 2)
    (0.09, 2.54)
    """
    if low is None or high is None or high <= low:
        return None, None
    error = (high - low) / 2 / _REACH
    normal = NormalDist()
    far = abs(lift) / error
    power = normal.cdf(far - _REACH) + normal.cdf(-far - _REACH)
    least = (_REACH + normal.inv_cdf(_POWER)) * error
    return power, least if math.isfinite(least) else None


def _verdict(low: float | None, high: float | None, better: str) -> str:
    if low is None or high is None or low <= 0 <= high:
        return "not told apart"
    return "better" if (low > 0) == (better == "higher") else "worse"
