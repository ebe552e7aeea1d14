"""Alerts with a shared root cause are one incident; others are not."""

from __future__ import annotations

import polars as pl

from alerts.baseline import ALERTS
from alerts.root_cause import group_alerts

HOUR = 3_600_000
DRIVERS = {"hours": ["success"], "success": ["startup"], "cost": ["gigabytes"]}
Alert = tuple[str, str | None, int, int | None]


def _group(*alerts: Alert) -> list[dict[str, object]]:
    rows = [
        {
            "baseline": metric,
            "metric": metric,
            "dimension": name and "region",
            "slice": name,
            "severity": "ticket",
            "start_ts_ms": start * HOUR,
            "end_ts_ms": end and end * HOUR,
            "value": 0.5,
            "expected": 0.8,
        }
        for metric, name, start, end in alerts
    ]
    return group_alerts(pl.DataFrame(rows, schema=ALERTS), DRIVERS).to_dicts()


def test_a_chain_of_the_tree_is_one_incident_and_its_driver_the_root() -> None:
    (incident,) = _group(("hours", None, 2, 9), ("startup", None, 3, 8), ("success", None, 4, 7))
    assert incident["root_metric"] == "startup"
    assert incident["metrics"] == ["hours", "startup", "success"]
    assert (incident["start_ts_ms"], incident["end_ts_ms"]) == (2 * HOUR, 9 * HOUR)
    assert incident["alert_count"] == 3


def test_slices_of_a_metric_and_metrics_of_a_slice_belong_together() -> None:
    (incident,) = _group(("startup", "north", 2, 5), ("startup", "south", 3, 5), ("cost", "south", 4, None))
    assert incident["slices"] == ["north", "south"]
    assert incident["end_ts_ms"] is None


def test_the_same_metric_elsewhere_and_at_another_time_is_another_incident() -> None:
    assert len(_group(("startup", "north", 2, 9), ("startup", "south", 4, 9))) == 1
    assert len(_group(("startup", "north", 2, 9), ("startup", "south", 5, 9))) == 2


def test_other_branches_and_other_times_stay_apart() -> None:
    assert len(_group(("hours", None, 2, 9), ("cost", None, 3, 8))) == 2
    assert len(_group(("hours", None, 2, 4), ("success", None, 5, 8))) == 2
    assert len(_group(("hours", None, 2, 4), ("success", None, 4, 8))) == 1


def test_no_alert_is_no_incident() -> None:
    assert _group() == []
