"""A figure of ours says what Plotly's own would of the same calls, and nothing that Plotly does not know."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboards.charts.figure import Figure

LAYOUT = {"height": 200, "paper_bgcolor": "#fff", "xaxis": {"nticks": 3}, "yaxis": {"title": {"standoff": 8}}}


def scatter(fig: Any) -> None:
    fig.add_scatter(
        x=np.array([1.0, 2.5]), y=[None, float("nan")], text=None, line={"color": "#123456"}, line_width=2,
        error_x={"type": "data", "array": [1.0, 2.0]}, hovertemplate="%{y}", name="a",
    )  # fmt: skip


def others(fig: Any) -> None:
    fig.add_bar(x=[1, 2], y=["a", "b"], orientation="h", marker={"line": {"width": 0}}, textfont_size=11)
    fig.add_heatmap(
        z=[[0.0, None], [1.0, 2.0]], x=[0, 1], y=["a", "b"], colorscale=[[0, "#000000"], [1, "#ffffff"]]
    )
    fig.add_waterfall(x=["a"], y=[1.0], measure=["absolute"])


def lines(fig: Any) -> None:
    fig.add_vline(x=3, line={"color": "#ff0000", "dash": "dot"})
    fig.add_hline(y=0.5, line_width=1)
    fig.add_vrect(x0=1, x1=2, fillcolor="#00ff00", layer="below")
    fig.add_hrect(0.1, 0.2, fillcolor="#00ff00", line_width=0)
    fig.add_shape(type="rect", x0=0, x1=1, y0=0, y1=1, name="selection")
    fig.add_annotation(x=1, y=2, text="promised", showarrow=False, font={"size": 11})


def updates(fig: Any) -> None:
    fig.update_layout(yaxis2={"side": "right", "title_text": "b"}, margin={"l": 1}, hovermode="x unified")
    fig.update_layout(margin={"r": 40})
    fig.update_yaxes(title_text="a", tickfont={"size": 11}, range=[0, 1.5])
    fig.update_xaxes(tickformat=".1~%", nticks=None)


@pytest.mark.parametrize("calls", [scatter, others, lines, updates])
def test_the_same_calls_say_the_same(calls: Callable[[Any], None]) -> None:
    ours, theirs = Figure(LAYOUT), go.Figure(layout=LAYOUT)
    calls(ours)
    calls(theirs)
    told = ours.to_plotly_json()
    go.Figure(told)  # raises for what Plotly does not know
    expected = json.loads(theirs.to_json())
    del expected["layout"]["template"]
    assert plain(told) == plain(expected)


def plain(told: Any) -> Any:
    """Arrays that Plotly's classes pack are lists."""
    if isinstance(told, dict):
        if "bdata" in told:
            return np.frombuffer(base64.b64decode(told["bdata"]), told["dtype"]).tolist()
        return {name: plain(value) for name, value in told.items()}
    return [plain(value) for value in told] if isinstance(told, list) else told


def test_what_is_said_can_be_asked() -> None:
    fig = Figure(LAYOUT)
    scatter(fig)
    assert fig.data[0].line.width == 2
    assert fig.layout.yaxis.title.standoff == 8
    assert fig.layout.shapes == ()
    assert fig.layout.nothing is None
    fig.update_layout(height={1})
    with pytest.raises(TypeError, match="a figure cannot hold set"):
        fig.to_json()
