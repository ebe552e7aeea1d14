"""Watching what was chosen: what it gives the member, how long they stay with it, and whether they leave at once.

What draws a play and what it gives are two things. A title's *pull* decides at the page (:mod:`synthetic.browsing`);
its *worth* and how it fits the member's lasting taste decide here. A title that promises more than it keeps is played
and left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.jit import compiled
from synthetic.random import Stream
from synthetic.titles import (
    FILM_DROP_MAX,
    FILM_DROP_MIN,
    FILM_DROP_RATIO,
    FILM_DROP_WORTH,
    KEEP_BASE,
    KEEP_WORTH,
    TASTE_STRENGTH,
)

__all__ = ["enjoyment", "enter_watched", "is_left_at_once", "is_over", "preview_ms", "target_ms"]

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

# Assumptions. Joy is measured in sd of what titles are worth; 0 is what members are used to.
FIT_JOY, FIT_USUAL = (
    0.6,
    1.0,
)  # joy a sd of fit; the fit, in sd over members, of what a member usually chooses
JOY_SD = 0.5  # what neither title nor taste foretells
SKIP_LEVEL, SKIP_JOY = 2.5, 1.0  # log odds to stay after the first minutes: 92 % at joy 0, 73 % at -1.5
PREVIEW_MIN_MS, PREVIEW_MEAN_MS = 30_000.0, 90_000.0


@compiled()
def enjoyment(seed: int, subscriber: int, title: int, fit: float, worth: float) -> float:
    """What a title gives a member, once seen; ``fit`` is lasting taste . title."""
    own = JOY_SD * draws.normal(seed, subscriber, title, Stream.WATCH_JOY)
    return worth + FIT_JOY * (fit / TASTE_STRENGTH - FIT_USUAL) + own


@compiled()
def is_left_at_once(seed: int, subscriber: int, title: int, joy: float) -> bool:
    """Whether the member leaves it within the first minutes."""
    stays = 1.0 / (1.0 + draws.exp(-(SKIP_LEVEL + SKIP_JOY * joy)))
    return draws.uniform(seed, subscriber, title, Stream.WATCH_SKIP) > stays


@compiled()
def preview_ms(seed: int, key: int) -> int:
    """How long it takes to find out that a title is not wanted."""
    return int(PREVIEW_MIN_MS + PREVIEW_MEAN_MS * draws.exponential(seed, key, 0, Stream.WATCH_SKIP))


@compiled()
def target_ms(
    seed: int, subscriber: int, title: int, is_series: bool, episodes: int, runtime_ms: int, joy: float
) -> int:
    """How much of a title that is not left at once the member would watch in all, in as many sittings as it takes."""
    u = draws.uniform(seed, subscriber, title, Stream.WATCH_TARGET)
    if is_series:
        keep = min(max(KEEP_BASE + KEEP_WORTH * joy, 0.7), 0.97)
        seen = 1 + int(draws.log(u) / draws.log(keep))
        return runtime_ms * min(seen, episodes)
    drop_ratio = min(FILM_DROP_RATIO * draws.exp(-FILM_DROP_WORTH * joy), 0.9)
    if u < drop_ratio:
        return int(runtime_ms * (FILM_DROP_MIN + (FILM_DROP_MAX - FILM_DROP_MIN) * u / drop_ratio))
    return runtime_ms


@compiled()
def is_over(left_ms: int, runtime_ms: int) -> bool:
    """What is nearly over counts as over: credits are not watched in a sitting of their own."""
    return left_ms < runtime_ms // 20


@compiled()
def enter_watched(
    seed: int, member: IntArray, subscriber: IntArray, chosen: Int32Array, is_rec_driven: BoolArray,
    is_skipped: BoolArray, joy: Float32Array, watched_ms: IntArray, is_series: BoolArray, episode_count: IntArray,
    runtime_ms: IntArray, open_title: Int32Array, open_left_ms: IntArray, open_is_rec_driven: BoolArray,
    recent: Int32Array, recent_count: Int32Array,
) -> None:  # fmt: skip
    """Enter a day's viewing into what members have open and have started; in order of time for each member."""
    for i in range(member.size):
        title = chosen[i]
        if title < 0 or watched_ms[i] <= 0:
            continue
        m = member[i]
        at = -1
        for k in range(open_title.shape[1]):
            if open_title[m, k] == title:
                at = k
        if at >= 0:
            left = open_left_ms[m, at] - watched_ms[i]
        else:
            whole = target_ms(
                seed, subscriber[m], title, is_series[title], episode_count[title], runtime_ms[title], joy[i]
            )
            left = whole - watched_ms[i]
            is_known = False
            for other in recent[m]:
                is_known = is_known or other == title
            if not is_known:
                recent[m, recent_count[m] % recent.shape[1]] = title
                recent_count[m] += 1
        ends = is_skipped[i] or is_over(left, runtime_ms[title])
        if at < 0 and not ends:
            # A new title takes a free place, or that of the one opened longest ago; the newest is last.
            at = 0
            for k in range(open_title.shape[1]):
                if open_title[m, k] < 0:
                    at = k
            for k in range(at + 1, open_title.shape[1]):
                open_title[m, k - 1] = open_title[m, k]
                open_left_ms[m, k - 1] = open_left_ms[m, k]
                open_is_rec_driven[m, k - 1] = open_is_rec_driven[m, k]
            at = open_title.shape[1] - 1
            open_is_rec_driven[m, at] = is_rec_driven[i]
        if at >= 0:
            open_title[m, at] = -1 if ends else title
            open_left_ms[m, at] = 0 if ends else left
