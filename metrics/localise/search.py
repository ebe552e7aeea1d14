"""The search: the smallest set of slices whose leaves moved otherwise than the rest.

:class:`~metrics.localise.scan.Scan` proposes slices, :class:`~metrics.localise.likelihood.Likelihood` says how likely
a set of them makes what was observed. From the most likely single slices on, the set grows by the slice that makes it
likelier; of the likeliest set each slice in turn is exchanged or left out. A set is believed where each of its slices
has evidence of its own and moved enough to be noticed, and where all together are a good part of what moved: else no
slice explains the change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metrics.localise.leaves import Floats, Leaves
from metrics.localise.scan import Flags, Scan, Slice

if TYPE_CHECKING:
    from metrics.localise.likelihood import Fit

__all__ = ["Explanation", "localise"]

_ELEMENTS = 4
# Slices that are tried first, of which so many grow to sets; to grow by, and to exchange a slice for.
_FIRST, _GROWN, _NEXT, _OTHERS = 12, 4, 6, 8
_TURNS = 4
# Nats of evidence that each slice must have beyond what naming it costs: seven to one against a fault.
_BELIEVED = 2.0
# Below this share of the change a set explains nothing worth naming; below these of the whole nobody would have noticed
# what a set moved, or one of its slices where no other is.
_EXPLAINED, _NOTICED, _OWN = 0.25, 0.02, 0.01

Chosen = tuple[Slice, ...]


@dataclass(frozen=True)
class Explanation:
    """One answer: slices (none where no slice explains the change), and how good an answer it is.

    ``score`` is the penalised log-likelihood ratio to "no slice", ``explained_ratio`` the share of what moved that
    moved within the slices, 0..1.
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


def localise(leaves: Leaves, limit: int = 5) -> list[Explanation]:
    """Answers, best first, at most ``limit``; the first is "no slice" where nothing stands out of the rest."""
    search = _Search(leaves)
    sets = search.sets()
    answers = [search.explanation(chosen) for chosen in sets[:limit]]
    if not sets or not search.stands_out(sets[0]):
        nothing = Explanation((), 0.0, 0.0)
        return [nothing, *answers][:limit]
    return answers


class _Search:
    """Sets of slices of one table, each judged once."""

    def __init__(self, leaves: Leaves) -> None:
        from metrics.localise.likelihood import Likelihood  # compiles: half a second

        self._leaves = leaves
        self._scan = Scan(leaves)
        self._likelihood = Likelihood(leaves, self._scan.expected)
        self._judged: dict[frozenset[tuple[tuple[int, ...], int]], tuple[bool, float, Chosen]] = {}

    def sets(self) -> list[Chosen]:
        """All sets that were tried, those to be believed first, the likelier first."""
        if self._scan.observed.sum() <= 0:
            return []
        nothing = np.zeros(len(self._scan.observed), np.bool_)
        firsts: list[Chosen] = [(one,) for one in self._scan.best(nothing, _FIRST)]
        grown = [self._grown(chosen) for chosen in sorted(firsts, key=self._rank, reverse=True)[:_GROWN]]
        if grown:
            self._exchange(max(grown, key=self._rank))
        found = sorted(self._judged.values(), key=lambda judged: judged[:2], reverse=True)
        return [chosen for _, score, chosen in found if score > -math.inf]

    def stands_out(self, chosen: Chosen) -> bool:
        """Believed, likelier than none, a good part of what moved, and enough of the whole to be noticed there."""
        is_believed, score = self._rank(chosen)
        covered = self._covered(chosen)
        moved = abs(float((self._beyond(covered))[covered].sum()))
        return (
            is_believed
            and score > 0
            and moved > _NOTICED * self._whole
            and self._explained(covered) >= _EXPLAINED
        )

    def explanation(self, chosen: Chosen) -> Explanation:
        names, values, codes = self._leaves.dimensions, self._leaves.values, self._leaves.codes
        elements = tuple({names[d]: values[d][codes[one.inside[0], d]] for d in one.cuboid} for one in chosen)
        return Explanation(elements, self._rank(chosen)[1], self._explained(self._covered(chosen)))

    def _rank(self, chosen: Chosen) -> tuple[bool, float]:
        key = frozenset(one.key for one in chosen)
        if key not in self._judged:
            fit = self._likelihood.fit([one.inside for one in chosen], [one.cost for one in chosen])
            self._judged[key] = self._is_believed(chosen, fit), fit.score, chosen
        return self._judged[key][:2]

    def _is_believed(self, chosen: Chosen, fit: Fit) -> bool:
        if min(fit.evidence) < _BELIEVED:
            return False
        times = np.zeros(len(self._scan.observed), np.int64)
        for one in chosen:
            times[one.inside] += 1
        beyond = np.where(times == 1, self._beyond(times > 0), 0.0)
        return all(abs(float(beyond[one.inside].sum())) > _OWN * self._whole for one in chosen)

    def _grown(self, chosen: Chosen) -> Chosen:
        for _ in range(2 * _ELEMENTS):
            wider = [_with(chosen, one) for one in self._scan.best(self._covered(chosen), _NEXT)]
            wider = [each for each in wider if len(each) <= _ELEMENTS]
            best = max(wider, key=self._rank, default=chosen)
            if self._rank(best) <= self._rank(chosen):
                break
            chosen = best
        return chosen

    def _exchange(self, chosen: Chosen) -> None:
        for _ in range(_TURNS):
            tried: list[Chosen] = []
            for one in chosen:
                others = tuple(other for other in chosen if other is not one)
                tried += [others] if others else []
                tried += [_with(others, new) for new in self._scan.best(self._covered(others), _OTHERS)]
            best = max(tried, key=self._rank, default=chosen)
            if self._rank(best) <= self._rank(chosen):
                break
            chosen = self._grown(best)

    def _covered(self, chosen: Chosen) -> Flags:
        covered = np.zeros(len(self._scan.observed), np.bool_)
        for one in chosen:
            covered[one.inside] = True
        return covered

    @property
    def _whole(self) -> float:
        return max(float(self._scan.observed.sum()), float(self._scan.expected.sum()))

    def _beyond(self, covered: Flags) -> Floats:
        """What each leaf moved beyond the leaves that are not covered."""
        due = float(self._scan.expected[~covered].sum())
        rest = float(self._scan.observed[~covered].sum()) / due if due > 0 else 1.0
        beyond: Floats = self._scan.observed - self._scan.expected * rest
        return beyond

    def _explained(self, covered: Flags) -> float:
        """The part of what moved that the slices moved beyond the rest."""
        own = abs(float(self._beyond(covered)[covered].sum()))
        outside, due = self._scan.observed[~covered].sum(), self._scan.expected[~covered].sum()
        rest = outside / due if due > 0 else 1.0
        alike = max(abs(rest - 1) - self._scan.usual, 0.0) * float(self._scan.expected.sum())
        return float(own / (own + alike)) if own + alike > 0 else 0.0


def _with(chosen: Chosen, one: Slice) -> Chosen:
    return (*(other for other in chosen if not other.is_within(one)), one)
