"""Parts add up: in any grouping and order to the same integers, past 64 bits, and divide to null, never NaN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from metrics import measures as m
from metrics.rollup import effective_n, merge, ratio, rollup
from tests.metrics.rows import rows, session, unstarted

PARTS = (m.attempts, m.starts, m.starts_late, m.startup_ms, m.stall_ms, m.watched_ms, m.session_gigabytes)
SESSIONS = st.builds(
    session,
    startup_ms=st.integers(0, 60_000),
    playing_ms=st.integers(0, 10**8),
    edge_bytes=st.integers(0, 10**13),
    region=st.sampled_from(["mena", "south-asia", None]),
    device=st.sampled_from(["mobile", "web"]),
    weight=st.integers(1, 10**5),
    excluded_reason=st.sampled_from([None, None, "bot"]),
)


def rolled(frame: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    found: pl.DataFrame = rollup(nw.from_native(frame.lazy()), PARTS, by).to_native().collect()
    return found.sort(by) if by else found


def merged(frame: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    found: pl.DataFrame = merge(nw.from_native(frame.lazy()), by).to_native().collect()
    return found.sort(by) if by else found


@given(st.lists(SESSIONS, max_size=20), st.integers(0, 20))
def test_rolling_up_parts_of_parts_equals_rolling_up_all(sessions: list[dict[str, Any]], cut: int) -> None:
    frame = rows("playback_session", *sessions)
    whole = rolled(frame, ["region"])
    finer = rolled(frame, ["region", "device"])
    assert merged(finer, ["region"]).equals(whole)
    assert merged(whole).equals(rolled(frame))
    # In shards, in the other order.
    shards = [rolled(frame[cut:], ["region"]), rolled(frame[:cut], ["region"])]
    assert merged(pl.concat(shards), ["region"]).equals(whole)


def test_excluded_sessions_never_count() -> None:
    frame = rows("playback_session", session(weight=3), session(weight=5, excluded_reason="bot"))
    assert rolled(frame)["attempts"].item() == 3


def test_bytes_that_overflow_64_bits_add_up() -> None:
    # 5 · 10^13 bytes, 100,000 real sessions a row, ten rows: 5 · 10^19 > 2^63.
    heavy = session(edge_bytes=5 * 10**13, weight=100_000)
    frame = rows("playback_session", *[heavy] * 10)
    assert rolled(frame)["session_gigabytes"].item() == 5 * 10**19


def test_a_panel_is_not_a_census() -> None:
    frame = rows(
        "playback_session", session(weight=100), session(weight=300), unstarted("start_failure", weight=200)
    )
    found = rolled(frame)
    assert found["n:attempts"].item() == 3
    assert found["w:attempts"].item() == 600
    assert found["w2:attempts"].item() == 100**2 + 300**2 + 200**2
    assert found["n:started"].item() == 2


def test_nothing_divided_by_nothing_is_null() -> None:
    frame = nw.from_native(pl.DataFrame({"top": [0, 3, 1], "bottom": [0, 0, 4]}))
    found = frame.select(ratio(nw.col("top"), nw.col("bottom")).alias("r"))["r"].to_list()
    assert found == [None, None, 0.25]


def test_the_effective_n_of_equal_weights_is_n() -> None:
    frame = nw.from_native(pl.DataFrame({"w": [30, 40], "w2": [300, 1000]}))
    found = frame.select(effective_n(nw.col("w"), nw.col("w2")).alias("n"))["n"].to_list()
    assert found == [3.0, 1.6]


def test_no_rows_roll_up_to_zeros() -> None:
    found = rolled(rows("playback_session"))
    assert found.height == 1
    assert set(found.row(0)) == {0}
