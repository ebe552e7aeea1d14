"""The Numenta Anomaly Benchmark's score, by its published rules, and how many points a second are judged.

``python -m benchmarks anomalies --nab DIR``: DIR has ``data/GROUP/SERIES.csv`` and ``windows.json``, the
labelled windows by series. The rules (Lavin and Ahmad 2015): rows of the probation, the first 15 % and at most
750, do not count; a window counts once, by its first flag, the more the earlier in it; a window without a flag
costs a miss; a flag outside costs the more the further behind a window it is. 0 is a detector that never
flags, 100 one that flags every window at its first row and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.harness import Row
from metrics.anomalies import anomalies
from metrics.time_series import read_series

__all__ = ["PROFILES", "Profile", "judged", "rows", "scores", "series_score"]

POINTS = 1_000_000
PROBATION_SHARE, PROBATION_ROWS = 0.15, 750


@dataclass(frozen=True)
class Profile:
    """What a false positive and a missed window cost, against 1 for a window found at its start."""

    false_positive: float
    miss: float


PROFILES = {
    "standard": Profile(0.11, 1.0),
    "reward_low_FP_rate": Profile(0.22, 1.0),
    "reward_low_FN_rate": Profile(0.11, 2.0),
}


def rows(nab: Path | None = None) -> list[Row]:
    """Points a second, and the benchmark's scores where its folder is given: all, and two halves."""
    found = [Row("anomalies, a series of 1 M points", f"{_points_per_s():,.0f} points/s")]
    if nab is not None:
        flags, windows = judged(nab)
        names = sorted(windows)
        for what, part in (("all", names), ("odd half", names[::2]), ("even half", names[1::2])):
            for profile in PROFILES:
                score = scores([(flags[name], windows[name]) for name in part], PROFILES[profile])
                found.append(Row(f"anomalies, NAB {profile}, {what} ({len(part)} series)", f"{score:.1f}"))
    return found


def scores(judged: Sequence[tuple[NDArray[np.bool_], Sequence[tuple[int, int]]]], profile: Profile) -> float:
    """The normalised score of several series: each its flags and its windows (first and last row)."""
    windows = sum(len(found) for _, found in judged)
    if windows == 0:
        return float("nan")
    raw = sum(series_score(flags, found, profile) for flags, found in judged)
    least = -profile.miss * windows
    return 100 * (raw - least) / (windows - least)


def series_score(flags: NDArray[np.bool_], windows: Sequence[tuple[int, int]], profile: Profile) -> float:
    """The raw score of one series."""
    probation = int(min(PROBATION_SHARE * len(flags), PROBATION_ROWS))
    at = np.flatnonzero(flags)
    at = at[at >= probation]
    outside = np.ones(len(at), dtype=np.bool_)
    score = 0.0
    for first, last in windows:
        within = (at >= first) & (at <= last)
        outside &= ~within
        if within.any():
            hit = int(at[within][0])
            score += _sigmoid(-(last - hit + 1) / (last - first + 1)) / _sigmoid(-1.0)
        else:
            score -= profile.miss
    for row in at[outside].tolist():
        before = [window for window in windows if window[1] < row]
        if before:
            first, last = max(before, key=lambda window: window[1])
            score += profile.false_positive * _sigmoid((row - last) / max(last - first, 1))
        else:
            score -= profile.false_positive
    return score


def _sigmoid(position: float) -> float:
    """From almost 1 at a window's start (-1) over 0 at its end (0) to -1 far behind it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + float(np.exp(5.0 * position))) - 1.0


def judged(nab: Path) -> tuple[dict[str, NDArray[np.bool_]], dict[str, list[tuple[int, int]]]]:
    flags: dict[str, NDArray[np.bool_]] = {}
    windows: dict[str, list[tuple[int, int]]] = {}
    for name, labelled in json.loads((nab / "windows.json").read_text(encoding="utf-8")).items():
        series = read_series(nab / "data" / name)
        ts_ms = series["ts_ms"].to_numpy()
        found = anomalies(ts_ms, series["number"].fill_null(np.nan).to_numpy())
        flags[name] = found["is_anomaly"].to_numpy()
        windows[name] = []
        for edges in labelled:
            start, end = pl.Series(edges).str.to_datetime(time_unit="ms").dt.epoch("ms")
            inside = np.flatnonzero((ts_ms >= start) & (ts_ms <= end))
            windows[name].append((int(inside[0]), int(inside[-1])))
    return flags, windows


def _points_per_s() -> float:
    draw = np.random.default_rng(1)
    ts_ms = np.arange(POINTS) * 300_000
    values = np.sin(ts_ms * 2 * np.pi / 86_400_000) + draw.normal(0, 0.1, POINTS)
    anomalies(ts_ms[:1_000], values[:1_000])
    start = time.process_time()
    anomalies(ts_ms, values)
    return POINTS / (time.process_time() - start)
