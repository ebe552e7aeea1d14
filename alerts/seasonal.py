"""Objectives that no burn rate can watch: the alert is on leaving the seasonal pattern.

A share promised at 80 % has a fifth of everything as its budget, so no page rule could ever fire. Its hours
are compared with what the hour of the day and the day of the week lead one to expect; what counts as an
anomaly is the business of the detector that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from alerts.evaluation import EPISODES, HOUR_MS, SPENT, Attained, Evaluation, burn_down, period_of
from alerts.policy import BaselinePolicy, Policy, load_policies
from alerts.slo import Objective, RawRatio
from metrics.errors import InputError

__all__ = ["Detector", "attained", "watch"]

Detector = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], pl.DataFrame]
# Instants in rising order, their values and the effective rows of each, to a row each: `expected`, `anomaly_score`
# (0..1) and `is_anomaly`. Causal.

# Weighted hours have a fraction, and the verdict is taken on exact sums.
_EXACT = pl.Decimal(38, 10)


def attained(objective: Objective, numerator: Decimal, denominator: Decimal) -> Attained:
    """The objective against its ratio over the period judged, as its two exact parts."""
    assert isinstance(objective.indicator, RawRatio), f"{objective.name} counts events"
    is_good = objective.indicator.of == "success"
    return Attained(objective, denominator - numerator if is_good else numerator, denominator)


def watch(
    objective: Objective,
    ratios: pl.DataFrame,
    detect: Detector,
    *,
    policies: Mapping[str, Policy] | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> Evaluation:
    """The objective over hourly ``ratios``: ``bucket_ts_ms, numerator, denominator, n_effective``.

    The alert fires at the policy's ``persistence``-th hour in a row that is an anomaly in the bad direction;
    an hour of fewer than ``cohort_minimum`` effective events counts in the total but is not judged.
    ``burn`` has ``value`` and ``expected`` beside its usual columns; ``spent`` is empty, since the ratio comes
    without dimensions. Raises :class:`~metrics.errors.InputError` when there are no rows.
    """
    policy = (load_policies() if policies is None else policies).get(objective.policy)
    if not isinstance(objective.indicator, RawRatio) or not isinstance(policy, BaselinePolicy):
        raise InputError(
            f"{objective.name} has no seasonal baseline", where=objective.where, mend="evaluate its counts"
        )
    hours = _hours(ratios, end_ts_ms)
    ts_ms = hours["ts_ms"].to_numpy()
    numerator, total = (hours[name].cast(pl.Float64).to_numpy() for name in ("numerator", "denominator"))
    bad = total - numerator if objective.indicator.of == "success" else numerator
    rows = hours["n_effective"].to_numpy()
    judged = (total > 0) & (rows >= policy.cohort_minimum)
    value, expected, off = _judge(ts_ms, numerator, total, rows, judged, detect)
    worse = off & ((value < expected) if objective.indicator.of == "success" else (value > expected))
    burn = burn_down(objective, ts_ms, bad, total).with_columns(
        pl.Series("value", value, nan_to_null=True), pl.Series("expected", expected, nan_to_null=True)
    )
    start, end = period_of(objective, int(ts_ms[0]), int(ts_ms[-1]) + HOUR_MS, start_ts_ms)
    sums = hours.filter(pl.col("ts_ms") >= start).select("numerator", "denominator").sum().row(0)
    found = attained(objective, *sums)
    return Evaluation(
        objective=objective,
        bad=found.bad,
        total=found.total,
        start_ts_ms=start,
        end_ts_ms=end,
        burn=burn,
        episodes=_episodes(policy, ts_ms, worse, burn),
        spent=SPENT.to_frame(),
    )


def _hours(ratios: pl.DataFrame, end_ts_ms: int | None) -> pl.DataFrame:
    """Every hour from the first to the last before the end, those without a row with zeros."""
    rows = ratios.select(
        ts_ms="bucket_ts_ms",
        numerator=pl.col("numerator").cast(_EXACT),
        denominator=pl.col("denominator").cast(_EXACT),
        n_effective=pl.col("n_effective").cast(pl.Float64),
    )
    if end_ts_ms is not None:
        rows = rows.filter(pl.col("ts_ms") < end_ts_ms)
    if rows.is_empty():
        raise InputError("no hours to compare with their season", mend="put telemetry into the lake first")
    first, last = rows.select(first=pl.col("ts_ms").min(), last=pl.col("ts_ms").max()).row(0)
    every = pl.DataFrame({"ts_ms": np.arange(first, last + HOUR_MS, HOUR_MS, dtype=np.int64)})
    return every.join(rows, on="ts_ms", how="left", maintain_order="left").fill_null(0)


def _judge(
    ts_ms: NDArray[np.int64],
    numerator: NDArray[np.float64],
    total: NDArray[np.float64],
    rows: NDArray[np.float64],
    judged: NDArray[np.bool_],
    detect: Detector,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Value and expectation of each hour (NaN where it is not judged), and whether it is an anomaly."""
    value, expected = np.full((2, len(ts_ms)), np.nan)
    np.divide(numerator, total, out=value, where=judged)
    off = np.zeros(len(ts_ms), dtype=np.bool_)
    if judged.any():
        found = detect(ts_ms[judged], value[judged], rows[judged])
        expected[judged] = found["expected"].to_numpy()
        off[judged] = found["is_anomaly"].to_numpy()
    return value, expected, off


def _episodes(
    policy: BaselinePolicy, ts_ms: NDArray[np.int64], worse: NDArray[np.bool_], burn: pl.DataFrame
) -> pl.DataFrame:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], worse, [False])).astype(np.int8)))
    rows = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        fires = begin + policy.persistence - 1
        if fires >= end:
            continue
        # An hour is known when it is over.
        start_ts_ms = int(ts_ms[fires]) + HOUR_MS
        end_ts_ms = int(ts_ms[end - 1]) + 2 * HOUR_MS
        rows.append(
            {
                "severity": policy.severity,
                "start_ts_ms": start_ts_ms,
                "end_ts_ms": end_ts_ms if end < len(ts_ms) else None,
                "duration_ms": end_ts_ms - start_ts_ms,
                "peak_burn": burn["burn"].slice(begin, end - begin).max(),
                "pairs": policy.name,
            }
        )
    return pl.DataFrame(rows, schema=EPISODES)
