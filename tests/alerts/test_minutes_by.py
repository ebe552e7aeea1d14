"""Minutes in memory against rows: of any slice and period the same counts, and the same alerts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import names
from alerts.counts import minutes_of
from alerts.evaluate import columns_of, evaluate_all, fired
from alerts.minutes_by import minutes_by
from alerts.slo import load
from tests.alerts.frames import T0, minute_counts

OBJECTIVES = {objective.name: objective for objective in load()}
VALUES = {
    "region": ("mena", "europe", None),
    "device": ("tv", "phone", None),
    "cdn": ("own", "third_party", None),
}
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5000),
        *(st.sampled_from(VALUES[name]) for name in names.SLICES),
        st.integers(0, 400),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=60,
)
SLICES = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.sampled_from([*(v for v in values if v), "nowhere"]), min_size=1, max_size=2)
        for name, values in VALUES.items()
    },
)


@given(
    rows=ROWS,
    where=SLICES,
    weight=st.sampled_from([1, 7, 22_215, 2**33]),
    first=st.integers(-100, 4000),
    length=st.integers(1, 3000),
)
@settings(max_examples=100, deadline=None)
def test_minutes_in_memory_fire_as_rows_do(
    rows: list[tuple[int, str | None, str | None, str | None, int, int]],
    where: Mapping[str, list[str]],
    weight: int,
    first: int,
    length: int,
) -> None:
    minutes, *places, starts, stalls = zip(*rows, strict=True)
    frame = minute_counts(
        np.array(minutes), starts=np.array(starts) * weight, first_stalls=np.array(stalls) * weight,
        attempts=np.array(starts) * weight, attempts_weight_squared=np.array(starts) * 3,
    )  # fmt: skip
    own = {name: pl.Series(told, dtype=pl.String) for name, told in zip(names.SLICES, places, strict=True)}
    frame = frame.with_columns(**own)
    objectives = [OBJECTIVES["rebuffering-sessions"], OBJECTIVES["start-failures"]]
    columns = columns_of(objectives)
    start, end = T0 + first * 60_000, T0 + (first + length) * 60_000
    held = minutes_by(frame, columns).minutes(where, start, end)
    within = frame.filter(pl.col("ts_ms") >= start, pl.col("ts_ms") < end)
    for name, values in where.items():
        within = within.filter(pl.col(name).is_in(values))
    if within.is_empty():
        assert held is None
        return
    assert held is not None
    dense = minutes_of(within, columns, end)
    assert (held.start_ts_ms, held.length) == (dense.start_ts_ms, dense.length)
    unread = minutes_of(within.lazy(), columns, end)
    for column in columns:
        np.testing.assert_array_equal(held.counts[column], dense.counts[column])
        np.testing.assert_array_equal(unread.counts[column], dense.counts[column])
    whole = evaluate_all(objectives, within, end_ts_ms=end)
    for one, other in zip(fired(objectives, held), whole, strict=True):
        assert one.episodes.equals(other.episodes)


def test_what_nothing_is_known_of_is_found_where_it_is_asked_for() -> None:
    frame = minute_counts(np.array([0, 1, 2]), starts=5).with_columns(
        region=pl.Series(["mena", None, None], dtype=pl.String)
    )
    held = minutes_by(frame, ["starts"]).minutes({"region": [None]}, T0, T0 + 600_000)
    assert held is not None
    assert (held.start_ts_ms, held.counts["starts"].tolist()) == (T0 + 60_000, [5, 5])


def test_a_panel_is_held_in_a_byte_a_minute() -> None:
    """Counts of one weight are multiples of it; what is seldom stands by itself."""
    many = np.arange(10_000)
    seldom = np.where(many % 1000 == 0, 22_215, 0)
    frame = minute_counts(many, starts=22_215 * (1 + many % 20), first_stalls=seldom).with_columns(
        region=pl.lit("mena")
    )
    counts = minutes_by(frame, ["starts", "first_stalls"]).counts
    assert [one.times.nbytes for one in counts["starts"]] == [10_000, 10_000]
    assert [one.times.nbytes for one in counts["first_stalls"]] == [10, 10]
