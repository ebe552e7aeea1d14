"""Placement: which appliances of a cluster hold a title, and how many copies it is worth.

A copy is worth the title's predicted hours. The first is worth all of them, another one only what is lost when
the appliances that hold the earlier ones are away: with a share q of appliances away, the j-th copy is worth q
times the one before. A title so wanted that one appliance's share of the cluster could not serve it gets the
copies that can, each at full worth. Copies a byte, best first, until the disks are full: the greedy answer to
the knapsack, which is off by one title at most.

The copies of a title stand on successive appliances, beginning at one that hangs on the title alone, so that
every cluster of a size is laid out alike and any of them can fill from any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Floats, Ints, Tinies
from synthetic.jit import compiled
from synthetic.random import Stream, hashes

__all__ = [
    "MOST_COPIES", "Ranking", "balance", "first_appliances", "is_reachable", "rank", "reachable_share",
    "serving", "wanted_copies",
]  # fmt: skip

MOST_COPIES = 100
_ROUNDS = 40


def first_appliances(seed: int, count: int) -> Ints:
    """For each title a number whose remainder by the size of a cluster is the first appliance that holds it."""
    return np.asarray(
        (hashes(seed, np.arange(count), 0, Stream.DELIVERY_PLACEMENT) >> np.uint64(33)), np.int64
    )


@dataclass(frozen=True)
class Ranking:
    """Titles of each region by what a byte of them is worth, best first; every field is [regions, titles].

    ``order`` the titles; ``share`` of the region's predicted hours, by title; ``log_worth`` the logarithm of share
    a byte, in order: minus infinity where nothing is predicted.
    """

    order: Ints
    share: Floats
    log_worth: Floats


def rank(predicted: Floats, sizes: Ints) -> Ranking:
    """``predicted`` [regions, titles] hours, or any measure proportional to them; ``sizes`` [titles] bytes."""
    share = predicted / np.maximum(predicted.sum(axis=1, keepdims=True), 1e-300)
    worth = share / sizes
    order = np.argsort(-worth, axis=1, kind="stable")
    worth = np.take_along_axis(worth, order, axis=1)
    log_worth = np.full(worth.shape, -np.inf)
    np.log(worth, out=log_worth, where=worth > 0)
    return Ranking(order, share, log_worth)


def wanted_copies(
    ranking: Ranking, region: int, sizes: Ints, appliances: int, disk_bytes: int, away_ratio: float
) -> Tinies:
    """Copies [titles] that a cluster of ``appliances`` with ``disk_bytes`` in all should hold; 0 for none.

    ``away_ratio``: share of time an appliance is away, in (0, 1).
    """
    return _wanted(
        ranking.order[region], ranking.share[region], ranking.log_worth[region], sizes, appliances, disk_bytes,
        -np.log(away_ratio),
    )  # fmt: skip


@compiled()
def _wanted(
    order: Ints, share: Floats, density: Floats, sizes: Ints, appliances: int, disk_bytes: int, fade: float
) -> Tinies:
    n = order.size
    base = np.empty(n, np.int64)
    bytes_once = np.empty(n + 1, np.int64)
    bytes_base = np.empty(n + 1, np.int64)
    bytes_once[0] = bytes_base[0] = 0
    for i in range(n):
        title = order[i]
        base[i] = min(appliances, 1 + int(share[title] * appliances), MOST_COPIES)
        bytes_once[i + 1] = bytes_once[i] + sizes[title]
        bytes_base[i + 1] = bytes_base[i] + sizes[title] * base[i]
    heavy = np.flatnonzero(base > 1)
    copies = np.zeros(n, np.int8)
    worth_something = _count_above(density, -np.inf)
    if worth_something == 0:
        return copies
    # The least worth of a byte at which everything above it still fits, by bisection.
    low, high = density[worth_something - 1], density[0] + 1.0
    least = low
    if _bytes_above(low, density, bytes_base, bytes_once, heavy, appliances, fade) > disk_bytes:
        for _ in range(_ROUNDS):
            middle = 0.5 * (low + high)
            if _bytes_above(middle, density, bytes_base, bytes_once, heavy, appliances, fade) > disk_bytes:
                low = middle
            else:
                high = middle
        least = high
    for i in range(worth_something):
        if density[i] < least:
            break
        more = int((density[i] - least) / fade)
        copies[order[i]] = min(base[i] + more, appliances, MOST_COPIES)
    return copies


@compiled()
def _count_above(falling: Floats, least: float) -> int:
    """How many of ``falling`` are at least ``least``; all above minus infinity for that."""
    low, high = 0, falling.size
    while low < high:
        middle = (low + high) // 2
        if falling[middle] >= least and falling[middle] > -np.inf:
            low = middle + 1
        else:
            high = middle
    return low


@compiled()
def _bytes_above(
    least: float,
    density: Floats,
    bytes_base: Ints,
    bytes_once: Ints,
    heavy: Ints,
    appliances: int,
    fade: float,
) -> int:
    first = _count_above(density, least)
    total = bytes_base[first]
    for j in range(1, appliances):
        above = _count_above(density, least + j * fade)
        if above == 0:
            break
        total += bytes_once[above]
    for i in heavy:  # those of which a cluster cannot hold so many copies more
        if i < first:
            counted = min(int((density[i] - least) / fade), appliances - 1)
            size = bytes_once[i + 1] - bytes_once[i]
            base = (bytes_base[i + 1] - bytes_base[i]) // size
            total -= size * max(base + counted - appliances, 0)
    return int(total)


def is_reachable(copies: Tinies, first: Ints, appliances: Ints, away: Ints, turned: Ints) -> Bools:
    """Whether an appliance that holds the title is there, for n requests, each array [n].

    ``copies`` of the title in the cluster, its ``first`` number, the cluster's ``appliances``, how many of them are
    ``away`` (successive ones, beginning ``turned`` places on).
    """
    # Counted from the first appliance away, the copies begin at this place; the last of them must lie beyond.
    begins = (first - turned) % appliances
    last = begins + copies.astype(np.int64) - 1
    return np.asarray((copies > 0) & (last >= away) & (away < appliances))


def serving(copies: Tinies, first: Ints, appliances: Ints, away: Ints, turned: Ints, draw: Ints) -> Ints:
    """Which appliance of its cluster serves each of n requests: one that holds the title, by ``draw`` (0 and up).

    A copy on an appliance that is away is served by another. A title that no appliance holds is passed through by
    the one on which its first copy would stand.
    """
    begins = (first - turned) % appliances
    chosen = (begins + draw % np.maximum(copies.astype(np.int64), 1)) % appliances
    # The first of the copies if it is there; else one stands just beyond those away, where any can be reached.
    another = np.where(begins >= away, begins, np.minimum(away, appliances - 1))
    return np.asarray((np.where(chosen >= away, chosen, another) + turned) % appliances)


def reachable_share(wanted: Floats, copies: Tinies, appliances: int, away: int) -> float:
    """Share of demand that a cluster still serves with some appliances away, over all ways to be turned.

    ``wanted`` [titles] shares of demand; of ``appliances`` first places, ``away − copies + 1`` put every copy of a
    title on appliances that are away.
    """
    lost = np.clip(away - copies.astype(np.float64) + 1, 0, None) / appliances
    lost = np.where(away >= appliances, 1.0, lost)
    return float((wanted * (copies > 0) * (1 - np.minimum(lost, 1.0))).sum())


def balance(wanted: Floats, copies: npt.NDArray[np.int8], first: Ints, appliances: int) -> float:
    """How much of a cluster's egress its layout can use, 0..1: the mean appliance's load over the busiest one's.

    ``wanted`` [titles] shares of demand; each title's demand is spread evenly over its copies.
    """
    return float(_balance(wanted, copies, first, appliances))


@compiled()
def _balance(wanted: Floats, copies: Tinies, first: Ints, appliances: int) -> float:
    load = np.zeros(appliances)
    for i in range(wanted.size):
        n = np.int64(copies[i])
        if n > 0:
            each = wanted[i] / n
            at = first[i] % appliances
            for j in range(n):
                load[(at + j) % appliances] += each
    busiest = load.max()
    return 1.0 if busiest <= 0 else load.mean() / busiest
