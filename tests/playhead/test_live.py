"""What `playhead serve` writes for Prometheus, and what it refuses; the servers' own test is elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from metrics.errors import InputError
from metrics.lake import Lake
from playhead.live import configuration, export, recorded, write_configuration
from tests.alerts.frames import T0, minute_counts


def test_the_configuration_is_paced_with_the_service(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "live", port=9109, speed=60, alertmanager="127.0.0.1:9093")
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert written["global"] == {
        "scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "1s",
    }  # fmt: skip
    assert written["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:9109"]}]
    assert written["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["127.0.0.1:9093"]}]
    (rules,) = written["rule_files"]
    groups = yaml.safe_load((path.parent / rules).read_text(encoding="utf-8"))["groups"]
    assert {group["interval"] for group in groups} == {"1s"}


def test_without_an_alertmanager_none_is_named() -> None:
    assert "alerting" not in configuration(9109, 1)
    assert configuration(9109, 1)["global"]["evaluation_interval"] == "1m"


def test_a_lakes_minutes_are_played_again_day_by_day(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    told = minute_counts([1439, 1442], starts=[3, 4], attempts=4, attempts_n=4, attempts_weight_squared=4)
    lake.append("minute_count", told, application="test", version=0)
    found = [((m.ts_ms - T0) // 60_000, int(m.rows["starts"].sum())) for m in recorded(lake, skip_minutes=1)]
    assert found == [(1440, 0), (1441, 0), (1442, 4)]
    with pytest.raises(InputError, match="no minute counts"):
        recorded(Lake.create(tmp_path / "empty"))


def test_a_service_without_a_minute_is_refused() -> None:
    with pytest.raises(InputError, match="no minute to show"):
        export(iter([]), port=9109)
