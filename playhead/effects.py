"""One figure in two worlds that were run on one seed, and what their difference is worth.

The effect is the difference of the two worlds (what runs less the alternative), so it is the true effect in that
world and not an estimate from telemetry; its interval says how far it hangs on which members were sampled. With
θ₍g₎ the effect without jackknife group g of G = 32::

    variance = (G − 1)/G · Σ (θ₍g₎ − θ̄)²        interval = θ ± t(0.95, G − 1) · √variance

Leaving the same group out of both worlds keeps the pairing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.decide import LEAVES, MARGIN
from metrics.intervals import CONFIDENCE
from metrics.quantiles import quantile_of_buckets, quantile_without_each
from metrics.telemetry import REPLICATES

__all__ = ["Cost", "DiscoveryWorld", "Effect", "Parts", "World", "effects"]

Floats = NDArray[np.float64]

_DAYS_PER_MONTH = 487 / 16  # 30.4375
_P99 = Fraction(99, 100)


@dataclass(frozen=True)
class Effect:
    """One figure in both worlds and the difference, with its 90 % interval (null where there is none)."""

    metric: str
    title: str
    unit: str
    better: str
    now: float
    was: float
    effect: float
    low: float | None
    high: float | None

    @property
    def relative(self) -> float | None:
        """The effect over what was there before; null where that was nothing."""
        return self.effect / self.was if self.was else None

    @property
    def is_better(self) -> bool | None:
        """Whether the switch helps; null where the interval holds no effect."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return (self.effect > 0) == (self.better == "higher")


@dataclass(frozen=True)
class Parts:
    """What a world's figures are made of, weighted to the census; slices of it add up to the whole."""

    attempts: int
    starts: int
    playing_ms: int
    delivered_bytes: int


@dataclass(frozen=True)
class Cost:
    """A world's cost of the period, USD: what does not move with bytes, and what does."""

    fixed_usd: float
    variable_usd: float


@dataclass(frozen=True)
class World:
    """A world's sums by jackknife group (arrays of 32), and its startup sketch by group."""

    sums: Mapping[str, Floats]
    parts: Parts
    sketch: pl.DataFrame
    cost: Cost | None

    @classmethod
    def of(cls, rows: pl.DataFrame, cost: Cost | None = None) -> World:
        """From rows of ``truth_counterfactual``, all of one world."""
        names = [n for n, t in rows.schema.items() if t.is_numeric() and n != "replicate"]
        total = {name: int(rows[name].sum()) for name in names}
        size = sum(total[name] for name in _BYTES)
        parts = Parts(total["attempts"], total["starts"], total["playing_ms"], size)
        sketch = (
            rows.select("replicate", "startup_bucket", "startup_weight")
            .explode("startup_bucket", "startup_weight")
            .drop_nulls()
            .group_by("replicate", pl.col("startup_bucket").alias("bucket"))
            .agg(pl.col("startup_weight").sum().alias("weight"))
        )
        return cls(_by_group(rows), parts, sketch, cost)

    def figures(self) -> dict[str, Floats]:
        """Each figure over all groups (first), then without each group in turn."""
        s = {name: np.concatenate(([v.sum()], v.sum() - v)) for name, v in self.sums.items()}
        hours = s["playing_ms"] / 3.6e6
        gigabytes = sum((s[name] for name in _BYTES), np.zeros(REPLICATES + 1)) / 1e9
        found = {
            "watch_hours_per_subscriber_month": _over(hours, s["member_days"]) * _DAYS_PER_MONTH,
            "time_to_play_p99_ms": self._p99(),
            "time_to_play_late_ratio": _over(s["starts_late"], s["starts"]),
            "rebuffer_rate": _over(s["stalled_sessions"], s["starts"]),
            "rec_driven_hours_ratio": _over(s["rec_playing_ms"], s["playing_ms"]),
            "gigabytes_per_hour": _over(gigabytes, hours),
        }
        if self.cost:
            # A group left out takes its bytes and hours along; the others stand for it. Fleets do not shrink.
            kept = _over(np.full(REPLICATES + 1, gigabytes[0]), gigabytes)
            whole = _over(np.full(REPLICATES + 1, s["member_days"][0]), s["member_days"])
            usd = self.cost.fixed_usd + self.cost.variable_usd * whole / np.where(kept == 0, np.nan, kept)
            found["cost_per_stream_hour_usd"] = _over(usd, hours * whole)
        return found

    def _p99(self) -> Floats:
        cells: dict[str, Any] = {"bucket": "bucket", "weight": "weight"}
        whole = quantile_of_buckets(self.sketch, _P99, **cells)["value"].to_list()
        without = quantile_without_each(self.sketch, _P99, group="replicate", groups=REPLICATES, **cells)
        left = without["value"].to_list() or [None] * REPLICATES
        return np.array([*(whole or [None]), *left], dtype=np.float64)


@dataclass(frozen=True)
class DiscoveryWorld:
    """A world in which other titles are found, by jackknife group; lived through without delivery.

    ``fixed_usd_per_hour``: what the service's fixed costs are a stream hour in the world that runs; null where no cost
    is known. ``hours_now``: that world's hours by group, over which those costs are spread.
    """

    sums: Mapping[str, Floats]
    fixed_usd_per_hour: float | None
    hours_now: Floats

    @classmethod
    def of(
        cls, rows: pl.DataFrame, now: pl.DataFrame, fixed_usd_per_hour: float | None = None
    ) -> DiscoveryWorld:
        """From rows of ``truth_discovery``, all of one world; ``now``: those of the world that runs."""
        return cls(_by_group(rows), fixed_usd_per_hour, _by_group(now)["playing_ms"])

    def figures(self) -> dict[str, Floats]:
        """As :meth:`World.figures`; margin is what fixed costs spread over other hours do to it."""
        s = {name: np.concatenate(([v.sum()], v.sum() - v)) for name, v in self.sums.items()}
        found = {
            "watch_hours_per_subscriber_month": _over(s["playing_ms"] / 3.6e6, s["member_days"])
            * _DAYS_PER_MONTH,
            "rec_driven_hours_ratio": _over(s["rec_playing_ms"], s["playing_ms"]),
            "monthly_churn_ratio": _over(s["churned"], s["member_days"]) * _DAYS_PER_MONTH,
        }
        if self.fixed_usd_per_hour is not None:
            now = np.concatenate(([self.hours_now.sum()], self.hours_now.sum() - self.hours_now))
            found["cost_per_stream_hour_usd"] = self.fixed_usd_per_hour * _over(now, s["playing_ms"])
        return found


def effects(now: World | DiscoveryWorld, was: World | DiscoveryWorld) -> tuple[Effect, ...]:
    """Of each figure that both worlds have, in the order of the table."""
    here, there = now.figures(), was.figures()
    return tuple(
        _effect(name, here[name], there[name]) for name in _FIGURES if name in here and name in there
    )


_BYTES = ("edge_bytes", "storage_bytes", "third_party_bytes")
# Figure -> title, unit, which way is better: the table's leaves, with the cost that its margin is the other side of.
_FIGURES: Mapping[str, tuple[str, str, str]] = {
    **{leaf.metric: (leaf.title, leaf.unit, leaf.better) for leaf in LEAVES if leaf.metric != MARGIN},
    "cost_per_stream_hour_usd": ("Cost per stream hour", "USD/h", "lower"),
}


def _by_group(rows: pl.DataFrame) -> dict[str, Floats]:
    names = [n for n, t in rows.schema.items() if t.is_numeric() and n != "replicate"]
    sums = {name: np.zeros(REPLICATES) for name in names}
    for row in rows.group_by("replicate").agg(pl.col(names).sum()).iter_rows(named=True):
        for name in names:
            sums[name][row["replicate"]] += float(row[name])
    return sums


def _effect(name: str, now: Floats, was: Floats) -> Effect:
    title, unit, better = _FIGURES[name]
    difference = now - was
    half = _half_width(difference[1:])
    effect = float(difference[0])
    low, high = (None, None) if half is None else (effect - half, effect + half)
    return Effect(name, title, unit, better, float(now[0]), float(was[0]), effect, low, high)


def _half_width(without: Floats) -> float | None:
    """Half of the 90 % interval; null where a figure cannot be had without some group."""
    from scipy.stats import t

    if not np.isfinite(without).all():
        return None
    groups = without.size
    variance = (groups - 1) / groups * float(((without - without.mean()) ** 2).sum())
    return float(t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * math.sqrt(variance)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out
