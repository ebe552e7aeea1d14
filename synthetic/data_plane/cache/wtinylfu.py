"""W-TinyLFU: a small window lets everything in, a sketch of frequencies decides who may stay.

G. Einziger, R. Friedman and B. Manes, TinyLFU: a highly efficient cache admission policy, ACM Transactions on
Storage 13(4), 2017. What the paper leaves open, and what it counts, is as in libCacheSim 0.3, whose misses are
met exactly:

- The window is an LRU of 1 % of the objects; the main cache a segmented LRU, 20 % probation, 80 % protected.
- The sketch is one array of counters (a counting Bloom filter sized for .1 % errors over the main cache's
  objects), ten of them an object, all ten raised at each count; the least is the estimate.
- An object is counted when it comes in, when it reaches the window's end, and at hits in the main cache (the
  paper: at every request). After 32 hits there for each object it holds, all counters are halved.
- Until the cache is full for the first time, everything stays in the window.

The window holds one object at least; libCacheSim takes in nothing where 1 % is under one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from synthetic.data_plane.cache.queues import NEWER, enqueue, new_queues, take_out
from synthetic.jit import compiled, inlined

__all__ = ["wtinylfu"]

_WINDOW_SHARE = 0.01
_PROBATION_SHARE, _PROTECTED_SHARE = 0.2, 0.8
_HITS_TO_HALVE = 32  # for each object of the main cache
_ERROR_RATE = 0.001
_SEEDS = (0x12345678, 0x12344321)

Keys = npt.NDArray[np.uint64]


def wtinylfu(requests: Any, objects: int, capacity: int, keys: Keys) -> int:
    """The misses of a trace of numbered objects; ``keys`` [objects] are what the sketch hashes."""
    main = capacity - max(1, int(capacity * _WINDOW_SHARE))
    # A Bloom filter's best: -ln(error) / ln(2)^2 counters an object, ln(2) times as many hashes.
    counters_an_object = -math.log(_ERROR_RATE) / math.log(2) ** 2
    hashes = math.ceil(counters_an_object * math.log(2))
    counters = math.ceil(counters_an_object * main)
    sketch = np.zeros(counters if counters >= hashes else 2 * hashes, np.uint32)
    pair = np.stack([_xxh64(keys, seed).astype(np.uint32) for seed in _SEEDS], axis=1)
    misses: int = _play(requests, objects, capacity, main, pair, sketch, hashes)
    return misses


@compiled()
def _play(requests: Any, objects: int, capacity: int, main: int, pair: Any, sketch: Any, hashes: int) -> int:
    window, probation, protected = objects, objects + 1, objects + 2
    absent = 0
    where = np.full(objects, absent, np.int32)
    links = new_queues(objects, 3)
    most_probation = max(1, int(main * _PROBATION_SHARE))
    most_protected = int(main * _PROTECTED_SHARE)
    windows = probations = protecteds = misses = main_hits = 0
    for item in requests:
        if where[item] == window:
            take_out(links, item)
            enqueue(links, window, item)
            continue
        if where[item] != absent:
            take_out(links, item)
            if where[item] == probation:
                probations -= 1
                protecteds += 1
                where[item] = protected
            enqueue(links, protected, item)
            if protecteds > most_protected:
                down = links[protected, NEWER]
                take_out(links, down)
                enqueue(links, probation, down)
                where[down] = probation
                protecteds -= 1
                probations += 1
                if probations > most_probation:
                    out = links[probation, NEWER]
                    take_out(links, out)
                    where[out] = absent
                    probations -= 1
            _count(sketch, pair, item, hashes)
            main_hits += 1
            if main_hits >= _HITS_TO_HALVE * main:
                main_hits = 0
                for i in range(len(sketch)):
                    sketch[i] >>= np.uint32(1)
            continue
        misses += 1
        while windows + probations + protecteds >= capacity:
            candidate = links[window, NEWER]
            has_room = probations + protecteds < main
            if has_room:
                admitted = True
            elif main == 0:
                admitted = False
            else:
                victim = links[probation, NEWER] if probations > 0 else links[protected, NEWER]
                admitted = _estimate(sketch, pair, candidate, hashes) > _estimate(
                    sketch, pair, victim, hashes
                )
                if admitted:
                    if where[victim] == probation:
                        probations -= 1
                    else:
                        protecteds -= 1
                    take_out(links, victim)
                    where[victim] = absent
            take_out(links, candidate)
            where[candidate] = absent
            windows -= 1
            if admitted:
                # While probation is full, protection takes in what it has room for.
                if probations >= most_probation and protecteds < most_protected:
                    protecteds += 1
                    where[candidate] = protected
                else:
                    probations += 1
                    where[candidate] = probation
                enqueue(links, where[candidate], candidate)
            _count(sketch, pair, candidate, hashes)
        windows += 1
        where[item] = window
        enqueue(links, window, item)
        _count(sketch, pair, item, hashes)
    return misses


@inlined
def _cell(sketch: Any, pair: Any, item: int, i: int) -> Any:
    return np.uint32(pair[item, 0] + i * pair[item, 1]) % np.uint32(len(sketch))


@compiled()
def _count(sketch: Any, pair: Any, item: int, hashes: int) -> None:
    for i in range(hashes):
        sketch[_cell(sketch, pair, item, i)] += np.uint32(1)


@compiled()
def _estimate(sketch: Any, pair: Any, item: int, hashes: int) -> Any:
    least = sketch[_cell(sketch, pair, item, 0)]
    for i in range(1, hashes):
        least = min(least, sketch[_cell(sketch, pair, item, i)])
    return least


def _xxh64(keys: Keys, seed: int) -> Keys:
    """XXH64 of each 8-byte key (Y. Collet, xxHash specification 0.1)."""
    prime = [
        np.uint64(p)
        for p in (
            0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
        )
    ]  # fmt: skip
    mixed = _rotated(keys * prime[1], 31) * prime[0]
    start = np.array([seed], np.uint64) + prime[4] + np.uint64(8)
    mixed = _rotated(mixed ^ start, 27) * prime[0] + prime[3]
    mixed = (mixed ^ (mixed >> np.uint64(33))) * prime[1]
    mixed = (mixed ^ (mixed >> np.uint64(29))) * prime[2]
    return mixed ^ (mixed >> np.uint64(32))


def _rotated(values: Keys, bits: int) -> Keys:
    return (values << np.uint64(bits)) | (values >> np.uint64(64 - bits))
