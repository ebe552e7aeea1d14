"""What the service logs: what was played, and what was looked at on the home page and among results."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

__all__ = ["LookLog", "PlayLog", "ResultLog"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PlayLog:
    """Logged plays, one entry a start: member index, title index, day, share of the first runtime watched.

    ``is_unaided``: the member asked for the title (search, a pick on joining, or before any page was logged); otherwise
    the page brought it about. ``is_search``: it came by the search surface; otherwise by the home page.
    ``inclusion``: one over the model's lift of the title where a page brought it about, 1 elsewhere; at most 1.
    ``picture``: the genre of the picture it was played from; its main genre's where none was logged.
    """

    member: npt.NDArray[np.int32]
    title: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    watched_ratio: npt.NDArray[np.float32]
    is_unaided: Bools
    is_search: Bools
    inclusion: npt.NDArray[np.float32]
    picture: npt.NDArray[np.int8]

    @property
    def count(self) -> int:
        return self.member.size

    def since(self, day: int) -> PlayLog:
        """The plays of that day and later."""
        return self.where(self.day >= day)

    def where(self, keep: Bools) -> PlayLog:
        """The plays marked in ``keep`` [count]."""
        return PlayLog(*(getattr(self, f.name)[keep] for f in fields(self)))

    def __add__(self, other: PlayLog) -> PlayLog:
        return PlayLog(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )


@dataclass(frozen=True)
class LookLog:
    """Titles looked at on the home page in one day, each member's in order of time.

    ``is_liked``: played and not left at once. ``picture``: the genre of the picture shown.
    """

    day: int
    member: npt.NDArray[np.int32]
    title: npt.NDArray[np.int32]
    is_liked: Bools
    picture: npt.NDArray[np.int8]

    def where(self, keep: Bools) -> LookLog:
        """The looks marked in ``keep`` [count]."""
        return LookLog(
            self.day,
            self.member[keep],
            self.title[keep],
            self.is_liked[keep],
            self.picture[keep],
        )


@dataclass(frozen=True)
class ResultLog:
    """Results of searches that were looked at in one day, with the features they were ordered by.

    ``is_liked``: played and not left at once. ``feature`` [n, 3]: as :mod:`~.results` names them.
    """

    day: int
    member: npt.NDArray[np.int32]
    is_liked: Bools
    feature: npt.NDArray[np.float32]

    def where(self, keep: Bools) -> ResultLog:
        """The results marked in ``keep`` [count]."""
        return ResultLog(self.day, self.member[keep], self.is_liked[keep], self.feature[keep])
