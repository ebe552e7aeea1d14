"""An alert's states as Prometheus keeps them: pending for a while, firing, and kept firing for a while longer.

At each evaluation whose condition holds, an alert that was not there begins to be pending; it fires once ``for`` has
passed since. One that fires goes on while less than ``keep_firing_for`` has passed since the condition was last seen
to hold no more, and goes on as if nothing had been when it holds again within that time. One that is only pending is
forgotten at the first evaluation without the condition.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from alerts.policy import MINUTE_MS

__all__ = ["firing_runs"]


def firing_runs(holds: NDArray[np.bool_], for_ms: int, keep_firing_ms: int) -> Iterator[tuple[int, int]]:
    """First minute and end (exclusive) of each run of firing, of a condition told at each minute's evaluation.

    >>> list(firing_runs(np.array([0, 1, 1, 1, 0, 0, 1, 0], dtype=bool), 60_000, 120_000))
    [(2, 8)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], holds, [False])).astype(np.int8)))
    pending = -(-for_ms // MINUTE_MS)
    # Resolved at the first evaluation without the condition that comes that long after the first of them.
    kept = -(-keep_firing_ms // MINUTE_MS)
    open_begin, open_end = -1, -1
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if open_begin >= 0 and begin <= open_end + kept:
            open_end = end
            continue
        if open_begin >= 0:
            yield open_begin, min(open_end + kept, len(holds))
            open_begin = -1
        if end - begin > pending:
            open_begin, open_end = begin + pending, end
    if open_begin >= 0:
        yield open_begin, min(open_end + kept, len(holds))
