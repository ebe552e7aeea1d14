"""Figures by Plotly, which the browser draws once each, when they come into sight (``figures.js``).

Streamlit's own element draws every figure of a page as soon as it arrives, twice: before it knows how wide it is,
and after. What is drawn here is the same library's; what is selected in it comes back the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import plotly
import streamlit as st

from dashboards.charts.figure import Figure

__all__ = ["LIBRARY", "place"]

LIBRARY = f"figures/plotly-{plotly.__version__}.min.js"
"""Where the site serves Plotly's script, from its root."""


def place(
    figure: Figure,
    alt: str,
    *,
    key: str,
    on_select: Callable[[], None] | None = None,
    selects: Literal["box", "points"] = "box",
) -> None:
    """Put ``figure`` where the page is; ``alt`` says what it shows, ``key`` names its picture.

    ``on_select`` is called when a reader drags over it or clicks: ``st.session_state[key]["selection"]`` then has what
    was selected, as ``points`` (with their ``customdata``) or as ``box`` (ends on ``x`` and ``y``).
    """
    drawing = st.components.v2.component("figure", js=_script(), isolate_styles=False)
    data = {
        "figure": figure.to_json(), "alt": alt, "name": key, "height": figure.layout.height or 300,
        "selects": selects if on_select else "", "library": LIBRARY,
    }  # fmt: skip
    if on_select is None:
        drawing(key=key, data=data)
    else:
        drawing(key=key, data=data, on_selection_change=on_select)


@cache
def _script() -> str:
    return Path(__file__).with_name("figures.js").read_text(encoding="utf-8")
