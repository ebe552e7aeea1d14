"""A figure as the product of others: an identity that multiplies out exactly, as plain markup."""

from __future__ import annotations

import html
from collections.abc import Sequence

from dashboards.charts.style import Palette

__all__ = ["equation"]


def equation(parts: Sequence[tuple[str, str]], colours: Palette, *, alt: str = "") -> str:
    """``title, value`` of the product, then of each factor; wraps in a narrow place. Texts are escaped here."""
    box = f"border:1px solid {colours.line};border-radius:8px;background:{colours.panel};padding:8px 14px"
    box += ";flex:1 1 130px"
    marks = ("", "=", *["×"] * max(len(parts) - 2, 0))
    cells = []
    for mark, (title, value) in zip(marks, parts, strict=False):
        if mark:
            cells.append(
                f'<div style="align-self:center;font-size:1.3rem;color:{colours.quiet}">{mark}</div>'
            )
        cells.append(
            f'<div style="{box}"><div style="color:{colours.quiet};font-size:0.86rem">{html.escape(title)}</div>'
            f'<div style="font-size:1.25rem;font-weight:600">{html.escape(value)}</div></div>'
        )
    return (
        f'<div role="img" aria-label="{html.escape(alt)}" style="display:flex;flex-wrap:wrap;gap:10px">'
        f"{''.join(cells)}</div>"
    )
