"""One trace against one cache."""

from __future__ import annotations

from metrics.errors import InputError, did_you_mean
from synthetic.data_plane.cache.belady import belady
from synthetic.data_plane.cache.policies import fifo, lfu, lru, s3fifo, sieve
from synthetic.data_plane.cache.trace import Trace
from synthetic.data_plane.cache.wtinylfu import wtinylfu

__all__ = ["POLICIES", "misses"]

_BY_ORDER = {"lru": lru, "fifo": fifo, "lfu": lfu, "s3fifo": s3fifo, "sieve": sieve, "belady": belady}
POLICIES = ("lru", "fifo", "lfu", "s3fifo", "sieve", "wtinylfu", "belady")


def misses(trace: Trace, policy: str, capacity: int) -> int:
    """How many requests of ``trace`` an empty cache of ``capacity`` objects misses.

    ``policy`` is one of :data:`POLICIES`. Every missed object is taken in at once. Raises :class:`InputError`
    for an unknown policy or a capacity under 1.
    """
    if policy not in POLICIES:
        raise InputError(f"no cache policy {policy!r}", mend=did_you_mean(policy, POLICIES))
    if capacity < 1:
        raise InputError(f"a cache of {capacity} objects", mend="give a capacity of 1 or more")
    slots = min(capacity, trace.objects)  # more would stay empty, and no queue of a policy would change
    if policy == "wtinylfu":
        return int(wtinylfu(trace.requests, trace.objects, slots, trace.keys))
    return int(_BY_ORDER[policy](trace.requests, trace.objects, slots))
