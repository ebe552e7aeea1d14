"""What is measured of recommended lists. Lists are integer arrays, best first, padded with -1.

``relevant`` is boolean, [users, items]: what each user liked after the lists were made. A user who liked nothing
has no accuracy: NaN, to be left out of means. ``genres`` is [items, genres], each row summing to 1, or to 0 for an
item whose genres are unknown.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "BLEND", "calibration_divergence", "coverage", "effective_catalogue_size", "genre_shares",
    "intra_list_diversity", "ndcg", "recall",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Lists = npt.NDArray[np.integer]
Flags = npt.NDArray[np.bool_]

BLEND = 0.01
"""Share of the wanted distribution mixed into the list's, so that the divergence stays finite (Steck 2018)."""


def ndcg(lists: Lists, relevant: Flags, k: int = 10) -> Floats:
    """[users] discounted cumulative gain of the first ``k`` over the best possible (Järvelin and Kekäläinen 2002).

    Gains are 0 or 1, discounts 1/log2(1 + rank).
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gain = _hits(lists[:, :k], relevant) @ discount[: lists[:, :k].shape[1]]
    liked = np.minimum(relevant.sum(axis=1), k)
    return _over(gain, np.concatenate([[0.0], np.cumsum(discount)])[liked])


def recall(lists: Lists, relevant: Flags, k: int = 20) -> Floats:
    """[users] share of what a user liked that is among the first ``k``."""
    return _over(_hits(lists[:, :k], relevant).sum(axis=1).astype(float), relevant.sum(axis=1).astype(float))


def coverage(lists: Lists, items: int) -> float:
    """Share of ``items`` that are on at least one list."""
    return np.unique(lists[lists >= 0]).size / items


def effective_catalogue_size(counts: npt.ArrayLike) -> float:
    """How many items, used alike, would be as spread out as these: 2 Σ rank · share − 1.

    ``counts`` [items] are what each item got (places on lists, plays, hours). 1 where one item gets all, the
    number of items where all get the same (Gomez-Uribe and Hunt 2016). NaN where nothing was counted.

    >>> effective_catalogue_size([5, 0, 0]), effective_catalogue_size([2, 2, 2])
    (1.0, 3.0)
    """
    ordered = np.sort(np.asarray(counts, float))[::-1]
    total = ordered.sum()
    if total <= 0:
        return float("nan")
    return float(2.0 * (ordered / total) @ np.arange(1, ordered.size + 1) - 1.0)


def intra_list_diversity(lists: Lists, genres: Floats) -> Floats:
    """[users] mean over pairs of a list of 1 − cosine of their genres (Ziegler et al. 2005).

    NaN where fewer than two items of the list have genres.
    """
    unit = genres / np.maximum(np.linalg.norm(genres, axis=1, keepdims=True), 1e-300)
    is_known = (lists >= 0) & (genres.sum(axis=1)[lists] > 0)
    vectors = np.where(is_known[:, :, None], unit[lists], 0.0)
    n = is_known.sum(axis=1)
    # The cosines of all pairs sum to the squared length of the sum; n of them are an item's with itself.
    alike = (vectors.sum(axis=1) ** 2).sum(axis=1) - n
    return 1.0 - _over(alike, (n * (n - 1)).astype(float))


def genre_shares(weights: Floats, genres: Floats) -> Floats:
    """[users, genres] each user's distribution over genres; ``weights`` [users, items] may be sparse.

    A row of zeros where none of a user's items has genres.
    """
    shares: Floats = np.asarray(weights @ genres)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
    return shares


def calibration_divergence(lists: Lists, wanted: Floats, genres: Floats) -> Floats:
    """[users] Kullback-Leibler divergence of a list's genres from the ``wanted`` shares [users, genres].

    Σ p log(p / q), q the list's shares with :data:`BLEND` of p mixed in (Steck, Calibrated Recommendations,
    2018, eq. 6); 0 where a list has the genres its user has. NaN where a user has no genres or a list none.
    """
    listed = np.where((lists >= 0)[:, :, None], genres[lists], 0.0).sum(axis=1)
    total = listed.sum(axis=1, keepdims=True)
    q = (1.0 - BLEND) * listed / np.maximum(total, 1e-300) + BLEND * wanted
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(wanted > 0, wanted * np.log(wanted / q), 0.0)
    is_known = (total[:, 0] > 0) & (wanted.sum(axis=1) > 0)
    return np.where(is_known, terms.sum(axis=1), np.nan)


def _hits(lists: Lists, relevant: Flags) -> Flags:
    return np.take_along_axis(relevant, np.maximum(lists, 0), axis=1) & (lists >= 0)


def _over(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
