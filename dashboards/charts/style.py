"""One look for every figure: two palettes that any colour vision can tell apart, and a quiet layout."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from typing import Any

from dashboards.charts.figure import Figure

__all__ = ["DARK", "LIGHT", "Axis", "Palette", "axis_of", "drawing", "faded", "figure", "palette"]

FONT = '"Source Sans", "Source Sans 3", "Segoe UI", sans-serif'


@dataclass(frozen=True)
class Palette:
    """Colours by what they mean; ``series`` after Okabe and Ito, ``sequence`` from little to much in one hue."""

    text: str
    quiet: str
    line: str
    panel: str
    good: str
    bad: str
    warn: str
    series: tuple[str, ...]
    sequence: tuple[str, ...]


LIGHT = Palette(
    text="#17202a", quiet="#66727f", line="#e3e8ed", panel="#f4f6f8", good="#0b7f64", bad="#c2413b",
    warn="#9a5b00", series=("#1f6fb5", "#0b7f64", "#c77700", "#c2413b", "#6a1fb0", "#2e96c4", "#66727f"),
    sequence=("#eef4fa", "#d2e5f5", "#a3c9e8", "#69a5d6", "#2f76b3", "#1b5288", "#0e345a"),
)  # fmt: skip
DARK = Palette(
    text="#e6edf3", quiet="#8b97a4", line="#28313b", panel="#171e26", good="#3cc9a0", bad="#f07470",
    warn="#e9ae4f", series=("#5aa9ec", "#3cc9a0", "#e9ae4f", "#f07470", "#a855f7", "#8fd0f0", "#8b97a4"),
    sequence=("#141d27", "#163350", "#1b4d7a", "#2567a3", "#3f88c9", "#7cb4e2", "#d8e9f8"),
)  # fmt: skip


def palette(theme: str | None) -> Palette:
    """The palette of a theme named ``light`` or ``dark``; light where it is not known."""
    return DARK if theme == "dark" else LIGHT


@dataclass(frozen=True)
class Axis:
    """How plotly writes the numbers of a metric."""

    prefix: str
    spec: str
    suffix: str

    @property
    def ticks(self) -> str:
        """``spec`` as an axis writes it: without zeros that tell nothing.

        >>> axis_of("{:.3%}").ticks
        '.3~%'
        """
        return re.sub(r"([f%])$", r"~\1", self.spec)


def axis_of(format_string: str) -> Axis:
    """A Python format string of the catalogue as plotly writes it.

    >>> axis_of("{:,.0f} ms")
    Axis(prefix='', spec=',.0f', suffix=' ms')
    """
    found = re.fullmatch(r"([^{]*)\{:([^}]*)\}(.*)", format_string)
    return Axis(*found.groups()) if found else Axis("", "", "")


def faded(colour: str, opacity: float) -> str:
    """``#rrggbb`` as a translucent ``rgba``.

    >>> faded("#ff0080", 0.5)
    'rgba(255,0,128,0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def drawing(shapes: str, width: float, height: float, *, style: str = "", alt: str = "") -> str:
    """SVG ``shapes`` as an image that stretches to its place, without a request of its own."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none">'
        f"{shapes}</svg>"
    )
    source = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/svg+xml;base64,{source}">'


def figure(colours: Palette, *, height: int, **layout: Any) -> Figure:
    """An empty figure in the house style: transparent, a faint horizontal grid, no legend but where asked."""
    axis = {
        "gridcolor": colours.line,
        "zeroline": False,
        "linecolor": colours.line,
        "tickfont": {"color": colours.quiet, "size": 12},
        "title": {"font": {"color": colours.quiet, "size": 12}, "standoff": 8},
        "automargin": True,
        "fixedrange": True,
    }
    base: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "color": colours.text, "size": 13},
        "hoverlabel": {
            "bgcolor": colours.panel,
            "bordercolor": colours.line,
            "font": {"color": colours.text},
        },
        "showlegend": False,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "traceorder": "normal",
            "font": {"color": colours.quiet},
        },
        "xaxis": axis | {"showgrid": False, "ticks": ""},
        "yaxis": axis | {"nticks": 5},
        "colorway": list(colours.series),
        # Bubbles have no outline.
        "template": {"data": {"scatter": [{"type": "scatter", "marker": {"line": {"width": 0}}}]}},
    }
    mine = base.keys() & layout.keys()
    nested = {name: base[name] | layout[name] for name in mine if isinstance(base[name], dict)}
    return Figure(layout=base | layout | nested)
