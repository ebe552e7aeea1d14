"""Why cost moved between two periods: volume, mix, efficiency and price, with nothing left over.

Each cell (pool, region, ISP, tier, CDN, codec) is an identity::

    cost = H · w · e · k        H  stream hours of the service
                                w  hours of the cell's region and codec ÷ H · the slice's share of their bytes
                                e  GB an hour in the region and codec
                                k  USD a GB of the slice in the pool

and the four factors are exchanged in that order, so that the effects of a cell sum to its change exactly::

    volume      = (H₁ − H₀) · w₀ · e₀ · k₀          = cost₀ · (H₁/H₀ − 1)
    mix         = H₁ · (w₁ − w₀) · e₀ · k₀          = cost₀ · H₁/H₀ · (w₁/w₀ − 1)
    efficiency  = H₁ · w₁ · (e₁ − e₀) · k₀          = cost₀ · H₁/H₀ · w₁/w₀ · (e₁/e₀ − 1)
    price       = H₁ · w₁ · e₁ · (k₁ − k₀)          = cost₁ − cost₀ · H₁/H₀ · w₁/w₀ · e₁/e₀

A cell that is new or gone is mix (after volume). A cost that no slice bears has the hours of its region as driver,
or those of the service, and e = 1. Without hours on both sides, bytes stand in for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise

import polars as pl

from cost_model.period import KEYS, Period

__all__ = ["EFFECTS", "Bridge", "Cell", "bridge"]

EFFECTS = ("volume", "mix", "efficiency", "price")
_CENT = Decimal("0.01")
_UNITS_PER_USD = 10**16
_ONE = Fraction(1)


@dataclass(frozen=True)
class Cell:
    """One cell: its cost before and now, and the ratios of its share and of its GB an hour, now ÷ before."""

    pool: str
    keys: tuple[str | None, ...]
    before_usd: Decimal
    now_usd: Decimal
    share_ratio: Fraction
    efficiency_ratio: Fraction
    is_new: bool

    def levels(self, volume_ratio: Fraction) -> tuple[int, int, int, int, int]:
        """Cost before, then after volume, mix, efficiency and price, in whole 10⁻¹⁶ USD.

        Each effect is the difference of two levels, so the effects sum to the change whatever is rounded.
        """
        before, now = _units(self.before_usd), _units(self.now_usd)
        if self.is_new:
            return 0, 0, now, now, now
        at_volume = _times(before, volume_ratio)
        at_mix = _times(at_volume, self.share_ratio)
        return before, at_volume, at_mix, _times(at_mix, self.efficiency_ratio), now


@dataclass(frozen=True)
class Bridge:
    """From ``before`` to ``now``. ``levels_usd`` are the cost before and after each effect, in whole cents.

    ``effects_usd`` are the differences of those levels, so what is printed adds up to the cent; ``residual_usd`` is
    the sum of all cells' effects less the change, and is 0.
    """

    before: Period
    now: Period
    keys: tuple[str, ...]
    driver: str
    volume_ratio: Fraction
    cells: Sequence[Cell]
    levels_usd: tuple[Decimal, ...]
    residual_usd: Decimal

    @property
    def effects_usd(self) -> dict[str, Decimal]:
        """Each effect in whole cents."""
        steps = zip(EFFECTS, self.levels_usd, self.levels_usd[1:], strict=False)
        return {name: after - before for name, before, after in steps}

    def by(self, key: str) -> pl.DataFrame:
        """Effects by one key of the cells or by ``pool``: ``<key>, before_usd, volume, …, now_usd``, floats."""
        place = None if key == "pool" else self.keys.index(key)
        sums: dict[str | None, list[int]] = {}
        for cell in self.cells:
            levels = cell.levels(self.volume_ratio)
            row = sums.setdefault(cell.pool if place is None else cell.keys[place], [0] * 6)
            for at, part in enumerate((levels[0], *_steps(levels), levels[-1])):
                row[at] += part
        names = ("before_usd", *EFFECTS, "now_usd")
        rows = [
            {key: name, **{n: v / _UNITS_PER_USD for n, v in zip(names, row, strict=True)}}
            for name, row in sums.items()
        ]
        schema = {key: pl.String, **dict.fromkeys(names, pl.Float64)}
        return pl.DataFrame(rows, schema=schema).sort("now_usd", key, descending=[True, False])

    def as_dict(self) -> dict[str, object]:
        """For JSON: amounts as text, to the cent."""
        return {
            "against": self.before.origin,
            "quarter": str(self.before.quarter),
            "before_usd": str(self.levels_usd[0]),
            **{f"{name}_usd": str(value) for name, value in self.effects_usd.items()},
            "now_usd": str(self.levels_usd[-1]),
            "residual_usd": str(self.residual_usd),
            "cells": len(self.cells),
            "cells_by": ["pool", *self.keys],
            "volume": self.driver,
        }


def bridge(before: Period, now: Period) -> Bridge:
    """The bridge between two periods, at the finest cells that both tell."""
    keys = tuple(key for key in KEYS if _tells(before, key) and _tells(now, key))
    by_hours = before.playing_ms > 0 and now.playing_ms > 0
    was, is_ = _Drivers(before, keys, by_hours), _Drivers(now, keys, by_hours)
    volume = Fraction(is_.total, was.total) if was.total and is_.total else _ONE
    cells = list(_cells(was, is_, volume))
    levels = [sum(level) for level in zip(*(cell.levels(volume) for cell in cells), strict=True)] or [0] * 5
    effects = sum(_steps(levels))
    return Bridge(
        before=before,
        now=now,
        keys=keys,
        driver="stream hours" if by_hours else "bytes",
        volume_ratio=volume,
        cells=cells,
        levels_usd=tuple(_cents(level) for level in levels),
        residual_usd=Decimal(effects - _units(now.cost_usd) + _units(before.cost_usd)) / _UNITS_PER_USD,
    )


class _Drivers:
    """What drives each cell of a period: hours or bytes of the service, its places, and its slices."""

    def __init__(self, period: Period, keys: tuple[str, ...], by_hours: bool) -> None:
        self.keys = keys
        self._place = [at for at, key in enumerate(keys) if key in ("region", "codec")]
        self.costs = _summed(period.costs, ("pool", *keys), "effective_usd")
        self.bytes = {k: int(v) for k, v in _summed(period.sizes, keys, "delivered_bytes").items()}
        self.place_bytes: dict[tuple[str | None, ...], int] = {}
        for slice_, size in self.bytes.items():
            at = self.place(slice_)
            self.place_bytes[at] = self.place_bytes.get(at, 0) + size
        of_places = tuple(key for key in keys if key in ("region", "codec"))
        hours = {k: int(v) for k, v in _summed(period.hours, of_places, "playing_ms").items()}
        self.volume = hours if by_hours else self.place_bytes
        self.total = period.playing_ms if by_hours else period.delivered_bytes

    def place(self, slice_: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Region and codec of a slice."""
        return tuple(slice_[at] for at in self._place)

    def share_and_efficiency(self, slice_: tuple[str | None, ...]) -> tuple[Fraction, Fraction] | None:
        """w and e of a slice; None where it has no driver."""
        size, place = self.bytes.get(slice_, 0), self.place(slice_)
        volume, around = self.volume.get(place, 0), self.place_bytes.get(place, 0)
        if size and volume:
            return Fraction(volume, self.total) * Fraction(size, around), Fraction(around, volume)
        if any(part is not None for part in slice_) and "region" in self.keys:
            region = slice_[self.keys.index("region")]
            others = [p for key, p in zip(self.keys, slice_, strict=True) if key != "region"]
            if region is not None and all(part is None for part in others):
                at = next(
                    n
                    for n, key in enumerate(k for k in self.keys if k in ("region", "codec"))
                    if key == "region"
                )
                here = sum(v for place, v in self.volume.items() if place[at] == region)
                return (Fraction(here, self.total), _ONE) if here else None
        return None


def _cells(was: _Drivers, now: _Drivers, volume: Fraction) -> Iterator[Cell]:
    for key in sorted(
        was.costs.keys() | now.costs.keys(), key=lambda k: tuple((p is None, p or "") for p in k)
    ):
        pool, slice_ = str(key[0]), key[1:]
        before, after = was.costs.get(key, Decimal(0)), now.costs.get(key, Decimal(0))
        then, here = was.share_and_efficiency(slice_), now.share_and_efficiency(slice_)
        share = efficiency = _ONE
        if not after and before:
            share = Fraction(0)
        elif then and here:
            share, efficiency = here[0] / then[0], here[1] / then[1]
        yield Cell(pool, slice_, before, after, share, efficiency, is_new=not before)


def _tells(period: Period, key: str) -> bool:
    return any(key in f.columns and f[key].null_count() < f.height for f in (period.costs, period.sizes))


def _summed(frame: pl.DataFrame, keys: Sequence[str], measure: str) -> dict[tuple[str | None, ...], Decimal]:
    if not keys:
        return {(): Decimal(frame[measure].sum())} if frame.height else {}
    found = frame.group_by(keys).agg(pl.col(measure).sum())
    return {tuple(row[:-1]): Decimal(row[-1]) for row in found.select(*keys, measure).iter_rows()}


def _steps(levels: Sequence[int]) -> list[int]:
    return [after - before for before, after in pairwise(levels)]


def _units(usd: Decimal) -> int:
    return int(usd * _UNITS_PER_USD)


def _times(units: int, ratio: Fraction) -> int:
    return units * ratio.numerator // ratio.denominator


def _cents(units: int) -> Decimal:
    return (Decimal(units) / _UNITS_PER_USD).quantize(_CENT, rounding=ROUND_HALF_EVEN)
