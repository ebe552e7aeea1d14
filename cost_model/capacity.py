"""What a given concurrency asks of every tier and service, what breaks first, and what to buy.

A resource is one thing that can be full. Its demand grows with concurrent streams, its capacity stands; where
demand reaches capacity it breaks. :mod:`cost_model.standing` says what a service consists of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cost_model.uncertainty import Floats, Interval, interval

__all__ = ["Capacity", "Resource", "Standing", "capacity"]

_MOST_STREAMS, _HALVINGS = 1e11, 60


@dataclass(frozen=True)
class Resource:
    """One thing that can be full, over draws of the rates. ``demand`` maps concurrent streams to its load.

    ``piece``: what more of it is bought in, how much of ``unit`` a piece gives and what it costs in ``per``.
    ``whole``: capacity of all places together, where ``capacity`` is what there is until the first is full.
    ``unspilled``: its load once the tier before it has been bought large enough; what is bought here is for that.
    """

    name: str
    place: str | None
    unit: str
    capacity: Floats
    demand: Callable[[Floats], Floats]
    piece: str
    piece_gives: Floats
    piece_usd: Floats
    per: str
    whole: Floats | None = None
    unspilled: Callable[[Floats], Floats] | None = None

    def all_of_it(self) -> Floats:
        """Capacity of all places together."""
        return self.capacity if self.whole is None else self.whole

    def breaks_at(self) -> Floats:
        """Concurrent streams at which demand reaches capacity; infinite where streams never fill it."""
        low, high = np.zeros_like(self.capacity), np.full_like(self.capacity, _MOST_STREAMS)
        never = (self.demand(high) < self.capacity) | (self.demand(low) >= self.capacity)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            full = self.demand(middle) >= self.capacity
            low, high = np.where(full, low, middle), np.where(full, middle, high)
        return np.where(never, np.inf, high)


@dataclass(frozen=True)
class Standing:
    """A service as it stands: ``concurrent`` streams at its regular peak, its resources, and where from."""

    source: str
    concurrent: Interval
    resources: Sequence[Resource]
    target: Floats  # utilisation planned for: what is bought keeps to it


@dataclass(frozen=True)
class Capacity:
    """Rows by resource, the first to break first (see :func:`capacity`), and places within the edge tier."""

    concurrent: float
    standing: Standing
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: null where infinite."""
        return {
            "concurrent": self.concurrent,
            "standing": self.standing.source,
            "regular_peak_concurrent": self.standing.concurrent.as_dict(),
            "breaks_in_order": [
                row["resource"]
                for row in self.rows
                if _finite(row["breaks_at_concurrent"]["median"]) <= self.concurrent
            ],
            "resources": self.rows,
            "places": self.places,
        }


def capacity(standing: Standing, concurrent: float) -> Capacity:
    """Utilisation at ``concurrent`` streams, the order of breaking, and what to buy.

    A resource with several places breaks where its first place does. Rows have ``resource, place`` (the first to
    break), ``unit, demand, capacity, utilisation, breaks_at_concurrent, first_ratio, second_ratio, third_ratio``
    (shares of draws in which it is the first, second, third to break) and ``buy`` (pieces and USD that bring
    utilisation back to plan).
    """
    size = np.full(len(standing.target), float(concurrent))
    by_name: dict[str, list[Resource]] = {}
    for resource in standing.resources:
        by_name.setdefault(resource.name, []).append(resource)
    breaks: dict[str, Floats] = {}
    rows, places = [], []
    for name, several in by_name.items():
        at = np.stack([resource.breaks_at() for resource in several])
        breaks[name] = at.min(axis=0)
        first = several[int(np.argmin(np.median(at, axis=1)))]
        rows.append(_row(first, several, breaks[name], size, standing.target))
        if len(several) > 1:
            places += [
                _place(resource, one, size) for resource, one in zip(several, at, strict=True)
            ]  # fmt: skip
    order = np.argsort(np.stack(list(breaks.values())), axis=0, kind="stable")
    is_finite = np.isfinite(np.stack(list(breaks.values())))
    for number, row in enumerate(rows):
        for rank, key in enumerate(("first_ratio", "second_ratio", "third_ratio")):
            row[key] = (
                float(((order[rank] == number) & is_finite[number]).mean()) if rank < len(rows) else 0.0
            )
    rows.sort(key=lambda row: (_finite(row["breaks_at_concurrent"]["median"]), -row["first_ratio"]))
    places.sort(key=lambda row: (_finite(row["breaks_at_concurrent"]["median"]), row["place"]))
    return Capacity(concurrent, standing, rows, places)


def _row(
    first: Resource, several: Sequence[Resource], breaks: Floats, size: Floats, target: Floats
) -> dict[str, Any]:
    demand, room = first.demand(size), first.capacity
    loads = [(r.unspilled or r.demand)(size) for r in several]
    wanted = [
        np.maximum(0, load / target - r.all_of_it()) / r.piece_gives
        for load, r in zip(loads, several, strict=True)
    ]
    pieces = np.sum(wanted, axis=0)
    return {
        "resource": first.name,
        "place": first.place,
        "unit": first.unit,
        "demand": interval(demand).as_dict(),
        "capacity": interval(room).as_dict(),
        "utilisation": interval(demand / room).as_dict(),
        "breaks_at_concurrent": interval(breaks).as_dict(),
        "buy": {
            "piece": first.piece,
            "pieces": interval(np.ceil(pieces)).as_dict(),
            "usd": interval(np.ceil(pieces) * first.piece_usd).as_dict(),
            "per": first.per,
        },
    }


def _place(resource: Resource, breaks: Floats, size: Floats) -> dict[str, Any]:
    return {
        "resource": resource.name,
        "place": resource.place,
        "capacity": float(np.median(resource.capacity)),
        "unit": resource.unit,
        "utilisation": interval(resource.demand(size) / resource.capacity).as_dict(),
        "breaks_at_concurrent": interval(breaks).as_dict(),
    }


def _finite(value: float | None) -> float:
    return np.inf if value is None else value
