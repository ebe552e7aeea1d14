"""The evening of a day: what it left members with, who stays, and what the service logged of it."""

from __future__ import annotations

import numpy as np

from synthetic.arrays import Ints, Singles
from synthetic.day import Request, session_keys
from synthetic.discovery import Discovery
from synthetic.sessions import Felt
from synthetic.staying import strain_of
from synthetic.viewer import MemberState, advance
from synthetic.world import World

__all__ = ["close_day", "per_visit"]


def close_day(
    world: World, day: int, discovery: Discovery, state: MemberState, request: Request, rows: Ints, felt: Felt,
    preference: Singles,
) -> None:  # fmt: skip
    """Move ``discovery`` and ``state`` on to the next morning; ``felt`` is of ``rows``, the visits that asked to play.

    Visits stand by member, in order of time.
    """
    scenario, visits = world.scenario, request.visits
    watched = per_visit(request, rows, felt.playing_ms)
    strain = np.zeros(visits.member.size)
    strain[rows] = strain_of(
        felt.waited_ms.astype(np.float64), felt.stall_ms.astype(np.float64), felt.watched_ms.astype(np.float64),
        felt.is_failed,
    )  # fmt: skip
    advance(
        state,
        scenario.seed,
        day,
        visits.member,
        world.subscriber,
        request.browse,
        watched,
        strain,
        world.titles,
    )
    membership = scenario.membership
    state.standing.close(
        scenario.seed, day, world.members.join_day, trial_days=membership.trial_days,
        trial_paid_ratio=membership.trial_paid_ratio, price_ratio=membership.price_ratio,
    )  # fmt: skip
    discovery.enter(
        day, session_keys(visits), visits.member, request.is_degraded, request.browse, watched, preference
    )


def per_visit(request: Request, rows: Ints, values: Ints) -> Ints:
    """[n] of every visit, from those of the attempts ``rows``; 0 of the others."""
    out = np.zeros(request.visits.member.size, np.int64)
    out[rows] = values
    return out
