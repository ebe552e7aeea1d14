"""The first half of a day of some members: opening the service, finding something, asking for it.

A pure function of (world, the day's state, the members): after the daily barrier it can run in any partition.
It does not know how bytes are delivered; the second half, :mod:`synthetic.playing`, can be run again in another
world (:class:`~synthetic.world.Switches`) on the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synthetic.arrays import Bools, Floats, Ints, Singles, Tinies
from synthetic.control_plane import auth
from synthetic.control_plane.serving import Week
from synthetic.delivery import Night
from synthetic.demand import Visits, visits_of_day
from synthetic.discovery import ranking_of
from synthetic.faults import falls_back
from synthetic.incidents import Incident, level
from synthetic.latencies import answer_ms, degraded_home_ms, drawn_ms
from synthetic.software import os_of, player_version_of
from synthetic.viewer import Browse, Market, MemberState, browse
from synthetic.world import World

__all__ = ["DayState", "Request", "first_week", "impression_ids", "open_service", "session_keys"]

AUTH_TIMEOUT_MS = 3_000  # a client waits this long for an authorisation that does not come; assumption


@dataclass(frozen=True)
class DayState:
    """What the daily barrier fixes: read by every partition, written by none."""

    day: int
    visits_per_member_day: float
    market: Market
    week: Week
    preference: Singles
    """[members, rank] the service's idea of taste as the day begins."""
    member_state: MemberState
    night: Night
    incidents: Sequence[Incident]


@dataclass(frozen=True)
class Request:
    """Visits up to the play instruction, shape (n,); those with ``browse.chosen`` >= 0 are play attempts.

    Latencies in ms; ``failure``: 0 none, 1 technical, 2 business. ``os`` and ``version``: what the device runs,
    as in :mod:`synthetic.software`.
    """

    visits: Visits
    browse: Browse
    region: Ints
    os: Ints
    version: Ints
    is_degraded: Bools
    home_ms: Floats
    search_ms: Floats
    authorise_ms: Floats
    steer_ms: Floats
    licence_ms: Floats
    failure: Tinies
    play_ts_ms: Ints


def session_keys(visits: Visits) -> Ints:
    """A number of its own for each visit of the run, on which all draws of its browsing hang."""
    return np.asarray(visits.member * (1 << 20) + visits.step)


def impression_ids(session_key: Ints, surface: str, place: Ints) -> pl.Series:
    """The identity of a place shown: session, a letter of the surface, place."""
    return pl.Series(session_key).cast(pl.String) + f"-{surface[0]}" + pl.Series(place).cast(pl.String)


def first_week(join_day: Ints, day: int) -> Bools:
    """[members] who joined less than seven days ago."""
    return np.asarray((join_day <= day) & (day < join_day + 7))


def open_service(world: World, state: DayState, rows: Ints) -> tuple[Request, Singles]:
    """The first half: visits, home page, choice, and the control plane's answers.

    With it, [rows, rank] the service's idea of these members' taste as the day ends.
    """
    scenario, members = world.scenario, world.members
    seed, control = scenario.seed, scenario.control
    visits = visits_of_day(
        scenario, world.places, members, rows, state.day, state.visits_per_member_day,
        state.member_state.standing, state.incidents,
    )  # fmt: skip
    member, step = visits.member, visits.step
    region = members.region[member]
    site = members.site[member]
    os = os_of(scenario, member, visits.device)
    version = player_version_of(scenario, member, visits.device)
    where = world.places.attributes(site) | {"device": visits.device, "os": os, "player_version": version}
    is_degraded = falls_back(state.incidents, seed, member, step, visits.open_ts_ms, where)
    refused = level(state.incidents, "auth_outage", visits.open_ts_ms, where)
    found, preference = browse(
        seed,
        state.day,
        session_keys(visits),
        member,
        people=world.people,
        ranking=ranking_of(world, state.week, state.day),
        preference=state.preference,
        first_week=first_week(members.join_day, state.day),
        is_degraded=is_degraded,
        state=state.member_state,
        titles=world.titles,
        market=state.market,
        params=world.params,
    )
    home_ms = answer_ms(scenario, "home", member, step)
    home_ms = np.where(is_degraded, degraded_home_ms(scenario, member, step), home_ms)
    failure = auth.authorise(
        seed,
        member,
        step,
        outage_ratio=refused,
        technical_ratio=control.auth_failure_ratio,
        business_ratio=control.business_failure_ratio,
    )
    authorise_ms = drawn_ms(seed, member, step, 2, control.authorise)
    search_ms = np.where(found.asked >= 0, answer_ms(scenario, "search", member, step), 0.0)
    request = Request(
        visits=visits,
        browse=found,
        region=region,
        os=os,
        version=version,
        is_degraded=is_degraded,
        home_ms=home_ms,
        search_ms=search_ms,
        authorise_ms=np.where(
            failure == auth.REFUSED_TECHNICAL, authorise_ms + AUTH_TIMEOUT_MS, authorise_ms
        ),
        steer_ms=drawn_ms(seed, member, step, 3, control.steer),
        licence_ms=drawn_ms(seed, member, step, 4, control.licence),
        failure=failure,
        play_ts_ms=visits.open_ts_ms + (home_ms + search_ms).astype(np.int64) + found.browse_ms,
    )
    return request, preference[rows]
