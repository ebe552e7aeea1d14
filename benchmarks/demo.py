"""The demo as a user runs it: a quarter, from nothing to the verdict; and its lake in a browser, where there is one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.dashboard import measured, promised
from benchmarks.harness import Row, run_and_watch

__all__ = ["rows"]

ROOT = Path(__file__).parent.parent


def rows() -> list[Row]:
    """Wall time, CPU time and peak memory of one run in a process of its own; the machine code is compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        demo = [sys.executable, "-m", "playhead", "demo", "--no-serve", "--lake"]
        run_and_watch([*demo, here / "warm", "--subscribers", "200", "--days", "7"], ROOT)
        run = run_and_watch([*demo, here / "lake"], ROOT)
        seen = promised(measured([here / "lake"])[0], "the demo's lake") if shutil.which("chromium") else []
    return [
        Row("`playhead demo` to the verdict, wall time", f"{run.seconds:.0f} s"),
        Row("`playhead demo` to the verdict, CPU time", f"{run.cpu_seconds:.0f} s"),
        Row("`playhead demo` to the verdict, peak memory", f"{run.peak_bytes / 1e9:.2f} GB"),
        *seen,
    ]
