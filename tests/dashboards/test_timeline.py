"""Sessions as spans: what events say, and what totals say where there are no events."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from dashboards.timeline import levels_of, spans_of, spans_of_totals

START = 1_775_001_600_000
KINDS = ("play", "started", "bitrate", "stall", "resume", "pause", "seek", "error", "end", "request")


def events(*rows: tuple[str, str | None, int, int | None]) -> pl.DataFrame:
    """Rows of (event, state, ms since the start, bitrate)."""
    return pl.DataFrame(
        [
            {"event": e, "state": s, "ts_ms": START + at, "sequence": i, "bitrate_kbps": rate, "throughput_kbps": None}
            for i, (e, s, at, rate) in enumerate(rows)
        ],
        schema={"event": pl.String, "state": pl.String, "ts_ms": pl.Int64, "sequence": pl.Int64,
                "bitrate_kbps": pl.Int64, "throughput_kbps": pl.Int64},
    )  # fmt: skip


SESSION = events(
    ("play", "s", 0, None), ("started", "p", 800, 3_000), ("stall", "r", 10_000, None), ("resume", "p", 12_000, 1_000),
    ("request", None, 15_000, 1_000), ("pause", "a", 20_000, None), ("end", "e", 30_000, None),
)  # fmt: skip


def test_an_event_holds_until_the_next() -> None:
    assert spans_of(SESSION, START, START + 30_000).rows() == [
        ("starting", 0, 800), ("playing", 800, 10_000), ("stalled", 10_000, 12_000), ("playing", 12_000, 20_000),
        ("paused", 20_000, 30_000),
    ]  # fmt: skip


def test_events_without_states_say_the_same() -> None:
    bare = SESSION.with_columns(state=pl.lit(None, pl.String))
    assert spans_of(bare, START, START + 30_000).equals(spans_of(SESSION, START, START + 30_000))


def test_a_log_that_breaks_off_holds_its_last_state() -> None:
    assert spans_of(SESSION.head(2), START, START + 5_000).rows()[-1] == ("playing", 800, 5_000)


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(-50, 500)), max_size=20), st.integers(0, 400))
def test_spans_fill_the_session_without_gap_or_overlap(rows: list[tuple[str, int]], length: int) -> None:
    found = spans_of(events(*((kind, None, at, None) for kind, at in rows)), START, START + length)
    assert found["start_ms"].to_list() == [0, *found["end_ms"].to_list()][: found.height]
    assert (found["end_ms"][-1] if found.height else 0) == length
    assert (found["end_ms"] > found["start_ms"]).all()


def test_levels_are_where_they_change() -> None:
    (rate,) = levels_of(SESSION, START).values()
    assert rate.rows() == [(800, 3_000), (12_000, 1_000)]
    assert levels_of(SESSION.head(1), START) == {}


def test_totals_stand_end_to_end() -> None:
    row = {"waited_ms": 800, "playing_ms": 9_000, "stall_ms": 0, "seeking_ms": None, "paused_ms": 200}
    assert spans_of_totals(row).rows() == [
        ("starting", 0, 800), ("playing", 800, 9_800), ("paused", 9_800, 10_000),
    ]  # fmt: skip
