"""Break-even and payback as distributions: what they hang on, and where a familiar figure holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboards.charts.style import Palette, faded, figure

__all__ = ["breakeven_curve", "breakeven_draws", "payback_by_size"]

Floats = NDArray[np.float64]
_BINS = 60
_WORTH_SAYING = 0.005
# Round figures for logarithmic axes, where automatic ticks crowd.
_PRICES = (0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008)
_ROUND_SIZES = tuple(figure * 10**power for power in range(5, 11) for figure in (1, 2, 5))
_SIZES = (10e6, 25e6, 50e6, 100e6, 200e6, 325e6)
_MONTHS = (1, 2, 4, 8, 12, 24, 60, 120, 600)


def breakeven_draws(
    draws: Mapping[str, Floats], colours: Palette, *, at_subscribers: float | None = None, height: int = 250
) -> go.Figure:
    """Share of draws by the size at which an own CDN breaks even, one outline a footprint policy.

    Sizes are subscribers on a logarithmic axis; draws that never break even (infinite) are left out of the
    bars, and their share stands in the name.
    """
    fig = figure(colours, height=height, showlegend=True, barmode="overlay", hovermode="x unified")
    finite = [values[np.isfinite(values)] for values in draws.values()]
    known = np.concatenate(finite) if finite else np.array([])
    if not known.size:
        return fig
    edges = np.geomspace(max(known.min(), 1e5), known.max() * 1.0001, _BINS + 1)
    middles = np.sqrt(edges[1:] * edges[:-1])
    for i, (name, values) in enumerate(draws.items()):
        counts, _ = np.histogram(values[np.isfinite(values)], bins=edges)
        never = float(np.isinf(values).mean())
        label = f"{name} footprint" + (f", never in {never:.0%}" if never >= _WORTH_SAYING else "")
        colour = colours.series[i % len(colours.series)]
        fig.add_scatter(
            x=middles, y=counts / len(values), name=label, mode="lines", fill="tozeroy",
            line={"color": colour, "width": 1.6, "shape": "hvh"}, fillcolor=faded(colour, 0.16),
            hovertemplate="%{y:.2%} of draws",
        )  # fmt: skip
    if at_subscribers:
        _mark(fig, at_subscribers, "this service", colours)
    fig.update_xaxes(
        type="log", title_text="subscribers at break-even", tickvals=_ROUND_SIZES, tickformat="~s"
    )
    fig.update_yaxes(tickformat=".0%", rangemode="tozero")
    return fig


def breakeven_curve(
    points: Sequence[Mapping[str, Any]],
    colours: Palette,
    *,
    price: float | None = None,
    at_subscribers: float | None = None,
    height: int = 250,
) -> go.Figure:
    """Break-even size by negotiated price: median and 90 % interval; ``price`` is marked.

    ``points``: ``price_usd_per_gb, low, median, high``; null where the size is never reached.
    """
    fig = figure(colours, height=height, hovermode="x unified")
    x = [p["price_usd_per_gb"] for p in points]
    ceiling = 1e10  # the search's own upper end: never reached is drawn there
    low, high = ([p[k] or ceiling for p in points] for k in ("low", "high"))
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    fig.add_scatter(x=x, y=high, **edge)
    fig.add_scatter(x=x, y=low, fill="tonexty", fillcolor=faded(colours.series[0], 0.16), **edge)
    fig.add_scatter(
        x=x, y=[p["median"] for p in points], name="median", mode="lines",
        line={"color": colours.series[0], "width": 2}, hovertemplate="%{y:.3s} subscribers",
    )  # fmt: skip
    if at_subscribers:
        fig.add_hline(y=at_subscribers, line={"color": colours.quiet, "width": 1, "dash": "dash"})
    if price:
        _mark(fig, price, f"${price:.4f}", colours, y=0.0)
    shown = [p for p in _PRICES if min(x) <= p * 1.001 and p <= max(x) * 1.001]
    fig.update_xaxes(
        type="log", title_text="negotiated third-party price, USD/GB", tickvals=shown,
        ticktext=[f"${p:g}" for p in shown],
    )  # fmt: skip
    top = max([v for v in high if v < ceiling] + [at_subscribers or 0.0]) or ceiling
    fig.update_yaxes(
        type="log", tickformat="~s", title_text="subscribers",
        range=[np.log10(min(low) * 0.8), np.log10(min(top * 1.3, ceiling))],
    )  # fmt: skip
    return fig


def payback_by_size(
    points: Sequence[Mapping[str, Any]],
    colours: Palette,
    *,
    at_subscribers: float | None = None,
    familiar: tuple[float, float] = (8, 12),
    height: int = 250,
) -> go.Figure:
    """Payback in months by size of the service: median and 90 % interval; the familiar range shaded.

    ``points``: ``subscribers`` and ``months`` with ``low, median, high`` (null: never).
    """
    fig = figure(colours, height=height, hovermode="x unified")
    x = [p["subscribers"] for p in points]
    months = {k: [p["months"][k] for p in points] for k in ("low", "median", "high")}
    fig.add_hrect(*familiar, fillcolor=faded(colours.good, 0.14), line_width=0, layer="below")
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    ceiling = 1_200.0
    fig.add_scatter(x=x, y=[min(v or ceiling, ceiling) for v in months["high"]], **edge)
    fig.add_scatter(
        x=x, y=[min(v or ceiling, ceiling) for v in months["low"]], fill="tonexty",
        fillcolor=faded(colours.series[0], 0.16), **edge,
    )  # fmt: skip
    fig.add_scatter(
        x=x, y=months["median"], name="median", mode="lines+markers", marker={"size": 5},
        line={"color": colours.series[0], "width": 2}, hovertemplate="%{y:.1f} months",
    )  # fmt: skip
    if at_subscribers:
        _mark(fig, at_subscribers, "this service", colours)
    fig.update_xaxes(type="log", title_text="subscribers", tickvals=_SIZES, tickformat="~s")
    fig.update_yaxes(type="log", title_text="months", tickvals=_MONTHS, tickformat="~g")
    return fig


def _mark(fig: go.Figure, x: float, text: str, colours: Palette, *, y: float = 1.0) -> None:
    fig.add_vline(x=x, line={"color": colours.quiet, "width": 1, "dash": "dash"})
    fig.add_annotation(
        x=np.log10(x), y=y, yref="paper", text=text, showarrow=False, xanchor="left", xshift=4,
        yanchor="top" if y else "bottom",
        font={"size": 12, "color": colours.quiet},
    )  # fmt: skip
