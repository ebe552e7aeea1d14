"""Who rated what and when, as arrays; and the temporal split that everything is judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

__all__ = ["Log", "Split", "sampled", "temporal_split"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Log:
    """Ratings by numbered users of numbered items; a user's rows stand together, in the order of time."""

    user: Ints
    item: Ints
    time: Floats
    """Of any unit and origin."""
    is_positive: Flags
    users: int
    items: int

    @property
    def count(self) -> int:
        return self.user.size

    @property
    def positives(self) -> Log:
        return self.where(self.is_positive)

    def where(self, keep: Flags) -> Log:
        """The rows to keep, users and items numbered as before."""
        return replace(
            self, user=self.user[keep], item=self.item[keep], time=self.time[keep], is_positive=self.is_positive[keep]
        )  # fmt: skip

    def table(self, weights: Floats | None = None) -> sparse.csr_array:
        """[users, items] of ``weights`` a row, 1 where absent."""
        values = np.ones(self.count) if weights is None else weights
        return sparse.csr_array((values, (self.user, self.item)), shape=(self.users, self.items))

    def rows_after(self) -> Ints:
        """[rows] how many rows of the same user come after each."""
        return np.searchsorted(self.user, self.user, side="right") - 1 - np.arange(self.count)

    def last_time(self) -> Floats:
        """[users] when each user last rated; the last of all where a user has no rows."""
        last = np.full(self.users, self.time.max(initial=0.0))
        has = np.bincount(self.user, minlength=self.users) > 0
        last[has] = self.time[np.searchsorted(self.user, np.flatnonzero(has), side="right") - 1]
        return last


@dataclass(frozen=True)
class Split:
    """What may be learned from, and what is to be foretold."""

    train: Log
    liked_later: sparse.csr_array
    """[users, items] 1 for each positive after a user's cut."""

    @property
    def users(self) -> Ints:
        """Users with anything to foretell."""
        return np.flatnonzero(np.diff(self.liked_later.indptr))

    def relevant(self, users: Ints) -> Flags:
        """[n, items] what each of ``users`` liked later."""
        return np.asarray(self.liked_later[users].toarray() > 0)


def sampled(users: Ints, most: int) -> Ints:
    """All of the users, or ``most`` of them evenly from first to last."""
    return users if users.size <= most else users[np.linspace(0, users.size - 1, most).astype(np.int64)]


def temporal_split(log: Log, share: float = 0.8) -> Split:
    """Part each user's positives: the first ``share`` of them to learn from (rounded down), the others to foretell.

    Rows that are not positive go with the time: those before a user's first positive to foretell are learned
    from, those after it are dropped. Who has fewer than two positives has nothing to foretell.
    """
    liked = np.bincount(log.user, log.is_positive, minlength=log.users).astype(np.int64)
    learned = np.floor(share * liked + 1e-9).astype(np.int64)
    learned = np.where((learned == 0) | (learned == liked), liked, learned)
    so_far = np.cumsum(log.is_positive)
    before = np.concatenate([[0], np.cumsum(liked)])[log.user]
    rank = so_far - before  # positives of the same user up to and including the row
    is_later = rank > learned[log.user]
    is_train = ~is_later
    return Split(log.where(is_train), log.where(is_later & log.is_positive).table())
