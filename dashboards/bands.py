"""Spans to shade on charts over time: pages of objectives, close ones joined.

One that fires for most of the period is a promise not kept, and no event: shading everything marks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dashboards.charts import Band
from dashboards.context import Period, Where
from dashboards.incidents import standing
from dashboards.queries import Source
from dashboards.segments import episodes_in, merged
from dashboards.window import Window

__all__ = ["page_bands"]

_MOST = 12


def page_bands(
    source: Source, period: Period, where: Where, objectives: Sequence[str] | None = None
) -> list[Band]:
    """The severest pages that touch the period: of the objectives named, or of all."""
    alerts = episodes_in(source.alerts(where, period), period).filter(pl.col("severity") == "page")
    if objectives is not None:
        alerts = alerts.filter(pl.col("name").is_in(list(objectives)))
    pages = merged(alerts)
    lasting = standing(pages, Window(period.start_ts_ms, period.end_ts_ms))
    pages = pages.join(
        lasting.select("name", "start_ts_ms"), on=["name", "start_ts_ms"], how="anti", maintain_order="left"
    )
    return [
        Band(row["start_ts_ms"], row["end_ts_ms"] or period.end_ts_ms, row["objective"], row["severity"])
        for row in pages.head(_MOST).to_dicts()
    ]
