"""A real Spark cluster for tests: a standalone master and two workers of one core each, on loopback."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_spark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed"),
]

START_S = 120  # three Java machines on two busy cores


@dataclass(frozen=True)
class Cluster:
    master: str
    workers: list[Path]


@contextmanager
def spark_cluster(folder: Path) -> Iterator[Cluster]:
    """A master and two workers that keep to ``folder``, on ports that they choose themselves."""
    workers = [folder / "first", folder / "second"]
    running: list[subprocess.Popen[bytes]] = []
    try:
        log = _start(running, folder / "master.log", "master.Master")
        master = _wait_for(running, log, r"Starting Spark master at (spark://\S+)")[0]
        for worker in workers:
            _start(
                running,
                worker.with_suffix(".log"),
                "worker.Worker",
                "-c",
                "1",
                "-m",
                "1g",
                "-d",
                str(worker),
                master,
            )
        _wait_for(running, log, r"Registering worker .* with 1 cores", times=len(workers))
        yield Cluster(master, workers)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(running: list[subprocess.Popen[bytes]], log: Path, role: str, *arguments: str) -> Path:
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None
    assert spec.origin is not None
    command = [str(Path(spec.origin).parent / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}"]
    with log.open("wb") as said:
        running.append(
            subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0", *arguments],
                cwd=log.parent,
                env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
                stdout=said,
                stderr=said,
            )
        )
    return log


def _wait_for(running: list[subprocess.Popen[bytes]], log: Path, pattern: str, times: int = 1) -> list[str]:
    end = time.monotonic() + START_S
    while len(found := re.findall(pattern, log.read_text("utf-8"))) < times:
        if time.monotonic() > end or any(process.poll() is not None for process in running):
            pytest.fail("\n".join(path.read_text("utf-8") for path in log.parent.glob("*.log")))
        with suppress(subprocess.TimeoutExpired):
            running[0].wait(timeout=0.1)
    return found
