"""A metric's days in the space of a word: a drawing of its own, there before any library of charts is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.charts.style import Palette, drawing, faded

__all__ = ["sparkline"]

_WIDTH, _HEIGHT, _MARGIN = 240.0, 44.0, 4.0


def sparkline(
    values: Sequence[float | None],
    colours: Palette,
    *,
    before: Sequence[float | None] = (),
    limit: float | None = None,
    alt: str = "",
) -> str:
    """``values`` in order, the last one dotted; ``before``, the period before, dashed; ``limit`` dotted where in view.

    Nulls leave gaps. An empty string where there are fewer than two values to draw.
    """
    known = [value for value in (*values, *before) if value is not None]
    if sum(value is not None for value in values) < 2:
        return ""
    low, high = min(known), max(known)
    # A limit far away would press the days into a line; the tile says it in words.
    if limit is not None and low - (high - low) <= limit <= high + (high - low):
        low, high = min(low, limit), max(high, limit)
    else:
        limit = None
    scale = (_HEIGHT - 2 * _MARGIN) / ((high - low) or 1.0)

    def y(value: float) -> float:
        return _HEIGHT - _MARGIN - (value - low) * scale

    def x(i: int, count: int) -> float:
        return _MARGIN + i * (_WIDTH - 2 * _MARGIN) / max(count - 1, 1)

    def path(series: Sequence[float | None]) -> str:
        steps, pen = [], "M"
        for i, value in enumerate(series):
            if value is None:
                pen = "M"
                continue
            steps.append(f"{pen}{x(i, len(series)):.1f},{y(value):.1f}")
            pen = "L"
        return "".join(steps)

    keep = 'vector-effect="non-scaling-stroke" fill="none"'
    parts = []
    if all(value is not None for value in values):
        floor = f"L{x(len(values) - 1, len(values)):.1f},{_HEIGHT}L{x(0, len(values)):.1f},{_HEIGHT}Z"
        parts.append(f'<path d="{path(values)}{floor}" fill="{faded(colours.series[0], 0.1)}"/>')
    if limit is not None:
        parts.append(
            f'<path d="M0,{y(limit):.1f}H{_WIDTH}" stroke="{colours.bad}" stroke-dasharray="1 3" {keep}/>'
        )
    if before:
        parts.append(f'<path d="{path(before)}" stroke="{colours.quiet}" stroke-dasharray="3 3" {keep}/>')
    parts.append(f'<path d="{path(values)}" stroke="{colours.series[0]}" stroke-width="1.6" {keep}/>')
    at = max(i for i, value in enumerate(values) if value is not None)
    last = values[at]
    assert last is not None
    # A line of no length with a round cap: a dot that no stretching makes an ellipse.
    parts.append(
        f'<path d="M{x(at, len(values)):.1f},{y(last):.1f}h0" stroke="{colours.series[0]}" stroke-width="5" '
        f'stroke-linecap="round" {keep}/>'
    )
    return drawing(
        "".join(parts), _WIDTH, _HEIGHT, style=f"width:100%;height:{_HEIGHT:.0f}px;display:block", alt=alt
    )
