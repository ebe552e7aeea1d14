"""Candidates: the slices of one to three dimensions whose leaves moved otherwise than the rest.

Within a slice that is a cause, leaves move in proportion to what was expected of them (the ripple effect, in its
generalised form for ratios: Li et al., ISSRE 2019), and so do the leaves outside, by a factor of their own. Slices are
ranked by the log-likelihood ratio of two factors to one, which is the spatial scan statistic (Kulldorff 1997) over
the lattice of slices: sums alone, so that all are looked at. Leaves count less the more they wander in the history.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.localise.leaves import Floats, Ints, Leaves

__all__ = ["Flags", "Scan", "Slice"]

Flags = NDArray[np.bool_]

_LAYERS = 3
_CUBOIDS = 250
_DIMENSION = 0.1  # what a further dimension must add for its slice to be tried first: share of the ratio
# Standard deviations of the whole's wander within which a movement of all is no movement.
_WHOLE = 2.0


@dataclass(frozen=True)
class Slice:
    """Dimensions, the leaves inside, and the cost in nats of naming one slice of as many that there are."""

    cuboid: tuple[int, ...]
    inside: Ints
    cost: float

    @property
    def key(self) -> tuple[tuple[int, ...], int]:
        """Tells it from other slices."""
        return self.cuboid, int(self.inside[0])

    def is_within(self, other: Slice) -> bool:
        """Whether every leaf is the other's, too."""
        return bool(np.isin(self.inside, other.inside, assume_unique=True).all())


class Scan:
    """The leaves as a field of observed and expected weights, and which slices stand out of it.

    ``expected`` is above 0; ``usual`` how much the logarithm of the whole moves without a fault.
    """

    def __init__(self, leaves: Leaves) -> None:
        noise = leaves.noise
        floor = 1e-9 * max(float(leaves.expected.sum()), 1.0)
        self.observed, self.expected = leaves.observed, np.maximum(leaves.expected, floor)
        whole = float(self.observed.sum() / self.expected.sum())
        relative = noise.leaf + leaves.doubt
        weight = 1 / (noise.dispersion + relative * self.expected * max(whole, 1e-9))
        self._observed, self._expected = self.observed * weight, self.expected * weight
        self.usual = _WHOLE * float(np.sqrt(noise.whole))
        # Where all moved no more than it does, slices may have risen or fallen.
        self._sign = 0.0 if abs(np.log(max(whole, 1e-9))) < self.usual else 1.0 if whole >= 1 else -1.0
        self._wander = noise.slice
        self._cuboids = [
            _Cuboid(*each, _sums(each[1], self._observed), _sums(each[1], self._expected))
            for each in _cuboids(leaves.codes)
        ]

    def best(self, covered: Flags, count: int) -> list[Slice]:
        """The slices that are best by themselves among the leaves not ``covered``, at most ``count``."""
        gone = np.flatnonzero(covered)
        observed, expected = self._observed[gone], self._expected[gone]
        total_observed = float(self._observed.sum() - observed.sum())
        total_expected = float(self._expected.sum() - expected.sum())
        if total_observed <= 0 or total_expected <= 0:
            return []
        tops: list[tuple[float, tuple[int, ...], Ints, int, float]] = []
        for cuboid, ids, cost, whole_observed, whole_expected in self._cuboids:
            a = _without(whole_observed, ids[gone], observed)
            b = _without(whole_expected, ids[gone], expected)
            gain = _log_likelihood_ratio(a, b, total_observed, total_expected, self._sign)
            worth = gain * (1 - _DIMENSION) ** (len(cuboid) - 1) - cost
            worth[gain < cost * (1 + self._wander * b)] = 0
            best = np.argpartition(-worth, min(count, len(worth) - 1))[:count].tolist()
            tops += [(float(worth[at]), cuboid, ids, at, cost) for at in best if worth[at] > 0]
        tops.sort(key=lambda top: -top[0])
        slices: list[Slice] = []
        for _, cuboid, ids, at, cost in tops:
            if len(slices) == count:
                break
            inside = np.flatnonzero(ids == at)
            # The same leaves under a longer name are the same slice.
            if not any(np.array_equal(inside, other.inside) for other in slices):
                slices.append(Slice(cuboid, inside, cost))
        return slices


class _Cuboid(NamedTuple):
    """Dimensions, each leaf's slice, the cost in nats of naming one slice of them, and weights by slice."""

    dimensions: tuple[int, ...]
    ids: Ints
    cost: float
    observed: Floats
    expected: Floats


def _sums(ids: Ints, amounts: Floats) -> Floats:
    sums: Floats = np.bincount(ids, amounts).astype(np.float64, copy=False)
    return sums


def _without(whole: Floats, ids: Ints, gone: Floats) -> Floats:
    """Sums by slice without some leaves; what is left of a slice of which all are gone is rounding."""
    if not gone.size:
        return whole
    left = whole - np.bincount(ids, gone, whole.size)
    return np.where(left > 1e-9 * whole, left, 0.0)


def _cuboids(codes: Ints) -> Iterator[tuple[tuple[int, ...], Ints, float]]:
    """Dimensions, each leaf's slice, and the cost in nats of naming one slice of them."""
    sizes = codes.max(axis=0) + 1
    several = [d for d in range(codes.shape[1]) if sizes[d] > 1]
    for layer in range(1, min(_LAYERS, len(several)) + 1):
        cuboids = list(itertools.combinations(several, layer))
        if len(cuboids) > _CUBOIDS:
            break
        for cuboid in cuboids:
            ids = np.zeros(len(codes), np.int64)
            for d in cuboid:
                ids = ids * sizes[d] + codes[:, d]
            if ids.max() > 4 * len(codes):
                ids = np.unique(ids, return_inverse=True)[1]
            cost = np.log(len(cuboids)) + np.log(int(ids.max()) + 1)
            # Numbers that no leaf has would be looked at in vain.
            is_there = np.bincount(ids) > 0
            ids = (np.cumsum(is_there) - 1)[ids]
            yield cuboid, ids, float(cost)


def _log_likelihood_ratio(
    observed: Floats, expected: Floats, whole_observed: float, whole_expected: float, sign: float
) -> Floats:
    """Kulldorff's statistic of slices against their rest, 0 where they move against ``sign``."""
    rest_observed = np.maximum(whole_observed - observed, 0.0)
    rest_expected = np.maximum(whole_expected - expected, 1e-9 * whole_expected)
    gain = _terms(observed, expected) + _terms(rest_observed, rest_expected)
    gain -= whole_observed * np.log(whole_observed / whole_expected)
    inside, outside = observed * rest_expected, rest_observed * expected
    return np.where((expected > 0) & ((sign == 0) | (sign * (inside - outside) > 0)), gain, 0.0)


def _terms(observed: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((observed > 0) & (expected > 0), observed * np.log(observed / expected), 0.0)
