"""What Explore is asked: a metric, a slice, a period and the span of it that is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboards.context import Filters, Where
from dashboards.queries import Source
from dashboards.window import Window
from metrics.metric import Metric

__all__ = ["DRILLED", "Question", "forget"]

# Dimensions that a click can narrow to: the chips of the filter row, and the site, which stands in the address.
DRILLED = ("region", "isp", "site", "device", "codec", "cdn")


@dataclass(frozen=True)
class Question:
    """``where`` is the filters' slice and the site; ``window`` the span brushed, or the whole period."""

    source: Source
    filters: Filters
    metric: Metric
    by: tuple[str, ...]
    where: Where
    window: Window
    is_brushed: bool = False

    @property
    def period(self) -> Window:
        """The whole period."""
        return Window(self.filters.period.start_ts_ms, self.filters.period.end_ts_ms)

    @property
    def versus(self) -> Window | None:
        """What the window is compared with: as far back as the period before is."""
        if self.filters.versus is None:
            return None
        back = self.filters.period.start_ts_ms - self.filters.versus.start_ts_ms
        return Window(self.window.start_ts_ms - back, self.window.end_ts_ms - back)


def forget(*names: str) -> None:
    """Take ``names`` out of the address."""
    for name in names:
        if name in st.query_params:
            del st.query_params[name]
