"""A metric's two sides as exact fractions, by slice: what identities are checked and split on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from metrics.metric import Metric
from metrics.parts import Part
from metrics.plan import Cut, PartKey, Source, part_key, roll_up
from metrics.sides import side, total

__all__ = ["Group", "Sides", "exact_sides"]

Group = tuple[Any, ...]
"""Values of the dimensions, in their order; None where unknown."""


@dataclass(frozen=True)
class Sides:
    """Numerator and denominator in their units; the denominator is 1 for a total."""

    numerator: Fraction
    denominator: Fraction

    @property
    def value(self) -> Fraction | None:
        """Their ratio; None where there is nothing to divide by."""
        return self.numerator / self.denominator if self.denominator else None


def exact_sides(source: Source, metrics: Sequence[Metric], cut: Cut) -> dict[str, dict[Group, Sides]]:
    """By metric and group, both sides. A denominator that dimensions do not slice is the same in every group."""
    rolled = roll_up(source, metrics, cut)
    return {metric.name: _sides(metric, rolled, cut) for metric in metrics}


def _sides(metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut) -> dict[Group, Sides]:
    top = _sums(metric, metric.numerator, rolled, cut)
    if metric.denominator is None:
        return {group: Sides(amount, Fraction(1)) for group, amount in top.items()}
    bottom = _sums(metric, metric.denominator, rolled, cut)
    if not metric.denominator.is_sliced:
        whole = bottom.get((), Fraction(0))
        return {group: Sides(amount, whole) for group, amount in top.items()}
    none = Fraction(0)
    return {
        group: Sides(top.get(group, none), bottom.get(group, none))
        for group in dict.fromkeys((*top, *bottom))
    }


def _sums(
    metric: Metric, part: Part, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut
) -> dict[Group, Fraction]:
    found = total(side(rolled[part_key(metric, part, cut)], part, cut), part)
    keys = [name for name in cut.by if name in found.columns]
    columns = (found[name].to_list() for name in (*keys, "n", "sum", "days"))
    sums = {}
    for *group, n, amount, days in zip(*columns, strict=True):
        # Slices of which no session tells what is needed have no part in the sum, rather than a 0.
        if part.of.needs and not n:
            continue
        exact = Fraction(amount if isinstance(amount, (Decimal, int)) else 0)
        sums[tuple(group)] = exact / (part.per * days) if days else Fraction(0)
    return sums
