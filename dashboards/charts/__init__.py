"""Figures as pure functions: frames and numbers in, a plotly figure or a drawing out. No Streamlit, no lake."""

from dashboards.charts.budget import burn_down, regions_kept
from dashboards.charts.discovery import lifts, still_looking
from dashboards.charts.economics import (
    breakeven_curve,
    breakeven_draws,
    bridge,
    payback_by_size,
    tornado,
    utilisation,
)
from dashboards.charts.equation import equation
from dashboards.charts.ranking import Ranked, ranking
from dashboards.charts.series import Band, bars, trend
from dashboards.charts.sparkline import sparkline
from dashboards.charts.style import DARK, LIGHT, Palette, palette
from dashboards.charts.table import marked, table
from dashboards.charts.tree import Edge, north_star_tree

__all__ = [
    "DARK",
    "LIGHT",
    "Band",
    "Edge",
    "Palette",
    "Ranked",
    "bars",
    "breakeven_curve",
    "breakeven_draws",
    "bridge",
    "burn_down",
    "equation",
    "lifts",
    "marked",
    "north_star_tree",
    "palette",
    "payback_by_size",
    "ranking",
    "regions_kept",
    "sparkline",
    "still_looking",
    "table",
    "tornado",
    "trend",
    "utilisation",
]
