"""Spans and boxes: as they are dragged, as they stand in the address."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.window import Box, Window, box_of, dragged_box, dragged_window, window_of

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
minutes = st.integers(0, 60_000_000)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(minutes, minutes, st.integers(0, 40), st.integers(0, 40))
def test_what_stands_in_the_address_comes_back(a: int, b: int, low: int, high: int) -> None:
    window = Window(min(a, b) * MINUTE_MS, (max(a, b) + 1) * MINUTE_MS)
    assert window_of(str(window)) == window
    box = Box(window, min(low, high), max(low, high))
    assert box_of(str(box)) == box


@pytest.mark.parametrize(
    "text",
    [
        None, "", "~", "yesterday~today", "2026-06-02T00:00~2026-06-01T00:00", "2026-06-01T00:00",
        "2026-06-01T00:00~2026-06-02T00:00~1", "2026-06-01T00:00~2026-06-02T00:00~5~1",
        "2026-06-01T00:00~2026-06-02T00:00~-1~1", "2026-06-01T00:00~2026-06-02T00:00~a~1",
    ],
)  # fmt: skip
def test_any_other_text_is_no_box(text: str | None) -> None:
    assert box_of(text) is None
    assert text is None or "~1" in text or "~5" in text or "~a" in text or window_of(text) is None


def test_a_drag_is_read_in_any_direction() -> None:
    drag = {"x": ["2026-06-03 12:00:00.5", "2026-06-01 06:30"], "y": [7.4, 2.6]}
    box = dragged_box({"selection": {"box": [drag]}}, 6)
    assert box is not None
    assert box.window == Window(at("2026-06-01T06:30"), at("2026-06-03T12:00:00.500"))
    assert (box.first, box.last) == (3, 5)  # rows are at whole numbers, and there are six


@pytest.mark.parametrize(
    "selection", [None, {}, {"selection": {"box": []}}, {"selection": {"box": [{"x": ["a", "b"]}]}}]
)
def test_no_drag_is_no_span(selection: object) -> None:
    assert dragged_window(selection) is None
    assert dragged_box(selection, 5) is None


def test_a_drag_below_everything_selects_nothing() -> None:
    drag = {"x": ["2026-06-01", "2026-06-02"], "y": [-3.0, -0.6]}
    assert dragged_box({"selection": {"box": [drag]}}, 6) is None


def test_a_span_widens_to_whole_buckets_and_stays_in_its_period() -> None:
    window = Window(HOUR_MS + 1, 2 * HOUR_MS + 1)
    assert window.outwards(HOUR_MS) == Window(HOUR_MS, 3 * HOUR_MS)
    assert window.within(Window(0, HOUR_MS + 5)) == Window(HOUR_MS + 1, HOUR_MS + 5)
    assert window.within(Window(0, HOUR_MS)) is None
    assert window.before() == Window(1, HOUR_MS + 1)
