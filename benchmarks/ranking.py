"""How long one home page takes, end to end: account, ranking of 10,000 titles, pictures, rows."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.harness import Row
from synthetic.ranking_latency import is_real_time, prepare, times

__all__ = ["rows"]

TITLES, REQUESTS = 10_000, 3_000


def rows() -> list[Row]:
    """Requests one at a time, by the functions that serve the emulated members."""
    bench = prepare(titles=TITLES)
    taken = times(bench, REQUESTS)
    # What another process on the core does is not in it.
    spent = times(bench, REQUESTS, clock=time.thread_time_ns)

    def shown(ms: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
        median, p99 = np.quantile(ms, [0.5, 0.99])
        return f"{median:.2f} ms, p99 {p99:.2f} ms"

    priority = "real-time" if is_real_time() else "ordinary"
    return [
        Row(
            f"a home page, {TITLES:,} titles ranked for one member, {priority} priority",
            shown(taken.home),
            "the promise",
            "p99 100 ms",
        ),
        Row("the same, CPU time", shown(spent.home)),
        Row(f"a search, {TITLES:,} titles, {priority} priority", shown(taken.search)),
        Row("the same, CPU time", shown(spent.search)),
    ]
