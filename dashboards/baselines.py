"""Alerts of the shipped baselines on a lake, kept beside it: to judge every hour by its season takes seconds."""

from __future__ import annotations

import polars as pl

from alerts.baseline import ALERTS, load_baselines, watch_all
from dashboards.kept import kept
from metrics.baseline import seasonal_anomalies
from metrics.lake import Lake
from metrics.query import measure

__all__ = ["alerts_of"]


def alerts_of(lake: Lake) -> pl.DataFrame:
    """Rows of :data:`alerts.baseline.ALERTS` over the whole lake, since a baseline judges an hour by all before it."""
    return kept(lake, "baselines", lambda: _alerts(lake), ALERTS)


def _alerts(lake: Lake) -> pl.DataFrame:
    return watch_all(
        load_baselines(),
        lambda each: measure(lake, [each.metric], by=each.by, where=each.where, grain="1h"),
        seasonal_anomalies,
    )
