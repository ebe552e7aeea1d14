"""Dragging over a chart: what may be selected, and the mark of what was."""

from __future__ import annotations

from dashboards.charts.figure import Figure
from dashboards.charts.series import instant
from dashboards.charts.style import Palette, faded

__all__ = ["brushable", "marked"]


def brushable(fig: Figure, colours: Palette, *, is_box: bool = False) -> Figure:
    """A drag over ``fig`` selects a span of its x axis, or a box.

    Plotly lets a reader drag over markers alone, so that a figure of lines or cells needs two that nobody sees.
    """
    (first, *_), last = fig.data[-1].x, fig.data[-1].x[-1]
    low = fig.data[-1].y[0]
    fig.add_scatter(
        x=[first, last],
        y=[low, low],
        mode="markers",
        marker={"opacity": 0, "size": 1},
        hoverinfo="skip",
        showlegend=False,
        name="",
    )
    fig.update_layout(
        dragmode="select",
        selectdirection="any" if is_box else "h",
        newselection={"line": {"color": colours.text, "width": 1, "dash": "solid"}},
        activeselection={"fillcolor": faded(colours.series[0], 0.2)},
    )
    return fig


def marked(
    fig: Figure, colours: Palette, span: tuple[int, int], rows: tuple[float, float] | None = None
) -> Figure:
    """What was selected: everything outside the span veiled, or a box of ``rows`` outlined."""
    start, end = (instant(ts_ms) for ts_ms in span)
    if rows is not None:
        fig.add_shape(
            type="rect", x0=start, x1=end, y0=rows[0], y1=rows[1], line={"color": colours.warn, "width": 2},
            fillcolor=faded(colours.warn, 0.08), name="selection",
        )  # fmt: skip
        return fig
    fig.add_shape(
        type="rect", xref="x", yref="paper", x0=start, x1=end, y0=0, y1=1, layer="below", name="selection",
        fillcolor=faded(colours.series[0], 0.12), line={"color": faded(colours.series[0], 0.6), "width": 1},
    )  # fmt: skip
    return fig
