"""Fill: which titles stand at each site, pushed off-peak by predicted popularity.

A region's titles are ranked by predicted popularity; a site holds the head of that order that fits its disk.
The push of a night moves a site to the newest order, within its window and rate budget: bytes beyond the
budget wait, least wanted first, so a site may hold a little of an older order.

Sites of a region with the same disk and the same past hold the same, so holdings are kept by *group*; a
failed push splits a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Bools, Floats, Ints, Tinies

__all__ = ["STATUS_NAMES", "Fill", "Holdings", "first_holdings", "push"]


STATUS_NAMES = ("complete", "over_budget", "failed")


@dataclass(frozen=True)
class Holdings:
    """``held`` [groups, titles]; ``region`` and ``disk_bytes`` [groups]; ``of_site`` [sites] names the group."""

    held: Bools
    region: Ints
    disk_bytes: Ints
    of_site: Ints

    def is_held(self, site: Ints, title: Ints) -> Bools:
        """Whether each site holds each title; shapes (n,)."""
        return np.asarray(self.held[self.of_site[site], title])


@dataclass(frozen=True)
class Fill:
    """One night's push by group of the *new* holdings: bytes wanted, bytes and titles that arrived, outcome."""

    planned_bytes: Ints
    pushed_bytes: Ints
    titles_added: Ints
    status: Tinies


def _wanted(predicted: Floats, sizes: Ints, disk_bytes: int) -> tuple[Bools, Ints]:
    """What a site should hold [titles], and the titles in order, most wanted a byte first (greedy knapsack)."""
    order = np.argsort(-(predicted / sizes), kind="stable")
    fits = int(np.searchsorted(np.cumsum(sizes[order]), disk_bytes, side="right"))
    want = np.zeros(order.size, np.bool_)
    want[order[:fits]] = True
    return want, order


def first_holdings(predicted: Floats, sizes: Ints, disk_bytes: Ints, site_region: Ints) -> Holdings:
    """The state before the first night: every site full of what was predicted then.

    ``predicted`` [regions, titles] hours; ``sizes`` [titles] and ``disk_bytes`` [sites] in bytes.
    """
    groups, of_site = np.unique(np.stack([site_region, disk_bytes]), axis=1, return_inverse=True)
    held = np.stack([_wanted(predicted[region], sizes, disk)[0] for region, disk in groups.T])
    return Holdings(held, groups[0], groups[1], of_site.reshape(-1))


def push(
    holdings: Holdings, predicted: Floats, sizes: Ints, budget_ratio: Floats, has_failed: Bools
) -> tuple[Holdings, Fill]:
    """One night's push.

    ``predicted`` [regions, titles] hours; ``budget_ratio`` [groups] bytes a night over bytes of disk;
    ``has_failed`` [sites].
    """
    keys, of_site = np.unique(np.stack([holdings.of_site, has_failed]), axis=1, return_inverse=True)
    count = keys.shape[1]
    held = holdings.held[keys[0]]
    region, disk = holdings.region[keys[0]], holdings.disk_bytes[keys[0]]
    planned, pushed, added = (np.zeros(count, np.int64) for _ in range(3))
    status = np.zeros(count, np.int8)
    for g in range(count):
        want, order = _wanted(predicted[region[g]], sizes, int(disk[g]))
        new = order[(want & ~held[g])[order]]
        cost = np.cumsum(sizes[new])
        planned[g] = cost[-1] if cost.size else 0
        if keys[1, g]:
            status[g] = 2
            continue
        budget = int(disk[g] * budget_ratio[keys[0, g]])
        arrives = new[: int(np.searchsorted(cost, budget, side="right"))]
        pushed[g], added[g] = sizes[arrives].sum(), arrives.size
        status[g] = 1 if pushed[g] < planned[g] else 0
        held[g, arrives] = True
        # Make room: what is no longer wanted goes, least wanted first.
        surplus = int(sizes[held[g]].sum()) - int(disk[g])
        goes = order[::-1][(held[g] & ~want)[order[::-1]]]
        held[
            g,
            goes[
                : int(np.searchsorted(np.cumsum(sizes[goes]), surplus, side="left")) + 1 if surplus > 0 else 0
            ],
        ] = False
    return Holdings(held, region, disk, of_site.reshape(-1)), Fill(planned, pushed, added, status)
