"""Interleaving: both rankings in one list, and which of them members choose from.

Everyone sees both, so that what differs between members cancels and far fewer of them tell two rankings apart than in
an A/B test. It says which ranking is preferred, not by how many hours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from metrics.effects.estimate import Estimate
from metrics.errors import InputError

__all__ = ["preference", "sensitivity_gain", "team_draft"]

_Array = np.ndarray[Any, Any]


def team_draft(first: _Array, second: _Array, coins: _Array) -> tuple[_Array, _Array]:
    """One list a member from two rankings, and whose pick each place is (0 or 1), [members, places] each.

    Rankings [members, places] hold distinct titles; ``coins`` [members, rounds] say who picks first in each round
    (Radlinski, Kurup and Joachims, CIKM 2008). Each side picks its best title not yet in the list.
    """
    members, places = first.shape
    if second.shape != first.shape or coins.shape[0] != members or 2 * coins.shape[1] < places:
        raise InputError("rankings of the same shape, and a coin every two places, are needed")
    rankings = np.stack([first, second])
    shown = np.empty((members, places), first.dtype)
    teams = np.empty((members, places), np.int8)
    taken = np.zeros((2, members, places), np.bool_)
    everyone = np.arange(members)
    for place in range(places):
        side = (coins[:, place // 2] + place) % 2
        pick = rankings[side, everyone, taken[side, everyone].argmin(axis=1)]
        shown[:, place], teams[:, place] = pick, side
        taken |= rankings == pick[None, :, None]
    return shown, teams


def preference(first: _Array, second: _Array) -> Estimate:
    """How far the second ranking is preferred, −1 to 1, from members' credits (plays, hours) for each side, [..., n].

    A member's preference is (second − first) / (second + first), 0 without credits; a t test of its mean, since
    members and not plays are independent.
    """
    if first.shape != second.shape or first.shape[-1] < 2:
        raise InputError("credits of two members or more, for both sides, are needed")
    if not (np.isfinite(first).all() and np.isfinite(second).all()) or min(first.min(), second.min()) < 0:
        raise InputError("credits are finite and not below 0")
    whole = first + second
    own = np.divide(second - first, whole, out=np.zeros(whole.shape), where=whole > 0)
    n = np.full(own.shape[:-1], own.shape[-1])
    return Estimate(own.mean(axis=-1), own.var(axis=-1, ddof=1) / n, n - 1.0, n)


def sensitivity_gain(interleaved: Estimate, parted: Estimate) -> float:
    """How many times fewer members the interleaved test needs than the A/B test for the same power.

    Members needed go as variance a member over the effect squared, so it is the ratio of z² a member.
    """
    if not (parted.effect and parted.variance > 0 and interleaved.variance > 0):
        raise InputError("an A/B effect other than 0, and errors above 0, are needed")
    one, other = (float(e.effect**2 / e.variance / e.n) for e in (interleaved, parted))
    return one / other
