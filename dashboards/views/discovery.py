"""Discovery: do members find something, how soon, what brings it, and what an experiment says of it."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards.charts import bars, lifts, still_looking
from dashboards.charts.style import Axis
from dashboards.components import card, chart, colours, footer, missing, tile, view
from dashboards.formats import NOTHING, escaped, named, written
from metrics.catalog import METRICS, get_metric
from metrics.errors import InputError

ROWS = (
    ("rec_driven_play_ratio", "rec_driven_hours_ratio", "incremental_hours_ratio", "take_rate"),
    ("time_to_find_p50_ms", "browse_abandonment_ratio", "search_success_ratio", "search_to_home_transfer_ratio"),
    ("effective_catalogue_size", "first_week_genres", "first_session_success_ratio", "trial_to_paid_ratio"),
)  # fmt: skip
PERCENT = Axis("", ".1%", "")


def _lift(lift: float | None, low: float | None, high: float | None) -> str:
    """A lift over the control with its interval."""
    if lift is None:
        return NOTHING
    between = "" if low is None or high is None else f" ({low:+.1%} to {high:+.1%})"
    return f"{lift:+.1%}{between}".replace("-", "−").replace("%", " %")


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

# --- experiments ------------------------------------------------------------------------------------------

experiments = source.experiments()
with card("Experiments", "arms side by side, 90 % intervals"):
    if not experiments:
        missing(
            "Nobody is assigned to an arm.", "The table `assignment` says who is; scenarios may run some."
        )
    else:
        chosen = st.segmented_control(
            "Experiment", experiments, default=experiments[0], format_func=named, required=True, key="experiment",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        try:
            arms = source.compare(chosen or experiments[0], period, where)
        except InputError as error:
            arms = pl.DataFrame()
            missing(f"{error.what}.", error.mend)
        apart = arms.filter(pl.col("lift").is_not_null()) if arms.height else arms
        if apart.height:
            several = apart["arm"].n_unique() > 1
            labels = [
                METRICS[m].title + (f", {named(arm)}" if several else "")
                for m, arm in apart.select("metric", "arm").iter_rows()
            ]
            chart(
                lifts(
                    apart.with_columns(label=pl.Series(labels)),
                    palette,
                    [METRICS[m].better for m in apart["metric"]],
                ),
                "Lift of each metric over the control arm, with its interval",
                arms,
                key="lifts",
                caption="Against the control; grey while the interval holds no difference.",
            )
        if arms.height:
            names_of_arms = arms["arm"].unique(maintain_order=True).to_list()
            table: dict[str, dict[str, str]] = {}
            for one in arms.filter(pl.col("value").is_not_null()).iter_rows(named=True):
                line = table.setdefault(one["metric"], {"metric": METRICS[one["metric"]].title})
                line[one["arm"]] = written(METRICS[one["metric"]], one["value"])
                if not one["is_control"]:
                    line[f"{one['arm']} against the control"] = _lift(
                        one["lift"], one["lift_low"], one["lift_high"]
                    )
            columns = ["metric", *names_of_arms, *(f"{n} against the control" for n in names_of_arms[1:])]
            st.dataframe(
                pl.DataFrame([{c: line.get(c, NOTHING) for c in columns} for line in table.values()]),
                hide_index=True,
                row_height=32,
                height=40 + 32 * len(table),
                alt="Metrics by arm",
            )

footer(source, filters, st.session_state["_span"], names)
