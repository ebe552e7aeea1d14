"""How a home page is laid out: rows of slots, the rows in another order at each visit."""

from __future__ import annotations

from synthetic import random as draws
from synthetic.jit import compiled
from synthetic.random import Stream

__all__ = ["ROWS", "SLOTS", "page_shift"]

ROWS, SLOTS = 4, 10


@compiled(counted=False)
def page_shift(seed: int, session_key: int) -> int:
    """The row of the page that is shown first."""
    return int(draws.uniform(seed, session_key, 0, Stream.BROWSE_ROW) * ROWS)
