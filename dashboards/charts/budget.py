"""Error budgets: burned down over time, and spent by region."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from dashboards.charts.figure import Figure
from dashboards.charts.series import Band, beside, dated, instant, instants, shade, stroked
from dashboards.charts.style import Palette, faded, figure
from dashboards.formats import share

__all__ = ["burn_down", "regions_kept"]


def burn_down(
    burn: pl.DataFrame,
    colours: Palette,
    *,
    ahead: pl.DataFrame | None = None,
    bands: Sequence[Band] = (),
    height: int = 260,
) -> Figure:
    """Budget left of the rolling period, hour by hour, with a zero line; red where it is gone.

    ``burn``: ``ts_ms, budget_left`` (1 untouched, 0 gone, negative when broken; null without traffic). ``ahead``: the
    same as projected, with ``budget_left_low`` and ``budget_left_high``; dashed, with its interval.
    """
    fig = figure(colours, height=height, hovermode="x unified")
    left = burn["budget_left"].to_list()
    when = instants(burn["ts_ms"])
    fig.add_scatter(
        x=when, y=[None if v is None else min(v, 0.0) for v in left], mode="lines", line={"width": 0},
        fill="tozeroy", fillcolor=faded(colours.bad, 0.10), hoverinfo="skip",
    )  # fmt: skip
    fig.add_scatter(
        x=when,
        y=left,
        name="budget left",
        mode="lines",
        line={"color": colours.series[0], "width": 2},
        hovertemplate="%{y:.1%}",
    )
    if ahead is not None and ahead.height:
        later = instants(ahead["ts_ms"])
        ribbon = {"x": later, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fig.add_scatter(y=ahead["budget_left_high"].to_list(), **ribbon)
        fig.add_scatter(
            y=ahead["budget_left_low"].to_list(),
            fill="tonexty",
            fillcolor=faded(colours.series[0], 0.14),
            **ribbon,
        )
        fig.add_scatter(
            x=later, y=ahead["budget_left"].to_list(), name="projected", mode="lines",
            line={"color": colours.series[0], "width": 1.5, "dash": "dash"}, hovertemplate="%{y:.1%}",
        )  # fmt: skip
    fig.add_hline(y=0, line={"color": colours.bad, "width": 1.2})
    shade(fig, colours, bands, burn)
    end = _exhaustion(burn)
    if end is not None:
        fig.add_annotation(
            x=instant(end), y=0, text="gone", showarrow=True, arrowhead=0, ax=0, ay=-24,
            font={"color": colours.bad, "size": 12}, arrowcolor=colours.bad,
        )  # fmt: skip
    fig.update_yaxes(tickformat=",.0%")
    if burn.height:
        ends = [*burn["ts_ms"].to_list(), *(ahead["ts_ms"].to_list() if ahead is not None else [])]
        fig.update_xaxes(tickformat=dated(max(ends) - min(ends)))
    return fig


def _exhaustion(burn: pl.DataFrame) -> int | None:
    """The first hour in which nothing was left, if there was one before it in which something was."""
    known = burn.drop_nulls("budget_left")
    gone = known.filter(pl.col("budget_left") <= 0)
    if gone.is_empty() or known["budget_left"][0] <= 0:
        return None
    return int(gone["ts_ms"][0])


def regions_kept(rows: pl.DataFrame, by: str, target: float, colours: Palette) -> Figure:
    """Attained share by ``by`` against the objective: ``<by>, attained, kept``, worst first.

    Where there is a column ``before``, the share attained in the period before, it is a stroke across the bar.

    Drawn as the share of bad events, so that a longer bar is worse and the allowance is a line.
    """
    known = rows.drop_nulls("attained").sort("attained", by)
    bad = [1 - value for value in known["attained"].to_list()]
    names = [value or "unknown" for value in known[by].to_list()]
    broken = [kept is False for kept in known["kept"].to_list()]
    fig = figure(colours, height=max(150, 44 + 26 * len(bad)))
    fig.add_bar(
        x=bad, y=names, orientation="h",
        marker={"color": [colours.bad if flag else colours.good for flag in broken]},
        text=[f"{share(ratio, 3)} {'✕' if flag else '✓'}" for ratio, flag in zip(bad, broken, strict=True)],
        textposition="outside", cliponaxis=False, textfont={"color": colours.text, "size": 12},
        hovertemplate="%{y}: %{text} bad<extra></extra>",
    )  # fmt: skip
    allowance = 1 - target
    fig.add_vline(x=allowance, line={"color": colours.bad, "width": 1, "dash": "dot"})
    before = [
        None if v is None else 1 - v for v in (known["before"].to_list() if "before" in known.columns else [])
    ]
    stroked(fig, colours, names, before)
    fig.update_yaxes(range=[len(names) - 0.4, -0.6], showgrid=False, tickvals=names)
    most = max([*bad, allowance, *(v for v in before if v is not None)])
    fig.update_xaxes(tickformat=".2~%", showgrid=True, nticks=5, range=[0, most])
    beside(fig)
    return fig
