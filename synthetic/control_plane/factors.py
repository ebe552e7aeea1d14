"""Taste as vectors: correspondence analysis of who played what, refined, with shrinkage for what is rarely seen.

The plays table (members x titles) is scaled by the roots of both margins, so that popularity is divided out,
and factored by a truncated SVD (Greenacre 2007). A title's vector is the mean of its viewers' coordinates,
shrunk toward what its genres predict. If a member's taste is ``t`` and the viewers of a title are centred on
``v``, the member plays it ``exp(t . v - |v|^2 / 2)`` times as often as the population does.

A member's coordinates are what some dozens of plays make of a taste, chance and all, and each of those plays is counted
in the vector of its own title: titles then seem to part members more than they do. So vectors and tastes are refined in
turn by expectation maximisation (Dempster, Laird & Rubin 1977): what is averaged over a title's viewers is the
posterior mean of their taste, which is the less the less is known, and a factor that is chance alone dies out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from synthetic.control_plane.catalogue import Catalogue

__all__ = ["Factors", "genre_vectors", "member_vectors", "title_factors", "turned"]

Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

_MIN_PLAYS_A_FACTOR = 50
_ROW_PRIOR_PLAYS, _COLUMN_PRIOR_PLAYS = 5.0, 40.0
_REFINEMENTS = 10
_GENRE_PRIOR_PLAYS = 200.0


@dataclass(frozen=True)
class Factors:
    """Vectors of ``count`` titles in the axes in which those of all plays are uncorrelated."""

    title: Float32Array
    """[count, rank] less the mean over plays, which says nothing of one title against another."""
    norm: Float32Array
    """[count] half the squared length before the mean was taken off."""
    curvature: Float32Array
    """[rank] variance over plays, what is not known of the vectors counted in."""


def title_factors(
    table: sparse.csr_array,
    catalogue: Catalogue,
    *,
    rank: int,
    prior_plays: float,
    seed: int,
    plain: bool = False,
) -> Factors:
    """Of every title, half its viewers' and half its genres' at ``prior_plays`` viewers.

    ``table`` is [members, count], what a member's liking of a title counts for. All zero if there is too little to
    learn. ``plain``: by the factorisation alone, shrunk to nothing, as where no more is known of a title than who
    played it.
    """
    viewers = np.asarray(table.sum(axis=0), np.float64)
    coordinates = _coordinates(table, rank, _COLUMN_PRIOR_PLAYS, seed)
    if coordinates is None:
        return turned(np.zeros((table.shape[1], rank)), viewers)
    if plain:
        return turned((table.T @ coordinates) / (viewers + _COLUMN_PRIOR_PLAYS)[:, None], viewers)
    genre = _genre_features(catalogue)
    gram = genre.T @ (viewers[:, None] * genre) + np.eye(genre.shape[1])

    def factors_of(taste: FloatArray) -> Factors:
        total = table.T @ taste
        predicted = genre @ np.linalg.solve(gram, genre.T @ total)
        vectors = (total + prior_plays * predicted) / (viewers + prior_plays)[:, None]
        return turned(vectors, viewers, variance=1.0 / (viewers + prior_plays))

    factors = factors_of(coordinates)
    for _ in range(_REFINEMENTS):
        taste, _ = member_vectors(table, factors)
        factors = factors_of(taste.astype(np.float64))
    return factors


def genre_vectors(table: sparse.csr_array, *, rank: int, seed: int) -> FloatArray:
    """[genres, rank]: mean coordinates of those who play each genre, shrunk to none; ``table`` is [members, genres]."""
    coordinates = _coordinates(table, rank, _GENRE_PRIOR_PLAYS, seed)
    if coordinates is None:
        return np.zeros((table.shape[1], rank))
    plays = np.asarray(table.sum(axis=0), np.float64)[:, None]
    return np.asarray((table.T @ coordinates) / (plays + _GENRE_PRIOR_PLAYS))


def turned(vectors: FloatArray, plays: FloatArray, *, variance: FloatArray | float = 0.0) -> Factors:
    """Vectors [count, rank] in the principal axes of ``plays`` [count], how often each was played.

    ``variance`` [count]: of what is not known of each vector, a factor.
    """
    rank = vectors.shape[1]
    v = vectors.astype(np.float64)
    norm = (0.5 * (v**2).sum(axis=1)).astype(np.float32)
    if plays.sum() == 0:
        return Factors(vectors.astype(np.float32), norm, np.zeros(rank, np.float32))
    centred = v - (plays @ v) / plays.sum()
    covariance = (centred * plays[:, None]).T @ centred / plays.sum()
    value, axis = np.linalg.eigh(covariance)
    curvature = np.maximum(value, 0.0) + (plays * variance).sum() / plays.sum()
    return Factors((centred @ axis).astype(np.float32), norm, curvature.astype(np.float32))


def member_vectors(table: sparse.csr_array, factors: Factors) -> tuple[Float32Array, Float32Array]:
    """[members, rank] and [members]: posterior mean of a standard normal taste given the titles played, and how many.

    ``table`` [members, count] is what each play counts for. To second order the log-likelihood of n plays is
    ``t . sum(v - mean v) - n/2 t' C t``, with C the covariance of the vectors of all plays, so the posterior mean is
    ``(I + n C)^-1 sum(v - mean v)``, and C is diagonal in these axes.
    """
    n = np.asarray(table.sum(axis=1), np.float64)
    along = table @ factors.title.astype(np.float64)
    mean = along / (1.0 + n[:, None] * factors.curvature.astype(np.float64)[None, :])
    return np.asarray(mean.astype(np.float32)), n.astype(np.float32)


def _coordinates(table: sparse.csr_array, rank: int, prior_plays: float, seed: int) -> FloatArray | None:
    """[members, rank] standard coordinates of the members; None if there is too little to learn."""
    if table.nnz < _MIN_PLAYS_A_FACTOR * rank or min(table.shape) <= rank + 1:
        return None
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
    weight = np.asarray(table.sum(axis=1), np.float64)
    mean = (weight @ coordinates) / weight.sum()
    coordinates -= mean
    return np.asarray(coordinates / np.sqrt((weight @ coordinates**2) / weight.sum()))


def _genre_features(catalogue: Catalogue) -> FloatArray:
    """[count, 1 + 2 * genres] constant, main genre, second genre."""
    kinds = len(catalogue.genres)
    features = np.zeros((catalogue.count, 1 + 2 * kinds))
    features[:, 0] = 1.0
    at = np.arange(catalogue.count)
    features[at, 1 + catalogue.genre[:, 0]] = 1.0
    features[at, 1 + kinds + catalogue.genre[:, 1]] = 1.0
    return features
