"""Figures of quality by hand: what counts as caught, as false, as let go of, and how sure each figure is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.cases import CASES
from alerts.quality import Judged, compared, judge_pages, quality


def _incidents(*rows: tuple[int, int, int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [(series, start, end, "step", share) for series, start, end, share in rows],
        schema=CASES,
        orient="row",
    )


def _runs(*rows: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def test_what_is_caught_when_and_what_is_false() -> None:
    incidents = _incidents((0, 100, 200, 0.1), (0, 1000, 1100, 0.01), (1, 100, 200, 0.1))
    runs = _runs(
        (0, 104, 150),  # 100–200: detected at the end of minute 104, five minutes in
        (0, 190, 205),  # the same page again; let go of five minutes after the end
        (0, 500, 510),  # of nothing
        (0, 540, 545),  # the same nothing: half an hour later
        (0, 990, 1050),  # began before the incident: false, and the incident is not caught by it
        (1, 230, 240),  # began within the hour after: of the incident, and too late to catch it
    )
    judged = judge_pages(runs, incidents, days=2.0)
    assert judged.incidents["caught"].to_list() == [True, False, False]
    assert judged.incidents["detect_minutes"].to_list() == [5.0, np.inf, np.inf]
    assert judged.incidents["reset_minutes"].to_list() == [5.0, None, 40.0]
    assert judged.pages.rows() == [
        (0, 104, 205, False),
        (0, 500, 545, True),
        (0, 990, 1050, True),
        (1, 230, 240, False),
    ]
    row = quality(judged).row(0, named=True)
    assert (row["recall"], row["precision"], row["false_pages_per_30d"]) == (1 / 3, 0.5, 30.0)
    # The median of one caught and two missed lies among the missed.
    assert row["detect_minutes"] is None
    by = quality(judged, "bad_ratio")
    assert by["bad_ratio"].to_list() == [None, 0.01, 0.1]
    assert by["recall"].to_list() == [1 / 3, 0.0, 0.5]
    assert by["false_pages"].to_list() == [2, None, None]


def test_a_page_that_still_fires_has_not_reset() -> None:
    judged = judge_pages(_runs((0, 10, 100)), _incidents((0, 5, 50, 1.0)), 1.0, open_end=100)
    assert judged.incidents["reset_minutes"].to_list() == [None]


def test_nothing_at_all_has_no_figures_and_no_false_pages() -> None:
    row = quality(judge_pages(_runs(), _incidents(), days=30.0)).row(0, named=True)
    assert row["recall"] is row["precision"] is row["detect_minutes"] is row["reset_minutes"] is None
    assert row["false_pages_per_30d"] == 0.0
    # −ln 0.05: what a month without one leaves possible at 95 % one-sided.
    assert row["false_pages_per_30d_high"] == pytest.approx(2.9957, abs=1e-4)


def test_intervals_of_textbooks() -> None:
    """Wilson 1927 of 8 in 10 at 90 %; Garwood 1936 of 5; the median of ten by order statistics 2 and 9."""
    incidents = _incidents(*((0, 1000 * i, 1000 * i + 100, 0.1) for i in range(10)))
    runs = _runs(*((0, 1000 * i + i, 1000 * i + 100) for i in range(8)))
    row = quality(judge_pages(runs, incidents, 30.0)).row(0, named=True)
    assert (row["recall_low"], row["recall_high"]) == pytest.approx((0.5408, 0.9314), abs=2e-4)
    assert (row["detect_minutes_low"], row["detect_minutes"], row["detect_minutes_high"]) == (2.0, 5.0, None)
    false = judge_pages(_runs(*((0, 5000 * i, 5000 * i + 1) for i in range(5))), _incidents(), 30.0)
    row = quality(false).row(0, named=True)
    assert (row["false_pages_per_30d_low"], row["false_pages_per_30d_high"]) == pytest.approx(
        (1.970, 10.513), abs=1e-3
    )


def test_two_policies_on_the_same_incidents() -> None:
    incidents = _incidents(*((i, 100, 200, 0.1) for i in range(5)))
    ours = judge_pages(_runs(*((i, 104, 200) for i in range(4))), incidents, 5.0)
    theirs = judge_pages(_runs((0, 109, 200), (1, 109, 200), (2, 104, 200), (4, 109, 200)), incidents, 5.0)
    row = compared(ours, theirs).row(0, named=True)
    assert (row["sooner"], row["same"], row["later"]) == (3, 1, 1)
    assert (row["caught_only_ours"], row["caught_only_theirs"]) == (1, 1)
    assert row["detect_ratio"] == 0.5
    assert row["sign_p"] == pytest.approx(10 / 16)
    backward = compared(theirs, ours).row(0, named=True)
    assert (backward["sooner"], backward["later"]) == (1, 3)
    assert backward["detect_ratio"] == 2.0


@settings(max_examples=80, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2000), st.integers(1, 300)), max_size=12),
    truths=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2000), st.integers(1, 300)), max_size=6),
)
def test_every_page_is_true_or_false_and_every_incident_caught_or_missed(
    spans: list[tuple[int, int, int]], truths: list[tuple[int, int, int]]
) -> None:
    firing = np.zeros((3, 2400), dtype=np.bool_)
    for series, start, length in spans:
        firing[series, start : start + length] = True
    from alerts.kernel import runs

    found = runs(firing)
    incidents = _incidents(*((s, start, start + length, 0.1) for s, start, length in truths))
    judged: Judged = judge_pages(found, incidents, 5.0)
    assert sum(end - begin for _, begin, end in found.tolist()) == firing.sum()
    row = quality(judged).row(0, named=True)
    assert row["false_pages"] <= row["pages"] == judged.pages.height <= len(found)
    caught = judged.incidents.filter("caught")
    assert (caught["detect_minutes"] <= caught["end_minute"] - caught["start_minute"]).all()
    assert judged.incidents.filter(~pl.col("caught"))["detect_minutes"].is_infinite().all()
