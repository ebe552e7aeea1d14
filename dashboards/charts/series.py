"""Values over time, and values side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from dashboards.charts.figure import Figure
from dashboards.charts.style import Axis, Palette, faded, figure
from dashboards.formats import spaced

__all__ = ["Band", "bars", "beside", "dated", "instant", "instants", "shade", "stroked", "trend"]

_BESIDE = 62  # pixels for a word beside the plot
_CROWDED = 0.25
_SEEN = 200  # a band is at least so small a part of the span


@dataclass(frozen=True)
class Band:
    """A span of time to shade: a page, a ticket, a truth that is known. Instants in UTC epoch ms."""

    start_ts_ms: int
    end_ts_ms: int
    label: str
    severity: str = "page"


def trend(
    current: pl.DataFrame,
    colours: Palette,
    *,
    axis: Axis,
    name: str,
    previous: pl.DataFrame | None = None,
    limit: float | None = None,
    bands: Sequence[Band] = (),
    view: tuple[int, int] | None = None,
    height: int = 260,
) -> Figure:
    """A metric over time.

    ``current``: ``ts_ms, value`` and, where known, ``low, high`` (drawn as a ribbon). ``previous``: the same
    of the period before, already shifted onto the current one; a quiet dashed line. ``limit``: the contract's
    bound, dotted. ``view``: the period shown, in UTC epoch ms, where it is more than the values fill. A null
    value leaves a gap.
    """
    fig = figure(colours, height=height, hovermode="x unified")
    when = instants(current["ts_ms"])
    number = f"{axis.prefix}%{{y:{axis.spec}}}{axis.suffix}"
    if {"low", "high"} <= set(current.columns) and current["low"].is_not_null().any():
        ribbon = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "connectgaps": False}
        fig.add_scatter(x=when, y=current["high"].to_list(), **ribbon)
        fig.add_scatter(
            x=when,
            y=current["low"].to_list(),
            fill="tonexty",
            fillcolor=faded(colours.series[0], 0.14),
            **ribbon,
        )
    if previous is not None and previous.height:
        fig.add_scatter(
            x=instants(previous["ts_ms"]),
            y=previous["value"].to_list(),
            name="period before",
            mode="lines",
            line={"color": colours.quiet, "width": 1.3, "dash": "dash"},
            hovertemplate=number,
        )
    fig.add_scatter(
        x=when,
        y=current["value"].to_list(),
        name=name,
        # One day alone would be an invisible line.
        mode="lines" if current.height > 1 else "markers",
        line={"color": colours.series[0], "width": 2},
        hovertemplate=number,
    )
    if limit is not None:
        fig.add_hline(y=limit, line={"color": colours.bad, "width": 1, "dash": "dot"})
        # Beside the plot, where no line of the metric can cross it.
        fig.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=4, y=limit, text="promised", showarrow=False,
            font={"size": 11, "color": colours.bad},
        )  # fmt: skip
        fig.update_layout(margin={"r": _BESIDE})
    shade(fig, colours, bands, current)
    known = [value for value in current["value"].to_list() if value is not None]
    # A share that stays near 1 is a flat line on an axis from 0.
    is_high = limit is None and bool(known) and min(known) > 0.6 * max(known)
    fig.update_yaxes(
        tickformat=axis.ticks, tickprefix=axis.prefix, ticksuffix=axis.suffix,
        rangemode="normal" if is_high else "tozero",
    )  # fmt: skip
    if view is not None:
        fig.update_xaxes(range=[instant(ts_ms) for ts_ms in view], tickformat=dated(view[1] - view[0]))
    return fig


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    colours: Palette,
    *,
    axis: Axis,
    before: Sequence[float | None] = (),
) -> Figure:
    """Horizontal bars with their figures written out, first on top; ``before``, of the period before, as a stroke."""
    fig = figure(colours, height=40 + 26 * len(labels))
    fig.add_bar(
        x=list(values),
        y=list(labels),
        orientation="h",
        marker={"color": colours.series[0]},
        text=[spaced(f"{axis.prefix}{value:{axis.spec}}{axis.suffix}") for value in values],
        textposition="outside",
        textfont={"color": colours.text, "size": 12},
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    stroked(fig, colours, labels, before)
    fig.update_yaxes(range=[len(labels) - 0.4, -0.6], showgrid=False, tickvals=list(labels))
    fig.update_xaxes(
        tickformat=axis.ticks,
        tickprefix=axis.prefix,
        ticksuffix=axis.suffix,
        showgrid=True,
        nticks=5,
        range=[0, max([*values, *(v for v in before if v is not None)], default=0.0) or 1.0],
        rangemode="tozero",
    )
    beside(fig)
    return fig


def beside(fig: Figure) -> None:
    """Room at the right for what is written beside horizontal bars, which no width of the window takes away."""
    longest = max((len(text) for bar in fig.data if bar.type == "bar" for text in bar.text or ()), default=0)
    fig.update_layout(margin={"r": 14 + 7 * longest})


def stroked(fig: Figure, colours: Palette, labels: Sequence[str], before: Sequence[float | None]) -> None:
    """A stroke across each bar where it ended in the period before; figures written beside bars make room for it."""
    if any(value is not None for value in before):
        (bar,) = (trace for trace in fig.data if trace.type == "bar")
        # What a stroke lies beyond the end of is written beyond the stroke.
        is_beyond = [old is not None and old > now for old, now in zip(before, bar.x, strict=True)]
        bar.texttemplate = ["" if beyond else "\u2002%{text}" for beyond in is_beyond]
        fig.add_scatter(
            x=list(before), y=list(labels), mode="markers+text", name="period before", hoverinfo="skip",
            marker={"symbol": "line-ns", "size": 15, "line": {"color": colours.text, "width": 1.6}},
            text=[text if beyond else "" for text, beyond in zip(bar.text, is_beyond, strict=True)],
            textposition="middle right", textfont={"color": colours.text, "size": 12}, cliponaxis=False,
        )  # fmt: skip


def shade(fig: Figure, colours: Palette, bands: Sequence[Band], frame: pl.DataFrame) -> None:
    """Mark ``bands`` on the span of ``frame``'s ``ts_ms``: shaded, or a strip on top where they cover too much."""
    if frame.is_empty():
        return
    first, last = int(frame["ts_ms"].min()), int(frame["ts_ms"].max())  # type: ignore[arg-type]
    seen = [b for b in bands if b.end_ts_ms >= first and b.start_ts_ms <= last]
    covered = sum(min(b.end_ts_ms, last) - max(b.start_ts_ms, first) for b in seen)
    is_crowded = covered > _CROWDED * max(last - first, 1)
    paints = {"page": colours.bad, "truth": colours.series[4]}
    spans = [
        {
            "type": "rect", "xref": "x", "yref": "paper", "x0": instant(start), "x1": instant(end),
            "y0": 0.975 if is_crowded else 0.0, "y1": 1.0,
            "fillcolor": faded(paints.get(band.severity, colours.warn), 0.7 if is_crowded else 0.12),
            "line": {"width": 0}, "layer": "below", "name": band.label,
        }
        for band in seen
        for start, end in [_visible(band, first, last)]
    ]  # fmt: skip
    if spans:
        fig.layout.shapes = (*fig.layout.shapes, *spans)


def _visible(band: Band, first: int, last: int) -> tuple[int, int]:
    """The ends of a band within a span: minutes of a month are less than a pixel, and are drawn as wide as is seen."""
    start, end = max(band.start_ts_ms, first), min(band.end_ts_ms, last)
    short = max((last - first) // _SEEN - (end - start), 0) // 2
    return max(start - short, first), min(end + short, last)


def dated(length_ms: int) -> str:
    """How the instants of a time axis so long are written: a year on every figure is ink that tells nothing."""
    return "%-d %b" if length_ms > 4 * 86_400_000 else "%-d %b %H:%M"


def instant(ts_ms: int) -> datetime:
    """A UTC instant as plotly's axes take it."""
    return datetime.fromtimestamp(ts_ms / 1000, UTC).replace(tzinfo=None)


def instants(column: pl.Series) -> list[datetime]:
    """A column of UTC epoch ms as plotly's axes take it."""
    return [instant(ts_ms) for ts_ms in column.to_list()]
