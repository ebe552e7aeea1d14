"""The emulated service with its partitions on Spark's workers, against two threads of one process."""

from __future__ import annotations

import importlib.util
import shutil
import sys

from benchmarks.harness import Row, race, rate
from metrics.engine.spark import SparkMapper, open_spark
from synthetic import emulator
from synthetic.scenario import load_scenario

__all__ = ["rows"]


def rows() -> list[Row]:
    """A week as in ``benchmarks.emulator``, on two processes of this machine; what a cluster costs, not brings.

    The session is open and the workers hold the world (the warm-up's), as on any day but the first.
    """
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        print("scale_out: left out, needs `make .venv/.spark` and Java", file=sys.stderr)
        return []
    scenario = load_scenario(None, days=7)
    sessions = 0

    def threads() -> None:
        nonlocal sessions
        sessions = sum(batch.sessions for batch in emulator.run(scenario))

    with open_spark("local[2]") as session:
        mapper = SparkMapper(session)

        def spark() -> None:
            assert sum(batch.sessions for batch in emulator.run(scenario, mapper=mapper)) == sessions

        def show(seconds: float) -> str:
            return rate(sessions, "sessions")(seconds)

        threads()
        what = "emulated service on Spark, two workers here, a week"
        return race(what, spark, {"Playhead on two threads": threads}, show, rounds=3)
