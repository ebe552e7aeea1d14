"""The north-star tree, and what moved a metric between two periods, in parts that sum exactly to the change.

Two kinds of edge, never mixed. An *identity* is arithmetic; its contributions add up to the change, to the
last unit, because they are computed in fractions and rounded only when shown. An *influence* is an estimate,
declared in the catalogue and not computed here.

The identities, with Δ the change and ¯ the mean of both periods (so that no residual is left):

- a ratio by slices, with share s = D_i/D and rate r = N_i/D_i:
  mix_i = Δs_i · (r̄_i − R̄), rate_i = s̄_i · Δr_i;
- watch hours per subscriber, per slice, with plays per subscriber p and hours per play h:
  p̄ · Δh (hours per play) + h̄ · Δp (plays) + Δu (time outside qualified plays);
- play success: minus the change of each way to fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

import narwhals as nw
import polars as pl

from metrics.catalog import METRICS, Metric, get_metric
from metrics.cube import source_of
from metrics.errors import InputError
from metrics.exact import Group, Sides, exact_sides
from metrics.lake import Lake
from metrics.parts import clock_column
from metrics.plan import Cut, Source
from metrics.query import check_cut

__all__ = ["NORTH_STAR", "TREE", "Contribution", "Edge", "Explanation", "contributions", "explain"]

NORTH_STAR = "watch_hours_per_subscriber"
_PLAYS, _LENGTH, _REST = (
    "qualified_plays_per_subscriber",
    "hours_per_play",
    "unqualified_hours_per_subscriber",
)
_SUCCESS = "play_success_ratio"

Period = tuple[int, int]


@dataclass(frozen=True)
class Edge:
    """``child`` drives ``parent``: by arithmetic, or by an influence that must be estimated."""

    parent: str
    child: str
    edge: Literal["identity", "influence"]


TREE: Mapping[str, tuple[Edge, ...]] = MappingProxyType(
    {
        name: tuple(Edge(name, driver.metric, driver.edge) for driver in metric.drivers)
        for name, metric in METRICS.items()
        if metric.drivers
    }
)
"""Edges by parent, from the catalogue's drivers."""


@dataclass(frozen=True)
class Contribution:
    """What one part of one slice added to the change. ``before`` and ``after`` are the slice's own figure."""

    group: Group
    part: str
    amount: Fraction
    before: Fraction | None
    after: Fraction | None


@dataclass(frozen=True)
class Explanation:
    """A change, and the contributions that sum to it exactly."""

    metric: Metric
    by: tuple[str, ...]
    before: Fraction
    after: Fraction
    contributions: tuple[Contribution, ...]

    @property
    def change(self) -> Fraction:
        """After minus before."""
        return self.after - self.before

    @property
    def is_reversal(self) -> bool:
        """Simpson's case: the whole moves, and every slice present in both periods moves the other way or stays.

        The change is then one of mix alone: who watches, not how it goes for them.
        """
        moves = [
            c.after - c.before
            for c in self.contributions
            if c.part == "rate" and c.before is not None and c.after is not None
        ]
        has_mix = any(c.part == "mix" for c in self.contributions)
        return bool(self.change) and has_mix and len(moves) > 1 and all(m * self.change <= 0 for m in moves)

    @property
    def worst_first(self) -> tuple[Contribution, ...]:
        """Contributions by what they do to the metric, the most harmful first: impact, not a slice's own level."""
        sign = 1 if self.metric.better == "lower" else -1
        return tuple(sorted(self.contributions, key=lambda c: -sign * c.amount))

    def frame(self) -> pl.DataFrame:
        """``by…, part, contribution, before, after``: floats, largest contribution first."""
        rows = [
            (
                *("" if v is None else str(v) for v in c.group),
                c.part,
                float(c.amount),
                _float(c.before),
                _float(c.after),
            )
            for c in self.contributions
        ]
        numbers = ("contribution", "before", "after")
        schema = {**dict.fromkeys((*self.by, "part"), pl.String), **dict.fromkeys(numbers, pl.Float64)}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        blank = [pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in self.by]
        return frame.with_columns(blank).sort(
            pl.col("contribution").abs(), descending=True, maintain_order=True
        )


def contributions(
    lake: Lake, metric: str, period: Period, versus: Period, by: Sequence[str] = ()
) -> pl.DataFrame:
    """:func:`explain` as a frame: ``by…, part, contribution, before, after``."""
    return explain(lake, metric, period, versus, by).frame()


def explain(
    source: Lake | Source | Mapping[str, pl.LazyFrame],
    metric: str,
    period: Period,
    versus: Period,
    by: Sequence[str] = (),
    where: Mapping[str, Sequence[str | None]] | None = None,
) -> Explanation:
    """What moved ``metric`` from period ``versus`` to ``period`` (each ``[start, end)`` in UTC epoch ms).

    Parts are ``mix`` and ``rate`` by slice; for watch hours per subscriber the drivers of its identity, by
    slice. Raises :class:`~metrics.errors.InputError` for a quantile (its parts do not add up), a period
    without data, or levels over periods of different lengths.
    """
    asked = get_metric(metric)
    if asked.kind not in ("ratio", "total"):
        near = "home_late_ratio" if asked.name.startswith("home") else "time_to_play_late_ratio"
        near = (
            near
            if asked.kind == "quantile"
            else "take_rate"
            if asked.kind == "spread"
            else "browse_abandonment_ratio"
        )
        what = "quantile" if asked.kind != "spread" else "spread"
        raise InputError(f"{metric} is a {what}: its parts do not add up", mend=f"explain {near}")
    check_cut([metric], [*by, *(where or {})])
    if any(part.is_level for part in asked.parts) and period[1] - period[0] != versus[1] - versus[0]:
        raise InputError(
            f"{metric} is per period, and the periods differ in length", mend="give equal lengths"
        )
    names = (metric, *_IDENTITIES.get(metric, ()))
    cut_by = tuple(dict.fromkeys(by))
    after = _sides_of(source, names, period, cut_by, where)
    before = _sides_of(source, names, versus, cut_by, where)
    whole_after = _whole(source, asked, after[metric], period)
    whole_before = _whole(source, asked, before[metric], versus)
    if metric == NORTH_STAR:
        parts = _north_star(before, after)
    elif metric == _SUCCESS and not cut_by:
        parts = _complement(before, after)
    else:
        parts = _mix_and_rate(asked, before[metric], after[metric], whole_before, whole_after)
    assert whole_before.value is not None
    assert whole_after.value is not None
    return Explanation(asked, cut_by, whole_before.value, whole_after.value, tuple(parts))


_IDENTITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: tuple(edge.child for edge in TREE[name] if edge.edge == "identity")
        for name in (NORTH_STAR, _SUCCESS)
    }
)


def _sides_of(
    source: Lake | Source | Mapping[str, pl.LazyFrame],
    names: Sequence[str],
    period: Period,
    by: tuple[str, ...],
    where: Mapping[str, Sequence[str | None]] | None,
) -> dict[str, dict[Group, Sides]]:
    metrics = [get_metric(name) for name in names]
    slices = tuple((name, tuple(values)) for name, values in (where or {}).items())
    return exact_sides(source_of(source), metrics, Cut(by, slices, *period))


def _whole(
    source: Lake | Source | Mapping[str, pl.LazyFrame],
    metric: Metric,
    groups: Mapping[Group, Sides],
    period: Period,
) -> Sides:
    numerator = sum((sides.numerator for sides in groups.values()), Fraction(0))
    bottoms = [sides.denominator for sides in groups.values()]
    is_sliced = metric.denominator is not None and metric.denominator.is_sliced
    denominator = sum(bottoms, Fraction(0)) if is_sliced else next(iter(bottoms), Fraction(0))
    # Of another table than the denominator's: a numerator of nothing is one that nobody recorded.
    is_absent = metric.denominator is not None and metric.numerator.table != metric.denominator.table
    if not denominator or (is_absent and not numerator):
        raise InputError(
            f"{metric.name} has no data in a period", where=_said(period), mend=_known(source, metric)
        )
    return Sides(numerator, denominator)


def _known(source: Lake | Source | Mapping[str, pl.LazyFrame], metric: Metric) -> str:
    """What periods could be asked for."""
    table = metric.numerator.table
    clock = nw.col(clock_column(table, metric.clock))
    rows = nw.from_native(source_of(source).scan(table)).lazy()
    first, last = rows.select(first=clock.min(), last=clock.max()).collect().row(0)
    return "no telemetry tells it" if first is None else f"telemetry tells it from {_said((first, last))}"


def _mix_and_rate(
    metric: Metric,
    before: Mapping[Group, Sides],
    after: Mapping[Group, Sides],
    whole_before: Sides,
    whole_after: Sides,
) -> list[Contribution]:
    is_sliced = metric.denominator is not None and metric.denominator.is_sliced
    mean = ((whole_before.value or Fraction(0)) + (whole_after.value or Fraction(0))) / 2
    none = Sides(Fraction(0), Fraction(0))
    parts = []
    for group in dict.fromkeys((*after, *before)):
        old, new = before.get(group, none), after.get(group, none)
        moved = new.numerator / whole_after.denominator - old.numerator / whole_before.denominator
        if not is_sliced:
            # The denominator is the same for all slices: there is no mix to shift.
            own_old, own_new = (
                s.numerator / w.denominator for s, w in ((old, whole_before), (new, whole_after))
            )
            parts.append(Contribution(group, "rate", moved, own_old, own_new))
            continue
        share = new.denominator / whole_after.denominator - old.denominator / whole_before.denominator
        # A slice that is absent in one period has no rate there: its coming or going is all mix.
        rates = [sides.value for sides in (old, new) if sides.value is not None]
        rate = sum(rates, Fraction(0)) / len(rates) if rates else mean
        mix = share * (rate - mean)
        parts.append(Contribution(group, "mix", mix, old.value, new.value))
        parts.append(Contribution(group, "rate", moved - share * mean - mix, old.value, new.value))
    return parts


def _north_star(
    before: Mapping[str, Mapping[Group, Sides]], after: Mapping[str, Mapping[Group, Sides]]
) -> list[Contribution]:
    zero = Fraction(0)
    groups = dict.fromkeys(g for side in (after, before) for sides in side.values() for g in sides)

    def value(side: Mapping[str, Mapping[Group, Sides]], name: str, group: Group) -> Fraction | None:
        sides = side[name].get(group)
        return None if sides is None else sides.value

    parts = []
    for group in groups:
        plays = [value(side, _PLAYS, group) or zero for side in (before, after)]
        rest = [value(side, _REST, group) or zero for side in (before, after)]
        length = [value(side, _LENGTH, group) for side in (before, after)]
        # Without plays in a period, their length there is unknown: all of the change is the plays'.
        old = length[0] if length[0] is not None else length[1] if length[1] is not None else zero
        new = length[1] if length[1] is not None else old
        parts += [
            Contribution(group, _PLAYS, (plays[1] - plays[0]) * (old + new) / 2, plays[0], plays[1]),
            Contribution(group, _LENGTH, (new - old) * (plays[0] + plays[1]) / 2, length[0], length[1]),
            Contribution(group, _REST, rest[1] - rest[0], rest[0], rest[1]),
        ]
    return parts


def _complement(
    before: Mapping[str, Mapping[Group, Sides]], after: Mapping[str, Mapping[Group, Sides]]
) -> list[Contribution]:
    parts = []
    for name in _IDENTITIES[_SUCCESS]:
        old, new = before[name][()].value, after[name][()].value
        assert old is not None
        assert new is not None
        parts.append(Contribution((), name, old - new, old, new))
    return parts


def _said(period: Period) -> str:
    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in period)
    return f"{start:%Y-%m-%dT%H:%M} to {end:%Y-%m-%dT%H:%M} UTC"


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
