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

Drivers = tuple[int, int, int]


@dataclass(frozen=True)
class Cell:
    """One cell: its cost before and now, and the ratios of its share and of its GB an hour, now ÷ before.

    ``drivers`` are what those ratios come from, before and then now: volume (ms or bytes) of the cell's place, bytes
    there, bytes of the slice; None where the cell has none. So ``w = volume / H · slice / bytes, e = bytes / volume``.
    """

    pool: str
    keys: tuple[str | None, ...]
    before_usd: Decimal
    now_usd: Decimal
    share_ratio: Fraction
    efficiency_ratio: Fraction
    is_new: bool
    drivers: tuple[Drivers, Drivers] | None

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
    """From ``before`` to ``now``. ``totals`` are H of both, in ms or bytes (``driver``).

    ``levels_usd`` are the cost before and after each effect, in whole cents.

    ``effects_usd`` are the differences of those levels, so what is printed adds up to the cent; ``residual_usd`` is
    the sum of all cells' effects less the change, and is 0.
    """

    before: Period
    now: Period
    keys: tuple[str, ...]
    driver: str
    volume_ratio: Fraction
    cells: Sequence[Cell]
    totals: tuple[int, int]
    levels_usd: tuple[Decimal, ...]
    residual_usd: Decimal

    @property
    def effects_usd(self) -> dict[str, Decimal]:
        """Each effect in whole cents."""
        steps = zip(EFFECTS, self.levels_usd, self.levels_usd[1:], strict=False)
        return {name: after - before for name, before, after in steps}

    def by(self, key: str) -> pl.DataFrame:
        """Effects by one key of the cells or by ``pool``: ``<key>, before_usd, volume, …, price, now_usd`` in cents.

        Running sums are rounded, so rows and columns both add up to the whole bridge.
        """
        place = None if key == "pool" else self.keys.index(key)
        sums: dict[str | None, list[int]] = {}
        for cell in self.cells:
            row = sums.setdefault(cell.pool if place is None else cell.keys[place], [0] * 5)
            for at, level in enumerate(cell.levels(self.volume_ratio)):
                row[at] += level
        running, shown, rows = [0] * 5, [Decimal(0)] * 5, []
        for name, levels in sorted(sums.items(), key=lambda item: (-item[1][-1], item[0] or "")):
            running = [total + level for total, level in zip(running, levels, strict=True)]
            cents = [_cents(total) for total in running]
            mine = [after - before for after, before in zip(cents, shown, strict=True)]
            shown = cents
            rows.append((name, mine[0], *(after - before for before, after in pairwise(mine)), mine[-1]))
        money = dict.fromkeys(("before_usd", *EFFECTS, "now_usd"), pl.Decimal(38, 2))
        return pl.DataFrame(rows, schema={key: pl.String, **money}, orient="row")

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
    cells = list(_cells(was, is_))
    levels = [sum(level) for level in zip(*(cell.levels(volume) for cell in cells), strict=True)] or [0] * 5
    effects = sum(_steps(levels))
    return Bridge(
        before=before,
        now=now,
        keys=keys,
        driver="stream hours" if by_hours else "bytes",
        volume_ratio=volume,
        cells=cells,
        totals=(was.total, is_.total),
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

    def of(self, slice_: tuple[str | None, ...]) -> Drivers | None:
        """Volume and bytes of the slice's place and bytes of the slice; None where it has no driver.

        What no slice bears takes its region's volume for all three: its share is the region's, its efficiency 1.
        """
        size, place = self.bytes.get(slice_, 0), self.place(slice_)
        volume, around = self.volume.get(place, 0), self.place_bytes.get(place, 0)
        if size and volume:
            return volume, around, size
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
                return (here, here, here) if here else None
        return None


def _cells(was: _Drivers, now: _Drivers) -> Iterator[Cell]:
    for key in sorted(
        was.costs.keys() | now.costs.keys(), key=lambda k: tuple((p is None, p or "") for p in k)
    ):
        pool, slice_ = str(key[0]), key[1:]
        before, after = was.costs.get(key, Decimal(0)), now.costs.get(key, Decimal(0))
        then, here = was.of(slice_), now.of(slice_)
        share = efficiency = _ONE
        if not after and before:
            share = Fraction(0)
        elif then and here:
            (volume_0, around_0, size_0), (volume_1, around_1, size_1) = then, here
            share = Fraction(volume_1 * size_1, around_1) / Fraction(volume_0 * size_0, around_0)
            share *= Fraction(was.total, now.total)
            efficiency = Fraction(around_1 * volume_0, volume_1 * around_0)
        drivers = (then, here) if then and here else None
        yield Cell(pool, slice_, before, after, share, efficiency, not before, drivers)


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
