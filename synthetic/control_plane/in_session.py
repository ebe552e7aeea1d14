"""What the service does while a member is there: learn from each signal, rank the page again, order results.

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

__all__ = [
    "ARTWORK_HEAD", "HOME_HEAD", "SEARCH_HEAD", "SHOWN", "Ranking", "learn_asked", "learn_look", "learn_pick",
    "like_genres",
    "order_page", "order_results", "picture", "spread_page", "take_ratio",
]  # fmt: skip

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

HOME_HEAD, SEARCH_HEAD, ARTWORK_HEAD = 0, 1, 2
SHOWN = 40  # places of a page


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
    genre: IntArray
    """[titles, 2] main and second genre."""
    is_out: BoolArray
    """[titles] released by today."""
    found: Int32Array
    """[2, kinds of query, titles, r] what search finds, semantic and by keyword, best first."""
    is_name: BoolArray
    """[kinds of query, titles] whether the first found bears exactly the name asked for."""


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
    is_played: bool, expected: float,
) -> float:  # fmt: skip
    """A title looked at, which was ``expected`` to be played with that chance; gives the evidence after it."""
    evidence += expected * (1.0 - expected)
    surprise = (1.0 if is_played else 0.0) - expected
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
    delta: Float32Array,
) -> None:  # fmt: skip
    """The best candidates as taste is now, into ``page`` and ``page_score`` [SHOWN]; of equals the earlier.

    ``delta`` [d] is working space.
    """
    page[:] = -1
    page_score[:] = -np.inf
    moved = False
    for d in range(low, high):
        delta[d] = taste[d] - trained[d]
        moved = moved or delta[d] != 0.0
    last = page.size - 1
    for k in range(candidate.size):
        j = candidate[k]
        if j < 0 or not is_out[j]:
            continue
        s = score[k]
        if moved:
            s += _along(delta, title[j], low, high)
        if s <= page_score[last]:
            if not moved:
                break  # in order already
            continue
        at = last
        while at > 0 and s > page_score[at - 1]:
            page[at], page_score[at] = page[at - 1], page_score[at - 1]
            at -= 1
        page[at], page_score[at] = j, s


@compiled(counted=False)
def _along(left: Float32Array, right: Float32Array, low: int, high: int) -> np.float32:
    """Scalar product from ``low`` to ``high``, in four sums side by side: a chain of additions waits for each."""
    a, b = left[low:high], right[low:high]
    s0 = s1 = s2 = s3 = np.float32(0.0)
    for d in range(0, a.size - 3, 4):
        s0 += a[d] * b[d]
        s1 += a[d + 1] * b[d + 1]
        s2 += a[d + 2] * b[d + 2]
        s3 += a[d + 3] * b[d + 3]
    for d in range(a.size - a.size % 4, a.size):
        s0 += a[d] * b[d]
    return (s0 + s1) + (s2 + s3)


@compiled()
def spread_page(
    candidate: Int32Array, score: Float32Array, trained: Float32Array, taste: Float32Array,
    title: Float32Array, low: int, high: int, is_out: BoolArray, genre: IntArray, genre_share: Float32Array,
    weight: float, page: Int32Array, page_score: Float32Array,
) -> None:  # fmt: skip
    """As :func:`order_page`, with genres in proportion to ``genre_share``: calibrated re-ranking (Steck 2018).

    Place by place the title with the best score less ``weight`` x what its genre is over-represented by (the gradient
    of the divergence of the page's genres from the share).
    """
    page[:] = -1
    page_score[:] = -np.inf
    count = candidate.size
    now = np.full(count, -np.inf)
    for k in range(count):
        j = candidate[k]
        if j >= 0 and is_out[j]:
            s = float(score[k])
            for d in range(low, high):
                s += (float(taste[d]) - float(trained[d])) * float(title[j, d])
            now[k] = s
    shown = np.zeros(genre_share.size)
    for place in range(page.size):
        best, best_value = -1, -np.inf
        for k in range(count):
            if now[k] > -np.inf:
                g = genre[candidate[k], 0]
                over = (shown[g] + 1.0) / ((place + 1.0) * float(genre_share[g]) + 1.0)
                value = now[k] - weight * draws.log(over)
                if value > best_value:
                    best, best_value = k, value
        if best < 0:
            break
        page[place], page_score[place] = candidate[best], np.float32(now[best])
        shown[genre[candidate[best], 0]] += 1.0
        now[best] = -np.inf


@compiled(counted=False)
def order_results(
    found: Int32Array, is_name: bool, taste: Float32Array, title: Float32Array, norm: Float32Array, low: int,
    high: int, is_out: BoolArray, weight: float, results: Int32Array, value: FloatArray,
) -> None:  # fmt: skip
    """What a search found, in the order shown, into ``results``: rank by words and taste; the very name first.

    ``weight`` is what a unit of log lift is worth in units of the log of the rank. ``value`` is working space, as long
    as ``results``.
    """
    results[:] = -1
    value[:] = -np.inf
    last = results.size - 1
    rank = 0
    for k in range(found.size):
        j = found[k]
        if j < 0:
            break
        if not is_out[j]:
            continue
        rank += 1
        s = -draws.log(float(rank))
        if weight > 0.0:
            lift = -float(norm[j])
            lift += float(_along(taste, title[j], low, high))
            s += weight * lift
        if is_name and k == 0:
            s = np.inf
        if s <= value[last]:
            continue
        at = last
        while at > 0 and s > value[at - 1]:
            results[at], value[at] = results[at - 1], value[at - 1]
            at -= 1
        results[at], value[at] = j, s


@compiled(counted=False)
def like_genres(taste: Float32Array, centre: Float32Array, low: int, high: int, likes: Float32Array) -> None:
    """How well the member likes each genre's picture, into ``likes`` [genres]."""
    for g in range(likes.size):
        likes[g] = _along(taste, centre[g], low, high)


@compiled(counted=False)
def picture(likes: Float32Array, main: int, second: int) -> int:
    """Which of a title's pictures: 1, its second genre's, where the member likes that better; else 0."""
    return 1 if likes[second] > likes[main] else 0
