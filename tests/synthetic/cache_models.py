"""Each cache policy once more, in plain Python and as its paper tells it: what the compiled ones are held to."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

__all__ = ["MODELS", "optimum", "reuse_distances"]


def _lru(requests: Sequence[int], capacity: int) -> int:
    cache: OrderedDict[int, None] = OrderedDict()
    misses = 0
    for item in requests:
        if item not in cache:
            misses += 1
            if len(cache) == capacity:
                cache.popitem(last=False)
        cache[item] = None
        cache.move_to_end(item)
    return misses


def _fifo(requests: Sequence[int], capacity: int) -> int:
    cache: deque[int] = deque()
    misses = 0
    for item in requests:
        if item not in cache:
            misses += 1
            if len(cache) == capacity:
                cache.popleft()
            cache.append(item)
    return misses


def _lfu(requests: Sequence[int], capacity: int) -> int:
    cache: dict[int, tuple[int, int]] = {}  # hits, and the time of the last
    misses = 0
    for now, item in enumerate(requests):
        if item in cache:
            cache[item] = (cache[item][0] + 1, now)
            continue
        misses += 1
        if len(cache) == capacity:
            del cache[min(cache, key=lambda held: cache[held])]
        cache[item] = (0, now)
    return misses


def _sieve(requests: Sequence[int], capacity: int) -> int:
    queue: list[int] = []  # oldest first
    visited: set[int] = set()
    hand: int | None = None
    misses = 0
    for item in requests:
        if item in queue:
            visited.add(item)
            continue
        misses += 1
        if len(queue) == capacity:
            at = 0 if hand is None else queue.index(hand)
            while queue[at] in visited:
                visited.remove(queue[at])
                at = (at + 1) % len(queue)
            del queue[at]
            hand = queue[at] if at < len(queue) else None
        queue.append(item)
    return misses


def _s3fifo(requests: Sequence[int], capacity: int) -> int:
    small: deque[int] = deque()
    main: deque[int] = deque()
    ghost: deque[int] = deque()
    most_small, most_ghost = max(1, int(capacity * 0.1)), int(capacity * 0.9)
    hits: dict[int, int] = {}
    was_full, misses = False, 0

    def make_room() -> None:
        if len(main) > capacity - most_small or not small:
            while hits[main[0]]:
                hits[main[0]] -= 1
                main.rotate(-1)
            main.popleft()
            return
        while small:
            out = small.popleft()
            if hits[out] > 1:
                main.append(out)
                hits[out] = 0
                continue
            if most_ghost:
                if len(ghost) == most_ghost:
                    ghost.popleft()
                ghost.append(out)
            return

    for item in requests:
        if item in small or item in main:
            hits[item] = min(3, hits[item] + 1)
            continue
        misses += 1
        remembered = item in ghost
        if remembered:
            ghost.remove(item)
        while len(small) + len(main) == capacity:
            was_full = True
            make_room()
        hits[item] = 0
        (main if remembered or (not was_full and len(small) >= most_small) else small).append(item)
    return misses


def _wtinylfu(requests: Sequence[int], capacity: int) -> int:
    window: OrderedDict[int, None] = OrderedDict()
    probation: OrderedDict[int, None] = OrderedDict()
    protected: OrderedDict[int, None] = OrderedDict()
    most_main = capacity - max(1, int(capacity * 0.01))
    most_probation, most_protected = max(1, int(0.2 * most_main)), int(0.8 * most_main)
    counters = [0] * (math.ceil(-math.log(0.001) / math.log(2) ** 2 * most_main) or 20)
    main_hits = misses = 0

    @functools.cache
    def cells(item: int) -> list[int]:
        first, second = (_xxh64(item, seed) % 2**32 for seed in (0x12345678, 0x12344321))
        return [(first + i * second) % 2**32 % len(counters) for i in range(10)]

    def estimate(item: int) -> int:
        return min(counters[cell] for cell in cells(item))

    def count(item: int) -> None:
        for cell in cells(item):
            counters[cell] += 1

    for item in requests:
        if item in window:
            window.move_to_end(item)
            continue
        if item in probation or item in protected:
            probation.pop(item, None)
            protected[item] = None
            protected.move_to_end(item)
            if len(protected) > most_protected:
                probation[protected.popitem(last=False)[0]] = None
                if len(probation) > most_probation:
                    probation.popitem(last=False)
            count(item)
            main_hits += 1
            if main_hits == 32 * most_main:
                main_hits = 0
                counters[:] = [value // 2 for value in counters]
            continue
        misses += 1
        while len(window) + len(probation) + len(protected) == capacity:
            candidate, _ = window.popitem(last=False)
            admitted = len(probation) + len(protected) < most_main
            if not admitted and most_main:
                last = probation or protected
                admitted = estimate(candidate) > estimate(next(iter(last)))
                if admitted:
                    last.popitem(last=False)
            if admitted:
                has_room = len(probation) < most_probation or len(protected) >= most_protected
                (probation if has_room else protected)[candidate] = None
            count(candidate)
        window[item] = None
        count(item)
    return misses


def _xxh64(key: int, seed: int) -> int:
    """Of 8 bytes, after the specification."""
    p1, p2, p3, p4, p5 = (
        11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261
    )  # fmt: skip
    whole = 2**64 - 1

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> (64 - bits)) & whole

    mixed = (seed + p5 + 8) & whole ^ rotate((key * p2) & whole, 31) * p1 & whole
    mixed = (rotate(mixed, 27) * p1 + p4) & whole
    mixed = (mixed ^ mixed >> 33) * p2 & whole
    mixed = (mixed ^ mixed >> 29) * p3 & whole
    return mixed ^ mixed >> 32


def _belady(requests: Sequence[int], capacity: int) -> int:
    cache: set[int] = set()
    misses = 0
    for now, item in enumerate(requests):
        if item in cache:
            continue
        misses += 1
        if len(cache) == capacity:
            rest = list(requests[now:])
            cache.remove(max(cache, key=lambda held: rest.index(held) if held in rest else len(rest)))
        cache.add(item)
    return misses


MODELS: dict[str, Callable[[Sequence[int], int], int]] = {
    "lru": _lru,
    "fifo": _fifo,
    "lfu": _lfu,
    "sieve": _sieve,
    "s3fifo": _s3fifo,
    "wtinylfu": _wtinylfu,
    "belady": _belady,
}


def optimum(requests: Sequence[int], capacity: int) -> int:
    """The fewest misses of all ways to make room, by trying all of them."""
    fewest: dict[frozenset[int], int] = {frozenset(): 0}
    for item in requests:
        after: dict[frozenset[int], int] = {}
        for cache, misses in fewest.items():
            if item in cache:
                choices, cost = [cache], misses
            else:
                kept = [cache - {out} for out in cache] if len(cache) == capacity else [cache]
                choices, cost = [some | {item} for some in kept], misses + 1
            for choice in choices:
                after[choice] = min(cost, after.get(choice, cost))
        fewest = after
    return min(fewest.values())


def reuse_distances(requests: Sequence[int]) -> list[float]:
    """How many other objects were asked for since the same object was; infinite at its first request."""
    stack: list[int] = []
    distances: list[float] = []
    for item in requests:
        if item in stack:
            distances.append(stack.index(item))
            stack.remove(item)
        else:
            distances.append(math.inf)
        stack.insert(0, item)
    return distances
