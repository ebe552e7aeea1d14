"""Distributions and in what selections of them differ: known answers, identities, planted truth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dashboards.differences import differences
from dashboards.distribution import DIMENSIONS, MEASURES, Measure, Sessions, cells, grain_of, sessions_of
from dashboards.window import Box, Window

Flags = NDArray[np.bool_]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WINDOW = Window(0, 2 * DAY_MS)


def sessions(n: int = 4, **columns: object) -> Sessions:
    """``n`` sessions an hour apart, a second to start, each of another subscriber; ``columns`` in place of that."""
    base: dict[str, object] = {
        "end_ts_ms": [i * HOUR_MS for i in range(n)], "weight": [1] * n, "replicate": [i % 32 for i in range(n)],
        **{name: [1_000.0] * n for name in MEASURES}, **{name: ["a"] * n for name in DIMENSIONS},
    }  # fmt: skip
    types = dict.fromkeys(DIMENSIONS, pl.String) | dict.fromkeys(MEASURES, pl.Float64)
    return sessions_of(pl.DataFrame(base | columns, schema_overrides=types))


@pytest.mark.parametrize("of", MEASURES.values(), ids=MEASURES)
def test_every_value_is_in_one_bucket_between_its_edges(of: Measure) -> None:
    assert (np.diff(of.edges) > 0).all()
    found = of.bucket(np.array([of.edges[0] / 2, of.edges[0], of.edges[-1], of.edges[-1] * 9, np.nan]))
    assert found.tolist() == [of.has_none, of.has_none + 1, of.size - 1, of.size - 1, -1]
    labels = [of.label(i) for i in range(of.size)]
    assert len(set(labels)) == len(labels)


def test_a_promise_is_an_edge() -> None:
    startup = MEASURES["startup"]
    bucket = startup.bucket(np.array([1_999.0, 2_000.0]))
    assert bucket[1] == bucket[0] + 1
    assert startup.label(int(bucket[1])).startswith("2 s to")
    assert "2 s" in startup.ticks().values()


def test_none_is_a_bucket_of_its_own() -> None:
    stalled = MEASURES["stalled"]
    assert stalled.bucket(np.array([0.0, 1.0])).tolist() == [0, 1]
    assert (stalled.label(0), stalled.span(0, 0), stalled.span(1, stalled.size - 1)) == (
        "none",
        "none",
        "any",
    )


def test_a_span_of_buckets_in_words() -> None:
    startup = MEASURES["startup"]
    first = int(startup.bucket(np.array([2_000.0]))[0])
    assert startup.span(first, startup.size - 1) == "2 s and more"
    assert startup.span(first, first + 2) == "2 s to 4 s"
    assert startup.span(0, first - 1) == "under 2 s"


def test_cells_count_by_time_and_value() -> None:
    sample = sessions(
        4, end_ts_ms=[0, 1, DAY_MS, DAY_MS], startup=[100.0, 100.0, 100.0, 5_000.0], weight=[1, 3, 1, 1]
    )  # fmt: skip
    found = cells(sample, "startup", Window(0, 100 * DAY_MS))
    assert grain_of(100 * DAY_MS) == DAY_MS
    assert found["ts_ms"].to_list() == [0, DAY_MS, DAY_MS]
    assert found["weight"].to_list() == [4.0, 1.0, 1.0]
    assert found["n"].to_list() == [2, 1, 1]
    assert found["share"].to_list() == [1.0, 0.5, 0.5]


@given(st.lists(st.tuples(st.integers(0, 2 * DAY_MS - 1), st.floats(1, 1e6)), min_size=1, max_size=50))
def test_cells_leave_no_session_out(rows: list[tuple[int, float]]) -> None:
    stamps, values = zip(*rows, strict=True)
    found = cells(sessions(len(rows), end_ts_ms=list(stamps), startup=list(values)), "startup", WINDOW)
    assert found["n"].sum() == len(rows)
    assert found.group_by("ts_ms").agg(pl.col("share").sum())["share"].to_list() == pytest.approx(
        [1.0] * found["ts_ms"].n_unique()
    )


def test_a_heatmap_has_at_most_a_hundred_columns() -> None:
    for days in (1, 7, 30, 91, 400):
        assert days * DAY_MS / grain_of(days * DAY_MS) <= 100


def test_unknown_is_in_no_cell_and_in_no_box() -> None:
    sample = sessions(2, startup=[None, 3_000.0])
    assert cells(sample, "startup", WINDOW)["n"].sum() == 1
    assert sample.inside("startup", Box(WINDOW, 0, 99)).tolist() == [False, True]


def test_dimensions_keep_their_values_and_what_is_unknown() -> None:
    sample = sessions(3, isp=["z", None, "b"])
    assert sample.names["isp"] == ("b", "z", None)
    assert sample.codes["isp"].tolist() == [1, 2, 0]


def planted(n: int, share: float, *, seed: int = 1) -> tuple[Sessions, Flags]:
    """Half of ``n`` sessions selected; ISP x has ``share`` of those and a tenth of the rest, devices are alike."""
    draw = np.random.default_rng(seed)
    selected = np.arange(n) % 2 == 0
    is_x = draw.random(n) < np.where(selected, share, 0.1)
    isps = np.where(is_x, "x", draw.choice(["y", "z"], n))
    devices = draw.choice(["tv", "web", "mobile"], n)
    sample = sessions(
        n, isp=isps.tolist(), device=devices.tolist(), replicate=draw.integers(0, 32, n).tolist(),
        weight=draw.integers(1, 4, n).tolist(),
    )  # fmt: skip
    return sample, selected


def test_what_is_more_common_in_the_selection_comes_first() -> None:
    sample, selected = planted(4_000, 0.4)
    found = differences(sample, selected)
    first = found.row(0, named=True)
    assert (first["dimension"], first["value"]) == ("isp", "x")
    assert first["difference"] == pytest.approx(0.3, abs=0.05)
    assert first["low"] < 0.3 < first["high"]
    assert set(found.filter(pl.col("sure") != 0)["dimension"]) == {"isp"}


def test_shares_and_differences_of_a_dimension_add_up() -> None:
    sample, selected = planted(4_000, 0.4)
    sums = differences(sample, selected).group_by("dimension").agg(
        pl.col("selected_share", "rest_share", "difference").sum()
    )  # fmt: skip
    assert sums["selected_share"].to_list() == pytest.approx([1.0] * sums.height)
    assert sums["difference"].to_list() == pytest.approx([0.0] * sums.height, abs=1e-12)


def test_a_dimension_with_one_value_says_nothing() -> None:
    sample, selected = planted(400, 0.5)
    assert set(differences(sample, selected)["dimension"]) == {"isp", "device"}


def test_where_nothing_differs_nothing_is_sure_nine_times_in_ten() -> None:
    alarms = 0
    for seed in range(60):
        sample, selected = planted(600, 0.1, seed=seed)
        alarms += bool((differences(sample, selected)["sure"] != 0).any())
    assert alarms <= 10  # 6 are expected; more than 10 of 60 has a probability of 3 %


def test_one_viewer_s_many_sessions_are_no_evidence() -> None:
    # 500 sessions of one subscriber in a selection of 1,000: a tenth of the rest is of the same ISP, by chance.
    sample, selected = planted(2_000, 0.1)
    replicate, isp = sample.replicate.copy(), sample.codes["isp"].copy()
    one = np.flatnonzero(selected)[:500]
    replicate[one], isp[one] = 0, sample.names["isp"].index("x")
    clustered = Sessions(
        sample.ts_ms, sample.weight, replicate, sample.values, {**sample.codes, "isp": isp}, sample.names
    )  # fmt: skip
    apart = Sessions(
        sample.ts_ms, sample.weight, sample.replicate, sample.values, {**sample.codes, "isp": isp}, sample.names
    )  # fmt: skip
    of_x = (pl.col("dimension") == "isp") & (pl.col("value") == "x")
    assert differences(apart, selected).filter(of_x)["sure"][0] > 0.3
    assert differences(clustered, selected).filter(of_x)["sure"][0] == 0


@pytest.mark.parametrize("selected", [[True] * 4, [False] * 4])
def test_one_empty_side_has_no_difference(selected: list[bool]) -> None:
    sample = sessions(4, isp=["a", "b", "a", "b"])
    assert differences(sample, np.array(selected)).is_empty()


def test_a_handful_is_not_judged() -> None:
    sample = sessions(8, isp=["a", "b"] * 4)
    assert differences(sample, np.arange(8) < 4).is_empty()
