"""Periods and slices: what a link means on a lake."""

from __future__ import annotations

from datetime import date

import pytest

from dashboards.context import Filters, Period, Span, period_of

SPAN = Span(date(2026, 4, 1), date(2026, 6, 30), 1_782_863_999_000)


@pytest.mark.parametrize(
    ("preset", "dates", "first", "last"),
    [
        ("30d", (), date(2026, 6, 1), date(2026, 6, 30)),
        ("7d", (), date(2026, 6, 24), date(2026, 6, 30)),
        ("all", (), date(2026, 4, 1), date(2026, 6, 30)),
        ("no such preset", (), date(2026, 4, 1), date(2026, 6, 30)),
        ("dates", (date(2026, 5, 2), date(2026, 5, 3)), date(2026, 5, 2), date(2026, 5, 3)),
        ("dates", (date(2020, 1, 1), date(2026, 4, 2)), date(2026, 4, 1), date(2026, 4, 2)),
        ("dates", (date(2030, 1, 1),), date(2026, 6, 30), date(2026, 6, 30)),
        ("dates", (), date(2026, 4, 1), date(2026, 6, 30)),
    ],
)
def test_a_preset_is_days_that_the_lake_has(
    preset: str, dates: tuple[date, ...], first: date, last: date
) -> None:
    assert period_of(preset, dates, SPAN) == Period(first, last)


def test_a_short_lake_shortens_the_preset() -> None:
    span = Span(date(2026, 4, 1), date(2026, 4, 3), 0)
    assert period_of("30d", (), span) == Period(date(2026, 4, 1), date(2026, 4, 3))


def test_a_period_is_whole_utc_days() -> None:
    period = Period(date(2026, 4, 1), date(2026, 4, 2))
    assert (period.start_ts_ms, period.end_ts_ms) == (1_775_001_600_000, 1_775_174_400_000)
    assert period.before() == Period(date(2026, 3, 30), date(2026, 3, 31))


def test_a_period_is_compared_only_with_one_the_lake_has_whole() -> None:
    june, whole = period_of("30d", (), SPAN), period_of("all", (), SPAN)
    assert Filters.of(june, {}, SPAN).versus == Period(date(2026, 5, 2), date(2026, 5, 31))
    assert Filters.of(june, {}, SPAN, compare=False).versus is None
    assert Filters.of(whole, {}, SPAN).versus is None


def test_a_slice_is_the_same_in_any_order() -> None:
    period = period_of("7d", (), SPAN)
    one = Filters.of(period, {"region": ["b", "a"], "device": []}, SPAN)
    assert one == Filters.of(period, {"region": ["a", "b"]}, SPAN)
    assert one.where == (("region", ("a", "b")),)


def test_a_metric_is_cut_only_by_what_its_tables_tell() -> None:
    period = period_of("7d", (), SPAN)
    assert Filters.of(period, {"isp": ["x"]}, SPAN).tells("rebuffer_rate", "region")
    assert not Filters.of(period, {"isp": ["x"]}, SPAN).tells("home_late_ratio")
    assert not Filters.of(period, {}, SPAN).tells("rebuffer_rate", "service")
