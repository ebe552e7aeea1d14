"""Delivery: utilisation, nights of fill, the sentence; known answers."""

from __future__ import annotations

import polars as pl
import pytest

from dashboards.delivery import filled, fullest, sentence, utilisation

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
GIGABIT_HOUR = 10**9 / 8 * 3600  # bytes of 1 Gbit/s for an hour


def traffic(*rows: tuple[int, str, str, float]) -> pl.DataFrame:
    """Rows of (hour, appliance, ISP, gigabit-hours)."""
    return pl.DataFrame(
        [(hour, appliance, isp, amount * GIGABIT_HOUR) for hour, appliance, isp, amount in rows],
        schema=["hour", "appliance", "isp", "delivered_bytes"], orient="row",
    )  # fmt: skip


def health(*rows: tuple[int, str, str, int]) -> pl.DataFrame:
    """Rows of (day, site, appliance, capacity in Gbit/s)."""
    return pl.DataFrame(
        [(day * DAY_MS, "r", site, appliance, capacity * 1_000_000) for day, site, appliance, capacity in rows],
        schema=["ts_ms", "region", "site", "appliance", "capacity_kbps"], orient="row",
    )  # fmt: skip


def test_utilisation_is_bytes_over_what_could_have_been() -> None:
    cells = utilisation(
        traffic((20, "s1-edge-1", "x", 3), (20, "s1-edge-2", "x", 1), (20, "s1-edge-1", "x", 4)),
        health((0, "s1", "s1-edge", 10), (1, "s1", "s1-edge", 10)), "site",
    )  # fmt: skip
    assert cells.height == 24
    busy = cells.filter(pl.col("hour") == 20).row(0, named=True)
    assert busy["utilisation"] == pytest.approx((3 + 1 + 4) / 20)
    assert busy["capacity_kbps"] == 10_000_000
    assert cells.filter(pl.col("hour") != 20)["utilisation"].to_list() == [0.0] * 23


def test_an_appliance_of_its_own_name_is_its_own_cluster() -> None:
    cells = utilisation(
        traffic((0, "edge-1", "x", 5)), health((0, "s1", "edge-1", 10), (0, "s2", "edge", 10)), "appliance"
    )
    assert cells.filter(pl.col("hour") == 0).select("place", "utilisation").rows() == [
        ("edge", 0.0), ("edge-1", pytest.approx(0.5)),
    ]  # fmt: skip


def test_a_cluster_without_traffic_is_idle_and_one_that_serves_several_isps_stands_alone() -> None:
    cells = utilisation(
        traffic((0, "a-edge-1", "x", 5), (0, "ix-storage-1", "x", 2), (0, "ix-storage-2", "y", 2)),
        health((0, "a", "a-edge", 10), (0, "b", "b-edge", 10), (0, "ix", "ix-storage", 10)), "isp",
    )  # fmt: skip
    first = cells.filter(pl.col("hour") == 0).select("place", "utilisation")
    assert dict(first.rows()) == {"x": pytest.approx(0.5), "b": 0.0, "ix": pytest.approx(0.4)}


def test_the_fullest_place_comes_first() -> None:
    cells = pl.DataFrame(
        {
            "place": ["a", "a", "b", "b", "c"],
            "hour": [0, 1, 0, 1, 0],
            "utilisation": [0.1, 0.9, 0.95, 0.0, 0.2],
        }
    )
    assert fullest(cells, 2)["place"].to_list() == ["b", "b", "a", "a"]


def test_a_night_is_counted_once_from_its_evening_on() -> None:
    fill = pl.DataFrame(
        {
            "ts_ms": [DAY_MS - HOUR_MS, DAY_MS + HOUR_MS, 2 * DAY_MS], "planned_bytes": [10, 20, 5],
            "pushed_bytes": [10, 5, 0], "status": ["complete", "over_budget", "failed"],
        }
    )  # fmt: skip
    assert filled(fill).rows() == [(DAY_MS, 30.0, 15.0, 1, 1, 0), (2 * DAY_MS, 5.0, 0.0, 0, 0, 1)]


def test_the_sentence_names_the_largest_miss_and_the_third_party() -> None:
    figures = {"edge_offload_ratio": 0.962, "content_miss_ratio": 0.03, "health_miss_ratio": 0.008}
    assert sentence(figures, 0.0) == (
        "96.2\u00a0% of bytes came from inside ISPs; what missed, missed mostly through titles that were not there."
    )
    assert sentence({"edge_offload_ratio": 1.0}, 0.12) == (
        "100.0\u00a0% of bytes came from inside ISPs; 12.0\u00a0% came from a third party."
    )
    assert sentence({}, None) == "Nothing is known of where bytes came from."
