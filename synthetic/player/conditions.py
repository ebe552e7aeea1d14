"""What each route to the viewer gives, quarter hour by quarter hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Singles

__all__ = ["INTERVAL_MS", "Conditions"]

INTERVAL_MS = 900_000


@dataclass(frozen=True)
class Conditions:
    """Each field has shape (routes, intervals of 15 minutes); beyond the last interval the last one holds.

    ``factor`` multiplies the throughput of a session on that route; ``cap_kbps`` is the most a stream gets there.
    """

    factor: Singles
    cap_kbps: Singles

    @classmethod
    def steady(cls, cap_kbps: float, factor: float = 1.0) -> Conditions:
        """One route, always the same."""
        return cls(np.full((1, 1), factor, np.float32), np.full((1, 1), cap_kbps, np.float32))
