"""Minutes of every region, device and CDN in memory: any slice of them without a file.

A cell is one region, device and CDN; what a slice has in a minute is a sum over few cells. Of a panel each count is a
multiple of a weight, which subscribers of a region share, so a cell keeps how manieth multiple: mostly a byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from alerts.counts import Frame, Ints, Minutes, bounds
from alerts.names import SLICES
from alerts.policy import MINUTE_MS

__all__ = ["MinutesBy", "minutes_by"]

Values = tuple[str | None, ...]


@dataclass(frozen=True)
class _Counts:
    """A column of a cell: ``unit · times[k]`` in minute k, or in minute ``at[k]`` and 0 in all others."""

    unit: int
    times: NDArray[np.integer]
    at: NDArray[np.uint32] | None

    def add_to(self, total: Ints, first: int) -> None:
        """Add the minutes from ``first`` on, as many as ``total`` has."""
        if self.at is None:
            total += np.multiply(self.times[first : first + len(total)], self.unit, dtype=np.int64)
            return
        begin, end = np.searchsorted(self.at, (first, first + len(total)))
        total[self.at[begin:end] - first] += np.multiply(self.times[begin:end], self.unit, dtype=np.int64)


@dataclass(frozen=True)
class MinutesBy:
    """Counts of each cell over one span of ``length`` minutes, and of all cells together, whose ``cells`` is ().

    ``counts``: by column, one a cell; ``seen``: cell × minute, a bit each, whether there was a row.
    """

    start_ts_ms: int
    length: int
    cells: tuple[Values, ...]
    counts: Mapping[str, Sequence[_Counts]]
    seen: NDArray[np.uint8]

    def minutes(
        self, where: Mapping[str, Sequence[str | None]], start_ts_ms: int, end_ts_ms: int
    ) -> Minutes | None:
        """:func:`~alerts.counts.minutes_of` of the rows of a slice in ``[start, end)``; None without rows."""
        first, last = (
            min(max((ts_ms - self.start_ts_ms) // MINUTE_MS, 0), self.length)
            for ts_ms in (start_ts_ms, end_ts_ms)
        )
        wanted = [where.get(name) for name in SLICES]
        chosen = [
            place
            for place, cell in enumerate(self.cells)
            if (
                all(values is None or own in values for own, values in zip(cell, wanted, strict=True))
                if cell and where
                else bool(cell) == bool(where)
            )
        ]
        begin = first // 8
        bits = np.bitwise_or.reduce(self.seen[chosen, begin : -(-last // 8)], axis=0)
        seen = np.flatnonzero(np.unpackbits(bits)[first - begin * 8 : last - begin * 8])
        if not seen.size:
            return None
        first, last = first + int(seen[0]), first + int(seen[-1]) + 1
        totals = {}
        for column, by_cell in self.counts.items():
            totals[column] = np.zeros(last - first, dtype=np.int64)
            for place in chosen:
                by_cell[place].add_to(totals[column], first)
        return Minutes(self.start_ts_ms + first * MINUTE_MS, totals, last - first)


def minutes_by(frame: Frame, columns: Sequence[str]) -> MinutesBy:
    """Counts of each cell; memory is at most 9 bytes for each row and column, and of a panel's mostly one.

    Raises :class:`~metrics.errors.InputError` as :func:`~alerts.counts.bounds`.
    """
    start, end = bounds(frame, None)
    length = (end - start) // MINUTE_MS
    rows = frame.lazy().filter((pl.col("ts_ms") >= start) & (pl.col("ts_ms") < end))
    minute = ((pl.col("ts_ms") - start) // MINUTE_MS).cast(pl.UInt32)
    keys = rows.select(minute, pl.col(SLICES).cast(pl.Categorical)).collect()
    cell = np.zeros(keys.height, dtype=np.int64)
    for name in SLICES:
        code = keys[name].to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        cell = cell * (code.max(initial=0) + 2) + code + 1
    order = np.argsort(cell, kind="stable")
    firsts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    cells = keys[order[firsts]].select(pl.col(SLICES).cast(pl.String)).rows()
    at = keys["ts_ms"].to_numpy()[order]
    del keys, cell
    spans = [slice(*both) for both in pairwise([*firsts, len(at)])]
    counts = {}
    for column in columns:  # one at a time: memory beyond what is kept is bounded by it
        own = rows.select(pl.col(column).cast(pl.Int64).fill_null(0)).collect()[column].to_numpy()[order]
        total, apart = np.zeros(length, dtype=np.int64), []
        for span in spans:
            dense = np.zeros(length, dtype=np.int64)
            np.add.at(dense, at[span], own[span])
            total += dense
            apart.append(_counts(dense))
        counts[column] = [*apart, _counts(total)]
    seen = np.zeros((len(spans) + 1, -(-length // 8)), dtype=np.uint8)
    for place, span in enumerate(spans):
        was = np.zeros(length, dtype=np.bool_)
        was[at[span]] = True
        seen[place] = np.packbits(was)
    np.bitwise_or.reduce(seen[:-1], axis=0, out=seen[-1])
    return MinutesBy(start, length, (*cells, ()), counts, seen)


def _counts(dense: Ints) -> _Counts:
    """In multiples of what all are a multiple of, in the fewest bytes."""
    at = np.flatnonzero(dense)
    unit = int(np.gcd.reduce(dense[at])) or 1
    times = dense // unit
    narrow: np.dtype[Any] = np.result_type(*(np.min_scalar_type(int(n)) for n in (times.min(), times.max())))
    if len(at) * (4 + narrow.itemsize) < len(dense) * narrow.itemsize:
        return _Counts(unit, times[at].astype(narrow), at.astype(np.uint32))
    return _Counts(unit, times.astype(narrow), None)
