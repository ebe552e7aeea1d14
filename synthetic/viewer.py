"""How a member looks for something to play: examine the page, search, go on with a title, or give up.

A session either goes on with an unfinished title (surface ``continue``), opens with a title in mind (``search``),
or examines the home page in order under a time budget. A title is *acceptable* at that moment when its utility,
``appeal + taste . title + Gumbel noise``, exceeds the member's reservation; the first acceptable title examined
is played (``home``). If the budget ends first, the member searches for a title they want unaided, or leaves
(``none``). Recommendation surfaces are home (artwork is part of it); search is not; a title gone on with counts
for the surface that first brought it.

Everything is a pure function of (seed, session key, the state at the day's start): sessions may be computed in
any order and any partition. State changes at the daily barrier, in :func:`advance`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.jit import compiled
from synthetic.random import Stream
from synthetic.titles import FILM_DROP_MAX, FILM_DROP_MIN, FILM_DROP_RATIO, KEEP_BASE, KEEP_QUALITY, Titles

__all__ = [
    "CONTINUE", "HOME", "NONE", "ROWS", "SEARCH", "SLOTS", "SURFACE_NAMES", "Browse", "BrowseParameters",
    "Market", "MemberState", "advance", "browse", "make_market", "shown_page",
]  # fmt: skip

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

ROWS, SLOTS = 4, 10
NONE, HOME, SEARCH, CONTINUE = -1, 0, 1, 3
SURFACE_NAMES = {HOME: "home", SEARCH: "search", CONTINUE: "continue"}

_PROPOSALS = 24  # candidates from which an unaided wish is resampled by taste
_OPEN_TITLES = 4  # unfinished titles a member keeps in mind
_RECENT_TITLES = 32  # started titles that are not started again


@dataclass(frozen=True)
class BrowseParameters:
    """Assumptions about members. None is set from the share of plays that recommendations drive."""

    acceptable_count: float = 250.0
    """Titles of the whole catalogue that a member would gladly start at a given moment (about 1.4 % of 18,214).
    Assumption, fitted to one moment only: with it a browse that ends in a play takes 60-90 s at most."""
    appeal_exponent: float = 0.5
    """Demand unaided is awareness x appeal. Being shown replaces awareness; this share of log demand is appeal.
    Assumption."""
    dwell_median_ms: float = 4_500.0
    """Looking at one title: 10-20 titles in 60-90 s (Gomez-Uribe & Hunt 2015)."""
    dwell_log_sd: float = 0.5
    """Spread of the time looked at one title. Assumption."""
    budget_min_ms: float = 60_000.0
    budget_max_ms: float = 90_000.0
    """A member loses interest after 60-90 s (Gomez-Uribe & Hunt 2015)."""
    next_row_ratio: float = 0.15
    """Chance to move on to the next row after a title. Assumption: a row is left after some 7 titles."""
    continue_ratio: float = 0.4
    """Chance, for each unfinished title, that the session goes on with it. Assumption."""
    intent_ratio: float = 0.1
    """Sessions opened with a title in mind. Assumption."""
    search_ratio: float = 0.5
    """Members who search when the page held nothing; the others leave. Assumption."""
    search_found_ratio: float = 0.85
    """Wishes that the catalogue can meet. Assumption."""
    search_median_ms: float = 20_000.0
    """Typing and choosing. Assumption."""
    continue_median_ms: float = 5_000.0
    """Finding the unfinished title. Assumption."""
    sitting_median_ms: float = 3_000_000.0
    """Time a member has for one sitting: 50 min; with its spread about 50 min are watched. Assumption."""
    sitting_log_sd: float = 0.6


@dataclass(frozen=True)
class Market:
    """What titles are worth on one day, ready for the kernel: regions x titles."""

    day: int
    log_appeal: Float32Array
    """log of the expected number of moments a title is acceptable, before taste."""
    alias_threshold: Float32Array
    alias: Int32Array


@dataclass(frozen=True)
class MemberState:
    """What ``m`` members have open and have seen; -1 is empty. Changed only by :func:`advance`."""

    open_title: Int32Array
    open_left_ms: IntArray
    open_is_rec_driven: BoolArray
    recent: Int32Array
    recent_count: Int32Array

    @staticmethod
    def empty(members: int) -> MemberState:
        return MemberState(
            np.full((members, _OPEN_TITLES), -1, np.int32),
            np.zeros((members, _OPEN_TITLES), np.int64),
            np.zeros((members, _OPEN_TITLES), np.bool_),
            np.full((members, _RECENT_TITLES), -1, np.int32),
            np.zeros(members, np.int32),
        )


@dataclass(frozen=True)
class Browse:
    """What ``n`` sessions came to."""

    chosen: Int32Array
    """Title index, or -1: nothing was played."""
    surface: npt.NDArray[np.int8]
    """HOME, SEARCH, CONTINUE or NONE."""
    row: npt.NDArray[np.int16]
    slot: npt.NDArray[np.int16]
    """Place on the page as shown; -1 off the home page."""
    examined: npt.NDArray[np.int16]
    """Titles looked at on the home page."""
    browse_ms: IntArray
    """Opening the page to the play instruction, or to giving up."""
    is_rec_driven: BoolArray
    watch_ms: IntArray
    """How long the member would watch if nothing went wrong; 0 when nothing was played."""


def make_market(
    titles: Titles, demand: npt.NDArray[np.float64], day: int, params: BrowseParameters
) -> Market:
    """The day's market from ``titles.demand(titles, day)``, [regions, count]."""
    appeal = np.where(demand > 0, demand, 0.0) ** params.appeal_exponent
    appeal *= params.acceptable_count / appeal.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_appeal = np.log(appeal).astype(np.float32)
    threshold = np.empty(demand.shape, np.float32)
    alias = np.empty(demand.shape, np.int32)
    for region in range(demand.shape[0]):
        _fill_alias(demand[region] * demand.shape[1], threshold[region], alias[region])
    return Market(day, log_appeal, threshold, alias)


def browse(
    seed: int,
    session_key: IntArray,
    member: IntArray,
    *,
    subscriber: IntArray,
    region: IntArray,
    taste: Float32Array,
    pages: Int32Array,
    fallback_pages: Int32Array,
    is_degraded: BoolArray,
    state: MemberState,
    titles: Titles,
    market: Market,
    params: BrowseParameters,
) -> Browse:
    """Run ``n`` sessions of one day.

    ``session_key`` [n] is unique over the run; ``member`` [n] indexes the arrays of members: ``subscriber`` [m]
    (the lasting identity draws hang on), ``region`` [m], ``taste`` [m, D], ``pages`` [m, ROWS * SLOTS] and
    ``state``. Where ``is_degraded`` [n], the page is ``fallback_pages`` [regions, ROWS * SLOTS] instead.
    """
    n = session_key.size
    out = Browse(
        np.full(n, -1, np.int32), np.full(n, NONE, np.int8), np.full(n, -1, np.int16), np.full(n, -1, np.int16),
        np.zeros(n, np.int16), np.zeros(n, np.int64), np.zeros(n, np.bool_), np.zeros(n, np.int64),
    )  # fmt: skip
    p = params
    _browse(
        seed, session_key, member, subscriber, region, taste, pages, fallback_pages, is_degraded,
        state.open_title, state.open_left_ms, state.open_is_rec_driven, state.recent,
        titles.taste, titles.taste_offset, titles.is_series, titles.episode_count, titles.runtime_ms,
        titles.quality, market.log_appeal, market.alias_threshold, market.alias,
        np.array([p.dwell_median_ms, p.dwell_log_sd, p.budget_min_ms, p.budget_max_ms, p.next_row_ratio,
                  p.continue_ratio, p.intent_ratio, p.search_ratio, p.search_found_ratio, p.search_median_ms,
                  p.continue_median_ms, p.sitting_median_ms, p.sitting_log_sd]),
        out.chosen, out.surface, out.row, out.slot, out.examined, out.browse_ms, out.is_rec_driven, out.watch_ms,
    )  # fmt: skip
    return out


def advance(
    state: MemberState, seed: int, member: IntArray, subscriber: IntArray, outcome: Browse, watched_ms: IntArray,
    titles: Titles,
) -> None:  # fmt: skip
    """The daily barrier: enter what was really watched, in the sessions' order, into ``state`` (in place)."""
    _advance(
        seed, member, subscriber, outcome.chosen, outcome.is_rec_driven, watched_ms,
        titles.is_series, titles.episode_count, titles.runtime_ms, titles.quality,
        state.open_title, state.open_left_ms, state.open_is_rec_driven, state.recent, state.recent_count,
    )  # fmt: skip


@compiled()
def page_shift(seed: int, session_key: int) -> int:
    """Rows are put in another order at each visit: the row of the page that is shown first."""
    return np.int64(draws.uniform(seed, session_key, 0, Stream.BROWSE_OUTSIDE) * ROWS)


def shown_page(seed: int, session_key: int, page: Int32Array) -> Int32Array:
    """The page of one member as that session showed it, [ROWS, SLOTS]."""
    return np.roll(page.reshape(ROWS, SLOTS), -page_shift(seed, session_key), axis=0)


@compiled()
def target_ms(
    seed: int, subscriber: int, title: int, is_series: bool, episodes: int, runtime_ms: int, quality: float
) -> int:
    """How much of a title the member would watch in all, over as many sittings as it takes."""
    u = draws.uniform(seed, subscriber, title, Stream.MEMBER_GENRE)
    if is_series:
        keep = min(max(KEEP_BASE + KEEP_QUALITY * quality, 0.7), 0.97)
        seen = 1 + np.int64(draws.log(u) / draws.log(keep))
        return runtime_ms * min(seen, episodes)
    if u < FILM_DROP_RATIO:
        return np.int64(runtime_ms * (FILM_DROP_MIN + (FILM_DROP_MAX - FILM_DROP_MIN) * u / FILM_DROP_RATIO))
    return runtime_ms


@compiled()
def wish(
    seed: int, key: int, taste: Float32Array, title_taste: Float32Array, title_offset: Float32Array,
    threshold: Float32Array, alias: Int32Array, seen: Int32Array,
) -> int:  # fmt: skip
    """A title wanted unaided: drawn by demand, resampled by taste (sampling-importance resampling); -1: none."""
    best, best_utility = -1, -np.inf
    count = threshold.size
    for k in range(_PROPOSALS):
        u = draws.uniform(seed, key, k, Stream.BROWSE_PREFERENCE) * count
        title = np.int64(u)
        if u - title >= threshold[title]:
            title = np.int64(alias[title])
        if _contains(seen, title):
            continue
        utility = draws.gumbel(seed, key, -1 - k, Stream.BROWSE_GUMBEL) - title_offset[title]
        utility += _dot(taste, title_taste[title])
        if utility > best_utility:
            best, best_utility = title, utility
    return best


@compiled()
def _dot(left: Float32Array, right: Float32Array) -> float:
    total = 0.0
    for d in range(left.size):
        total += np.float64(left[d]) * np.float64(right[d])
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
def _browse(
    seed, session_key, member, subscriber, region, taste, pages, fallback_pages, is_degraded,
    open_title, open_left_ms, open_is_rec_driven, recent,
    title_taste, title_offset, is_series, episode_count, runtime_ms, quality, log_appeal, threshold, alias,
    params, chosen, surface, row, slot, examined, browse_ms, is_rec_driven, watch_ms,
):  # type: ignore[no-untyped-def]  # fmt: skip
    (dwell_median, dwell_log_sd, budget_min, budget_max, next_row, continue_ratio, intent, search_ratio,
     search_found, search_median, continue_median, sitting_median, sitting_log_sd) = (
        params[0], params[1], params[2], params[3], params[4], params[5], params[6], params[7], params[8],
        params[9], params[10], params[11], params[12])  # fmt: skip
    for i in range(session_key.size):
        key, m = session_key[i], member[i]
        r = region[m]
        spent = 0.0
        left = np.int64(-1)
        pick = np.int64(-1)

        open_count = 0
        for k in range(open_title.shape[1]):
            open_count += open_title[m, k] >= 0
        u = draws.uniform(seed, key, 0, Stream.BROWSE_CONTINUE)
        if u > (1.0 - continue_ratio) ** open_count:
            nth = np.int64(draws.uniform(seed, key, 1, Stream.BROWSE_CONTINUE) * open_count)
            for k in range(open_title.shape[1]):
                if open_title[m, k] >= 0:
                    if nth == 0:
                        pick, left = np.int64(open_title[m, k]), open_left_ms[m, k]
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
                title = np.int64(page[((at_row + shift) % ROWS) * SLOTS + at_slot])
                step = at_row * SLOTS + at_slot
                spent += _lognormal(seed, key, step, Stream.BROWSE_DWELL, dwell_median, dwell_log_sd)
                if spent > budget:
                    spent = budget
                    break
                examined[i] += 1
                if title >= 0 and not _contains(recent[m], title):
                    utility = np.float64(log_appeal[r, title]) - np.float64(title_offset[title])
                    utility += _dot(taste[m], title_taste[title])
                    utility += draws.gumbel(seed, key, title, Stream.BROWSE_GUMBEL)
                    if utility > 0.0:
                        pick = title
                        surface[i], row[i], slot[i], is_rec_driven[i] = HOME, at_row, at_slot, True
                        break
                at_slot += 1
                if at_slot == SLOTS or draws.uniform(seed, key, step, Stream.BROWSE_ARTWORK) < next_row:
                    at_row, at_slot = at_row + 1, 0
            will_search = pick < 0 and draws.uniform(seed, key, 0, Stream.BROWSE_SEARCH) < search_ratio

        if will_search:
            spent += _lognormal(seed, key, 1_000, Stream.BROWSE_DWELL, search_median, dwell_log_sd)
            if draws.uniform(seed, key, 1, Stream.BROWSE_SEARCH) < search_found:
                pick = wish(seed, key, taste[m], title_taste, title_offset, threshold[r], alias[r], recent[m])
            if pick >= 0:
                surface[i] = SEARCH

        browse_ms[i] = np.int64(spent)
        if pick >= 0:
            chosen[i] = pick
            if left < 0:
                left = target_ms(
                    seed, subscriber[m], pick, is_series[pick], episode_count[pick], runtime_ms[pick],
                    quality[pick],
                )  # fmt: skip
            sitting = _lognormal(seed, key, 1, Stream.BROWSE_BUDGET, sitting_median, sitting_log_sd)
            watch_ms[i] = min(left, np.int64(sitting))


@compiled()
def _advance(
    seed, member, subscriber, chosen, is_rec_driven, watched_ms, is_series, episode_count, runtime_ms, quality,
    open_title, open_left_ms, open_is_rec_driven, recent, recent_count,
):  # type: ignore[no-untyped-def]  # fmt: skip
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
def _fill_alias(scaled: npt.NDArray[np.float64], threshold: Float32Array, alias: Int32Array) -> None:
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
