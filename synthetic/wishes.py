"""What a member wants at a moment: taste and mood, a title unaided, and whether one looked at is good enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.alias import alias_draw
from synthetic.jit import compiled, inlined
from synthetic.products import product
from synthetic.random import Stream

__all__ = [
    "PROPOSALS",
    "add_mood",
    "contains",
    "exposure",
    "is_good_enough",
    "lognormal",
    "query_kind",
    "wish",
]

Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

PROPOSALS = 24  # candidates from which an unaided wish is resampled by taste


@compiled(counted=False)
def add_mood(
    seed: int, entity: int, step: int, taste: Float32Array, mood_ratio: float, mood: FloatArray, wanted: Float32Array
) -> None:  # fmt: skip
    """What is wanted now, into ``wanted``: lasting taste and a mood drawn for (entity, step).

    ``mood`` is working space, as long as ``taste``.
    """
    sd = np.sqrt(mood_ratio)
    draws.fill_normal(mood, seed, entity, step * taste.size, Stream.BROWSE_MOOD)
    for d in range(taste.size):
        wanted[d] = np.float32(float(taste[d]) + sd * mood[d])


@compiled(counted=False)
def wish(
    seed: int, key: int, taste: Float32Array, title_taste: Float32Array, title_offset: Float32Array,
    threshold: Float32Array, alias: Int32Array, seen: Int32Array, proposed: Int32Array, utility: FloatArray,
) -> int:  # fmt: skip
    """A title wanted unaided, or -1: drawn by demand, then resampled by taste (importance resampling).

    ``proposed`` and ``utility`` are working space, [PROPOSALS].
    """
    for k in range(PROPOSALS):  # all of them before any is judged: see results.order_results
        title = alias_draw(draws.uniform(seed, key, k, Stream.BROWSE_PREFERENCE), threshold, alias)
        proposed[k] = title
        utility[k] = float(product(taste, title_taste[title])) - float(title_offset[title])
    best, best_utility = -1, -np.inf
    for k in range(PROPOSALS):
        u = draws.uniform(seed, key, k, Stream.BROWSE_WISH)
        if _cannot_reach(u, utility[k] - best_utility):
            continue
        noisy = utility[k] - draws.log(-draws.log(u))  # Gumbel noise
        if noisy > best_utility and not contains(seen, proposed[k]):
            best, best_utility = proposed[k], noisy
    return best


@compiled(counted=False)
def is_good_enough(seed: int, key: int, title: int, utility: float) -> bool:
    """Whether ``utility`` with Gumbel noise is above 0, the outside option."""
    u = draws.uniform(seed, key, title, Stream.BROWSE_GUMBEL)
    return not _cannot_reach(u, utility) and -draws.log(u) < draws.exp(utility)


@compiled(counted=False)
def _cannot_reach(u: float, margin: float) -> bool:
    """That Gumbel noise -log(-log u) is below -``margin``, where it can be told without a logarithm; else False.

    Most titles are far from good enough. -log u is at least 1 - u, and the exponential of -v is at most one over the
    first terms of the series of that of v.
    """
    v = -margin
    return (1.0 - u) * (1.0 + v * (1.0 + v * (0.5 + v * (1.0 / 6.0)))) >= 1.0


@compiled(counted=False)
def exposure(row: int, slot: int, bonus: float) -> float:
    """What standing there adds to a title's utility: all of ``bonus`` at the top left, less further on."""
    return bonus / ((1.0 + row) * (1.0 + 0.1 * slot))


@compiled(counted=False)
def query_kind(seed: int, key: int, carried_ratio: float) -> int:
    """How the wish is put into words, an index into ``queries.KINDS``.

    Half know the name, a quarter remember its last word, a quarter ask for the kind. Assumption.
    """
    if draws.uniform(seed, key, 1, Stream.BROWSE_SEARCH) >= carried_ratio:
        return 3
    u = draws.uniform(seed, key, 0, Stream.SEARCH_QUERY)
    return 0 if u < 0.5 else 1 if u < 0.75 else 2


@compiled(counted=False)
def contains(titles: Int32Array, title: int) -> bool:
    """Whether a title is among a few; all are looked at, which is quicker than stopping."""
    hits = 0
    for other in titles:
        hits += other == title
    return hits > 0


@inlined
def lognormal(seed: int, key: int, step: int, stream: int, median: float, log_sd: float) -> float:
    """A time, of that median and that sd of its logarithm."""
    return median * draws.exp(log_sd * draws.normal(seed, key, step, stream))
