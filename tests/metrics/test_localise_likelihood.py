"""The likelihood by which sets of slices are chosen: the planted set is the likeliest, and evidence is what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metrics.localise.leaves import Ints, Leaves, Noise
from metrics.localise.likelihood import Fit, Likelihood

LEAVES, DUE, COST = 400, 50.0, 4.0
ALL = np.arange(LEAVES)
HIT, WIDER, PART, ELSEWHERE = ALL[:40], ALL[:80], ALL[:20], ALL[200:240]


def observed(factor: float, *, uneven: float = 0.0, spared: float = 0.0, seed: int = 0) -> Likelihood:
    """Leaves of which the first forty moved by ``factor``, ``uneven`` (log-sd), but for a share that was spared."""
    draw = np.random.Generator(np.random.Philox(seed))
    mean = np.full(LEAVES, DUE)
    own = factor * np.exp(draw.normal(0, uneven, HIT.size))
    mean[HIT] *= np.where(draw.random(HIT.size) < spared, 1.0, own)
    codes = np.stack([np.zeros(LEAVES, np.int64), ALL], axis=1)
    expected = np.full(LEAVES, DUE)
    values = (("a",), tuple(str(leaf) for leaf in range(LEAVES)))
    counts = draw.poisson(mean).astype(np.float64)
    leaves = Leaves(("d", "e"), values, codes, counts, expected, Noise(1.0, 0.005, 0.005, 0.01))
    return Likelihood(leaves, expected)


def fit(likelihood: Likelihood, *slices: Ints) -> Fit:
    return likelihood.fit(slices, [COST] * len(slices))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("uneven", "spared"), [(0.0, 0.0), (0.4, 0.0), (0.0, 0.2)])
def test_the_planted_slice_is_likelier_than_a_wider_a_narrower_or_another(
    uneven: float, spared: float, seed: int
) -> None:
    likelihood = observed(3.0, uneven=uneven, spared=spared, seed=seed)
    planted = fit(likelihood, HIT)
    assert planted.score > 0
    assert planted.score > max(fit(likelihood, other).score for other in (WIDER, PART, ELSEWHERE))
    assert planted.score > fit(likelihood, HIT, ELSEWHERE).score, "what did not move is not worth its name"
    assert planted.evidence[0] > 2


def test_where_nothing_moved_no_slice_is_worth_its_name() -> None:
    likelihood = observed(1.0)
    for one in (HIT, WIDER, PART, ELSEWHERE):
        assert fit(likelihood, one).score < 0
        assert fit(likelihood, one).evidence[0] < 0


def test_a_move_within_the_usual_wander_is_no_evidence_however_sure_it_is() -> None:
    """Values wander by 7 %; forty leaves of fifty tell 10 % from nothing, but not from a wander."""
    likelihood = observed(1.1)
    assert fit(likelihood, HIT).evidence[0] < 0 < fit(observed(2.0), HIT).evidence[0]


def test_two_slices_are_told_in_any_order_and_a_leaf_counts_once() -> None:
    likelihood = observed(3.0)
    one, other = fit(likelihood, HIT, ELSEWHERE), fit(likelihood, ELSEWHERE, HIT)
    assert one.score == pytest.approx(other.score)
    assert one.evidence == pytest.approx(other.evidence[::-1])
    assert fit(likelihood, HIT, PART).score == -math.inf, "nothing is left that is the second's own"


def test_every_leaf_in_the_slice_leaves_a_rest_of_nothing() -> None:
    found = fit(observed(3.0), ALL)
    assert math.isfinite(found.score)
    assert np.isfinite(found.evidence).all()
