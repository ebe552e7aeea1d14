"""What Explore asks of single sessions, cached by (lake version, question): samples, the worst, one with its events.

Only the files of the days in question are opened. A distribution is seen as well in some hundred thousand sessions
as in all: beyond that every k-th is read, and the page says so.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.context import Where
from dashboards.distribution import DIMENSIONS, MEASURES, Sessions, sessions_of
from dashboards.queries import Source
from dashboards.window import Window, days_of
from metrics.lake import Lake
from metrics.period import DAY_MS
from metrics.sample import some_rows

__all__ = ["SESSION_COLUMNS", "session", "session_events", "session_sample", "worst_sessions"]

_MOST_SESSIONS = 400_000
SESSION_COLUMNS = (
    "session_id", "start_ts_ms", "end_ts_ms", "outcome", "end_reason", "waited_ms", "startup_ms", "playing_ms",
    "paused_ms", "seeking_ms", "stall_count", "stall_ms", "switch_count", "mean_bitrate_kbps", "peak_bitrate_kbps",
    "region", "country", "isp", "site", "device", "os", "player_version", "codec", "cdn", "appliance", "surface",
    "flags", "weight",
)  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=6)
def session_sample(source: Source, window: Window, where: Where) -> Sessions:
    """Counted sessions that ended in the window, at most some hundred thousand of them; read only."""
    lake = Lake.open(Path(source.path))
    snapshot = lake.snapshot("playback_session")
    sessions, each = some_rows(lake, "playback_session", days_of(snapshot.files, window))
    counted = source.measure(("attempts",), window, where=where)
    rows = int(counted["n"][0]) if counted.height else 0
    every = max(1, -(-rows // (each * _MOST_SESSIONS)))
    if every > 1:
        sessions = sessions.with_row_index("_row").filter(pl.col("_row") % every == 0)
    sessions = sessions.filter(pl.col("excluded_reason").is_null(), *_within(window, where))
    frame = sessions.select(
        "end_ts_ms", "weight", "replicate",
        *(measure.value.cast(pl.Float64).alias(name) for name, measure in MEASURES.items()),
        *(pl.col(name).cast(pl.Categorical) for name in DIMENSIONS),
    ).collect()  # fmt: skip
    return sessions_of(frame, every=each * every)


@st.cache_data(show_spinner=False, max_entries=32)
def worst_sessions(
    source: Source, window: Window, where: Where, measure: str, *, is_low_worse: bool, most: int = 50
) -> tuple[pl.DataFrame, bool]:
    """The sessions of the window that are worst by a measure, and whether their events were recorded.

    Sessions with a recorded timeline alone, if the slice has any. Columns: :data:`SESSION_COLUMNS` and ``measure``.
    """
    lake = Lake.open(Path(source.path))
    sessions = (
        lake.scan("playback_session", days_of(lake.snapshot("playback_session").files, window))
        .filter(pl.col("excluded_reason").is_null(), *_within(window, where))
        .select(*SESSION_COLUMNS, MEASURES[measure].value.cast(pl.Float64).alias("measure"))
        .filter(pl.col("measure").is_not_null())
    )
    # Events are filed by their own day: those of a session that ended early may be of the day before.
    early = Window(window.start_ts_ms - DAY_MS, window.end_ts_ms)
    events = lake.scan("playback_event", days_of(lake.snapshot("playback_event").files, early))
    recorded = events.select("session_id").unique().collect()["session_id"]
    if recorded.len():
        # A filter and no join: the other columns are then read of these rows alone.
        found = _worst(sessions.filter(pl.col("session_id").is_in(recorded.implode())), most, is_low_worse)
        if found.height:
            return found, True
    return _worst(sessions, most, is_low_worse), False


def _worst(sessions: pl.LazyFrame, most: int, is_low_worse: bool) -> pl.DataFrame:
    return sessions.sort("measure", "session_id", descending=[not is_low_worse, False]).head(most).collect()


@st.cache_data(show_spinner=False, max_entries=32)
def session(source: Source, session_id: str, window: Window) -> pl.DataFrame:
    """The row of one session that ended in the window; empty if there is none."""
    lake = Lake.open(Path(source.path))
    sessions = lake.scan("playback_session", days_of(lake.snapshot("playback_session").files, window))
    return sessions.filter(pl.col("session_id") == session_id).select(SESSION_COLUMNS).head(1).collect()


@st.cache_data(show_spinner=False, max_entries=32)
def session_events(source: Source, session_id: str, window: Window) -> pl.DataFrame:
    """The recorded events of one session that lasted over the window, in order; empty where none were."""
    lake = Lake.open(Path(source.path))
    events = lake.scan("playback_event", days_of(lake.snapshot("playback_event").files, window))
    return events.filter(pl.col("session_id") == session_id).sort("sequence").drop("day").collect()


def _within(window: Window, where: Where) -> list[pl.Expr]:
    instant = pl.col("end_ts_ms")
    bounds = [instant >= window.start_ts_ms, instant < window.end_ts_ms]
    return bounds + [pl.col(name).is_in(list(values)) for name, values in where]
