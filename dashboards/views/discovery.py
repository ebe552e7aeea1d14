"""Discovery: do members find something, how soon, and what brings it?"""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards.charts import bars, still_looking
from dashboards.charts.style import Axis
from dashboards.components import card, chart, colours, footer, missing, tile, view
from dashboards.formats import escaped, named, written
from metrics.catalog import METRICS, get_metric

ROWS = (
    ("rec_driven_play_ratio", "rec_driven_hours_ratio", "incremental_hours_ratio", "take_rate"),
    ("time_to_find_p50_ms", "browse_abandonment_ratio", "search_success_ratio", "search_to_home_transfer_ratio"),
    ("effective_catalogue_size", "first_week_genres", "first_session_success_ratio", "trial_to_paid_ratio"),
)  # fmt: skip
PERCENT = Axis("", ".1%", "")


source, filters = view()
period, versus, where = filters.period, filters.versus, filters.where
palette = colours()
names = tuple(name for row in ROWS for name in row if filters.tells(name))

# --- the figures ------------------------------------------------------------------------------------------

now = source.measure(names, period, where=where, intervals=True) if names else pl.DataFrame()
before = source.measure(names, versus, where=where) if names and versus else None
# What is spread over titles takes as long a day as the whole.
daily_names = tuple(name for name in names if METRICS[name].kind in ("ratio", "quantile"))
daily = source.measure(daily_names, period, where=where, grain="1d") if daily_names else None
found = {row["metric"]: row for row in now.iter_rows(named=True)}
old = dict(before.select("metric", "value").iter_rows()) if before is not None else {}

if not any(row["value"] is not None for row in found.values()):
    st.header("Nothing tells how members find what they watch", anchor=False)
    missing(
        "The lake has no visits, searches or impressions, and no play says what brought it.",
        "Session tables can say so: `playhead ingest sessions --columns`; an emulated lake has them.",
    )
for row in ROWS:
    if not any(found.get(name, {}).get("value") is not None for name in row):
        continue
    for name, place in zip(row, st.columns(len(row)), strict=True):
        with place:
            if name not in found:
                with card(get_metric(name).title):
                    missing("Not known of this slice.", "Take filters off that its rows do not tell.")
                continue
            days = [] if daily is None else daily.filter(pl.col("metric") == name)["value"].to_list()
            interval = (found[name]["low"], found[name]["high"])
            tile(name, found[name]["value"], old.get(name), days, interval=interval)

# --- time to find, and what brings it ---------------------------------------------------------------------

wide, narrow = st.columns([3, 2])
FIND = "time_to_find_p50_ms"
with wide, card("Time to find", "share of visits still looking", help=METRICS[FIND].about):
    curve = source.survival(FIND, period, where) if filters.tells(FIND) else None
    if curve is None or curve.is_empty():
        missing("No visit is told, with or without a play.", "An emulated lake has the table `visit`.")
    else:
        median = written(METRICS[FIND], found[FIND]["value"])
        chart(
            still_looking(curve, palette),
            f"Share of visits still looking by seconds since the service was opened; median {median}",
            curve,
            key="time-to-find",
            caption="Who leaves without a play was still looking then (Kaplan–Meier); shaded: 90 %. Visits that go "
            "on with a title are not in it.",
        )
with narrow, card("What brings a play", "hours by surface, and what is taken of what is looked at"):
    hours = source.measure(("watch_hours",), period, where=where, by=("surface",)).drop_nulls("surface")
    if hours.is_empty():
        missing("No play says which surface brought it.", "Map `surface` and `is_rec_driven` on ingest.")
    else:
        told = hours.select("surface", hours="value").sort("hours", descending=True)
        if filters.tells("take_rate", "surface"):
            taken = source.measure(("take_rate",), period, where=where, by=("surface",))
            told = told.join(taken.select("surface", take_rate="value"), on="surface", how="left")
        else:
            told = told.with_columns(take_rate=pl.lit(None, pl.Float64))
        shares = (told["hours"] / told["hours"].sum()).to_list()
        chart(
            bars([escaped(named(s)) for s in told["surface"]], shares, palette, axis=PERCENT),
            "Share of hours by the surface that brought the play",
            told,
            key="surfaces",
            caption="Take rate on examined impressions: "
            + (
                ", ".join(
                    f"{named(surface)} {written(METRICS['take_rate'], rate)}"
                    for surface, rate in told.select("surface", "take_rate").iter_rows()
                    if rate is not None
                )
                or "not told"
            ),
        )

footer(source, filters, st.session_state["_span"], names)
