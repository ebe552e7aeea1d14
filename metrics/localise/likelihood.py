"""How likely a set of slices makes what was observed: the model by which sets are chosen and believed.

A leaf's count is negative binomial, of mean ``factor · expected`` and variance ``dispersion · mean + (leaf + doubt) ·
mean²``, as the history has leaves wander. All leaves outside of the slices share one factor; each slice has its own.
What no history can tell is told by the incident minute itself, by maximum likelihood: how much more unevenly leaves
moved at it (:data:`_MORE`, everywhere), how much more so within the slices (:data:`_WITHIN`), and what share of a
slice's leaves was spared and moved as the rest did (:data:`_SPARED`, a mixture). A set of slices is as good as its
log-likelihood less what it takes to be said: the logarithm of how many slices could have been named (the search's
multiplicity), and for each factor what the data needed to fix it (Schwarz's and Laplace's term).

The evidence that a slice did move is judged apart: its values wander beside the whole even without a fault, so that
a factor counts by how much likelier it is as a fault's (log-normal, of :data:`_FAULT`) than as that wander, whose
variance the history knows with some degrees of freedom (Student's t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from metrics.localise.leaves import Floats, Ints, Leaves

__all__ = ["Fit", "Likelihood"]

Flags = NDArray[np.bool_]

_MORE = (0.0, 0.02, 0.06, 0.2, 0.6)
_WITHIN = (0.0, 0.05, 0.15, 0.4, 1.0)
_SPARED = (0.0, 0.15)
_FAULT = 1.2  # standard deviation of the logarithm of a fault's factor
_UNLIKELY = 5.0  # nats below the likeliest unevenness of the rest, from where one is not tried
_CHOICE = 1.0  # nats for each of the last two that is not 0


@dataclass(frozen=True)
class Fit:
    """How likely a set of slices is: ``score``, its penalised log-likelihood beside "none", and by slice the
    ``evidence`` that it moved, in nats beyond what it costs to be named."""

    score: float
    evidence: tuple[float, ...]


class Likelihood:
    """The model of one leaf table; ``expected`` is that of ``leaves``, above 0."""

    def __init__(self, leaves: Leaves, expected: Floats) -> None:
        self._noise = leaves.noise
        relative = leaves.noise.leaf + np.asarray(leaves.doubt, np.float64)
        # Rows: observed, expected, relative variance.
        self._table = np.ascontiguousarray(
            np.broadcast_arrays(leaves.observed, expected, relative), np.float64
        )
        self._none = max(rest.told for rest in self._rests(np.ones(self._table.shape[1], np.bool_)))

    def fit(self, slices: Sequence[Ints], costs: Sequence[float]) -> Fit:
        """``slices``: the leaves of each; one that is of several belongs to the first. ``costs`` in nats."""
        free = np.ones(self._table.shape[1], np.bool_)
        own = []
        for leaves in slices:
            mine = leaves[free[leaves]]
            if not mine.size:
                return Fit(-math.inf, tuple(-math.inf for _ in slices))
            own.append(np.ascontiguousarray(self._table[:, mine]))
            free[mine] = False
        rests = self._rests(free)
        likely = max(rest.told for rest in rests) - _UNLIKELY
        found = [
            self._climbed(own, costs, rest, spared)
            for rest in rests
            if rest.told >= likely
            for spared in _SPARED
        ]
        return max(found, key=lambda fit: fit.score)

    def _climbed(self, own: Sequence[Floats], costs: Sequence[float], rest: _Rest, spared: float) -> Fit:
        """The likeliest unevenness within the slices: a likelihood of one peak."""
        best = self._with(own, costs, rest, spared, _WITHIN[0])
        for within in _WITHIN[1:]:
            found = self._with(own, costs, rest, spared, within)
            if found.score < best.score and within > _WITHIN[1]:
                break
            best = max(best, found, key=lambda fit: fit.score)
        return best

    def _with(
        self, own: Sequence[Floats], costs: Sequence[float], rest: _Rest, spared: float, within: float
    ) -> Fit:
        score = rest.told - self._none - _CHOICE * ((within > 0) + (spared > 0))
        evidence = []
        for table, cost in zip(own, costs, strict=True):
            inside, as_rest, factor = _slice(
                table, self._noise.dispersion, rest.more, within, spared, rest.factor
            )
            moved = math.log(factor / rest.factor)
            # How sharply the data fix the factor: the curvature of the parabola through both likelihoods.
            sharp = 2 * max(inside - as_rest, 1e-9) / max(moved**2, 1e-12)
            score += inside - 0.5 * math.log1p(_FAULT**2 * sharp) - cost
            evidence.append(self._evidence(moved, 1 / sharp) - cost)
        return Fit(score, tuple(evidence))

    def _evidence(self, moved: float, variance: float) -> float:
        """Log Bayes factor of a fault against the usual wander."""
        fault, usual, freedom = _FAULT**2 + variance, self._noise.slice + variance, self._noise.freedom
        as_fault = math.log(fault) + moved**2 / fault
        as_usual = math.log(usual) + (freedom + 1) * math.log1p(moved**2 / usual / freedom)
        return 0.5 * (as_usual - as_fault)

    def _rests(self, free: Flags) -> list[_Rest]:
        """The leaves ``free`` by how much more unevenly they moved than leaves do."""
        if not free.any():
            return [_Rest(0.0, 1.0, 0.0)]
        table, found = np.ascontiguousarray(self._table[:, free]), []
        for more in _MORE:
            told, factor = _rest(table, self._noise.dispersion, more)
            found.append(_Rest(told - (0.5 * math.log(free.size) if more else 0.0), factor, more))
        return found


class _Rest(NamedTuple):
    """Leaves of no slice: their log-likelihood, the factor that they share, how much more unevenly they moved."""

    told: float
    factor: float
    more: float


@njit(cache=True, error_model="numpy")
def _log_chance(observed: float, mean: float, dispersion: float, relative: float) -> float:
    """Of the negative binomial, but for what no model changes."""
    over = max(dispersion - 1.0 + relative * mean, 1e-6)
    shape = mean / over
    return (
        math.lgamma(observed + shape) - math.lgamma(shape)
        - shape * math.log1p(over) - observed * math.log1p(1.0 / over)
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _rest(table: Floats, dispersion: float, more: float) -> tuple[float, float]:
    observed, expected, relative = table
    factor = max(observed.sum(), 0.5) / max(expected.sum(), 1e-9)
    for _ in range(4):
        seen = due = 0.0
        for i in range(len(observed)):
            weight = 1.0 / (dispersion + (relative[i] + more) * expected[i] * factor)
            seen += weight * observed[i]
            due += weight * expected[i]
        factor = max(seen, 0.02) / max(due, 1e-12)
    told = 0.0
    for i in range(len(observed)):
        told += _log_chance(observed[i], expected[i] * factor, dispersion, relative[i] + more)
    return told, factor


@njit(cache=True, error_model="numpy")
def _slice(
    table: Floats, dispersion: float, more: float, within: float, spared: float, rest: float
) -> tuple[float, float, float]:
    """Log-likelihoods by an own factor and by the rest's, and the former (by expectation and maximisation)."""
    observed, expected, relative = table
    n = len(observed)
    as_rest = np.empty(n)
    for i in range(n):
        as_rest[i] = _log_chance(observed[i], expected[i] * rest, dispersion, relative[i] + more)
    hit = np.ones(n)
    factor = max(observed.sum(), 0.5) / max(expected.sum(), 1e-9)
    told = 0.0
    for turn in range(5):
        seen = due = 0.0
        for i in range(n):
            weight = hit[i] / (dispersion + (relative[i] + more + within) * expected[i] * factor)
            seen += weight * observed[i]
            due += weight * expected[i]
        factor = max(seen, 0.02) / max(due, 1e-12)
        if spared == 0.0 and turn < 3:
            continue
        told = 0.0
        for i in range(n):
            own = _log_chance(observed[i], expected[i] * factor, dispersion, relative[i] + more + within)
            if spared == 0.0:
                told += own
                continue
            own += math.log(1.0 - spared)
            other = as_rest[i] + math.log(spared)
            top = max(own, other)
            both = top + math.log(math.exp(own - top) + math.exp(other - top))
            hit[i] = math.exp(own - both)
            told += both
    return told, as_rest.sum(), factor
