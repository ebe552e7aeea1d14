"""The compiled half of :mod:`synthetic.viewer`: a member's visits of one day after the other, whoever asks.

Two minds meet here and are kept apart. The viewer's is hidden: taste, mood, what a title is worth to them
(:mod:`synthetic.wishes`). The service's is :mod:`synthetic.control_plane.in_session`, whose functions are handed what
was shown and what was played.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.browse_arrays import (
    CONTINUE,
    HOME,
    NONE,
    PLACES,
    RESULTS,
    SEARCH,
    Found,
    Habits,
    Holdings,
    People,
    Scratch,
    Shelf,
)
from synthetic.control_plane.in_session import (
    ARTWORK_HEAD,
    HOME_HEAD,
    SEARCH_HEAD,
    Ranking,
    learn_asked,
    learn_look,
    learn_pick,
    like_genres,
    order_page,
    picture,
    spread_page,
    take_ratio,
)
from synthetic.control_plane.page import ROWS, SLOTS, page_shift
from synthetic.control_plane.results import order_results
from synthetic.jit import compiled, inlined
from synthetic.looking import detail_ms, glance_ms, is_in_detail, leaves_row, look
from synthetic.products import product
from synthetic.random import Stream
from synthetic.watching import enjoyment, is_left_at_once, is_over, preview_ms, target_ms
from synthetic.wishes import add_mood, contains, exposure, is_good_enough, lognormal, query_kind, wish

__all__ = [
    "CONTINUE", "HOME", "NONE", "PLACES", "RESULTS", "ROWS", "SEARCH", "SLOTS", "Found", "Habits", "Holdings", "People",
    "Scratch", "Shelf", "examined_places", "run_sessions",
]  # fmt: skip

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Int16Array = npt.NDArray[np.int16]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


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
            if slot == SLOTS or leaves_row(look(seed, key[i], place), next_row):
                row, slot = row + 1, 0


@compiled(counted=False)
def run_sessions(
    seed: int, day: int, session_key: IntArray, member: IntArray, is_degraded: BoolArray, people: People, shelf: Shelf,
    holdings: Holdings, ranking: Ranking, session_plays: float, spread: float,
    served: Float32Array, now: Float32Array, habits: Habits, scratch: Scratch, out: Found,
) -> None:  # fmt: skip
    """Visits of one day; a member's stand together, in order of time.

    ``now`` [m, d] is the service's idea of taste: on entry as the day begins, on return as it ends. ``served`` [m, d]
    is the one that pages and results are ordered by: the same array where signals count at once. ``session_plays`` and
    ``spread`` are the service's choices (``recommend.RecommendParameters``).
    """
    wanted, mean, space, page, score, value, lift, likes, logged = (
        scratch.wanted, scratch.mean, scratch.space, scratch.page, scratch.score, scratch.value, scratch.lift,
        scratch.likes, scratch.logged,
    )  # fmt: skip
    follows = out.page_before.shape[0] > 0
    evidence = 0.0
    mood_of = -1
    for i in range(session_key.size):
        key, m = session_key[i], member[i]
        if i == 0 or member[i - 1] != m:
            # Taste of the day may differ from what years of plays say: only so many of them hold against it.
            evidence = min(float(ranking.evidence[m]), session_plays)
            for k in range(scratch.open_title.size):
                scratch.open_title[k] = holdings.open_title[m, k]
                scratch.open_left_ms[k] = holdings.open_left_ms[m, k]
        taste, a = served[m], ranking.arm[m]
        learns, h0, h1 = ranking.learns[a], ranking.block[a, HOME_HEAD, 0], ranking.block[a, HOME_HEAD, 1]
        pick, left = _go_on(seed, key, scratch.open_title, scratch.open_left_ms, habits.continue_ratio)
        spent = 0.0
        if pick >= 0:
            out.surface[i] = CONTINUE
            for k in range(holdings.open_title.shape[1]):
                if holdings.open_title[m, k] == pick:
                    out.is_rec_driven[i] = holdings.open_is_rec_driven[m, k]
            spent = lognormal(
                seed, key, 0, Stream.BROWSE_DWELL, habits.continue_median_ms, habits.dwell_log_sd
            )
        elif mood_of != m:
            add_mood(
                seed, people.subscriber[m], day, people.taste[m], habits.mood_ratio, scratch.mood, wanted
            )
            mood_of = m
        will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_INTENT) < habits.intent_ratio
        if pick < 0 and not will_search:
            _show_page(
                seed, key, i, m, a, is_degraded[i], people.region[m], taste, holdings.first_week[m], ranking, spread,
                page, score, space, likes, out,
            )  # fmt: skip
            spent, pick, evidence = _look_along(
                seed, key, i, m, a, learns and not is_degraded[i], wanted, now[m], evidence, people, shelf,
                holdings.recent[m], ranking, habits, out,
            )  # fmt: skip
            will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_SEARCH) < habits.search_ratio
        if will_search:
            target = wish(
                seed, key, wanted, shelf.taste, shelf.offset, shelf.threshold[people.region[m]],
                shelf.alias[people.region[m]], holdings.recent[m], scratch.proposed, scratch.utility,
            )  # fmt: skip
            spent += lognormal(
                seed, key, 0, Stream.BROWSE_TYPING, habits.typing_median_ms, habits.dwell_log_sd
            )
            if target >= 0:
                kind = query_kind(seed, key, habits.carried_ratio)
                out.asked[i], out.wished[i] = kind, target
                if follows:
                    _order(
                        ranking, m, a, taste, h0, h1, holdings.first_week[m], spread, out.page_before[i], score, space
                    )  # fmt: skip
                results, by_word = out.results[i], 1 if ranking.by_word[a] else 0
                s0, s1 = ranking.block[a, SEARCH_HEAD, 0], ranking.block[a, SEARCH_HEAD, 1]
                order_results(
                    ranking.found[by_word, kind, target], ranking.relevance[by_word, kind, target],
                    ranking.is_name[kind, target], ranking.popularity[a, people.region[m]], taste, ranking.title[a],
                    ranking.norm[a], s0, s1, ranking.is_out, ranking.search_weight[a], results,
                    out.results_feature[i], value, lift,
                )  # fmt: skip
                if learns:
                    for k in range(RESULTS):
                        logged[k] = ranking.logged_as[results[k]] if results[k] >= 0 else -1
                    evidence = learn_asked(
                        now[m], evidence, logged, ranking.title[a], ranking.curvature[a], mean, s0, s1
                    )
                spent, pick = _look_through(
                    seed, key, i, m, kind, target, spent, wanted, people, shelf, holdings.recent[m], habits, out
                )  # fmt: skip
        out.browse_ms[i] = int(spent)
        if pick >= 0:
            _watch(seed, key, i, m, pick, left, people, shelf, habits, out)
            if left >= 0:
                _watch_on(pick, left - out.watch_ms[i], shelf.runtime_ms[pick], scratch)
            if learns:
                evidence = _learn_play(i, a, pick, now[m], evidence, is_degraded[i], ranking, out)
        if follows and out.asked[i] >= 0:
            _order(
                ranking, m, a, taste, h0, h1, holdings.first_week[m], spread, out.page_after[i], score, space
            )


@inlined
def _go_on(
    seed: int, key: int, open_title: Int32Array, left_ms: IntArray, continue_ratio: float
) -> tuple[int, int]:
    """An unfinished title that the visit goes on with and what is left of it, or -1 and -1."""
    count, leaves_all = 0, 1.0
    for title in open_title:
        if title >= 0:
            count += 1
            leaves_all *= 1.0 - continue_ratio
    pick, left = -1, -1
    if draws.uniform(seed, key, 0, Stream.BROWSE_CONTINUE) > leaves_all:
        nth = int(draws.uniform(seed, key, 1, Stream.BROWSE_CONTINUE) * count)
        for k in range(open_title.size):
            if open_title[k] >= 0:
                if nth == 0:
                    pick, left = int(open_title[k]), left_ms[k]
                nth -= 1
    return pick, left


@inlined
def _show_page(
    seed: int, key: int, i: int, m: int, a: int, is_degraded: bool, region: int, taste: Float32Array, first_week: bool,
    ranking: Ranking, spread: float, page: Int32Array, score: Float32Array, space: Float32Array, likes: Float32Array,
    out: Found,
) -> None:  # fmt: skip
    """The home page of this visit, with its pictures."""
    if is_degraded:
        score[:] = -np.inf
        for place in range(PLACES):
            page[place] = ranking.fallback[region, place]
    else:
        h0, h1 = ranking.block[a, HOME_HEAD, 0], ranking.block[a, HOME_HEAD, 1]
        _order(ranking, m, a, taste, h0, h1, first_week, spread, page, score, space)
    shift = page_shift(seed, key)
    for row in range(ROWS):
        here, there = row * SLOTS, (row + shift) % ROWS * SLOTS
        for slot in range(SLOTS):
            out.page[i, here + slot], out.page_score[i, here + slot] = page[there + slot], score[there + slot]
    if ranking.draws_pictures[a] and not is_degraded:
        p0, p1 = ranking.block[a, ARTWORK_HEAD, 0], ranking.block[a, ARTWORK_HEAD, 1]
        like_genres(taste, ranking.centre[a], p0, p1, likes)
        for place in range(PLACES):
            title = out.page[i, place]
            if title >= 0:
                out.artwork[i, place] = picture(likes, ranking.genre[title, 0], ranking.genre[title, 1])


@inlined
def _look_along(
    seed: int, key: int, i: int, m: int, a: int, learns: bool, wanted: Float32Array, taste: Float32Array,
    evidence: float, people: People, shelf: Shelf, recent: Int32Array, ranking: Ranking, habits: Habits, out: Found,
) -> tuple[float, int, float]:  # fmt: skip
    """Along the rows of the page until a title is good enough or time is up; what passes by is learned from."""
    budget = habits.budget_min_ms + (habits.budget_max_ms - habits.budget_min_ms) * draws.uniform(
        seed, key, 0, Stream.BROWSE_BUDGET
    )
    region, pull = people.region[m], habits.artwork_pull
    vectors, curvature = ranking.title[a], ranking.curvature[a]
    h0, h1 = ranking.block[a, HOME_HEAD, 0], ranking.block[a, HOME_HEAD, 1]
    p0, p1 = ranking.block[a, ARTWORK_HEAD, 0], ranking.block[a, ARTWORK_HEAD, 1]
    spent, pick = 0.0, -1
    row, slot = 0, 0
    while row < ROWS and pick < 0:
        place = row * SLOTS + slot
        title = int(out.page[i, place])
        seen = look(seed, key, place)
        in_detail = is_in_detail(seen, habits)
        spent += glance_ms(seen, habits)
        spent += detail_ms(seen, habits) if in_detail else 0.0
        if spent > budget:
            spent = budget
            break
        out.examined[i] += 1
        if title >= 0:
            pictured = ranking.genre[title, out.artwork[i, place]]
            utility = float(shelf.appeal[region, title]) + float(product(wanted, shelf.taste[title]))
            utility += pull * (float(people.liking[m, pictured]) - 0.5 * pull)
            utility += exposure(row, slot, habits.home_bonus)
            if is_good_enough(seed, key, title, utility) and not contains(recent, title):
                pick = title
                out.surface[i], out.row[i], out.slot[i] = HOME, row, slot
                out.is_rec_driven[i] = True
                spent += 0.0 if in_detail else detail_ms(seen, habits)
            elif learns:
                expected = take_ratio(out.page_score[i, place], ranking.take[a, 0], ranking.take[a, 1])
                evidence = learn_look(
                    taste, evidence, vectors[title], curvature, h0, h1, False, expected, ranking.take[a, 1]
                )
                if p0 >= h1:
                    centre = ranking.centre[a, pictured]
                    learn_look(
                        taste, evidence, centre, curvature, p0, p1, False, expected, ranking.take[a, 1]
                    )
        slot += 1
        if slot == SLOTS or leaves_row(seen, habits.next_row_ratio):
            row, slot = row + 1, 0
    return spent, pick, evidence


@inlined
def _look_through(
    seed: int, key: int, i: int, m: int, kind: int, target: int, spent: float, wanted: Float32Array, people: People,
    shelf: Shelf, recent: Int32Array, habits: Habits, out: Found,
) -> tuple[float, int]:  # fmt: skip
    """Through the results in order, until the title wanted, or one good enough, or the end of the list."""
    region = people.region[m]
    knows_it = kind < 2
    pick, place = -1, -1
    for k in range(RESULTS):
        title = int(out.results[i, k])
        if title < 0:
            break
        seen = look(seed, key, PLACES + k)
        in_detail = is_in_detail(seen, habits)
        spent += glance_ms(seen, habits)
        spent += detail_ms(seen, habits) if in_detail else 0.0
        out.results_examined[i] += 1
        if title == target and kind != 3:
            pick, place = title, k
            spent += 0.0 if in_detail or knows_it else detail_ms(seen, habits)
            break
        # Who knows the title looks the whole list through before taking another.
        if pick < 0:
            utility = float(shelf.appeal[region, title]) + float(product(wanted, shelf.taste[title]))
            utility += exposure(0, k, habits.search_bonus)
            if is_good_enough(seed, key, title, utility) and not contains(recent, title):
                pick, place = title, k
                spent += 0.0 if in_detail else detail_ms(seen, habits)
                if not knows_it:
                    break
    if pick >= 0:
        out.surface[i], out.row[i], out.slot[i] = SEARCH, 0, place
    return spent, pick


@inlined
def _watch(
    seed: int, key: int, i: int, m: int, pick: int, left: int, people: People, shelf: Shelf, habits: Habits, out: Found
) -> None:  # fmt: skip
    """What the title turns out to be, and how long it is watched; ``left`` is -1 for one not started before."""
    subscriber = people.subscriber[m]
    fit = float(product(people.taste[m], shelf.taste[pick]))
    joy = enjoyment(seed, subscriber, pick, fit, shelf.worth[pick])
    out.chosen[i], out.joy[i] = pick, np.float32(joy)
    if left < 0 and is_left_at_once(seed, subscriber, pick, joy):
        out.is_skipped[i] = True
        out.watch_ms[i] = min(preview_ms(seed, key), shelf.runtime_ms[pick])
    else:
        if left < 0:
            left = target_ms(
                seed, subscriber, pick, shelf.is_series[pick], shelf.episode_count[pick], shelf.runtime_ms[pick], joy
            )  # fmt: skip
        sitting = lognormal(
            seed, key, 0, Stream.WATCH_SITTING, habits.sitting_median_ms, habits.sitting_log_sd
        )
        out.watch_ms[i] = min(left, int(sitting))


@inlined
def _watch_on(pick: int, left: int, runtime_ms: int, scratch: Scratch) -> None:
    """What later visits of the day find of a title gone on with: what is left, or nothing where that is little."""
    for k in range(scratch.open_title.size):
        if scratch.open_title[k] == pick:
            scratch.open_left_ms[k] = left
            if is_over(left, runtime_ms):
                scratch.open_title[k] = -1


@inlined
def _learn_play(
    i: int,
    a: int,
    pick: int,
    taste: Float32Array,
    evidence: float,
    is_degraded: bool,
    ranking: Ranking,
    out: Found,
) -> float:
    """What the service learns of a play, by the surface that brought it; gives the evidence after it."""
    vectors, curvature = ranking.title[a], ranking.curvature[a]
    if out.surface[i] == HOME and not is_degraded:
        h0, h1 = ranking.block[a, HOME_HEAD, 0], ranking.block[a, HOME_HEAD, 1]
        p0, p1 = ranking.block[a, ARTWORK_HEAD, 0], ranking.block[a, ARTWORK_HEAD, 1]
        place = out.row[i] * SLOTS + out.slot[i]
        expected = take_ratio(out.page_score[i, place], ranking.take[a, 0], ranking.take[a, 1])
        is_liked = not out.is_skipped[i]
        evidence = learn_look(
            taste, evidence, vectors[pick], curvature, h0, h1, is_liked, expected, ranking.take[a, 1]
        )
        if p0 >= h1:
            centre = ranking.centre[a, ranking.genre[pick, out.artwork[i, place]]]
            learn_look(taste, evidence, centre, curvature, p0, p1, is_liked, expected, ranking.take[a, 1])
    if out.surface[i] == SEARCH and not out.is_skipped[i]:
        s0, s1 = ranking.block[a, SEARCH_HEAD, 0], ranking.block[a, SEARCH_HEAD, 1]
        evidence = learn_pick(taste, evidence, vectors[ranking.logged_as[pick]], curvature, s0, s1)
    return evidence


@inlined
def _order(
    ranking: Ranking, m: int, a: int, taste: Float32Array, low: int, high: int, first_week: bool, spread: float,
    page: Int32Array, score: Float32Array, space: Float32Array,
) -> None:  # fmt: skip
    if first_week and ranking.spreads[a]:
        spread_page(
            ranking.candidate[m], ranking.score[m], ranking.trained[m], taste, ranking.title[a], low, high,
            ranking.is_out, ranking.genre, ranking.genre_share[a], spread, page, score, space,
        )  # fmt: skip
    else:
        order_page(
            ranking.candidate[m], ranking.score[m], ranking.trained[m], taste, ranking.title[a], low, high,
            ranking.is_out, page, score, space,
        )  # fmt: skip
