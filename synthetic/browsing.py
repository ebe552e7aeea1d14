"""The compiled half of :mod:`synthetic.viewer`: a member's visits of one day after the other, whoever asks.

Two minds meet here and are kept apart. The viewer's is hidden: taste, mood, what a title is worth to them. The
service's is :mod:`synthetic.control_plane.in_session`, whose functions are handed what was shown and what was played.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.control_plane.in_session import (
    ARTWORK_HEAD,
    HOME_HEAD,
    SEARCH_HEAD,
    SHOWN,
    Ranking,
    learn_asked,
    learn_look,
    learn_pick,
    like_genres,
    order_page,
    order_results,
    picture,
    spread_page,
    take_ratio,
)
from synthetic.control_plane.page import ROWS, SLOTS, page_shift
from synthetic.jit import compiled, inlined
from synthetic.random import Stream
from synthetic.titles import MOOD_RATIO
from synthetic.watching import enjoyment, is_left_at_once, preview_ms, target_ms

__all__ = [
    "CONTINUE", "HOME", "NONE", "PLACES", "RESULTS", "ROWS", "SEARCH", "SLOTS", "Found", "Holdings", "People", "Shelf",
    "add_mood", "examined_places", "exposure", "fill_alias", "page_shift", "query_kind", "run_sessions", "wish",
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

_PROPOSALS = 24  # candidates from which an unaided wish is resampled by taste


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
    log_appeal: Float32Array
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
    page_before: Int32Array
    page_after: Int32Array


def examined_places(seed: int, key: IntArray, examined: Int16Array, next_row_ratio: float) -> BoolArray:
    """[n, PLACES] the places of the page as shown that each visit looked at, given how many they were."""
    mask = np.zeros((key.size, PLACES), np.bool_)
    _walk(seed, key, examined, next_row_ratio, mask)
    return mask


@compiled()
def _walk(seed: int, key: IntArray, examined: Int16Array, next_row: float, mask: BoolArray) -> None:
    for i in range(key.size):
        row, slot = 0, 0
        for _ in range(examined[i]):
            place = row * SLOTS + slot
            mask[i, place] = True
            slot += 1
            if slot == SLOTS or draws.uniform(seed, key[i], place, Stream.BROWSE_ROW_LEFT) < next_row:
                row, slot = row + 1, 0


@compiled(counted=False)
def exposure(row: int, slot: int, bonus: float) -> float:
    """What standing there adds to a title's utility: all of ``bonus`` at the top left, less further on."""
    return bonus / ((1.0 + row) * (1.0 + 0.1 * slot))


@compiled(counted=False)
def add_mood(
    seed: int, entity: int, step: int, taste: Float32Array, mood_ratio: float, wanted: Float32Array
) -> None:
    """What is wanted now, into ``wanted``: lasting taste and a mood drawn for (entity, step)."""
    sd = np.sqrt(mood_ratio)
    for d in range(taste.size):
        mood = sd * draws.normal(seed, entity, step * taste.size + d, Stream.BROWSE_MOOD)
        wanted[d] = np.float32(float(taste[d]) + mood)


@compiled(counted=False)
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


@compiled(counted=False)
def query_kind(seed: int, key: int, carried_ratio: float) -> int:
    """How the wish is put into words, an index into ``queries.KINDS``.

    Half know the name, a quarter remember its last word, a quarter ask for the kind. Assumption.
    """
    if draws.uniform(seed, key, 1, Stream.BROWSE_SEARCH) >= carried_ratio:
        return 3
    u = draws.uniform(seed, key, 0, Stream.SEARCH_QUERY)
    return 0 if u < 0.5 else 1 if u < 0.75 else 2


@compiled(counted=False)
def _dot(left: Float32Array, right: Float32Array) -> float:
    # Four sums side by side: a chain of additions would wait for each of them.
    a = b = c = e = 0.0
    for d in range(0, left.size - 3, 4):
        a += float(left[d]) * float(right[d])
        b += float(left[d + 1]) * float(right[d + 1])
        c += float(left[d + 2]) * float(right[d + 2])
        e += float(left[d + 3]) * float(right[d + 3])
    for d in range(left.size - left.size % 4, left.size):
        a += float(left[d]) * float(right[d])
    return (a + b) + (c + e)


@compiled(counted=False)
def _contains(titles: Int32Array, title: int) -> bool:
    for other in titles:  # noqa: SIM110 (compiled; a generator is not)
        if other == title:
            return True
    return False


@compiled(counted=False)
def _lognormal(seed: int, key: int, step: int, stream: int, median: float, log_sd: float) -> float:
    return median * draws.exp(log_sd * draws.normal(seed, key, step, stream))


@compiled()
def run_sessions(
    seed: int, day: int, session_key: IntArray, member: IntArray, is_degraded: BoolArray, people: People, shelf: Shelf,
    holdings: Holdings, ranking: Ranking, session_plays: float, search_taste: float, spread: float, now: Float32Array,
    params: FloatArray, out: Found,
) -> None:  # fmt: skip
    """Visits of one day; a member's stand together, in order of time.

    ``now`` [m, d] is the service's idea of taste: on entry as the day begins, on return as it ends. ``session_plays``,
    ``search_taste`` and ``spread`` are the service's choices (``recommend.RecommendParameters``).
    """
    (dwell_median, dwell_log_sd, budget_min, budget_max, next_row, continue_ratio, intent, search_ratio,
     carried_ratio, typing_median, continue_median, sitting_median, sitting_log_sd, artwork_pull, home_bonus,
     search_bonus) = (
        params[0], params[1], params[2], params[3], params[4], params[5], params[6], params[7], params[8],
        params[9], params[10], params[11], params[12], params[13], params[14], params[15])  # fmt: skip
    wanted = np.empty(people.taste.shape[1], np.float32)
    mean = np.empty(now.shape[1], np.float32)
    page, score = np.empty(PLACES, np.int32), np.empty(PLACES, np.float32)
    value = np.empty(RESULTS)
    likes = np.empty(ranking.centre.shape[1], np.float32)
    evidence = 0.0
    for i in range(session_key.size):
        key, m = session_key[i], member[i]
        r = people.region[m]
        taste = now[m]
        a = ranking.arm[m]
        vectors, curvature, learns = ranking.title[a], ranking.curvature[a], ranking.learns[a]
        h0, h1 = ranking.block[a, HOME_HEAD, 0], ranking.block[a, HOME_HEAD, 1]
        s0, s1 = ranking.block[a, SEARCH_HEAD, 0], ranking.block[a, SEARCH_HEAD, 1]
        p0, p1 = ranking.block[a, ARTWORK_HEAD, 0], ranking.block[a, ARTWORK_HEAD, 1]
        if i == 0 or member[i - 1] != m:
            add_mood(seed, people.subscriber[m], day, people.taste[m], MOOD_RATIO, wanted)
            # Taste of the day may differ from what years of plays say: only so many of them hold against it.
            evidence = min(float(ranking.evidence[m]), session_plays)
        spent = 0.0
        left, pick = -1, -1

        open_count = 0
        for k in range(holdings.open_title.shape[1]):
            open_count += holdings.open_title[m, k] >= 0
        u = draws.uniform(seed, key, 0, Stream.BROWSE_CONTINUE)
        if u > (1.0 - continue_ratio) ** open_count:
            nth = int(draws.uniform(seed, key, 1, Stream.BROWSE_CONTINUE) * open_count)
            for k in range(holdings.open_title.shape[1]):
                if holdings.open_title[m, k] >= 0:
                    if nth == 0:
                        pick, left = int(holdings.open_title[m, k]), holdings.open_left_ms[m, k]
                        out.is_rec_driven[i] = holdings.open_is_rec_driven[m, k]
                    nth -= 1
            out.surface[i] = CONTINUE
            spent = _lognormal(seed, key, 0, Stream.BROWSE_DWELL, continue_median, dwell_log_sd)

        will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_INTENT) < intent
        if pick < 0 and not will_search:
            budget = budget_min + (budget_max - budget_min) * draws.uniform(
                seed, key, 0, Stream.BROWSE_BUDGET
            )
            if is_degraded[i]:
                page[:] = ranking.fallback[r]
                score[:] = -np.inf
            else:
                _order(ranking, m, a, taste, h0, h1, holdings.first_week[m], spread, page, score, mean)
            shift = page_shift(seed, key)
            draws_picture = ranking.draws_pictures[a] and not is_degraded[i]
            if draws_picture:
                like_genres(taste, ranking.centre[a], p0, p1, likes)
            for place in range(PLACES):
                of = (place + shift * SLOTS) % PLACES
                title = int(page[of])
                out.page[i, place], out.page_score[i, place] = title, score[of]
                if title >= 0 and draws_picture:
                    out.artwork[i, place] = picture(likes, ranking.genre[title, 0], ranking.genre[title, 1])
            at_row, at_slot = 0, 0
            while at_row < ROWS:
                step = at_row * SLOTS + at_slot
                title = int(out.page[i, step])
                spent += _lognormal(seed, key, step, Stream.BROWSE_DWELL, dwell_median, dwell_log_sd)
                if spent > budget:
                    spent = budget
                    break
                out.examined[i] += 1
                is_taken = False
                if title >= 0:
                    shown_genre = ranking.genre[title, out.artwork[i, step]]
                    if not _contains(holdings.recent[m], title):
                        utility = float(shelf.log_appeal[r, title]) - float(shelf.offset[title])
                        utility += _dot(wanted, shelf.taste[title])
                        utility += artwork_pull * (float(people.liking[m, shown_genre]) - 0.5 * artwork_pull)
                        utility += exposure(at_row, at_slot, home_bonus)
                        utility += draws.gumbel(seed, key, title, Stream.BROWSE_GUMBEL)
                        is_taken = utility > 0.0
                    if is_taken:
                        pick = title
                        out.surface[i], out.row[i], out.slot[i] = HOME, at_row, at_slot
                        out.is_rec_driven[i] = True
                        break
                    if learns and not is_degraded[i]:
                        expected = take_ratio(out.page_score[i, step], ranking.take[a, 0], ranking.take[a, 1])
                        evidence = learn_look(
                            taste, evidence, vectors[title], curvature, h0, h1, False, expected
                        )
                        if p0 >= h1:
                            learn_look(
                                taste,
                                evidence,
                                ranking.centre[a, shown_genre],
                                curvature,
                                p0,
                                p1,
                                False,
                                expected,
                            )
                at_slot += 1
                if at_slot == SLOTS or draws.uniform(seed, key, step, Stream.BROWSE_ROW_LEFT) < next_row:
                    at_row, at_slot = at_row + 1, 0
            will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_SEARCH) < search_ratio

        if will_search:
            spent += _lognormal(seed, key, 0, Stream.BROWSE_TYPING, typing_median, dwell_log_sd)
            target = wish(
                seed, key, wanted, shelf.taste, shelf.offset, shelf.threshold[r], shelf.alias[r], holdings.recent[m]
            )  # fmt: skip
            if target >= 0:
                kind = query_kind(seed, key, carried_ratio)
                out.asked[i], out.wished[i] = kind, target
                _order(
                    ranking,
                    m,
                    a,
                    taste,
                    h0,
                    h1,
                    holdings.first_week[m],
                    spread,
                    out.page_before[i],
                    score,
                    mean,
                )
                results = out.results[i]
                order_results(
                    ranking.found[1 if ranking.by_word[a] else 0, kind, target],
                    ranking.is_name[kind, target], taste, vectors, ranking.norm[a], s0, s1, ranking.is_out,
                    search_taste if learns else 0.0, results, value,
                )  # fmt: skip
                if learns:
                    evidence = learn_asked(taste, evidence, results, vectors, curvature, mean, s0, s1)
                knows_it = kind < 2
                place = -1
                for k in range(results.size):
                    title = int(results[k])
                    if title < 0:
                        break
                    spent += _lognormal(
                        seed, key, PLACES + k, Stream.BROWSE_DWELL, dwell_median, dwell_log_sd
                    )
                    out.results_examined[i] += 1
                    if title == target and kind != 3:
                        pick, place = title, k
                        break
                    # Who knows the title looks the whole list through before taking another.
                    if pick < 0 and not _contains(holdings.recent[m], title):
                        utility = float(shelf.log_appeal[r, title]) - float(shelf.offset[title])
                        utility += _dot(wanted, shelf.taste[title])
                        utility += exposure(0, k, search_bonus)
                        utility += draws.gumbel(seed, key, title, Stream.BROWSE_GUMBEL)
                        if utility > 0.0:
                            pick, place = title, k
                            if not knows_it:
                                break
                if pick >= 0:
                    out.surface[i], out.slot[i] = SEARCH, place
                    out.row[i] = 0

        out.browse_ms[i] = int(spent)
        if pick >= 0:
            out.chosen[i] = pick
            fit = _dot(people.taste[m], shelf.taste[pick])
            joy = enjoyment(seed, people.subscriber[m], pick, fit, shelf.worth[pick])
            out.joy[i] = np.float32(joy)
            sitting = _lognormal(seed, key, 0, Stream.WATCH_SITTING, sitting_median, sitting_log_sd)
            if left < 0 and is_left_at_once(seed, people.subscriber[m], pick, joy):
                out.is_skipped[i] = True
                out.watch_ms[i] = min(preview_ms(seed, key), shelf.runtime_ms[pick])
            else:
                if left < 0:
                    left = target_ms(
                        seed, people.subscriber[m], pick, shelf.is_series[pick], shelf.episode_count[pick],
                        shelf.runtime_ms[pick], joy,
                    )  # fmt: skip
                out.watch_ms[i] = min(left, int(sitting))
            if learns and out.surface[i] == HOME and not is_degraded[i]:
                place = out.row[i] * SLOTS + out.slot[i]
                expected = take_ratio(out.page_score[i, place], ranking.take[a, 0], ranking.take[a, 1])
                is_liked = not out.is_skipped[i]
                evidence = learn_look(taste, evidence, vectors[pick], curvature, h0, h1, is_liked, expected)
                if p0 >= h1:
                    seen = ranking.genre[pick, out.artwork[i, place]]
                    learn_look(
                        taste, evidence, ranking.centre[a, seen], curvature, p0, p1, is_liked, expected
                    )
            if learns and out.surface[i] == SEARCH and not out.is_skipped[i]:
                evidence = learn_pick(taste, evidence, vectors[pick], curvature, s0, s1)
        if out.asked[i] >= 0:
            _order(
                ranking, m, a, taste, h0, h1, holdings.first_week[m], spread, out.page_after[i], score, mean
            )


@inlined
def _order(
    ranking: Ranking, m: int, a: int, taste: Float32Array, low: int, high: int, first_week: bool, spread: float,
    page: Int32Array, score: Float32Array, delta: Float32Array,
) -> None:  # fmt: skip
    if first_week and ranking.spreads[a]:
        spread_page(
            ranking.candidate[m], ranking.score[m], ranking.trained[m], taste, ranking.title[a], low, high,
            ranking.is_out, ranking.genre, ranking.genre_share[a], spread, page, score,
        )  # fmt: skip
    else:
        order_page(
            ranking.candidate[m], ranking.score[m], ranking.trained[m], taste, ranking.title[a], low, high,
            ranking.is_out, page, score, delta,
        )  # fmt: skip


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
