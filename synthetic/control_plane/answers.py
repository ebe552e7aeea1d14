"""What search finds for each query that members may put, worked out once for the run and looked up at every visit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Singles
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.search import SearchIndex, build_index, search_all

__all__ = ["Answers"]

_FOUND = 64  # titles found by words, which popularity and taste then order


class Answers:
    """The titles that search finds for ``asked`` [kinds of query][titles], by meaning and by keyword.

    By keyword only once somebody is answered so: either takes seconds for a large catalogue.
    """

    def __init__(self, catalogue: Catalogue, asked: Sequence[Sequence[str]], *, seed: int) -> None:
        self._index: SearchIndex = build_index(catalogue, seed=seed)
        self._asked = asked
        self.found: npt.NDArray[np.int32] = np.empty((0, len(asked), catalogue.count, _FOUND), np.int32)
        """[1 or 2, kinds of query, titles, 64] the titles found, released or not, -1 where fewer match; by keyword in
        second place."""
        self.relevance: Singles = np.empty(self.found.shape, np.float32)
        """[1 or 2, kinds of query, titles, 64] how well each answers, less the best: 0 or less."""
        self._add(keyword=False)
        best = self.found[0, :, :, 0]
        names = np.array([name.casefold() for name in catalogue.name])
        wanted = np.array([[query.casefold() for query in kind] for kind in asked])
        self.is_name: npt.NDArray[np.bool_] = (best >= 0) & (names[best] == wanted)
        """[kinds of query, titles] whether what stands first bears the very name asked for."""

    def know_keywords(self) -> None:
        """From now on in ``found`` and ``relevance``, too."""
        if len(self.found) == 1:
            self._add(keyword=True)

    def _add(self, *, keyword: bool) -> None:
        flat = [query for kind in self._asked for query in kind]
        found, score = search_all(self._index, flat, _FOUND, keyword=keyword)
        shape = (1, *self.found.shape[1:])
        self.found = np.concatenate([self.found, found.reshape(shape)])
        self.relevance = np.concatenate([self.relevance, (score - score[:, :1]).reshape(shape)])
