"""A real Prometheus and Alertmanager beside a service played fast: they fire when the local evaluation says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

import synthetic
from alerts import names
from alerts.compile import compile_rules
from alerts.evaluate import evaluate
from alerts.exporter import Minute
from alerts.pace import at_speed
from alerts.policy import load_policies
from alerts.rule_file import render
from alerts.slo import load
from playhead.live import configuration, export
from tests.alerts import servers
from tests.alerts.frames import T0, minute_counts

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (servers.PROMETHEUS and servers.ALERTMANAGER),
        reason="prometheus and alertmanager are not installed",
    ),
]

SPEED = 60.0  # a minute of the service is a second
QUIET, INCIDENT, AFTER = 20, 25, 45
MINUTES = QUIET + INCIDENT + AFTER


def incident() -> pl.DataFrame:
    """Two regions; in one, every third start is late for 25 minutes."""
    frames = []
    for region in ("mena", "western-europe"):
        late = [
            300 if region == "mena" and QUIET <= minute < QUIET + INCIDENT else 1 for minute in range(MINUTES)
        ]
        frames.append(
            minute_counts(range(MINUTES), starts=900, starts_late=late).with_columns(region=pl.lit(region))
        )
    return pl.concat(frames)


def scraped_minutes(url: str, begun_ms: int) -> list[int]:
    """The minutes of the service whose counts the server has."""
    ((_, samples),) = servers.samples(url, 'playhead_starts{region="mena"}', "10m")
    return [round((at * 1000 - begun_ms) * SPEED / 60_000 - 0.5) for at in samples]


def test_alerts_fire_reach_a_webhook_and_are_resolved(tmp_path: Path) -> None:
    policies = load_policies()
    objectives = [objective for objective in load() if objective.name == "time-to-play-p99"]
    (tmp_path / "rules.yaml").write_text(
        render(at_speed(compile_rules(objectives, policies), SPEED)), encoding="utf-8"
    )
    port = servers.free_port()
    frame = incident()
    rows = frame.sort("ts_ms").partition_by("ts_ms", maintain_order=True)
    minutes = (Minute(int(part["ts_ms"][0]), part) for part in rows)
    name = "TimeToPlayP99BudgetBurn"
    with servers.webhook() as hook, servers.alertmanager(tmp_path, hook) as manager:
        config = tmp_path / "prometheus.yml"
        config.write_text(yaml.safe_dump(configuration(port, SPEED, manager)), encoding="utf-8")
        with servers.prometheus(config) as url:
            shown = export(minutes, port=port, speed=SPEED)
            deadline = time.time() + 30
            while not hook.alerts("resolved", name, "page") and time.time() < deadline:
                time.sleep(0.2)
            firing = f'ALERTS{{alertname="{name}", severity="page", alertstate="firing"}}'
            ((_, fired_at),) = servers.samples(url, firing, "10m")
            seen = scraped_minutes(url, shown.begun_ms)
    assert (shown.minutes, shown.late) == (MINUTES, 0)
    # A busy machine may miss a scrape, the first while it starts; both then judge the minutes that there are.
    missed = sorted(set(range(MINUTES)) - set(seen))
    assert len(missed) < MINUTES / 4
    known = frame.with_columns(
        pl.when(((pl.col("ts_ms") - T0) // 60_000).is_in(missed))
        .then(0)
        .otherwise(pl.col(column))
        .alias(column)
        for column in names.COUNT_COLUMNS
        if column in frame.columns
    )
    (page,) = evaluate(objectives[0], known).episodes.filter(pl.col("severity") == "page").to_dicts()
    interval_s = 60 / SPEED

    def behind_minutes(at_s: float, expected_ms: int) -> float:
        return (at_s * 1000 - shown.begun_ms) * SPEED / 60_000 - (expected_ms - T0) / 60_000

    # The server has a minute after the next scrape, a quarter of one, and acts on it within one interval of its
    # rules. Rules that it gets to late count as evaluated when they were due, and see what is stamped up to then: the
    # middle of the minute. What ends may also fall out of a window between two minutes.
    assert -0.5 <= behind_minutes(fired_at[0], page["start_ts_ms"]) <= 0.25 + 1
    assert -1 <= behind_minutes(fired_at[-1] + interval_s, page["end_ts_ms"]) <= 0.25 + 1
    told = hook.alerts("firing", name, "page")
    assert told
    assert told[0][1]["annotations"]["runbook_url"].endswith("#time-to-play-p99")
    assert hook.alerts("resolved", name, "page")


OUTAGE = """
[[incident]]
id = "push"
kind = "config_push"
start = 2026-04-01T00:20:00Z
minutes = 10
ramp_minutes = 0
severity = 1.0
scope = {}
"""


def test_the_emulated_service_is_scraped_and_its_incident_pages(tmp_path: Path) -> None:
    """`playhead serve`, faster: edges refuse every play for ten minutes of the first hour."""
    shipped = (Path(synthetic.__file__).parent / "scenarios" / "quarter.toml").read_text(encoding="utf-8")
    scenario = tmp_path / "outage.toml"
    scenario.write_text(shipped.partition("[[incident]]")[0] + OUTAGE, encoding="utf-8")
    port = servers.free_port()
    command = [
        sys.executable, "-m", "playhead", "serve", "--scenario", str(scenario), "--subscribers", "3000", "--days", "1",
        "--speed", "60", "--minutes", "75", "--port", str(port), "--write", str(tmp_path / "live"), "--json",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        said = []
        for line in serving.stderr:
            said.append(line)
            if "minute counts are at" in line:
                break
        assert serving.poll() is None, "".join(said)
        with servers.prometheus(tmp_path / "live" / "prometheus.yml") as url:
            begun = time.time()
            out, _ = serving.communicate(timeout=300)
            firing = 'ALERTS{alertstate="firing", severity="page", alertname="StartFailuresBudgetBurn"}'
            (page,) = servers.query_range(url, firing, begun, time.time(), 0.5)
    assert json.loads(out)["minutes"] == 75
    times = [at for at, _ in page["values"]]
    # A second is a minute: it pages within the incident, and no longer when the half hour after it is over.
    assert 15 < times[0] - begun < 35
    assert 40 < times[-1] - begun < 70
