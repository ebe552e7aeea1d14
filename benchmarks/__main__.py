"""``python -m benchmarks [NAME…] [--nab DIR]``: measure all (or the named ones), print one table.

``--nab`` is the folder of the Numenta Anomaly Benchmark, which is not part of the repository. A run of all of
them also writes ``docs/benchmarks.md``, and ends with the scorecard (:mod:`benchmarks.scorecard`).
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.harness import Row, markdown

ORDER = (
    "start",
    "viewer",
    "kernel",
    "replay",
    "cache",
    "retrieval",
    "ranking",
    "emulator",
    "scale_out",
    "rollup",
    "quantiles",
    "cmcd",
    "alerts",
    "anomalies",
    "localise",
    "experiment",
    "retention",
    "surrogates",
    "visibility",
    "demo",
)
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
ABOUT = """# Benchmarks

Written by `make bench`. Ours and the peer do the same work on the same data in the same process (Node in its own),
turn about, after a warm-up, and their answers are compared before anything is timed; figures are medians of five
rounds (three for the emulated service, seven for the cluster, one run for the demo). Above 1× Playhead is the
faster. Absolute figures are this machine's, with whatever else it was doing; ratios and CPU time travel better.

"""


def main(names: list[str]) -> None:
    """Measure and print; unknown names end the program with the known ones."""
    options = {}
    if "--nab" in names:
        at = names.index("--nab")
        if at + 1 == len(names):
            sys.exit("benchmarks: --nab needs a folder")
        options = {"anomalies": {"nab": Path(names[at + 1])}}
        names = names[:at] + names[at + 2 :]
    unknown = set(names) - set(ORDER)
    if unknown:
        sys.exit(f"benchmarks: no {', '.join(sorted(unknown))}; known: {', '.join(ORDER)}")
    rows: list[Row] = []
    for name in names or ORDER:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.{name}").rows(**options.get(name, {}))
    table = markdown(rows)
    print(table)
    if not names:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(f"{ABOUT}{table}\n{_machine()}\n", encoding="utf-8")
        print(f"written to {PAGE.relative_to(Path.cwd())}", file=sys.stderr)
        nab = [] if "anomalies" not in options else ["--nab", str(options["anomalies"]["nab"])]
        importlib.import_module("benchmarks.scorecard").main(nab)


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("polars", "duckdb", "numba", "http-sf"))
    return (
        f"Machine: {os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}; {packages}."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
