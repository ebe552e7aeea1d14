"""What the browsing kernel reads and writes: members, titles, what is open, how members look, what they found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synthetic.control_plane.in_session import SHOWN, Ranking, space_of
from synthetic.control_plane.page import ROWS, SLOTS
from synthetic.wishes import PROPOSALS

__all__ = [
    "CONTINUE", "HOME", "NONE", "PLACES", "RESULTS", "SEARCH", "Found", "Habits", "Holdings", "People", "Scratch",
    "Shelf",
]  # fmt: skip

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Int16Array = npt.NDArray[np.int16]
Int8Array = npt.NDArray[np.int8]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

PLACES = ROWS * SLOTS
assert PLACES == SHOWN
RESULTS = 10  # titles that a search shows
NONE, HOME, SEARCH, CONTINUE = -1, 0, 1, 3


class People(NamedTuple):
    """The hidden truth about members, [m]."""

    subscriber: IntArray
    region: IntArray
    taste: Float32Array
    liking: Float32Array
    """[m, genres] taste . where each genre lies."""


class Shelf(NamedTuple):
    """The hidden truth about titles on the day, [count] or [regions, count]."""

    taste: Float32Array
    offset: Float32Array
    worth: FloatArray
    is_series: BoolArray
    episode_count: IntArray
    runtime_ms: IntArray
    appeal: Float32Array
    """``Market.log_appeal`` less what taste adds on the mean."""
    threshold: Float32Array
    alias: Int32Array


class Holdings(NamedTuple):
    """What members have open and have started lately, [m, places]."""

    open_title: Int32Array
    open_left_ms: IntArray
    open_is_rec_driven: BoolArray
    recent: Int32Array
    first_week: BoolArray
    """[m] within seven days of joining."""


class Habits(NamedTuple):
    """How members look, as in ``viewer.BrowseParameters``; ``titles.MOOD_RATIO``; and what follows from them."""

    glance_median_ms: float
    detail_ratio: float
    detail_median_ms: float
    dwell_log_sd: float
    budget_min_ms: float
    budget_max_ms: float
    next_row_ratio: float
    continue_ratio: float
    intent_ratio: float
    search_ratio: float
    carried_ratio: float
    typing_median_ms: float
    continue_median_ms: float
    sitting_median_ms: float
    sitting_log_sd: float
    artwork_pull: float
    home_bonus: float
    search_bonus: float
    mood_ratio: float
    dwell: FloatArray
    """Times of a look over their median (:func:`looking.dwells`)."""


class Found(NamedTuple):
    """Where the kernel writes; fields as in ``viewer.Browse``."""

    chosen: Int32Array
    surface: Int8Array
    row: Int16Array
    slot: Int16Array
    examined: Int16Array
    asked: Int8Array
    wished: Int32Array
    results_examined: Int16Array
    browse_ms: IntArray
    is_rec_driven: BoolArray
    watch_ms: IntArray
    is_skipped: BoolArray
    joy: Float32Array
    page: Int32Array
    page_score: Float32Array
    artwork: Int8Array
    results: Int32Array
    results_feature: Float32Array
    page_before: Int32Array
    page_after: Int32Array


class Scratch(NamedTuple):
    """Where the kernel works; it makes no arrays, so that it need not count who holds them."""

    wanted: Float32Array
    mood: FloatArray
    proposed: Int32Array
    utility: FloatArray
    mean: Float32Array
    space: Float32Array
    page: Int32Array
    score: Float32Array
    value: FloatArray
    lift: Float32Array
    likes: Float32Array
    logged: Int32Array
    open_title: Int32Array
    open_left_ms: IntArray
    """What the member has open at the visit: as the day began, less what earlier visits of the day watched of it."""

    @staticmethod
    def of(ranking: Ranking, people: People, holdings: Holdings) -> Scratch:
        candidates, rank, found = ranking.candidate.shape[1], ranking.title.shape[2], ranking.found.shape[3]
        return Scratch(
            wanted=np.empty(people.taste.shape[1], np.float32),
            mood=np.empty(people.taste.shape[1]),
            proposed=np.empty(PROPOSALS, np.int32),
            utility=np.empty(PROPOSALS),
            mean=np.empty(rank, np.float32),
            space=np.empty(space_of(candidates, rank), np.float32),
            page=np.empty(PLACES, np.int32),
            score=np.empty(PLACES, np.float32),
            value=np.empty(found),
            lift=np.empty(found, np.float32),
            likes=np.empty(ranking.centre.shape[1], np.float32),
            logged=np.empty(RESULTS, np.int32),
            open_title=np.empty(holdings.open_title.shape[1], np.int32),
            open_left_ms=np.empty(holdings.open_title.shape[1], np.int64),
        )
