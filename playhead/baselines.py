"""The metric tree's baselines on a lake: alerts, and the incidents they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from alerts.baseline import Baseline, watch_all
from alerts.root_cause import group_alerts
from metrics.baseline import seasonal_anomalies
from metrics.lake import Lake
from metrics.query import measure
from metrics.tree import TREE

__all__ = ["Watched", "watch_lake"]


@dataclass(frozen=True)
class Watched:
    """``alerts`` (:data:`alerts.baseline.ALERTS`) and ``incidents`` (:data:`alerts.root_cause.INCIDENTS`)."""

    alerts: pl.DataFrame
    incidents: pl.DataFrame


def watch_lake(
    lake: Lake,
    baselines: Sequence[Baseline],
    *,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> Watched:
    """Every baseline over the lake's hours up to ``end_ts_ms``; all hours before teach what is usual.

    Alerts that were over by ``start_ts_ms`` are left out.
    """
    found = watch_all(
        baselines,
        lambda each: measure(
            lake, [each.metric], by=each.by, where=each.where, grain="1h", end_ts_ms=end_ts_ms
        ),
        seasonal_anomalies,
    )
    alerts = found.sort("start_ts_ms", "baseline", "slice")
    if start_ts_ms is not None:
        alerts = alerts.filter((pl.col("end_ts_ms") > start_ts_ms).fill_null(value=True))
    drivers = {parent: [edge.child for edge in edges] for parent, edges in TREE.items()}
    return Watched(alerts, group_alerts(alerts, drivers))
