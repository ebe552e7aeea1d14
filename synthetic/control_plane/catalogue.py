"""What the service knows of its titles: metadata that is published, nothing hidden (no taste, no demand)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.titles import GENRES, Titles

__all__ = ["Catalogue", "publish"]


@dataclass(frozen=True)
class Catalogue:
    """Metadata of ``count`` titles, in the order of the world's titles."""

    id: npt.NDArray[np.str_]
    name: tuple[str, ...]
    description: tuple[str, ...]
    genres: tuple[str, ...]
    """Names of the genres that ``genre`` points to."""
    genre: npt.NDArray[np.int64]
    """[count, 2] main and second genre."""
    is_series: npt.NDArray[np.bool_]
    runtime_ms: npt.NDArray[np.int64]
    release_day: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        return self.release_day.size

    def is_released(self, day: int) -> npt.NDArray[np.bool_]:
        """[count] whether each title can be played on that day."""
        return np.asarray(self.release_day <= day)


def publish(titles: Titles) -> Catalogue:
    """The catalogue of these titles."""
    return Catalogue(
        id=titles.id,
        name=titles.name,
        description=titles.description,
        genres=GENRES,
        genre=titles.genre,
        is_series=titles.is_series,
        runtime_ms=titles.runtime_ms,
        release_day=titles.release_day,
    )
