"""The whole catalogue on a Spark cluster: the integers and quantiles of one machine, over the same snapshot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from metrics.catalog import METRICS
from metrics.lake import Lake
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario
from tests.metrics.rows import APRIL_MS, DAY_MS, rows
from tests.spark_cluster import Cluster, needs_spark, spark_cluster

pytestmark = needs_spark

RUN_S = 600
CHARGES = [
    {
        "x_period_start_ts_ms": APRIL_MS, "x_period_end_ts_ms": APRIL_MS + 3 * DAY_MS + 7, "x_cost_pool": pool,
        "EffectiveCost": Decimal("1234567.0000000019"), "BillingCurrency": "USD",
    }
    for pool in ("delivery", "encoding", "control_plane")
]  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of the emulated service, and a bill; a folder name that Hadoop would take for a pattern."""
    path = tmp_path_factory.mktemp("lakes") / "a [lake] of {four} days"
    made = Lake.create(path)
    synthesise(load_scenario(None, panel=200, days=4), made)
    made.append("charge", rows("charge", *CHARGES), application="bill", version=1)
    return path


def measured(lake: Path, *arguments: str) -> list[dict[str, Any]]:
    ran = subprocess.run(
        [sys.executable, "-m", "playhead", "metrics", "--json", "--lake", str(lake), *arguments],
        capture_output=True, text=True, check=False, timeout=RUN_S,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(
    "cut",
    [
        ("--intervals",),
        ("--by", "region,is_synthetic", "--grain", "1d", "--from", "2026-04-02", "--where", "region=mena,south-asia,"),
    ],
)  # fmt: skip
def test_a_cluster_measures_what_one_machine_measures(
    cluster: Cluster, lake: Path, cut: tuple[str, ...]
) -> None:
    here = measured(lake, *cut)
    there = measured(lake, *cut, "--engine", "spark", "--master", cluster.master)
    assert there == here
    assert any(group.keys() >= METRICS.keys() for group in here) or "--by" in cut
    known = {
        name for group in here for name in METRICS.keys() & group.keys() if group[name]["value"] is not None
    }
    assert known >= {"time_to_play_p99_ms", "watch_hours_per_subscriber", "edge_offload_ratio"}
    if "--by" not in cut:
        assert known >= {
            "cost_per_stream_hour_usd",
            "mux_smoothness_score",
            "take_rate",
            "home_latency_p99_ms",
        }
    for worker in cluster.workers:
        logs = [path.read_text("utf-8") for path in worker.glob("app-*/*/stderr")]
        assert any("Finished task" in log for log in logs), f"{worker.name} worker ran nothing"
