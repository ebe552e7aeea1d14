"""The north-star tree: what moved the north star, edges as wide as what they carried.

Two kinds of edge, never mixed: an identity is a solid band, and identities sum to the change; an influence is
an estimate, a thin dashed line that adds to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import plotly.graph_objects as go

from dashboards.charts.style import Palette, faded, figure

__all__ = ["Edge", "north_star_tree"]

_ROOT = (0.0, 0.28)
_LEAF = (0.39, 0.735)
_NOTE_X = 0.75
_WIDEST, _NARROWEST = 0.075, 0.006


@dataclass(frozen=True)
class Edge:
    """A driver of the north star.

    ``carried``: its contribution to the change, in the north star's unit; null on an influence edge, whose
    effect is not known here. ``value`` and ``change`` as written; ``notes``: what stands behind it, at most
    two lines.
    """

    title: str
    kind: Literal["identity", "influence"]
    value: str
    change: str
    carried: float | None = None
    notes: tuple[str, ...] = ()
    is_worse: bool | None = None


def north_star_tree(
    title: str, value: str, change: str, edges: Sequence[Edge], colours: Palette, *, row_height: int = 62
) -> go.Figure:
    """The tree of one metric: root on the left, drivers on the right, in the order given."""
    height = max(4, len(edges)) * row_height + 10
    fig = figure(colours, height=height, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    fig.update_xaxes(visible=False, range=[0, 1])
    fig.update_yaxes(visible=False, range=[0, 1])
    step = 1 / max(len(edges), 1)
    half = min(0.4 * step, 0.09)
    widest = max((abs(e.carried) for e in edges if e.carried is not None), default=0.0)
    # Bands leave the root side by side, so that their widths can be compared where they begin.
    edges = [replace(e, carried=0.0) if e.carried and abs(e.carried) < widest / 200 else e for e in edges]
    widths = [_width(edge, widest) for edge in edges]
    leaving = 0.5 + sum(w for w in widths if w) / 2
    for i, (edge, width) in enumerate(zip(edges, widths, strict=True)):
        middle = 1 - (i + 0.5) * step
        colour = _colour(edge, colours)
        if width:
            fig.add_shape(
                type="path",
                path=_band(leaving - width / 2, middle, width),
                fillcolor=faded(colour, 0.75),
                line_width=0,
                layer="below",
            )
            leaving -= width
        else:
            dash = "dot" if edge.kind == "influence" else "solid"
            fig.add_shape(
                type="path",
                path=_line(0.5, middle),
                line={"color": faded(colours.quiet, 0.7), "width": 1.2, "dash": dash},
                layer="below",
            )
        _box(fig, _LEAF, middle, half, edge.title, _second_line(edge, colour), colours)
        if edge.notes:
            _write(fig, _NOTE_X, middle, "<br>".join(edge.notes[:2]), colours.quiet, 12)
    _box(fig, _ROOT, 0.5, half * 1.15, title, f"<b>{value}</b>   {change}", colours)
    return fig


def _second_line(edge: Edge, colour: str) -> str:
    change = f"<span style='color:{colour}'>{edge.change}</span>"
    return f"{edge.value}   {change}" if edge.value else change


def _colour(edge: Edge, colours: Palette) -> str:
    if edge.carried is not None and edge.kind == "identity":
        return colours.good if edge.carried > 0 else colours.bad if edge.carried < 0 else colours.quiet
    if edge.is_worse is None:
        return colours.quiet
    return colours.bad if edge.is_worse else colours.good


def _width(edge: Edge, widest: float) -> float:
    if edge.kind != "identity" or edge.carried is None:
        return 0.0
    return max(_NARROWEST, _WIDEST * abs(edge.carried) / widest) if widest else _NARROWEST


def _band(y0: float, y1: float, width: float) -> str:
    x0, x1 = _ROOT[1], _LEAF[0]
    bend, h = (x0 + x1) / 2, width / 2
    return (
        f"M {x0},{y0 + h} C {bend},{y0 + h} {bend},{y1 + h} {x1},{y1 + h} "
        f"L {x1},{y1 - h} C {bend},{y1 - h} {bend},{y0 - h} {x0},{y0 - h} Z"
    )


def _line(y0: float, y1: float) -> str:
    x0, x1 = _ROOT[1], _LEAF[0]
    bend = (x0 + x1) / 2
    return f"M {x0},{y0} C {bend},{y0} {bend},{y1} {x1},{y1}"


def _box(
    fig: go.Figure, x: tuple[float, float], y: float, half: float, title: str, below: str, colours: Palette
) -> None:
    fig.add_shape(
        type="rect", x0=x[0], x1=x[1], y0=y - half, y1=y + half, fillcolor=colours.panel,
        line={"color": colours.line, "width": 1}, layer="below",
    )  # fmt: skip
    _write(fig, x[0] + 0.012, y, f"{title}<br>{below}", colours.text, 13)


def _write(fig: go.Figure, x: float, y: float, text: str, colour: str, size: int) -> None:
    where: dict[str, Any] = {"x": x, "y": y, "xanchor": "left", "yanchor": "middle", "align": "left"}
    fig.add_annotation(text=text, showarrow=False, font={"size": size, "color": colour}, **where)
