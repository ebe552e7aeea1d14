"""What sessions would have been like, had they been like their peers: a quasi-experiment by direct standardisation.

The lake has sessions with a thing and, of the same titles in the same strata, sessions without it. In the world without
it, every session that had it is replaced by its stratum's peers, weighted up to as many attempts::

    was = others + peers + Σₛ (attempts with / attempts of peers)ₛ · peersₛ
    effect = figure(now) − figure(was)

The interval is a delete-a-group jackknife's, over members, with the weights computed anew without each group. What
differs within a stratum besides the thing itself is not adjusted for: this is a comparison, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.intervals import T
from metrics.measures import DAYS_PER_MONTH, LATE_START_MS
from metrics.quantiles import bucket_bounds, with_bucket
from metrics.telemetry import REPLICATES

__all__ = ["FIGURES", "OVERLAP", "Standardised", "standardised"]

Floats = NDArray[np.float64]

FIGURES = (
    "watch_hours_per_subscriber_month", "time_to_play_p99_ms", "time_to_play_late_ratio", "rebuffer_rate",
    "rec_driven_hours_ratio", "gigabytes_per_hour",
)  # fmt: skip
OVERLAP = 0.9
"""Share of the sessions with the thing that must have peers in their stratum, or nothing is said."""

_KINDS = ("other", "with", "peer")
_SUMS = ("attempts", "starts", "late", "stalled", "playing_ms", "attributed_ms", "rec_ms", "bytes")
_STARTED = pl.col("outcome").is_in(["played", "playback_failure"])


@dataclass(frozen=True)
class Standardised:
    """The effect on each of :data:`FIGURES` with its 90 % interval; one without an interval is left out.

    ``overlap_ratio``: share of the sessions with the thing whose stratum has peers. ``sessions``: rows with it.
    """

    effects: dict[str, tuple[float, float, float]]
    overlap_ratio: float
    sessions: int


def standardised(
    sessions: pl.LazyFrame,
    kind: pl.Expr,
    member_days: pl.DataFrame,
    strata: Sequence[str] = ("region", "device"),
) -> dict[str | None, Standardised]:
    """The effect of the thing on the whole (None) and in each region.

    ``sessions``: rows of ``playback_session``; ``kind`` says of each whether it is ``with`` the thing, a ``peer``
    without it, or ``other``. ``member_days``: ``region, replicate, member_days`` of paying members, weighted; without
    rows there are no hours a member. Empty where no session has the thing, or none is a peer.
    """
    rows = sessions.filter(pl.col("excluded_reason").is_null()).with_columns(kind=kind)
    keys = [*strata, "kind", "replicate"]
    sums, cells = pl.collect_all([_sums(rows, keys), _sketch(rows, keys)])
    present = set(sums["kind"])
    if not {"with", "peer"} <= present:
        return {}
    found: dict[str | None, Standardised] = {None: _one(sums, cells, member_days, strata)}
    for region in sums["region"].drop_nulls().unique().sort() if "region" in strata else ():
        here = pl.col("region") == region
        found[region] = _one(sums.filter(here), cells.filter(here), member_days.filter(here), strata)
    return found


def _sums(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    weight = pl.col("weight").cast(pl.Float64)
    playing = pl.col("playing_ms")
    size = pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes", "unattributed_bytes")
    rec = pl.col("is_rec_driven")
    values = {
        "attempts": pl.lit(1), "starts": _STARTED, "late": pl.col("startup_ms") >= LATE_START_MS,
        "stalled": _STARTED & (pl.col("stall_count") > 0), "playing_ms": playing,
        "attributed_ms": playing * rec.is_not_null(), "rec_ms": playing * rec.fill_null(value=False), "bytes": size,
    }  # fmt: skip
    return rows.group_by(keys).agg(
        pl.len().alias("n"),
        *((weight * value.cast(pl.Float64)).sum().alias(n) for n, value in values.items()),
    )


def _sketch(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    timed = rows.filter(pl.col("startup_ms").is_not_null()).select(*keys, "startup_ms", "weight")
    bucketed: pl.LazyFrame = with_bucket(nw.from_native(timed), nw.col("startup_ms"), "bucket").to_native()
    return bucketed.group_by(*keys, "bucket").agg(pl.col("weight").cast(pl.Float64).sum())


def _one(
    sums: pl.DataFrame, cells: pl.DataFrame, member_days: pl.DataFrame, strata: Sequence[str]
) -> Standardised:
    places = sums.select(strata).unique(maintain_order=True).with_row_index("stratum")
    buckets = cells["bucket"].unique().sort()
    table = _dense(sums, places, strata, _SUMS)
    tail = _dense_sketch(cells, places, strata, buckets)
    days = np.zeros(REPLICATES)
    for replicate, total in member_days.group_by("replicate").agg(pl.col("member_days").sum()).iter_rows():
        days[replicate] = float(total)

    with_, peer = (table[:, _KINDS.index(name), 0].sum(axis=-1) for name in ("with", "peer"))
    overlap = float(with_[peer > 0].sum() / with_.sum()) if with_.sum() else 0.0
    count = int(sums.filter(pl.col("kind") == "with")["n"].sum())
    every = [_figures(table, tail, days, buckets, without) for without in (None, *range(REPLICATES))]
    effects = {}
    for name, (first, *rest) in zip(FIGURES, np.array(every).T, strict=True):
        left = np.array(rest)
        if not np.isfinite([first, *rest]).all():
            continue
        half = T * math.sqrt((REPLICATES - 1) / REPLICATES * float(((left - left.mean()) ** 2).sum()))
        if half > 0:
            effects[name] = (float(first), float(first - half), float(first + half))
    return Standardised(effects, overlap, count)


def _figures(table: Floats, tail: Floats, days: Floats, buckets: pl.Series, without: int | None) -> Floats:
    """now − was of each figure, without a jackknife group."""
    keep = np.ones(REPLICATES) if without is None else (np.arange(REPLICATES) != without).astype(np.float64)
    sums = table @ keep  # [strata, kinds, sums]
    sketch = tail @ keep  # [strata, kinds, buckets]
    other, with_, peer = (_KINDS.index(name) for name in _KINDS)
    attempts = sums[:, :, 0]
    has_peers = attempts[:, peer] > 0
    times = np.divide(attempts[:, with_], attempts[:, peer], out=np.zeros(len(sums)), where=has_peers)

    def was(values: Floats) -> Floats:
        # Where nobody is a peer, what is stays as it is.
        stays = values[~has_peers, with_].sum(axis=0)
        return np.asarray(
            values[:, other].sum(axis=0) + ((1 + times)[:, None] * values[:, peer]).sum(axis=0) + stays
        )

    member_months = float(days @ keep) / float(DAYS_PER_MONTH)
    now_sums, now_sketch = sums.sum(axis=(0, 1)), sketch.sum(axis=(0, 1))
    now = _values(now_sums, now_sketch, member_months, buckets)
    return now - _values(was(sums), was(sketch), member_months, buckets)


def _values(sums: Floats, sketch: Floats, member_months: float, buckets: pl.Series) -> Floats:
    s = dict(zip(_SUMS, sums, strict=True))
    hours = s["playing_ms"] / 3.6e6

    def over(top: float, bottom: float) -> float:
        return top / bottom if bottom else math.nan

    return np.array(
        [
            over(hours, member_months),
            _p99(sketch, buckets),
            over(s["late"], s["starts"]),
            over(s["stalled"], s["starts"]),
            over(s["rec_ms"], s["attributed_ms"]),
            over(s["bytes"] / 1e9, hours),
        ]
    )


def _p99(weights: Floats, buckets: pl.Series) -> float:
    """Read off the sketch as :mod:`metrics.quantiles` does: interpolated within the bucket."""
    whole = weights.sum()
    if not whole > 0:
        return math.nan
    reached = weights.cumsum()
    hit = int(np.searchsorted(reached, 0.99 * whole))
    hit = min(hit, weights.size - 1)
    low, high = bucket_bounds(int(buckets[hit]))
    part = (0.99 * whole - (reached[hit] - weights[hit])) / weights[hit] if weights[hit] > 0 else 0.0
    return low + (high - low) * min(max(float(part), 0.0), 1.0)


def _dense(
    frame: pl.DataFrame, places: pl.DataFrame, strata: Sequence[str], columns: Sequence[str]
) -> Floats:
    """[strata, kinds, columns, groups]"""
    held = _numbered(frame, places, strata)
    out = np.zeros((places.height, len(_KINDS), len(columns), REPLICATES))
    stratum, kind, group = (held[name].to_numpy() for name in ("stratum", "kind", "replicate"))
    for number, name in enumerate(columns):
        column = out[:, :, number]
        np.add.at(column, (stratum, kind, group), held[name].fill_null(0.0).to_numpy())
    return out


def _dense_sketch(
    cells: pl.DataFrame, places: pl.DataFrame, strata: Sequence[str], buckets: pl.Series
) -> Floats:
    """[strata, kinds, buckets, groups]"""
    held = _numbered(cells, places, strata)
    out = np.zeros((places.height, len(_KINDS), max(len(buckets), 1), REPLICATES))
    if len(buckets):
        cell = np.searchsorted(buckets.to_numpy(), held["bucket"].to_numpy())
        at = (held["stratum"].to_numpy(), held["kind"].to_numpy(), cell, held["replicate"].to_numpy())
        np.add.at(out, at, held["weight"].to_numpy())
    return out


def _numbered(frame: pl.DataFrame, places: pl.DataFrame, strata: Sequence[str]) -> pl.DataFrame:
    kinds = {name: number for number, name in enumerate(_KINDS)}
    return frame.join(places, on=list(strata), how="inner", nulls_equal=True).with_columns(
        pl.col("kind").replace_strict(kinds, return_dtype=pl.Int64), pl.col("stratum").cast(pl.Int64)
    )
