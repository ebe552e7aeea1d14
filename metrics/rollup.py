"""Rows to additive parts to ratios: add first, divide last.

Every sum is ``Decimal(38, 0)`` (money: ``Decimal(38, 10)``): a quarter's weighted bytes overflow 64 bits, and
one engine would wrap silently. Rolled-up parts can be rolled up again, in any order and grouping, to the same
integers. Beside each part's rows stand n (rows), w (sum of weights) and w2 (sum of squared weights), from
which the effective sample size follows: a panel is not a census.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import and_
from typing import Any

import narwhals as nw

from metrics.parts import COUNTED, Part, Rows, is_weighted
from metrics.unknown import told

__all__ = ["add_up", "effective_n", "filter_rows", "merge", "n_columns", "ratio", "rollup", "summands"]

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

    Rows are grouped twice: by ``by`` and the conditions they meet, each value summed once; and those few
    groups by ``by``, part by part. So a part costs a row one bit, whatever number of sums it takes.
    """
    parts = list(parts)
    return add_up(summands(frame, parts, by), parts, by)


def summands(frame: nw.LazyFrame[Any], parts: Iterable[Part], by: Sequence[str]) -> nw.LazyFrame[Any]:
    """What :func:`add_up` adds up, a row a row that may count: ``by``, the conditions it meets, its values."""
    plan = _Plan.of(parts)
    counted = COUNTED.get(plan.table)
    frame = frame if counted is None else frame.filter(counted)
    # Widened before it is multiplied: a heavy row alone can overflow 64 bits.
    wide = nw.Int128() if frame.implementation.is_polars() else _WIDE
    weight = nw.col("weight") if is_weighted(plan.table) else nw.lit(1)
    heavy = weight.cast(wide)
    values = {name: value if is_money else value.cast(wide) * heavy for name, value, is_money in plan.sums}
    flags = {_FLAGS: nw.col("flags")} if plan.needs else {}
    return frame.select(*by, **plan.masks, **flags, **{_W: weight, _W2: heavy * heavy}, **values)


def add_up(rows: nw.LazyFrame[Any], parts: Iterable[Part], by: Sequence[str]) -> nw.LazyFrame[Any]:
    """:func:`summands` of ``parts`` to the rollup by ``by``, which may be some of the columns they are by."""
    plan = _Plan.of(parts)
    keys = [*by, *plan.masks, *((_FLAGS,) if plan.needs else ())]
    money = {name for name, _, is_money in plan.sums if is_money}
    sums = [_W, _W2, *(name for name, _, _ in plan.sums)]
    totals = [nw.len().alias(_N), *(nw.col(name).sum() for name in sums)]
    grouped = rows.group_by(*keys).agg(*totals) if keys else rows.select(*totals)
    grouped = grouped.with_columns(
        *(nw.col(name).cast(_WIDE) for name in (_N, *sums) if name not in money),
        # Searched for once a group: sources leave few different things untold.
        **{"|".join(needs): told(needs, flags=_FLAGS) for needs in plan.needs},
    )
    counted, summed = _totals(plan)
    grouped = grouped.with_columns(**counted) if counted else grouped
    parted = [total.alias(name) for name, total in summed.items()]
    return grouped.group_by(*by).agg(*parted) if by else grouped.select(*parted)


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


_MET, _FLAGS, _N, _W, _W2 = "_met", "_flags", "_n", "_w", "_w2"
_BITS = 50  # an engine may divide in double precision


@dataclass(frozen=True)
class _Plan:
    """What parts of one table share. Declarations share expressions: the same object is found once a row."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Iterable[Part]) -> _Plan:
        return cls(tuple({part.name: part for part in parts}.values()))

    @property
    def table(self) -> str:
        return self.parts[0].table

    @cached_property
    def conditions(self) -> dict[int, nw.Expr]:
        """By identity: which rows are counted, and which of those a flag counts."""
        rows = {id(part.of.where): part.of.where for part in self.parts if part.of.where is not None}
        flags = {id(p.value): p.value > 0 for p in self.parts if p.value is not None and p.is_flag}
        return rows | flags

    @cached_property
    def values(self) -> dict[int, Part]:
        """By identity: what is summed, with a part that sums it."""
        return {id(part.value): part for part in self.parts if part.value is not None and not part.is_flag}

    @cached_property
    def needs(self) -> list[tuple[str, ...]]:
        """What rows must tell."""
        return list(dict.fromkeys(part.of.needs for part in self.parts if part.of.needs))

    @property
    def masks(self) -> dict[str, nw.Expr]:
        """The conditions, as the bits of few integers."""
        conditions = list(self.conditions.values())
        return {
            f"{_MET}{place}": _bits(conditions[first : first + _BITS])
            for place, first in enumerate(range(0, len(conditions), _BITS))
        }

    @property
    def sums(self) -> list[tuple[str, nw.Expr, bool]]:
        """Each value to be summed with the name of its column, and whether it is money, which has no weight."""
        return [
            (f"_value{place}", part.value, part.unit == "USD")
            for place, part in enumerate(self.values.values())
            if part.value is not None
        ]

    def is_met(self, condition: nw.Expr) -> nw.Expr:
        """A condition, read off its bit."""
        place, bit = divmod(list(self.conditions).index(id(condition)), _BITS)
        return nw.col(f"{_MET}{place}") // (1 << bit) % 2 == 1

    def summed(self, part: Part) -> nw.Expr:
        """The column that holds the sum of a part's value."""
        is_counted = part.value is None or part.is_flag
        return nw.col(_W if is_counted else f"_value{list(self.values).index(id(part.value))}")


def _totals(plan: _Plan) -> tuple[dict[str, nw.Expr], dict[str, nw.Expr]]:
    """Which groups count, each set of conditions found once; and out of them each part, and n, Σw, Σw² of its rows."""
    counted: dict[tuple[int, tuple[str, ...], int], tuple[str, nw.Expr]] = {}
    totals: dict[str, nw.Expr] = {}

    def count(name: str, summed: nw.Expr, part: Part, *, is_flagged: bool, is_money: bool = False) -> None:
        where, needs = part.of.where, part.of.needs
        flag = part.value if is_flagged else None
        conditions = [plan.is_met(one) for one in (where, flag) if one is not None]
        conditions += [nw.col("|".join(needs))] if needs else []
        if conditions:
            key = (id(where), needs, id(flag))
            column, _ = counted.setdefault(key, (f"_counts{len(counted)}", reduce(and_, conditions)))
            summed = nw.when(nw.col(column)).then(summed).otherwise(nw.lit(0))
        totals[name] = summed.sum() if is_money else summed.sum().cast(_WIDE)

    for part in plan.parts:
        for name, column in zip(n_columns(part.of), (_N, _W, _W2), strict=True):
            count(name, nw.col(column), part, is_flagged=False)
        count(part.name, plan.summed(part), part, is_flagged=part.is_flag, is_money=part.unit == "USD")
    return dict(counted.values()), totals


def _bits(conditions: Sequence[nw.Expr]) -> nw.Expr:
    """Conditions as the bits of one integer; what is not known is not met."""
    bits = (nw.when(met).then(nw.lit(2**bit)).otherwise(nw.lit(0)) for bit, met in enumerate(conditions))
    return nw.sum_horizontal(*bits)
