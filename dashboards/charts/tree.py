"""The north-star tree: what moved the north star, edges as wide as what they carried.

Two kinds of edge, never mixed: an identity is a solid band, and identities sum to the change; an influence is
an estimate, a thin dashed line that adds to nothing. Plain markup and one drawing: it is there before any library
of charts is loaded, and its boxes stay readable in a narrow window.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dashboards.charts.style import Palette, drawing, faded

__all__ = ["Edge", "north_star_tree"]

_ROW_PX = 66
_LINE = "white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
_WIDTH = 100.0
_WIDEST, _NARROWEST = 30.0, 2.0


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
    title: str, value: str, change: str, edges: Sequence[Edge], colours: Palette, *, alt: str = ""
) -> str:
    """The tree of one metric as markup: root on the left, drivers on the right, in the order given.

    Texts are escaped here.
    """
    box = f"border:1px solid {colours.line};border-radius:8px;background:{colours.panel};padding:6px 10px;"
    # One line, whatever the width: rows are as high as the bands that lead to them.
    quiet = f"color:{colours.quiet};font-size:0.84rem;{_LINE}"
    leaves = "".join(
        f'<div style="display:flex;align-items:center;gap:14px;height:{_ROW_PX}px">'
        f'<div style="{box}flex:1 1 60%;min-width:0"><div title="{html.escape(edge.title)}" style="{quiet}">'
        f'{html.escape(edge.title)}</div><div style="{_LINE}"><b>{html.escape(edge.value)}</b>&ensp;'
        f'<span style="color:{_colour(edge, colours)}">{html.escape(edge.change)}</span></div></div>'
        f'<div style="flex:1 1 40%;min-width:0;{quiet};line-height:1.35">'
        f"{'<br>'.join(html.escape(note) for note in edge.notes[:2])}</div></div>"
        for edge in edges
    )
    return (
        f'<div role="img" aria-label="{html.escape(alt or title)}" '
        'style="display:grid;align-items:center;'
        'grid-template-columns:minmax(84px,24%) minmax(24px,10%) minmax(0,1fr)">'
        f'<div style="{box}"><div style="color:{colours.quiet};font-size:0.86rem">{html.escape(title)}</div>'
        f'<div style="font-size:1.35rem;font-weight:600">{html.escape(value)}</div>'
        f"<div>{html.escape(change)}</div></div>"
        f'<div style="height:{_ROW_PX * len(edges)}px">{_edges(edges, colours)}</div><div>{leaves}</div></div>'
    )


def _edges(edges: Sequence[Edge], colours: Palette) -> str:
    """Bands leave the root side by side, so that their widths can be compared where they begin."""
    widest = max((abs(e.carried) for e in edges if e.carried is not None), default=0.0)
    edges = [replace(e, carried=0.0) if e.carried and abs(e.carried) < widest / 200 else e for e in edges]
    widths = [_width(edge, widest) for edge in edges]
    height = _ROW_PX * max(len(edges), 1)
    leaving = (height - sum(widths)) / 2
    paths = []
    for i, (edge, width) in enumerate(zip(edges, widths, strict=True)):
        middle = (i + 0.5) * _ROW_PX
        if width:
            path = _band(leaving + width / 2, middle, width)
            paths.append(f'<path d="{path}" fill="{faded(_colour(edge, colours), 0.75)}"/>')
            leaving += width
        else:
            dash = ' stroke-dasharray="3 4"' if edge.kind == "influence" else ""
            line = _line(height / 2, middle)
            paths.append(f'<path d="{line}" fill="none" stroke="{faded(colours.quiet, 0.8)}"{dash}/>')
    return drawing("".join(paths), _WIDTH, height, style="width:100%;height:100%;display:block")


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
    bend, h = _WIDTH / 2, width / 2
    return (
        f"M 0,{y0 - h:.1f} C {bend},{y0 - h:.1f} {bend},{y1 - h:.1f} {_WIDTH},{y1 - h:.1f} "
        f"L {_WIDTH},{y1 + h:.1f} C {bend},{y1 + h:.1f} {bend},{y0 + h:.1f} 0,{y0 + h:.1f} Z"
    )


def _line(y0: float, y1: float) -> str:
    bend = _WIDTH / 2
    return f"M 0,{y0:.1f} C {bend},{y0:.1f} {bend},{y1:.1f} {_WIDTH},{y1:.1f}"
