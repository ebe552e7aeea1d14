"""Both worlds on one seed: what each switch did, as additive parts for the table ``truth_counterfactual``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import narwhals as nw
import numpy as np
import polars as pl

from metrics.quantiles import with_bucket
from metrics.telemetry import get_table
from synthetic.arrays import Ints
from synthetic.data_plane.appliances import EDGE, STORAGE, THIRD_PARTY
from synthetic.day import Request
from synthetic.minutes import LATE_START_MS
from synthetic.playing import Delivered
from synthetic.staying import Standing
from synthetic.switches import DELIVERY, FACTUAL, SWITCHES
from synthetic.world import World

__all__ = ["WORLDS", "Counterfactuals"]

WORLDS = {
    "factual": FACTUAL,
    **{name: replace(FACTUAL, **change) for name, change in SWITCHES.items() if name in DELIVERY},
}
_SUMS = (
    "attempts", "starts", "starts_late", "exits_late", "stalled_sessions", "playing_ms", "rec_playing_ms",
    "edge_bytes", "storage_bytes", "third_party_bytes",
)  # fmt: skip
_KEYS = ("world", "region_index", "replicate")


@dataclass
class Counterfactuals:
    """Sums by world, region and jackknife group; grows a day at a time, in integers."""

    played: list[pl.DataFrame] = field(default_factory=list)
    sums: list[pl.DataFrame] = field(default_factory=list)
    sketches: list[pl.DataFrame] = field(default_factory=list)
    member_days: Ints | None = None

    def add(self, world: World, name: str, request: Request, delivered: Delivered) -> None:
        """One partition's day in one world; :meth:`sum_up` adds the worlds up together."""
        d, rows = delivered, delivered.rows
        member = request.visits.member[rows]
        weight = world.members.weight[member]
        failed = d.failure > 0
        started = d.played.started & ~failed
        late = d.played.startup_ms >= LATE_START_MS
        kbyte = np.where(started, d.played.delivered_kbit, 0).astype(np.int64) * 125
        playing = np.where(started, d.played.playing_ms, 0).astype(np.int64)
        frame = pl.DataFrame(
            {
                "world": pl.repeat(list(WORLDS).index(name), rows.size, dtype=pl.Int8, eager=True),
                "region_index": request.region[rows],
                "replicate": world.members.replicate[member],
                "weight": weight,
                "startup_ms": pl.Series(d.played.startup_ms.astype(np.int64)).set(pl.Series(~started), None),
                "attempts": weight,
                "starts": weight * started,
                "starts_late": weight * (started & late),
                "exits_late": weight * (~d.played.started & ~failed & late),
                "stalled_sessions": weight * (started & (d.played.stall_count > 0)),
                "playing_ms": weight * playing,
                "rec_playing_ms": weight * playing * request.browse.is_rec_driven[rows],
                "edge_bytes": weight * kbyte * (d.tier == EDGE),
                "storage_bytes": weight * kbyte * (d.tier == STORAGE),
                "third_party_bytes": weight * kbyte * (d.tier == THIRD_PARTY),
            }
        )
        self.played.append(frame)

    def sum_up(self) -> None:
        """Reduce what was played to sums and sketches."""
        frame = pl.concat(self.played)
        self.played = []
        self.sums.append(frame.group_by(_KEYS).agg(pl.col(_SUMS).sum().cast(pl.Decimal(38, 0))))
        bucketed = with_bucket(nw.from_native(frame.lazy()), nw.col("startup_ms"), "bucket").to_native()
        by_bucket = bucketed.drop_nulls("bucket").group_by(*_KEYS, "bucket").agg(pl.col("weight").sum())
        self.sketches.append(by_bucket.collect())

    def extend(self, other: Counterfactuals) -> None:
        """Another partition's sums beside these."""
        self.sums += other.sums
        self.sketches += other.sketches

    def add_members(self, world: World, standing: Standing, day: int) -> None:
        """One day's paying members, weighted, by region and jackknife group."""
        m = world.members
        paying = (standing.paying_day <= day) & (standing.leave_day > day)
        cell = m.region[paying] * 32 + m.replicate[paying]
        days = np.bincount(cell, m.weight[paying], minlength=len(world.places.regions) * 32).astype(np.int64)
        self.member_days = days if self.member_days is None else self.member_days + days

    def fold(self) -> None:
        """Add up what has gathered, so that memory stays bounded."""
        self.sums = [pl.concat(self.sums).group_by(_KEYS).agg(pl.col(_SUMS).sum())]
        self.sketches = [pl.concat(self.sketches).group_by(*_KEYS, "bucket").agg(pl.col("weight").sum())]

    def table(self, world: World) -> pl.DataFrame:
        """The table ``truth_counterfactual``."""
        self.fold()
        sketch = (
            self.sketches[0]
            .sort(*_KEYS, "bucket")
            .group_by(_KEYS, maintain_order=True)
            .agg(pl.col("bucket").alias("startup_bucket"), pl.col("weight").alias("startup_weight"))
        )
        regions = world.places.regions
        days = pl.DataFrame(
            {
                "region_index": np.repeat(np.arange(len(regions)), 32),
                "replicate": np.tile(np.arange(32), len(regions)),
                "member_days": self.member_days,
            }
        )
        columns = get_table("truth_counterfactual").schema.names()
        return (
            self.sums[0]
            .join(sketch, on=_KEYS, how="left")
            .join(days, on=["region_index", "replicate"], how="left")
            .with_columns(
                region=pl.col("region_index").replace_strict(
                    dict(enumerate(regions)), return_dtype=pl.String
                ),
                world=pl.col("world").replace_strict(dict(enumerate(WORLDS)), return_dtype=pl.String),
            )
            .with_columns(pl.col("startup_bucket", "startup_weight").fill_null([]))
            .sort("world", "region", "replicate")
            .select(columns)
        )
