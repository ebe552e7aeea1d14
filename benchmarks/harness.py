"""Measuring ours and its peers turn about, and the table's rows."""

from __future__ import annotations

import gc
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "Run", "markdown", "milliseconds", "race", "rate", "run_and_watch"]

ROUNDS = 5
_REST_RATIO = 50.0  # rest between two looks at a process, over what a look takes


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, our figure, the peer and its figure, ours over theirs.

    ``ratio`` is the median over rounds of the peer's time divided by ours: above 1, ours is the faster.
    """

    what: str
    ours: str
    peer: str = "none that can be installed"
    theirs: str = ""
    ratio: float | None = None


def race(
    what: str,
    ours: Callable[[], object],
    peers: Mapping[str, Callable[[], object]],
    show: Callable[[float], str],
    rounds: int = ROUNDS,
    clock: Callable[[Callable[[], object]], float] | None = None,
) -> list[Row]:
    """Time ``ours`` and each peer turn about, after one warm-up each, and ``show`` the median seconds.

    ``clock`` runs one of them and tells the seconds it took, by default on the wall.
    """
    runs = {"": ours, **peers}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    gc.collect()  # what came before is not paid for here
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append((clock or _seconds)(run))
    shown = {name: show(statistics.median(taken)) for name, taken in seconds.items()}
    if not peers:
        return [Row(what, shown[""])]
    return [
        Row(
            what,
            shown[""],
            peer,
            shown[peer],
            statistics.median(t / o for o, t in zip(seconds[""], seconds[peer], strict=True)),
        )
        for peer in peers
    ]


def rate(size: int, unit: str) -> Callable[[float], str]:
    """Show seconds as units of work a second.

    >>> rate(3_000_000, "rows")(2.0)
    '1.5 M rows/s'
    """
    return lambda seconds: f"{_thousands(size / seconds)} {unit}/s"


def milliseconds(seconds: float) -> str:
    """Show seconds as milliseconds."""
    return f"{seconds * 1000:.0f} ms"


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _thousands(figure: float) -> str:
    """Three figures, with the thousands named.

    >>> _thousands(1_234_567.0), _thousands(45.67)
    ('1.23 M', '45.7')
    """
    for scale, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if figure >= scale:
            return f"{figure / scale:.3g}{name}"
    return f"{figure:.3g}"


@dataclass(frozen=True)
class Run:
    """What a finished command took: wall time, CPU time and peak memory, its children's included."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


def run_and_watch(argv: Sequence[str | Path], cwd: Path) -> Run:
    """Run a command to its end. Raises ``CalledProcessError`` where it fails.

    Memory is the proportional set size of the process tree, sampled every 0.1 s, so that pages shared by
    workers count once; less often where a look takes long, for it takes the time from what is watched.
    Without ``/proc`` it is the largest resident size of any one process.
    """
    peak = 0
    cpu_before = _children_cpu_seconds()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        start = time.perf_counter()
        process = subprocess.Popen(list(map(str, argv)), cwd=cwd, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            looked = time.perf_counter()
            peak = max(peak, _tree_bytes(process.pid))
            time.sleep(max(0.1, _REST_RATIO * (time.perf_counter() - looked)))
        seconds = time.perf_counter() - start
        log.seek(0)
        output = log.read()
    if process.returncode:
        sys.stderr.write(output)
        raise subprocess.CalledProcessError(process.returncode, list(map(str, argv)), output)
    if not peak:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return Run(seconds, _children_cpu_seconds() - cpu_before, peak, output)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree_bytes(pid: int) -> int:
    total, queue = 0, [pid]
    while queue:
        process = Path(f"/proc/{queue.pop()}")
        try:
            for line in (process / "smaps_rollup").read_text("ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
            for task in (process / "task").iterdir():
                queue += [int(child) for child in (task / "children").read_text("ascii").split()]
        except OSError:
            continue  # gone between two looks, or no /proc
    return total


def markdown(rows: Sequence[Row]) -> str:
    """The rows as one Markdown table."""
    cells = [("what", "Playhead", "peer", "peer's figure", "speed against the peer")]
    cells += [
        (row.what, row.ours, row.peer, row.theirs, "" if row.ratio is None else f"{row.ratio:.2f}×")
        for row in rows
    ]
    lines = [f"| {' | '.join(line)} |" for line in cells]
    lines.insert(1, "|---|---:|---|---:|---:|")
    return "\n".join(lines) + "\n"
