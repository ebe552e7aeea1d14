"""Belady's choice: out goes what will not be asked for longest. No policy misses less; none can know.

L. A. Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5(2), 1966.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from synthetic.jit import compiled

__all__ = ["belady"]


@compiled()
def belady(requests: Any, objects: int, capacity: int) -> int:
    """The misses of a trace of numbered objects against ``capacity`` objects, chosen with the future in sight.

    An object that is held is known by the request that asks for it next, so that the object itself need not
    be: a request hits if it was awaited. Time is O(n log n) in requests.
    """
    total = len(requests)
    awaited = np.zeros(total, np.bool_)
    following = _next_requests(requests, objects)
    # Negative, since heapq has the least on top. Requests gone by stay at the bottom until they are cleared.
    farthest = [0 for _ in range(0)]
    held = held_in_vain = misses = 0
    for now in range(total):
        if not awaited[now]:
            misses += 1
            if held < capacity:
                held += 1
            elif held_in_vain > 0:  # never asked for again: which of them goes makes no difference
                held_in_vain -= 1
            else:
                awaited[-heapq.heappop(farthest)] = False
        if following[now] == total:
            held_in_vain += 1
            continue
        awaited[following[now]] = True
        heapq.heappush(farthest, -following[now])
        if len(farthest) > 2 * capacity + 64:
            farthest = [request for request in farthest if -request > now]
            heapq.heapify(farthest)
    return misses


@compiled()
def _next_requests(requests: Any, objects: int) -> Any:
    """For each request, the next one for the same object; the number of requests where there is none."""
    total = len(requests)
    following = np.empty(total, np.int64)
    seen = np.full(objects, total, np.int64)
    for now in range(total - 1, -1, -1):
        following[now] = seen[requests[now]]
        seen[requests[now]] = now
    return following
