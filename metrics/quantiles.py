"""A mergeable quantile sketch in integers: HDR-style log-linear buckets, at most 1 % relative error.

A value below 256 is its own bucket. Above, each power of two is cut into 128 equal buckets, so that a bucket
is never wider than 1/128 (0.78 %) of its lower bound: any value in it is within that of any other. The bucket
is found with comparisons and ``//`` by powers of two, never with a logarithm, so that it is the same integer
on every engine. A sketch is then a group-by column and a sum of weights: merging is addition, which is
associative and commutative. Within the bucket that holds a quantile, the value is interpolated by weight.

Values are non-negative integers below 2^53 (an engine may divide in double precision), sums of weights below
9 · 10^16.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

__all__ = [
    "RELATIVE_ERROR",
    "bucket_bounds",
    "bucket_of",
    "quantile_of_buckets",
    "quantile_without_each",
    "starts_of",
    "with_bucket",
]

SUB_BITS = 7
RELATIVE_ERROR = Fraction(1, 2**SUB_BITS)
_Array = np.ndarray[Any, Any]
_STEPS = (32, 16, 8, 4, 2, 1)


def bucket_of(value: int) -> int:
    """The bucket of one value.

    >>> bucket_of(255), bucket_of(256), bucket_of(257), bucket_of(2000)
    (255, 256, 256, 634)
    """
    exponent = max(0, value.bit_length() - SUB_BITS - 1)
    return (exponent << SUB_BITS) + (value >> exponent)


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """The lowest and the highest value of a bucket.

    >>> bucket_bounds(634)
    (2000, 2007)
    """
    exponent = max(0, (bucket >> SUB_BITS) - 1)
    lowest = (bucket - (exponent << SUB_BITS)) << exponent
    return lowest, lowest + (1 << exponent) - 1


def with_bucket(frame: nw.LazyFrame[Any], value: nw.Expr, name: str) -> nw.LazyFrame[Any]:
    """``frame`` with the bucket of ``value`` as the integer column ``name``; null stays null."""
    # One step a column set: nesting the steps in one expression would grow it threefold a step.
    rest, exponent = f"{name}__rest", f"{name}__exponent"
    frame = frame.with_columns(value.cast(nw.Int64()).alias(rest), nw.lit(0, nw.Int64()).alias(exponent))
    for step in _STEPS:
        is_above = nw.col(rest) >= 2 ** (SUB_BITS + step)
        frame = frame.with_columns(
            nw.when(is_above).then(nw.col(rest) // 2**step).otherwise(nw.col(rest)).alias(rest),
            nw.when(is_above).then(nw.col(exponent) + step).otherwise(nw.col(exponent)).alias(exponent),
        )
    bucket = nw.col(exponent) * 2**SUB_BITS + nw.col(rest)
    return frame.with_columns(bucket.cast(nw.Int64()).alias(name)).drop(rest, exponent)


def quantile_of_buckets(
    frame: pl.DataFrame, quantile: Fraction, *, bucket: str, weight: str, by: Sequence[str] = ()
) -> pl.DataFrame:
    """The quantile of each group of ``by``: the smallest value at which the cumulated weight reaches it.

    ``frame`` has the columns ``by``, ``bucket`` and ``weight`` (several rows a bucket are added up; zero
    weights do not count). The result has the columns ``by`` and ``value`` (Float64); a group without weight
    is absent.
    """
    found = _in_order(frame, bucket, weight, by)
    if found is None:
        names, held = _numbered(frame, bucket, weight, by)
        held = held.group_by("_number", bucket).agg(pl.col(weight).sum()).sort("_number", bucket)
        number, cells, weights = (held[c].to_numpy() for c in ("_number", bucket, weight))
    else:
        names, number, cells, weights = found
    first = np.flatnonzero(np.diff(number.astype(np.int64), prepend=-1))
    if not first.size:
        return names.with_columns(value=pl.lit(None, pl.Float64)).clear()
    sizes = np.diff(first, append=number.size)
    # Over many groups the sum may pass 64 bits and comes back as it is subtracted.
    reached = weights.cumsum()
    reached -= np.repeat(reached[first] - weights[first], sizes)
    whole = reached[first + sizes - 1]
    # Shares are compared as integers: no rounding decides which bucket it is.
    is_short = reached * quantile.denominator < np.repeat(whole * quantile.numerator, sizes)
    hit = first + np.add.reduceat(is_short, first, dtype=np.int64)
    values = _inside(cells[hit], weights[hit], reached[hit], whole, quantile)
    return pl.DataFrame([*names.get_columns(), pl.Series("value", values, pl.Float64)])


def starts_of(frame: pl.DataFrame, by: Sequence[str]) -> _Array:
    """Which rows are of another group of ``by`` than the row before them; the first is."""
    starts = np.zeros(frame.height, dtype=np.bool_)
    for name in by:
        column = frame[name]
        if column.dtype == pl.Enum:  # compared as integers
            column = column.to_physical()
        starts |= column.ne_missing(column.shift(1)).to_numpy()
    starts[:1] = True
    return starts


def quantile_without_each(
    frame: pl.DataFrame,
    quantile: Fraction,
    *,
    bucket: str,
    weight: str,
    group: str,
    groups: int,
    by: Sequence[str] = (),
) -> pl.DataFrame:
    """The quantile of each group of ``by`` without each of ``groups`` subsamples 0, 1, … in turn.

    The result has the columns ``by``, ``group`` and ``value``: ``groups`` rows each, null where nothing is
    left.
    """
    names, tables = _tables(frame, bucket, weight, group, groups, by)
    found = [
        _interpolated(cells, table.sum(axis=1, keepdims=True) - table, quantile) for cells, table in tables
    ]
    values = pl.Series("value", np.concatenate([np.empty(0), *found]), pl.Float64).fill_nan(None)
    which = pl.Series(group, np.tile(np.arange(groups), len(found)), pl.Int64)
    repeated = [column.gather(np.repeat(np.arange(len(found)), groups)) for column in names.get_columns()]
    return pl.DataFrame([*repeated, which, values])


def _tables(
    frame: pl.DataFrame, bucket: str, weight: str, group: str, groups: int, by: Sequence[str]
) -> tuple[pl.DataFrame, list[tuple[_Array, _Array]]]:
    """The groups of ``by``, and for each its buckets and their weights, bucket × subsample."""
    names, held = _numbered(frame, bucket, weight, by, group)
    number, cell, own, w = (held[c].to_numpy() for c in ("_number", bucket, group, weight))
    order = np.argsort(number, kind="stable")
    number, cell, own, w = number[order], cell[order], own[order], w[order]
    edges = np.append(np.flatnonzero(np.diff(number.astype(np.int64), prepend=-1)), len(number))
    tables = []
    for first, last in pairwise(edges):
        cells, place = np.unique(cell[first:last], return_inverse=True)
        table = np.zeros((len(cells), groups), dtype=np.int64)
        np.add.at(table, (place, own[first:last]), w[first:last])
        tables.append((cells, table))
    return names, tables


def _interpolated(cells: _Array, table: _Array, quantile: Fraction) -> _Array:
    """The quantile of each column of weights; NaN for a column without weight."""
    reached = table.cumsum(axis=0)
    whole = reached[-1]
    # Shares are compared as integers: no rounding decides which bucket it is.
    hit = (reached * quantile.denominator >= whole * quantile.numerator).argmax(axis=0)
    at = hit, np.arange(table.shape[1])
    value = _inside(cells[hit], table[at], reached[at], whole, quantile)
    return np.where(whole > 0, value, np.nan)


def _inside(cell: _Array, weight: _Array, reached: _Array, whole: _Array, quantile: Fraction) -> _Array:
    """The value at which the quantile stands in the bucket ``cell``, with which the weights reach ``reached``."""
    exponent = np.maximum(0, (cell >> SUB_BITS) - 1)
    lowest = (cell - (exponent << SUB_BITS)) << exponent
    part = whole * (quantile.numerator / quantile.denominator) - (reached - weight)
    inside: _Array = lowest + ((1 << exponent) - 1) * np.clip(part / np.maximum(weight, 1), 0.0, 1.0)
    return inside


def _in_order(
    frame: pl.DataFrame, bucket: str, weight: str, by: Sequence[str]
) -> tuple[pl.DataFrame, _Array, _Array, _Array] | None:
    """Groups, and number, bucket and weight of each row, where rows are by group and bucket already; else None."""
    weights = frame[weight].cast(pl.Int64).to_numpy()
    if frame.is_empty() or weights.min() <= 0:
        return None
    starts = starts_of(frame, by)
    cells = frame[bucket].to_numpy()
    if not (np.diff(cells) > 0)[~starts[1:]].all():
        return None
    names = frame[list(by)][np.flatnonzero(starts)] if by else frame.clear().select()
    if by and names.is_duplicated().any():
        return None
    return names, np.cumsum(starts) - 1, cells, weights


def _numbered(
    frame: pl.DataFrame, bucket: str, weight: str, by: Sequence[str], *own: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The groups of ``by`` in order of appearance, and the rows with weight with the number of theirs."""
    keys = list(by)
    held = frame.select(*keys, *own, bucket, pl.col(weight).cast(pl.Int64)).filter(pl.col(weight) > 0)
    if not keys:
        return held.clear().select(), held.with_columns(pl.lit(0, pl.UInt32).alias("_number"))
    names = held.select(keys).unique(maintain_order=True)
    numbers = names.with_row_index("_number")
    return names, held.join(numbers, on=keys, how="left", nulls_equal=True)
