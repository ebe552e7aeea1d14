"""Break-even and payback as distributions: what they hang on, and where a familiar figure holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cost_model.report.numbers import count, usd
from dashboards.charts.figure import Figure
from dashboards.charts.series import beside
from dashboards.charts.style import Palette, faded, figure
from dashboards.formats import share

__all__ = ["breakeven_curve", "breakeven_draws", "bridge", "payback_by_size", "tornado", "utilisation"]

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
) -> Figure:
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
        label = f"{name} footprint" + (f", never in {share(never, 0)}" if never >= _WORTH_SAYING else "")
        colour = colours.series[i % len(colours.series)]
        fig.add_scatter(
            x=middles, y=counts / len(values), name=label, mode="lines", fill="tozeroy",
            line={"color": colour, "width": 1.6, "shape": "hvh"}, fillcolor=faded(colour, 0.16),
            hovertemplate="%{y:.2%} of draws",
        )  # fmt: skip
    if at_subscribers:
        _mark(fig, at_subscribers, "this service", colours)
    fig.update_xaxes(
        type="log",
        title_text="subscribers at break-even",
        tickvals=_ROUND_SIZES,
        ticktext=_worded(_ROUND_SIZES),
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
) -> Figure:
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
        type="log", title_text="subscribers", tickvals=_ROUND_SIZES, ticktext=_worded(_ROUND_SIZES),
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
) -> Figure:
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
    fig.update_xaxes(type="log", title_text="subscribers", tickvals=_SIZES, ticktext=_worded(_SIZES))
    fig.update_yaxes(type="log", title_text="months", tickvals=_MONTHS, tickformat="~g")
    return fig


def _mark(fig: Figure, x: float, text: str, colours: Palette, *, y: float = 1.0) -> None:
    fig.add_vline(x=x, line={"color": colours.quiet, "width": 1, "dash": "dash"})
    fig.add_annotation(
        x=np.log10(x), y=y, yref="paper", text=text, showarrow=False, xanchor="left", xshift=4,
        yanchor="top" if y else "bottom",
        font={"size": 12, "color": colours.quiet},
    )  # fmt: skip


def bridge(steps: Sequence[tuple[str, float]], colours: Palette, *, height: int = 280) -> Figure:
    """From one amount to another: the first and last of ``steps`` are amounts, those between their difference.

    Amounts in USD. Steps that save are green, steps that cost red.
    """
    fig = figure(colours, height=height)
    names = [name for name, _ in steps]
    inner = len(steps) - 2
    fig.add_waterfall(
        x=names,
        y=[value for _, value in steps],
        measure=["absolute", *["relative"] * inner, "total"],
        text=[_signed_usd(value, is_step=0 < i <= inner) for i, (_, value) in enumerate(steps)],
        textposition="outside", cliponaxis=False, textfont={"color": colours.text, "size": 12},
        connector={"line": {"color": colours.line, "width": 1}},
        increasing={"marker": {"color": colours.bad}}, decreasing={"marker": {"color": colours.good}},
        totals={"marker": {"color": colours.series[0]}}, hovertemplate="%{x}: %{text}<extra></extra>",
    )  # fmt: skip
    ends = [steps[0][1], steps[-1][1]]
    low, high = min(ends), max(ends)
    # The steps are what is looked at: where they are small beside the whole, the axis begins near them.
    spread = sum(abs(value) for _, value in steps[1:-1]) or high
    view = (max(0.0, low - 2 * spread), high + 0.8 * spread)
    ticks = _round_within(*view, most=4)
    fig.update_yaxes(range=view, tickvals=ticks, ticktext=_worded(ticks, usd))
    fig.update_xaxes(tickfont={"color": colours.text, "size": 12})
    return fig


def _signed_usd(value: float, *, is_step: bool) -> str:
    return ("+" if is_step and value > 0 else "") + usd(value)


def tornado(rows: Sequence[tuple[str, float, float]], base: float, colours: Palette) -> Figure:
    """What the cost would be at each rate's low and high end, the widest on top: ``name, low, high`` in USD."""
    fig = figure(colours, height=50 + 30 * len(rows), barmode="overlay")
    names = [name for name, _, _ in rows]
    lows, highs = [low for _, low, _ in rows], [high for _, _, high in rows]
    for values, colour in ((lows, colours.good), (highs, colours.bad)):
        fig.add_bar(
            x=[value - base for value in values], base=base, y=names, orientation="h",
            marker={"color": faded(colour, 0.8)}, text=[usd(value) for value in values], textposition="outside",
            textfont={"color": colours.quiet, "size": 11}, cliponaxis=False, customdata=values,
            hovertemplate="%{y}: %{text}<extra></extra>",
        )  # fmt: skip
    fig.add_vline(x=base, line={"color": colours.quiet, "width": 1})
    ends = [*lows, *highs]
    # What is written left of a bar stands between it and its name.
    beside(fig)
    fig.update_yaxes(
        autorange="reversed",
        showgrid=False,
        tickmode="linear",
        dtick=1,
        ticklabelstandoff=fig.layout.margin.r,
    )
    room = 0.0 if max(ends) > min(ends) else abs(base) / 10 or 1.0
    view = (min(ends) - room, max(ends) + room)
    ticks = _round_within(*view, most=4)
    fig.update_xaxes(range=view, tickvals=ticks, ticktext=_worded(ticks, usd), showgrid=True)
    return fig


def utilisation(rows: Sequence[tuple[str, float, float, float]], colours: Palette) -> Figure:
    """How full each resource would be, the first to break on top: ``name, low, median, high``, 1 is full.

    On a logarithmic axis, since what breaks first may be asked for ten times what it has.
    """
    fig = figure(colours, height=60 + 30 * len(rows))
    names = [name for name, *_ in rows]
    middles = [max(middle, 1e-3) for _, _, middle, _ in rows]
    shades = [colours.bad if m >= 1 else colours.warn if m >= 0.8 else colours.good for m in middles]
    fig.add_scatter(
        x=middles, y=names, mode="markers+text", marker={"color": shades, "size": 10},
        text=[share(m, 0) for m in middles], textposition="top center",
        textfont={"color": colours.text, "size": 12}, cliponaxis=False,
        error_x={
            "type": "data", "symmetric": False, "color": colours.quiet, "thickness": 1.3, "width": 3,
            "array": [max(high - m, 0.0) for m, (_, _, _, high) in zip(middles, rows, strict=True)],
            "arrayminus": [max(m - max(low, 1e-3), 0.0) for m, (_, low, _, _) in zip(middles, rows, strict=True)],
        },
        hovertemplate="%{y}: %{x:.0%} full<extra></extra>",
    )  # fmt: skip
    fig.add_vline(x=1, line={"color": colours.bad, "width": 1, "dash": "dot"})
    ends = [end for _, low, _, high in rows for end in (max(low, 1e-3), high)]
    fig.update_yaxes(autorange="reversed", showgrid=False, tickmode="linear", dtick=1)
    ticks = (0.01, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100)
    fig.update_xaxes(
        type="log", tickvals=ticks, ticktext=[share(tick, 0) for tick in ticks], showgrid=True,
        range=[np.log10(max(min(ends) * 0.8, 0.01)), np.log10(max(2.0, max(ends) * 1.8))],
    )  # fmt: skip
    return fig


def _worded(values: Sequence[float], words: Callable[[float], str] = count) -> list[str]:
    """Round values as they are written beside the axis, without digits that tell nothing.

    >>> _worded([2e8, 1e9]), _worded([3.85e7], usd)
    (['200 M', '1 B'], ['$38.5 M'])
    """
    return [words(value).replace(".0 ", " ") for value in values]


def _round_within(low: float, high: float, *, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two ends, ``most`` + 1 at most.

    >>> _round_within(32.9, 40.1, most=4)
    [34.0, 36.0, 38.0, 40.0]
    """
    if not low < high:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * figure for figure in (1, 2, 5, 10) if (high - low) / (power * figure) <= most)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
