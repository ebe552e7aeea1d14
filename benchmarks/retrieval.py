"""How long it takes to find ten of ten thousand titles by looking at all, beside NumPy's partition, in CPU time."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import Row, race
from synthetic.control_plane.retrieval import nearest

__all__ = ["rows"]

TITLES, RANK, QUERIES, K = 10_000, 64, 2_000, 10


def rows() -> list[Row]:
    """One query after the other, as they come in; what is shown is the time of one."""
    draw = np.random.Generator(np.random.Philox(42))
    titles = draw.standard_normal((TITLES, RANK), dtype=np.float32)
    queries = draw.standard_normal((QUERIES, RANK), dtype=np.float32)
    by_factor = np.ascontiguousarray(titles.T)

    def ours() -> object:
        return [nearest(queries[q : q + 1], by_factor, K) for q in range(QUERIES)]

    def partitioned() -> object:
        return [_partitioned(titles, query) for query in queries]

    with threadpool_limits(limits=1):
        found = [
            best[0].tolist() for best, _ in (nearest(queries[q : q + 1], by_factor, K) for q in range(50))
        ]
        assert found == [_partitioned(titles, query).tolist() for query in queries[:50]]
        return race(
            f"{K} nearest of {TITLES:,} titles, {RANK} factors, one query",
            ours,
            {"NumPy: product and argpartition": partitioned},
            lambda seconds: f"{seconds / QUERIES * 1000:.3f} ms",
            clock=_cpu_seconds,
        )


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _partitioned(titles: np.ndarray, query: np.ndarray) -> np.ndarray:
    score = titles @ query
    best = np.argpartition(score, TITLES - K)[TITLES - K :]
    return np.asarray(best[np.argsort(-score[best])])
