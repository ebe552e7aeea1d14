"""Incidents: what went wrong and when, which slice explains it, whose delivery it was, what the truth was."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from alerts.baseline import load_baselines
from dashboards.charts import Band, trend
from dashboards.charts.incidents import Bar, explained, lanes
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, footer, missing, view
from dashboards.formats import change, duration, escaped, moment, named, span, titled, written
from dashboards.incident_queries import Localised, baseline_alerts, by_cdn, localised, true_incidents
from dashboards.incidents import agreement, alert_rows, incidents_of, scope_of, slice_text, standing, worded
from dashboards.queries import MINUTE_DIMENSIONS
from dashboards.runbooks import runbook
from dashboards.segments import episodes_in, merged
from dashboards.window import Window
from metrics.catalog import METRICS, get_metric
from metrics.period import DAY_MS

HAPPENED = "what happened"
DOT = {"page": ":red[●]", "ticket": ":orange[●]", "none": ":violet[○]"}
MOST_ANSWERS = 4
BESIDE = ("time_to_play_bad_ratio", "start_failure_technical_ratio", "rebuffer_ratio", "playback_failure_ratio",
          "mean_bitrate_kbps")  # fmt: skip

source, filters = view()
period = Window(filters.period.start_ts_ms, filters.period.end_ts_ms)
palette = colours()

# --- what there is ----------------------------------------------------------------------------------------

evaluations = source.alerts(filters.where, filters.period)
titles = {e.objective.name: e.objective.title for e in evaluations}
episodes = merged(episodes_in(evaluations, filters.period))
lasting = standing(episodes, period)
passing = episodes.join(
    lasting.select("name", "severity", "start_ts_ms"), on=["name", "severity", "start_ts_ms"], how="anti"
)
watched = baseline_alerts(source, period)
titles |= {
    name: METRICS[metric].title for name, metric in watched.select("baseline", "metric").unique().rows()
}
truth = true_incidents(source).filter(
    pl.col("start_ts_ms") < period.end_ts_ms, pl.col("end_ts_ms") > period.start_ts_ms
)
incidents = incidents_of(pl.concat([alert_rows(passing), watched]), truth, titles, period.end_ts_ms)
alerted = incidents.filter(pl.col("severity") != "none")
known = truth.height > 0


def ended(row: dict[str, Any]) -> int:
    return int(row["end_ts_ms"] or period.end_ts_ms)


def heading() -> str:
    if not evaluations and not known:
        return "No alert can be judged here."
    if alerted.is_empty() and lasting.is_empty():
        return "No alert fired in this period."
    words = f"{alerted.height} incident{'s' * (alerted.height != 1)}" if alerted.height else "No new incident"
    if lasting.height:
        names = " and ".join(dict.fromkeys(lasting["objective"].str.to_lowercase()))
        words += f"; the alert on {names} has been standing"
    return words + "."


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
blind = [name for name, _ in filters.where if name not in MINUTE_DIMENSIONS]
if blind and evaluations:
    st.caption(
        f"Minutes are counted by region, device and CDN: {', '.join(map(titled, blind))} does not narrow alerts."
    )

# --- the time line ----------------------------------------------------------------------------------------

keys = incidents["key"].to_list()
asked = st.query_params.get("incident")
chosen = asked if asked in keys else (alerted["key"][0] if alerted.height else keys[0] if keys else None)
row = incidents.row(by_predicate=pl.col("key") == chosen, named=True) if chosen else None


def picked() -> None:
    """A click on a span or a row: its incident goes to the address."""
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

with card("Time line", "alerts by objective" + (", and what really happened" if known else "")):
    if not bars:
        missing("Nothing fired, and nothing is known to have happened.", "Choose a longer period.")
    else:
        order = list(dict.fromkeys(bar.lane for bar in bars if bar.lane != HAPPENED)) + [HAPPENED] * known
        chart(
            lanes(
                bars, palette, order=order, view=(period.start_ts_ms, period.end_ts_ms),
                chosen=(row["start_ts_ms"], ended(row)) if row else None,
            ),
            f"Time line of {incidents.height} incidents", incidents.drop("alerts", "truth"), key="lanes", on_select=picked,
            selects="points", caption=":red[■] page :orange[■] ticket"
            + (" :violet[■] what happened, known of an emulated service" if known else "")
            + ("; pale: firing for most of the period" if lasting.height else "") + ". Click one to look at it.",
        )  # fmt: skip

if row is None:
    footer(source, filters, st.session_state["_span"])
    st.stop()

# --- the list ---------------------------------------------------------------------------------------------


def listed() -> None:
    rows = st.session_state["incidents"]["selection"]["rows"]
    if rows:
        st.query_params["incident"] = keys[rows[0]]


facts = {fact["incident_id"]: fact for fact in truth.to_dicts()}
with card("Incidents", "newest first; click one"):
    table = [
        {
            "": "▸" if i["key"] == chosen else "",
            "began, UTC": moment(i["start_ts_ms"]),
            "incident": i["title"],
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
    st.dataframe(
        pl.DataFrame(table), hide_index=True, row_height=32, key="incidents", on_select=listed,
        selection_mode="single-row", height=min(38 + 32 * len(table), 300), alt="Incidents, newest first",
        column_config={"": st.column_config.TextColumn(width=24)},
    )  # fmt: skip

# --- one of them ------------------------------------------------------------------------------------------

happened = [facts[key] for key in row["truth"]]
window = Window(row["start_ts_ms"], max(ended(row), row["start_ts_ms"] + 60_000))
# An alert fires once its windows have filled: the fault is looked for from before.
persisted = {b.name: b.persistence_hours * 3_600_000 for b in load_baselines()}
early = max((persisted.get(name, 1_800_000) for name in row["alerts"]), default=0)
inside = Window(window.start_ts_ms - early, window.end_ts_ms)
metric = get_metric(row["metric"] if row["metric"] in METRICS else "time_to_play_bad_ratio")
st.subheader(
    f"{DOT[row['severity']]} {escaped(row['title'])}, {moment(row['start_ts_ms'])} UTC", anchor=False
)
st.caption(
    f"Lasted {'until now' if row['end_ts_ms'] is None else duration(window.length_ms)}; "
    + (f"{row['alerts_count']} alert{'s' * (row['alerts_count'] != 1)}: {', '.join(titles.get(a, a) for a in row['alerts'])}"
       if row["alerts"] else "no alert fired")
    + f". Shown first by {metric.title.lower()}."
)  # fmt: skip


def around() -> None:
    """The metric from well before to well after, with the incident shaded."""
    wide = max(window.length_ms, 6 * 3_600_000)
    seen = Window(window.start_ts_ms - 2 * wide, window.end_ts_ms + wide)
    daily = {part.table for part in metric.parts} & {"fill", "membership", "charge"}
    grain, step = ("1d", DAY_MS) if daily or seen.length_ms > 12 * DAY_MS else ("1h", 3_600_000)
    if seen.length_ms <= 2 * DAY_MS and not daily:
        grain, step = "15m", 900_000
    seen = seen.outwards(step)
    shown = source.measure((metric.name,), seen, where=filters.where, grain=grain)
    line = shown.select(ts_ms="bucket_ts_ms", value="value")
    back = Window(seen.start_ts_ms - 7 * DAY_MS, seen.end_ts_ms - 7 * DAY_MS)
    past = source.measure((metric.name,), back, where=filters.where, grain=grain)
    with card(metric.title, f"{metric.unit}, by {grain}", help=metric.about):
        if line["value"].is_null().all():
            missing("No value around this incident in the slice.", "Clear a filter.")
            return
        bands = [
            Band(b.start_ts_ms, b.end_ts_ms, b.text, "page")
            for b in bars
            if b.key == chosen and b.kind != "truth"
        ]
        bands += [Band(f["start_ts_ms"], f["end_ts_ms"], f["kind"], "ticket") for f in happened]
        chart(
            trend(
                line, palette, axis=axis_of(metric.format), name=metric.title, bands=bands, limit=metric.limit,
                previous=past.select(ts_ms=pl.col("bucket_ts_ms") + 7 * DAY_MS, value="value") if past.height else None,
                view=(seen.start_ts_ms, seen.end_ts_ms), height=230,
            ),
            f"{metric.title} around the incident", line, key="around",
            caption="UTC; dashed: a week before; shaded: the incident"
            + (". By the session's end, so a fault at the start shows late" if metric.clock == "end" else ""),
        )  # fmt: skip


def where_it_was(found: Localised | None) -> None:
    """The slices that explain it, best first, and the truth beside them."""
    with card(
        "Where it was", "slices that explain it",
        help="The smallest set of slices whose leaves moved otherwise than the rest: the incident's worst hours against "
        "the time before, by every dimension the telemetry tells. docs/localise.md says how often it is right.",
    ):  # fmt: skip
        if found is None:
            missing(
                f"{metric.title} cannot be taken apart into slices here.",
                "A ratio of a table that tells dimensions can.",
            )
        else:
            of = get_metric(found.metric)
            st.markdown(
                f"{of.title}: **{written(of, found.then)}** in its worst {duration(found.length_ms)}, "
                f"{written(of, found.before)} before ({change(of, found.then, found.before)})."
            )
            answers = found.answers[:MOST_ANSWERS]
            if answers[0].is_external:
                st.markdown("**No slice explains it**: it is everywhere, or nothing moved.")
            else:
                answers = tuple(a for a in answers if not a.is_external)
                texts = [" and ".join(slice_text(e) for e in a.elements) for a in answers]
                figure = explained(texts, [a.explained_ratio for a in answers], palette)
                data = pl.DataFrame(
                    {"slices": texts, "explained_ratio": [a.explained_ratio for a in answers],
                     "score": [a.score for a in answers]}
                )  # fmt: skip
                chart(
                    figure, f"Slices that explain {metric.title.lower()}", data, key="explained",
                    caption=f"Share of what moved within the slices; {found.leaves:,} leaves of "
                    f"{', '.join(titled(d) for d in found.dimensions)}.",
                )  # fmt: skip
        if happened:
            for fact in happened:
                scope = scope_of(fact)
                verdict = agreement(found.answers[0].elements, scope, found.dimensions) if found else "wrong"
                mark = {
                    "right": ":green[✓ found]",
                    "partly": ":orange[~ found in part]",
                    "wrong": ":red[✕ not found]",
                }
                st.markdown(
                    f":violet[■] **{worded(fact['kind'])}**, {slice_text(scope) or 'everywhere'}, severity "
                    f"{fact['severity_ratio']:.0%}, {span(fact['start_ts_ms'], fact['end_ts_ms'])} UTC. {mark[verdict]}"
                )
        elif known:
            st.caption("Nothing that the emulator put in falls into this time.")
        st.page_link("views/explore.py", label="Explore this time and slice", icon=":material/travel_explore:",
                     query_params=explore_link(found))  # fmt: skip


def explore_link(found: Localised | None) -> dict[str, Any]:
    """Explore at the days around the incident, within the first slice found."""
    first, last = window.start_ts_ms // DAY_MS * DAY_MS, (window.end_ts_ms - 1) // DAY_MS * DAY_MS
    days = f"{instant_day(max(first - DAY_MS, period.start_ts_ms))},{instant_day(min(last + DAY_MS, period.end_ts_ms - 1))}"
    query: dict[str, Any] = {"metric": metric.title, "period": "dates", "dates": days, "lens": "Distribution"}
    if found is not None and not found.answers[0].is_external:
        element = found.answers[0].elements[0]
        query |= {name: named(value) for name, value in element.items() if name in source.options() and value}
        if element.get("site"):
            query["site"] = element["site"]
    return query


def instant_day(ts_ms: int) -> str:
    return str(pl.select(pl.from_epoch(pl.lit(ts_ms), time_unit="ms").dt.date()).item())


def whose_delivery() -> None:
    """Own CDN against a third party in the incident, and at the same hours of the day before."""
    with card("Own CDN against third party", "in the incident, and the day before"):
        rows = by_cdn(source, BESIDE, inside, filters.where)
        if rows.is_empty():
            missing(
                "The telemetry does not tell who delivered.",
                "Map a column to `cdn`, or ingest each CDN's logs.",
            )
            return
        cdns = rows["cdn"].unique().sort().to_list()
        table = []
        for name in BESIDE:
            of = get_metric(name)
            line = {"": of.title}
            for cdn in cdns:
                cell = rows.filter(pl.col("cdn") == cdn, pl.col("metric") == name)
                value, before = (cell[c][0] if cell.height else None for c in ("value", "before"))
                line[named(cdn)] = f"{written(of, value)} :gray[{change(of, value, before)}]"
            table.append(line)
        st.table(table, border="horizontal", hide_index=True, alt="Quality by CDN in the incident")
        counts = rows.group_by("cdn").agg(pl.col("n").max()).sort("cdn")
        many = ", ".join(f"{named(cdn)} {n:,}" for cdn, n in counts.rows())
        alone = "; one CDN alone delivered, so there is nothing to tell it from" if len(cdns) == 1 else ""
        st.caption(f"Sessions: {many}{alone}. Grey: against the same hours of the day before.")


def what_to_do() -> None:
    """The runbook's section of the alert that fired."""
    with card("Runbook", "docs/runbooks.md"):
        sections = {name: runbook(name) for name in row["alerts"]}
        told = {name: text for name, text in sections.items() if text}
        if not told:
            missing(
                "No alert fired, so no runbook was opened.",
                "Every alert links to its section of docs/runbooks.md.",
            )
        for name, text in told.items():
            with st.expander(titles.get(name, name), expanded=len(told) == 1):
                st.markdown(text)
        st.page_link("views/objectives.py", label="Objectives", icon=":material/target:")


left, right = st.columns([11, 9])
with left:
    around()
with right:
    with st.spinner("Looking for the slices …", show_time=False):
        slices = localised(source, metric.name, inside, filters.where)
    where_it_was(slices)
left, right = st.columns([11, 9])
with left:
    whose_delivery()
with right:
    what_to_do()

footer(source, filters, st.session_state["_span"], (metric.name,))
