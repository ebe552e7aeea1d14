"""The weeks before day 0, of which no telemetry is written.

First a history of plays drawn from true preference, unaided, so that the recommender has something to learn
from. Then two weeks in which members browse real pages, so that on day 0 titles are half watched, the model has
seen plays of its own making, and visits are as many as the scenario's hours need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.browsing import target_ms, wish
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.play_log import PlayLog
from synthetic.control_plane.recommend import home_pages, on_sale, popularity_pages, train
from synthetic.day import session_keys
from synthetic.demand import visits_of_day
from synthetic.jit import compiled
from synthetic.random import Stream
from synthetic.titles import Titles, demand
from synthetic.viewer import (
    CONTINUE,
    SEARCH,
    Browse,
    BrowseParameters,
    MemberState,
    advance,
    browse,
    make_market,
)
from synthetic.world import World

__all__ = ["SETTLING_WEEKS", "Settled", "logged_starts", "settle_in", "warmup_plays"]

SETTLING_WEEKS = 2

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
            titles.episode_count, titles.runtime_ms, titles.quality, market.alias_threshold, market.alias,
            title, ratio,
        )  # fmt: skip
        day = 7 * week + (draws.uniforms(seed, key, 1, Stream.WARMUP_PLAY) * 7).astype(np.int32)
        parts.append(PlayLog(member, title, day.astype(np.int32), ratio, np.ones(member.size, np.bool_)))
    log = parts[0]
    for part in parts[1:]:
        log = log + part
    return log


@dataclass(frozen=True)
class Settled:
    """The world as day 0 finds it."""

    plays: PlayLog
    state: MemberState
    visits_per_member_day: float
    """Visits with which members mean to watch the scenario's hours."""


def settle_in(world: World, catalogue: Catalogue) -> Settled:
    """Let members browse for the settling weeks: pages are learned weekly, what is chosen is watched as meant."""
    scenario, members = world.scenario, world.members
    seed, regions = scenario.seed, len(world.places.regions)
    plays = warmup_plays(
        seed,
        subscriber=world.subscriber,
        region=members.region,
        taste=world.taste,
        tenure_days=-members.join_day,
        titles=world.titles,
        params=world.params,
    )
    state = MemberState.empty(members.count)
    wanted_ms = scenario.demand.hours_per_member_day * 3_600_000
    visits_per_member_day = wanted_ms / world.params.sitting_median_ms
    meant_ms = visits_weight = 0.0
    for day in range(-7 * SETTLING_WEEKS, 0):
        if day % 7 == 0:
            model = train(plays, catalogue, region=members.region, regions=regions, today=day, seed=seed)
            ranked = home_pages(model, world.subscriber, members.region)
            fallback = popularity_pages(model)
            if visits_weight:
                visits_per_member_day = wanted_ms * visits_weight / meant_ms
            meant_ms = visits_weight = 0.0
        visits = visits_of_day(
            scenario, world.places, members, np.arange(members.count), day, visits_per_member_day
        )
        found = browse(
            seed,
            session_keys(visits),
            visits.member,
            subscriber=world.subscriber,
            region=members.region,
            taste=world.taste,
            pages=on_sale(ranked, catalogue.release_day, day),
            fallback_pages=on_sale(fallback, catalogue.release_day, day),
            is_degraded=np.zeros(visits.member.size, np.bool_),
            state=state,
            titles=world.titles,
            market=make_market(world.titles, demand(world.titles, day), day, world.params),
            answers=world.answers(day),
            params=world.params,
        )
        advance(
            state,
            seed,
            visits.member,
            world.subscriber[visits.member],
            found,
            found.watch_ms,
            world.titles,
        )
        plays = plays + logged_starts(visits.member, found, found.watch_ms, world.titles, day)
        weight = members.weight[visits.member]
        meant_ms += float((found.watch_ms * weight).sum())
        visits_weight += float(weight.sum())
    return Settled(plays, state, wanted_ms * visits_weight / max(meant_ms, 1.0))


def logged_starts(member: IntArray, found: Browse, watched_ms: IntArray, titles: Titles, day: int) -> PlayLog:
    """What the service logs of a day's visits: titles started and how much of the first runtime was watched.

    ``member``, ``found`` and ``watched_ms`` are [n]; going on with a title is no start, nor is a failed one.
    """
    new = (found.chosen >= 0) & (found.surface != CONTINUE) & (watched_ms > 0)
    title = found.chosen[new]
    return PlayLog(
        member[new].astype(np.int32),
        title,
        np.full(title.size, day, np.int32),
        np.minimum(watched_ms[new] / titles.runtime_ms[title], 1.0).astype(np.float32),
        found.surface[new] == SEARCH,
    )


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
