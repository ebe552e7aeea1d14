"""One incident: its metric around it, the slices that explain it, whose delivery it was, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import polars as pl
import streamlit as st

from alerts.baseline import load_baselines
from dashboards.charts import Band, trend
from dashboards.charts.incidents import Bar, explained
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, missing, part, table
from dashboards.context import Filters, Where
from dashboards.formats import change, duration, escaped, moment, named, share, span, titled, written
from dashboards.incident_queries import Localised, around, by_cdn, by_view, localised, told_by
from dashboards.incidents import agreement, scope_of, slice_text, worded
from dashboards.queries import Source
from dashboards.runbooks import runbook
from dashboards.window import Window
from metrics.catalog import METRICS, get_metric
from metrics.metric import Metric
from metrics.period import DAY_MS

__all__ = ["DOT", "Looked", "ask", "draw"]

DOT = {"page": ":red[●]", "ticket": ":orange[●]", "none": ":violet[○]"}
BESIDE = ("time_to_play_bad_ratio", "start_failure_technical_ratio", "rebuffer_ratio", "playback_failure_ratio",
          "mean_bitrate_kbps")  # fmt: skip
_MOST_ANSWERS = 4
_HOUR_MS = 3_600_000
_VIEWS = {"own": "With an own CDN's telemetry", "opaque": "As a third party tells it"}
_MARKS = {"right": ":green[✓ found]", "partly": ":orange[~ found in part]", "wrong": ":red[✕ not found]"}


@dataclass(frozen=True)
class Looked:
    """The incident looked at: a row of :data:`dashboards.incidents.INCIDENTS`, its spans, and its truth if known."""

    source: Source
    filters: Filters
    row: Mapping[str, Any]
    titles: Mapping[str, str]
    bars: tuple[Bar, ...]
    happened: tuple[Mapping[str, Any], ...]
    is_known: bool

    @property
    def metric(self) -> Metric:
        return told_by(self.row["metric"] if self.row["metric"] in METRICS else "time_to_play_bad_ratio")

    @property
    def where(self) -> Where:
        """The filters' slice, and the one slice that the alerts are of."""
        dimension, value = self.row["dimension"], self.row["slice"]
        if dimension is None or dimension in dict(self.filters.where):
            return self.filters.where
        return (*self.filters.where, (dimension, (value,)))

    @property
    def window(self) -> Window:
        """From the first alert to the last one's end."""
        start = self.row["start_ts_ms"]
        return Window(start, max(self.row["end_ts_ms"] or self.filters.period.end_ts_ms, start + 60_000))

    @property
    def inside(self) -> Window:
        """An alert fires once its windows have filled: the fault is looked for from before."""
        persisted = {baseline.name: baseline.persistence_hours * _HOUR_MS for baseline in load_baselines()}
        early = max((persisted.get(name, _HOUR_MS // 2) for name in self.row["alerts"]), default=0)
        return Window(self.window.start_ts_ms - early, self.window.end_ts_ms)


def ask(looked: Looked) -> None:
    """All that rows may be read for when it is drawn."""
    _lines(looked)
    localised(looked.source, looked.metric.name, looked.inside, looked.where)
    by_cdn(looked.source, BESIDE, looked.inside, looked.where)
    by_view(looked.source, looked.inside.start_ts_ms, looked.where)


def draw(looked: Looked) -> None:
    """Its heading and four cards."""
    row, metric = looked.row, looked.metric
    st.subheader(
        f"{DOT[row['severity']]} {escaped(row['title'])}, {moment(row['start_ts_ms'])} UTC", anchor=False
    )
    lasted = "until now" if row["end_ts_ms"] is None else duration(looked.window.length_ms)
    fired = ", ".join(looked.titles.get(name, name) for name in row["alerts"])
    st.caption(
        f"Lasted {lasted}; "
        + (
            f"{row['alerts_count']} alert{'s' * (row['alerts_count'] != 1)}: {fired}"
            if fired
            else "no alert fired"
        )
        + f". Shown first by {metric.title.lower()}."
    )
    with st.grid(2, min_column_width=400):
        _around(looked)
        _where_it_was(looked)
        _whose_delivery(looked)
        _what_to_do(looked)


def _around(looked: Looked) -> None:
    """The metric from well before to well after, with the incident shaded."""
    metric = looked.metric
    seen, grain = _seen(looked)
    line, past = _lines(looked)
    every = looked.source.sampled((metric.name,), seen, looked.where)
    with card(metric.title, f"{metric.unit}, by {grain}", of=(metric.name,)):
        if line.is_empty() or line["value"].is_null().all():
            missing("No value around this incident in the slice.", "Clear a filter.")
            return
        mine = [bar for bar in looked.bars if bar.key == looked.row["key"]]
        bands = [
            Band(bar.start_ts_ms, bar.end_ts_ms, bar.text, bar.kind if bar.kind == "truth" else "page")
            for bar in mine
        ]
        chart(
            trend(
                line, colours(), axis=axis_of(metric.format), name=metric.title, bands=bands, limit=metric.limit,
                previous=past.with_columns(pl.col("ts_ms") + 7 * DAY_MS) if past.height else None,
                view=(seen.start_ts_ms, seen.end_ts_ms), height=250,
            ),
            f"{metric.title} around the incident", line, key="around",
            caption="UTC; dashed: a week before; red: alerting"
            + ("; violet: what happened" if looked.happened else "")
            + (f"; of every {every}th session" if every > 1 else "")
            + (". By the session's end, so a fault at the start shows late" if metric.clock == "end" else ""),
        )  # fmt: skip


def _seen(looked: Looked) -> tuple[Window, str]:
    """The span that is shown around it, and by what."""
    metric, window = looked.metric, looked.window
    wide = max(window.length_ms, 6 * _HOUR_MS)
    seen = Window(window.start_ts_ms - 2 * wide, window.end_ts_ms + wide)
    is_daily = bool({part.table for part in metric.parts} & {"fill", "membership", "charge"})
    grain, step = ("1d", DAY_MS) if is_daily or seen.length_ms > 12 * DAY_MS else ("1h", _HOUR_MS)
    if seen.length_ms <= 2 * DAY_MS and not is_daily and metric.clock != "delivery":
        grain, step = "15m", _HOUR_MS // 4
    return seen.outwards(step), grain


def _lines(looked: Looked) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The metric in that span, and a week before."""
    seen, grain = _seen(looked)
    back = Window(seen.start_ts_ms - 7 * DAY_MS, seen.end_ts_ms - 7 * DAY_MS)
    line, past = (
        around(looked.source, looked.metric.name, window, looked.where, grain) for window in (seen, back)
    )
    return line, past


@part
def _where_it_was(looked: Looked) -> None:
    """The slices that explain it, best first, and the truth beside them."""
    metric = looked.metric
    with st.spinner("Looking for the slices …", show_time=False):
        found = localised(looked.source, metric.name, looked.inside, looked.where)
    with card(
        "Where it was", "slices that explain it",
        help="The smallest set of slices whose leaves moved otherwise than the rest: the incident's worst hours "
        "against the time before, by every dimension the telemetry tells. docs/localise.md says how often it is right.",
        of=("explained_ratio",),
    ):  # fmt: skip
        if found is None:
            missing(
                f"{metric.title} cannot be taken apart into slices here.",
                "A ratio of a table that tells dimensions can, over a time that has rows before it.",
            )
        else:
            of = get_metric(found.metric)
            st.markdown(
                f"{of.title}: **{written(of, found.then)}** in its worst {duration(found.length_ms)}, "
                f"{written(of, found.before)} before ({change(of, found.then, found.before)})."
            )
            if found.answers[0].is_external:
                st.markdown("**No slice explains it**: it is everywhere, or nothing moved.")
            else:
                _slices(metric, found)
        for fact in looked.happened:
            scope = scope_of(fact)
            verdict = agreement(found.answers[0].elements, scope, found.dimensions) if found else "wrong"
            severity = share(fact["severity_ratio"], 0)
            st.markdown(
                f":violet[■] **{worded(fact['kind'])}**, {slice_text(scope) or 'everywhere'}, severity {severity}, "
                f"{span(fact['start_ts_ms'], fact['end_ts_ms'])} UTC. {_MARKS[verdict]}"
            )
        if looked.is_known and not looked.happened:
            st.caption("Nothing that the emulator put in falls into this time.")
        # A link of its own and no step between pages: those forget what the filters of both pages are bound to.
        st.link_button(
            "Explore this time and slice", f"explore?{urlencode(explore_link(looked, found), doseq=True)}",
            icon=":material/travel_explore:", type="tertiary",
        )  # fmt: skip


def _slices(metric: Metric, found: Localised) -> None:
    answers = [answer for answer in found.answers[:_MOST_ANSWERS] if not answer.is_external]
    texts = [" and ".join(slice_text(element) for element in answer.elements) for answer in answers]
    shares = [answer.explained_ratio for answer in answers]
    data = pl.DataFrame(
        {"slices": texts, "explained_ratio": shares, "score": [answer.score for answer in answers]}
    )
    chart(
        explained(texts, shares, colours()), f"Slices that explain {metric.title.lower()}", data, key="explained",
        caption=f"Share of what moved within the slices; {found.leaves:,} leaves of "
        f"{', '.join(titled(name) for name in found.dimensions)}{_of_every(found)}.",
    )  # fmt: skip


def _of_every(found: Localised) -> str:
    """What the page says where not every row was looked at."""
    return f"; every {found.every}th row, of so many" if found.every > 1 else ""


def explore_link(looked: Looked, found: Localised | None) -> dict[str, Any]:
    """Explore at the days around the incident, within the first slice found, as query parameters."""
    period, window = looked.filters.period, looked.window
    first = max(window.start_ts_ms - DAY_MS, period.start_ts_ms)
    last = min(window.end_ts_ms + DAY_MS, period.end_ts_ms) - 1
    days = [str(datetime.fromtimestamp(ts_ms / 1000, UTC).date()) for ts_ms in (first, last)]
    query: dict[str, Any] = {
        "metric": looked.metric.title, "period": "dates", "dates": days, "lens": "Distribution",
    }  # fmt: skip
    for name, values in looked.where:
        query[name] = [named(value) for value in values]
    if found is not None and not found.answers[0].is_external:
        element = found.answers[0].elements[0]
        query |= {
            name: named(value) for name, value in element.items() if name in looked.source.options() and value
        }
        if element.get("site"):
            query["site"] = element["site"]
    return query


@part
def _whose_delivery(looked: Looked) -> None:
    """Own CDN against a third party in the incident, and at the same hours of the day before."""
    with card("Own CDN against third party", "in the incident", of=BESIDE):
        rows = by_cdn(looked.source, BESIDE, looked.inside, looked.where)
        if rows.is_empty():
            missing(
                "The telemetry does not tell who delivered.",
                "Map a column to `cdn`, or ingest each CDN's logs.",
            )
            return
        cdns = rows["cdn"].unique().sort().to_list()
        lines = []
        for name in BESIDE:
            of = get_metric(name)
            line = {"": of.title}
            for cdn in cdns:
                cell = rows.filter(pl.col("cdn") == cdn, pl.col("metric") == name)
                value, before = (cell[column][0] if cell.height else None for column in ("value", "before"))
                line[named(cdn)] = f"{written(of, value)} :gray[{change(of, value, before)}]"
            lines.append(line)
        table(lines, alt="Quality by CDN in the incident")
        counts = rows.group_by("cdn").agg(pl.col("n").max()).sort("cdn")
        many = ", ".join(f"{named(cdn)} {n:,}" for cdn, n in counts.rows())
        alone = "; one CDN alone delivered, so there is nothing to tell it from" if len(cdns) == 1 else ""
        every = looked.source.sampled(BESIDE, looked.inside.outwards(_HOUR_MS // 4), looked.where, ("cdn",))
        some = f", of every {every}th" if every > 1 else ""
        st.caption(f"Sessions{some}: {many}{alone}. Grey: against the same hours of the day before.")
        _what_each_tells(looked)


def _what_each_tells(looked: Looked) -> None:
    """What can be named of it with an own CDN's telemetry, and what a third party's would leave to name."""
    found = by_view(looked.source, looked.inside.start_ts_ms, looked.where)
    if found.is_empty():
        missing("Which site served whom is not told,", "so that an own CDN's telemetry has nothing to add.")
        return
    if found["slices"].null_count() == found.height:
        st.caption(
            "By viewers who stall, neither an own CDN's telemetry nor a third party's names a slice within "
            "two hours."
        )
        return
    lines = [{"": title} for title in _VIEWS.values()]
    for line, view in zip(lines, _VIEWS, strict=True):
        for minutes, slices in found.filter(pl.col("view") == view).select("minutes", "slices").rows():
            line[f"after {minutes} min"] = ":gray[–]" if slices is None else slices
    columns = dict.fromkeys(column for line in lines for column in line)
    table(
        [{column: line.get(column, ":gray[–]") for column in columns} for line in lines],
        alt="What each kind of telemetry names, by minutes after the start",
    )
    viewers, stalling = found.sort("minutes").select("viewers", "stalling").row(-1)
    st.caption(
        f"Where viewers stall, as each kind of telemetry tells it; – names no slice. Of the same {viewers:,} viewers, "
        f"{stalling:,} of whom stalled, with site, tier and appliance and without. docs/visibility.md says how often "
        "it is right."
    )


def _what_to_do(looked: Looked) -> None:
    """The runbook's section of each alert that fired."""
    with card("Runbook", "docs/runbooks.md"):
        told = {name: text for name in looked.row["alerts"] if (text := runbook(name))}
        if not told:
            missing("No alert with a section of its own fired.", "Alerts of objectives link to theirs.")
        for name, text in told.items():
            with st.expander(looked.titles.get(name, name), expanded=len(told) == 1):
                st.markdown(text)
        st.page_link("views/objectives.py", label="Objectives", icon=":material/target:")
