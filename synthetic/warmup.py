"""The weeks before day 0, of which no telemetry is written.

First a history of plays drawn from true preference, unaided, so that the recommender has something to learn
from. Then two weeks in which members browse real pages, so that on day 0 titles are half watched, the model has
seen plays of its own making, and visits are as many as the scenario's hours need.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.control_plane.play_log import PlayLog
from synthetic.day import first_week, session_keys
from synthetic.demand import Visits, visits_of_day
from synthetic.discovery import Discovery, ranking_of
from synthetic.jit import compiled
from synthetic.random import Stream
from synthetic.staying import Standing
from synthetic.titles import MOOD_RATIO, Titles, demand
from synthetic.viewer import Browse, BrowseParameters, MemberState, advance, browse, make_market
from synthetic.watching import enjoyment, is_left_at_once, preview_ms, target_ms
from synthetic.wishes import PROPOSALS, add_mood, wish
from synthetic.world import World

__all__ = ["SETTLING_WEEKS", "Settled", "live_day", "settle_in", "warmup_plays"]

SETTLING_WEEKS = 2

IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]

STARTS_A_WEEK = 6.0
"""Mean starts a member and week. Derived: 1.67 h a day (published) over the 2 h or so that a start brings."""


SEARCH_RATIO = 0.2
"""Starts of the history that came by search; the rest by the home page (Gomez-Uribe & Hunt 2015)."""


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
    """Starts in ``weeks`` weeks by members who had joined by then; days are negative, up to the settling weeks.

    ``tenure_days`` [m] is the age of each membership at day 0 (zero or less: not yet a member).
    """
    parts = []
    for week in range(-weeks - SETTLING_WEEKS, -SETTLING_WEEKS):
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
            titles.episode_count, titles.runtime_ms, titles.worth, market.alias_threshold, market.alias,
            MOOD_RATIO, title, ratio,
        )  # fmt: skip
        day = 7 * week + (draws.uniforms(seed, key, 1, Stream.WARMUP_PLAY) * 7).astype(np.int32)
        # Asked for, every one; which surface took the asking follows the published share.
        by_search = draws.uniforms(seed, key, 2, Stream.WARMUP_PLAY) < SEARCH_RATIO
        parts.append(
            PlayLog(
                member,
                title,
                day.astype(np.int32),
                ratio,
                np.ones(member.size, np.bool_),
                by_search,
                np.ones(member.size, np.float32),
                titles.genre[title, 0].astype(np.int8),
            )
        )
    log = parts[0]
    for part in parts[1:]:
        log = log + part
    return log


@dataclass(frozen=True)
class Settled:
    """The world as ``day`` finds it."""

    discovery: Discovery
    state: MemberState
    visits_per_member_day: float
    """Visits with which members mean to watch the scenario's hours."""
    day: int = 0


def live_day(
    world: World, discovery: Discovery, state: MemberState, day: int, visits_per_member_day: float
) -> tuple[Visits, Browse]:
    """A day without delivery, which moves ``discovery`` and ``state``: what is chosen is watched as meant."""
    scenario, members = world.scenario, world.members
    discovery.open_day(day)
    visits = visits_of_day(
        scenario, world.places, members, np.arange(members.count), day, visits_per_member_day, state.standing
    )
    key, nowhere = session_keys(visits), np.zeros(visits.member.size, np.bool_)
    found, preference = browse(
        scenario.seed,
        day,
        key,
        visits.member,
        people=world.people,
        ranking=ranking_of(world, discovery.week, day, discovery.search_log_ids(day)),
        preference=discovery.preference,
        first_week=first_week(members.join_day, day),
        is_degraded=nowhere,
        state=state,
        titles=world.titles,
        market=make_market(world.titles, demand(world.titles, day), day, world.params),
        params=world.params,
        choices=discovery.choices,
        follows_searches=False,
        served=discovery.served,
    )
    strain = np.zeros(visits.member.size)
    advance(
        state,
        scenario.seed,
        day,
        visits.member,
        world.subscriber,
        found,
        found.watch_ms,
        strain,
        world.titles,
    )
    discovery.enter(day, key, visits.member, nowhere, found, found.watch_ms, preference)
    return visits, found


def settle_in(world: World) -> Settled:
    """Let members browse for the settling weeks: pages are learned weekly, what is chosen is watched as meant."""
    scenario, members = world.scenario, world.members
    seed = scenario.seed
    discovery = Discovery(
        world,
        warmup_plays(
            seed,
            subscriber=world.subscriber,
            region=members.region,
            taste=world.taste,
            tenure_days=-members.join_day,
            titles=world.titles,
            params=world.params,
        ),
    )
    standing = Standing.of_joined(members.join_day, scenario.membership.trial_days)
    state = MemberState.empty(members.count, standing)
    wanted_ms = scenario.demand.hours_per_member_day * 3_600_000
    visits_per_member_day = wanted_ms / world.params.sitting_median_ms
    meant_ms = visits_weight = 0.0
    for day in range(-7 * SETTLING_WEEKS, 0):
        if day % 7 == 0:
            discovery.learn(day)
            if visits_weight:
                visits_per_member_day = wanted_ms * visits_weight / meant_ms
            meant_ms = visits_weight = 0.0
        visits, found = live_day(world, discovery, state, day, visits_per_member_day)
        watched_ms = found.watch_ms
        weight = members.weight[visits.member]
        meant_ms += float((watched_ms * weight).sum())
        visits_weight += float(weight.sum())
    here = (members.join_day < 0) & (standing.paying_day <= 0)
    state = replace(
        state, standing=standing.anchored(scenario.membership.monthly_churn_ratio, members.weight, here)
    )
    return Settled(discovery, state, wanted_ms * visits_weight / max(meant_ms, 1.0))


@compiled()
def _wishes(
    seed: int, key: IntArray, member: Int32Array, subscriber: IntArray, region: IntArray, taste: Float32Array,
    title_taste: Float32Array, title_offset: Float32Array, is_series: npt.NDArray[np.bool_],
    episode_count: IntArray, runtime_ms: IntArray, worth: npt.NDArray[np.float64], threshold: Float32Array,
    alias: Int32Array, mood_ratio: float, title: Int32Array, ratio: Float32Array,
) -> None:  # fmt: skip
    nothing = np.empty(0, np.int32)
    wanted, mood = np.empty(taste.shape[1], np.float32), np.empty(taste.shape[1])
    proposed, utility = np.empty(PROPOSALS, np.int32), np.empty(PROPOSALS)
    for i in range(key.size):
        m = member[i]
        r = region[m]
        add_mood(seed, key[i], 0, taste[m], mood_ratio, mood, wanted)
        j = wish(
            seed, key[i], wanted, title_taste, title_offset, threshold[r], alias[r], nothing, proposed, utility
        )  # fmt: skip
        title[i] = j
        fit = 0.0
        for d in range(wanted.size):
            fit += float(taste[m, d]) * float(title_taste[j, d])
        joy = enjoyment(seed, subscriber[m], j, fit, worth[j])
        whole = target_ms(
            seed, subscriber[m], j, is_series[j], episode_count[j], runtime_ms[j], joy
        )  # fmt: skip
        if is_left_at_once(seed, subscriber[m], j, joy):
            whole = preview_ms(seed, key[i])
        ratio[i] = min(1.0, whole / runtime_ms[j])
