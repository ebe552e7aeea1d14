"""Cache policies: equal to the peer, to answers worked out by hand, and to plain models of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import InputError
from synthetic.arrays import Floats, Ints
from synthetic.data_plane.cache import POLICIES, characteristic_time, lru_hit_ratio, misses, numbered
from tests.synthetic.cache_models import MODELS, optimum, reuse_distances

EXPECTED = pl.read_csv(Path(__file__).parent / "fixtures" / "cache" / "expected.csv")
ANY_ID = st.integers(-(2**63), 2**63 - 1)


def zipf(alpha: float, objects: int, requests: int, seed: int = 42) -> Ints:
    """Independent requests; the ids are ranks from 1."""
    weights = np.cumsum(popularity(alpha, objects))
    drawn = np.random.Generator(np.random.Philox(seed)).random(requests)
    return np.searchsorted(weights / weights[-1], drawn) + 1


def popularity(alpha: float, objects: int) -> Floats:
    return np.arange(1, objects + 1, dtype=np.float64) ** -alpha


@st.composite
def traces(draw: st.DrawFn, objects: int = 300, requests: int = 1500) -> list[int]:
    """Popular objects, with a scan through others between them."""
    wanted = draw(st.integers(1, objects))
    ids = zipf(
        draw(st.sampled_from([0.3, 0.8, 1.3])),
        wanted,
        draw(st.integers(1, requests)),
        draw(st.integers(0, 99)),
    )
    start, length = draw(st.integers(0, len(ids))), draw(st.integers(0, objects))
    found: list[int] = [*ids[:start].tolist(), *range(wanted + 1, wanted + 1 + length), *ids[start:].tolist()]
    return found


def count(requests: list[int], policy: str, capacity: int) -> int:
    return misses(numbered(np.array(requests)), policy, capacity)


@pytest.mark.parametrize(
    ("alpha", "objects", "requests"),
    EXPECTED.select("alpha", "objects", "requests").unique().sort("alpha").rows(),
)
def test_misses_equal_the_peer_to_the_last_one(alpha: float, objects: int, requests: int) -> None:
    trace = numbered(zipf(alpha, objects, requests))
    expected = EXPECTED.filter(alpha=alpha, objects=objects, requests=requests)
    assert set(expected["policy"]) == set(POLICIES)
    for row in expected.iter_rows(named=True):
        assert misses(trace, row["policy"], row["capacity"]) == row["misses"], row


@pytest.mark.parametrize(
    ("policy", "capacity", "requests", "expected"),
    [
        ("lru", 2, [1, 2, 1, 3, 2, 1], 5),  # 3 drops 2, which drops 1, which drops 3
        ("fifo", 2, [1, 2, 1, 3, 2, 1], 4),  # 3 drops 1 in spite of its hit, 1 drops 2
        ("lfu", 2, [1, 2, 1, 3, 2, 1], 4),  # 1 was hit and stays; 2 and 3 take turns
        ("lfu", 2, [1, 2, 2, 1, 3, 1, 2], 4),  # of equals, 2 waits longer for a hit than 1
        ("lfu", 2, [1, 1, 1, 2, 3, 2, 3], 5),  # what went is forgotten: its hits begin at 0 again
        ("sieve", 2, [1, 2, 1, 3, 2, 1], 5),  # the hand spares 1 once, then takes it, then 3
        ("sieve", 3, [1, 2, 3, 1, 2, 4, 1, 5, 2], 6),  # 4 drops 3; 5 finds 1 hit again and drops 2
        ("s3fifo", 3, [1, 2, 3, 4, 1, 4, 3, 2, 1, 4, 3], 8),  # the ghost brings 1 and 4 back into the main queue
        ("wtinylfu", 2, [1, 2, 3, 1, 2, 1], 4),  # 1 comes first into the main cache, and nothing is wanted more
        ("belady", 2, [1, 2, 1, 3, 2, 1], 4),  # 3 drops 1, asked for later than 2
        ("belady", 2, [1, 2, 3, 1, 2, 3, 1, 2, 3], 6),
        *[(policy, 1, [1, 1, 2, 2, 1, 1], 3) for policy in POLICIES],
        *[(policy, 3, [7], 1) for policy in POLICIES],
    ],
)  # fmt: skip
def test_answers_worked_out_by_hand(policy: str, capacity: int, requests: list[int], expected: int) -> None:
    assert count(requests, policy, capacity) == expected
    assert MODELS[policy](requests, capacity) == expected


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=25)
@given(requests=traces(), capacity=st.integers(1, 250))
def test_agrees_with_a_plain_model(policy: str, requests: list[int], capacity: int) -> None:
    assert count(requests, policy, capacity) == MODELS[policy](requests, capacity)


@pytest.mark.parametrize("policy", POLICIES)
@given(requests=st.lists(st.integers(0, 9), min_size=1, max_size=60), capacity=st.integers(1, 11))
def test_agrees_with_a_plain_model_in_a_tiny_cache(policy: str, requests: list[int], capacity: int) -> None:
    assert count(requests, policy, capacity) == MODELS[policy](requests, capacity)


@given(requests=st.lists(st.integers(0, 5), min_size=1, max_size=16), capacity=st.integers(1, 4))
def test_belady_is_the_best_of_all_ways_to_make_room(requests: list[int], capacity: int) -> None:
    assert count(requests, "belady", capacity) == optimum(requests, capacity)


@settings(max_examples=50)
@given(requests=traces(), capacity=st.integers(1, 250))
def test_belady_is_never_beaten(requests: list[int], capacity: int) -> None:
    best = count(requests, "belady", capacity)
    assert all(best <= count(requests, policy, capacity) for policy in POLICIES)


@settings(max_examples=25)
@given(requests=traces(objects=60, requests=300))
def test_an_lru_holds_all_that_a_smaller_one_holds(requests: list[int]) -> None:
    """So that it hits exactly the requests whose object was asked for within its capacity of others."""
    distances = np.array(reuse_distances(requests))
    for capacity in range(1, 125):
        assert count(requests, "lru", capacity) == np.sum(distances >= capacity)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=25)
@given(requests=traces(), spare=st.integers(0, 2**70))
def test_where_everything_fits_each_object_is_missed_once(
    policy: str, requests: list[int], spare: int
) -> None:
    distinct = len(set(requests))
    assert count(requests, policy, distinct + spare) == distinct


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "wtinylfu"])
@given(ids=st.lists(ANY_ID, min_size=6, max_size=6, unique=True), capacity=st.integers(1, 6))
def test_an_id_is_only_a_name(policy: str, ids: list[int], capacity: int) -> None:
    requests = zipf(0.5, 6, 100) - 1
    renamed = np.array(ids, np.int64)[requests]
    assert misses(numbered(renamed), policy, capacity) == misses(numbered(requests), policy, capacity)


@given(ids=st.lists(ANY_ID, min_size=1, max_size=40))
def test_numbers_stand_for_the_ids_they_were(ids: list[int]) -> None:
    trace = numbered(np.array(ids, np.int64))
    assert trace.keys[trace.requests].view(np.int64).tolist() == ids
    assert trace.distinct == len(set(ids)) <= trace.objects


@pytest.mark.parametrize("capacity", [7, 130])
def test_the_sketch_forgets_what_was_popular(capacity: int) -> None:
    """Long enough to halve the counters many times, with a popularity that turns round half way."""
    ranks = zipf(0.9, 400, 30_000)
    requests: list[int] = np.where(np.arange(30_000) < 15_000, ranks, 401 - ranks).tolist()
    assert count(requests, "wtinylfu", capacity) == MODELS["wtinylfu"](requests, capacity)


def test_the_sketch_hashes_any_id() -> None:
    ids = [-(2**63), 2**63 - 1, -1, 5, 10**12] * 3
    for capacity in (1, 2, 3, 4):
        assert count(ids, "wtinylfu", capacity) == MODELS["wtinylfu"]([id_ % 2**64 for id_ in ids], capacity)


@pytest.mark.parametrize(
    ("policy", "capacity", "says"),
    [
        ("lruu", 2, "did you mean lru"),
        ("lru", 0, "a cache of 0 objects"),
        ("sieve", -1, "a cache of -1 objects"),
    ],
)
def test_a_cache_that_cannot_be_is_refused(policy: str, capacity: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        count([1], policy, capacity)


@pytest.mark.parametrize("alpha", [0.7, 1.1])
@pytest.mark.parametrize("capacity", [100, 1000])
def test_che_agrees_with_a_simulated_lru(alpha: float, capacity: int) -> None:
    rates = popularity(alpha, 5000)
    trace = numbered(zipf(alpha, 5000, 1_000_000))
    simulated = 1 - misses(trace, "lru", capacity) / len(trace.requests)
    assert rates @ lru_hit_ratio(rates, np.ones(5000), capacity) / rates.sum() == pytest.approx(
        simulated, abs=0.003
    )


def test_che_agrees_with_a_simulated_lru_of_bytes() -> None:
    rates, sizes = popularity(0.9, 3000), np.random.default_rng(1).lognormal(0, 1, 3000)
    capacity, held = float(sizes.sum() / 8), 0.0
    cache: dict[int, float] = {}
    hits = np.zeros(3000)
    requests = zipf(0.9, 3000, 300_000) - 1
    for item in requests.tolist():
        hits[item] += item in cache
        held += sizes[item] if item not in cache else 0
        cache[item] = cache.pop(item, sizes[item])
        while held > capacity:
            held -= cache.pop(next(iter(cache)))
    expected = lru_hit_ratio(rates, sizes, capacity)
    asked = np.bincount(requests, minlength=3000)
    assert hits.sum() / asked.sum() == pytest.approx(rates @ expected / rates.sum(), abs=0.003)
    for some in (slice(10), slice(10, 100), slice(100, 1000), slice(1000, 3000)):
        share = (asked * expected)[some].sum() / asked[some].sum()
        assert hits[some].sum() / asked[some].sum() == pytest.approx(share, abs=0.01)


@given(
    st.lists(st.tuples(st.floats(1e-9, 1e9), st.floats(1e-3, 1e12)), min_size=1, max_size=50),
    st.floats(1e-6, 1 - 1e-6),
)
def test_in_the_characteristic_time_the_cache_fills(objects: list[tuple[float, float]], share: float) -> None:
    rates, sizes = np.array(objects).T
    time = characteristic_time(rates, sizes, share * sizes.sum())
    assert np.sum(sizes * -np.expm1(-rates * time)) == pytest.approx(share * sizes.sum(), rel=1e-9)


def test_the_characteristic_time_of_equals_is_known() -> None:
    """n (1 - exp(-T)) = C."""
    assert characteristic_time(np.ones(10), np.ones(10), 4) == pytest.approx(-np.log(0.6), rel=1e-14)


def test_the_characteristic_time_at_its_ends() -> None:
    rates, sizes = np.array([2.0, 1.0, 0.0]), np.array([3.0, 4.0, 100.0])
    assert characteristic_time(rates, sizes, 7) == np.inf
    assert lru_hit_ratio(rates, sizes, 7).tolist() == [1, 1, 0]
    assert characteristic_time(rates, sizes, 0) == 0
    assert lru_hit_ratio(rates, sizes, 0).tolist() == [0, 0, 0]
    assert 0 < characteristic_time(rates, sizes, np.nextafter(7, 0)) < np.inf


@pytest.mark.parametrize(
    ("rates", "sizes", "capacity", "says"),
    [
        ([1, 2], [1], 1, "shape"),
        ([[1]], [[1]], 1, "shape"),
        ([-1], [1], 1, "rates negative"),
        ([1], [np.nan], 1, "sizes negative"),
        ([np.inf], [1], 1, "rates negative"),
        ([1], [1], -1, "a cache of -1"),
        ([1], [1], np.nan, "a cache of nan"),
    ],
)
def test_rates_and_sizes_that_cannot_be_are_refused(
    rates: list[float], sizes: list[float], capacity: float, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        lru_hit_ratio(rates, sizes, capacity)
