"""Usage: quarters, and the fleet read off what appliances report."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from cost_model.rates import load
from cost_model.usage import Quarter, fleet
from tests.cost_model.conftest import APRIL

RATES = load()
APPLIANCES = {
    "month": pl.Date, "region": pl.String, "site": pl.String, "tier": pl.String, "capacity_kbps": pl.Int64,
}  # fmt: skip
PEAKS = pl.DataFrame(
    [
        (APRIL, "mena", "edge", 10_000 * 10**6, 9_000 * 10**6, 10),
        (APRIL, "mena", "storage", 1_000 * 10**6, 9_000 * 10**6, 10),
    ],
    schema=["month", "region", "tier", "peak_kbps", "p95_kbps", "isps"],
    orient="row",
)


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [("2026Q2", date(2026, 4, 1), date(2026, 7, 1)), ("2026-q4", date(2026, 10, 1), date(2027, 1, 1))],
)
def test_quarters(text: str, first: date, end: date) -> None:
    quarter = Quarter.parse(text)
    assert (quarter.months[0], quarter.end) == (first, end)
    start_ts_ms, end_ts_ms = quarter.ts_ms()
    assert (end_ts_ms - start_ts_ms) // 86_400_000 == (end - first).days


def test_a_fleet_is_read_off_reported_capacity() -> None:
    reported = pl.DataFrame(
        [
            (APRIL, "mena", "a", "edge", 500 * 10**6),
            (APRIL, "mena", "b", "edge", 10**6),
            (APRIL, "mena", "x", "storage", 401 * 10**6),
        ],
        schema=APPLIANCES,
        orient="row",
    )
    (row,) = fleet(reported, PEAKS, RATES).to_dicts()
    # 500 ÷ sqrt(90 · 200) = 3.7 and at least one; 401 ÷ sqrt(100 · 400) = 2.005
    assert (row["sites"], row["edge_servers"]) == (2, 4 + 1)
    assert (row["exchange_sites"], row["storage_servers"]) == (1, 3)
    # 1,000 ÷ (100 · 0.634) = 15.8 ports
    assert row["exchange_ports"] == 16
    transit = RATES.usd("transit_ratio", APRIL)
    assert row["transit_mbps"] == pytest.approx(float(transit) * 9_000_000, abs=1)


def test_a_fleet_nobody_reports_is_planned() -> None:
    (row,) = fleet(pl.DataFrame(schema=APPLIANCES), PEAKS, RATES).to_dicts()
    # a site an ISP; 10,000 ÷ (134.2 · 0.634) = 117.6 appliances beat three a site
    assert (row["sites"], row["edge_servers"]) == (10, 118)
    # one exchange; sqrt(6 · 24) = 12 hold the catalogue, 1,000 ÷ (200 · 0.634) = 7.9 would carry the peak
    assert (row["exchange_sites"], row["storage_servers"]) == (1, 12)


def test_without_own_delivery_there_is_no_fleet() -> None:
    assert fleet(pl.DataFrame(schema=APPLIANCES), PEAKS.clear(), RATES).height == 0
