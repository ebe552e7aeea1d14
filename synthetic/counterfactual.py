"""Both worlds on one seed: what each switch did, as additive parts for the table ``truth_counterfactual``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import narwhals as nw
import numpy as np
import polars as pl

from metrics.quantiles import with_bucket
from metrics.telemetry import REPLICATES, get_table
from synthetic.arrays import Ints, Tinies
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
    """Sums by world, region and jackknife group over some days; grows a day at a time, in integers."""

    worlds: Sequence[str] = tuple(WORLDS)
    played: list[pl.DataFrame] = field(default_factory=list)
    sums: list[pl.DataFrame] = field(default_factory=list)
    sketches: list[pl.DataFrame] = field(default_factory=list)
    member_days: Ints | None = None

    def add(self, world: World, lived_in: int | Tinies, request: Request, delivered: Delivered) -> None:
        """A day of some members, who live in the world of that number, or [members] each in one of their own.

        :meth:`sum_up` adds the worlds up together.
        """
        d, rows = delivered, delivered.rows
        member = request.visits.member[rows]
        weight = world.members.weight[member]
        failed = d.failure > 0
        started = d.played.started & ~failed
        late = d.played.startup_ms >= LATE_START_MS
        kbyte = np.where(started, d.played.delivered_kbit, 0).astype(np.int64) * 125
        playing = np.where(started, d.played.playing_ms, 0).astype(np.int64)
        number = (
            lived_in[member] if isinstance(lived_in, np.ndarray) else np.full(rows.size, lived_in, np.int8)
        )
        frame = pl.DataFrame(
            {
                "world": number,
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
        """Another partition's sums beside these, of the worlds that are told here."""
        number = {other.worlds.index(name): at for at, name in enumerate(self.worlds)}
        told = pl.col("world").is_in(list(number))
        here = pl.col("world").replace_strict(number, return_dtype=pl.Int8)
        for mine, others in ((self.sums, other.sums), (self.sketches, other.sketches)):
            mine += [frame.filter(told).with_columns(here) for frame in others]

    def add_members(self, world: World, lived_in: Tinies | None, standing: Standing, day: int) -> None:
        """One day's paying members, weighted, by world, region and jackknife group.

        ``lived_in`` [members]: the world each lives in; None: every one, the members being the same in all.
        """
        m = world.members
        paying = (standing.paying_day <= day) & (standing.leave_day > day)
        regions, worlds = len(world.places.regions), len(self.worlds)
        number = np.zeros(m.count, np.int64) if lived_in is None else lived_in.astype(np.int64)
        cell = ((number * regions + m.region) * REPLICATES + m.replicate)[paying]
        size = worlds * regions * REPLICATES
        days = np.bincount(cell, m.weight[paying], minlength=size).astype(np.int64)
        if lived_in is None:
            days = np.tile(days[: regions * REPLICATES], worlds)
        self.member_days = days if self.member_days is None else self.member_days + days

    def fold(self) -> None:
        """Add up what has gathered, so that memory stays bounded."""
        if self.sums:
            self.sums = [pl.concat(self.sums).group_by(_KEYS).agg(pl.col(_SUMS).sum())]
            sketches = pl.concat(self.sketches)
            self.sketches = [sketches.group_by(*_KEYS, "bucket").agg(pl.col("weight").sum())]

    def table(self, world: World, experiment: str | None = None) -> pl.DataFrame:
        """The table ``truth_counterfactual``, of the days of ``experiment``; None: all days."""
        self.fold()
        sketch = (
            self.sketches[0]
            .sort(*_KEYS, "bucket")
            .group_by(_KEYS, maintain_order=True)
            .agg(pl.col("bucket").alias("startup_bucket"), pl.col("weight").alias("startup_weight"))
        )
        regions = world.places.regions
        cells = np.arange(len(self.worlds) * len(regions) * REPLICATES)
        days = pl.DataFrame(
            {
                "world": (cells // (len(regions) * REPLICATES)).astype(np.int8),
                "region_index": cells // REPLICATES % len(regions),
                "replicate": cells % REPLICATES,
                "member_days": self.member_days,
            }
        )
        columns = get_table("truth_counterfactual").schema.names()
        return (
            days.join(self.sums[0], on=_KEYS, how="left")
            .join(sketch, on=_KEYS, how="left")
            .with_columns(
                pl.col(_SUMS).fill_null(0),
                experiment=pl.lit(experiment, pl.String),
                region=pl.col("region_index").replace_strict(
                    dict(enumerate(regions)), return_dtype=pl.String
                ),
                world=pl.col("world").replace_strict(dict(enumerate(self.worlds)), return_dtype=pl.String),
            )
            .with_columns(pl.col("startup_bucket", "startup_weight").fill_null([]))
            .sort("world", "region", "replicate")
            .select(columns)
        )
