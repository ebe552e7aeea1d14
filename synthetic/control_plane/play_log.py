"""What the service logs of plays, as the recommender reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PlayLog"]


@dataclass(frozen=True)
class PlayLog:
    """Logged plays, one entry a start: member index, title index, day, share of the first runtime watched.

    ``is_unaided``: the member asked for the title (search, or before any page was shown); otherwise the page
    brought it about.
    """

    member: npt.NDArray[np.int32]
    title: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    watched_ratio: npt.NDArray[np.float32]
    is_unaided: npt.NDArray[np.bool_]

    @property
    def count(self) -> int:
        return self.member.size

    def since(self, day: int) -> PlayLog:
        """The plays of that day and later."""
        return self.where(self.day >= day)

    def where(self, keep: npt.NDArray[np.bool_]) -> PlayLog:
        """The plays marked in ``keep`` [count]."""
        return PlayLog(
            self.member[keep],
            self.title[keep],
            self.day[keep],
            self.watched_ratio[keep],
            self.is_unaided[keep],
        )

    def __add__(self, other: PlayLog) -> PlayLog:
        return PlayLog(
            np.concatenate([self.member, other.member]),
            np.concatenate([self.title, other.title]),
            np.concatenate([self.day, other.day]),
            np.concatenate([self.watched_ratio, other.watched_ratio]),
            np.concatenate([self.is_unaided, other.is_unaided]),
        )
