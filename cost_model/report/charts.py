"""The report's interactive figures, as Plotly's JSON; each stands in for an SVG drawn from the same numbers.

Colours are names of the page's CSS variables (``--s1``), which the page's script resolves, so that one figure serves
light and dark. Text goes through ``escape``: Plotly reads markup in labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from typing import Any

from cost_model.bridge import EFFECTS, Bridge
from cost_model.forecast import Forecast
from cost_model.quarterly import Quarterly
from cost_model.report import numbers, tables
from cost_model.sensitivity import Swing

__all__ = ["embedded", "figures", "plotly_source"]

_FONT = {"family": "Inter, ui-sans-serif, system-ui, sans-serif", "size": 12, "color": "--soft"}
_AXIS = {
    "gridcolor": "--grid",
    "linecolor": "--line",
    "zerolinecolor": "--line",
    "automargin": True,
    "fixedrange": True,
}


def figures(q: Quarterly) -> dict[str, Any]:
    """Figure by the id of the element that shows it."""
    found = {"chart-forecast": _forecast(q.forecast), "chart-tornado": _tornado(q.tornado)}
    for name, bridge in (("prior", q.prior), ("budget", q.budget)):
        if bridge:
            found[f"chart-bridge-{name}"] = _waterfall(bridge)
    found["chart-contribution"] = _contribution(q)
    return {name: figure for name, figure in found.items() if figure["data"]}


def embedded(found: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def plotly_source() -> str:
    """Plotly's script, 4.7 MB: the page carries it, so that it reads the same without a network."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")


def _figure(data: Sequence[Any], height: int, **layout: Any) -> dict[str, Any]:
    plain = {
        "font": _FONT, "height": height, "margin": {"l": 8, "r": 8, "t": 26, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": False,
        "hoverlabel": {"bgcolor": "--card", "bordercolor": "--line", "font": {"color": "--ink"}},
        "dragmode": False,
    }  # fmt: skip
    return {"data": data, "layout": plain | layout}


def _waterfall(found: Bridge) -> dict[str, Any]:
    levels, effects = [float(v) for v in found.levels_usd], [float(v) for v in found.effects_usd.values()]
    is_budget = found.before.quarter == found.now.quarter
    first = "Budget" if is_budget else str(found.before.quarter)
    room = (max(levels) - min(levels)) or levels[-1]
    words = [numbers.usd(levels[0]), *(_signed(v) for v in effects), numbers.usd(levels[-1])]
    exact = [tables.cents(found.levels_usd[0]), *(tables.cents(v) for v in found.effects_usd.values())]
    trace = {
        "type": "waterfall",
        "x": [first, *(e.capitalize() for e in EFFECTS), "Actual" if is_budget else str(found.now.quarter)],
        "y": [levels[0], *effects, levels[-1]],
        "measure": ["absolute", *["relative"] * len(effects), "total"],
        "text": words,
        "textposition": "outside",
        "textfont": {"color": "--ink"},
        "cliponaxis": False,
        "customdata": [*exact, tables.cents(found.levels_usd[-1])],
        "hovertemplate": "%{x}: $%{customdata}<extra></extra>",
        "connector": {"line": {"color": "--line", "width": 1}},
        "totals": {"marker": {"color": "--s1"}},
        "increasing": {"marker": {"color": "--bad"}},
        "decreasing": {"marker": {"color": "--good"}},
    }
    axis = {
        **_AXIS,
        "range": [max(0.0, min(levels) - 0.45 * room), max(levels) + 0.18 * room],
        "tickprefix": "$",
    }
    return _figure([trace], 300, yaxis=axis, xaxis={**_AXIS, "showgrid": False})


def _forecast(found: Forecast) -> dict[str, Any]:
    if not found.actual:
        return _figure([], 300)
    ahead = [found.actual[-1], *found.ahead]
    quarters = [str(p.quarter) for p in ahead]
    ends = [(p.interval.low, p.interval.high) if p.interval else (p.usd, p.usd) for p in ahead]
    band = {"type": "scatter", "x": quarters, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    is_measured = [p.origin == "measured" for p in found.actual]
    data = [
        {**band, "y": [low for low, _ in ends]},
        {**band, "y": [high for _, high in ends], "fill": "tonexty", "fillcolor": "--s1-band"},
        {
            "type": "scatter", "mode": "lines+markers", "x": quarters[1:], "y": [p.usd for p in found.ahead],
            "line": {"color": "--s1", "dash": "dot", "width": 2}, "marker": {"size": 7, "symbol": "diamond"},
            "customdata": [[numbers.usd(low), numbers.usd(high), numbers.usd(p.usd)]
                           for p, (low, high) in zip(ahead[1:], ends[1:], strict=True)],
            "hovertemplate": "%{x}: %{customdata[2]} (%{customdata[0]} to %{customdata[1]})<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines+markers", "x": [str(p.quarter) for p in found.actual],
            "y": [p.usd for p in found.actual], "line": {"color": "--s1", "width": 2},
            "marker": {"size": 8, "color": ["--s1" if m else "--card" for m in is_measured],
                       "line": {"color": "--s1", "width": 1.6}},
            "customdata": [[numbers.usd(p.usd), escape(p.origin)] for p in found.actual],
            "hovertemplate": "%{x}: %{customdata[0]}, %{customdata[1]}<extra></extra>",
        },
    ]  # fmt: skip
    # Traces begin with the forecast: without an order, so would the axis.
    order = [str(p.quarter) for p in (*found.actual, *found.ahead)]
    across = {
        **_AXIS,
        "showgrid": False,
        "type": "category",
        "categoryorder": "array",
        "categoryarray": order,
    }
    return _figure(data, 300, yaxis={**_AXIS, "tickprefix": "$", "nticks": 6}, xaxis=across)


def _tornado(rows: Sequence[Swing]) -> dict[str, Any]:
    ordered = list(reversed(rows))
    names = [numbers.rate_name(row.rate) for row in ordered]
    data = [
        {
            "type": "bar", "orientation": "h", "y": names, "base": [row.base for row in ordered],
            "x": [getattr(row, end) - row.base for row in ordered],
            "marker": {"color": "--s1", "opacity": opacity},
            "text": [numbers.usd(getattr(row, end)) for row in ordered], "textposition": "outside",
            "textfont": {"size": 11, "color": "--soft"}, "cliponaxis": False,
            "hovertemplate": f"%{{y}} at its {words} end: %{{text}}<extra></extra>",
        }
        for end, opacity, words in (("low", 0.4, "low"), ("high", 1.0, "high"))
    ]  # fmt: skip
    values = [v for row in rows for v in (row.low, row.high, row.base)] or [0.0, 1.0]
    room = 0.24 * (max(values) - min(values))
    axis = {**_AXIS, "range": [min(values) - room, max(values) + room], "tickprefix": "$", "nticks": 5}
    height = 70 + 27 * len(rows)
    return _figure(
        data if rows else [],
        height,
        barmode="overlay",
        bargap=0.35,
        xaxis=axis,
        yaxis={**_AXIS, "ticksuffix": "  "},
    )


def _contribution(q: Quarterly) -> dict[str, Any]:
    """Contribution a stream by one dimension at a time, chosen by buttons."""
    frames = {"Region": ("region", q.statement.by["region"]), "Device": ("device", q.by["device"]),
              "Codec": ("codec", q.statement.by["codec"]), "Delivered by": ("cdn", q.statement.by["cdn"])}  # fmt: skip
    data: list[dict[str, Any]] = []
    buttons: list[str] = []
    for name, (dimension, frame) in frames.items():
        rows = [r for r in frame.iter_rows(named=True) if r["contribution_usd_per_stream"] is not None]
        rows.sort(key=lambda r: r["contribution_usd_per_stream"])
        if not rows:
            continue
        data.append(
            {
                "type": "bar", "orientation": "h", "visible": not data, "marker": {"color": "--s3"},
                "y": [escape(tables.title(dimension, r[dimension])) for r in rows],
                "x": [float(r["contribution_usd_per_stream"]) for r in rows],
                "text": [numbers.unit_usd(float(r["contribution_usd_per_stream"])) for r in rows],
                "textposition": "outside", "textfont": {"color": "--ink"}, "cliponaxis": False,
                "hovertemplate": "%{y}: %{text} a stream<extra></extra>",
            }
        )  # fmt: skip
        buttons.append(name)
    menu = {
        "type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.04, "yanchor": "bottom",
        "showactive": True, "bgcolor": "--card", "bordercolor": "--line", "font": {"size": 12, "color": "--ink"},
        "buttons": [
            {"label": name, "method": "update", "args": [{"visible": [n == at for n in range(len(buttons))]}]}
            for at, name in enumerate(buttons)
        ],
    }  # fmt: skip
    margin = {"l": 8, "r": 60, "t": 52, "b": 8}
    return _figure(
        data, 330, margin=margin, bargap=0.4, updatemenus=[menu], yaxis={**_AXIS, "ticksuffix": "  "},
        xaxis={**_AXIS, "tickprefix": "$", "nticks": 6},
    )  # fmt: skip


def _signed(value: float) -> str:
    return f"+{numbers.usd(value)}" if value > 0 else numbers.usd(value)
