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
        return _Climb(self, own, costs, self._rests(free)).best()

    def with_(
        self, own: Sequence[_Own], costs: Sequence[float], rest: _Rest, within: float, spared: float
    ) -> Fit:
        """The fit by given unevenness, ``within`` the slices beyond the rest's."""
        score = rest.told - self._none - _CHOICE * ((within > 0) + (spared > 0))
        evidence = []
        for (table, as_rest), cost in zip(own, costs, strict=True):
            inside, factor = _slice(table, as_rest, self._noise.dispersion, rest.more + within, spared)
            moved = math.log(factor / rest.factor)
            # How sharply the data fix the factor: the curvature of the parabola through both likelihoods.
            sharp = 2 * max(inside - float(as_rest.sum()), 1e-9) / max(moved**2, 1e-12)
            score += inside - 0.5 * math.log1p(_FAULT**2 * sharp) - cost
            evidence.append(self._evidence(moved, 1 / sharp) - cost)
        return Fit(score, tuple(evidence))

    def as_rest(self, table: Floats, rest: _Rest) -> Floats:
        """The log-likelihood of each leaf, had it moved as the rest did."""
        return _as_rest(table, self._noise.dispersion, rest.more, rest.factor)

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


_Own = tuple[Floats, Floats]


class _Climb:
    """The likeliest unevenness of a set of slices: uphill, a step at a time, from that of the rest alone."""

    def __init__(
        self, model: Likelihood, own: Sequence[Floats], costs: Sequence[float], rests: Sequence[_Rest]
    ) -> None:
        self._model, self._own, self._costs, self._rests = model, own, costs, rests
        self._tried: dict[tuple[int, int, int], Fit] = {}
        self._as_rest: dict[int, list[_Own]] = {}

    def best(self) -> Fit:
        """The fit at the top."""
        at = max(range(len(self._rests)), key=lambda more: self._rests[more].told), 1, 0
        while True:
            higher = max(self._near(at), key=lambda place: self._at(place).score)
            if self._at(higher).score <= self._at(at).score:
                return self._at(at)
            at = higher

    def _near(self, at: tuple[int, int, int]) -> list[tuple[int, int, int]]:
        sizes = len(self._rests), len(_WITHIN), len(_SPARED)
        steps = [(*at[:d], at[d] + step, *at[d + 1 :]) for d in range(3) for step in (-1, 1)]
        return [near for near in steps if all(0 <= i < size for i, size in zip(near, sizes, strict=True))]  # type: ignore[misc]

    def _at(self, place: tuple[int, int, int]) -> Fit:
        if place not in self._tried:
            more, within, spared = place
            rest = self._rests[more]
            if more not in self._as_rest:
                self._as_rest[more] = [(table, self._model.as_rest(table, rest)) for table in self._own]
            self._tried[place] = self._model.with_(
                self._as_rest[more], self._costs, rest, _WITHIN[within], _SPARED[spared]
            )
        return self._tried[place]


class _Rest(NamedTuple):
    """Leaves of no slice: their log-likelihood, the factor that they share, how much more unevenly they moved."""

    told: float
    factor: float
    more: float


@njit(cache=True, error_model="numpy")
def _log_gamma(x: float) -> float:
    """Stirling's series, to ten digits, where it is; twice as fast as the library's."""
    if x < 12.0:
        return math.lgamma(x)
    return (x - 0.5) * math.log(x) - x + 0.9189385332046727 + 1.0 / (12.0 * x) - 1.0 / (360.0 * x * x * x)


@njit(cache=True, error_model="numpy")
def _log_chance(observed: float, mean: float, dispersion: float, relative: float) -> float:
    """Of the negative binomial, but for what no model changes."""
    over = max(dispersion - 1.0 + relative * mean, 1e-6)
    shape = mean / over
    spread = math.log1p(over)
    # log(1 + 1 / over) = log(1 + over) − log(over)
    at_zero = -shape * spread
    if observed == 0.0:
        return at_zero
    return _log_gamma(observed + shape) - _log_gamma(shape) + at_zero - observed * (spread - math.log(over))


@njit(cache=True, error_model="numpy")
def _rest(table: Floats, dispersion: float, more: float) -> tuple[float, float]:
    """Log-likelihood of leaves by one factor, the likeliest, and it."""
    factor = _factor(table, np.ones(table.shape[1]), dispersion, more, table[0].sum() / table[1].sum())
    return _as_rest(table, dispersion, more, factor).sum(), factor


@njit(cache=True, error_model="numpy")
def _as_rest(table: Floats, dispersion: float, more: float, factor: float) -> Floats:
    observed, expected, relative = table
    told = np.empty(len(observed))
    for i in range(len(observed)):
        told[i] = _log_chance(observed[i], expected[i] * factor, dispersion, relative[i] + more)
    return told


@njit(cache=True, error_model="numpy")
def _factor(table: Floats, hit: Floats, dispersion: float, more: float, factor: float) -> float:
    """The factor of leaves that count by ``hit``: reweighted least squares."""
    observed, expected, relative = table
    for _ in range(4):
        seen = due = 0.0
        for i in range(len(observed)):
            weight = hit[i] / (dispersion + (relative[i] + more) * expected[i] * factor)
            seen += weight * observed[i]
            due += weight * expected[i]
        factor = max(seen, 0.02) / max(due, 1e-12)
    return factor


@njit(cache=True, error_model="numpy")
def _slice(
    table: Floats, as_rest: Floats, dispersion: float, more: float, spared: float
) -> tuple[float, float]:
    """Log-likelihood of leaves by a factor of their own, or with a share ``spared`` as the rest moved, by expectation
    and maximisation; and that factor."""
    hit = np.ones(table.shape[1])
    factor = _factor(table, hit, dispersion, more, max(table[0].sum(), 0.5) / max(table[1].sum(), 1e-9))
    told = _as_rest(table, dispersion, more, factor)
    if spared == 0.0:
        return told.sum(), factor
    for _ in range(3):
        for i in range(len(hit)):
            hit[i] = 1.0 / (1.0 + math.exp(min(as_rest[i] - told[i], 700.0)) * spared / (1.0 - spared))
        factor = _factor(table, hit, dispersion, more, factor)
        told = _as_rest(table, dispersion, more, factor)
    both = 0.0
    for i in range(len(hit)):
        top = max(told[i], as_rest[i])
        both += top + math.log((1.0 - spared) * math.exp(told[i] - top) + spared * math.exp(as_rest[i] - top))
    return both, factor
