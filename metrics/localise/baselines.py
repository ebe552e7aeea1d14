"""Published methods to compare with: Adtributor and RiskLoc, after their papers, with the parameters given there.

- :func:`adtributor`: Bhagwan et al., "Adtributor: revenue debugging in advertising systems", NSDI 2014. One
  dimension at a time: values in order of surprise (Jensen-Shannon) until they explain the change.
- :func:`riskloc`: Kalander, "RiskLoc: localization of multi-dimensional root causes by weighted risk", 2022.
  Leaves parted in two by their deviation score; from the coarsest slices on, the one of the highest risk.
"""

from __future__ import annotations

import itertools

import numpy as np

from metrics.localise.leaves import Floats, Ints, Leaves
from metrics.localise.search import Explanation

__all__ = ["adtributor", "riskloc"]

# Adtributor: share of the change each value, and all of them together, must explain; values at most.
_EACH, _TOGETHER, _VALUES = 0.1, 0.67, 3
# RiskLoc: risk from which a slice is a cause, share of abnormal weight a step must explain, causes at most.
_RISK, _PROPORTION, _CAUSES = 0.5, 0.15, 4


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


def riskloc(leaves: Leaves, limit: int = 1) -> list[Explanation]:
    """One set of slices, each of a risk of at least one half."""
    v, f, codes = leaves.observed.copy(), leaves.expected.copy(), leaves.codes
    both = f + v
    score = np.where(both > 0, 2 * (f - v) / np.maximum(both, 1e-300), 0.0)
    if v.sum() > f.sum():
        score = -score  # causes are on the positive side
    low = score.min()
    cut = abs(low) if low < 0 else 0.0
    # Outliers of the normal side move the cut: the paper prunes them where others are alike.
    abnormal = score > min(cut, float(score.max()) * 0.999)
    weight = np.abs(score - (cut if abnormal.any() else 0.0))
    weight = np.where(abnormal, np.maximum(np.abs(score), 1e-9), weight)
    weight = np.minimum(weight, 1.0)
    open_ = np.ones(len(v), bool)
    whole = weight[abnormal].sum()
    elements: list[dict[str, str | None]] = []
    explained = 0.0
    while len(elements) < _CAUSES and whole > 0 and weight[abnormal & open_].sum() / whole > _PROPORTION:
        best = _riskiest(codes, v, f, weight, abnormal, open_, whole)
        if best is None:
            break
        cuboid, inside = best
        first = int(np.flatnonzero(inside)[0])
        elements.append({leaves.dimensions[d]: leaves.values[d][codes[first, d]] for d in cuboid})
        explained += float(weight[inside & abnormal].sum() / whole)
        open_ &= ~inside
    return [Explanation(tuple(elements), explained, min(explained, 1.0))][:limit]


def _riskiest(
    codes: Ints, v: Floats, f: Floats, weight: Floats, abnormal: Ints, open_: Ints, whole: float
) -> tuple[tuple[int, ...], Ints] | None:
    for layer in range(1, min(3, codes.shape[1]) + 1):
        best, where = _RISK, None
        for cuboid in itertools.combinations(range(codes.shape[1]), layer):
            ids = np.unique(codes[:, cuboid], axis=0, return_inverse=True)[1].ravel()
            wa = np.bincount(ids, weight * (abnormal & open_))
            wn = np.bincount(ids, weight * (~abnormal & open_))
            fs, vs = np.bincount(ids, f * open_), np.bincount(ids, v * open_)
            r1 = wa / (wa + wn + 1)
            # What is left of the deviation once the slice's own shift is taken out of each leaf.
            due = f * np.where(fs > 0, vs / np.maximum(fs, 1e-300), 1.0)[ids]
            left = 2 * np.abs(due - v) / np.maximum(due + v, 1e-300)
            before = 2 * np.abs(f - v) / np.maximum(f + v, 1e-300)
            r2 = np.bincount(ids, left * open_) / np.maximum(np.bincount(ids, before * open_), 1e-300)
            risk = np.where(wa / whole >= _PROPORTION, r1 - np.minimum(r2, 1.0), -1.0)
            at = int(risk.argmax())
            if risk[at] >= best:
                best, where = float(risk[at]), (cuboid, (ids == at) & open_)
        if where is not None:
            return where
    return None
