"""How many things an amount is spread over, if it were spread evenly: effective numbers.

With shares p of a whole:

- ``hill_1``, the exponential of Shannon's entropy: exp(−Σ p ln p);
- ``hill_2``, the inverse of Simpson's index: 1 / Σ p² (Hill, Ecology 54, 1973, orders 1 and 2);
- ``rank``, the effective catalogue size of Gomez-Uribe and Hunt: 2 Σ i · p_i − 1 with shares in falling order
  (ACM Transactions on Management Information Systems 6(4), 2015, section 4.1).

Each is 1 where all is one thing, and k where it is k things alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from metrics.metric import Spread
from metrics.plan import REPLICATE
from metrics.telemetry import REPLICATES

__all__ = ["effective_number", "spread"]

_Array = np.ndarray[Any, Any]


def effective_number(amounts: _Array, kind: Spread) -> _Array:
    """Of each column of ``amounts`` [things, n], how many things it is spread over, [n]; NaN for a column of 0.

    >>> float(effective_number(np.array([[1.0], [1.0], [0.0]]), "rank")[0])
    2.0
    """
    whole = amounts.sum(axis=0)
    shares = np.divide(amounts, whole, out=np.zeros(amounts.shape), where=whole > 0)
    return np.where(whole > 0, _NUMBERS[kind](shares), np.nan)


def spread(
    frame: pl.DataFrame, kind: Spread, groups: Sequence[str], *, by: Sequence[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The effective number of the last of ``groups``: ``by, value``, and ``by, replicate, value`` without each.

    ``frame``: ``by``, ``groups``, ``sum`` (the amount), ``n``, ``w`` and, where known, the jackknife group. With two
    ``groups`` it is the mean over the first (members, say), each by the mean weight of its rows. Rows whose thing is
    null are left out.
    """
    keys = list(by)
    own = [] if REPLICATE in frame.columns else [pl.lit(0, pl.Int64).alias(REPLICATE)]
    held = frame.with_columns(*own, pl.col("sum", "n", "w").cast(pl.Float64))
    # What names no thing is spread over nothing that could be counted.
    held = held.filter(pl.col("sum") > 0, pl.col(groups[-1]).is_not_null())
    parts = held.partition_by(keys, as_dict=True, maintain_order=True) if keys else {(): held}
    one = _mean_number if len(groups) > 1 else _number
    found = {key: one(part, kind, groups) for key, part in parts.items() if part.height}
    names = pl.DataFrame(list(found), schema={k: frame.schema[k] for k in keys}, orient="row")
    values = np.array([figures[0] for figures in found.values()])
    rest = np.concatenate([np.empty(0), *(figures[1:] for figures in found.values())])
    at = np.repeat(np.arange(len(found)), REPLICATES)
    return (
        pl.DataFrame([*names.get_columns(), pl.Series("value", values, pl.Float64).fill_nan(None)]),
        pl.DataFrame(
            [
                *(column.gather(at) for column in names.get_columns()),
                pl.Series(REPLICATE, np.tile(np.arange(REPLICATES), len(found)), pl.Int64),
                pl.Series("value", rest, pl.Float64).fill_nan(None),
            ]
        ),
    )


def _number(part: pl.DataFrame, kind: Spread, groups: Sequence[str]) -> _Array:
    """Of all, and of all but each jackknife group in turn, [1 + 32]."""
    things = part[groups[-1]].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    amounts = np.zeros((int(things.max()) + 1, REPLICATES))
    np.add.at(amounts, (things, part[REPLICATE].to_numpy()), part["sum"].to_numpy())
    whole = amounts.sum(axis=1, keepdims=True)
    return effective_number(np.concatenate([whole, whole - amounts], axis=1), kind)


def _mean_number(part: pl.DataFrame, kind: Spread, groups: Sequence[str]) -> _Array:
    """The same of each of the first group, and the mean of that."""
    which = part[groups[0]].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    things = part[groups[1]].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    amounts = np.zeros((int(things.max()) + 1, int(which.max()) + 1))
    np.add.at(amounts, (things, which), part["sum"].to_numpy())
    numbers = effective_number(amounts, kind)
    rows, weight, group = (np.zeros(numbers.size) for _ in range(3))
    np.add.at(rows, which, part["n"].to_numpy())
    np.add.at(weight, which, part["w"].to_numpy())
    group[which] = part[REPLICATE].to_numpy()
    has = rows > 0
    weight = weight[has] / rows[has]
    sums, weights = np.zeros((REPLICATES,)), np.zeros((REPLICATES,))
    np.add.at(sums, group[has].astype(np.int64), weight * numbers[has])
    np.add.at(weights, group[has].astype(np.int64), weight)
    top = np.append(sums.sum(), sums.sum() - sums)
    bottom = np.append(weights.sum(), weights.sum() - weights)
    return np.asarray(np.divide(top, bottom, out=np.full(top.size, np.nan), where=bottom > 0))


def _entropy(shares: _Array) -> _Array:
    return np.asarray(np.exp(-np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=0)))


def _simpson(shares: _Array) -> _Array:
    squares = (shares**2).sum(axis=0)
    return np.asarray(np.divide(1.0, squares, out=np.zeros(squares.shape), where=squares > 0))


def _rank(shares: _Array) -> _Array:
    falling = -np.sort(-shares, axis=0)
    return np.asarray(2.0 * (np.arange(1, shares.shape[0] + 1)[:, None] * falling).sum(axis=0) - 1.0)


_NUMBERS: Mapping[Spread, Callable[[_Array], _Array]] = {
    "hill_1": _entropy,
    "hill_2": _simpson,
    "rank": _rank,
}
