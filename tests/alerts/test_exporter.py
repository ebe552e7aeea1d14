"""What a scrape finds: counts of a minute, with its time, and 0 where nothing was counted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from alerts import names
from alerts.exporter import Minute, MinuteExporter, minutes_in_order
from metrics.errors import InputError
from tests.alerts.frames import T0, minute_counts

MINUTE_MS = 60_000


def minute(k: int, region: str | None = "mena", **counts: int) -> Minute:
    return Minute(
        T0 + k * MINUTE_MS, minute_counts([k], **counts).with_columns(region=pl.lit(region, pl.String))
    )


def scrape(exporter: MinuteExporter) -> dict[tuple[str, str], tuple[float, Any]]:
    """Value and time by name and region."""
    text = generate_latest(exporter.registry()).decode()
    return {
        (sample.name, sample.labels.get("region", "")): (sample.value, sample.timestamp)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_count_is_a_gauge_stamped_in_the_middle_of_its_minute() -> None:
    exporter = MinuteExporter()
    assert exporter.put(minute(3, starts=7, starts_late=2))
    found = scrape(exporter)
    value, stamp = found["playhead_starts", "mena"]
    assert (value, float(stamp)) == (7, T0 / 1000 + 3 * 60 + 30)
    assert found["playhead_starts_late", "mena"][0] == 2
    assert {name for name, _ in found} >= {names.gauge(column) for column in names.COUNT_COLUMNS}


def test_a_slice_that_was_counted_goes_on_with_zeros() -> None:
    exporter = MinuteExporter()
    exporter.put(minute(0, starts=7))
    exporter.put(minute(1, region="asia-pacific", starts=1))
    exporter.put(Minute(T0 + 2 * MINUTE_MS, minute_counts([])))
    found = scrape(exporter)
    assert (
        found["playhead_starts", "mena"] == found["playhead_starts", "asia-pacific"] == (0, T0 / 1000 + 150)
    )


def test_late_minutes_and_minutes_nobody_asked_for_are_counted() -> None:
    exporter = MinuteExporter()
    exporter.put(minute(5, starts=1))
    scrape(exporter)
    # A clock that jumped back, and a minute told twice.
    assert not exporter.put(minute(4, starts=9))
    assert not exporter.put(minute(5, starts=9))
    exporter.put(minute(6, starts=2))
    exporter.put(minute(90, starts=3))
    found = scrape(exporter)
    assert found["playhead_starts", "mena"][0] == 3
    assert found["playhead_minutes_late_total", ""][0] == exporter.late_count == 2
    assert found["playhead_minutes_unscraped_total", ""][0] == 1


def test_no_slice_is_an_empty_label_and_rows_add_up() -> None:
    exporter = MinuteExporter()
    rows = pl.concat([minute(0, None, starts=1).rows, minute(0, None, starts=2).rows])
    exporter.put(Minute(T0, rows))
    assert scrape(exporter)["playhead_starts", ""][0] == 3


def test_counts_below_zero_and_of_another_minute_are_refused() -> None:
    exporter = MinuteExporter()
    with pytest.raises(InputError, match="is below 0"):
        exporter.put(minute(0, starts=-1))
    with pytest.raises(InputError, match="counts of another minute"):
        exporter.put(Minute(T0, minute(1, starts=1).rows))
    assert "playhead_starts" not in {name for name, _ in scrape(exporter)}


def test_minutes_come_in_order_with_the_silent_ones_between() -> None:
    frames = [
        minute_counts([0, 0, 3], starts=[1, 2, 4]),
        minute_counts([3, 4], starts=[8, 16]),
        minute_counts([]),
    ]
    found = [((m.ts_ms - T0) // MINUTE_MS, int(m.rows["starts"].sum())) for m in minutes_in_order(frames)]
    assert found == [(0, 3), (1, 0), (2, 0), (3, 12), (4, 16)]
