"""Synthesis on a Spark cluster: the same rows as one machine, from a real master with two workers on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from metrics.lake import Lake
from playhead.synthesis import synthesise
from synthetic.scenario import load_scenario
from tests.spark_cluster import Cluster, needs_spark, spark_cluster

pytestmark = needs_spark

RUN_S = 300


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def playhead(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "playhead", "synthesize", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days: the second batch starts on the last."""
    text = files("synthetic").joinpath("scenarios/quarter.toml").read_text("utf-8")
    for shipped, small in {
        "panel": ("20_000", "150"),
        "titles": ("18_214", "2_000"),
        "days": ("91", "8"),
    }.items():
        assert f"{shipped} = {small[0]}" in text
        text = text.replace(f"{shipped} = {small[0]}", f"{shipped} = {small[1]}")
    path = tmp_path_factory.mktemp("scenario") / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_cluster_writes_the_rows_of_one_machine(cluster: Cluster, scenario: Path, tmp_path: Path) -> None:
    here = Lake.create(tmp_path / "here")
    done = synthesise(load_scenario(scenario), here)
    ran = playhead(
        "--scenario", str(scenario), "--lake", str(tmp_path / "there"),
        "--engine", "spark", "--master", cluster.master, "--partitions", "5",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = ran.stderr.splitlines()
    assert [line for line in told if not line.startswith("synthesise: ")] == [], "Spark is not quiet"
    there = Lake.open(tmp_path / "there")
    assert there.tables() == here.tables()
    assert set(there.tables()) == set(done.rows)
    for name in here.tables():
        one, other = here.scan(name).collect(), there.scan(name).collect()
        assert one.height == done.rows[name]
        assert one.height > 0, name
        assert one.sort(one.columns).equals(other.sort(one.columns)), name
    for worker in cluster.workers:
        logs = [path.read_text("utf-8") for path in worker.glob("app-*/*/stderr")]
        assert any("Finished task" in log for log in logs), f"{worker.name} worker ran nothing"


CONTRACT = """
import sys
from metrics.engine.spark import SparkMapper, open_spark

with open_spark(sys.argv[1]) as session:
    mapped = SparkMapper(session)
    day = list(range(1000))
    print(list(mapped(lambda n: day[n] * n, range(11))))
    results = mapped(lambda n: 6 // n, [3, 2, 0, 1])
    print(next(results), next(results))
    try:
        next(results)
    except ZeroDivisionError as error:
        print("raised where due:", error)
with open_spark("local[1]") as session:
    print("opened again:", session.range(5).count())
"""


def test_closures_order_and_errors_through_real_workers(cluster: Cluster) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CONTRACT, cluster.master],
        capture_output=True, text=True, check=False, timeout=RUN_S,
    )  # fmt: skip
    assert ran.stdout.splitlines() == [
        str([n * n for n in range(11)]),
        "2 3",
        "raised where due: integer division or modulo by zero",
        "opened again: 5",
    ], ran.stderr
    assert ran.stderr == ""


def test_a_worker_without_playhead_is_one_line(cluster: Cluster, scenario: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=RUN_S)
    ran = playhead(
        "--scenario", str(scenario), "--lake", str(tmp_path / "lake"), "--engine", "spark", "--master", cluster.master,
        PYSPARK_PYTHON=str(bare / "bin" / "python"),
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        f"playhead: {cluster.master}: a worker's Python has no playhead; install the same playhead there, "
        "or set PYSPARK_PYTHON to a Python that has it"
    ]
    assert not (tmp_path / "lake").exists()
