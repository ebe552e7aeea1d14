"""The sessions behind a metric, worst first, and one of them from the play instruction to its end."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from dashboards.charts.session import session_timeline
from dashboards.components import card, chart, colours, missing
from dashboards.distribution import MEASURES
from dashboards.formats import duration, escaped, instant, named, titled
from dashboards.lenses.distribution import measure_for
from dashboards.lenses.question import Question, forget
from dashboards.listing import Column, listing, picked
from dashboards.session_queries import session, session_events, worst_sessions
from dashboards.timeline import levels_of, spans_of, spans_of_totals
from dashboards.window import Window
from metrics.period import DAY_MS

__all__ = ["sessions"]

_LOW_IS_WORSE = ("bitrate", "playing")
_TOLD = (
    "region",
    "country",
    "isp",
    "site",
    "device",
    "os",
    "player_version",
    "codec",
    "cdn",
    "appliance",
    "surface",
)


def sessions(question: Question) -> None:
    """Draw the list, and the session of the address."""
    asked = st.query_params.get("session")
    if asked:
        _one(question, asked)
    chosen = st.segmented_control(
        "Worst by", list(MEASURES), default=measure_for(question.metric.name), required=True, key="worst",
        format_func=lambda name: MEASURES[name].title, bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    name = chosen or "startup"
    is_low_worse = name in _LOW_IS_WORSE
    with st.spinner("Reading sessions …", show_time=False):
        found, is_recorded = worst_sessions(
            question.source, question.window, question.where, name, is_low_worse=is_low_worse
        )
    order = "lowest" if is_low_worse else "highest"
    with card(
        f"Sessions, {order} {MEASURES[name].title.lower()} first",
        "click one for its timeline",
        help="Of the window and the slice, at most fifty. Events are recorded of a sample of sessions: where the slice "
        "has any of those, they alone are listed. By keyboard: arrows to a row, then Enter.",
    ):
        if found.is_empty():
            missing(
                f"No session of this slice tells {MEASURES[name].title.lower()}.",
                "Widen the period or the slice.",
            )
            return
        key = f"sessions-{name}"

        def open_one() -> None:
            row = picked(key)
            if row is not None and row < found.height:
                st.query_params["session"] = found["session_id"][row]

        listing(
            found.select(
                session="session_id",
                began=pl.Series([instant(t) for t in found["start_ts_ms"]]),
                startup="startup_ms", stalls="stall_count", stalled=pl.col("stall_ms") / 1000,
                playing=pl.col("playing_ms") / 60_000, bitrate="mean_bitrate_kbps", outcome="outcome",
                isp="isp", device=pl.Series([named(d) for d in found["device"]]),
            ),
            columns={
                "began": Column("began, UTC"), "startup": Column("time to play", "{:,.0f} ms".format),
                "stalled": Column("stalled", "{:.1f} s".format), "playing": Column("playing", "{:.1f} min".format),
                "bitrate": Column("mean bitrate", "{:,.0f} kbit/s".format), "isp": Column("ISP"),
            },
            key=key, height=420, on_pick=open_one, alt=f"Sessions, {order} {MEASURES[name].title.lower()} first",
        )  # fmt: skip
        st.caption(
            "All with a recorded timeline." if is_recorded else "No events were recorded of this slice."
        )


def _one(question: Question, session_id: str) -> None:
    found = session(question.source, session_id, question.window)
    with card("Session", f"`{escaped(session_id)}`", of=("player_state",)):
        st.button(
            "Close",
            icon=":material/close:",
            type="tertiary",
            on_click=forget,
            args=("session",),
            key="unsession",
        )
        if found.is_empty():
            missing(
                "No session of that name ended in this period.",
                "Widen the period, or choose one from the list below.",
            )
            return
        row = found.row(0, named=True)
        # The day before and after, too: clocks of players are off, and reports come late.
        lasted = Window(row["start_ts_ms"] - DAY_MS, row["end_ts_ms"] + DAY_MS)
        events = session_events(question.source, session_id, lasted)
        is_recorded = events.height > 0
        spans = (
            spans_of(events, row["start_ts_ms"], row["end_ts_ms"]) if is_recorded else spans_of_totals(row)
        )
        st.markdown(_sentence(row))
        if spans.is_empty():
            missing("Neither events nor times are told of this session.", "Ingest logs that carry CMCD.")
        else:
            marks = [(float(row["startup_ms"]), "first frame")] if row["startup_ms"] is not None else []
            chart(
                session_timeline(
                    spans, colours(), levels=levels_of(events, row["start_ts_ms"]) if is_recorded else None,
                    marks=marks if is_recorded else (),
                ),
                f"Timeline of session {session_id}", events if is_recorded else spans, key="session-timeline",
                caption="State of the player over minutes since the play instruction; below, its bitrate. "
                "Drag to look closer, double-click to go back."
                if is_recorded
                else "No events were recorded: how long each state lasted in all, not when.",
            )  # fmt: skip
        st.caption(
            " · ".join(
                f"{titled(name)} {escaped(named(row[name]))}" for name in _TOLD if row[name] is not None
            )
        )


def _sentence(row: dict[str, Any]) -> str:
    began = f"{instant(row['start_ts_ms'])} UTC"
    start = (
        f"first frame after **{duration_ms(row['startup_ms'])}**"
        if row["startup_ms"] is not None
        else "no first frame known"
    )
    stalls = f"{row['stall_count']} stall{'s' * (row['stall_count'] != 1)}"
    stalled = f"**{stalls}**, {duration_ms(row['stall_ms'])} in all" if row["stall_count"] else "no stall"
    rate = f" at {row['mean_bitrate_kbps']:,} kbit/s" if row["mean_bitrate_kbps"] else ""
    ended = str(row["end_reason"]).replace("_", " ")
    return f"{began}: {start}, {duration(row['playing_ms'])} played{rate}, {stalled}; ended: {ended}."


def duration_ms(ms: float) -> str:
    """Short spans to the millisecond or tenth of a second."""
    return f"{ms:,.0f} ms" if ms < 10_000 else f"{ms / 1000:,.1f} s" if ms < 120_000 else duration(ms)
