"""How many videos a second trace replay plays over recorded networks, request by request."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import Row, race, rate
from synthetic.player.manifest import read_manifest
from synthetic.player.replay import ABR, replay
from synthetic.player.trace import read_traces

__all__ = ["rows"]

RECORDED = Path(__file__).parent.parent / "tests" / "synthetic" / "fixtures" / "replay"
TIMES = 50


def rows() -> list[Row]:
    """A ten-minute video over each recorded trace by every rule, with downloads watched and not."""
    found = []
    manifest = read_manifest(RECORDED / "bbb4k.json")
    recorded = read_traces(RECORDED / "bbb4k")
    traces = {f"{name} {i}": trace for name, trace in recorded.items() for i in range(TIMES)}
    for abandon, how in ((True, "downloads may be given up"), (False, "downloads are finished")):

        def run(abandon: bool = abandon) -> None:
            for abr in ABR:
                replay(manifest, traces, abr, abandon=abandon)

        found += race(f"trace replay, {how}", run, {}, rate(len(traces) * len(ABR), "sessions"))
    return found
