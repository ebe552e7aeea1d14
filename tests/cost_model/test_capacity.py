"""Capacity: where a resource breaks, by hand; spill; the order; what is bought."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_model.capacity import Resource, Standing, capacity
from cost_model.rates import load
from cost_model.standing import CLUSTERS, measured, planned
from cost_model.uncertainty import Interval

RATES, DAY = load(), date(2026, 4, 1)
ONE = np.ones(4)


def resource(name: str, gbps: float, per_stream: float, place: str | None = None) -> Resource:
    return Resource(
        name, place, "Gbit/s", gbps * ONE, lambda n: n * per_stream, "server", 100 * ONE, 25_000 * ONE, "purchase"
    )  # fmt: skip


def standing(*resources: Resource, target: float = 0.5) -> Standing:
    return Standing("by hand", Interval(1, 1, 1), resources, target * ONE)


def test_a_resource_breaks_where_demand_meets_capacity() -> None:
    assert resource("edge", 1_000, 0.005).breaks_at() == pytest.approx(200_000 * ONE)
    unmoved = replace(resource("fill", 1_000, 0), demand=lambda n: 2_000 + 0 * n)
    assert np.isinf(unmoved.breaks_at()).all()  # full already, and no stream has a part in it
    assert np.isinf(resource("idle", 1_000, 0).breaks_at()).all()


def test_the_order_of_breaking_and_what_is_bought() -> None:
    found = capacity(
        standing(
            resource("edge", 1_000, 0.005, "a"),
            resource("edge", 1_000, 0.001, "b"),
            resource("ranking", 900, 0.005),
            resource("idle", 1_000, 0),
        ),
        300_000,
    ).as_dict()
    rows = {row["resource"]: row for row in found["resources"]}
    assert found["breaks_in_order"] == ["ranking", "edge"]
    assert rows["edge"]["place"] == "a"
    assert rows["edge"]["utilisation"]["median"] == pytest.approx(1.5)
    assert (rows["ranking"]["first_ratio"], rows["edge"]["second_ratio"]) == (1.0, 1.0)
    assert rows["idle"]["third_ratio"] == 0
    # a: 1,500 ÷ .5 − 1,000 is 2,000, or 20 servers; b: 300 ÷ .5 is within its 1,000
    assert rows["edge"]["buy"]["pieces"]["median"] == 20
    assert rows["edge"]["buy"]["usd"]["median"] == 500_000
    assert [place["place"] for place in found["places"]] == ["a", "b"]


def clusters(*rows: tuple[str, str, str, int, int]) -> pl.DataFrame:
    """Region, tier, place, capacity and regular peak in Gbit/s."""
    scaled = [(r, t, p, c * 10**6, k * 10**6) for r, t, p, c, k in rows]
    return pl.DataFrame(scaled, schema=CLUSTERS, orient="row")


def test_what_full_edges_turn_away_comes_to_the_exchange() -> None:
    """100 + 100 Gbit/s regularly at 5 Mbit/s are 40,000 streams; a is full at twice that, b at four times."""
    stands = measured(
        clusters(("r", "edge", "a", 150, 75), ("r", "edge", "b", 300, 75), ("r", "storage", "x", 200, 50)),
        {}, 5_000, RATES, DAY, source="test",
    )  # fmt: skip
    assert stands.concurrent.median == pytest.approx(40_000)
    found = {(r.name, r.place): r for r in stands.resources}
    # Beside the 40,000 of the evening there is room for 40,000 of an event's mix, a quarter either way for each place.
    edge = found["edge egress", "a"].breaks_at()
    assert np.median(edge) == pytest.approx(80_000, rel=0.02)
    assert np.quantile(edge, [0.05, 0.95]) == pytest.approx(
        [40_000 + 40_000 / m for m in (1.33, 0.75)], rel=0.02
    )
    exchange = found["exchange egress", "r"]
    one = np.ones(len(edge))
    assert exchange.demand(80_000 * one) == pytest.approx(100 * one)
    # 120,000 streams: 150 of its own, and 225 − 150 from a
    assert exchange.demand(120_000 * one) == pytest.approx(225 * one)
    # Once edges are bought large enough, it carries its own alone.
    assert exchange.unspilled is not None
    assert exchange.unspilled(120_000 * one) == pytest.approx(150 * one)
    # 200 = n·(50 + 75)/40,000 − 150 at n = 112,000
    assert exchange.breaks_at() == pytest.approx(112_000 * one)


@given(low=st.floats(1e5, 1e8), factor=st.floats(1, 100))
def test_more_streams_never_take_less(low: float, factor: float) -> None:
    stands = planned(RATES, DAY, 50e6, draws=4)
    for one in stands.resources:
        assert (one.demand(low * factor * ONE) >= one.demand(low * ONE) - 1e-9).all()


def test_a_fleet_planned_for_its_evenings_carries_them() -> None:
    stands = planned(RATES, DAY, 325e6)
    found = capacity(stands, stands.concurrent.low / 2)
    assert found.as_dict()["breaks_in_order"] == []
    # 300 M at once is six times its evening peak: edges, exchanges and all services are past full.
    surged = capacity(stands, 300e6)
    assert {"edge egress", "last-mile interconnect", "auth", "licence"} <= set(
        surged.as_dict()["breaks_in_order"]
    )
    for row in surged.rows:
        assert row["utilisation"]["low"] <= row["utilisation"]["median"] <= row["utilisation"]["high"]
    shares = sum(row["first_ratio"] for row in surged.rows)
    assert shares == pytest.approx(1)


def test_a_larger_service_breaks_later() -> None:
    at = [
        capacity(planned(RATES, DAY, size), 300e6).rows[0]["breaks_at_concurrent"]["median"]
        for size in (100e6, 325e6)
    ]
    assert at[0] < at[1]
