"""How many requests a second a simulated cache answers, beside libCacheSim over the same trace on one core.

The peer is GPL and none of our dependencies: it is raced where it can be imported (``pip install libcachesim``
into an environment of its own that sees this checkout), over a file in its own binary format.
"""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Row, race, rate
from synthetic.arrays import Ints
from synthetic.data_plane.cache import misses, numbered

__all__ = ["rows"]

OBJECTS, REQUESTS, CAPACITY = 100_000, 2_000_000, 10_000
PEERS = {"lru": "LRU", "sieve": "Sieve", "s3fifo": "S3FIFO", "wtinylfu": "WTinyLFU", "belady": "Belady"}


def rows() -> list[Row]:
    """A Zipf trace of ids of any size: with the time it takes to number them, and for LRU also without."""
    ids = _trace()
    trace = numbered(ids)
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.oracleGeneral"
        _write(ids, file)
        for policy, name in PEERS.items():

            def whole(policy: str = policy) -> int:
                return misses(numbered(ids), policy, CAPACITY)

            def alone(policy: str = policy) -> int:
                return misses(trace, policy, CAPACITY)

            peers = _peers(name, file, whole())
            show = rate(REQUESTS, "requests")
            found += race(f"cache, {policy}, ids numbered in the time", whole, peers, show)
            if policy == "lru":
                found += race(f"cache, {policy}, ids numbered before", alone, peers, show)
    return [row if row.theirs else replace(row, peer="libCacheSim: not installed") for row in found]


def _trace() -> Ints:
    draw = np.random.Generator(np.random.Philox(42))
    popularity = np.cumsum(np.arange(1, OBJECTS + 1) ** -0.8)
    ranks = np.searchsorted(popularity / popularity[-1], draw.random(REQUESTS))
    names: Ints = draw.integers(0, 2**62, OBJECTS)
    return names[ranks]


def _write(ids: Ints, path: Path) -> None:
    """What the peer reads fastest: time, id, size and the next request for the same object (-1: none)."""
    record = [("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")]
    records = np.zeros(len(ids), np.dtype(record))
    order = np.argsort(ids, kind="stable")
    again = ids[order[1:]] == ids[order[:-1]]
    following = np.full(len(ids), -1)
    following[order[:-1][again]] = order[1:][again]
    records["id"], records["size"], records["next"] = ids, 1, following
    records.tofile(path)


def _peers(name: str, file: Path, expected: int) -> dict[str, Any]:
    try:
        peer = importlib.import_module("libcachesim")
    except ImportError:
        return {}

    def run() -> float:
        reader = peer.TraceReader(str(file), peer.TraceType.ORACLE_GENERAL_TRACE)
        missed: float = getattr(peer, name)(CAPACITY).process_trace(reader)[0]
        return missed

    assert round(run() * REQUESTS) == expected, f"{name}: the peer misses otherwise"
    return {f"libCacheSim {version('libcachesim')}": run}
