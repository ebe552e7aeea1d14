"""The compiled half of :mod:`synthetic.viewer`: one session at a time, in the same order whoever asks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.jit import compiled
from synthetic.random import Stream
from synthetic.titles import FILM_DROP_MAX, FILM_DROP_MIN, FILM_DROP_RATIO, KEEP_BASE, KEEP_QUALITY

__all__ = [
    "CONTINUE", "HOME", "NONE", "PLACES", "ROWS", "SEARCH", "SLOTS", "enter_watched", "fill_alias", "page_shift",
    "query_kind", "run_sessions", "target_ms", "wish",
]  # fmt: skip

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Int16Array = npt.NDArray[np.int16]
Int8Array = npt.NDArray[np.int8]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

ROWS, SLOTS = 4, 10
PLACES = ROWS * SLOTS
NONE, HOME, SEARCH, CONTINUE = -1, 0, 1, 3

_PROPOSALS = 24  # candidates from which an unaided wish is resampled by taste


@compiled()
def page_shift(seed: int, session_key: int) -> int:
    """Rows are put in another order at each visit: the row of the page that is shown first."""
    return int(draws.uniform(seed, session_key, 0, Stream.BROWSE_ROW) * ROWS)


@compiled()
def target_ms(
    seed: int, subscriber: int, title: int, is_series: bool, episodes: int, runtime_ms: int, quality: float
) -> int:
    """How much of a title the member would watch in all, over as many sittings as it takes."""
    u = draws.uniform(seed, subscriber, title, Stream.WATCH_TARGET)
    if is_series:
        keep = min(max(KEEP_BASE + KEEP_QUALITY * quality, 0.7), 0.97)
        seen = 1 + int(draws.log(u) / draws.log(keep))
        return runtime_ms * min(seen, episodes)
    if u < FILM_DROP_RATIO:
        return int(runtime_ms * (FILM_DROP_MIN + (FILM_DROP_MAX - FILM_DROP_MIN) * u / FILM_DROP_RATIO))
    return runtime_ms


@compiled()
def wish(
    seed: int, key: int, taste: Float32Array, title_taste: Float32Array, title_offset: Float32Array,
    threshold: Float32Array, alias: Int32Array, seen: Int32Array,
) -> int:  # fmt: skip
    """A title wanted unaided, or -1: drawn by demand, then resampled by taste (importance resampling)."""
    best, best_utility = -1, -np.inf
    count = threshold.size
    for k in range(_PROPOSALS):
        u = draws.uniform(seed, key, k, Stream.BROWSE_PREFERENCE) * count
        title = int(u)
        if u - title >= threshold[title]:
            title = int(alias[title])
        if _contains(seen, title):
            continue
        utility = draws.gumbel(seed, key, k, Stream.BROWSE_WISH) - title_offset[title]
        utility += _dot(taste, title_taste[title])
        if utility > best_utility:
            best, best_utility = title, utility
    return best


@compiled()
def query_kind(seed: int, key: int, carried_ratio: float) -> int:
    """How the wish is put into words, an index into ``queries.KINDS``.

    Half know the name, a quarter remember its last word, a quarter ask for the kind. Assumption.
    """
    if draws.uniform(seed, key, 1, Stream.BROWSE_SEARCH) >= carried_ratio:
        return 3
    u = draws.uniform(seed, key, 0, Stream.SEARCH_QUERY)
    return 0 if u < 0.5 else 1 if u < 0.75 else 2


@compiled()
def _dot(left: Float32Array, right: Float32Array) -> float:
    total = 0.0
    for d in range(left.size):
        total += float(left[d]) * float(right[d])
    return total


@compiled()
def _contains(titles: Int32Array, title: int) -> bool:
    for other in titles:  # noqa: SIM110 (compiled; a generator is not)
        if other == title:
            return True
    return False


@compiled()
def _lognormal(seed: int, key: int, step: int, stream: int, median: float, log_sd: float) -> float:
    return median * draws.exp(log_sd * draws.normal(seed, key, step, stream))


@compiled()
def run_sessions(
    seed: int, session_key: IntArray, member: IntArray, subscriber: IntArray, region: IntArray,
    taste: Float32Array, pages: Int32Array, fallback_pages: Int32Array, is_degraded: BoolArray,
    open_title: Int32Array, open_left_ms: IntArray, open_is_rec_driven: BoolArray, recent: Int32Array,
    title_taste: Float32Array, title_offset: Float32Array, is_series: BoolArray, episode_count: IntArray,
    runtime_ms: IntArray, quality: FloatArray, log_appeal: Float32Array, threshold: Float32Array,
    alias: Int32Array, answers: npt.NDArray[np.int32], params: FloatArray, chosen: Int32Array,
    surface: Int8Array, row: Int16Array, slot: Int16Array, examined: Int16Array, asked: Int8Array,
    wished: Int32Array, results_examined: Int16Array, browse_ms: IntArray, is_rec_driven: BoolArray,
    watch_ms: IntArray,
) -> None:  # fmt: skip
    (dwell_median, dwell_log_sd, budget_min, budget_max, next_row, continue_ratio, intent, search_ratio,
     carried_ratio, typing_median, continue_median, sitting_median, sitting_log_sd) = (
        params[0], params[1], params[2], params[3], params[4], params[5], params[6], params[7], params[8],
        params[9], params[10], params[11], params[12])  # fmt: skip
    for i in range(session_key.size):
        key, m = session_key[i], member[i]
        r = region[m]
        spent = 0.0
        left, pick = -1, -1

        open_count = 0
        for k in range(open_title.shape[1]):
            open_count += open_title[m, k] >= 0
        u = draws.uniform(seed, key, 0, Stream.BROWSE_CONTINUE)
        if u > (1.0 - continue_ratio) ** open_count:
            nth = int(draws.uniform(seed, key, 1, Stream.BROWSE_CONTINUE) * open_count)
            for k in range(open_title.shape[1]):
                if open_title[m, k] >= 0:
                    if nth == 0:
                        pick, left = int(open_title[m, k]), open_left_ms[m, k]
                        is_rec_driven[i] = open_is_rec_driven[m, k]
                    nth -= 1
            surface[i] = CONTINUE
            spent = _lognormal(seed, key, 0, Stream.BROWSE_DWELL, continue_median, dwell_log_sd)

        will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_INTENT) < intent
        if pick < 0 and not will_search:
            budget = budget_min + (budget_max - budget_min) * draws.uniform(
                seed, key, 0, Stream.BROWSE_BUDGET
            )
            page = fallback_pages[r] if is_degraded[i] else pages[m]
            shift = page_shift(seed, key)
            at_row, at_slot = 0, 0
            while at_row < ROWS:
                title = int(page[((at_row + shift) % ROWS) * SLOTS + at_slot])
                step = at_row * SLOTS + at_slot
                spent += _lognormal(seed, key, step, Stream.BROWSE_DWELL, dwell_median, dwell_log_sd)
                if spent > budget:
                    spent = budget
                    break
                examined[i] += 1
                if title >= 0 and not _contains(recent[m], title):
                    utility = float(log_appeal[r, title]) - float(title_offset[title])
                    utility += _dot(taste[m], title_taste[title])
                    utility += draws.gumbel(seed, key, title, Stream.BROWSE_GUMBEL)
                    if utility > 0.0:
                        pick = title
                        surface[i], row[i], slot[i], is_rec_driven[i] = HOME, at_row, at_slot, True
                        break
                at_slot += 1
                if at_slot == SLOTS or draws.uniform(seed, key, step, Stream.BROWSE_ROW_LEFT) < next_row:
                    at_row, at_slot = at_row + 1, 0
            will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_SEARCH) < search_ratio

        if will_search:
            spent += _lognormal(seed, key, 0, Stream.BROWSE_TYPING, typing_median, dwell_log_sd)
            wanted = wish(
                seed, key, taste[m], title_taste, title_offset, threshold[r], alias[r], recent[m]
            )  # fmt: skip
            if wanted >= 0:
                kind = query_kind(seed, key, carried_ratio)
                asked[i], wished[i] = kind, wanted
                knows_it = kind < 2
                place = -1
                for k in range(answers.shape[2]):
                    title = int(answers[kind, wanted, k])
                    if title < 0:
                        break
                    spent += _lognormal(
                        seed, key, PLACES + k, Stream.BROWSE_DWELL, dwell_median, dwell_log_sd
                    )
                    results_examined[i] += 1
                    if title == wanted and kind != 3:
                        pick, place = title, k
                        break
                    # Who knows the title looks the whole list through before taking another.
                    if pick < 0 and not _contains(recent[m], title):
                        utility = float(log_appeal[r, title]) - float(title_offset[title])
                        utility += _dot(taste[m], title_taste[title])
                        utility += draws.gumbel(seed, key, title, Stream.BROWSE_GUMBEL)
                        if utility > 0.0:
                            pick, place = title, k
                            if not knows_it:
                                break
                if pick >= 0:
                    surface[i], slot[i] = SEARCH, place
                    row[i] = 0

        browse_ms[i] = int(spent)
        if pick >= 0:
            chosen[i] = pick
            if left < 0:
                left = target_ms(
                    seed, subscriber[m], pick, is_series[pick], episode_count[pick], runtime_ms[pick],
                    quality[pick],
                )  # fmt: skip
            sitting = _lognormal(seed, key, 0, Stream.WATCH_SITTING, sitting_median, sitting_log_sd)
            watch_ms[i] = min(left, int(sitting))


@compiled()
def enter_watched(
    seed: int, member: IntArray, subscriber: IntArray, chosen: Int32Array, is_rec_driven: BoolArray,
    watched_ms: IntArray, is_series: BoolArray, episode_count: IntArray, runtime_ms: IntArray,
    quality: FloatArray, open_title: Int32Array, open_left_ms: IntArray, open_is_rec_driven: BoolArray,
    recent: Int32Array, recent_count: Int32Array,
) -> None:  # fmt: skip
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
                seed, subscriber[m], title, is_series[title], episode_count[title], runtime_ms[title],
                quality[title],
            )  # fmt: skip
            left = whole - watched_ms[i]
            if not _contains(recent[m], title):
                recent[m, recent_count[m] % recent.shape[1]] = title
                recent_count[m] += 1
        # What is nearly over counts as over: credits are not watched in a sitting of their own.
        is_over = left < runtime_ms[title] // 20
        if at < 0 and not is_over:
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
            open_title[m, at] = -1 if is_over else title
            open_left_ms[m, at] = 0 if is_over else left


@compiled()
def fill_alias(scaled: npt.NDArray[np.float64], threshold: Float32Array, alias: Int32Array) -> None:
    """Vose's alias table of weights scaled to mean 1 (Vose 1991)."""
    n = scaled.size
    small = np.empty(n, np.int64)
    large = np.empty(n, np.int64)
    smalls = larges = 0
    for j in range(n):
        alias[j] = j
        if scaled[j] < 1.0:
            small[smalls] = j
            smalls += 1
        else:
            large[larges] = j
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        low, high = small[smalls], large[larges - 1]
        threshold[low] = scaled[low]
        alias[low] = high
        scaled[high] -= 1.0 - scaled[low]
        if scaled[high] < 1.0:
            larges -= 1
            small[smalls] = high
            smalls += 1
    for j in range(smalls):
        threshold[small[j]] = 1.0
    for j in range(larges):
        threshold[large[j]] = 1.0
