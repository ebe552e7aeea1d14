"""What an objective counts: bad and all events of each minute, and their share over any window.

Four shapes, all over the same columns of ``minute_count``:

- a :class:`CountRatio` is bad (or good) events over all events;
- a :class:`Threshold` looks at a ratio a minute: a minute with traffic is one event, bad where the ratio is not as
  it should be;
- :class:`Slices` of either are slices of time, each one event, bad where too few of its events were good;
- a :class:`Composite` is the weighted mean of several shares of bad events, of those that have traffic.

A :class:`RawRatio` has no counts on the event clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from alerts.counts import Clock, Floats, Ints, Minutes, Running, ratio_of
from alerts.policy import MINUTE_MS

__all__ = [
    "Composite", "CountRatio", "Counted", "Events", "Indicator", "Operator", "Part", "RawRatio", "Slices", "Threshold",
    "WeightedCounts", "events_of", "weighted_share",
]  # fmt: skip

Operator = Literal["lte", "gte", "lt", "gt"]
_HOLDS: dict[Operator, Callable[..., NDArray[np.bool_]]] = {
    "lte": np.less_equal,
    "gte": np.greater_equal,
    "lt": np.less,
    "gt": np.greater,
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CountRatio(_Frozen):
    """Columns of ``minute_count``, each list a sum. Exactly one of ``bad`` and ``good`` is given."""

    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    total: tuple[str, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Every column named."""
        return frozenset((*self.bad, *self.good, *self.total))


class Threshold(_Frozen):
    """A minute is good where ``numerator ÷ denominator`` (sums of columns) lies on that side of ``value``."""

    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    operator: Operator
    value: Decimal

    @property
    def columns(self) -> frozenset[str]:
        """Every column named."""
        return frozenset((*self.numerator, *self.denominator))


class Slices(_Frozen):
    """Slices of ``slice_ms``, aligned to UTC; one with events counts once, and is good where at least ``good_ratio``
    of them were."""

    of: CountRatio | Threshold
    slice_ms: int
    good_ratio: Decimal

    @property
    def columns(self) -> frozenset[str]:
        """Every column named."""
        return self.of.columns

    @property
    def bad_ratio(self) -> float:
        """A slice is bad where a larger share of its events was."""
        return float(1 - self.good_ratio)


class Part(_Frozen):
    """A member of a composite."""

    title: str
    of: CountRatio
    weight: Decimal


class Composite(_Frozen):
    """Σ weight × share of bad events ÷ Σ weight, over the parts with traffic."""

    parts: tuple[Part, ...]

    @property
    def columns(self) -> frozenset[str]:
        """Every column named."""
        return frozenset().union(*(part.of.columns for part in self.parts))


class RawRatio(_Frozen):
    """A ratio of the metric catalogue, computed elsewhere; no counts on the event clock."""

    metric: str
    of: Literal["success", "failure"]


Counted = CountRatio | Threshold | Slices | Composite
Indicator = Counted | RawRatio


WeightedCounts = Sequence[tuple[float, Ints | Floats, Ints | Floats]]
# Weight, bad and total of each part of a composite.


@dataclass(frozen=True)
class Events:
    """Events of each minute, and their share over windows.

    ``bad`` and ``total`` are what the objective counts (slices, where it counts those); of a composite they are the
    sums over its parts, and ``parts`` has each with its weight. ``guard_bad`` are the events that were bad, whatever
    is made of them: what the low-traffic guard counts. ``is_recorded`` where a rule reads them as a series of its own.
    """

    bad: Ints
    total: Ints
    guard_bad: Ints
    parts: tuple[tuple[Decimal, Ints, Ints], ...] = ()
    is_recorded: bool = False

    def share(self, clock: Clock, window_ms: int, at: Ints | None = None) -> Floats:
        """Share of bad events in the window that ends at each minute's evaluation (or of those ``at``); NaN without."""
        if self.is_recorded:
            # The rule reads a recorded series over a range a second short, which no closure changes.
            clock = Clock(0, 0)
        counted = [
            (weight, bad.over(clock, window_ms, at), total.over(clock, window_ms, at))
            for weight, bad, total in self._running
        ]
        return weighted_share(counted) if self.parts else ratio_of(*counted[0][1:])

    def guarded(self, clock: Clock, window_ms: int, at: Ints) -> Ints:
        """``guard_bad`` in the window that ends at the evaluation of each of the minutes ``at``."""
        return self._running_guard.over(clock, window_ms, at)

    @cached_property
    def _running(self) -> tuple[tuple[float, Running, Running], ...]:
        parts = self.parts or ((Decimal(1), self.bad, self.total),)
        return tuple((float(weight), Running(bad), Running(total)) for weight, bad, total in parts)

    @cached_property
    def _running_guard(self) -> Running:
        is_bad = self.guard_bad is self.bad and not self.parts
        return self._running[0][1] if is_bad else Running(self.guard_bad)

    def sums(self, minutes: slice) -> tuple[int | Decimal, int]:
        """Bad and all events of those minutes; of a composite, its share of all events, exact."""
        total = int(self.total[minutes].sum())
        if not self.parts:
            return int(self.bad[minutes].sum()), total
        seen = [
            (Fraction(weight), int(bad[minutes].sum()), int(events))
            for weight, bad, all_ in self.parts
            if (events := all_[minutes].sum())
        ]
        if not seen:
            return 0, total
        share = sum((w * Fraction(b, t) for w, b, t in seen), Fraction()) / sum(
            (w for w, _, _ in seen), Fraction()
        )
        exact = share * total
        return Decimal(exact.numerator) / Decimal(exact.denominator), total


def weighted_share(parts: WeightedCounts) -> Floats:
    """Σ weight × bad ÷ total, over Σ weight, of the parts with traffic; NaN where none has."""
    above, below = np.zeros((2, len(parts[0][1])))
    for weight, bad, total in parts:
        seen = total > 0
        above += np.where(seen, weight * ratio_of(bad, total), 0.0)
        below += np.where(seen, weight, 0.0)
    return ratio_of(above, below)


def events_of(indicator: Counted, minutes: Minutes) -> Events:
    """What ``indicator`` counts in each of ``minutes``."""
    if isinstance(indicator, CountRatio):
        bad, total = minutes.parts(indicator)
        return Events(bad, total, bad)
    if isinstance(indicator, Threshold):
        return _minutes_beyond(indicator, minutes)
    if isinstance(indicator, Slices):
        return _slices(indicator, minutes)
    parts = tuple((part.weight, *minutes.parts(part.of)) for part in indicator.parts)
    bad = np.sum([b for _, b, _ in parts], axis=0, dtype=np.int64)
    total = np.sum([t for _, _, t in parts], axis=0, dtype=np.int64)
    return Events(bad, total, bad, parts)


def _minutes_beyond(threshold: Threshold, minutes: Minutes) -> Events:
    value = minutes.sum(threshold.numerator)
    below = minutes.sum(threshold.denominator) if threshold.denominator else np.ones_like(value)
    seen = below > 0
    # Without traffic the ratio is no number, which lies on no side.
    is_bad = seen & ~_HOLDS[threshold.operator](ratio_of(value, below), float(threshold.value))
    few_are_bad = threshold.operator in {"lt", "lte"}
    guard = value if few_are_bad or not threshold.denominator else np.maximum(below - value, 0)
    return Events(is_bad.astype(np.int64), seen.astype(np.int64), guard, is_recorded=True)


def _slices(indicator: Slices, minutes: Minutes) -> Events:
    whole = events_of(indicator.of, minutes)
    # A slice holds its own minutes whenever the rules are evaluated: their samples lie between its edges.
    clock = Clock()
    bad, total = (Running(counts).over(clock, indicator.slice_ms) for counts in (whole.bad, whole.total))
    ends_ms = minutes.start_ts_ms + (np.arange(minutes.length, dtype=np.int64) + 1) * MINUTE_MS
    is_end = (ends_ms % indicator.slice_ms == 0) & (total > 0)
    is_bad = is_end & (ratio_of(bad, total) > indicator.bad_ratio)
    return Events(is_bad.astype(np.int64), is_end.astype(np.int64), whole.guard_bad, is_recorded=True)
