"""Fill, placement, congestion, steering and resolution: budgets are kept, and nothing is served twice or lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic.arrays import Floats, Ints
from synthetic.control_plane import steering
from synthetic.data_plane.appliances import (
    CONTENT_MISS,
    EMBEDDED,
    HEALTH_MISS,
    HIT,
    OTHER,
    PRIVATE,
    PUBLIC,
    make_footprint,
    resolve,
)
from synthetic.data_plane.appliances import ELSEWHERE as THIRD_PARTY
from synthetic.data_plane.congestion import (
    INTERVALS,
    INTERVALS_A_DAY,
    UNLIMITED_KBPS,
    Capacity,
    Congestion,
    expected_streams,
    settle,
)
from synthetic.data_plane.fill import Budget, announced, first_holdings, push
from synthetic.data_plane.placement import (
    balance,
    first_appliances,
    is_reachable,
    rank,
    reachable_share,
    serving,
    wanted_copies,
)
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


def test_the_largest_isps_peer_privately_until_the_share_of_members_is_reached(
    scenario: Scenario, places: Places
) -> None:
    for region in range(len(places.regions)):
        here = places.site_region == region
        share = places.site_share[here & places.site_is_private].sum()
        assert (
            scenario.delivery.private_peering_ratio <= share < scenario.delivery.private_peering_ratio + 0.2
        )
        private = np.unique(places.site_isp[here & places.site_is_private])
        assert private.tolist() == np.unique(places.site_isp[here])[: private.size].tolist()


def test_without_an_edge_exchanges_are_planned_for_all_of_the_peak(
    scenario: Scenario, places: Places
) -> None:
    with_edge, without = (make_footprint(scenario, places, has_edge=edge) for edge in (True, False))
    assert without.edge_kbps.sum() == 0
    assert without.storage_kbps.sum() > with_edge.storage_kbps.sum()
    private = without.private_kbps[places.site_is_private] / with_edge.private_kbps[places.site_is_private]
    assert private == pytest.approx(np.full(private.size, 1 / scenario.delivery.off_edge_ratio), rel=1e-3)


def _copies(predicted: Floats, sizes: Ints, appliances: int, disk: int, away_ratio: float) -> Ints:
    ranking = rank(predicted[None, :], sizes)
    return wanted_copies(ranking, 0, sizes, appliances, disk, away_ratio).astype(np.int64)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), appliances=st.integers(1, 12), disk=st.integers(0, 9_000))
def test_the_plan_fits_the_disk_and_leaves_no_room_for_what_is_worth_more(
    seed: int, appliances: int, disk: int
) -> None:
    rng = np.random.default_rng(seed)
    predicted, sizes = rng.pareto(1.2, 120) * (rng.random(120) < 0.9), rng.integers(5, 60, 120)
    copies = _copies(predicted, sizes, appliances, disk, 0.02)
    assert (copies @ sizes) <= disk
    assert copies.max(initial=0) <= appliances
    assert (copies[predicted == 0] == 0).all()
    # A title left out is worth less a byte than any title taken, or there was no room for the least of them.
    density = predicted / sizes
    out, taken = (copies == 0) & (predicted > 0), copies > 0
    if out.any() and taken.any():
        assert density[out].max() <= density[taken].min()
    if out.any():
        best = np.argmax(np.where(out, density, -1.0))
        # Each title taken may at that worth also want one copy more than the bisection can tell apart.
        assert (copies @ sizes) + sizes[best] * max(
            1, int(predicted[best] / predicted.sum() * appliances) + 1
        ) > disk


def test_a_copy_more_is_worth_the_share_of_time_that_appliances_are_away() -> None:
    # A byte of the first title is worth 60 times one of the second: more than 1 / 0.02, so its second copy goes first.
    predicted, sizes = np.array([600.0, 10.0, 0.01]), np.array([10, 10, 10])
    assert _copies(predicted, sizes, 2, 20, 0.02).tolist() == [2, 0, 0]
    assert _copies(predicted, sizes, 2, 30, 0.02).tolist() == [2, 1, 0]
    # Where appliances are away half of the time a copy is worth half, and so on.
    even = np.array([10.0, 4.0, 4.0])
    assert _copies(even, sizes, 5, 30, 0.5).tolist() == [3, 0, 0]


def test_what_one_appliance_cannot_serve_has_copies_at_full_worth() -> None:
    predicted, sizes = np.array([70.0, 20.0, 10.0]), np.array([10, 10, 10])
    # 70 % of the demand of four appliances is the work of three.
    assert _copies(predicted, sizes, 4, 40, 0.001).tolist() == [3, 1, 0]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), appliances=st.integers(1, 9), data=st.data())
def test_what_is_reachable_is_what_stands_on_an_appliance_that_is_there(
    seed: int, appliances: int, data: st.DataObject
) -> None:
    away, turned = data.draw(st.integers(0, appliances)), data.draw(st.integers(0, 50))
    rng = np.random.default_rng(seed)
    copies = rng.integers(0, appliances + 1, 200).astype(np.int8)
    first = first_appliances(seed, 200)
    full = np.full(200, 1)
    found = is_reachable(copies, first, full * appliances, full * away, full * turned)
    down = {(turned + i) % appliances for i in range(away)}
    for title in range(200):
        holds = {(int(first[title]) + j) % appliances for j in range(int(copies[title]))}
        assert found[title] == bool(holds - down), title


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), appliances=st.integers(1, 9), data=st.data())
def test_a_title_is_served_by_an_appliance_that_holds_it_and_is_there(
    seed: int, appliances: int, data: st.DataObject
) -> None:
    away, turned = data.draw(st.integers(0, appliances - 1)), data.draw(st.integers(0, 50))
    rng = np.random.default_rng(seed)
    copies, draw = rng.integers(1, appliances + 1, 300).astype(np.int8), rng.integers(0, 1 << 24, 300)
    first, full = first_appliances(seed, 300), np.full(300, 1)
    reached = is_reachable(copies, first, full * appliances, full * away, full * turned)
    by = serving(copies, first, full * appliances, full * away, full * turned, draw)
    down = {(turned + i) % appliances for i in range(away)}
    for title in np.flatnonzero(reached):
        holds = {(int(first[title]) + j) % appliances for j in range(int(copies[title]))}
        assert int(by[title]) in holds - down, title


def test_copies_share_the_work() -> None:
    full = np.full(4_000, 1)
    by = serving(full.astype(np.int8) * 3, full * 6, full * 5, full * 0, full * 0, np.arange(4_000) * 7)
    assert set(by.tolist()) == {1, 2, 3}
    assert np.bincount(by)[1:].min() > 1_300


def test_the_share_reachable_is_the_mean_over_all_ways_to_fail() -> None:
    rng = np.random.default_rng(3)
    wanted, copies, first = (
        rng.dirichlet(np.ones(300)),
        rng.integers(0, 4, 300).astype(np.int8),
        np.arange(300),
    )
    # Every first place occurs equally often for every number of copies.
    first = np.tile(np.arange(5), 60)
    wanted, copies = np.repeat(rng.dirichlet(np.ones(60)) / 5, 5), np.repeat(copies[:60], 5)
    full = np.full(300, 1)
    for away in range(6):
        seen = [
            wanted[is_reachable(copies, first, full * 5, full * away, full * turned)].sum()
            for turned in range(5)
        ]
        assert reachable_share(wanted, copies, 5, away) == pytest.approx(np.mean(seen))


def test_a_layout_is_in_balance_when_every_appliance_does_the_same() -> None:
    wanted = np.array([0.5, 0.5])
    assert balance(wanted, np.array([1, 1], np.int8), np.array([0, 1]), 2) == 1.0
    assert balance(wanted, np.array([1, 1], np.int8), np.array([0, 0]), 2) == 0.5
    assert balance(wanted, np.array([2, 1], np.int8), np.array([0, 0]), 2) == pytest.approx(0.5 / 0.75)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), night=st.integers(0, 2_000), fails=st.floats(0, 1))
def test_a_push_keeps_to_disk_and_budget_and_a_failed_one_changes_nothing(
    seed: int, night: int, fails: float
) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 50, 200)
    appliances, region = rng.choice([1, 3], 12), rng.integers(0, 2, 12)
    budget = Budget(disk_bytes=500, night_bytes=night, away_ratio=0.05)
    before = first_holdings(rank(rng.random((2, 200)), sizes), sizes, region, appliances, budget)
    failed = rng.random(12) < fails
    after, fill = push(before, rank(rng.random((2, 200)), sizes), sizes, budget, failed.astype(float))
    held, group = after.copies[after.of_cluster].astype(int), after.of_cluster
    assert (held @ sizes <= 500 * appliances).all()
    assert (held.max(axis=1) <= appliances).all()
    assert (fill.pushed_bytes[group] <= night * appliances).all()
    assert (fill.pushed_bytes <= fill.planned_bytes).all()
    assert (held[failed] == before.copies[before.of_cluster][failed]).all()
    assert (fill.status[group][failed] == 2).all()


def test_with_budget_enough_a_push_reaches_the_plan() -> None:
    sizes, one, region = np.full(10, 10), np.array([1]), np.array([0])
    rising = np.arange(1.0, 11.0)
    enough = Budget(disk_bytes=30, night_bytes=30, away_ratio=0.02)
    first = first_holdings(rank(rising[None, :], sizes), sizes, region, one, enough)
    assert np.flatnonzero(first.copies[0]).tolist() == [7, 8, 9]
    after, fill = push(first, rank(rising[None, ::-1], sizes), sizes, enough, np.zeros(1))
    assert np.flatnonzero(after.copies[0]).tolist() == [0, 1, 2]
    assert (fill.planned_bytes.tolist(), fill.pushed_bytes.tolist()) == ([30], [30])
    slow = Budget(disk_bytes=30, night_bytes=10, away_ratio=0.02)
    later, fill = push(first, rank(rising[None, ::-1], sizes), sizes, slow, np.zeros(1))
    # What the new plan wants least makes room first.
    assert np.flatnonzero(later.copies[0]).tolist() == [0, 7, 8]
    assert fill.status.tolist() == [1]


def test_releases_are_pushed_on_the_nights_before_and_not_all_on_one() -> None:
    release_day = np.full(300, 10)
    forecast = np.full((1, 300), 2.0)
    none = np.zeros((1, 300))
    pushed = [
        int((announced(none, release_day, day, forecast=forecast, lead_days=4, seed=1) > 0).sum())
        for day in range(4, 12)
    ]
    assert pushed[0] == pushed[1] == 0
    assert (np.diff(pushed[1:6]) > 40).all()
    assert pushed[5] == 300
    known = announced(np.full((1, 300), 9.0), release_day, 12, forecast=forecast, lead_days=4, seed=1)
    assert (known == 9.0).all()


def _settled(
    scenario: Scenario, places: Places, *, edge: float = 1.0, private: float = 1.0, storage: float = 1.0,
    hit: int = 900_000, closed: int = 0, wanted: int = 4_000, surge: float = 1.0, at: slice = slice(None),
) -> tuple[Ints, Capacity, Congestion]:  # fmt: skip
    share = np.array([r.member_share for r in scenario.region.values()])[places.site_region]
    census = np.round(scenario.members * share * places.site_share).astype(np.int64)
    streams = expected_streams(scenario, places, 5, census)
    streams[at] = np.round(streams[at] * surge).astype(np.int64)
    footprint = make_footprint(scenario, places)

    def by_interval(kbps: Ints, left: float) -> Ints:
        grid = np.tile(kbps, (INTERVALS, 1))
        grid[at] = np.round(kbps * left)
        return grid

    closed_ppm = np.zeros(streams.shape, np.int64)
    closed_ppm[at] = closed
    capacity = Capacity(
        by_interval(footprint.edge_kbps, edge), by_interval(footprint.private_kbps, private),
        by_interval(footprint.public_kbps, 1.0), by_interval(footprint.storage_kbps, storage), closed_ppm,
    )  # fmt: skip
    kbps, held = np.full(len(places.sites), wanted), np.full(streams.shape, hit)
    return streams, capacity, settle(streams, kbps, held, capacity, places, scenario.delivery)


CASES: dict[str, dict[str, float]] = {
    "as planned": {},
    "edge small": {"edge": 0.1},
    "storage small": {"edge": 0.1, "storage": 0.05},
    "links gone": {"private": 0.0, "edge": 0.2},
    "streams heavy": {"wanted": 20_000},
    "closed": {"closed": 1_000_000},
}


@pytest.mark.parametrize("case", CASES)
def test_every_stream_is_somewhere_and_no_link_carries_more_than_it_can(
    scenario: Scenario, places: Places, case: str
) -> None:
    streams, capacity, found = _settled(scenario, places, **CASES[case])  # type: ignore[arg-type]
    there = found.edge_streams + found.private_streams + found.public_streams + found.elsewhere_streams
    assert (there == streams).all()
    assert min(a.min() for a in (found.edge_streams, found.private_streams, found.public_streams)) >= 0
    assert (found.edge_load_kbps <= capacity.edge_kbps).all()
    assert (found.storage_load_kbps <= capacity.storage_kbps).all()
    assert (found.public_load_kbps <= capacity.public_kbps).all()
    wanted = int(CASES[case].get("wanted", 4_000))
    private = found.private_streams.astype(np.int64) * np.minimum(found.private_cap_kbps, wanted)
    assert (private <= capacity.private_kbps).all()
    # All that the exchange's storage sends goes over one of its links.
    for exchange in range(len(places.exchanges)):
        sent = private[:, places.site_exchange == exchange].sum(axis=1) + found.public_load_kbps[:, exchange]
        assert (sent == found.storage_load_kbps[:, exchange]).all()


def test_as_planned_nobody_is_turned_away_and_nobody_is_slowed(scenario: Scenario, places: Places) -> None:
    _, _, found = _settled(scenario, places)
    assert (found.edge_ppm == 1_000_000).all()
    assert found.elsewhere_streams.sum() == 0
    assert min(found.private_cap_kbps[:, places.site_is_private].min(), found.public_cap_kbps.min()) > 4_000


def test_a_full_edge_sends_sessions_on_and_a_full_exchange_slows_those_there(
    scenario: Scenario, places: Places
) -> None:
    evening = slice(INTERVALS_A_DAY // 2, INTERVALS_A_DAY // 2 + 8)
    _, _, found = _settled(scenario, places, edge=0.2, at=evening)
    assert (found.edge_ppm[evening] < 1_000_000).mean() > 0.2
    assert found.private_streams[evening].sum() > 0
    _, _, full = _settled(scenario, places, edge=0.2, storage=0.05, at=evening)
    assert full.public_cap_kbps[evening].min() < 4_000
    assert full.elsewhere_streams.sum() > found.elsewhere_streams.sum()
    # Before it happens nothing of it is felt.
    assert (full.public_cap_kbps[: evening.start] >= 4_000).all()


def test_reports_are_a_quarter_hour_old_so_a_surge_is_felt_before_it_is_steered_away(
    scenario: Scenario, places: Places
) -> None:
    begins = INTERVALS_A_DAY // 2
    _, _, found = _settled(scenario, places, surge=6.0, hit=0, at=slice(begins, begins + 6))
    private = np.where(places.site_is_private)[0]
    slowed = (found.private_cap_kbps[:, private] < 4_000).mean(axis=1)
    assert slowed[begins - 1] < slowed[begins]
    sent = found.private_ppm[:, private].mean(axis=1)
    assert sent[begins] == pytest.approx(sent[begins - 1], abs=1e5)  # not yet known
    assert sent[begins + 1] < 0.5 * sent[begins]


def test_an_edge_without_its_control_plane_keeps_its_streams_and_takes_no_new_ones(
    scenario: Scenario, places: Places
) -> None:
    at = slice(INTERVALS_A_DAY // 2, INTERVALS_A_DAY // 2 + 3)
    _, _, usual = _settled(scenario, places)
    _, _, closed = _settled(scenario, places, closed=1_000_000, at=at)
    assert (closed.edge_ppm[at] == 0).all()
    left = closed.edge_streams[at].sum(axis=1) / usual.edge_streams[at].sum(axis=1)
    assert (np.diff(left) < 0).all()
    assert 0 < left[-1] < left[0] < 1


def test_a_withdrawn_link_is_empty_at_once(scenario: Scenario, places: Places) -> None:
    at = slice(INTERVALS_A_DAY // 2, INTERVALS_A_DAY // 2 + 3)
    _, _, found = _settled(scenario, places, private=0.0, hit=500_000, at=at)
    assert found.private_streams[at].sum() == 0
    assert found.private_streams[: at.start].sum() > 0
    assert found.public_streams[at].sum() > 0


def test_demand_peaks_in_the_local_evening(scenario: Scenario, places: Places) -> None:
    streams = expected_streams(scenario, places, 0, np.full(len(places.sites), 1_000_000))[:INTERVALS_A_DAY]
    utc_hour = streams.argmax(axis=0) / 4
    local = (utc_hour + places.utc_offset_ms / 3_600_000) % 24
    assert ((local > 19) & (local < 22)).all()
    # Mean concurrency over the day is members x hours a day / 24.
    expected = 1_000_000 * scenario.demand.hours_per_member_day * scenario.demand.weekly[0] / 24
    assert streams.mean(axis=0) == pytest.approx(np.full(len(places.sites), expected), rel=0.01)


def test_the_manifest_is_walked_in_order() -> None:
    is_open = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 1]], np.bool_)
    ranked = steering.rank(is_open)
    assert ranked.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 3, 1], [1, 2, 3, 0]]
    held = np.array([True, False, True, True])
    can = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]], np.bool_)
    route, miss = resolve(ranked, can, held)
    assert route.tolist() == [EMBEDDED, PRIVATE, PUBLIC, PRIVATE]
    assert miss.tolist() == [HIT, CONTENT_MISS, HEALTH_MISS, HEALTH_MISS]
    full, _ = resolve(ranked, can & np.array([True, False, False, True]), held)
    assert full.tolist() == [EMBEDDED, THIRD_PARTY, THIRD_PARTY, THIRD_PARTY]
    third, miss = resolve(steering.rank(is_open, third_party_first=True), can, held)
    assert (third == THIRD_PARTY).all()
    assert (miss == OTHER).all()


def test_congestion_that_never_was_has_no_cap(scenario: Scenario, places: Places) -> None:
    streams = np.zeros((INTERVALS, len(places.sites)), np.int64)
    footprint = make_footprint(scenario, places)
    grids = [
        np.tile(k, (INTERVALS, 1))
        for k in (footprint.edge_kbps, footprint.private_kbps, footprint.public_kbps, footprint.storage_kbps)
    ]
    capacity = Capacity(grids[0], grids[1], grids[2], grids[3], np.zeros_like(streams))
    found = settle(
        streams,
        np.full(len(places.sites), 4_000),
        np.zeros_like(streams),
        capacity,
        places,
        scenario.delivery,
    )
    assert (found.public_cap_kbps == UNLIMITED_KBPS).all()
    assert found.storage_load_kbps.sum() == 0
