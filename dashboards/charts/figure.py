"""A figure as what Plotly's script is told: plain values, written as JSON once.

Plotly's own classes look at each value as it is set and copy all of them to write them down, which takes longer than
all else of a page. A figure here has the few calls that charts make of them, by the same names and to the same effect;
what it says is checked where tests put it into one of Plotly's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

__all__ = ["Figure", "Told"]

_LINES = ("shapes", "annotations")


class Told(dict[str, Any]):
    """What is told of a part of a figure: its entries are attributes too, and None where nothing is said."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name, () if name in _LINES else None)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = _parted(value)

    def told(self, **given: Any) -> None:
        """Say more: what is in parts is said part by part, ``title_text`` of the ``text`` in ``title``."""
        for name, value in given.items():
            own, _, rest = name.partition("_")
            # Of what charts say, these alone have an underscore of their own.
            if rest and not re.fullmatch(r"error_[xy]|(paper|plot)_bgcolor", name):
                name, value = own, {rest: value}
            if value is None:
                self.pop(name, None)
            elif isinstance(value, Mapping) and isinstance(self.get(name), Told):
                self[name].told(**value)
            else:
                self[name] = _parted(value)


class Figure:
    """Traces and a layout; the calls are those of :class:`plotly.graph_objects.Figure`."""

    def __init__(self, layout: Mapping[str, Any]) -> None:
        self.data: tuple[Told, ...] = ()
        self.layout = Told()
        self.layout.told(**layout)

    def add_scatter(self, **trace: Any) -> None:
        self._add("scatter", trace)

    def add_bar(self, **trace: Any) -> None:
        self._add("bar", trace)

    def add_heatmap(self, **trace: Any) -> None:
        self._add("heatmap", trace)

    def add_waterfall(self, **trace: Any) -> None:
        self._add("waterfall", trace)

    def add_annotation(self, **annotation: Any) -> None:
        self._append("annotations", annotation)

    def add_shape(self, **shape: Any) -> None:
        self._append("shapes", shape)

    def add_vline(self, x: Any, **shape: Any) -> None:
        """From the bottom of the plot to its top."""
        self.add_shape(type="line", x0=x, x1=x, xref="x", y0=0, y1=1, yref="y domain", **shape)

    def add_hline(self, y: Any, **shape: Any) -> None:
        """From the left of the plot to its right."""
        self.add_shape(type="line", x0=0, x1=1, xref="x domain", y0=y, y1=y, yref="y", **shape)

    def add_vrect(self, x0: Any, x1: Any, **shape: Any) -> None:
        """As high as the plot."""
        self.add_shape(type="rect", x0=x0, x1=x1, xref="x", y0=0, y1=1, yref="y domain", **shape)

    def add_hrect(self, y0: Any, y1: Any, **shape: Any) -> None:
        """As wide as the plot."""
        self.add_shape(type="rect", x0=0, x1=1, xref="x domain", y0=y0, y1=y1, yref="y", **shape)

    def update_layout(self, **layout: Any) -> None:
        self.layout.told(**layout)

    def update_xaxes(self, **axis: Any) -> None:
        self._update_axes("x", axis)

    def update_yaxes(self, **axis: Any) -> None:
        self._update_axes("y", axis)

    def to_json(self) -> str:
        """As Plotly's script reads it."""
        return _written({"data": self.data, "layout": self.layout})

    def to_plotly_json(self) -> dict[str, Any]:
        """The same as plain values."""
        told: dict[str, Any] = json.loads(self.to_json())
        return told

    def _add(self, kind: str, trace: Mapping[str, Any]) -> None:
        told = Told(type=kind)
        told.told(**trace)
        self.data = (*self.data, told)

    def _append(self, name: str, given: Mapping[str, Any]) -> None:
        told = Told()
        told.told(**given)
        self.layout[name] = [*self.layout.get(name, ()), told]

    def _update_axes(self, which: str, axis: Mapping[str, Any]) -> None:
        for name, told in self.layout.items():
            if re.fullmatch(rf"{which}axis\d*", name):
                told.told(**axis)


def _parted(value: Any) -> Any:
    if isinstance(value, Mapping):
        told = Told()
        told.told(**value)
        return told
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_parted(one) if isinstance(one, Mapping) else one for one in value]
    return value


def _written(told: Any) -> str:
    try:
        return json.dumps(told, default=_plain, allow_nan=False, separators=(",", ":"))
    except ValueError:  # what is no number is no point
        return json.dumps(_finite(told), default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, date):  # and an instant
        return value.isoformat()
    raise TypeError(f"a figure cannot hold {type(value).__name__}")


def _finite(told: Any) -> Any:
    if isinstance(told, Mapping):
        return {name: _finite(value) for name, value in told.items()}
    if isinstance(told, np.ndarray | np.generic):
        return _finite(told.tolist())
    if isinstance(told, list | tuple):
        return [_finite(value) for value in told]
    return None if isinstance(told, float) and not np.isfinite(told) else told
