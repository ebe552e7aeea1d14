"""A ranked table with a bar a row, as plain markup: names that lead on, figures to the right, the worst on top."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.charts.style import Palette, faded

__all__ = ["Ranked", "ranking"]


@dataclass(frozen=True)
class Ranked:
    """A row: its name, where that leads (nowhere if empty), its figures as written, and the length of its bar, 0..1."""

    name: str
    cells: tuple[str, ...]
    bar: float
    href: str = ""


def ranking(headers: Sequence[str], rows: Sequence[Ranked], colours: Palette, *, alt: str = "") -> str:
    """The table; ``headers`` are of the name and each cell, the bar is behind the last cell. Texts are escaped here."""
    figure = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding:5px 0 5px 12px"
    line = f"border-bottom:1px solid {colours.line}"
    head = "".join(
        f'<th style="{line};font-weight:400;color:{colours.quiet};font-size:0.82rem;'
        f'{"text-align:left;padding:4px 0" if i == 0 else figure}">{html.escape(text)}</th>'
        for i, text in enumerate(headers)
    )
    body = []
    for row in rows:
        name = html.escape(row.name)
        if row.href:
            link = f"color:inherit;text-decoration:underline {colours.quiet} 1px;text-underline-offset:3px"
            name = f'<a href="{html.escape(row.href)}" target="_self" style="{link}">{name}</a>'
        cells = []
        for i, cell in enumerate(row.cells):
            bar = ""
            if i == len(row.cells) - 1:
                share = 100 * min(max(row.bar, 0.0), 1.0)
                paint = faded(colours.bad, 0.22)
                bar = f";background:linear-gradient(to left,{paint} {share:.0f}%,transparent {share:.0f}%)"
                bar += ";padding-right:6px"
            cells.append(f'<td style="{line};{figure}{bar}">{html.escape(cell)}</td>')
        body.append(
            f'<tr><td style="{line};padding:5px 0;overflow:hidden;text-overflow:ellipsis">{name}</td>'
            f"{''.join(cells)}</tr>"
        )
    return (
        f'<table aria-label="{html.escape(alt)}" style="width:100%;border-collapse:collapse;border:0">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )
