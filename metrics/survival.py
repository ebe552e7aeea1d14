"""Time to an event when some never come to it: the product-limit estimate of Kaplan and Meier.

Who leaves without having found anything was still looking when they left: their time is censored, a lower bound
and neither a find nor nothing. At each time t with d finds among the n still looking, the share that goes on looking is
multiplied by 1 − d/n (Kaplan and Meier, Journal of the American Statistical Association 53, 1958); those who leave
at t were still looking at t.

Times come in the buckets of :mod:`metrics.quantiles`, so that finds and leavings are sums of weights that add up over
any slices, and the curve is put together last. Times below 256 are exact, all others within 1 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from metrics.intervals import jackknife
from metrics.plan import REPLICATE, SKETCH
from metrics.quantiles import bucket_bounds
from metrics.telemetry import REPLICATES

__all__ = ["curve", "time_quantile"]

_Array = np.ndarray[Any, Any]
_ROUNDING = 1e-12  # of a product of many factors, which may miss a half that is one


def time_quantile(
    frame: pl.DataFrame, quantile: Fraction, *, by: Sequence[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """By when the share ``quantile`` has come to the event: ``by, value``, and ``by, replicate, value`` without each.

    ``frame``: ``by``, the bucket of the time, ``sum`` (weight of those that came to it), ``w`` (of all) and, where
    known, the jackknife group. Null where fewer than that ever do while anyone is looking.
    """
    values, deleted = [], []
    names, tables = _tables(frame, by)
    for cells, found, all_ in tables:
        times = _times(cells, _surviving(_each(found), _each(all_)), 1 - float(quantile))
        values.append(times[0])
        deleted.append(times[1:])
    value = pl.Series("value", values, pl.Float64).fill_nan(None)
    groups = np.repeat(np.arange(len(values)), REPLICATES)
    rest = pl.Series("value", np.concatenate([np.empty(0), *deleted]), pl.Float64).fill_nan(None)
    which = pl.Series(REPLICATE, np.tile(np.arange(REPLICATES), len(values)), pl.Int64)
    repeated = [column.gather(groups) for column in names.get_columns()]
    return pl.DataFrame([*names.get_columns(), value]), pl.DataFrame([*repeated, which, rest])


def curve(frame: pl.DataFrame, *, by: Sequence[str] = ()) -> pl.DataFrame:
    """The share still looking after each time: ``by, time_ms, value, low, high, at_risk, found``; ``frame`` as above.

    ``at_risk`` is the weight of those still looking just before, ``found`` of those that come to the event then.
    Intervals (90 %, jackknife) are of each time alone, and null where groups are not told.
    """
    keys = [*by, "time_ms"]
    points, deleted = [], []
    names, tables = _tables(frame, by)
    for number, (cells, found, all_) in enumerate(tables):
        columns = [column.gather([number] * len(cells)) for column in names.get_columns()]
        time = pl.Series("time_ms", [bucket_bounds(int(cell))[1] for cell in cells], pl.Int64)
        shares = _surviving(_each(found), _each(all_))
        risk = all_.sum(axis=1)[::-1].cumsum()[::-1]
        point = {"value": shares[:, 0], "at_risk": risk, "found": found.sum(axis=1)}
        points.append(
            pl.DataFrame([*columns, time]).with_columns(**{k: pl.Series(v) for k, v in point.items()})
        )
        which = pl.Series(REPLICATE, np.tile(np.arange(REPLICATES), len(cells)), pl.Int64)
        at = np.repeat(np.arange(len(cells)), REPLICATES)
        rest = pl.Series("value", shares[:, 1:].reshape(-1))
        deleted.append(pl.DataFrame([*(c.gather(at) for c in (*columns, time)), which, rest]))
    if not points:
        figures = [(name, pl.Float64()) for name in ("value", "low", "high", "at_risk", "found")]
        schema = pl.Schema([*((name, frame.schema[name]) for name in by), ("time_ms", pl.Int64()), *figures])
        return pl.DataFrame(schema=schema)
    found_, rest_ = pl.concat(points), pl.concat(deleted)
    if REPLICATE in frame.columns:
        found_ = found_.join(
            jackknife(found_, rest_, keys, is_share=True), on=keys, how="left", nulls_equal=True
        )
    else:
        found_ = found_.with_columns(low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
    return found_.select(*keys, "value", "low", "high", "at_risk", "found").sort(keys, nulls_last=True)


def _surviving(found: _Array, all_: _Array) -> _Array:
    """The share still looking after each bucket, by column; NaN in a column of nobody."""
    at_risk = all_[::-1].cumsum(axis=0)[::-1]
    hazard = np.divide(found, at_risk, out=np.zeros(found.shape), where=at_risk > 0)
    shares = np.cumprod(1.0 - hazard, axis=0)
    return np.where(at_risk[:1] > 0, shares, np.nan)


def _times(cells: _Array, shares: _Array, wanted: float) -> _Array:
    """When each column's share falls to ``wanted``; NaN where it does not. Interpolated within the bucket."""
    fallen = shares <= wanted + _ROUNDING
    hit = fallen.argmax(axis=0)
    column = np.arange(shares.shape[1])
    after = shares[hit, column]
    before = np.where(hit > 0, shares[hit - 1, column], 1.0)
    bounds = np.array([bucket_bounds(int(cell)) for cell in cells])
    step = np.where(before > after, before - after, 1.0)
    inside = np.clip((before - wanted) / step, 0.0, 1.0)
    time = bounds[hit, 0] + (bounds[hit, 1] - bounds[hit, 0]) * inside
    return np.where(fallen.any(axis=0), time, np.nan)


def _each(table: _Array) -> _Array:
    """Bucket × group as bucket × (all groups, all but each in turn)."""
    whole = table.sum(axis=1, keepdims=True)
    return np.concatenate([whole, whole - table], axis=1)


def _tables(
    frame: pl.DataFrame, by: Sequence[str]
) -> tuple[pl.DataFrame, Iterator[tuple[_Array, _Array, _Array]]]:
    """The groups of ``by``; and for each its buckets in order, and weights of finds and of all, bucket × group."""
    keys = list(by)
    own = pl.col(REPLICATE) if REPLICATE in frame.columns else pl.lit(0, pl.Int64).alias(REPLICATE)
    held = frame.select(*keys, own, SKETCH, pl.col("sum", "w").cast(pl.Float64)).filter(pl.col("w") > 0)
    names = held.select(keys).unique(maintain_order=True) if keys else held.clear().select()
    if keys:
        held = held.join(names.with_row_index("_number"), on=keys, how="left", nulls_equal=True)
    else:
        held = held.with_columns(pl.lit(0, pl.UInt32).alias("_number"))
    held = held.sort("_number", maintain_order=True)
    number = held["_number"].to_numpy().astype(np.int64)
    edges = np.append(np.flatnonzero(np.diff(number, prepend=-1)), len(number))

    def tables() -> Iterator[tuple[_Array, _Array, _Array]]:
        for first, last in pairwise(edges):
            one = held[int(first) : int(last)]
            cells, place = np.unique(one[SKETCH].to_numpy(), return_inverse=True)
            found, all_ = np.zeros((len(cells), REPLICATES)), np.zeros((len(cells), REPLICATES))
            where = (place, one[REPLICATE].to_numpy())
            np.add.at(found, where, one["sum"].to_numpy())
            np.add.at(all_, where, one["w"].to_numpy())
            yield cells, found, all_

    return names, tables()
