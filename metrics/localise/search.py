"""The search: the smallest set of slices whose leaves moved otherwise than the rest.

Within a slice that is a cause, leaves move in proportion to what was expected of them (the ripple effect, in its
generalised form for ratios: Li et al., ISSRE 2019), and so do the leaves outside all causes, by a factor of their
own: near 1 where a slice is the cause, far from it where everything moves alike. A set of slices is therefore as
good as the log-likelihood ratio of "each slice its own factor, the rest one" to "one factor for all", which is the
spatial scan statistic (Kulldorff 1997) over the lattice of slices, less what the set takes to be said: a concise
set is preferred to one that fits a little better. Leaves count less the more leaves wander in the history.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.localise.leaves import Floats, Ints, Leaves

__all__ = ["Explanation", "localise"]

Flags = NDArray[np.bool_]

_LAYERS = 3
_ELEMENTS = 4
_BEAM = 8
# What a further dimension, and a further element, must add: shares of the log-likelihood ratio.
_DIMENSION, _ELEMENT = 0.1, 0.13
# Below this share of the change a set explains nothing worth naming; standard deviations of its noise; and below this
# share of the whole nobody would have noticed what it moved.
_EXPLAINED, _DEVIATIONS, _NOTICED = 0.25, 4.5, 0.03
_CUBOIDS = 250
# What the log-likelihood ratio of a slice, in units of its noise, must have beyond the logarithm of how many slices
# were looked at: a slice by chance in one table of a hundred and fifty.
_EVIDENCE = 5.0
# Standard deviations of the whole's wander within which a movement of all is no movement.
_WHOLE = 2.0


@dataclass(frozen=True)
class Explanation:
    """One answer: slices (none where no slice explains the change), and how good an answer it is.

    ``score`` is the penalised log-likelihood ratio, ``explained_ratio`` the share of what moved that moved within
    the slices, 0..1.
    """

    elements: tuple[dict[str, str | None], ...]
    score: float
    explained_ratio: float

    @property
    def is_external(self) -> bool:
        """No slice explains it."""
        return not self.elements

    @property
    def text(self) -> str:
        """The slices in words; empty where there is none."""
        return "; ".join(
            " and ".join(
                f"{name}={'(missing)' if value is None else value}" for name, value in element.items()
            )
            for element in self.elements
        )


@dataclass(frozen=True)
class _Slice:
    cuboid: tuple[int, ...]
    inside: Ints
    cost: float


def localise(leaves: Leaves, limit: int = 5) -> list[Explanation]:
    """Answers, best first, at most ``limit``; the first is "no slice" where nothing stands out of the rest."""
    scan = _Scan(leaves)
    sets = scan.sets()
    answers = [scan.explanation(chosen) for chosen in sets[:limit]]
    if not sets or not scan.stands_out(sets[0]):
        nothing = Explanation((), 0.0, 0.0)
        return [nothing, *answers][:limit]
    return answers


class _Scan:
    """The leaves as a field of observed and expected weights, and what slices do in it."""

    def __init__(self, leaves: Leaves) -> None:
        self.leaves = leaves
        noise = leaves.noise
        floor = 1e-9 * max(float(leaves.expected.sum()), 1.0)
        expected = np.maximum(leaves.expected, floor)
        whole = leaves.observed.sum() / expected.sum()
        relative = noise.leaf + leaves.doubt
        weight = 1 / (noise.dispersion + relative * expected * max(whole, 1e-9))
        self.observed, self.expected = leaves.observed * weight, expected * weight
        self.raw_observed, self.raw_expected = leaves.observed, expected
        self.usual = _WHOLE * float(np.sqrt(noise.whole))
        # Where all moved no more than it does, slices may have risen or fallen.
        self.sign = 0.0 if abs(np.log(max(whole, 1e-9))) < self.usual else 1.0 if whole >= 1 else -1.0
        self.cuboids = list(self._cuboids())

    def _cuboids(self) -> Iterator[tuple[tuple[int, ...], Ints, float]]:
        """Dimensions, each leaf's slice, and the cost in nats of naming one slice of them."""
        codes = self.leaves.codes
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
                yield cuboid, ids, float(cost)

    def sets(self) -> list[tuple[_Slice, ...]]:
        """Sets of slices, best first: from each of the best single slices on, greedily."""
        none = np.zeros(len(self.observed), bool)
        found: dict[frozenset[tuple[tuple[int, ...], int]], tuple[_Slice, ...]] = {}
        for first in self._best(none, _BEAM):
            chosen: tuple[_Slice, ...] = (first,)
            for _ in range(2 * _ELEMENTS):
                found[self._key(chosen)] = chosen
                more = self._best(self._covered(chosen), 1)
                if not more:
                    break
                wider = (*(one for one in chosen if not _is_within(one, more[0])), more[0])
                if len(wider) > _ELEMENTS or self._value(wider) <= self._value(chosen):
                    break
                chosen = wider
        return sorted(found.values(), key=lambda chosen: -self._value(chosen))

    def _best(self, covered: Flags, count: int) -> list[_Slice]:
        """The slices of the leaves not covered that are best by themselves."""
        observed, expected = np.where(covered, 0, self.observed), np.where(covered, 0, self.expected)
        total_observed, total_expected = float(observed.sum()), float(expected.sum())
        if total_observed <= 0 or total_expected <= 0:
            return []
        tops: list[tuple[float, tuple[int, ...], Ints, int, float]] = []
        for cuboid, ids, cost in self.cuboids:
            a: Floats = np.bincount(ids, observed).astype(np.float64, copy=False)
            b: Floats = np.bincount(ids, expected).astype(np.float64, copy=False)
            gain = _log_likelihood_ratio(a, b, total_observed, total_expected, self.sign)
            worth = gain * (1 - _DIMENSION) ** (len(cuboid) - 1) - cost
            worth[gain < (cost + _EVIDENCE) * (1 + self.leaves.noise.slice * b)] = 0
            best = np.argpartition(-worth, min(count, len(worth) - 1))[:count].tolist()
            tops += [(float(worth[at]), cuboid, ids, at, cost) for at in best]
        tops.sort(key=lambda top: -top[0])
        slices: list[_Slice] = []
        seen: list[Ints] = []
        for worth_of, cuboid, ids, at, cost in tops:
            if worth_of <= 0 or len(slices) == count:
                break
            inside = np.flatnonzero(ids == at)
            # The same leaves under a longer name are the same slice.
            if any(np.array_equal(inside, other) for other in seen):
                continue
            seen.append(inside)
            slices.append(_Slice(cuboid, inside, cost))
        return slices

    def _covered(self, chosen: tuple[_Slice, ...]) -> Flags:
        covered = np.zeros(len(self.observed), bool)
        for one in chosen:
            covered[one.inside] = True
        return covered

    def _value(self, chosen: tuple[_Slice, ...]) -> float:
        covered = np.zeros(len(self.observed), bool)
        a_all, b_all = self.observed.sum(), self.expected.sum()
        total = -_term(a_all, b_all)
        for one in chosen:
            own = one.inside[~covered[one.inside]]
            total += _term(self.observed[own].sum(), self.expected[own].sum())
            covered[own] = True
        total += _term(self.observed[~covered].sum(), self.expected[~covered].sum())
        dimensions = sum(len(one.cuboid) for one in chosen) / len(chosen)
        concise = (1 - _DIMENSION) ** (dimensions - 1) * (1 - _ELEMENT) ** (len(chosen) - 1)
        return float(total * concise - sum(one.cost for one in chosen))

    def stands_out(self, chosen: tuple[_Slice, ...]) -> bool:
        """Beyond the noise of the history, a good part of what moved, and enough of the whole to be noticed there."""
        covered, noise = self._covered(chosen), self.leaves.noise
        a, b = self.raw_observed[covered].sum(), self.raw_expected[covered].sum()
        rest = self.raw_observed[~covered].sum() / max(self.raw_expected[~covered].sum(), 1e-300)
        due = max(b * rest, 1e-9)
        uneven = float((self.raw_expected[covered] ** 2).sum()) * rest**2
        deviation = np.sqrt(noise.dispersion * due + noise.slice * due**2 + noise.leaf * uneven)
        whole = max(float(self.raw_observed.sum()), float(self.raw_expected.sum()))
        return bool(
            abs(a - due) > max(_DEVIATIONS * deviation, _NOTICED * whole)
            and self._explained(covered) >= _EXPLAINED
        )

    def _explained(self, covered: Flags) -> float:
        """The part of what moved that the slices moved beyond the rest."""
        outside, due = self.raw_observed[~covered].sum(), self.raw_expected[~covered].sum()
        rest = outside / due if due > 0 else 1.0
        own = abs(self.raw_observed[covered].sum() - self.raw_expected[covered].sum() * rest)
        alike = max(abs(rest - 1) - self.usual, 0.0) * self.raw_expected.sum()
        return float(own / (own + alike)) if own + alike > 0 else 0.0

    def explanation(self, chosen: tuple[_Slice, ...]) -> Explanation:
        names, values, codes = self.leaves.dimensions, self.leaves.values, self.leaves.codes
        elements = tuple({names[d]: values[d][codes[one.inside[0], d]] for d in one.cuboid} for one in chosen)
        return Explanation(elements, self._value(chosen), self._explained(self._covered(chosen)))

    def _key(self, chosen: tuple[_Slice, ...]) -> frozenset[tuple[tuple[int, ...], int]]:
        return frozenset((one.cuboid, int(one.inside[0])) for one in chosen)


def _is_within(one: _Slice, other: _Slice) -> bool:
    return bool(np.isin(one.inside, other.inside, assume_unique=True).all())


def _log_likelihood_ratio(
    observed: Floats, expected: Floats, whole_observed: float, whole_expected: float, sign: float
) -> Floats:
    """Kulldorff's statistic of slices against their rest, 0 where they move against ``sign``."""
    rest_observed = np.maximum(whole_observed - observed, 0.0)
    rest_expected = np.maximum(whole_expected - expected, 1e-9 * whole_expected)
    gain = _terms(observed, expected) + _terms(rest_observed, rest_expected)
    gain -= _term(whole_observed, whole_expected)
    inside, outside = observed * rest_expected, rest_observed * expected
    return np.where((expected > 0) & ((sign == 0) | (sign * (inside - outside) > 0)), gain, 0.0)


def _terms(observed: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((observed > 0) & (expected > 0), observed * np.log(observed / expected), 0.0)


def _term(observed: float, expected: float) -> float:
    return float(observed * np.log(observed / expected)) if observed > 0 and expected > 0 else 0.0
