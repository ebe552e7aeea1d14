"""A map of places that needs no network: an outline of our own, and a disc a place.

Plotly's own maps fetch their outlines from a server when they are drawn; this one is a plot of longitude and
latitude over Natural Earth's coastline, simplified, which lies beside this file.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from dashboards.charts.figure import Figure
from dashboards.charts.style import Axis, Palette, faded, figure

__all__ = ["located", "world_map"]

_GOLDEN = math.pi * (3 - math.sqrt(5))


@cache
def _world() -> dict[str, Any]:
    world: dict[str, Any] = json.loads(Path(__file__).with_name("world.json").read_text(encoding="utf-8"))
    return world


def located(rows: pl.DataFrame, country: str, weight: str) -> pl.DataFrame:
    """``rows`` with ``longitude`` and ``latitude``: at the middle of their country, side by side, largest inmost.

    Where in its country a place is, telemetry does not tell; a sunflower's order keeps them apart. Rows of a
    country that is not known are left out.
    """
    known: dict[str, list[float]] = _world()["countries"]
    at = pl.DataFrame(
        [(code, *place) for code, place in known.items()],
        schema={country: pl.String, "_longitude": pl.Float64, "_latitude": pl.Float64, "_size": pl.Float64},
        orient="row",
    )
    rank = pl.col(weight).rank("ordinal", descending=True).over(country).cast(pl.Float64) - 1
    number = pl.len().over(country).cast(pl.Float64)
    # As far as a fifth of the country's width, but always far enough to be told apart.
    reach = pl.max_horizontal(pl.col("_size") * 0.22, number.sqrt() * 0.35).clip(upper_bound=7.0)
    far = pl.when(number > 1).then(reach * (rank / number).sqrt()).otherwise(0.0)
    return (
        rows.join(at, on=country, how="inner")
        .with_columns(
            longitude=pl.col("_longitude") + far * (rank * _GOLDEN).cos() * 1.2,
            latitude=pl.col("_latitude") + far * (rank * _GOLDEN).sin(),
        )
        .drop("_longitude", "_latitude", "_size")
    )


def world_map(
    places: pl.DataFrame, colours: Palette, *, axis: Axis, is_lower_better: bool = True, height: int = 420
) -> Figure:
    """Places as discs: as large as their sessions, as strong as their value is bad.

    ``places``: ``name, longitude, latitude, value, n``; ``key`` comes back with a click. The view fits them.
    """
    fig = figure(colours, height=height, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    xs: list[float | None] = []
    ys: list[float | None] = []
    for ring in _world()["land"]:
        xs += [*(p[0] for p in ring), None]
        ys += [*(p[1] for p in ring), None]
    fig.add_scatter(
        x=xs, y=ys, mode="lines", fill="toself", fillcolor=faded(colours.quiet, 0.14), hoverinfo="skip",
        line={"color": faded(colours.quiet, 0.35), "width": 0.6}, name="land",
    )  # fmt: skip
    known = places.drop_nulls("value").sort("n", descending=True)
    most = max(float(known["n"].max() or 1), 1.0)  # type: ignore[arg-type]
    largest = 30.0 if known.height <= 60 else 18.0
    low, high = (float(known["value"].quantile(q) or 0.0) for q in (0.05, 0.95))
    number = f"{axis.prefix}%{{customdata[1]:{axis.spec}}}{axis.suffix}"
    scale = list(colours.sequence[2:]) if is_lower_better else list(reversed(colours.sequence[2:]))
    fig.add_scatter(
        x=known["longitude"].to_list(), y=known["latitude"].to_list(), mode="markers", name="places",
        marker={
            "size": [max(4.0, largest * math.sqrt(n / most)) for n in known["n"].to_list()],
            "color": known["value"].to_list(), "cmin": low, "cmax": high if high > low else low + 1e-9,
            "colorscale": [[i / (len(scale) - 1), c] for i, c in enumerate(scale)], "opacity": 0.85,
            "line": {"color": colours.panel, "width": 0.7}, "showscale": True,
            "colorbar": {
                "thickness": 8, "outlinewidth": 0, "len": 0.5, "x": 0.005, "xanchor": "left", "y": 0.03,
                "yanchor": "bottom", "tickfont": {"color": colours.quiet, "size": 11}, "nticks": 4,
                "tickformat": axis.ticks, "tickprefix": axis.prefix, "ticksuffix": axis.suffix,
            },
        },
        customdata=known.select("name", "value", "n", "key").rows(),
        hovertemplate=f"<b>%{{customdata[0]}}</b><br>{number}<br>%{{customdata[2]:,}} rows in the panel<extra></extra>",
    )  # fmt: skip
    x, y = _view(known, height)
    fig.update_xaxes(visible=False, range=x)
    fig.update_yaxes(visible=False, range=y)
    fig.update_layout(hovermode="closest")
    return fig


def _view(places: pl.DataFrame, height: int) -> tuple[list[float], list[float]]:
    """The part of the world that holds the places, with room around and never closer than a few countries."""
    if places.is_empty():
        return [-170, 190], [-58, 82]
    (west, east), (south, north) = (
        (float(places[c].min()), float(places[c].max())) for c in ("longitude", "latitude")  # type: ignore[arg-type]
    )  # fmt: skip
    if east - west > 150:
        return [-140, 180], [-56, 75]
    width, tall = max(east - west, 24.0) * 1.3, max(north - south, 16.0) * 1.35
    middle_x, middle_y = (west + east) / 2, (south + north) / 2
    width, tall = max(width, tall * 2.0), max(tall, width / 2.0)
    return [middle_x - width / 2, middle_x + width / 2], [middle_y - tall / 2, middle_y + tall / 2]
