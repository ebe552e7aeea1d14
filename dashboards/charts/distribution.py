"""Distributions over time, and in what a selection of them differs from the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from dashboards.charts.brush import brushable, marked
from dashboards.charts.figure import Figure
from dashboards.charts.series import Band, dated, instant, shade
from dashboards.charts.style import Palette, figure

__all__ = ["apart", "heatmap"]

_FAINTEST = -4.0  # one in ten thousand, as a power of ten


def heatmap(
    cells: pl.DataFrame,
    colours: Palette,
    *,
    labels: Sequence[str],
    ticks: Mapping[int, str],
    grain_ms: int,
    has_none: bool = False,
    limit: float | None = None,
    box: tuple[int, int, int, int] | None = None,
    bands: Sequence[Band] = (),
    height: int = 340,
) -> Figure:
    """Buckets of values (rows) over time (columns), as dark as the share of the column's sessions in them.

    ``cells``: ``ts_ms, bucket, share, n``; ``labels`` every bucket in words; ``ticks`` the buckets that end at a
    round value, and that value. Shares are on a logarithmic scale, so that a tail of one in a thousand shows.
    ``limit``: the contract's bound, as the row it ends; ``box``: start, end (epoch ms), first and last bucket
    selected. A drag selects a box.
    """
    fig = figure(colours, height=height)
    first, last = int(cells["ts_ms"].min()), int(cells["ts_ms"].max())  # type: ignore[arg-type]
    columns = (last - first) // grain_ms + 1
    top = max(int(cells["bucket"].max()), 1) + 1  # type: ignore[arg-type]
    share = np.full((top, columns), np.nan)
    n = np.zeros((top, columns), np.int64)
    at = (cells["bucket"].to_numpy(), ((cells["ts_ms"] - first) // grain_ms).to_numpy())
    share[at], n[at] = cells["share"].to_numpy(), cells["n"].to_numpy()
    with np.errstate(divide="ignore"):
        shade_of = np.clip(np.log10(share), _FAINTEST, 0.0)
    middle = [instant(first + i * grain_ms + grain_ms // 2) for i in range(columns)]
    fig.add_heatmap(
        x=middle,
        y=list(range(top)),
        z=[[None if np.isnan(v) else round(float(v), 3) for v in row] for row in shade_of],
        customdata=np.dstack([share, n]),
        text=[[labels[row]] * columns for row in range(top)],
        zmin=_FAINTEST,
        zmax=0.0,
        colorscale=[[i / (len(colours.sequence) - 1), c] for i, c in enumerate(colours.sequence)],
        colorbar={
            "tickvals": [-4, -3, -2, -1, 0], "ticktext": ["≤0.01 %", "0.1 %", "1 %", "10 %", "100 %"], "thickness": 8,
            "outlinewidth": 0, "tickfont": {"color": colours.quiet, "size": 11}, "len": 1.0, "xpad": 4, "ypad": 0,
        },
        hovertemplate="%{x|%-d %b %H:%M}<br><b>%{text}</b><br>%{customdata[0]:.2%} of sessions then"
        "<br>%{customdata[1]:,} seen<extra></extra>",
        hoverongaps=False,
        xgap=1 if columns <= 60 else 0,
        ygap=1,
    )  # fmt: skip
    told = {place + 0.5: text for place, text in ticks.items() if place + 1 < top}
    if has_none:
        told = {0.0: "none"} | told
    fig.update_yaxes(
        tickvals=list(told), ticktext=list(told.values()), range=[-0.5, top - 0.5], showgrid=False
    )
    if limit is not None and limit < top - 1:
        fig.add_hline(y=limit + 0.5, line={"color": colours.bad, "width": 1, "dash": "dot"})
    ends = (first, first + columns * grain_ms)
    fig.update_xaxes(range=[instant(ts_ms) for ts_ms in ends], tickformat=dated(ends[1] - ends[0]))
    shade(fig, colours, bands, cells)
    brushable(fig, colours, is_box=True)
    if box is not None:
        marked(fig, colours, box[:2], (box[2] - 0.5, min(box[3], top - 1) + 0.5))
    return fig


def apart(rows: pl.DataFrame, colours: Palette) -> Figure:
    """The share a value has among sessions selected (filled) and among the rest (hollow), first on top.

    ``rows``: ``label, selected_share, rest_share, difference, half`` (of the difference's interval).
    """
    fig = figure(colours, height=46 + 27 * rows.height, margin={"l": 8, "r": 96, "t": 6, "b": 8})
    names = rows["label"].to_list()
    for name, selected, rest in rows.select("label", "selected_share", "rest_share").iter_rows():
        fig.add_shape(
            type="line", x0=rest, x1=selected, y0=name, y1=name, line={"color": colours.warn, "width": 3}, layer="below"
        )  # fmt: skip
    fig.add_scatter(
        x=rows["rest_share"].to_list(), y=names, mode="markers", name="the rest",
        marker={"color": colours.panel, "size": 9, "line": {"color": colours.quiet, "width": 1.6}},
        hovertemplate="%{y}<br>%{x:.1%} of the rest<extra></extra>",
    )  # fmt: skip
    fig.add_scatter(
        x=rows["selected_share"].to_list(), y=names, mode="markers", name="selection",
        marker={"color": colours.warn, "size": 10},
        hovertemplate="%{y}<br>%{x:.1%} of the selection<extra></extra>",
    )  # fmt: skip
    for name, off, half in rows.select("label", "difference", "half").iter_rows():
        text = f"{100 * off:+.1f} ± {100 * half:.1f} pt".replace("-", "−")
        fig.add_annotation(
            x=1.01, xref="paper", y=name, text=text, showarrow=False, xanchor="left",
            font={"color": colours.text, "size": 12},
        )  # fmt: skip
    most = max([*rows["selected_share"].to_list(), *rows["rest_share"].to_list(), 0.05])
    fig.update_yaxes(
        autorange="reversed",
        showgrid=True,
        tickmode="linear",
        dtick=1,
        tickfont={"color": colours.text, "size": 12},
    )
    fig.update_xaxes(tickformat=".0%", range=[-0.02 * most, min(1.02, 1.06 * most)], nticks=5, tickangle=0)
    return fig
