"""Taste as vectors: correspondence analysis of who played what, with shrinkage for what is rarely seen.

The plays table (members x titles) is scaled by the roots of both margins, so that popularity is divided out,
and factored by a truncated SVD (Greenacre 2007). A title's vector is the mean of its viewers' coordinates,
shrunk toward what its genres predict. If a member's taste is ``t`` and the viewers of a title are centred on
``v``, the member plays it ``exp(t . v - |v|^2 / 2)`` times as often as the population does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from synthetic.control_plane.catalogue import Catalogue

__all__ = ["member_vectors", "title_vectors"]

Float32Array = npt.NDArray[np.float32]

_MIN_PLAYS_A_FACTOR = 50
_ROW_PRIOR_PLAYS = 5.0


def title_vectors(
    table: sparse.csr_array, catalogue: Catalogue, *, rank: int, prior_plays: float, seed: int
) -> Float32Array:
    """[count, rank]: mean coordinates of each title's viewers, half its genres' at ``prior_plays`` viewers.

    ``table`` is [members, count], 1 where a member liked a title. All zero if there is too little to learn.
    """
    count = table.shape[1]
    genre = _genre_features(catalogue)
    if table.nnz < _MIN_PLAYS_A_FACTOR * rank or min(table.shape) <= rank + 1:
        return np.zeros((count, rank), np.float32)
    # The margins are raised a little so that rare rows and columns do not take the leading factors.
    row = np.asarray(table.sum(axis=1), np.float64) + _ROW_PRIOR_PLAYS
    column = np.asarray(table.sum(axis=0), np.float64) + prior_plays
    scaled = table.multiply((1 / np.sqrt(row))[:, None]).multiply((1 / np.sqrt(column))[None, :]).tocsr()
    left, _, _ = randomized_svd(
        scaled.astype(np.float32), n_components=rank + 1, n_oversamples=8, n_iter=3, random_state=seed
    )
    # The first factor is the margins themselves. What is left, over the root of the row margin, are the
    # members' standard coordinates.
    coordinates = left[:, 1:].astype(np.float64) / np.sqrt(row)[:, None]
    weight = np.diff(table.indptr).astype(np.float64)
    mean = (weight @ coordinates) / weight.sum()
    coordinates -= mean
    coordinates /= np.sqrt((weight @ coordinates**2) / weight.sum())
    viewers = np.asarray(table.sum(axis=0), np.float64)[:, None]
    total = table.T @ coordinates
    gram = genre.T @ (viewers * genre) + np.eye(genre.shape[1])
    predicted = genre @ np.linalg.solve(gram, genre.T @ total)
    return np.asarray(((total + prior_plays * predicted) / (viewers + prior_plays)).astype(np.float32))


def member_vectors(unaided: sparse.csr_array, shown: sparse.csr_array, title: Float32Array) -> Float32Array:
    """[members, rank]: posterior mean of a standard normal taste given the titles played.

    ``unaided`` and ``shown`` [members, count] mark what members asked for and what a page brought about.

    To second order the log-likelihood of n plays is ``t . sum(v - mean v) - n/2 t' C t``, with C the
    covariance of the vectors of all plays, so the posterior mean is ``(I + n C)^-1 sum(v - mean v)``. A page
    shows a title in proportion to the model's lift, so a play of it counts for 1 / lift of an unaided one; the
    lift is that of the vector from unaided plays alone.
    """
    plays = np.asarray(unaided.sum(axis=0), np.float64)
    vectors = title.astype(np.float64)
    if plays.sum() == 0:
        return np.zeros((unaided.shape[0], title.shape[1]), np.float32)
    centred = vectors - (plays @ vectors) / plays.sum()
    covariance = (centred * plays[:, None]).T @ centred / plays.sum()
    value, axis = np.linalg.eigh(covariance)
    value = np.maximum(value, 0.0)[None, :]
    along = unaided.astype(np.float64) @ (centred @ axis)
    n = np.diff(unaided.indptr).astype(np.float64)[:, None]
    first = (along / (1.0 + n * value)) @ axis.T

    row = np.repeat(np.arange(shown.shape[0]), np.diff(shown.indptr))
    log_lift = (first[row] * vectors[shown.indices]).sum(axis=1) - 0.5 * (vectors[shown.indices] ** 2).sum(
        axis=1
    )
    discounted = sparse.csr_array(
        (np.exp(-np.maximum(log_lift, 0.0)), shown.indices, shown.indptr), shape=shown.shape
    )
    along += discounted @ (centred @ axis)
    n += np.asarray(discounted.sum(axis=1), np.float64)[:, None]
    return np.asarray(((along / (1.0 + n * value)) @ axis.T).astype(np.float32))


def _genre_features(catalogue: Catalogue) -> npt.NDArray[np.float64]:
    """[count, 1 + 2 * genres] constant, main genre, second genre."""
    kinds = len(catalogue.genres)
    features = np.zeros((catalogue.count, 1 + 2 * kinds))
    features[:, 0] = 1.0
    at = np.arange(catalogue.count)
    features[at, 1 + catalogue.genre[:, 0]] = 1.0
    features[at, 1 + kinds + catalogue.genre[:, 1]] = 1.0
    return features
