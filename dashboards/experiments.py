"""Experiments as pages read them: who is in, how sure each figure is, and the truth beside it where one is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import polars as pl

from metrics.catalog import METRICS
from metrics.effects.design import sample_ratio_p

__all__ = ["SRM_ALARM", "judged", "power_of", "ratio_p", "state_of", "usual_share"]

SRM_ALARM = 0.001
# Student's t of 31 degrees of freedom: half of a 90 % jackknife interval over 32 groups, in standard errors.
_REACH = 1.6955
_POWER = 0.8
# Shares of all members that a treatment is usually given.
_USUAL_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 1 / 3, 0.5)


def state_of(arms: pl.DataFrame, now_ts_ms: int) -> tuple[str, int, int]:
    """Of one experiment's :func:`metrics.arms.arms_of`: running or finished, its first and last instant."""
    start = int(arms["from_ts_ms"].min())  # type: ignore[arg-type]
    until = arms["until_ts_ms"].max()
    is_over = until is not None and int(until) <= now_ts_ms  # type: ignore[arg-type]
    return "finished" if is_over else "running", start, int(until) if is_over else now_ts_ms  # type: ignore[arg-type]


def usual_share(arms: pl.DataFrame) -> float:
    """The share of all members that a treatment of one experiment was probably meant to have, 0..1.

    Equal arms, or the usual share that is nearest: the telemetry does not tell what was meant.

    >>> sizes = pl.DataFrame({"is_control": [True, False], "members": [18_516, 1_960]})
    >>> usual_share(sizes)
    0.1
    """
    treated: list[int] = arms.filter(~pl.col("is_control"))["members"].to_list()
    if not treated:
        return 0.5
    share = sum(treated) / sum(arms["members"].to_list()) / len(treated)
    known = [usual for usual in _USUAL_SHARES if usual * len(treated) < 1]
    return min([*known, 1 / arms.height], key=lambda usual: abs(math.log(max(share, 1e-9) / usual)))


def ratio_p(arms: pl.DataFrame, meant_share: float) -> float | None:
    """How likely sizes as uneven as these are by chance, where each treatment was meant to have ``meant_share`` of all
    members, 0..1, and the control the rest; null with fewer than two arms, and where that leaves the control none."""
    sizes, is_control = arms["members"].to_list(), arms["is_control"].to_list()
    rest = 1 - meant_share * (len(sizes) - 1)
    if len(sizes) < 2 or min(sizes) <= 0 or sum(is_control) != 1 or rest <= 0:
        return None
    return sample_ratio_p(sizes, [rest if control else meant_share for control in is_control])


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
