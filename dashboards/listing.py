"""Rows to look through, as markup (``listing.js``): a table that scrolls, is sorted, and whose rows can be picked.

Streamlit's own draws on a canvas, which takes a browser ten times as long, and tells who cannot see it of its cells a
fifth of a second after them. What is drawn here is text of the page: read, searched and marked as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

__all__ = ["Column", "listing", "picked"]


@dataclass(frozen=True)
class Column:
    """How a column is headed and how its values are written: as they are, or by ``write``.

    ``most``: values are bars, and so much is a full one. ``is_wide``: a text that takes more room than others.
    """

    title: str
    write: Callable[[Any], str] | None = None
    most: float | None = None
    is_wide: bool = False


def listing(
    frame: pl.DataFrame,
    *,
    key: str,
    alt: str,
    columns: Mapping[str, Column] | None = None,
    height: int = 460,
    on_pick: Callable[[], None] | None = None,
) -> None:
    """Put ``frame`` where the page is, no higher than ``height`` pixels; ``alt`` says what it lists.

    A column is headed by its name where ``columns`` does not say otherwise; one of lists is drawn as lines, number
    after number. ``on_pick`` is called when a row is chosen: :func:`picked` then tells which. Without it, a click
    shows all of a row.
    """
    told = [_told(frame[name], (columns or {}).get(name) or Column(name)) for name in frame.columns]
    data = {
        "table": json.dumps({"columns": told}, ensure_ascii=False), "alt": alt, "name": key, "height": height,
        "picks": on_pick is not None,
    }  # fmt: skip
    drawing = st.components.v2.component("listing", js=_script(), isolate_styles=False)
    if on_pick is None:
        drawing(key=key, data=data)
    else:
        drawing(key=key, data=data, on_picked_change=on_pick)


def picked(key: str) -> int | None:
    """Which row of the table of that key was picked, counted from 0 in the order of its frame; for ``on_pick``."""
    row = st.session_state[key].get("picked")
    return None if row is None else int(row)


def _told(values: pl.Series, column: Column) -> dict[str, Any]:
    kind = "wide" if column.is_wide else ""
    if values.dtype.is_numeric():
        kind = "number" if column.most is None else "number bar"
    elif values.dtype == pl.List:
        kind = "days"
    whole = values.to_list()
    told: dict[str, Any] = {"name": values.name, "title": column.title, "kind": kind, "values": whole}
    if column.most is not None:
        told["most"] = column.most
    if column.write is not None:
        told["texts"] = [None if value is None else column.write(value) for value in whole]
    return told


@cache
def _script() -> str:
    return Path(__file__).with_name("listing.js").read_text(encoding="utf-8")
