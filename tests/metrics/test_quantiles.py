"""The sketch: within 1 % of the exact quantile on any data, the same bucket however it is found, mergeable."""

from __future__ import annotations

from fractions import Fraction

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.quantiles import (
    RELATIVE_ERROR,
    bucket_bounds,
    bucket_of,
    quantile_of_buckets,
    quantile_without_each,
    with_bucket,
)

VALUES = st.one_of(
    st.integers(0, 2_000),
    st.integers(0, 2**53 - 1),
    # Adversarial: at and around the borders where the width of a bucket doubles.
    st.builds(lambda e, d: max(0, 2**e + d), st.integers(0, 52), st.integers(-2, 2)),
)
WEIGHTS = st.integers(1, 10**9)
QUANTILES = st.sampled_from(
    [Fraction(1, 2), Fraction(9, 10), Fraction(99, 100), Fraction(1, 1000), Fraction(1)]
)


def sketched(values: list[int], weights: list[int], **columns: list[int]) -> pl.DataFrame:
    frame = nw.from_native(pl.LazyFrame({"value": values, "weight": weights, **columns}))
    found: pl.DataFrame = with_bucket(frame, nw.col("value"), "bucket").to_native().collect()
    return found


def exact(values: list[int], weights: list[int], quantile: Fraction) -> int:
    whole, reached = sum(weights), 0
    for value, weight in sorted(zip(values, weights, strict=True)):
        reached += weight
        if reached * quantile.denominator >= whole * quantile.numerator:
            return value
    raise AssertionError


@given(VALUES)
def test_the_engines_bucket_is_the_definitions(value: int) -> None:
    assert sketched([value], [1])["bucket"].item() == bucket_of(value)


@given(VALUES)
def test_a_bucket_holds_its_value_and_is_narrow(value: int) -> None:
    low, high = bucket_bounds(bucket_of(value))
    assert low <= value <= high
    assert high - low <= low * RELATIVE_ERROR
    assert bucket_of(low) == bucket_of(high) == bucket_of(value)


@given(st.lists(VALUES, min_size=2, max_size=50))
def test_buckets_keep_the_order_of_values(values: list[int]) -> None:
    buckets = [bucket_of(value) for value in sorted(values)]
    assert buckets == sorted(buckets)


@given(st.lists(st.tuples(VALUES, WEIGHTS), min_size=1, max_size=60), QUANTILES)
def test_a_quantile_is_within_one_percent(rows: list[tuple[int, int]], quantile: Fraction) -> None:
    values, weights = [v for v, _ in rows], [w for _, w in rows]
    frame = sketched(values, weights)
    found = quantile_of_buckets(frame, quantile, bucket="bucket", weight="weight")["value"].item()
    truth = exact(values, weights, quantile)
    assert abs(found - truth) <= truth * 0.01


@given(st.lists(st.tuples(VALUES, WEIGHTS, st.integers(0, 2)), min_size=1, max_size=40), QUANTILES)
def test_merging_sketches_is_adding_weights(rows: list[tuple[int, int, int]], quantile: Fraction) -> None:
    values, weights, shards = ([row[i] for row in rows] for i in range(3))
    frame = sketched(values, weights, shard=shards)
    parts = [
        frame.filter(pl.col("shard") == s).group_by("bucket").agg(pl.col("weight").sum()) for s in (2, 0, 1)
    ]
    whole = quantile_of_buckets(frame, quantile, bucket="bucket", weight="weight")
    assert quantile_of_buckets(pl.concat(parts), quantile, bucket="bucket", weight="weight").equals(whole)


@given(st.lists(st.tuples(VALUES, WEIGHTS, st.integers(0, 3)), min_size=1, max_size=40))
def test_a_quantile_without_a_group_is_that_of_the_others(rows: list[tuple[int, int, int]]) -> None:
    values, weights, groups = ([row[i] for row in rows] for i in range(3))
    frame = sketched(values, weights, group=groups)
    half = Fraction(1, 2)
    without = quantile_without_each(frame, half, bucket="bucket", weight="weight", group="group", groups=4)
    assert without["group"].to_list() == [0, 1, 2, 3]
    for group, found in without.iter_rows():
        rest = frame.filter(pl.col("group") != group)
        expected = quantile_of_buckets(rest, half, bucket="bucket", weight="weight")["value"].to_list()
        assert [found] == (expected or [None])


def test_groups_are_apart_and_an_unknown_one_is_a_group() -> None:
    frame = pl.DataFrame(
        {"region": ["a", "a", None, "b"], "bucket": [10, 20, 30, 40], "weight": [1, 1, 5, 0]}
    )
    found = quantile_of_buckets(frame, Fraction(1, 2), bucket="bucket", weight="weight", by=["region"])
    assert dict(found.iter_rows()) == {"a": 10.0, None: 30.0}


@pytest.mark.parametrize("by", [[], ["region"]])
def test_nothing_has_no_quantile(by: list[str]) -> None:
    frame = pl.DataFrame(schema={"region": pl.String, "bucket": pl.Int64, "weight": pl.Int64})
    assert quantile_of_buckets(frame, Fraction(1, 2), bucket="bucket", weight="weight", by=by).is_empty()


def merged(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    both = pl.concat([one, other]).group_by("bucket").agg(pl.col("weight").sum())
    return both.sort("bucket")


SKETCH = st.lists(st.tuples(VALUES, WEIGHTS), min_size=1, max_size=15).map(
    lambda rows: sketched([v for v, _ in rows], [w for _, w in rows]).select("bucket", "weight")
)


@given(SKETCH, SKETCH, SKETCH)
def test_merging_is_associative_and_commutative(a: pl.DataFrame, b: pl.DataFrame, c: pl.DataFrame) -> None:
    assert merged(a, b).equals(merged(b, a))
    assert merged(merged(a, b), c).equals(merged(a, merged(b, c)))
