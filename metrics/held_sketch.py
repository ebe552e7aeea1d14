"""A sketch held in memory as runs: what quantiles of any slice are read off, without looking at all of each row.

Rows of one instant and one place stand together, by bucket. To group and to filter by, a run has one code a column, and
of what is only ever added up by group one sum; what is left to a row is its bucket and its weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.cube import Wanted
from metrics.held_columns import (
    Codes,
    Column,
    chosen_of,
    codes_of,
    column_of,
    few,
    groups_of,
    keys_of,
    summed,
)
from metrics.plan import BUCKET, REPLICATE, SKETCH

__all__ = ["Sketch", "by_bucket", "sketch_of"]

_Ints = NDArray[np.int64]
_MOST = 2.0**62


@dataclass(frozen=True)
class Sketch:
    """``keys`` and ``sums``: a run each; ``buckets`` and ``weights``: a row each; run k is ``edges[k]`` to the next."""

    keys: Mapping[str, Codes]
    sums: Mapping[str, Column]
    edges: NDArray[np.uint32]
    buckets: Codes
    weights: NDArray[Any]

    @property
    def nbytes(self) -> int:
        by_run = sum(one.nbytes for one in self.keys.values()) + sum(one.nbytes for one in self.sums.values())
        return by_run + self.edges.nbytes + self.buckets.nbytes + self.weights.nbytes


def sketch_of(frame: pl.DataFrame, weight: str) -> Sketch | None:
    """Sums by instant, dimensions and bucket as runs; None where a row weighs nothing, or integers are too large."""
    keys = [
        name for name, kind in frame.schema.items() if name in (BUCKET, REPLICATE) or not kind.is_numeric()
    ]
    keys.sort(key=BUCKET.__ne__)  # runs are by instant
    sums = [name for name in frame.columns if name not in (*keys, SKETCH)]
    if frame.is_empty() or not all(frame[name].dtype.is_integer() for name in sums):
        return None
    if any(frame[name].cast(pl.Float64).abs().sum() >= _MOST for name in sums):
        return None
    codes = {name: codes_of(frame[name]) for name in (*keys, SKETCH)}
    if math.prod(len(own.values) for own in codes.values()) >= _MOST:
        return None
    weights = column_of(frame[weight].cast(pl.Int64))
    if not weights.is_exact or weights.low.min() <= 0:
        return None
    place = np.zeros(frame.height, dtype=np.int64)
    for own in codes.values():  # in place: of all sessions, each array beside it counts
        place *= len(own.values)
        place += own.codes
    order = np.argsort(place, kind="stable")
    place = place[order]
    place //= len(codes[SKETCH].values)
    firsts = np.flatnonzero(np.diff(place, prepend=-1))
    del place
    by_run = {}
    for name in sums:
        if name != weight:
            added = np.add.reduceat(frame[name].cast(pl.Int64).to_numpy()[order], firsts)
            by_run[name] = column_of(pl.Series(added))
    return Sketch(
        {name: _taken(codes[name], order[firsts]) for name in keys},
        by_run,
        np.append(firsts, frame.height).astype(np.uint32),
        _taken(codes[SKETCH], order),
        weights.low[order],
    )


def by_bucket(sketch: Sketch, wanted: Wanted, grain_ms: int | None, weight: str) -> pl.DataFrame:
    """Weights by group and bucket, in that order; the other sums of a group stand in its first bucket, 0 elsewhere.

    Text to group by comes as an enumeration, and sums in 64 bits, which hold all of them together.
    """
    runs, kept = chosen_of(sketch.keys, wanted)
    chosen = runs if kept is None else np.flatnonzero(kept) + (runs.start or 0)
    names = [name for name in wanted.by if name != SKETCH]
    begin, end, _ = runs.indices(len(sketch.edges) - 1)
    lengths = np.diff(sketch.edges[begin : max(begin, end) + 1])
    rows = slice(int(sketch.edges[begin]), int(sketch.edges[max(begin, end)]))
    codes, weights = sketch.buckets.codes[rows], sketch.weights[rows]
    if kept is not None:
        is_kept = np.repeat(kept, lengths)
        codes, weights, lengths = codes[is_kept], weights[is_kept], lengths[kept]
    group, groups = groups_of(keys_of(sketch.keys, names, chosen, wanted, grain_ms), len(lengths))
    group = np.zeros(len(lengths), dtype=np.int64) if group is None else group
    size, buckets = len(groups[0]) if names else 1, sketch.buckets.values.to_numpy()
    cell = np.repeat(group * len(buckets), lengths)
    cell += codes
    if size * len(buckets) <= few(len(cell)):
        total = np.bincount(cell, weights, minlength=size * len(buckets))
        seen = np.flatnonzero(total)
        total = total[seen]
    else:
        seen, place = np.unique(cell, return_inverse=True)
        total = np.bincount(place, weights, minlength=len(seen))
    own, bucket = np.divmod(seen, len(buckets))
    first = np.flatnonzero(np.diff(own, prepend=-1))
    columns = [_enumerated(values)[own] for values in groups]
    columns.append(pl.Series(SKETCH, buckets[bucket]))
    for name in wanted.sums:
        if name == weight:
            columns.append(pl.Series(name, total.astype(np.int64)))
            continue
        once = np.zeros(len(seen), dtype=np.int64)
        once[first] = summed(sketch.sums[name], chosen, group, size).cast(pl.Int64)
        columns.append(pl.Series(name, once))
    return pl.DataFrame(columns)


def _taken(column: Codes, rows: _Ints) -> Codes:
    return Codes(column.codes[rows], column.values, column.words)


def _enumerated(values: pl.Series) -> pl.Series:
    """Text as an enumeration, which compares and repeats as integers do."""
    words = values.drop_nulls().unique(maintain_order=True)
    return values.cast(pl.Enum(words)) if values.dtype == pl.String else values
