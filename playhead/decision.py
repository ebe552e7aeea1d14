"""The decision table: what each switch of the system does to viewers and to cost, both worlds on one seed.

For each switch the emulator ran the same members, visits and titles twice. The effect is the difference of the
two worlds (what runs less the alternative), so it is the true effect in that world and not an estimate from
telemetry; its interval says how far it hangs on which members were sampled. With θ₍g₎ the effect without
jackknife group g of G = 32::

    variance = (G − 1)/G · Σ (θ₍g₎ − θ̄)²        interval = θ ± t(0.95, G − 1) · √variance

Leaving the same group out of both worlds keeps the pairing. Frames in; :func:`decide` and :func:`publish` read
the lake.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cost_model.bill import bill, exact
from cost_model.rates import Rates, load
from cost_model.usage import Quarter, Usage
from metrics.errors import InputError
from metrics.intervals import CONFIDENCE
from metrics.lake import Lake
from metrics.quantiles import quantile_of_buckets, quantile_without_each
from metrics.telemetry import REPLICATES
from metrics.truth import counterfactuals
from playhead.usage import measured_usage

__all__ = [
    "ARTEFACT", "LABEL", "Cost", "Decision", "Effect", "as_rows", "decide", "decisions", "publish", "world_cost",
]  # fmt: skip

ARTEFACT = "decision.json"
LABEL = "true effect, both worlds on one seed"
FACTUAL = "factual"
Floats = NDArray[np.float64]

# The world without it, the switch as it is set, and what it was set to there.
SWITCHES: Mapping[str, tuple[str, str]] = {
    "third_party_cdn": ("Own CDN", "third-party CDN"),
    "h264_only": ("AV1 + film grain", "H.264"),
    "pull_on_miss": ("Push fill", "pull on miss"),
    "no_edge_tier": ("Edge in ISPs", "exchanges only"),
}
# Worlds whose fleet telemetry cannot tell: exchanges were planned for all of the peak there.
_FLEET_UNKNOWN = ("no_edge_tier",)
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
    def is_better(self) -> bool | None:
        """Whether the switch helps; null where the interval holds no effect."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return (self.effect > 0) == (self.better == "higher")


@dataclass(frozen=True)
class Decision:
    """A switch as it is set, what it was set to in the other world, and what that does."""

    world: str
    switch: str
    was: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Cost:
    """A world's cost of the period, USD: what does not move with bytes, and what does."""

    fixed_usd: float
    variable_usd: float


def decide(lake: Lake, rates: Rates | None = None) -> list[Decision]:
    """The table of a lake; empty where nobody ran two worlds. Costs are left out where none can be computed."""
    truth = counterfactuals(lake).collect()
    if truth.is_empty():
        return []
    return decisions(truth, _costs(lake, truth, rates or load()))


def publish(lake: Lake) -> bool:
    """Keep the table as ``decision.json``; False where it was taken at this version of the lake already."""
    version = lake.version()
    path = lake.artefact(ARTEFACT)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads(path.read_text(encoding="utf-8"))["lake_version"] == version:
            return False
    said = {
        "lake_version": version,
        "label": LABEL,
        "confidence": CONFIDENCE,
        "decisions": as_rows(decide(lake)),
    }
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return True


def as_rows(found: Sequence[Decision]) -> list[dict[str, Any]]:
    """For JSON."""
    return [
        {
            "world": d.world,
            "switch": d.switch,
            "was": d.was,
            "effects": [asdict(e) | {"is_better": e.is_better} for e in d.effects],
        }
        for d in found
    ]


def decisions(truth: pl.DataFrame, costs: Mapping[str, Cost] | None = None) -> list[Decision]:
    """The table from ``truth_counterfactual`` rows, and what each world cost over the same period.

    Figures: watch hours per subscriber-month, time to play p99, share of starts over 2 s, rebuffer rate, GB per
    stream hour and, with ``costs``, USD per stream hour.
    """
    worlds = {name: _World.of(rows, (costs or {}).get(name)) for (name,), rows in truth.group_by("world")}
    if FACTUAL not in worlds:
        return []
    now = worlds[FACTUAL].figures()
    found = []
    for world, (switch, was) in SWITCHES.items():
        if world not in worlds:
            continue
        other = worlds[world].figures()
        effects = tuple(
            _effect(name, now[name], other[name]) for name in _FIGURES if name in now and name in other
        )
        found.append(Decision(world, switch, was, effects))
    return found


def world_cost(usage: Usage, rates: Rates, world: str, ratios: Mapping[str | None, float]) -> Cost:
    """What ``usage`` would have cost in ``world``; ``ratios`` is the world's bytes over the factual, by region.

    The own fleet is the same with H.264 alone, as it was in that world: bytes saved on an own CDN save no
    appliance. With a third-party CDN there is no fleet, and every byte is bought. Caches that pull are the same
    appliances.
    """
    scaled = [
        int(float(size) * ratios.get(region, 1.0))
        for region, size in usage.delivery.select("region", "delivered_bytes").iter_rows()
    ]
    delivery = usage.delivery.with_columns(pl.Series("delivered_bytes", scaled, dtype=pl.Decimal(38, 0)))
    changed = replace(usage, delivery=delivery)
    if world == "third_party_cdn":
        bought = delivery.with_columns(cdn=pl.lit("third_party"), tier=pl.lit("third_party"))
        changed = replace(usage, delivery=bought, fleet=usage.fleet.clear())
    elif world == "h264_only":
        changed = replace(changed, encode=usage.encode.filter(~pl.col("codec").is_in(["av1", "av1_fgs"])))
    fixed = variable = 0.0
    for line in bill(changed, exact(rates)):
        if line.sku == "third_party":
            variable += float(line.effective)
        else:
            fixed += float(line.effective)
    return Cost(fixed, variable)


@dataclass(frozen=True)
class _World:
    """A world's sums by jackknife group (arrays of 32), and its startup sketch by group."""

    sums: Mapping[str, Floats]
    sketch: pl.DataFrame
    cost: Cost | None

    @classmethod
    def of(cls, rows: pl.DataFrame, cost: Cost | None) -> _World:
        names = [n for n, t in rows.schema.items() if t.is_numeric() and n != "replicate"]
        by_group = rows.group_by("replicate").agg(pl.col(names).sum())
        sums = {name: np.zeros(REPLICATES) for name in names}
        for row in by_group.iter_rows(named=True):
            for name in names:
                sums[name][row["replicate"]] += float(row[name])
        sketch = (
            rows.select("replicate", "startup_bucket", "startup_weight")
            .explode("startup_bucket", "startup_weight")
            .drop_nulls()
            .group_by("replicate", pl.col("startup_bucket").alias("bucket"))
            .agg(pl.col("startup_weight").sum().alias("weight"))
        )
        return cls(sums, sketch, cost)

    def figures(self) -> dict[str, Floats]:
        """Each figure over all groups (first), then without each group in turn."""
        s = {name: np.concatenate(([v.sum()], v.sum() - v)) for name, v in self.sums.items()}
        hours = s["playing_ms"] / 3.6e6
        gigabytes = (s["edge_bytes"] + s["storage_bytes"] + s["third_party_bytes"]) / 1e9
        found = {
            "watch_hours_per_subscriber_month": _over(hours, s["member_days"]) * _DAYS_PER_MONTH,
            "time_to_play_p99_ms": self._p99(),
            "time_to_play_late_ratio": _over(s["starts_late"], s["starts"]),
            "rebuffer_rate": _over(s["stalled_sessions"], s["starts"]),
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


# Figure -> title, unit, which way is better.
_FIGURES: Mapping[str, tuple[str, str, str]] = {
    "watch_hours_per_subscriber_month": ("watch hours", "h/subscriber-month", "higher"),
    "time_to_play_p99_ms": ("time to play p99", "ms", "lower"),
    "time_to_play_late_ratio": ("starts over 2 s", "ratio", "lower"),
    "rebuffer_rate": ("rebuffer rate", "ratio", "lower"),
    "gigabytes_per_hour": ("data per stream hour", "GB/h", "lower"),
    "cost_per_stream_hour_usd": ("cost per stream hour", "USD/h", "lower"),
}


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


def _costs(lake: Lake, truth: pl.DataFrame, rates: Rates) -> dict[str, Cost]:
    middle = lake.scan("playback_session").select(pl.col("day").cast(pl.Int32).median()).collect().item()
    if middle is None:
        return {}
    # The quarter that most of the run lies in; a few sessions always run on into the next one.
    day = date(1970, 1, 1) + timedelta(days=int(middle))
    try:
        usage, _ = measured_usage(lake, Quarter(day.year, (day.month + 2) // 3), rates)
    except InputError:
        return {}
    bytes_by = (
        truth.with_columns(size=pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes"))
        .group_by("world", "region")
        .agg(pl.col("size").sum().cast(pl.Float64))
    )
    size = {(world, region): value for world, region, value in bytes_by.iter_rows()}
    regions = {region for world, region in size if world == FACTUAL}
    found = {}
    for world in (FACTUAL, *SWITCHES):
        ratios: dict[str | None, float] = {
            r: size[world, r] / size[FACTUAL, r] for r in regions if (world, r) in size and size[FACTUAL, r]
        }
        if ratios and world not in _FLEET_UNKNOWN:
            found[world] = world_cost(usage, rates, world, ratios)
    return found
