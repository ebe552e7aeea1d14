"""How a member looks for something to play: examine the page, search, go on with a title, or give up.

A session either goes on with an unfinished title (surface ``continue``), opens with a title in mind
(``search``), or examines the home page in order under a time budget. A title is *acceptable* at that moment
when its utility exceeds the member's reservation; the first acceptable title examined is played (``home``):

    utility = appeal and pull + (taste + mood) . title + artwork + exposure + Gumbel noise

If the budget ends first, the member searches for a title they want unaided, or leaves (``none``). Who searches types a
query (:mod:`synthetic.queries`) and looks at what the search service answers, in order: the title they wanted is played
where it stands there; failing that the first acceptable one, or nothing. What a title turns out to be worth is another
matter (:mod:`synthetic.watching`), and decides who comes back (:mod:`synthetic.staying`).

Home is a recommendation surface (artwork is part of it); search is not; a title gone on with counts for the
surface that first brought it.

Everything is a pure function of (seed, session key, the state at the day's start): members may be computed
in any order and any partition. State changes at the daily barrier, in :func:`advance`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.alias import fill_alias
from synthetic.browsing import (
    CONTINUE,
    HOME,
    NONE,
    PLACES,
    RESULTS,
    ROWS,
    SEARCH,
    SLOTS,
    Found,
    Habits,
    Holdings,
    People,
    Scratch,
    Shelf,
    run_sessions,
)
from synthetic.control_plane.in_session import Ranking
from synthetic.control_plane.model import RecommendParameters
from synthetic.looking import dwells
from synthetic.random import Stream
from synthetic.staying import Standing
from synthetic.titles import MOOD_RATIO, Titles
from synthetic.watching import enter_watched

__all__ = [
    "CONTINUE", "HOME", "NONE", "ROWS", "SEARCH", "SLOTS", "Browse", "BrowseParameters", "Market", "MemberState",
    "advance", "browse", "make_market", "onboarding_picks", "people_of",
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
    """How members look: assumptions, two of them fitted to published figures (docs/discovery.md)."""

    acceptable_count: float = 115
    """Titles of the whole catalogue that a member would gladly start at a given moment: .8 % of 18,214. Fitted to the
    median time to find, 60-90 s."""
    appeal_exponent: float = 0.5
    """Demand unaided is awareness x appeal, and being shown replaces awareness: the share of log demand that
    is appeal. Assumption."""
    glance_median_ms: float = 1_600.0
    """A title considered as it goes by: 1.8 s on the mean (Nelson 2016)."""
    detail_ratio: float = 0.2
    """Titles also looked at in detail: 3 of 10-20 (Gomez-Uribe & Hunt 2015). One that is to be played always is, unless
    it was known by name."""
    detail_median_ms: float = 14_100.0
    """Looking at a title in detail: 16 s on the mean. Derived: with it 15 titles, 3 of them in detail, take 75 s, the
    middle of 10-20 titles in 60-90 s."""
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
    search_ratio: float = 0.12
    """Members who search when the page held nothing; the others leave. Fitted to the hours that recommendations bring,
    80 %."""
    carried_ratio: float = 0.85
    """Wishes for a title that the catalogue holds. Assumption."""
    typing_median_ms: float = 15_000.0
    """Typing a query; what is found is then looked at as on the home page. Assumption."""
    continue_median_ms: float = 5_000.0
    """Finding the unfinished title. Assumption."""
    sitting_median_ms: float = 3_000_000.0
    """Time a member has for one sitting: 50 min; with its spread about 50 min are watched. Assumption."""
    sitting_log_sd: float = 0.6
    artwork_pull: float = 0.25
    """What a picture of a genre adds to utility a sd of liking the genre. Assumption."""
    home_bonus: float = 0.2
    search_bonus: float = 0.0
    """What standing at the top of the page or of the results adds to utility, beyond being looked at
    (``browsing.exposure``): 0 is no effect of exposure at all. Assumption."""


@dataclass(frozen=True)
class Market:
    """What titles are worth on one day, ready for the kernel: regions x titles."""

    day: int
    log_appeal: Float32Array
    """log of the expected number of moments a title is acceptable where it is shown, before taste."""
    alias_threshold: Float32Array
    alias: Int32Array


@dataclass(frozen=True)
class MemberState:
    """What ``m`` members have open and have seen, -1 is empty, and how they stand. Changed only by :func:`advance`."""

    open_title: Int32Array
    open_left_ms: IntArray
    open_is_rec_driven: BoolArray
    recent: Int32Array
    recent_count: Int32Array
    standing: Standing

    @staticmethod
    def empty(members: int, standing: Standing | None = None) -> MemberState:
        return MemberState(
            np.full((members, _OPEN_TITLES), -1, np.int32),
            np.zeros((members, _OPEN_TITLES), np.int64),
            np.zeros((members, _OPEN_TITLES), np.bool_),
            np.full((members, _RECENT_TITLES), -1, np.int32),
            np.zeros(members, np.int32),
            standing or Standing.of_joined(np.full(members, -1_000), 0),
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
    is_skipped: BoolArray
    """Left within the first minutes because it was not what it promised."""
    joy: Float32Array
    """What the title gives the member, in sd; hidden from the service. 0 when nothing was played."""
    page: Int32Array
    """[n, PLACES] the home page as the visit was shown it; -1 where it was not."""
    page_score: Float32Array
    """[n, PLACES] what the service gave each title there."""
    artwork: Int8Array
    """[n, PLACES] the picture of each, an index into ``artwork.VARIANTS``."""
    results: Int32Array
    """[n, RESULTS] what the search showed; -1 where there was none."""
    results_feature: Float32Array
    """[n, RESULTS, 3] what each was ordered by (:mod:`~synthetic.control_plane.results`)."""
    page_before: Int32Array
    page_after: Int32Array
    """[n, PLACES] the home page, as it would have been shown just before and just after the search; -1 without one.
    [0, PLACES] where searches were not followed."""


def make_market(
    titles: Titles, demand: npt.NDArray[np.float64], day: int, params: BrowseParameters
) -> Market:
    """The day's market from ``titles.demand(titles, day)``, [regions, count]."""
    appeal = np.where(demand > 0, demand, 0.0) ** params.appeal_exponent
    appeal *= params.acceptable_count / appeal.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_appeal = (np.log(appeal) + titles.pull).astype(np.float32)
    threshold = np.empty(demand.shape, np.float32)
    alias = np.empty(demand.shape, np.int32)
    for region in range(demand.shape[0]):
        fill_alias(demand[region] * demand.shape[1], threshold[region], alias[region])
    return Market(day, log_appeal, threshold, alias)


def people_of(subscriber: IntArray, region: IntArray, taste: Float32Array, titles: Titles) -> People:
    """The hidden truth about members, as the kernel takes it."""
    liking = taste.astype(np.float64) @ titles.genre_centre.astype(np.float64).T
    return People(subscriber, region, taste, liking.astype(np.float32))


def browse(
    seed: int,
    day: int,
    session_key: IntArray,
    member: IntArray,
    *,
    people: People,
    ranking: Ranking,
    preference: Float32Array,
    first_week: BoolArray,
    is_degraded: BoolArray,
    state: MemberState,
    titles: Titles,
    market: Market,
    params: BrowseParameters,
    choices: RecommendParameters | None = None,
    follows_searches: bool = True,
    served: Float32Array | None = None,
) -> tuple[Browse, Float32Array]:
    """Run ``n`` sessions of one day; give what they came to, and the service's idea of taste as the day ends.

    ``session_key`` [n] is unique over the run. ``member`` [n] indexes the arrays of members; a member's sessions stand
    together, in order of time. ``preference`` [m, rank] is the service's idea of taste as the day begins, and
    ``ranking`` what it has ready. Where ``is_degraded`` [n], the page is the ranking's fallback. ``first_week`` [m]:
    who joined less than seven days ago. Without ``follows_searches`` the pages around a search, which only telemetry
    reads, are not laid out. ``served`` [m, rank]: the idea of taste that pages are ordered by all day; None: what is
    known at the moment.
    """
    n = session_key.size
    around = n if follows_searches else 0
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
        is_skipped=np.zeros(n, np.bool_),
        joy=np.zeros(n, np.float32),
        page=np.full((n, PLACES), -1, np.int32),
        page_score=np.full((n, PLACES), -np.inf, np.float32),
        artwork=np.zeros((n, PLACES), np.int8),
        results=np.full((n, RESULTS), -1, np.int32),
        results_feature=np.zeros((n, RESULTS, 3), np.float32),
        page_before=np.full((around, PLACES), -1, np.int32),
        page_after=np.full((around, PLACES), -1, np.int32),
    )
    c = choices or RecommendParameters()
    shelf = Shelf(
        titles.taste, titles.taste_offset, titles.worth, titles.is_series, titles.episode_count, titles.runtime_ms,
        market.log_appeal - titles.taste_offset, market.alias_threshold, market.alias,
    )  # fmt: skip
    holdings = Holdings(
        state.open_title, state.open_left_ms, state.open_is_rec_driven, state.recent, first_week
    )
    given = [name for name in Habits._fields if hasattr(params, name)]
    now = preference.copy()
    run_sessions(
        seed, day, session_key, member, is_degraded, people, shelf, holdings, ranking, c.session_plays,
        c.first_week_spread, now if served is None else served, now,
        Habits(
            **{name: float(getattr(params, name)) for name in given},
            mood_ratio=MOOD_RATIO,
            dwell=dwells(params.dwell_log_sd),
        ),
        Scratch.of(ranking, people, holdings),
        Found(*(getattr(out, name) for name in Found._fields)),
    )  # fmt: skip
    return out, now


def advance(
    state: MemberState,
    seed: int,
    day: int,
    member: IntArray,
    subscriber: IntArray,
    outcome: Browse,
    watched_ms: IntArray,
    strain: FloatArray,
    titles: Titles,
) -> None:
    """The daily barrier: enter what was really watched, in the sessions' order, into ``state`` (in place).

    ``member``, ``outcome``, ``watched_ms`` and ``strain`` (0 for a play that went well, 1 for one that failed) are [n];
    ``subscriber`` is [m]. A member's sessions must stand in order of time.
    """
    enter_watched(
        seed, member, subscriber, outcome.chosen, outcome.is_rec_driven, outcome.is_skipped, outcome.joy, watched_ms,
        titles.is_series, titles.episode_count, titles.runtime_ms,
        state.open_title, state.open_left_ms, state.open_is_rec_driven, state.recent, state.recent_count,
    )  # fmt: skip
    state.standing.enter(
        day, member, outcome.chosen >= 0, outcome.surface != CONTINUE, outcome.joy, watched_ms, strain
    )


def onboarding_picks(
    seed: int, member: IntArray, people: People, titles: Titles, shelf: Int32Array, picks: int = 3
) -> Int32Array:
    """[n, picks] what the new members ``member`` pick of the titles asked about, ``shelf`` [regions, asked]."""
    asked = shelf[people.region[member]]
    known = np.maximum(asked, 0)
    utility = np.einsum("nd,nkd->nk", people.taste[member], titles.taste[known]).astype(np.float64)
    utility -= titles.taste_offset[known]
    utility += draws.gumbels(seed, people.subscriber[member][:, None], known, Stream.BROWSE_ONBOARD)
    utility[asked < 0] = -np.inf
    best = np.argsort(-utility, axis=1, kind="stable")[:, :picks]
    return np.take_along_axis(asked, best, axis=1).astype(np.int32)
