"""Where computation runs: Polars on this machine, its threads or its processes, or a cluster. Nothing else knows.

The seam for a cluster, which is :mod:`metrics.engine.spark`: what is handed over are lazy frames and a pure
function over partitions, and no caller sees what runs them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any, Literal, Protocol, TypeVar

import narwhals as nw
import polars as pl

__all__ = ["Mapper", "collect", "map_partitions"]

P = TypeVar("P")
R = TypeVar("R")
Where = Literal["here", "threads", "processes"]


class Mapper(Protocol):
    """:func:`map_partitions` with the place where they run already chosen."""

    def __call__(self, function: Callable[[P], R], partitions: Iterable[P], /) -> Iterator[R]: ...


def collect(frames: Iterable[nw.LazyFrame[Any] | pl.LazyFrame]) -> list[pl.DataFrame]:
    """Compute lazy frames, each where it lives; those of Polars together: what several scan is read once."""
    lazy: list[nw.LazyFrame[Any]] = [nw.from_native(frame) for frame in frames]
    here = [frame.to_native() for frame in lazy if frame.implementation.is_polars()]
    found = iter(pl.collect_all(here, engine="streaming") if here else [])
    return [
        next(found) if frame.implementation.is_polars() else frame.collect("polars").to_native()
        for frame in lazy
    ]


def map_partitions(
    function: Callable[[P], R], partitions: Iterable[P], *, where: Where = "here", workers: int = 2
) -> Iterator[R]:
    """``function`` of each partition, in their order, whatever runs them.

    At most ``2 · workers`` results are held, so that a slow reader bounds memory. ``processes`` needs a
    function and partitions that can be pickled. An error of the function is raised where its result is due.
    """
    if where == "here":
        yield from map(function, partitions)
        return
    with _pool(where, workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for partition in partitions:
                waiting.append(pool.submit(function, partition))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _pool(where: Where, workers: int) -> Executor:
    if where == "threads":
        return ThreadPoolExecutor(workers)
    # Polars holds locks that a forked child would inherit held.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
