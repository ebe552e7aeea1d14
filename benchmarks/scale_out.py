"""A day's partitions of the emulated service on Spark's workers, against two threads of one process."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.harness import Row, rate
from metrics.engine import Mapper, map_partitions
from metrics.engine.spark import SparkMapper, open_spark
from synthetic import emulator
from synthetic.scenario import load_scenario

__all__ = ["rows"]

DAYS = 8


def rows() -> list[Row]:
    """What a cluster costs, not what it brings: two worker processes on this machine do what two threads do.

    Every day of one run is played both ways, turn about. The first is the warm-up, in which workers build the
    world. Sessions/s are of the partitions alone; barrier, join and tables are the same on both.
    """
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        print("scale_out: left out, needs `make .venv/.spark` and Java", file=sys.stderr)
        return []
    seconds: dict[str, list[float]] = {"spark": [], "threads": []}

    def threads(function: Callable[[Any], Any], partitions: Iterable[Any], /) -> Iterator[Any]:
        return map_partitions(function, partitions, where="threads")

    with open_spark("local[2]") as session:
        ways: dict[str, Mapper] = {"spark": SparkMapper(session), "threads": threads}

        def both(function: Callable[[Any], Any], partitions: Iterable[Any], /) -> Iterator[Any]:
            parts, played = list(partitions), {}
            for name, way in ways.items():
                start = time.perf_counter()
                played[name] = list(way(function, parts))
                seconds[name].append(time.perf_counter() - start)
            attempts = {name: [part.delivered.rows.size for part in day] for name, day in played.items()}
            assert attempts["spark"] == attempts["threads"]
            return iter(played["threads"])

        sessions = sum(batch.sessions for batch in emulator.run(load_scenario(None, days=DAYS), mapper=both))
    taken = {name: days[1:] for name, days in seconds.items()}
    print(f"scale_out: first day on Spark {seconds['spark'][0]:.1f} s", file=sys.stderr)
    show = rate(sessions // DAYS, "sessions")
    return [
        Row(
            "a day's partitions on Spark, two workers here",
            show(statistics.median(taken["spark"])),
            "Playhead on two threads",
            show(statistics.median(taken["threads"])),
            statistics.median(t / s for s, t in zip(taken["spark"], taken["threads"], strict=True)),
        )
    ]
