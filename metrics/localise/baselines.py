"""Published methods to compare with: Adtributor and HotSpot, after their papers.

- :func:`adtributor`: Bhagwan et al., "Adtributor: revenue debugging in advertising systems", NSDI 2014. One
  dimension at a time: values in order of surprise (Jensen-Shannon) until they explain the change.
- :func:`hotspot`: Sun et al., "HotSpot: anomaly localization for additive KPIs with multi-dimensional attributes",
  IEEE Access 2018. The set of slices of one cuboid of the highest potential score, from the coarsest cuboids on;
  slices in order of what each explains stand in for the tree search.
"""

from __future__ import annotations

import itertools

import numpy as np

from metrics.localise.leaves import Floats, Leaves
from metrics.localise.search import Explanation

__all__ = ["adtributor", "hotspot"]

# Adtributor: share of the change each value, and all of them together, must explain; values at most.
_EACH, _TOGETHER, _VALUES = 0.1, 0.67, 3
# HotSpot: the potential score that ends the search by layers, slices at most, what one must add beside the best.
_GOOD, _SLICES, _WORTH, _LAYERS = 0.9, 5, 0.3, 3


def adtributor(leaves: Leaves, limit: int = 5) -> list[Explanation]:
    """A set of values for each dimension that explains the change, the most surprising dimension first."""
    observed, expected = leaves.observed, leaves.expected
    change = observed.sum() - expected.sum()
    found = []
    for d, name in enumerate(leaves.dimensions):
        a, f = np.bincount(leaves.codes[:, d], observed), np.bincount(leaves.codes[:, d], expected)
        if len(a) < 2 or change == 0:
            continue
        surprise = _jensen_shannon(f / f.sum(), a / max(a.sum(), 1e-300))
        explained = (a - f) / change
        chosen: list[int] = []
        total = told = 0.0
        for value in np.argsort(-surprise).tolist():
            if explained[value] > _EACH:
                chosen.append(value)
                total, told = total + explained[value], told + surprise[value]
            if total > _TOGETHER or len(chosen) == _VALUES:
                break
        if total > _TOGETHER:
            elements = tuple({name: leaves.values[d][value]} for value in chosen)
            found.append(Explanation(elements, float(told), float(min(total, 1.0))))
    found.sort(key=lambda one: -one.score)
    return found[:limit] or [Explanation((), 0.0, 0.0)]


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log(p / middle), 0.0)
        right = np.where(q > 0, q * np.log(q / middle), 0.0)
    return np.asarray((left + right) / 2, np.float64)


def hotspot(leaves: Leaves, limit: int = 5) -> list[Explanation]:
    """In each cuboid the set of at most five slices with the highest potential score, of the fewest dimensions."""
    v, f, codes = leaves.observed, leaves.expected, leaves.codes
    off = np.abs(v - f)
    whole = float(off.sum())
    found: list[Explanation] = []
    for layer in range(1, min(_LAYERS, codes.shape[1]) + 1):
        for cuboid in itertools.combinations(range(codes.shape[1]), layer):
            ids = np.unique(codes[:, cuboid], axis=0, return_inverse=True)[1].ravel()
            seen, due, before = (np.bincount(ids, side) for side in (v, f, off))
            # The ripple effect: a slice's leaves move in proportion to what was expected of them.
            factor = seen / np.maximum(due, 1e-300)
            left = np.bincount(ids, np.abs(v - f * factor[ids]))
            gain = before - left
            order = np.argsort(-gain)[:_SLICES]
            potential = np.maximum(np.cumsum(gain[order]) / max(whole, 1e-300), 0.0)
            # A slice that adds nothing worth naming is left out.
            size = 1 + int((gain[order][1:] > _WORTH * gain[order][0]).sum())
            firsts = [int(np.flatnonzero(ids == at)[0]) for at in order[:size].tolist()]
            elements = tuple(
                {leaves.dimensions[d]: leaves.values[d][codes[first, d]] for d in cuboid} for first in firsts
            )
            score = float(min(potential[size - 1], 1.0))
            found.append(Explanation(elements, score, score))
        if found and max(one.score for one in found) > _GOOD:
            break
    found = [one for one in found if one.score > 0]
    found.sort(key=lambda one: -one.score)
    return found[:limit] or [Explanation((), 0.0, 0.0)]
