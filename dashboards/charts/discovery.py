"""Finding something to watch: who is still looking, and how far arms of an experiment are apart."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dashboards.charts.figure import Figure
from dashboards.charts.style import Palette, faded, figure

__all__ = ["lifts", "still_looking"]

_WIDEST = 1.1  # lifts beyond are at the edge


def still_looking(
    curve: pl.DataFrame,
    colours: Palette,
    *,
    before: pl.DataFrame | None = None,
    until_ms: int = 180_000,
    height: int = 300,
) -> Figure:
    """The share of visits still looking after each time, as steps, with its 90 % interval and its median.

    ``curve``: ``time_ms, value, low, high`` (:func:`metrics.survival.curve`); shown up to ``until_ms``. ``before``:
    that of the period before, a quiet dashed line.
    """
    fig = figure(colours, height=height, hovermode="x unified")
    known = curve.filter(pl.col("time_ms") <= until_ms)
    # Thousands of steps are no better seen than hundreds.
    known = known.gather_every(max(1, known.height // 400))
    seconds = [0.0, *(known["time_ms"] / 1000).to_list()]
    if known["low"].is_not_null().any():
        ribbon = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip"}
        fig.add_scatter(x=seconds, y=[1.0, *known["high"].to_list()], **ribbon)
        fill = {"fill": "tonexty", "fillcolor": faded(colours.series[0], 0.14)}
        fig.add_scatter(x=seconds, y=[1.0, *known["low"].to_list()], **fill, **ribbon)
    if before is not None and before.height:
        past = before.filter(pl.col("time_ms") <= until_ms)
        past = past.gather_every(max(1, past.height // 400))
        fig.add_scatter(
            x=[0.0, *(past["time_ms"] / 1000).to_list()], y=[1.0, *past["value"].to_list()], mode="lines",
            name="period before", hovertemplate="%{y:.1%}",
            line={"color": colours.quiet, "width": 1.3, "dash": "dash", "shape": "hv"},
        )  # fmt: skip
    fig.add_scatter(
        x=seconds, y=[1.0, *known["value"].to_list()], mode="lines", name="still looking",
        line={"color": colours.series[0], "width": 2, "shape": "hv"}, hovertemplate="%{y:.1%}",
    )  # fmt: skip
    half = known.filter(pl.col("value") <= 0.5)
    if half.height:
        at = half["time_ms"][0] / 1000
        fig.add_shape(
            type="line", x0=at, x1=at, y0=0, y1=0.5, line={"color": colours.quiet, "width": 1, "dash": "dot"}
        )
        fig.add_annotation(
            x=at, y=0.5, text=f"half have found something after {at:.0f} s", showarrow=False, xanchor="left",
            yanchor="bottom", xshift=4, font={"color": colours.quiet, "size": 12},
        )  # fmt: skip
    fig.update_yaxes(tickformat=".0%", range=[0, 1.02])
    fig.update_xaxes(ticksuffix=" s", range=[0, until_ms / 1000], showgrid=True)
    return fig


def lifts(rows: pl.DataFrame, colours: Palette, better: Sequence[str]) -> Figure:
    """Each metric's lift over the control with its 90 % interval: green where it is sure to be better, red if worse,
    and told by its shape as well.

    ``rows``: ``label, lift, lift_low, lift_high``, a row a metric and arm, first on top, and ``true_lift`` where the
    truth is known, a diamond; ``better`` says of each row which way is better, ``higher`` or ``lower``.
    """
    fig = figure(colours, height=60 + 28 * rows.height)
    shades = [
        _shade(colours, low, high, way) for (low, high), way in zip(
            rows.select("lift_low", "lift_high").iter_rows(), better, strict=True
        )
    ]  # fmt: skip
    shapes = {colours.good: "triangle-up", colours.bad: "triangle-down"}
    lift = rows["lift"].to_list()
    low, high = (rows[name].fill_null(rows["lift"]).to_list() for name in ("lift_low", "lift_high"))
    fig.add_scatter(
        x=lift, y=rows["label"].to_list(), mode="markers",
        marker={"color": shades, "size": 10, "symbol": [shapes.get(shade, "circle") for shade in shades]},
        error_x={
            "type": "data", "symmetric": False, "color": colours.quiet, "thickness": 1.4, "width": 4,
            "array": [h - v for h, v in zip(high, lift, strict=True)],
            "arrayminus": [v - o for v, o in zip(lift, low, strict=True)],
        },
        hovertemplate="%{y}: %{x:+.2%}<extra></extra>",
    )  # fmt: skip
    if "true_lift" in rows.columns and rows["true_lift"].is_not_null().any():
        known = rows.filter(pl.col("true_lift").is_not_null())
        fig.add_scatter(
            x=known["true_lift"].to_list(), y=known["label"].to_list(), mode="markers", name="truth",
            marker={"symbol": "diamond-open", "size": 11, "color": colours.series[2], "line": {"width": 2}},
            hovertemplate="%{y}: truly %{x:+.2%}<extra></extra>",
        )  # fmt: skip
    fig.add_vline(x=0, line={"color": colours.quiet, "width": 1})
    fig.update_yaxes(autorange="reversed", showgrid=False, tickmode="linear", dtick=1)
    # An interval as wide as the figure says nothing more where it is drawn out.
    ends = [abs(end) for end in (*low, *high) if end is not None]
    span = min(max([*ends, 0.01]) * 1.05, _WIDEST)
    fig.update_xaxes(tickformat=".0%", showgrid=True, nticks=7, range=[-span, span])
    return fig


def _shade(colours: Palette, low: float | None, high: float | None, better: str) -> str:
    """Of an effect: grey while its interval holds 0."""
    if low is None or high is None or low <= 0 <= high:
        return colours.quiet
    return colours.good if (low > 0) == (better == "higher") else colours.bad
