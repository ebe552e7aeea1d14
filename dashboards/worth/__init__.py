"""Economics by its questions: what the quarter cost, what moved and sways it, what it would take, what breaks first.

Each question draws itself from ``economics.json``, or from the rates alone; what it computes comes from pure functions
of the cost model.
"""

from dashboards.worth.causes import what_it_hangs_on, what_moved_it
from dashboards.worth.quarter import by_region, quarter, where_it_goes
from dashboards.worth.streams import at_once
from dashboards.worth.wanted import what_would_it_take

__all__ = [
    "at_once", "by_region", "quarter", "what_it_hangs_on", "what_moved_it", "what_would_it_take", "where_it_goes",
]  # fmt: skip
