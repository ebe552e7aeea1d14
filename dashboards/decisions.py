"""The decision table as rows of a page, from the cells that were computed once for the lake."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from dashboards.formats import named

__all__ = [
    "METHODS",
    "decision_frame",
    "decision_regions",
    "decision_rows",
    "grounds",
    "is_current",
    "is_silent",
    "planned",
    "region_name",
]

_MINUS = "−"
_UNKNOWN = ":gray[–]"
_PLUS_MINUS = "\u00a0±\u00a0"  # kept on one line
# Shares in percentage points; an hour's dollars by the thousand, since one costs a fraction of a cent.
_SCALES = {"ratio": 100, "ratio/month": 100, "USD/h": 1_000}
_UNITS = {"ratio": "pt", "ratio/month": "pt", "h/subscriber-month": "h / sub-month"}

METHODS = {"experiment": "ᵉ", "comparison": "ᶜ", "model": "ᵐ"}
"""How a cell was estimated, as its mark."""


# What each cell of the table must tell.
_CELL = {
    "title", "unit", "better", "method", "ground", "estimate", "low", "high", "members_needed", "true_effect",
    "true_low", "true_high",
}  # fmt: skip


_TAKEN = (
    "title", "unit", "better", "method", "estimate", "low", "high", "true_effect", "true_low", "true_high",
    "members_needed",
)  # fmt: skip


def is_current(artefact: Any) -> bool:
    """Whether a table on file is as this version writes it; an older one has to be taken anew."""
    found = artefact.get("decisions") if isinstance(artefact, dict) else None
    return isinstance(found, list) and all(
        isinstance(decision, dict)
        and {"switch", "was", "region", "cells"} <= set(decision)
        and all(set(cell) >= _CELL for cell in decision["cells"])
        for decision in found
    )


def decision_regions(artefact: Any) -> list[str]:
    """The regions that the table tells apart, in order; none where it is of the whole alone."""
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    return sorted({decision["region"] for decision in found if decision["region"]})


def decision_rows(artefact: Any, region: str | None = None) -> list[dict[str, str]]:
    """Two rows a switch, estimated and true, a column a leaf: ``effect ± half the interval``, coloured where it
    excludes none.

    ``artefact``: ``decision.json``; no rows where it is missing or holds no decision. ``region``: null for the whole
    service. An estimate bears the mark of its method (:data:`METHODS`). What nobody knows is a dash.
    """
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    rows = []
    for decision in found:
        if decision["region"] != region:
            continue
        estimated = {"switch": f"**{decision['switch']}**, not {decision['was']}", " ": "estimated"}
        true = {"switch": "", " ": ":gray[true]"}
        for cell in decision["cells"]:
            column = _heading(cell)
            estimated[column] = _estimate(cell)
            true[column] = _effect(cell, cell["true_effect"], cell["true_low"], cell["true_high"])
        rows += [estimated, true] if set(list(true.values())[2:]) != {_UNKNOWN} else [estimated]
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column, _UNKNOWN) for column in columns} for row in rows]


def decision_frame(artefact: Any, region: str | None = None) -> pl.DataFrame:
    """The table's cells as figures, a row a switch and leaf: what can be taken away of :func:`decision_rows`."""
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    cells = [
        {"switch": decision["switch"], "was": decision["was"]} | {name: cell[name] for name in _TAKEN}
        for decision in found
        if decision["region"] == region
        for cell in decision["cells"]
    ]
    return pl.DataFrame(cells, infer_schema_length=None)


def is_silent(artefact: Any) -> bool:
    """Whether nothing is known of any switch: neither an estimate nor the truth."""
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    return all(
        cell["estimate"] is None and cell["true_effect"] is None
        for decision in found
        for cell in decision["cells"]
    )


def grounds(artefact: Any) -> list[dict[str, str]]:
    """What each estimate of the whole stands on, or why there is none: a row a switch and ground."""
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    rows = []
    for decision in found:
        if decision["region"]:
            continue
        told: dict[str, list[str]] = {}
        for cell in decision["cells"]:
            is_told = cell["estimate"] is not None or cell["ground"].startswith("not modelled")
            ground = cell["ground"] if is_told else "not estimable from this lake"
            told.setdefault(ground, []).append(cell["title"])
        rows += [
            {"switch": decision["switch"], "figures": "; ".join(titles), "stands on": ground}
            for ground, titles in told.items()
        ]
    return rows


def planned(artefact: Any, region: str | None = None) -> str:
    """Members an arm that an experiment takes to tell a change of 5 %, by figure; empty where nothing tells it."""
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    cells = [cell for decision in found if decision["region"] == region for cell in decision["cells"]]
    takes = {cell["title"]: cell["members_needed"] for cell in cells if cell["members_needed"] is not None}
    return "; ".join(f"{title} {_about(members)}" for title, members in takes.items())


def region_name(region: str | None) -> str:
    """As people read it."""
    return "All regions" if region is None else named(region)


def _heading(cell: dict[str, Any]) -> str:
    unit = cell["unit"]
    if unit == "USD/h":
        return f"{cell['title'].replace('per stream hour', 'per 1,000 stream hours')}, $"
    return f"{cell['title']}, {_UNITS.get(unit, unit)}"


def _estimate(cell: dict[str, Any]) -> str:
    if cell["estimate"] is None:
        return _UNKNOWN
    said = _effect(cell, cell["estimate"], cell["low"], cell["high"])
    return f"{said}{METHODS.get(cell['method'], '')}"


def _effect(cell: dict[str, Any], effect: float | None, low: float | None, high: float | None) -> str:
    """The effect and half its interval; both ends where they lie unevenly about it."""
    if effect is None:
        return _UNKNOWN
    unit = cell["unit"]
    if low is None or high is None:
        return f":gray[{_signed(effect, unit, _digits(unit, abs(effect)))}]"
    is_sure = not low <= 0 <= high
    colour = "gray" if not is_sure else "green" if (effect > 0) == (cell["better"] == "higher") else "red"
    half = (high - low) / 2
    digits = _digits(unit, half or abs(effect))
    if abs(effect - (low + high) / 2) > 0.2 * half:
        ends = " to ".join(_signed(end, unit, digits) for end in (low, high))
        return f":{colour}[{_set_off(colour, _signed(effect, unit, digits))}] :gray[({ends})]"
    text, spread = _signed(effect, unit, digits), _amount(half, unit, digits)
    if not f"{text}{spread}".strip(f"0.+{_MINUS}"):
        return ":gray[0]"  # less than the last digit that is shown
    return f":{colour}[{_set_off(colour, text + _PLUS_MINUS + spread)}]"


def _set_off(colour: str, text: str) -> str:
    """What is better is strong and what is worse stressed: colour alone would not tell everybody."""
    return {"green": f"**{text}**", "red": f"*{text}*"}.get(colour, text)


def _digits(unit: str, size: float) -> int:
    """Digits after the point, so that the interval shows one or two figures of its own."""
    shown = size * _SCALES.get(unit, 1)
    most = {"ms": 0, "USD/h": 4}.get(unit, 3)
    return most if shown <= 0 else max(0, min(most, 1 - math.floor(math.log10(shown))))


def _signed(value: float, unit: str, digits: int) -> str:
    text = _amount(value, unit, digits)
    return f"{'' if not text.strip('0.') else '+' if value > 0 else _MINUS}{text}"


def _amount(value: float, unit: str, digits: int) -> str:
    return f"{abs(value * _SCALES.get(unit, 1)):,.{digits}f}"


def _about(members: int) -> str:
    """Two figures of a number of members.

    >>> _about(41_234), _about(1_560_000)
    ('41 k', '1.6 M')
    """
    for scale, name in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if members >= scale:
            size = members / scale
            return f"{size:.1f}{name}" if size < 10 else f"{size:.0f}{name}"
    return f"{members}"
