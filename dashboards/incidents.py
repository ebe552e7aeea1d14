"""Incidents: alerts that tell of one thing, what really happened where it is known, and how the two meet.

Frames in, frames out. What the emulator knows (:mod:`metrics.truth`) is laid beside the alerts here, after both are
there; nothing that finds or explains an incident sees it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from alerts.baseline import ALERTS
from alerts.root_cause import group_alerts
from dashboards.formats import named, titled
from dashboards.window import Window
from metrics.tree import TREE

__all__ = [
    "INCIDENTS",
    "METRIC_OF",
    "agreement",
    "alert_rows",
    "incidents_of",
    "scope_of",
    "standing",
    "worded",
]

# The metric of the catalogue that an objective of the contract counts; the tree joins alerts through them.
METRIC_OF: Mapping[str, str] = {
    "time-to-play-p99": "time_to_play_bad_ratio",
    "time-to-play-p50": "time_to_play_bad_ratio",
    "rebuffering-sessions": "rebuffer_rate",
    "stalled-viewing": "rebuffer_ratio",
    "start-failures": "start_failure_technical_ratio",
    "home-page-latency": "home_late_ratio",
}
INCIDENTS = pl.Schema(
    {
        "key": pl.String(), "title": pl.String(), "metric": pl.String(), "severity": pl.String(),
        "start_ts_ms": pl.Int64(), "end_ts_ms": pl.Int64(), "alerts_count": pl.Int64(), "alerts": pl.List(pl.String()),
        "truth": pl.List(pl.String()), "dimension": pl.String(), "slice": pl.String(),
    }
)  # fmt: skip
_STANDING_RATIO = 0.5
# An alert fires once its windows have filled: what it tells of began before it, by up to its short window and more.
_BEFORE_MS = 2 * 3_600_000


def standing(merged: pl.DataFrame, period: Window) -> pl.DataFrame:
    """Of merged episodes, those that fire for most of the period: no incident, but a promise that is not kept."""
    end = pl.col("end_ts_ms").fill_null(period.end_ts_ms).clip(upper_bound=period.end_ts_ms)
    seen = end - pl.col("start_ts_ms").clip(lower_bound=period.start_ts_ms)
    return merged.filter(seen > _STANDING_RATIO * period.length_ms)


def alert_rows(merged: pl.DataFrame) -> pl.DataFrame:
    """Merged episodes of objectives as rows of :data:`alerts.baseline.ALERTS`."""
    metric = pl.col("name").replace_strict(METRIC_OF, default=pl.col("name"), return_dtype=pl.String)
    nothing = pl.lit(None, pl.String)
    return merged.select(
        baseline="name", metric=metric, dimension=nothing, slice=nothing, severity="severity",
        start_ts_ms="start_ts_ms", end_ts_ms="end_ts_ms", value="peak_burn", expected=pl.lit(None, pl.Float64),
    ).cast(dict(ALERTS))  # type: ignore[arg-type]  # fmt: skip


def incidents_of(
    alerts: pl.DataFrame, truth: pl.DataFrame, titles: Mapping[str, str], end_ts_ms: int
) -> pl.DataFrame:
    """Incidents of :data:`INCIDENTS`, newest first: alerts that belong together, and what no alert told of.

    ``alerts``: rows of :data:`alerts.baseline.ALERTS`; ``truth``: rows of ``truth_incident`` (empty on a lake of real
    telemetry); ``titles``: of alerts by their name. What still fires at ``end_ts_ms`` has no end. ``truth`` of an
    incident names what happened while it was on. What no alert told of has severity ``none``.
    """
    drivers = {parent: [edge.child for edge in edges] for parent, edges in TREE.items()}
    grouped = group_alerts(alerts, drivers)
    happened = truth.select("incident_id", "kind", "metric", "start_ts_ms", "end_ts_ms").to_dicts()
    rows: list[dict[str, Any]] = []
    told: set[str] = set()
    for group in grouped.to_dicts():
        end = group["end_ts_ms"] or end_ts_ms
        of = alerts.filter(
            pl.col("metric").is_in(group["metrics"]),
            pl.col("start_ts_ms") >= group["start_ts_ms"],
            pl.col("start_ts_ms") <= end,
        ).sort("start_ts_ms")
        meant = [
            t["incident_id"]
            for t in happened
            if t["start_ts_ms"] <= end and t["end_ts_ms"] >= group["start_ts_ms"] - _BEFORE_MS
            and _shows(t["metric"], group["metrics"])
        ]  # fmt: skip
        told |= set(meant)
        names = list(dict.fromkeys(of["baseline"].to_list()))
        slices = of.drop_nulls("slice").select("dimension", "slice").unique(maintain_order=True).rows()
        rows.append(
            {
                "key": f"{names[0]}-{group['start_ts_ms'] // 60_000}",
                "title": _title([titles.get(name, name) for name in names], slices),
                # One slice alone is what is looked at; several may be anywhere.
                "dimension": slices[0][0] if len(slices) == 1 else None,
                "slice": slices[0][1] if len(slices) == 1 else None,
                "metric": group["root_metric"],
                "severity": group["severity"],
                "start_ts_ms": group["start_ts_ms"],
                "end_ts_ms": group["end_ts_ms"],
                "alerts_count": group["alert_count"],
                "alerts": names,
                "truth": meant,
            }
        )
    rows += [
        {
            "key": t["incident_id"], "title": worded(t["kind"]), "metric": t["metric"], "severity": "none",
            "start_ts_ms": t["start_ts_ms"], "end_ts_ms": t["end_ts_ms"], "alerts_count": 0, "alerts": [],
            "truth": [t["incident_id"]], "dimension": None, "slice": None,
        }
        for t in happened if t["incident_id"] not in told
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=INCIDENTS).sort("start_ts_ms", "key", descending=[True, False])


def _title(titles: Sequence[str], slices: Sequence[tuple[str, str]]) -> str:
    """What fired, and of whom, as far as a line holds it."""
    where = ", ".join(named(value) for _, value in slices[:2]) + (
        f" and {len(slices) - 2} more" if len(slices) > 2 else ""
    )
    return ", ".join(dict.fromkeys(titles)) + (f" · {where}" if where else "")


# Alerts on these show incidents whose first metric is another: a play that fails is counted by one objective.
_ALSO = {
    "start_failure_technical_ratio": {"start_failure_technical_ratio", "attempts"},
    "rebuffer_rate": {"rebuffer_ratio", "time_to_play_p99_ms", "edge_offload_ratio"},
    "rebuffer_ratio": {"rebuffer_ratio", "time_to_play_p99_ms", "edge_offload_ratio"},
    "time_to_play_bad_ratio": {"time_to_play_p99_ms", "edge_offload_ratio", "fill_ratio", "rebuffer_ratio"},
    "home_late_ratio": {"home_degraded_ratio"},
    "rec_driven_play_ratio": {"home_degraded_ratio"},
    "rec_driven_hours_ratio": {"home_degraded_ratio"},
}


def _shows(metric: str, alerted: Sequence[str]) -> bool:
    return any(metric == name or metric in _ALSO.get(name, ()) for name in alerted)


def scope_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that an incident of the truth hit."""
    scope: dict[str, str] = json.loads(row["scope"])
    return scope


def agreement(
    elements: Sequence[Mapping[str, str | None]], scope: Mapping[str, str], told: Sequence[str]
) -> str:
    """How an explanation meets the truth: ``right``, ``partly`` (a part of it, or more than it), ``wrong``.

    ``elements``: the slices found (none: everywhere); ``told``: the dimensions that were looked at. A region is
    implied by an ISP in it, and what telemetry does not tell cannot be found.
    """
    wanted = {name: value for name, value in scope.items() if name in told}
    if "isp" in wanted or "site" in wanted:
        wanted.pop("region", None)
    found = [dict(element) for element in elements]
    for element in found:
        if "isp" in element or "site" in element:
            element.pop("region", None)
    if not wanted:
        return "right" if not found else "wrong"
    if found == [wanted]:
        return "right"
    joins = any(element.items() & {*wanted.items(), *scope.items()} for element in found)
    return "partly" if joins else "wrong"


def worded(kind: str) -> str:
    """A class of incident as words.

    >>> worded("access_congestion")
    'Access congestion'
    """
    return kind.replace("_", " ").capitalize()


def slice_text(element: Mapping[str, str | None]) -> str:
    """A slice as people read it.

    >>> slice_text({"region": "south-asia", "isp": "sa-isp-1"})
    'region South Asia, ISP sa-isp-1'
    """
    return ", ".join(f"{titled(name)} {named(value)}" for name, value in element.items())
