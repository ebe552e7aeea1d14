"""Spans of time and boxes that a reader drags over a chart, and how they stand in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Box", "Window", "box_of", "days_of", "dragged_box", "dragged_window", "window_of"]

_FORM = "%Y-%m-%dT%H:%M"
_APART = "~"
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Window:
    """A span of UTC epoch milliseconds; the end is exclusive."""

    start_ts_ms: int
    end_ts_ms: int

    @property
    def length_ms(self) -> int:
        return self.end_ts_ms - self.start_ts_ms

    def before(self) -> Window:
        """The span of the same length that ends where this one starts."""
        return Window(self.start_ts_ms - self.length_ms, self.start_ts_ms)

    def within(self, other: Window) -> Window | None:
        """What of it lies in ``other``; null where nothing does."""
        start, end = max(self.start_ts_ms, other.start_ts_ms), min(self.end_ts_ms, other.end_ts_ms)
        return Window(start, end) if start < end else None

    def outwards(self, grain_ms: int) -> Window:
        """Widened to whole multiples of ``grain_ms``."""
        return Window(self.start_ts_ms // grain_ms * grain_ms, -(-self.end_ts_ms // grain_ms) * grain_ms)

    def __str__(self) -> str:
        """As it stands in the address: two UTC instants to the minute."""
        return f"{_text(self.start_ts_ms)}{_APART}{_text(self.end_ts_ms)}"


@dataclass(frozen=True)
class Box:
    """A span of time, and value buckets ``first`` to ``last`` (both included) of a distribution."""

    window: Window
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.window}{_APART}{self.first}{_APART}{self.last}"


def window_of(text: str | None) -> Window | None:
    """The span that a text of the address names; null for any other text.

    >>> window_of("2026-06-12T00:00~2026-06-13T00:00").length_ms
    86400000
    """
    parts = (text or "").split(_APART)
    return _window(parts) if len(parts) == 2 else None


def box_of(text: str | None) -> Box | None:
    """The box that a text of the address names; null for any other text."""
    parts = (text or "").split(_APART)
    window = _window(parts[:2]) if len(parts) == 4 else None
    if window is None or not all(part.isdecimal() for part in parts[2:]):
        return None
    first, last = (min(int(part), 10_000) for part in parts[2:])
    return Box(window, first, last) if first <= last else None


def days_of(files: tuple[str, ...], window: Window) -> list[str]:
    """Those of a table's files that hold days of the window; they lie in folders by UTC day."""
    first, last = window.start_ts_ms // _DAY_MS, (window.end_ts_ms - 1) // _DAY_MS
    wanted = {f"day={datetime.fromtimestamp(day * 86_400, UTC).date()}" for day in range(first, last + 1)}
    return [file for file in files if Path(file).parent.name in wanted]


def dragged_window(selection: Any) -> Window | None:
    """The span of time of the first box of a chart's selection (``selection.box``, instants on x)."""
    spans = _boxes(selection)
    if not spans:
        return None
    try:
        ends = sorted(_ts_ms(str(end)) for end in spans[0]["x"])
    except ValueError:
        return None
    return Window(ends[0], ends[-1]) if ends[0] < ends[-1] else None


def dragged_box(selection: Any, buckets: int) -> Box | None:
    """The first box of a selection over a heatmap whose rows are buckets ``0 … buckets − 1``, at whole numbers."""
    window = dragged_window(selection)
    if window is None:
        return None
    low, high = sorted(float(end) for end in _boxes(selection)[0]["y"])
    first, last = max(0, round(low)), min(buckets - 1, round(high))
    return Box(window, first, last) if first <= last else None


def _boxes(selection: Any) -> Sequence[Any]:
    found = selection.get("selection", {}).get("box", []) if hasattr(selection, "get") else []
    return list(found)


def _window(parts: Sequence[str]) -> Window | None:
    try:
        start, end = (_ts_ms(part) for part in parts)
    except (ValueError, OverflowError):
        return None
    return Window(start, end) if start < end else None


def _ts_ms(text: str) -> int:
    return int(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC).timestamp() * 1000)


def _text(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime(_FORM)
