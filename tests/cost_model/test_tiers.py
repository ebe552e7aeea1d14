"""The edge tier and the push, by hand: what they spare, what they ask for, and where there is neither."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cost_model.rates import load
from cost_model.tiers import tier_effects
from cost_model.usage import USAGE_SCHEMAS, Quarter, Usage

APRIL = Quarter.parse("2026Q2").months[0]
# Every rate fixed, so that the interval is a point.
RATES = {
    "edge_appliance_price": 60_000.0, "storage_appliance_price": 120_000.0, "exchange_fitout_price": 0.0,
    "maintenance_ratio": 0.1, "appliance_power": 0.5, "colocation_price": 200.0, "embedded_hosting_ratio": 0.0,
    "exchange_port_price": 1_000.0, "transit_price": 0.1, "isp_partnership_price": 1_200.0, "cdn_staff": 9.0,
    "staff_price": 1e6, "cdn_platform_price": 1e6, "peak_to_mean": 2.0, "storage_throughput": 100.0,
    "peak_utilisation_ratio": 0.5, "exchange_port_gbps": 100.0, "transit_ratio": 0.05, "fill_gbps": 0.4,
    "depreciation_years": 5.0,
}  # fmt: skip
EDGE_BYTES, STORAGE_BYTES, HOURS = (
    32_400 * 10**12,
    3_240 * 10**12,
    10**7,
)  # 100 and 10 Gbit/s over thirty days
EDGE_PEAK, OWN_PEAK = 200.0, 220.0


def frame(name: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=USAGE_SCHEMAS[name], orient="row")


@pytest.fixture
def usage() -> Usage:
    delivery = [
        (APRIL, "r", "i", tier, "own", "av1", Decimal(size))
        for tier, size in (("edge", EDGE_BYTES), ("storage", STORAGE_BYTES))
    ]
    played = {
        "month": APRIL, "region": "r", "isp": "i", "device": "web", "codec": "av1", "cdn": "own", "streams": 1,
        "playing_ms": HOURS * 3_600_000, "delivered_bytes": 1,
    }  # fmt: skip
    hours = pl.DataFrame([played], schema_overrides=dict(USAGE_SCHEMAS["hours"]))
    return Usage(
        quarter=Quarter.parse("2026Q2"),
        delivery=frame("delivery", *delivery),
        days=frame("days", (APRIL, 30)),
        fleet=frame("fleet", (APRIL, "r", 10, 20, 1, 2, 1, 1_000)),
        hours=hours.select(USAGE_SCHEMAS["hours"].names()).cast(USAGE_SCHEMAS["hours"]),
    )


def test_the_edge_spares_exchanges_and_asks_for_its_own(usage: Usage) -> None:
    found = tier_effects(usage, load(), pushed_bytes=0, given=RATES, draws=50)
    assert set(found) == {"edge_tier"}
    a_month = 1 / 60 + 0.1 / 12
    servers, ports = EDGE_PEAK / 50, EDGE_PEAK / 50
    instead = servers * (120_000 * a_month + 0.5 * 200) + ports * 1_000
    borne = 20 * 60_000 * a_month + 10 * 1_200 / 12
    # Fill of ten sites is far below the peak, so transit is the same with the edge and without.
    assert found["edge_tier"].median == pytest.approx((instead - borne) / HOURS)
    assert found["edge_tier"].low == pytest.approx(found["edge_tier"].high)


def test_transit_is_for_the_fill_where_that_is_more(usage: Usage) -> None:
    wide = replace(usage, fleet=frame("fleet", (APRIL, "r", 1_000, 20, 1, 2, 1, 1_000)))
    few, many = (
        tier_effects(
            one, load(), pushed_bytes=EDGE_BYTES, given=RATES | {"isp_partnership_price": 0.0}, draws=5_000
        )
        for one in (usage, wide)
    )
    above = 1000 * 0.05 * 0.1 * (400.0 - OWN_PEAK) / HOURS
    for name in ("edge_tier", "nightly_push"):
        assert few[name].median - many[name].median == pytest.approx(above)
    # Pulled within the peak lies between nothing and the whole of what was pushed: here, the edge's whole peak.
    whole = 1000 * 0.05 * 0.1 * EDGE_PEAK / HOURS
    push = few["nightly_push"]
    assert push.median == pytest.approx(whole / 2, rel=0.05)
    assert push.low < 0.1 * whole
    assert push.high > 0.9 * whole


def test_what_the_usage_does_not_tell_has_no_effect(usage: Usage) -> None:
    bare = replace(usage, delivery=usage.delivery.filter(pl.col("tier") != "edge"))
    assert tier_effects(bare, load(), pushed_bytes=1) == {}
    assert tier_effects(replace(usage, fleet=usage.fleet.clear()), load(), pushed_bytes=1) == {}
    assert tier_effects(replace(usage, hours=usage.hours.clear()), load(), pushed_bytes=1) == {}
