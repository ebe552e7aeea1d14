"""Which picture stands for a title: one variant a genre of the title, chosen by the member's taste.

Artwork is part of the home page: a play it brings counts as the page's. What is learned here is what a genre's picture
stands for; the choice itself is made as the page is shown (:func:`.in_session.picture`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.factors import Factors, genre_vectors, member_vectors, turned
from synthetic.control_plane.play_log import PlayLog

__all__ = ["VARIANTS", "genre_means", "learn_pictures"]

Float32Array = npt.NDArray[np.float32]

VARIANTS = ("main genre", "second genre")
"""What each picture shows, by variant index."""


def genre_means(title: Float32Array, catalogue: Catalogue) -> Float32Array:
    """[genres, rank] mean vector of each main genre's titles, less the mean of those; ``title`` is [count, rank]."""
    genres = len(catalogue.genres)
    of = np.zeros((genres, catalogue.count))
    of[catalogue.genre[:, 0], np.arange(catalogue.count)] = 1.0
    centre = (of @ title.astype(np.float64)) / np.maximum(of.sum(axis=1), 1.0)[:, None]
    return np.asarray((centre - centre.mean(axis=0)).astype(np.float32))


def learn_pictures(
    log: PlayLog, teachers: npt.NDArray[np.bool_], catalogue: Catalogue, rank: int, seed: int
) -> tuple[Factors, Float32Array, Float32Array]:
    """From pictures alone: vectors of genres, and taste of members with the plays it hangs on.

    A genre's picture stands for who plays from it, of ``teachers`` [members].
    """
    taught = _table(log.where(teachers[log.member]), teachers.size, catalogue)
    factors = turned(genre_vectors(taught, rank=rank, seed=seed), np.asarray(taught.sum(axis=0), np.float64))
    return factors, *member_vectors(_table(log, teachers.size, catalogue), factors)


def _table(log: PlayLog, members: int, catalogue: Catalogue) -> sparse.csr_array:
    """[members, genres] what a member's plays from a genre's pictures count for."""
    shape = (members, len(catalogue.genres))
    table = sparse.csr_array((log.inclusion, (log.member, log.picture)), shape=shape)
    table.sum_duplicates()
    return table
