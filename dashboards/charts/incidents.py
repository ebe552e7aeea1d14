"""Incidents on a time line: alerts in a lane each, what really happened below them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.charts.figure import Figure
from dashboards.charts.series import dated, instant
from dashboards.charts.style import Palette, faded, figure
from dashboards.formats import share

__all__ = ["Bar", "explained", "lanes"]


@dataclass(frozen=True)
class Bar:
    """A span in a lane; ``key`` comes back with a click. ``kind``: page, ticket, truth or standing."""

    lane: str
    start_ts_ms: int
    end_ts_ms: int
    text: str
    kind: str
    key: str = ""


def lanes(
    bars: Sequence[Bar],
    colours: Palette,
    *,
    order: Sequence[str],
    view: tuple[int, int],
    chosen: tuple[int, int] | None = None,
) -> Figure:
    """Lanes in ``order``, first on top, over the period ``view`` (epoch ms).

    A span too short to be seen is drawn as wide as can be pointed at. ``chosen``: the span of the incident looked at.
    """
    fig = figure(colours, height=54 + 30 * max(len(order), 1), margin={"l": 8, "r": 12, "t": 6, "b": 8})
    shades = {
        "page": colours.bad, "ticket": colours.warn, "truth": colours.series[4], "standing": faded(colours.bad, 0.35),
    }  # fmt: skip
    least = (view[1] - view[0]) / 160
    spans = []
    for bar in bars:
        start, end = max(bar.start_ts_ms, view[0]), min(bar.end_ts_ms, view[1])
        if end < start:
            continue
        middle = (start + end) / 2
        half = max(end - start, least) / 2
        left, right = max(middle - half, view[0]), min(middle + half, view[1])
        y = order.index(bar.lane)
        spans.append(
            {
                "type": "rect", "x0": instant(int(left)), "x1": instant(int(right)), "y0": y - 0.3, "y1": y + 0.3,
                "line": {"width": 0}, "fillcolor": shades[bar.kind], "name": bar.key, "opacity": 0.95,
            }
        )  # fmt: skip
    fig.layout.shapes = spans
    # What can be pointed at: a marker in the middle of each.
    seen = [bar for bar in bars if bar.end_ts_ms >= view[0] and bar.start_ts_ms <= view[1]]
    fig.add_scatter(
        x=[instant((max(b.start_ts_ms, view[0]) + min(b.end_ts_ms, view[1])) // 2) for b in seen],
        y=[order.index(b.lane) for b in seen], mode="markers", customdata=[[b.key, b.text] for b in seen],
        marker={"size": 20, "opacity": 0}, hovertemplate="%{customdata[1]}<extra></extra>", name="spans",
    )  # fmt: skip
    if chosen is not None:
        fig.add_vrect(
            x0=instant(chosen[0]), x1=instant(chosen[1]), line={"color": colours.text, "width": 1, "dash": "dot"},
            fillcolor=faded(colours.quiet, 0.08), layer="below",
        )  # fmt: skip
    fig.update_yaxes(
        tickvals=list(range(len(order))), ticktext=list(order), range=[len(order) - 0.5, -0.5], showgrid=False,
        tickfont={"color": colours.text, "size": 12},
    )  # fmt: skip
    fig.update_xaxes(
        range=[instant(view[0]), instant(view[1])], showgrid=True, tickformat=dated(view[1] - view[0])
    )
    fig.update_layout(hovermode="closest", dragmode=False)
    return fig


def explained(labels: Sequence[str], shares: Sequence[float], colours: Palette) -> Figure:
    """How much of what moved each explanation accounts for, best first."""
    fig = figure(colours, height=16 + 44 * len(labels), margin={"l": 0, "r": 48, "t": 0, "b": 0})
    fig.add_bar(
        x=list(shares), y=list(range(len(labels))), orientation="h", width=0.28,
        marker={"color": [colours.series[0], *[faded(colours.series[0], 0.45)] * (len(labels) - 1)]},
        text=[share(one, 0) for one in shares], textposition="outside", cliponaxis=False,
        textfont={"color": colours.text, "size": 12}, hovertemplate="%{text} of what moved<extra></extra>",
    )  # fmt: skip
    for i, label in enumerate(labels):
        fig.add_annotation(
            x=0, y=i - 0.32, text=label, showarrow=False, xanchor="left", yanchor="middle", align="left",
            font={"color": colours.text, "size": 12},
        )  # fmt: skip
    fig.update_xaxes(visible=False, range=[0, 1.05])
    fig.update_yaxes(visible=False, range=[len(labels) - 0.5, -0.7])
    return fig
