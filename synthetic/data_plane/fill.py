"""Fill: the nightly push of titles to clusters, off-peak, by predicted popularity, within a budget of bytes.

A night moves a cluster towards the plan of :mod:`.placement`: first copies before further ones, most wanted a
byte first; what does not fit the night's budget waits for the next, so a cluster may hold a little of an older
plan. What is no longer wanted goes only when room is needed.

Clusters of a region with the same number of appliances and the same past hold the same, so holdings are kept by
*group*; a failed push splits a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Floats, Ints, Tinies
from synthetic.data_plane.placement import Ranking, wanted_copies
from synthetic.jit import compiled
from synthetic.random import Stream, uniforms

__all__ = ["STATUS_NAMES", "Budget", "Fill", "Holdings", "announced", "first_holdings", "push"]

STATUS_NAMES = ("complete", "over_budget", "failed")
COMPLETE, OVER_BUDGET, FAILED = range(3)


@dataclass(frozen=True)
class Budget:
    """What one appliance can hold and take in a night, bytes, and the share of time it is away."""

    disk_bytes: int
    night_bytes: int
    away_ratio: float


@dataclass(frozen=True)
class Holdings:
    """``copies`` [groups, titles]; ``region``, ``appliances`` [groups]; ``of_cluster`` [clusters] names the group."""

    copies: Tinies
    region: Ints
    appliances: Ints
    of_cluster: Ints

    def copies_at(self, cluster: Ints, title: Ints) -> Tinies:
        """Copies of each title at each cluster; shapes (n,)."""
        return np.asarray(self.copies[self.of_cluster[cluster], title])


@dataclass(frozen=True)
class Fill:
    """One night's push by group of the *new* holdings: bytes wanted, bytes and titles that arrived, outcome."""

    planned_bytes: Ints
    pushed_bytes: Ints
    titles_added: Ints
    status: Tinies


def announced(
    predicted: Floats, release_day: Ints, day: int, *, forecast: Floats, lead_days: int, seed: int
) -> Floats:
    """Predicted hours [regions, titles] with the releases that are due to be pushed.

    A release is pushed on one of the ``lead_days`` nights before it, drawn by title, so that the releases of a day
    do not all want the same night; from then until plays have taught the model, it counts ``forecast`` [regions,
    titles].
    """
    nights_before = 1 + np.floor(
        uniforms(seed, np.arange(release_day.size), 0, Stream.DELIVERY_RELEASE) * lead_days
    )
    due = (release_day - nights_before <= day)[None, :] & (predicted <= 0)
    later = release_day[None, :] > day
    return np.where(due, forecast, np.where(later & ~due, 0.0, predicted))


def first_holdings(ranking: Ranking, sizes: Ints, region: Ints, appliances: Ints, budget: Budget) -> Holdings:
    """The state before the first night: every cluster full of what was predicted then.

    ``sizes`` [titles] bytes; ``region`` and ``appliances`` [clusters].
    """
    groups, of_cluster = np.unique(np.stack([region, appliances]), axis=1, return_inverse=True)
    copies = np.stack([_plan(ranking, sizes, int(r), int(n), budget) for r, n in groups.T])
    return Holdings(copies, groups[0], groups[1], of_cluster.reshape(-1))


def push(
    holdings: Holdings, ranking: Ranking, sizes: Ints, budget: Budget, lost_ratio: Floats
) -> tuple[Holdings, Fill]:
    """One night's push towards what is predicted; ``lost_ratio`` [clusters]: share of it that does not arrive."""
    keys, of_cluster = np.unique(np.stack([holdings.of_cluster, lost_ratio]), axis=1, return_inverse=True)
    count = keys.shape[1]
    was, lost = keys[0].astype(np.int64), keys[1]
    copies = holdings.copies[was]
    region, appliances = holdings.region[was], holdings.appliances[was]
    planned, pushed, added = (np.zeros(count, np.int64) for _ in range(3))
    status = np.zeros(count, np.int8)
    for g in range(count):
        n = int(appliances[g])
        want = _plan(ranking, sizes, int(region[g]), n, budget)
        night = int(budget.night_bytes * n * (1 - lost[g]))
        planned[g], pushed[g], added[g] = _night(
            ranking.order[region[g]], sizes, want, copies[g], budget.disk_bytes * n, night
        )
        status[g] = FAILED if lost[g] >= 1 else OVER_BUDGET if pushed[g] < planned[g] else COMPLETE
    return Holdings(copies, region, appliances, of_cluster.reshape(-1)), Fill(planned, pushed, added, status)


def _plan(ranking: Ranking, sizes: Ints, region: int, appliances: int, budget: Budget) -> Tinies:
    return wanted_copies(
        ranking, region, sizes, appliances, budget.disk_bytes * appliances, budget.away_ratio
    )


@compiled()
def _night(
    order: Ints, sizes: Ints, want: Tinies, have: Tinies, disk_bytes: int, night_bytes: int
) -> tuple[int, int, int]:
    """Change ``have`` by what arrives and what makes room. Returns bytes planned, bytes and titles arrived.

    A copy arrives only where the disks have room once everything that is not wanted has gone.
    """
    planned = pushed = added = kept = np.int64(0)  # kept: what stays whatever comes
    for title in range(have.size):
        kept += sizes[title] * np.int64(min(have[title], want[title]))
        planned += sizes[title] * np.int64(max(np.int64(want[title]) - have[title], 0))
    for further in range(2):
        for i in range(order.size):
            title = order[i]
            missing = np.int64(want[title]) - have[title]
            if missing <= 0:
                continue
            if not further:
                missing = np.int64(1) if have[title] == 0 else np.int64(0)
            for _ in range(missing):
                if pushed + sizes[title] > night_bytes or kept + sizes[title] > disk_bytes:
                    break
                if have[title] == 0:
                    added += 1
                have[title] += 1
                pushed += sizes[title]
                kept += sizes[title]
    held = np.int64(0)
    for title in range(have.size):
        held += sizes[title] * np.int64(have[title])
    for i in range(order.size - 1, -1, -1):
        if held <= disk_bytes:
            break
        title = order[i]
        while have[title] > want[title] and held > disk_bytes:
            have[title] -= 1
            held -= sizes[title]
    return int(planned), int(pushed), int(added)
