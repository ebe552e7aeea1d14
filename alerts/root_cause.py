"""Alerts that tell of one thing, as one incident.

Two alerts belong together when their times overlap and the metric tree or a slice joins them: a metric and its driver
(at any depth), the same slice of the same dimension, or the same metric in another slice that went within two hours of
it. Belonging is passed on, so a chain of alerts is one incident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from alerts.baseline import QUIET_MS

__all__ = ["INCIDENTS", "group_alerts"]

_TOGETHER_MS = 2 * QUIET_MS

INCIDENTS = pl.Schema(
    {
        "incident": pl.Int64(),
        "root_metric": pl.String(),
        "metrics": pl.List(pl.String),
        "slices": pl.List(pl.String),
        "severity": pl.String(),
        "start_ts_ms": pl.Int64(),
        "end_ts_ms": pl.Int64(),
        "alert_count": pl.Int64(),
    }
)


def group_alerts(alerts: pl.DataFrame, drivers: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """One row an incident of :data:`alerts.baseline.ALERTS`, in the order they began.

    ``drivers``: metrics below each metric of the tree. ``root_metric`` is the one that drives most of the others,
    the earliest among equals; ``end_ts_ms`` is null while one of them fires.
    """
    rows = alerts.sort("start_ts_ms", "metric", "slice").to_dicts()
    below = {metric: _below(metric, drivers) for metric in {row["metric"] for row in rows}}
    of = list(range(len(rows)))

    def root(i: int) -> int:
        while of[i] != i:
            i = of[i]
        return i

    for j, later in enumerate(rows):
        for i in range(j):
            if _overlap(rows[i], later) and _related(rows[i], later, below):
                of[root(j)] = root(i)
    groups: dict[int, list[dict[str, Any]]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(root(i), []).append(row)
    found = [_incident(number, group, below) for number, group in enumerate(groups.values(), start=1)]
    return pl.DataFrame(found, schema=INCIDENTS)


def _overlap(earlier: dict[str, Any], later: dict[str, Any]) -> bool:
    return earlier["end_ts_ms"] is None or later["start_ts_ms"] - earlier["end_ts_ms"] < QUIET_MS


def _related(one: dict[str, Any], other: dict[str, Any], below: Mapping[str, set[str]]) -> bool:
    a, b = one["metric"], other["metric"]
    same_slice = one["slice"] is not None and all(one[key] == other[key] for key in ("dimension", "slice"))
    # What has one cause goes at one time; one hour is what alerts are told to, and a small slice may need a second.
    together = a == b and abs(one["start_ts_ms"] - other["start_ts_ms"]) <= _TOGETHER_MS
    return together or a in below[b] or b in below[a] or same_slice


def _below(metric: str, drivers: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    ahead = list(drivers.get(metric, ()))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += drivers.get(name, ())
    return found


def _incident(number: int, group: list[dict[str, Any]], below: Mapping[str, set[str]]) -> dict[str, Any]:
    metrics = list(dict.fromkeys(row["metric"] for row in group))
    ends = [row["end_ts_ms"] for row in group]
    return {
        "incident": number,
        # `max` keeps the first of equals, and the group is in the order of time.
        "root_metric": max(metrics, key=lambda name: sum(name in below[other] for other in metrics)),
        "metrics": metrics,
        "slices": list(dict.fromkeys(row["slice"] for row in group if row["slice"] is not None)),
        "severity": "page" if any(row["severity"] == "page" for row in group) else "ticket",
        "start_ts_ms": group[0]["start_ts_ms"],
        "end_ts_ms": None if None in ends else max(ends),
        "alert_count": len(group),
    }
