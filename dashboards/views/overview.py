"""Overview: is the promise kept, what moved the north star, where it is worst, what each decision does."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from alerts.verdict import verdict
from cost_model.report.numbers import unit_usd
from dashboards.components import card, chart, colours, footer, missing, tile, view
from dashboards.decision_card import decision_card
from dashboards.formats import duration, escaped, moment, named, share
from dashboards.queries import MINUTE_DIMENSIONS, ratios_attained
from dashboards.segments import HEADLINE, episodes_in, merged, varied, worst_segments
from dashboards.tree import tree_figure, tree_metrics
from metrics.catalog import get_metric

TILES = ("watch_hours_per_subscriber", "time_to_play_p99_ms", "rebuffer_rate", "rec_driven_hours_ratio")

source, filters = view()
period, versus = filters.period, filters.versus
shown = tuple(name for name in TILES if filters.tells(name))


def _place(region: str) -> str:
    return escaped(named(region))


def began(start_ts_ms: int) -> str:
    """Only the period and what its alerts look back on was read: what was firing before has no known start."""
    return (
        moment(start_ts_ms)
        if start_ts_ms >= period.start_ts_ms
        else f"before {moment(period.start_ts_ms)[:-6]}"
    )


def fired(row: dict[str, Any]) -> str:
    if row["end_ts_ms"] is None:
        return "still firing"
    sure = row["start_ts_ms"] >= period.start_ts_ms
    return duration(row["duration_ms"]) if sure else f"until {moment(row['end_ts_ms'])}"


# --- the verdict ------------------------------------------------------------------------------------------

beside = ("time_to_play_p50_ms", "time_to_play_late_ratio")
# Asked for at once, so that the telemetry is read once: the verdict, the tiles and what stands beside, the tree.
asked = tuple(dict.fromkeys((*shown, *beside, *tree_metrics(filters))))
now = source.measure(asked, period, where=filters.where, intervals=True)

kept = source.kept(period, filters.where)
if kept.height:
    kept = kept.with_columns(pl.col("region").map_elements(_place, pl.String))
judged = verdict(kept, unsliced=ratios_attained(now))
economics = source.artefact("economics.json")
per_hour = (economics or {}).get("figures", {}).get("usd_per_hour")
cost = f" · Cost per stream hour {unit_usd(per_hour['value'])} in {economics['quarter']}" if per_hour else ""
if judged.judged:
    st.header(judged.sentence, anchor=False)
    st.caption(judged.detail.rstrip(".") + cost)
else:
    told = now.filter(pl.col("metric").is_in([n for n in shown if get_metric(n).limit is not None]))
    verdicts = [get_metric(m).keeps(v) for m, v in told.select("metric", "value").iter_rows()]
    known = [verdict for verdict in verdicts if verdict is not None]
    st.header(
        f"{sum(known)} of {len(known)} promises that sessions can tell {'is' if len(known) == 1 else 'are'} kept."
        if known
        else judged.sentence,
        anchor=False,
    )
    st.caption(f"No minutes were counted, so no budget is judged and no alert evaluated{cost}")

# --- tiles ------------------------------------------------------------------------------------------------

before = source.measure(asked, versus, where=filters.where) if versus else None
daily = source.measure(shown, period, where=filters.where, grain="1d") if shown else pl.DataFrame()

for column, name in zip(st.columns(4), TILES, strict=True):
    with column:
        if name not in shown:
            with card(get_metric(name).title):
                missing("This metric cannot be narrowed to the slice chosen.", "Clear a filter to see it.")
            continue
        row = now.row(by_predicate=pl.col("metric") == name, named=True)
        old = before.filter(pl.col("metric") == name)["value"][0] if before is not None else None
        days = daily.filter(pl.col("metric") == name).sort("bucket_ts_ms")["value"].to_list()
        note = ""
        if name == "time_to_play_p99_ms":
            p50, late = (now.filter(pl.col("metric") == b)["value"][0] for b in beside)
            note = (
                f"p50 {get_metric(beside[0]).format.format(p50)} · {share(late)} late"
                if p50 is not None
                else ""
            )
        tile(name, row["value"], old, days, interval=(row["low"], row["high"]), note=note)

# --- the tree, and where it is worst ----------------------------------------------------------------------

left, right = st.columns([11, 9])
with left, card("North-star tree", "what moved watch hours per subscriber"):
    figure, table, alt = tree_figure(source, filters, now, before, colours())
    if figure is None:
        missing(alt, "")
    else:
        chart(figure, alt, table, key="north-star-tree")

with (
    right,
    card(
        "Worst segments",
        "by hours exposed to late starts",
        help="Watch hours per subscriber of the segment × its share of late starts and exits beyond the 1 % allowed. "
        "An identity, not an estimate of hours lost.",
    ),
):
    by = ("region", "isp")
    options = source.options()
    if not options["region"] or not all(filters.tells(name, *by) for name in HEADLINE):
        missing(
            "The telemetry tells no regions.", "Ingest logs with a region, or map one with `ingest sessions`."
        )
    else:
        limit = get_metric("time_to_play_bad_ratio").limit or 0.0
        segments = worst_segments(
            source.measure(HEADLINE, period, where=filters.where, by=by),
            source.measure(HEADLINE, versus, where=filters.where, by=by) if versus else None,
            by,
            allowance=limit,
            most=8,
        )
        if segments.is_empty():
            st.caption("No segment with enough sessions breaks its allowance.")
        else:
            places = [f"{named(r)} · {i or 'unknown ISP'}" for r, i in segments.select(by).iter_rows()]
            st.dataframe(
                segments.select(
                    segment=pl.Series(places),
                    p99=pl.col("p99_ms"),
                    change=pl.col("p99_change_ms"),
                    bad=pl.col("bad_ratio"),
                    exposed=pl.col("exposed_hours"),
                ),
                column_config={
                    "segment": st.column_config.TextColumn("segment", width=168),
                    "p99": st.column_config.NumberColumn("p99, ms", format="%,.0f", width=58),
                    "change": st.column_config.NumberColumn("change", format="%+,.0f", width=58),
                    "bad": st.column_config.NumberColumn("late", format="percent", width=55),
                    "exposed": st.column_config.ProgressColumn(
                        "h / subscriber", format="%.2f", width=82, min_value=0.0,
                        max_value=float(segments["exposed_hours"].max()), color="red",  # type: ignore[arg-type]
                    ),
                },
                hide_index=True,
                row_height=30,
                alt="Segments with the most watch hours exposed to late starts",
            )  # fmt: skip
    blind = [name for name, _ in filters.where if name not in MINUTE_DIMENSIONS]
    st.markdown("**Incidents in view**", help="Alerts of the objectives, close ones joined; severest first.")
    episodes = episodes_in(source.alerts(filters.where, period), period)
    incidents = merged(episodes)
    if incidents.is_empty():
        st.caption("No alert of any objective fired in this period.")
    else:
        rows = [
            {
                "": ":red[●]" if row["severity"] == "page" else ":orange[●]",
                "began, UTC": began(row["start_ts_ms"]),
                "objective": row["objective"],
                "fired": fired(row),
                "burn": f"×{row['peak_burn']:.0f}",
            }
            for row in varied(incidents, most=6).iter_rows(named=True)
        ]
        st.table(rows, border="horizontal", hide_index=True, alt="Incidents in the period, severest first")
        st.caption(f"{incidents.height} incidents, {episodes.height} alerts; :red[●] page :orange[●] ticket")
    if blind:
        st.caption(f"Minutes are counted by region, device and CDN: {', '.join(blind)} does not narrow them.")

# --- decisions --------------------------------------------------------------------------------------------

decision_card(source)

footer(source, filters, st.session_state["_span"], (*TILES, "time_to_play_bad_ratio"))
