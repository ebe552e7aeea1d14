"""How a measure of sessions is distributed over time: buckets of values, cells of a heatmap.

A heatmap shows what a mean or a quantile hides: a second mode, a tail that a tenth of viewers live in, a shift
that begins at a certain hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dashboards.window import Box, Window

__all__ = ["DIMENSIONS", "MEASURES", "Measure", "Sessions", "cells", "grain_of", "sessions_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DIMENSIONS = ("region", "country", "isp", "site", "device", "os", "player_version", "codec", "cdn", "surface")
_HOUR_MS = 3_600_000
_GRAINS = tuple(_HOUR_MS * hours // 4 for hours in (1, 2, 4, 8, 12, 24, 48, 96, 192, 672))
_MOST_COLUMNS = 100


@dataclass(frozen=True)
class Measure:
    """A number that every session has: what it is, and the buckets it is shown in.

    ``value`` gives it of a row of ``playback_session`` (null: unknown). Buckets are ``[edge, next edge)``, the
    first from below and the last to above everything; where it ``has_none``, exactly 0 is a bucket of its own.
    """

    title: str
    unit: str
    value: pl.Expr
    edges: tuple[float, ...]
    metric: str
    has_none: bool = False

    @property
    def size(self) -> int:
        """How many buckets there are."""
        return len(self.edges) + 1 + self.has_none

    def bucket(self, values: Floats) -> Ints:
        """The bucket of each value; −1 where it is unknown."""
        found = np.searchsorted(np.asarray(self.edges), values, side="right") + self.has_none
        found = np.where(values == 0, 0, found) if self.has_none else found
        return np.where(np.isnan(values), -1, found).astype(np.int64)

    def label(self, bucket: int) -> str:
        """The bucket in words."""
        if self.has_none and bucket == 0:
            return "none"
        place = bucket - self.has_none
        if place <= 0:
            return f"under {self._written(self.edges[0])}"
        if place >= len(self.edges):
            return f"{self._written(self.edges[-1])} and more"
        return f"{self._written(self.edges[place - 1])} to {self._written(self.edges[place])}"

    def span(self, first: int, last: int) -> str:
        """Buckets ``first`` to ``last`` in words."""
        if first == last:
            return self.label(first)
        if last >= self.size - 1 and first <= 1 and self.has_none:
            return "any" if first else "all"
        low, high = first - self.has_none - 1, last - self.has_none
        below = "none" if self.has_none and first == 0 else self._written(self.edges[low]) if low >= 0 else ""
        if high >= len(self.edges):
            return f"{below or 'any'} and more" if below else "all"
        return (
            f"{below} to {self._written(self.edges[high])}"
            if below
            else f"under {self._written(self.edges[high])}"
        )

    def ticks(self) -> dict[int, str]:
        """Every few edges by the bucket that ends at each, as an axis writes them."""
        step = max(1, len(self.edges) // 7)
        anchor = next((i for i, edge in enumerate(self.edges) if edge in (2_000.0, 0.01, 3_600_000.0)), 0)
        return {
            i + self.has_none: self._written(edge)
            for i, edge in enumerate(self.edges)
            if (i - anchor) % step == 0
        }

    def _written(self, value: float) -> str:
        if self.unit == "ms":
            for size, name in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
                if value >= 0.9999 * size:
                    return f"{value / size:.3g} {name}"
            return f"{value:.0f} ms"
        if self.unit == "ratio":
            return f"{100 * value:.2g} %"
        return f"{value / 1000:.2g} Mbit/s" if value >= 1_000 else f"{value:.0f} kbit/s"


def _steps(anchor: float, ratio: float, below: int, above: int) -> tuple[float, ...]:
    return tuple(float(anchor * ratio**k) for k in range(-below, above + 1))


_known = pl.col("outcome").is_in(["played", "playback_failure"])
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "startup": Measure(
            "Time to play", "ms", pl.col("startup_ms"), _steps(2_000, 2 ** (1 / 3), 14, 12), "time_to_play_p99_ms"
        ),
        "bitrate": Measure(
            "Mean bitrate", "kbit/s", pl.col("mean_bitrate_kbps"), _steps(1_000, 2 ** (1 / 4), 10, 18),
            "mean_bitrate_kbps",
        ),
        "rebuffer_share": Measure(
            "Rebuffer share", "ratio",
            pl.when(_known & (pl.col("watched_ms") > 0)).then(pl.col("stall_ms") / pl.col("watched_ms")),
            _steps(0.01, 2 ** (1 / 2), 14, 12), "rebuffer_ratio", has_none=True,
        ),
        "stalled": Measure(
            "Time stalled", "ms", pl.when(_known).then(pl.col("stall_ms")), _steps(2_000, 2 ** (1 / 2), 8, 12),
            "rebuffer_rate", has_none=True,
        ),
        "playing": Measure(
            "Time playing", "ms", pl.when(_known).then(pl.col("playing_ms")), _steps(3_600_000, 2 ** (1 / 2), 16, 4),
            "hours_per_play",
        ),
        "browsing": Measure(
            "Browsing before the play", "ms", pl.col("browse_ms"), _steps(60_000, 2 ** (1 / 2), 12, 8),
            "browse_to_play_p50_ms",
        ),
    }
)  # fmt: skip
"""Measures of a session that can be distributed, by the name they have in the address."""


@dataclass(frozen=True)
class Sessions:
    """n sessions as arrays, read only: when they ended, what they stand for, their measures and dimensions.

    ``codes[d]`` points into ``names[d]``; ``every`` is 1 where all sessions were read, k where every k-th was.
    """

    ts_ms: Ints
    weight: Floats
    replicate: Ints
    values: Mapping[str, Floats]
    codes: Mapping[str, Ints]
    names: Mapping[str, tuple[str | None, ...]]
    every: int = 1

    def __len__(self) -> int:
        return self.ts_ms.size

    def inside(self, measure: str, box: Box) -> Flags:
        """Which of them lie in the box."""
        bucket = MEASURES[measure].bucket(self.values[measure])
        is_seen: Flags = (self.ts_ms >= box.window.start_ts_ms) & (self.ts_ms < box.window.end_ts_ms)
        is_seen &= (bucket >= box.first) & (bucket <= box.last)
        return is_seen


def sessions_of(frame: pl.DataFrame, *, every: int = 1) -> Sessions:
    """``frame``: ``end_ts_ms, weight, replicate``, a column a measure by its name, a column a dimension."""
    codes, names = {}, {}
    for name in DIMENSIONS:
        # Only the values that occur, so that codes are dense; unknown last.
        column = frame[name].cast(pl.Categorical)
        known = column.unique()
        values = known.cast(pl.String)
        order = values.arg_sort(nulls_last=True)
        place = pl.DataFrame({"code": known.to_physical().gather(order), "place": np.arange(len(known))})
        coded = pl.DataFrame({"code": column.to_physical()}).join(
            place, on="code", how="left", nulls_equal=True, maintain_order="left"
        )
        codes[name] = coded["place"].to_numpy().astype(np.int64)
        names[name] = tuple(values.gather(order).to_list())
    return Sessions(
        frame["end_ts_ms"].to_numpy(),
        frame["weight"].cast(pl.Float64).to_numpy(),
        frame["replicate"].to_numpy(),
        {name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in MEASURES},
        codes,
        names,
        every,
    )


def grain_of(length_ms: int) -> int:
    """The finest grain that keeps a heatmap at a hundred columns or fewer."""
    return next((grain for grain in _GRAINS if length_ms <= grain * _MOST_COLUMNS), _GRAINS[-1])


def cells(sessions: Sessions, measure: str, window: Window) -> pl.DataFrame:
    """Cells of the heatmap: ``ts_ms`` (start of the column), ``bucket, weight, n, share`` of its column.

    Empty cells are left out; sessions whose measure is unknown are in no cell.
    """
    of = MEASURES[measure]
    grain = grain_of(window.length_ms)
    bucket = of.bucket(sessions.values[measure])
    kept = (bucket >= 0) & (sessions.ts_ms >= window.start_ts_ms) & (sessions.ts_ms < window.end_ts_ms)
    first = window.start_ts_ms // grain
    column = sessions.ts_ms[kept] // grain - first
    place = column * of.size + bucket[kept]
    size = (int((window.end_ts_ms - 1) // grain - first) + 1) * of.size
    n = np.bincount(place, minlength=size).reshape(-1, of.size)
    weight = np.bincount(place, sessions.weight[kept], minlength=size).reshape(-1, of.size)
    row, found = np.nonzero(n)
    whole = weight.sum(1)
    return pl.DataFrame(
        {
            "ts_ms": (row + first) * grain,
            "bucket": found,
            "weight": weight[row, found],
            "n": n[row, found],
            "share": weight[row, found] / whole[row],
        }
    )
