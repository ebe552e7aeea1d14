"""One session from the play instruction to its end: what the player was doing, and at what bitrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from dashboards.charts.figure import Figure
from dashboards.charts.style import Palette, faded, figure

__all__ = ["session_timeline"]

_SHOWN = ("starting", "playing", "stalled", "seeking", "paused", "failed")


def session_timeline(
    spans: pl.DataFrame,
    colours: Palette,
    *,
    levels: Mapping[str, pl.DataFrame] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    height: int = 230,
) -> Figure:
    """States of the player on top, levels below, over the minutes since the play instruction.

    ``spans``: ``state`` (starting, playing, stalled, seeking, paused, failed), ``start_ms, end_ms`` since the
    play instruction. ``levels``: by their title, ``at_ms, value``, drawn as steps; the first is bitrate in kbit/s.
    ``marks``: an instant in ms and what happened then.
    """
    fig = figure(
        colours,
        height=height,
        hovermode="closest",
        showlegend=True,
        margin={"l": 8, "r": 12, "t": 30, "b": 8},
    )
    shade = {
        "starting": colours.warn, "playing": colours.series[0], "stalled": colours.bad, "seeking": colours.series[4],
        "paused": faded(colours.quiet, 0.5), "failed": colours.text,
    }  # fmt: skip
    for state in _SHOWN:
        rows = spans.filter(pl.col("state") == state)
        if rows.is_empty():
            continue
        lengths = ((rows["end_ms"] - rows["start_ms"]) / 60_000).to_list()
        fig.add_bar(
            x=lengths, base=(rows["start_ms"] / 60_000).to_list(), y=["player"] * rows.height, orientation="h",
            name=state, marker={"color": shade[state], "line": {"width": 0}}, width=0.9, showlegend=True,
            customdata=[[state, _length(ms * 60_000)] for ms in lengths], yaxis="y2",
            hovertemplate="<b>%{customdata[0]}</b> for %{customdata[1]}<br>from minute %{base:.2f}<extra></extra>",
        )  # fmt: skip
    last = float(spans["end_ms"].max() or 0) / 60_000  # type: ignore[arg-type]
    for i, (title, frame) in enumerate((levels or {}).items()):
        fig.add_scatter(
            x=[*(frame["at_ms"] / 60_000).to_list(), last],
            y=[*frame["value"].to_list(), frame["value"][-1]],
            mode="lines", name=title, line={"shape": "hv", "width": 2, "color": colours.series[(3 * i + 1) % 7]},
            hovertemplate=f"{title} %{{y:,.0f}}<extra></extra>", showlegend=True,
        )  # fmt: skip
    for at_ms, text in marks:
        fig.add_vline(x=at_ms / 60_000, line={"color": colours.quiet, "width": 1, "dash": "dot"})
        fig.add_annotation(
            x=at_ms / 60_000, y=0.665, yref="paper", text=text, showarrow=False, xanchor="left", yanchor="top",
            xshift=3,
            font={"color": colours.quiet, "size": 11},
        )  # fmt: skip
    top = max([1.0, *(float(frame["value"].max()) for frame in (levels or {}).values())])  # type: ignore[arg-type]
    base = dict(fig.layout.yaxis)
    fig.update_layout(
        barmode="overlay",
        yaxis=base | {"domain": [0.0, 0.68], "range": [0, 1.18 * top], "tickformat": ",.0f", "nticks": 4},
        yaxis2=base | {"domain": [0.8, 1.0], "showgrid": False, "showticklabels": False, "anchor": "x"},
    )
    # The start of a film is a sliver of it: a drag looks closer, a double click goes back.
    fig.update_xaxes(fixedrange=False, ticksuffix=" min", nticks=9, range=[-0.01 * last, last * 1.01])
    return fig


def _length(ms: float) -> str:
    if ms < 1_000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 120_000 else f"{ms / 60_000:.1f} min"
