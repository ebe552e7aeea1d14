"""How long ``playhead --help`` takes: what every use of the command line pays first."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.harness import Row, milliseconds, race

__all__ = ["rows"]


def rows() -> list[Row]:
    """``playhead --help`` beside a Python that only loads click."""

    def python(*argv: str) -> None:
        subprocess.run([sys.executable, *argv], check=True, stdout=subprocess.DEVNULL)

    return race(
        "`playhead --help`",
        lambda: python("-m", "playhead", "--help"),
        {"Python that imports click": lambda: python("-c", "import click")},
        milliseconds,
    )
