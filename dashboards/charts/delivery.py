"""Delivery: bytes by tier, misses by class, the nightly fill, how full places are by hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from dashboards.charts.figure import Figure
from dashboards.charts.series import Band, dated, instant, instants, shade
from dashboards.charts.style import Palette, faded, figure
from dashboards.formats import share

__all__ = ["fill_nights", "layers", "misses", "utilisation_heatmap"]

_MARGIN = {"l": 8, "r": 12, "t": 28, "b": 8}


def layers(
    frame: pl.DataFrame,
    colours: Palette,
    titles: Mapping[str, str],
    *,
    unit: str,
    previous: pl.DataFrame | None = None,
    bands: Sequence[Band] = (),
    height: int = 270,
) -> Figure:
    """Layers on each other over days: ``ts_ms`` and a column a layer of ``titles``, the first at the bottom.

    ``previous``: ``ts_ms, value``, the total of the period before on this one's days; dashed.
    """
    fig = figure(colours, height=height, hovermode="x unified", showlegend=True, margin=_MARGIN)
    when = instants(frame["ts_ms"])
    shades = _shades(colours)
    for name, title in titles.items():
        colour = shades.get(name, colours.quiet)
        fig.add_scatter(
            x=when, y=frame[name].to_list(), name=title, mode="lines", stackgroup="one", showlegend=True,
            line={"width": 1, "color": colour}, fillcolor=faded(colour, 0.55), hovertemplate=f"%{{y:,.2f}} {unit}",
        )  # fmt: skip
    if previous is not None and previous.height:
        fig.add_scatter(
            x=instants(previous["ts_ms"]), y=previous["value"].to_list(), name="period before", mode="lines",
            line={"color": colours.text, "width": 1.3, "dash": "dash"}, hovertemplate=f"%{{y:,.2f}} {unit}",
        )  # fmt: skip
    shade(fig, colours, bands, frame)
    fig.update_yaxes(ticksuffix=f" {unit}", tickformat=",", rangemode="tozero")
    _days(fig, frame)
    return fig


def misses(
    frame: pl.DataFrame,
    colours: Palette,
    titles: Mapping[str, str],
    *,
    previous: pl.DataFrame | None = None,
    bands: Sequence[Band] = (),
    height: int = 270,
) -> Figure:
    """Shares of bytes over days, a line each: ``ts_ms`` and a column a line of ``titles``.

    ``previous``: ``ts_ms`` and the same columns, on this period's days; dashed in the same colour.
    """
    fig = figure(colours, height=height, hovermode="x unified", showlegend=True, margin=_MARGIN)
    shades = _shades(colours)
    for name, title in titles.items():
        colour = shades.get(name, colours.quiet)
        if previous is not None and previous.height:
            fig.add_scatter(
                x=instants(previous["ts_ms"]), y=previous[name].to_list(), mode="lines", hoverinfo="skip",
                showlegend=False,
                line={"color": faded(colour, 0.6), "width": 1.2, "dash": "dash"}, name=f"{title} before",
            )  # fmt: skip
        fig.add_scatter(
            x=instants(frame["ts_ms"]), y=frame[name].to_list(), name=title, showlegend=True,
            mode="lines" if frame.height > 1 else "markers", line={"color": colour, "width": 2},
            hovertemplate="%{y:.3%}",
        )  # fmt: skip
    shade(fig, colours, bands, frame)
    fig.update_yaxes(tickformat=".1~%", rangemode="tozero")
    _days(fig, frame)
    return fig


def fill_nights(
    nights: pl.DataFrame,
    colours: Palette,
    *,
    unit: str,
    scale: float,
    bands: Sequence[Band] = (),
    height: int = 270,
) -> Figure:
    """What was planned for each night, split into what arrived and what did not.

    ``nights``: ``ts_ms, planned_bytes, pushed_bytes, failed, over_budget``; ``scale`` bytes make one ``unit``. A
    night in which a push failed is marked.
    """
    fig = figure(
        colours, height=height, hovermode="x unified", barmode="stack", bargap=0.25, showlegend=True,
        margin=_MARGIN,
    )  # fmt: skip
    when = instants(nights["ts_ms"])
    pushed = (nights["pushed_bytes"] / scale).to_list()
    short = ((nights["planned_bytes"] - nights["pushed_bytes"]) / scale).to_list()
    fig.add_bar(
        x=when, y=pushed, name="arrived", marker={"color": colours.series[0], "line": {"width": 0}},
        hovertemplate=f"%{{y:,.2f}} {unit}",
    )  # fmt: skip
    fig.add_bar(
        x=when, y=short, name="did not arrive", marker={"color": colours.warn, "line": {"width": 0}},
        hovertemplate=f"%{{y:,.2f}} {unit}",
    )  # fmt: skip
    failed = nights.filter(pl.col("failed") > 0)
    if failed.height:
        fig.add_scatter(
            x=instants(failed["ts_ms"]), y=(failed["planned_bytes"] / scale).to_list(), mode="markers", name="failed",
            marker={"symbol": "triangle-down", "size": 9, "color": colours.bad}, customdata=failed["failed"].to_list(),
            hovertemplate="%{customdata} clusters",
        )  # fmt: skip
    shade(fig, colours, bands, nights)
    fig.update_yaxes(ticksuffix=f" {unit}", tickformat=",", rangemode="tozero")
    _days(fig, nights)
    return fig


def utilisation_heatmap(cells: pl.DataFrame, colours: Palette, names: Mapping[str, str]) -> Figure:
    """How full places are by hour of the day: ``place, hour, utilisation``, places in their order, first on top.

    ``names``: places as they are shown. From 80 % on a cell is amber, from 100 % red: told apart by its text, too.
    """
    places = cells["place"].unique(maintain_order=True).to_list()
    row = {place: i for i, place in enumerate(places)}
    grid: list[list[float | None]] = [[None] * 24 for _ in places]
    for place, hour, value in cells.select("place", "hour", "utilisation").iter_rows():
        grid[row[place]][hour] = value
    fig = figure(colours, height=60 + max(20, min(26, 620 // max(len(places), 1))) * len(places))
    ramp = colours.sequence
    stops = [(0.0, ramp[0]), (0.2, ramp[2]), (0.4, ramp[3]), (0.79, ramp[5]), (0.8, colours.warn), (0.99, colours.warn),
             (1.0, colours.bad)]  # fmt: skip
    fig.add_heatmap(
        x=list(range(24)), y=[names.get(place, str(place)) for place in places], z=grid, zmin=0, zmax=1,
        colorscale=[list(stop) for stop in stops], xgap=1, ygap=1, hoverongaps=False,
        text=[[share(v, 0) if v is not None and v >= 0.8 else "" for v in line] for line in grid],
        texttemplate="%{text}", textfont={"size": 10},
        colorbar={
            "tickformat": ".0%", "thickness": 8, "outlinewidth": 0, "len": 1.0, "xpad": 4, "nticks": 6,
            "tickfont": {"color": colours.quiet, "size": 11},
        },
        hovertemplate="%{y}, %{x}:00 to %{x}:59 UTC<br><b>%{z:.1%}</b> of capacity<extra></extra>",
    )  # fmt: skip
    fig.update_yaxes(autorange="reversed", showgrid=False, tickmode="linear", dtick=1, tickfont={"size": 11})
    fig.update_xaxes(tickvals=list(range(0, 24, 3)), ticktext=[f"{h:02d}:00" for h in range(0, 24, 3)])
    return fig


def _shades(colours: Palette) -> dict[str, str]:
    return {
        "edge": colours.series[1], "storage": colours.series[0], "third_party": colours.series[2],
        "unattributed": colours.quiet, "content_miss_ratio": colours.series[0],
        "health_miss_ratio": colours.series[3], "other_miss_ratio": colours.quiet, "own": colours.series[1],
    }  # fmt: skip


def _days(fig: Figure, frame: pl.DataFrame) -> None:
    if frame.height > 1:
        first, last = int(frame["ts_ms"].min()), int(frame["ts_ms"].max())  # type: ignore[arg-type]
        fig.update_xaxes(tickformat=dated(last - first))
        if not any(trace.type == "bar" for trace in fig.data):
            fig.update_xaxes(range=[instant(first), instant(last)])
