"""Rows to additive parts to ratios: add first, divide last.

Every sum is ``Decimal(38, 0)`` (money: ``Decimal(38, 10)``): a quarter's weighted bytes overflow 64 bits, and
one engine would wrap silently. Rolled-up parts can be rolled up again, in any order and grouping, to the same
integers. Beside each part's rows stand n (rows), w (sum of weights) and w2 (sum of squared weights), from
which the effective sample size follows: a panel is not a census.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import narwhals as nw

from metrics.parts import COUNTED, Part, Rows, is_weighted

__all__ = ["effective_n", "filter_rows", "merge", "n_columns", "ratio", "rollup"]

_WIDE = nw.Decimal(38, 0)


def n_columns(rows: Rows) -> tuple[str, str, str]:
    """The columns of n, Σw and Σw² of these rows in a rollup."""
    return f"n:{rows.name}", f"w:{rows.name}", f"w2:{rows.name}"


def filter_rows(
    frame: nw.LazyFrame[Any],
    *,
    where: Mapping[str, Sequence[str | None]] | None = None,
    clock: str | None = None,
    start_ts_ms: int | None = None,
    end_ts_ms: int | None = None,
) -> nw.LazyFrame[Any]:
    """The rows in the slice, and in ``[start, end)`` on the clock.

    ``where`` maps a column to the values kept, as text; ``None`` keeps rows where it is null.
    """
    for column, values in (where or {}).items():
        kept = nw.col(column).cast(nw.String()).is_in([v for v in values if v is not None])
        frame = frame.filter(kept | nw.col(column).is_null() if None in values else kept)
    if clock is not None and start_ts_ms is not None:
        frame = frame.filter(nw.col(clock) >= start_ts_ms)
    if clock is not None and end_ts_ms is not None:
        frame = frame.filter(nw.col(clock) < end_ts_ms)
    return frame


def rollup(frame: nw.LazyFrame[Any], parts: Iterable[Part], by: Sequence[str] = ()) -> nw.LazyFrame[Any]:
    """Sum ``parts`` of one table by ``by``: a row a group, a column a part, and n, Σw, Σw² of their rows.

    Rows that the ledger excludes are left out here, so that nobody can forget it. Without ``by`` there is
    always one row, of zeros where there are no rows.
    """
    parts = list({part.name: part for part in parts}.values())
    counted = COUNTED.get(parts[0].table)
    frame = frame if counted is None else frame.filter(counted)
    rows = {part.of.name: part.of for part in parts}
    sums: dict[str, nw.Expr] = {part.name: _summand(part) for part in parts}
    for of in rows.values():
        n, w, w2 = n_columns(of)
        weight = _weight(of.table)
        sums |= {
            n: _counted(of, nw.lit(1)),
            w: _counted(of, weight),
            w2: _counted(of, weight.cast(_WIDE) * weight.cast(_WIDE)),
        }
    summands = frame.select(*by, *(expr.alias(name) for name, expr in sums.items()))
    money = {part.name for part in parts if part.unit == "USD"}
    # Sums of weights fit 64 bits, being counts of real things, and are faster there; one type comes out.
    totals = [nw.col(name).sum() if name in money else nw.col(name).sum().cast(_WIDE) for name in sums]
    return summands.group_by(*by).agg(*totals) if by else summands.select(*totals)


def merge(frame: nw.LazyFrame[Any], by: Sequence[str] = ()) -> nw.LazyFrame[Any]:
    """Roll rolled-up parts up again, by fewer columns: the sums are added, the other columns dropped."""
    schema = frame.collect_schema()
    sums = [nw.col(c).sum() for c, dtype in schema.items() if isinstance(dtype, nw.Decimal) and c not in by]
    return frame.group_by(*by).agg(*sums) if by else frame.select(*sums)


def ratio(numerator: nw.Expr, denominator: nw.Expr) -> nw.Expr:
    """``numerator / denominator`` in floating point; null where the denominator is zero, never 0 nor NaN."""
    bottom = denominator.cast(nw.Float64())
    return nw.when(bottom != 0.0).then(numerator.cast(nw.Float64()) / bottom)


def effective_n(weight: nw.Expr, weight_squared: nw.Expr) -> nw.Expr:
    """Kish's effective sample size, (Σw)² / Σw²."""
    total = weight.cast(nw.Float64())
    return ratio(total * total, weight_squared)


def _weight(table: str) -> nw.Expr:
    return nw.col("weight") if is_weighted(table) else nw.lit(1)


def _counted(of: Rows, value: nw.Expr) -> nw.Expr:
    condition = of.condition
    return value if condition is None else nw.when(condition).then(value).otherwise(nw.lit(0))


def _summand(part: Part) -> nw.Expr:
    weight = _weight(part.table)
    if part.value is None:
        return _counted(part.of, weight)
    if part.unit == "USD":
        return _counted(part.of, part.value)
    if part.is_flag:
        return _counted(part.of, part.value * weight)
    # Widened before it is multiplied: a heavy row alone can overflow 64 bits.
    value = part.value.cast(_WIDE)
    return _counted(part.of, value * weight.cast(_WIDE) if is_weighted(part.table) else value)
