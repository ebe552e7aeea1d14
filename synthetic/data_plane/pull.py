"""Caches that fill when they miss, in the mean: the counterfactual to the nightly push.

A title asked for λ times a second at a place is there with probability 1 − exp(−λ · min(T, its age)), where T is the
characteristic time of a least-recently-used cache of that size (Che, Tung & Wang 2002), tried against simulated ones
in :mod:`synthetic.data_plane.cache`. A title that has just come out is nowhere yet, and its first viewers wait.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Floats, Ints
from synthetic.data_plane.cache import characteristic_time

__all__ = ["Caches", "Pull", "caches"]

_FOREVER = 1e18  # starts: the characteristic time of a cache that everything fits into


@dataclass(frozen=True)
class Caches:
    """One tier's caches, each [caches]: ``rate`` starts a second of all titles, ``depth`` starts of all titles within
    a characteristic time."""

    region: Ints
    rate: Floats
    depth: Floats


@dataclass(frozen=True)
class Pull:
    """``share`` [regions, titles] of a day's starts, when each title came out, and the caches of both tiers."""

    share: Floats
    release_ts_ms: Ints
    sites: Caches
    exchanges: Caches

    def held(self, at: Caches, place: Ints, title: Ints, ts_ms: Ints) -> Floats:
        """Probability that each place's cache holds the title at that moment, for n requests."""
        age_s = np.maximum(ts_ms - self.release_ts_ms[title], 0) / 1000
        starts = np.minimum(at.depth[place], at.rate[place] * age_s)
        return np.asarray(-np.expm1(-self.share[at.region[place], title] * starts))

    def served(self, wanted: Floats) -> Floats:
        """Share of demand [sites] served at the edge, titles of any age; ``wanted`` [regions, titles] hours."""
        cells, of = np.unique(np.stack([self.sites.region, self.sites.depth]), axis=1, return_inverse=True)
        each = [-(wanted[int(r)] * np.expm1(-self.share[int(r)] * depth)).sum() for r, depth in cells.T]
        return np.array(each)[of.reshape(-1)]


def caches(share: Floats, sizes: Ints, region: Ints, disk_bytes: Ints, rate: Floats) -> Caches:
    """Caches of a tier in equilibrium with a day's demand.

    ``share`` [regions, titles] of starts; ``sizes`` [titles] bytes; ``region``, ``disk_bytes`` and ``rate``, starts a
    second of all titles, by cache.
    """
    cells, of = np.unique(np.stack([region, disk_bytes]), axis=1, return_inverse=True)
    # At one start a second of all titles a characteristic time is a number of starts.
    each = [characteristic_time(share[r], sizes, float(disk)) for r, disk in cells.T]
    return Caches(region, rate, np.minimum(each, _FOREVER)[of.reshape(-1)])
