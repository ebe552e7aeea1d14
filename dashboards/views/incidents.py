"""Incidents: what went wrong and when, which slice explains it, whose delivery it was, what the truth was."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from dashboards.charts.incidents import Bar, lanes
from dashboards.components import card, chart, colours, footer, missing, view
from dashboards.formats import duration, moment, span, titled
from dashboards.incident_detail import draw
from dashboards.incidents import scope_of, slice_text, worded
from dashboards.incidents_told import first_of, told_of
from dashboards.listing import listing, picked
from dashboards.minute_queries import MINUTE_DIMENSIONS
from dashboards.window import Window
from metrics.catalog import METRICS

HAPPENED = "what happened"

source, filters = view()
period = Window(filters.period.start_ts_ms, filters.period.end_ts_ms)
palette = colours()

# --- what there is ----------------------------------------------------------------------------------------

with st.spinner("Judging hours by their season …", show_time=False):
    told = told_of(source, filters)
evaluations, titles, incidents, truth = told.evaluations, told.titles, told.incidents, told.truth
lasting, passing, watched = told.lasting, told.passing, told.watched
alerted = incidents.filter(pl.col("severity") != "none")
known = truth.height > 0


def ended(row: dict[str, Any]) -> int:
    return int(row["end_ts_ms"] or period.end_ts_ms)


def _asked(rows: pl.DataFrame, key: str | None) -> str | None:
    """The incident of that key, or the one that a fault of that name was."""
    if key is None:
        return None
    found = rows.filter((pl.col("key") == key) | pl.col("truth").list.contains(key))
    return found["key"][0] if found.height else None


def heading() -> str:
    if not evaluations and not known:
        return "No alert can be judged here."
    if alerted.is_empty() and lasting.is_empty():
        return "No alert fired in this period."
    if alerted.is_empty():
        return "No new incident in this period."
    ongoing = alerted["end_ts_ms"].null_count()
    paged = alerted.filter(pl.col("severity") == "page").height
    words = f"{alerted.height} incident{'s' * (alerted.height != 1)} in this period, {paged or 'none'} paged"
    return words + (f", {ongoing} still on." if ongoing else ".")


st.header(heading(), anchor=False)
if known:
    found = {key for keys in alerted["truth"].to_list() for key in keys}
    st.caption(
        f"Of {truth.height} faults that the emulator put into this period, alerts told of {len(found)}. What no alert "
        "told of is listed all the same, with what a look at the data would have found."
    )
elif not evaluations:
    missing(
        "The lake has no minute counts, so nothing stands on the event clock.",
        "`playhead ingest prometheus` takes them from a server; an emulated lake has them.",
    )
if lasting.height:
    names = ", ".join(dict.fromkeys(lasting["objective"]))
    st.caption(
        f"Firing for most of it: {names}. That is a promise not kept, and no incident: Objectives has its budget."
    )
blind = [name for name, _ in filters.where if name not in MINUTE_DIMENSIONS]
if blind and evaluations:
    st.caption(
        f"Minutes are counted by region, device and CDN: {', '.join(map(titled, blind))} does not narrow alerts."
    )

# --- the time line ----------------------------------------------------------------------------------------

keys = incidents["key"].to_list()
asked = st.query_params.get("incident")
chosen = _asked(incidents, asked) or first_of(incidents)
row = incidents.row(by_predicate=pl.col("key") == chosen, named=True) if chosen else None


def clicked() -> None:
    """A click on a span: its incident goes to the address."""
    points = st.session_state["lanes"]["selection"]["points"]
    key = points[0].get("customdata", [""])[0] if points else ""
    if key in keys:
        st.query_params["incident"] = key


bars: list[Bar] = []
for alert in passing.to_dicts() + [
    {"objective": titles[w["baseline"]], "name": w["baseline"], **w} for w in watched.to_dicts()
]:
    mine = next(
        (i["key"] for i in incidents.to_dicts() if alert["name"] in i["alerts"]
         and i["start_ts_ms"] <= alert["start_ts_ms"] <= ended(i)), "",
    )  # fmt: skip
    stop = alert["end_ts_ms"] or period.end_ts_ms
    text = f"<b>{alert['objective']}</b>, {alert['severity']}<br>{span(alert['start_ts_ms'], stop)} UTC"
    bars.append(Bar(alert["objective"], alert["start_ts_ms"], stop, text, alert["severity"], mine))
for alert in lasting.to_dicts():
    stop = alert["end_ts_ms"] or period.end_ts_ms
    bars.append(
        Bar(alert["objective"], alert["start_ts_ms"], stop, f"{alert['objective']}: standing", "standing")
    )
for fact in truth.to_dicts():
    mine = next((i["key"] for i in incidents.to_dicts() if fact["incident_id"] in i["truth"]), "")
    text = f"<b>{worded(fact['kind'])}</b><br>{slice_text(scope_of(fact)) or 'everywhere'}<br>" \
           f"{span(fact['start_ts_ms'], fact['end_ts_ms'])} UTC"  # fmt: skip
    bars.append(Bar(HAPPENED, fact["start_ts_ms"], fact["end_ts_ms"], text, "truth", mine))

with card(
    "Time line", "alerts by objective" + (", and what really happened" if known else ""), of=("burn_rate",)
):
    if not bars:
        missing("Nothing fired, and nothing is known to have happened.", "Choose a longer period.")
    else:
        order = list(dict.fromkeys(bar.lane for bar in bars if bar.lane != HAPPENED)) + [HAPPENED] * known
        chart(
            lanes(
                bars, palette, order=order, view=(period.start_ts_ms, period.end_ts_ms),
                chosen=(row["start_ts_ms"], ended(row)) if row else None,
            ),
            f"Time line of {incidents.height} incidents", incidents.drop("alerts", "truth"), key="lanes",
            on_select=clicked, selects="points", caption=":red[■] page :orange[■] ticket"
            + (" :violet[■] what happened, known of an emulated service" if known else "")
            + ("; pale: firing for most of the period" if lasting.height else "") + ". Click one to look at it.",
        )  # fmt: skip

if row is None:
    footer(source, filters, st.session_state["_span"])
    st.stop()

# --- the list ---------------------------------------------------------------------------------------------


def listed() -> None:
    row = picked("incidents")
    if row is not None and row < len(keys):
        st.query_params["incident"] = keys[row]


facts = {fact["incident_id"]: fact for fact in truth.to_dicts()}
with card("Incidents", "newest first; click one"):
    table = [
        {
            "began, UTC": moment(i["start_ts_ms"]),
            "incident": f"▸ {i['title']}" if i["key"] == chosen else i["title"],
            "lasted": "still on" if i["end_ts_ms"] is None else duration(i["end_ts_ms"] - i["start_ts_ms"]),
            "alerts": i["alerts_count"],
            "severity": i["severity"].replace("none", "not alerted"),
        }
        | (
            {"what happened": ", ".join(worded(facts[t]["kind"]) for t in i["truth"]) or "not known"}
            if known
            else {}
        )
        for i in incidents.to_dicts()
    ]
    listing(pl.DataFrame(table), key="incidents", alt="Incidents, newest first", height=300, on_pick=listed)

# --- one of them ------------------------------------------------------------------------------------------

draw(told.looked(row["key"], tuple(bars)))
footer(source, filters, st.session_state["_span"], (row["metric"],) if row["metric"] in METRICS else ())
