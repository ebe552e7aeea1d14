"""Which object makes room: recency, frequency, and the queues that came after them.

Each function plays a trace of numbered objects (shape [requests], numbers below ``objects``) against a cache
of ``capacity`` objects that is empty at first and takes in every object it misses, and gives the misses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from synthetic.data_plane.cache.queues import NEWER, enqueue, new_queues, take_out
from synthetic.jit import compiled

__all__ = ["fifo", "lfu", "lru", "s3fifo", "sieve"]

_SMALL_SHARE, _GHOST_SHARE = 0.1, 0.9
_TO_MAIN = 2  # hits in the small queue that make an object worth keeping
_MOST_HITS = 3  # what two bits count


def lru(requests: Any, objects: int, capacity: int) -> int:
    """Out goes what was asked for least recently."""
    misses: int = _oldest_out(requests, objects, capacity, True)
    return misses


def fifo(requests: Any, objects: int, capacity: int) -> int:
    """Out goes what came in first."""
    misses: int = _oldest_out(requests, objects, capacity, False)
    return misses


@compiled()
def _oldest_out(requests: Any, objects: int, capacity: int, hits_renew: bool) -> int:
    # The trace itself is the queue: an object stands at the request that put it there, and whatever stands
    # before the oldest is out. Requests at which nothing stands any more are passed over.
    stands = np.full(objects, -1, np.int32)
    oldest = held = misses = 0
    for now in range(len(requests)):
        item = requests[now]
        if stands[item] >= oldest:
            if hits_renew:
                stands[item] = now
            continue
        misses += 1
        if held == capacity:
            while stands[requests[oldest]] != oldest:
                oldest += 1
            oldest += 1
        else:
            held += 1
        stands[item] = now
    return misses


@compiled()
def lfu(requests: Any, objects: int, capacity: int) -> int:
    """Out goes what was hit least often since it came in; of several, what has waited longest for a hit."""
    hits = np.full(objects, -1, np.int32)  # since it came in; -1: not held
    # A queue for each number of hits; no object has more than it has requests.
    links = new_queues(objects, np.bincount(requests).max())
    held = misses = fewest = 0
    for item in requests:
        if hits[item] >= 0:
            take_out(links, item)
            queue = objects + hits[item]
            if hits[item] == fewest and links[queue, NEWER] == queue:
                fewest += 1
            hits[item] += 1
            enqueue(links, objects + hits[item], item)
            continue
        misses += 1
        if held == capacity:
            out = links[objects + fewest, NEWER]
            take_out(links, out)
            hits[out] = -1
        else:
            held += 1
        hits[item] = fewest = 0
        enqueue(links, objects, item)
    return misses


@compiled()
def sieve(requests: Any, objects: int, capacity: int) -> int:
    """SIEVE (Zhang et al., NSDI 2024): a hand walks from old to new, spares once what was hit, takes the next."""
    absent, held_, hit = 0, 1, 2
    state = np.zeros(objects, np.int8)
    links = new_queues(objects, 1)
    queue = hand = objects
    held = misses = 0
    for item in requests:
        if state[item] != absent:
            state[item] = hit
            continue
        misses += 1
        if held == capacity:
            while hand == queue or state[hand] == hit:
                if hand != queue:
                    state[hand] = held_
                hand = links[hand, NEWER]
            out = hand
            hand = links[out, NEWER]
            take_out(links, out)
            state[out] = absent
        else:
            held += 1
        state[item] = held_
        enqueue(links, queue, item)
    return misses


@compiled()
def s3fifo(requests: Any, objects: int, capacity: int) -> int:
    """S3-FIFO (Yang et al., SOSP 2023): a small queue on probation, a main one, and a memory of who failed.

    Objects come in to the small queue (a tenth), or to the main one when the ghost remembers them. From the
    small queue, two hits lead to the main one, fewer out and into the ghost (nine tenths as many names); the
    main queue sends round again what was hit, up to three times. Until the cache is full for the first time,
    what the small queue cannot hold goes to the main one, as libCacheSim has it. The small queue holds one
    object at least; libCacheSim takes in nothing where a tenth is under two.
    """
    small, main, ghost = objects, objects + 1, objects + 2
    absent = 0
    where = np.full(objects, absent, np.int32)
    hits = np.zeros(objects, np.int8)
    links = new_queues(objects, 3)
    most_small = max(1, int(capacity * _SMALL_SHARE))
    most_main = capacity - most_small
    most_ghost = int(capacity * _GHOST_SHARE)
    smalls = mains = ghosts = misses = 0
    was_full = False
    for item in requests:
        if where[item] == small or where[item] == main:
            hits[item] = min(hits[item] + 1, _MOST_HITS)
            continue
        misses += 1
        remembered = where[item] == ghost
        if remembered:
            take_out(links, item)
            ghosts -= 1
            where[item] = absent
        while smalls + mains == capacity:
            was_full = True
            if mains > most_main:  # as it is when the small queue is empty
                out = links[main, NEWER]
                while hits[out] > 0:
                    hits[out] -= 1
                    take_out(links, out)
                    enqueue(links, main, out)
                    out = links[main, NEWER]
                take_out(links, out)
                where[out] = absent
                mains -= 1
                continue
            out = links[small, NEWER]
            while out != small and hits[out] >= _TO_MAIN:
                hits[out] = 0
                take_out(links, out)
                enqueue(links, main, out)
                where[out] = main
                smalls -= 1
                mains += 1
                out = links[small, NEWER]
            if out == small:
                continue
            take_out(links, out)
            where[out] = absent
            smalls -= 1
            if most_ghost > 0:
                if ghosts == most_ghost:
                    forgotten = links[ghost, NEWER]
                    take_out(links, forgotten)
                    where[forgotten] = absent
                else:
                    ghosts += 1
                where[out] = ghost
                enqueue(links, ghost, out)
        hits[item] = 0
        if remembered or (not was_full and smalls >= most_small):
            mains += 1
            where[item] = main
            enqueue(links, main, item)
        else:
            smalls += 1
            where[item] = small
            enqueue(links, small, item)
    return misses
