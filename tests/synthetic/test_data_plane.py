"""Fill, congestion, steering and resolution: budgets are kept, and nothing is served twice or lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic.control_plane import steering
from synthetic.data_plane.appliances import (
    CONTENT_MISS,
    EDGE,
    HEALTH_MISS,
    HIT,
    STORAGE,
    THIRD_PARTY,
    make_footprint,
    resolve,
)  # fmt: skip
from synthetic.data_plane.congestion import expected_streams, settle
from synthetic.data_plane.fill import first_holdings, push
from synthetic.places import Places, make_places
from synthetic.scenario import Scenario, load_scenario


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario()


@pytest.fixture(scope="module")
def places(scenario: Scenario) -> Places:
    return make_places(scenario)


def test_over_a_thousand_sites_of_uneven_size_each_under_an_exchange_of_its_region(places: Places) -> None:
    assert len(places.sites) >= 1_000
    for region in range(len(places.regions)):
        here = places.site_region == region
        share = np.sort(places.site_share[here])[::-1]
        assert share.sum() == pytest.approx(1.0)
        assert share[: share.size // 10].sum() > 0.25  # the largest tenth serves more than a quarter
        assert (places.exchange_region[places.site_exchange[here]] == region).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.floats(0, 1), fails=st.floats(0, 1))
def test_a_push_keeps_to_disk_and_budget_and_a_failed_one_changes_nothing(
    seed: int, budget: float, fails: float
) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 50, 200)
    disk = rng.choice([500, 1_500], 12)
    region = rng.integers(0, 2, 12)
    before = first_holdings(rng.random((2, 200)), sizes, disk, region)
    failed = rng.random(12) < fails
    after, fill = push(before, rng.random((2, 200)), sizes, np.full(before.region.size, budget), failed)
    held = after.held[after.of_site]
    assert (held @ sizes <= disk).all()
    group = after.of_site
    assert (fill.pushed_bytes[group] <= budget * disk + 1e-9).all()
    assert (fill.pushed_bytes <= fill.planned_bytes).all()
    assert (held[failed] == before.held[before.of_site][failed]).all()
    assert (fill.status[group][failed] == 2).all()


def test_with_budget_enough_a_push_reaches_the_plan() -> None:
    sizes, disk, region = np.full(10, 10), np.array([30]), np.array([0])
    first = first_holdings(np.arange(10.0)[None, :], sizes, disk, region)
    assert np.flatnonzero(first.held[0]).tolist() == [7, 8, 9]
    after, fill = push(first, np.arange(10.0)[None, ::-1], sizes, np.ones(1), np.array([False]))
    assert np.flatnonzero(after.held[0]).tolist() == [0, 1, 2]
    assert fill.planned_bytes.tolist() == fill.pushed_bytes.tolist() == [30]
    slow, fill = push(first, np.arange(10.0)[None, ::-1], sizes, np.array([0.34]), np.array([False]))
    # What the new order wants least makes room first.
    assert np.flatnonzero(slow.held[0]).tolist() == [0, 7, 8]
    assert fill.status.tolist() == [1]


def test_room_is_capacity_over_load_and_order_does_not_matter(scenario: Scenario, places: Places) -> None:
    members = np.round(scenario.members * places.site_share / len(places.regions)).astype(np.int64)
    streams = expected_streams(scenario, places, 5, members)
    footprint = make_footprint(scenario, places)
    hit = np.full(len(places.sites), 900_000)
    kbps = np.full(len(places.sites), 4_000)
    edge = np.broadcast_to(footprint.edge_kbps // 10, streams.shape)
    storage = np.broadcast_to(footprint.storage_kbps, (streams.shape[0], len(places.exchanges)))
    found = settle(streams, kbps, hit, edge, storage, places)
    assert (found.load.edge_kbps <= edge).all()
    assert (found.load.storage_kbps <= storage).all()
    assert (found.edge_room_ppm < 1_000_000).any()
    free = settle(streams, kbps, hit, edge * 1_000, storage, places)
    assert (free.edge_room_ppm == 1_000_000).all()


def test_demand_peaks_in_the_local_evening(scenario: Scenario, places: Places) -> None:
    streams = expected_streams(scenario, places, 0, np.full(len(places.sites), 1_000_000))
    utc_hour = streams.argmax(axis=0) / 4
    local = (utc_hour + places.utc_offset_ms / 3_600_000) % 24
    assert ((local > 19) & (local < 22)).all()
    # Mean concurrency over the day is members x hours a day / 24.
    expected = 1_000_000 * scenario.demand.hours_per_member_day * scenario.demand.weekly[0] / 24
    assert streams.mean(axis=0) == pytest.approx(np.full(len(places.sites), expected), rel=0.01)


def test_the_manifest_is_walked_in_order() -> None:
    down = np.array([False, False, False, True])
    ranked = steering.rank(down)
    held = np.array([True, False, True, True])
    edge_room = np.array([True, True, False, False])
    tier, miss = resolve(ranked, held, edge_room, np.array([True, True, True, True]))
    assert tier.tolist() == [EDGE, STORAGE, STORAGE, STORAGE]
    assert miss.tolist() == [HIT, CONTENT_MISS, HEALTH_MISS, HEALTH_MISS]
    full, _ = resolve(ranked, held, edge_room, np.zeros(4, np.bool_))
    assert full.tolist() == [EDGE, THIRD_PARTY, THIRD_PARTY, THIRD_PARTY]
    third, _ = resolve(steering.rank(down, third_party_first=True), held, edge_room, np.ones(4, np.bool_))
    assert (third == THIRD_PARTY).all()
