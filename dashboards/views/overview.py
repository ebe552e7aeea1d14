"""Overview: is the promise kept, what moved the north star, where it is worst, what each decision does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import polars as pl
import streamlit as st

from alerts.verdict import verdict
from cost_model.report.numbers import count, unit_usd
from dashboards.charts import Ranked, ranking
from dashboards.components import card, colours, drawn, footer, live, missing, part, table, taken, tile, view
from dashboards.decision_card import decision_card
from dashboards.formats import change, duration, escaped, moment, named, share, spaced, written
from dashboards.minute_queries import MINUTE_DIMENSIONS, ratios_attained
from dashboards.questions import BESIDE, PLACE, TILES
from dashboards.segments import HEADLINE, episodes_in, merged, varied, worst_segments
from dashboards.tour import tour
from dashboards.tree import tree_figure, tree_metrics
from metrics.catalog import get_metric

Days = dict[str, list[float | None]]


def asked() -> tuple[str, ...]:
    """Asked for at once, so that the telemetry is read once: the verdict, the tiles, what stands beside, the tree."""
    _, filters = view()
    shown = (name for name in TILES if filters.tells(name))
    return tuple(dict.fromkeys((*shown, *BESIDE, *tree_metrics(filters))))


@live
def head() -> None:
    """The verdict and the tiles: what a live view renews."""
    source, filters = view()
    now = source.measure(asked(), filters.period, where=filters.where)
    kept = source.kept(filters.period, filters.where)
    if kept.height:
        place = pl.col("region").map_elements(lambda region: escaped(named(region)), pl.String)
        kept = kept.with_columns(place)
    judged = verdict(kept, unsliced=ratios_attained(now))
    economics = source.artefact("economics.json")
    per_hour = (economics or {}).get("figures", {}).get("usd_per_hour")
    cost = (
        f" · Cost per stream hour {unit_usd(per_hour['value'])} in {economics['quarter']}" if per_hour else ""
    )
    if judged.judged:
        st.header(spaced(judged.sentence), anchor=False)
        st.caption(spaced(judged.detail.rstrip(".")) + cost)
    else:
        promised = [name for name in TILES if get_metric(name).limit is not None]
        told = now.filter(pl.col("metric").is_in(promised)).select("metric", "value")
        known = [kept for kept in (get_metric(m).keeps(v) for m, v in told.iter_rows()) if kept is not None]
        st.header(
            f"{sum(known)} of {len(known)} promises that sessions can tell {'is' if len(known) == 1 else 'are'} kept."
            if known
            else judged.sentence,
            anchor=False,
        )
        st.caption(f"No minutes were counted, so no budget is judged and no alert evaluated{cost}")
    tiles(now)


def tiles(now: pl.DataFrame) -> None:
    """Four figures, each beside the period before it."""
    source, filters = view()
    shown = tuple(name for name in TILES if filters.tells(name))
    before = source.measure(asked(), filters.versus, where=filters.where) if filters.versus else None
    daily, earlier, days = _by_day(shown)
    bounds = source.bounds(shown, filters.period, filters.where)
    with st.container(key="tiles"), st.grid(4, min_column_width=240):
        for name in TILES:
            metric = get_metric(name)
            if name not in shown:
                with card(metric.title):
                    missing(
                        "This metric cannot be narrowed to the slice chosen.", "Clear a filter to see it."
                    )
                continue
            row = now.row(by_predicate=pl.col("metric") == name, named=True)
            old = before.filter(pl.col("metric") == name)["value"][0] if before is not None else None
            note = ""
            if name == "time_to_play_p99_ms":
                p50, late = (now.filter(pl.col("metric") == b)["value"][0] for b in BESIDE)
                if p50 is not None:
                    note = f"p50 {written(get_metric(BESIDE[0]), p50)} · {share(late)} late"
            tile(
                name, row["value"], old, daily.get(name, []), daily_before=earlier.get(name, []),
                interval=bounds.get(name, (None, None)), note=note,
            )  # fmt: skip
    if any(daily.values()):
        dashed = ", dashed those before" if earlier else ""
        taken(f"Lines: the days of the period, UTC{dashed}.", days, key="tiles", of=".st-key-tiles")


def _by_day(names: tuple[str, ...]) -> tuple[Days, Days, pl.DataFrame]:
    """Each metric's days, of the period and of the one before, and both with their dates: asked for at once."""
    source, filters = view()
    period, versus = filters.period, filters.versus
    if not names:
        return {}, {}, pl.DataFrame()
    daily = source.measure(names, filters.whole, where=filters.where, grain="1d").sort("bucket_ts_ms")
    is_now = pl.col("bucket_ts_ms") >= period.start_ts_ms
    now, earlier = (
        {name: rows.filter(metric=name)["value"].to_list() for name in names}
        for rows in (daily.filter(is_now), daily.filter(~is_now))
    )
    dated = daily.select(
        "metric", pl.from_epoch("bucket_ts_ms", time_unit="ms").dt.date().alias("day"), "value"
    )
    return now, earlier if versus else {}, dated


@part
def north_star() -> None:
    """What moved watch hours per subscriber."""
    source, filters = view()
    now = source.measure(asked(), filters.period, where=filters.where)
    before = source.measure(asked(), filters.versus, where=filters.where) if filters.versus else None
    with card(
        "North-star tree",
        "what moved watch hours per subscriber",
        of=("watch_hours_per_subscriber", "contribution"),
    ):
        markup, table, alt = tree_figure(source, filters, now, before, colours())
        if markup is None:
            missing(alt, "")
        else:
            drawn(markup, alt, table, key="north-star-tree")


@part
def worst_places() -> None:
    """Segments by the hours of watching that late starts touch; each leads to Explore."""
    source, filters = view()
    with card(
        "Worst segments",
        "by hours exposed to late starts",
        of=("exposed_hours",),
    ):
        if not source.options()["region"] or not all(filters.tells(name, *PLACE) for name in HEADLINE):
            missing(
                "The telemetry tells no regions.",
                "Ingest logs with a region, or map one with `ingest sessions`.",
            )
            return
        # Of a slice by more than its place, the quantile of each segment would take every row.
        is_place = {name for name, _ in filters.where} <= set(PLACE)
        names = HEADLINE if is_place else HEADLINE[:2]
        segments = worst_segments(
            source.measure(names, filters.period, where=filters.where, by=PLACE),
            source.measure(names, filters.versus, where=filters.where, by=PLACE) if filters.versus else None,
            PLACE,
            allowance=get_metric("time_to_play_bad_ratio").limit or 0.0,
            most=7,
        )
        if segments.is_empty():
            st.caption("No segment with enough sessions breaks its allowance.")
            return
        most = float(segments["exposed_hours"][0])
        p99 = get_metric("time_to_play_p99_ms")
        rows = [
            Ranked(
                f"{named(row['region'])} · {row['isp'] or 'unknown ISP'}",
                (
                    written(p99, row["p99_ms"]),
                    change(p99, row["p99_change_ms"], 0.0).removesuffix(" ms"),
                    share(row["bad_ratio"]),
                    f"{count(row['exposed_hours'])} h",
                ),
                row["exposed_hours"] / most,
                f"explore?{urlencode({'region': named(row['region']), 'by': 'ISP', 'metric': p99.title})}",
            )
            for row in segments.iter_rows(named=True)
        ]
        headers = ("segment", "p99", "change", "late", "exposed")
        alt = "Segments with the most watch hours exposed to late starts, worst first"
        told = f"Together {share(float(segments['exposed_ratio'].sum()), 2)} of all watch hours."
        drawn(ranking(headers, rows, colours(), alt=alt), alt, segments, key="worst-segments", caption=told)


@part
def incidents_in_view() -> None:
    """Alerts of the objectives, close ones joined."""
    source, filters = view()
    with card(
        "Incidents in view", "alerts of the objectives, close ones joined; severest first", of=("burn_rate",)
    ):
        judged = source.alerts(filters.where, filters.period)
        episodes = episodes_in(judged, filters.period)
        incidents = merged(episodes)
        if incidents.is_empty():
            st.caption(
                "No alert of any objective fired in this period."
                if judged
                else "No minutes were counted, so no alert can fire."
            )
        else:
            rows = [
                {
                    "": ":red[●]" if row["severity"] == "page" else ":orange[●]",
                    "began, UTC": _began(row["start_ts_ms"]),
                    "objective": row["objective"],
                    "fired": _fired(row),
                    "burn": _burn(row),
                }
                for row in varied(incidents, most=6).iter_rows(named=True)
            ]
            table(rows, alt="Incidents in the period, severest first")
            with st.container(
                horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
            ):
                st.caption(
                    f"{incidents.height} incidents, {episodes.height} alerts; :red[●] page :orange[●] ticket"
                )
                st.page_link("views/incidents.py", label="All of them", icon=":material/arrow_forward:")
        if blind := [name for name, _ in filters.where if name not in MINUTE_DIMENSIONS]:
            st.caption(
                f"Minutes are counted by region, device and CDN: {', '.join(blind)} does not narrow them."
            )


def _began(start_ts_ms: int) -> str:
    """Only the period and what its alerts look back on was read: what was firing before has no known start."""
    start = view()[1].period.start_ts_ms
    return moment(start_ts_ms) if start_ts_ms >= start else f"before {moment(start)[:-6]}"


def _burn(row: dict[str, Any]) -> str:
    """Its peak, where all that its windows look back on was read: at their first minutes they hold too little."""
    return f"×{row['peak_burn']:.0f}" if row["start_ts_ms"] >= view()[1].period.start_ts_ms else "–"


def _fired(row: dict[str, Any]) -> str:
    if row["end_ts_ms"] is None:
        return "still firing"
    sure = row["start_ts_ms"] >= view()[1].period.start_ts_ms
    return duration(row["duration_ms"]) if sure else f"until {moment(row['end_ts_ms'])}"


@part
def decisions() -> None:
    """What each switch of the system does."""
    decision_card(view()[0])


head()
source, filters = view()
decisions()
tour(sees_finance=source.sees_finance)
with st.grid(2, min_column_width=430) as halves:
    north_star()
    with halves.cell():
        worst_places()
        incidents_in_view()
footer(source, filters, st.session_state["_span"], (*TILES, "time_to_play_bad_ratio"))
