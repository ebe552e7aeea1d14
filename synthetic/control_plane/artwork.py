"""Which picture stands for a title: one variant a genre of the title, chosen by the member's taste.

Artwork is part of the home page: a play it brings counts as the page's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.recommend import Model

__all__ = ["VARIANTS", "choose_artwork", "genre_affinity"]

VARIANTS = ("main genre", "second genre")
"""What each picture shows, by variant index."""


def genre_affinity(model: Model, catalogue: Catalogue) -> npt.NDArray[np.float64]:
    """[members, genres] the model's mean log lift of a genre's titles for each member; 0 for the unknown."""
    genres = len(catalogue.genres)
    per_title = np.zeros((catalogue.count, genres))
    per_title[np.arange(catalogue.count), catalogue.genre[:, 0]] = 1.0
    share = per_title / np.maximum(per_title.sum(axis=0), 1.0)
    centre = (model.title.astype(np.float64)[:, :, None] * share[None, :, :]).sum(axis=1)
    centre -= centre.mean(axis=1, keepdims=True)
    affinity = np.zeros((model.member.shape[0], genres))
    for d in range(centre.shape[0]):  # a fixed order of addition: the same bytes on any machine's load
        affinity += model.member[:, d, None].astype(np.float64) * centre[d][None, :]
    return affinity


def choose_artwork(
    affinity: npt.NDArray[np.float64], catalogue: Catalogue, pages: npt.NDArray[np.int32]
) -> npt.NDArray[np.int8]:
    """[n, places] the variant shown for each title of each page; ``affinity`` [n, genres] of the same members.

    The second genre's picture is shown where the member likes that genre better; a tie, and with it a member
    of whom nothing is known, sees the main genre's. Empty places (-1) get variant 0.
    """
    genre = catalogue.genre[np.maximum(pages, 0)]
    liking = np.take_along_axis(affinity[:, None, :], genre.astype(np.int64), axis=2)
    return np.where(pages >= 0, liking[:, :, 1] > liking[:, :, 0], False).astype(np.int8)
