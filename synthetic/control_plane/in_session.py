"""What the service does while a member is there: learn from each signal, and rank the page again.

One rule serves every surface. A member's taste is the mean of a Gaussian, one number a factor, in the axes in which
the vectors of all plays are uncorrelated (``curvature`` is their variance). A signal moves it by one Newton step:
the gradient of the signal's log-likelihood over the precision with that signal counted. What was looked at and not
played is a signal as much as what was played.

A *head* (home, search, artwork) reads and teaches the factors of its block. Unified, all heads share one block of all
factors; siloed, each has its own, and the three together are as many.

Compiled, and called by whoever shows pages. Every argument is something the service knows: titles, places, plays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.jit import compiled
from synthetic.products import product

__all__ = [
    "ARTWORK_HEAD", "HOME_HEAD", "SEARCH_HEAD", "SHOWN", "Ranking", "learn_asked", "learn_look", "learn_pick",
    "like_genres",
    "order_page", "picture", "space_of", "spread_page", "take_ratio",
]  # fmt: skip

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

HOME_HEAD, SEARCH_HEAD, ARTWORK_HEAD = 0, 1, 2
SHOWN = 40  # places of a page
_BINS = 128


class Ranking(NamedTuple):
    """What the service has ready for the day; ``a`` arms, ``m`` members, ``k`` candidates, ``d`` factors."""

    arm: Int8Array
    """[m] whose model serves the member."""
    candidate: Int32Array
    """[m, k] titles worth showing, best first; -1 is empty."""
    score: Float32Array
    """[m, k] as ranked when the model was trained."""
    trained: Float32Array
    """[m, d] taste when the model was trained, from which ``score`` is."""
    evidence: Float32Array
    """[m] plays it hangs on."""
    fallback: Int32Array
    """[regions, SHOWN] the page while the recommender is out."""
    title: Float32Array
    """[a, titles, d]."""
    norm: Float32Array
    """[a, titles] half the squared length in the search head's block."""
    curvature: Float32Array
    """[a, d]."""
    centre: Float32Array
    """[a, genres, d] what a picture of a genre stands for."""
    block: IntArray
    """[a, 3, 2] factors of each head, from and to."""
    take: FloatArray
    """[a, 2] log odds that a title looked at is played: constant, and factor of the score."""
    genre_share: Float32Array
    """[a, genres] genres of what the members of the arm play."""
    learns: BoolArray
    """[a] whether signals count at once."""
    spreads: BoolArray
    """[a] whether pages of a first week hold genres in proportion."""
    draws_pictures: BoolArray
    """[a] whether the picture is chosen for the member."""
    by_word: BoolArray
    """[a] whether search is by keyword alone."""
    genre: Int8Array
    """[titles, 2] main and second genre."""
    is_out: BoolArray
    """[titles] released by today."""
    found: Int32Array
    """[1 or 2, kinds of query, titles, r] what search finds by meaning and, where an arm is answered so, by keyword."""
    relevance: Float32Array
    """[1 or 2, kinds of query, titles, r] how well each answers the words, less the best."""
    popularity: Float32Array
    """[a, regions, titles] log share of the plays that the search head learns from."""
    search_weight: FloatArray
    """[a, 3] what the features of a result weigh (:mod:`~.results`)."""
    is_name: BoolArray
    """[kinds of query, titles] whether the first found bears exactly the name asked for."""
    logged_as: Int32Array
    """[titles] what the search service's log calls each title: itself, unless the log is broken."""


@compiled(counted=False)
def take_ratio(score: float, constant: float, factor: float) -> float:
    """Chance that a title of that score is played when looked at."""
    return 1.0 / (1.0 + draws.exp(-(constant + factor * score)))


@compiled(counted=False)
def learn_pick(
    taste: Float32Array, evidence: float, vector: Float32Array, curvature: Float32Array, low: int, high: int
) -> float:
    """A title asked for of one's own accord; gives the evidence after it."""
    evidence += 1.0
    t, v, c = taste[low:high], vector[low:high], curvature[low:high]
    for d in range(t.size):
        step = (float(v[d]) - float(c[d]) * float(t[d])) / (1.0 + evidence * float(c[d]))
        t[d] = np.float32(float(t[d]) + step)
    return evidence


@compiled(counted=False)
def learn_look(
    taste: Float32Array, evidence: float, vector: Float32Array, curvature: Float32Array, low: int, high: int,
    is_played: bool, expected: float, slope: float,
) -> float:  # fmt: skip
    """A title looked at, which was ``expected`` to be played with that chance; gives the evidence after it.

    ``slope``: how much the log odds of a play rise with the score, and so with taste along the title's vector.
    """
    evidence += slope * slope * expected * (1.0 - expected)
    surprise = slope * ((1.0 if is_played else 0.0) - expected)
    t, v, c = taste[low:high], vector[low:high], curvature[low:high]
    for d in range(t.size):
        t[d] = np.float32(float(t[d]) + surprise * float(v[d]) / (1.0 + evidence * float(c[d])))
    return evidence


@compiled(counted=False)
def learn_asked(
    taste: Float32Array, evidence: float, results: Int32Array, title: Float32Array, curvature: Float32Array,
    mean: Float32Array, low: int, high: int,
) -> float:  # fmt: skip
    """A query put: it stands for the mean of what it finds. ``mean`` [d] is working space."""
    found = 0
    mean[:] = 0.0
    for k in range(results.size):
        if results[k] >= 0:
            found += 1
            v = title[results[k]]
            for d in range(mean.size):
                mean[d] += v[d]
    if found == 0:
        return evidence
    for d in range(low, high):
        mean[d] = mean[d] / np.float32(found)
    return learn_pick(taste, evidence, mean, curvature, low, high)


@compiled(counted=False)
def order_page(
    candidate: Int32Array, score: Float32Array, trained: Float32Array, taste: Float32Array,
    title: Float32Array, low: int, high: int, is_out: BoolArray, page: Int32Array, page_score: Float32Array,
    space: Float32Array,
) -> None:  # fmt: skip
    """The best candidates as taste is now, into ``page`` and ``page_score`` [SHOWN]; of equals the earlier.

    ``space`` is working space, as long as :func:`space_of` says.
    """
    size, count, rank = page.size, candidate.size, taste.size
    page[:] = -1
    page_score[:] = -np.inf
    delta = space[:rank]
    moved = False
    for d in range(low, high):
        delta[d] = taste[d] - trained[d]
        moved = moved or delta[d] != 0.0
    if not moved:  # in order already
        place = 0
        for k in range(count):
            j = candidate[k]
            if place < size and j >= 0 and is_out[j]:
                page[place], page_score[place] = j, score[k]
                place += 1
        return
    now, sorted_score = space[rank : rank + count], space[rank + count : rank + 2 * count]
    whole = space[rank + 2 * count :].view(np.int32)
    which, bin_of, end = whole[:count], whole[count : 2 * count], whole[2 * count :]
    best, least = np.float32(-np.inf), np.float32(np.inf)
    along = delta[low:high]
    for k in range(count):
        j = candidate[k]
        now[k] = -np.inf
        if j >= 0 and is_out[j] and score[k] > -np.inf:
            s = score[k] + product(along, title[j][low:high])
            now[k] = s
            best, least = max(best, s), min(least, s)
    if best == -np.inf:
        return
    # By score into bins, which stand in order; what is left to order is within bins, a step or two apart. What is not
    # to be shown goes into the last.
    end[:] = 0
    last = np.float32(_BINS - 1)
    bins = last / max(best - least, np.float32(1e-30))
    for k in range(count):
        bin_of[k] = np.int32(min((best - now[k]) * bins, last))
    for k in range(count):
        end[bin_of[k]] += 1
    kept = enough = 0
    for b in range(_BINS):
        end[b], kept = kept, kept + end[b]
        enough = kept if enough < size else enough
    for k in range(count):
        at = end[bin_of[k]]
        end[bin_of[k]] = at + 1
        sorted_score[at], which[at] = now[k], candidate[k]
    for k in range(1, enough):
        s, j = sorted_score[k], which[k]
        at = k
        while at > 0 and s > sorted_score[at - 1]:
            sorted_score[at], which[at] = sorted_score[at - 1], which[at - 1]
            at -= 1
        sorted_score[at], which[at] = s, j
    for place in range(min(enough, size)):
        if sorted_score[place] > -np.inf:
            page[place], page_score[place] = which[place], sorted_score[place]


@compiled(counted=False)
def space_of(candidates: int, rank: int) -> int:
    """How many single-precision numbers :func:`order_page` works in."""
    return rank + 4 * candidates + _BINS


@compiled(counted=False)
def _along(left: Float32Array, right: Float32Array, low: int, high: int) -> np.float32:
    """Scalar product from ``low`` to ``high``."""
    return product(left[low:high], right[low:high])


@compiled(counted=False)
def spread_page(
    candidate: Int32Array, score: Float32Array, trained: Float32Array, taste: Float32Array,
    title: Float32Array, low: int, high: int, is_out: BoolArray, genre: Int8Array, genre_share: Float32Array,
    weight: float, page: Int32Array, page_score: Float32Array, space: Float32Array,
) -> None:  # fmt: skip
    """As :func:`order_page`, with genres in proportion to ``genre_share``: calibrated re-ranking (Steck 2018).

    Place by place the title with the best score less ``weight`` x what its genre is over-represented by (the gradient
    of the divergence of the page's genres from the share).
    """
    page[:] = -1
    page_score[:] = -np.inf
    count, genres = candidate.size, genre_share.size
    now, shown = space[:count], space[count : count + genres]
    penalty = space[count + genres : count + 2 * genres]
    now[:] = -np.inf
    for k in range(count):
        j = candidate[k]
        if j >= 0 and is_out[j]:
            s = float(score[k])
            for d in range(low, high):
                s += (float(taste[d]) - float(trained[d])) * float(title[j, d])
            now[k] = s
    shown[:] = 0.0
    for place in range(page.size):
        for g in range(genres):
            over = (shown[g] + 1.0) / ((place + 1.0) * genre_share[g] + 1.0)
            penalty[g] = weight * draws.log(over)
        best, best_value = -1, np.float32(-np.inf)
        for k in range(count):
            if now[k] > -np.inf:
                value = now[k] - penalty[genre[candidate[k], 0]]
                if value > best_value:
                    best, best_value = k, value
        if best < 0:
            break
        page[place], page_score[place] = candidate[best], now[best]
        shown[genre[candidate[best], 0]] += np.float32(1.0)
        now[best] = -np.inf


@compiled(counted=False)
def like_genres(taste: Float32Array, centre: Float32Array, low: int, high: int, likes: Float32Array) -> None:
    """How well the member likes each genre's picture, into ``likes`` [genres]."""
    for g in range(likes.size):
        likes[g] = _along(taste, centre[g], low, high)


@compiled(counted=False)
def picture(likes: Float32Array, main: int, second: int) -> int:
    """Which of a title's pictures: 1, its second genre's, where the member likes that better; else 0."""
    return 1 if likes[second] > likes[main] else 0
