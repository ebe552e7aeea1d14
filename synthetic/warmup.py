"""The weeks before day 0: what members played, so that the first day's model has learned something.

Drawn from true preference, unaided. These plays go to the recommender alone; no telemetry is written.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.browsing import target_ms, wish
from synthetic.control_plane.recommend import PlayLog
from synthetic.jit import compiled
from synthetic.random import Stream
from synthetic.titles import Titles, demand
from synthetic.viewer import BrowseParameters, make_market

__all__ = ["warmup_plays"]

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]

STARTS_A_WEEK = 6.0
"""Mean starts a member and week. Derived: 1.67 h a day (published) over the 2 h or so that a start brings."""


def warmup_plays(
    seed: int,
    *,
    subscriber: npt.NDArray[np.int64],
    region: npt.NDArray[np.int64],
    taste: npt.NDArray[np.float32],
    tenure_days: npt.NDArray[np.int64],
    titles: Titles,
    params: BrowseParameters,
    weeks: int = 10,
) -> PlayLog:
    """Starts of the ``weeks`` before day 0 by members who had joined by then; days are negative.

    ``tenure_days`` [m] is the age of each membership at day 0 (zero or less: not yet a member).
    """
    parts = []
    for week in range(-weeks, 0):
        market = make_market(titles, demand(titles, 7 * week + 3), 7 * week + 3, params)
        days = np.minimum(np.maximum(tenure_days + 7 * week + 7, 0), 7)
        wanted = draws.uniforms(seed, subscriber, week, Stream.WARMUP_PLAY) + STARTS_A_WEEK * days / 7
        starts = np.where(days > 0, np.floor(wanted), 0).astype(np.int64)
        member = np.repeat(np.arange(subscriber.size, dtype=np.int32), starts)
        first = np.cumsum(starts) - starts
        nth = np.arange(member.size) - first[member]
        title = np.empty(member.size, np.int32)
        ratio = np.empty(member.size, np.float32)
        # Keys of warm-up wishes are negative, so that they never meet a session's.
        key = -1 - (subscriber[member] * 1024 + (week + 512) * 1_048_576 * 1_048_576 + nth)
        _wishes(
            seed, key, member, subscriber, region, taste, titles.taste, titles.taste_offset, titles.is_series,
            titles.episode_count, titles.runtime_ms, titles.quality, market.alias_threshold, market.alias,
            title, ratio,
        )  # fmt: skip
        day = 7 * week + (draws.uniforms(seed, key, 1, Stream.WARMUP_PLAY) * 7).astype(np.int32)
        parts.append(PlayLog(member, title, day.astype(np.int32), ratio))
    log = parts[0]
    for part in parts[1:]:
        log = log + part
    return log


@compiled()
def _wishes(
    seed: int, key: IntArray, member: Int32Array, subscriber: IntArray, region: IntArray, taste: Float32Array,
    title_taste: Float32Array, title_offset: Float32Array, is_series: npt.NDArray[np.bool_],
    episode_count: IntArray, runtime_ms: IntArray, quality: npt.NDArray[np.float64], threshold: Float32Array,
    alias: Int32Array, title: Int32Array, ratio: Float32Array,
) -> None:  # fmt: skip
    nothing = np.empty(0, np.int32)
    for i in range(key.size):
        m = member[i]
        r = region[m]
        j = wish(seed, key[i], taste[m], title_taste, title_offset, threshold[r], alias[r], nothing)
        title[i] = j
        whole = target_ms(
            seed, subscriber[m], j, is_series[j], episode_count[j], runtime_ms[j], quality[j]
        )  # fmt: skip
        ratio[i] = min(1.0, whole / runtime_ms[j])
