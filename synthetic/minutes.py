"""The event clock: what happened in each minute, by region, device class and CDN, summed in integers.

A session that runs into the next batch leaves its minutes there too: two rows of one minute add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from metrics.telemetry import CDNS
from synthetic.arrays import Floats, Ints
from synthetic.members import DEVICE_NAMES
from synthetic.tables import names

__all__ = ["LATE_HOME_MS", "LATE_START_MS", "MinuteInput", "minute_counts"]

LATE_START_MS = 2_000  # the user contract: playback starts in under 2 s
LATE_HOME_MS = 100  # and a home page comes in under 100 ms
_MINUTE_MS = 60_000

_COUNTS = (
    "attempts", "starts", "starts_late", "exits_before_start", "exits_late", "start_failures", "playback_failures",
    "first_stalls", "stalled_viewer_minutes", "watched_viewer_minutes", "home_pages", "home_pages_late",
    "attempts_n", "attempts_weight_squared",
)  # fmt: skip


@dataclass(frozen=True)
class MinuteInput:
    """A day's events: sessions as in the contract with ``region_index`` and ``device_index``, stalls (row, from, to),
    home pages (instant, latency, region, device, weight)."""

    sessions: pl.DataFrame
    region_index: Ints
    device_index: Ints
    stalls: tuple[Ints, Ints, Ints]
    home_ts_ms: Ints
    home_ms: Ints
    home_region: Ints
    home_device: Ints
    home_weight: Ints


def minute_counts(days: Sequence[MinuteInput], regions: Sequence[str]) -> pl.DataFrame:
    """The table ``minute_count`` of a batch of days."""
    first = min(int(d.home_ts_ms.min()) for d in days if d.home_ts_ms.size) // _MINUTE_MS
    last = max(
        max(int(d.sessions["end_ts_ms"].max() or 0), int(d.home_ts_ms.max()))  # type: ignore[arg-type]
        for d in days
        if d.home_ts_ms.size
    ) // _MINUTE_MS + 2  # fmt: skip
    cells = len(regions) * len(DEVICE_NAMES) * len(CDNS)
    grid = np.zeros((len(_COUNTS), (last - first) * cells))
    for day in days:
        _add(grid, day, first, cells)
    shaped = grid.reshape(len(_COUNTS), -1, cells)
    watched = _COUNTS.index("watched_viewer_minutes")
    # Sums of integers below 2^53: exact in floating point, in any order.
    shaped[watched] = np.cumsum(shaped[watched], axis=0)
    flat = shaped.reshape(len(_COUNTS), -1)
    filled = np.flatnonzero(flat.any(axis=0))
    minute, cell = filled // cells, filled % cells
    cdn, rest = cell % len(CDNS), cell // len(CDNS)
    return pl.DataFrame(
        {
            "ts_ms": (minute + first) * _MINUTE_MS,
            "region": names(regions, rest // len(DEVICE_NAMES)),
            "device": names(DEVICE_NAMES, rest % len(DEVICE_NAMES)),
            "cdn": names(CDNS, cdn),
            **{name: flat[i, filled].astype(np.int64) for i, name in enumerate(_COUNTS)},
            "is_synthetic": pl.repeat(value=True, n=filled.size, eager=True),
        }
    )


def _add(grid: Floats, day: MinuteInput, first: int, cells: int) -> None:
    s = day.sessions
    weight = s["weight"].to_numpy().astype(np.float64)
    outcome, cdn = s["outcome"], (s["cdn"] == CDNS[1]).to_numpy().astype(np.int64)
    cell = (day.region_index * len(DEVICE_NAMES) + day.device_index) * len(CDNS) + cdn
    waited, start = s["waited_ms"].to_numpy(), s["start_ts_ms"].to_numpy()
    came_out = (start + waited) // _MINUTE_MS - first
    end = s["end_ts_ms"].to_numpy() // _MINUTE_MS - first
    # A pause is not watched: the session's watching is laid without its pauses, as its stalls are.
    last = (s["end_ts_ms"] - s["paused_ms"]).to_numpy() // _MINUTE_MS - first
    started = s["startup_ms"].is_not_null().to_numpy()
    left = (outcome == "exit_before_start").to_numpy()
    late = waited >= LATE_START_MS

    def add(name: str, minute: Ints, where: Ints, amount: Floats) -> None:
        row = _COUNTS.index(name)
        grid[row] += np.bincount(minute * cells + where, amount, minlength=grid.shape[1])

    for name, which in (
        ("starts", started),
        ("starts_late", started & late),
        ("exits_before_start", left),
        ("exits_late", left & late),
        ("start_failures", (outcome == "start_failure").to_numpy()),
    ):
        add(name, came_out[which], cell[which], weight[which])
    add("attempts", came_out, cell, weight)
    add("attempts_n", came_out, cell, np.ones(weight.size))
    add("attempts_weight_squared", came_out, cell, weight**2)
    failed = (outcome == "playback_failure").to_numpy()
    add("playback_failures", end[failed], cell[failed], weight[failed])
    # Watched: one at the first minute, one taken back after the last; summed over time by the caller.
    add("watched_viewer_minutes", came_out[started], cell[started], weight[started])
    add("watched_viewer_minutes", last[started] + 1, cell[started], -weight[started])

    session, began, ended = day.stalls
    if session.size:
        first_of = np.unique(session, return_index=True)[1]
        add(
            "first_stalls",
            began[first_of] // _MINUTE_MS - first,
            cell[session[first_of]],
            weight[session[first_of]],
        )
        add("stalled_viewer_minutes", *_stalled_minutes(session, began, ended, last, cell, weight, first))
    home_cell = (day.home_region * len(DEVICE_NAMES) + day.home_device) * len(CDNS)
    home_minute = day.home_ts_ms // _MINUTE_MS - first
    home_weight = day.home_weight.astype(np.float64)
    add("home_pages", home_minute, home_cell, home_weight)
    slow = day.home_ms >= LATE_HOME_MS
    add("home_pages_late", home_minute[slow], home_cell[slow], home_weight[slow])


def _stalled_minutes(
    session: Ints,
    began: Ints,
    ended: Ints,
    last: Ints,
    cell: Ints,
    weight: Floats,
    first: int,
) -> tuple[Ints, Ints, Floats]:
    """Each minute of each session in which it stalled, once: (minute, cell, weight)."""
    low = began // _MINUTE_MS - first
    # Seeks are not in a stall's clock, so one may be placed a little early; never after the last minute.
    low = np.minimum(low, last[session])
    high = np.minimum(np.maximum(ended // _MINUTE_MS - first, low), last[session])
    span = high - low + 1
    who = np.repeat(session, span)
    minute = np.repeat(low, span) + np.arange(span.sum()) - np.repeat(np.cumsum(span) - span, span)
    once = np.unique(np.stack([who, minute]), axis=1)
    return once[1], cell[once[0]], weight[once[0]]
