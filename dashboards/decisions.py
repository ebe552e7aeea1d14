"""The decision table as rows of a page, from the figures that were computed once for the lake."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["decision_rows"]

_MINUS = "−"
_UNKNOWN = ":gray[–]"
_PLUS_MINUS = "\u00a0±\u00a0"  # kept on one line
# Shares in percentage points; an hour's dollars by the thousand, since one costs a fraction of a cent.
_SCALES = {"ratio": 100, "USD/h": 1_000}


def decision_rows(artefact: Any, economics: Any = None) -> list[dict[str, str]]:
    """A row a switch, a column an effect: ``effect ± half the interval``, coloured where it excludes none.

    ``artefact``: ``decision.json``; no rows where it is missing or holds no decision. ``economics``: the
    quarter's ``economics.json``, whose effect on margin stands in the last column with its own interval. What is
    not known of a switch (the cost of a fleet that nobody planned) is a dash.
    """
    margins = (economics or {}).get("margin_effect_usd_per_hour", {})
    found = artefact.get("decisions", []) if isinstance(artefact, dict) else []
    rows = []
    for decision in found:
        row = {"switch": f"**{decision['switch']}**, was {decision['was']}"}
        for effect in decision["effects"]:
            row[_heading(effect)] = _cell(effect)
        margin = margins.get(_MARGIN_NAMES.get(decision["world"]))
        if margin:
            row["margin per 1,000 stream hours, $"] = _margin(margin)
        rows.append(row)
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column, _UNKNOWN) for column in columns} for row in rows]


_MARGIN_NAMES = {"third_party_cdn": "own_cdn", "h264_only": "av1_fgs"}


def _margin(effect: dict[str, Any]) -> str:
    """The median over the rates' ranges, and its 90 % interval; null ends are open."""
    ends = [effect.get(name) for name in ("low", "median", "high")]
    if any(end is None for end in ends):
        return _UNKNOWN
    low, middle, high = (1_000 * end for end in ends if end is not None)
    colour = "green" if low > 0 else "red" if high < 0 else "gray"
    return f":{colour}[{middle:+.2f}] :gray[({low:+.2f} to {high:+.2f})]".replace("-", _MINUS)


def _heading(effect: dict[str, Any]) -> str:
    if effect["unit"] == "USD/h":
        return "cost per 1,000 stream hours, $"
    unit = {"ratio": "pt", "h/subscriber-month": "h / sub-month"}.get(effect["unit"], effect["unit"])
    return f"{effect['title']}, {unit}"


def _cell(effect: dict[str, Any]) -> str:
    unit, half = effect["unit"], None
    if effect["low"] is not None:
        half = (effect["high"] - effect["low"]) / 2
    digits = _digits(unit, half or abs(effect["effect"]))
    text = _amount(effect["effect"], unit, digits)
    sign = "" if not text.strip("0.") else "+" if effect["effect"] > 0 else _MINUS
    spread = "" if half is None else f"{_PLUS_MINUS}{_amount(half, unit, digits)}"
    if not f"{text}{spread}".strip(f"0.{_PLUS_MINUS}"):
        return ":gray[0]"  # less than the last digit that is shown
    colour = {True: "green", False: "red"}.get(effect["is_better"], "gray")
    return f":{colour}[{sign}{text}{spread}]"


def _digits(unit: str, size: float) -> int:
    """Digits after the point, so that the interval shows one or two figures of its own."""
    shown = size * _SCALES.get(unit, 1)
    most = {"ms": 0, "USD/h": 4}.get(unit, 3)
    return most if shown <= 0 else max(0, min(most, 1 - math.floor(math.log10(shown))))


def _amount(value: float, unit: str, digits: int) -> str:
    return f"{abs(value * _SCALES.get(unit, 1)):,.{digits}f}"
