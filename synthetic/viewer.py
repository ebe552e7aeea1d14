"""How a member looks for something to play: examine the page, search, go on with a title, or give up.

A session either goes on with an unfinished title (surface ``continue``), opens with a title in mind
(``search``), or examines the home page in order under a time budget. A title is *acceptable* at that moment
when its utility, ``appeal + taste . title + Gumbel noise``, exceeds the member's reservation; the first
acceptable title examined is played (``home``). If the budget ends first, the member searches for a title they
want unaided, or leaves (``none``).

Who searches types a query (:mod:`synthetic.queries`) and looks at what the search service answers, in order:
the title they wanted is played where it stands there; failing that the first acceptable one, or nothing.

Home is a recommendation surface (artwork is part of it); search is not; a title gone on with counts for the
surface that first brought it.

Everything is a pure function of (seed, session key, the state at the day's start): sessions may be computed
in any order and any partition. State changes at the daily barrier, in :func:`advance`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.browsing import (
    CONTINUE,
    HOME,
    NONE,
    ROWS,
    SEARCH,
    SLOTS,
    enter_watched,
    fill_alias,
    page_shift,
    run_sessions,
)
from synthetic.titles import Titles

__all__ = [
    "CONTINUE", "HOME", "NONE", "ROWS", "SEARCH", "SLOTS", "Browse", "BrowseParameters",
    "Market", "MemberState", "advance", "browse", "make_market", "shown_page",
]  # fmt: skip

IntArray = npt.NDArray[np.int64]
Int16Array = npt.NDArray[np.int16]
Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_OPEN_TITLES = 4  # unfinished titles a member keeps in mind
_RECENT_TITLES = 32  # started titles that are not started again


@dataclass(frozen=True)
class BrowseParameters:
    """Assumptions about members. None is set from the share of plays that recommendations drive."""

    acceptable_count: float = 250.0
    """Titles of the whole catalogue that a member would gladly start at a given moment: 1.4 % of 18,214.
    Assumption, a round figure chosen before the first run and left there; no public figure exists. Half of it
    or twice it moves the share of hours that recommendations drive by -10 or +6 points."""
    appeal_exponent: float = 0.5
    """Demand unaided is awareness x appeal, and being shown replaces awareness: the share of log demand that
    is appeal. Assumption."""
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
    carried_ratio: float = 0.85
    """Wishes for a title that the catalogue holds. Assumption."""
    typing_median_ms: float = 15_000.0
    """Typing a query; what is found is then looked at as on the home page. Assumption."""
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
    surface: Int8Array
    """HOME, SEARCH, CONTINUE or NONE."""
    row: Int16Array
    slot: Int16Array
    """Place on the page as shown, or in the list of results (one row); -1 off both."""
    examined: Int16Array
    """Titles looked at on the home page."""
    asked: Int8Array
    """How the member put a search into words, an index into ``queries.KINDS``; -1: no search."""
    wished: Int32Array
    """The title they had in mind, or one like it that is not carried; -1: no search."""
    results_examined: Int16Array
    """Titles looked at among the results."""
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
        fill_alias(demand[region] * demand.shape[1], threshold[region], alias[region])
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
    answers: Int32Array,
    params: BrowseParameters,
) -> Browse:
    """Run ``n`` sessions of one day.

    ``session_key`` [n] is unique over the run; ``member`` [n] indexes the arrays of members: ``subscriber``
    [m] (the lasting identity draws hang on), ``region`` [m], ``taste`` [m, D], ``pages`` [m, ROWS * SLOTS]
    and ``state``. Where ``is_degraded`` [n], the page is ``fallback_pages`` [regions, ROWS * SLOTS] instead.
    ``answers`` [kinds of query, titles, k] are the results of the query of each kind for each title, best first.
    """
    n = session_key.size
    out = Browse(
        chosen=np.full(n, -1, np.int32),
        surface=np.full(n, NONE, np.int8),
        row=np.full(n, -1, np.int16),
        slot=np.full(n, -1, np.int16),
        examined=np.zeros(n, np.int16),
        asked=np.full(n, -1, np.int8),
        wished=np.full(n, -1, np.int32),
        results_examined=np.zeros(n, np.int16),
        browse_ms=np.zeros(n, np.int64),
        is_rec_driven=np.zeros(n, np.bool_),
        watch_ms=np.zeros(n, np.int64),
    )
    p = params
    run_sessions(
        seed, session_key, member, subscriber, region, taste, pages, fallback_pages, is_degraded,
        state.open_title, state.open_left_ms, state.open_is_rec_driven, state.recent,
        titles.taste, titles.taste_offset, titles.is_series, titles.episode_count, titles.runtime_ms,
        titles.quality, market.log_appeal, market.alias_threshold, market.alias, answers,
        np.array([p.dwell_median_ms, p.dwell_log_sd, p.budget_min_ms, p.budget_max_ms, p.next_row_ratio,
                  p.continue_ratio, p.intent_ratio, p.search_ratio, p.carried_ratio, p.typing_median_ms,
                  p.continue_median_ms, p.sitting_median_ms, p.sitting_log_sd]),
        out.chosen, out.surface, out.row, out.slot, out.examined, out.asked, out.wished,
        out.results_examined, out.browse_ms, out.is_rec_driven, out.watch_ms,
    )  # fmt: skip
    return out


def advance(
    state: MemberState,
    seed: int,
    member: IntArray,
    subscriber: IntArray,
    outcome: Browse,
    watched_ms: IntArray,
    titles: Titles,
) -> None:
    """The daily barrier: enter what was really watched, in the sessions' order, into ``state`` (in place).

    ``member``, ``outcome`` and ``watched_ms`` are [n]; a member's sessions must stand in order of time.
    """
    enter_watched(
        seed, member, subscriber, outcome.chosen, outcome.is_rec_driven, watched_ms,
        titles.is_series, titles.episode_count, titles.runtime_ms, titles.quality,
        state.open_title, state.open_left_ms, state.open_is_rec_driven, state.recent, state.recent_count,
    )  # fmt: skip


def shown_page(seed: int, session_key: int, page: Int32Array) -> Int32Array:
    """The page of one member as that session showed it, [ROWS, SLOTS]."""
    return np.roll(page.reshape(ROWS, SLOTS), -page_shift(seed, session_key), axis=0)
