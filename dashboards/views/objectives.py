"""Objectives: what was promised, what is left of the budget, when alerts fired, and the definition itself."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from alerts.budget import projected
from alerts.policy import BurnPolicy, duration_text
from alerts.slo import shipped
from cost_model.report.numbers import count
from dashboards.charts import Band, burn_down, regions_kept
from dashboards.components import card, chart, colours, footer, missing, table, taken, view
from dashboards.formats import duration, escaped, instant, named, share, signed, spaced, span, titled
from dashboards.incidents import METRIC_OF
from dashboards.listing import Column, listing
from dashboards.minute_queries import policies
from dashboards.objective_history import backtested, incidents_spent
from dashboards.segments import episodes_in, merged

AHEAD_MS = 7 * 86_400_000
AGAINST = {"hindsight": "hindsight", "truth": "known incidents"}


def caught(row: Mapping[str, Any]) -> int:
    return 0 if row["recall"] is None else round(row["recall"] * row["incidents"])


def minutes_of(row: Mapping[str, Any], name: str) -> str:
    """A median of minutes: beyond all that was caught where most were missed, nothing where there was none."""
    if row[name] is None:
        return "never" if name == "detect_minutes" and row["incidents"] else "–"
    return spanned(row, name, "{:,.0f}")


def spanned(row: Mapping[str, Any], name: str, form: str) -> str:
    ends = [
        "never" if row[f"{name}_{end}"] is None else form.format(row[f"{name}_{end}"])
        for end in ("low", "high")
    ]
    return spaced(f"{form.format(row[name])} ({' to '.join(ends)})").replace(" ", "\u00a0")


source, filters = view()
found = {
    evaluation.objective.name: evaluation
    for evaluation in source.evaluations(filters.where, filters.period.end_ts_ms)
}

if not found:
    st.header("No objective can be judged here", anchor=False)
    missing(
        "The lake has no minute counts, so nothing stands on the event clock.",
        "`playhead ingest prometheus` takes them from a server; an emulated lake has them.",
    )
    footer(source, filters, st.session_state["_span"])
    st.stop()

verdicts = [evaluation.kept for evaluation in found.values() if evaluation.kept is not None]
st.header(
    f"{sum(verdicts)} of {len(verdicts)} objectives {'is' if len(verdicts) == 1 else 'are'} kept."
    if verdicts
    else "No objective has traffic to judge it by.",
    anchor=False,
)

names = sorted(
    found,
    key=lambda n: (
        not found[n].objective.in_contract,
        found[n].budget_left if found[n].budget_left is not None else 9,
    ),
)
# Alerts link here by the objective's name; a widget bound to the address would write its label there.
asked = st.query_params.get("objective")
chosen = st.segmented_control(
    "Objective",
    names,
    default=asked if asked in found else names[0],
    format_func=lambda n: (
        found[n].objective.title + {True: " :green[✓]", False: " :red[✕]", None: ""}[found[n].kept]
    ),
    required=True,
    key="objective",
    label_visibility="collapsed",
)
st.query_params["objective"] = chosen or names[0]
evaluation = found[chosen or names[0]]
objective = evaluation.objective
palette = colours()

st.caption(
    f"{objective.service} › {objective.name} · {duration_text(objective.period_ms)} rolling · "
    + ("part of the promise to viewers" if objective.in_contract else "a companion: watched, not promised")
    + f" · {objective.about}"
)

# --- three tiles ------------------------------------------------------------------------------------------

left, middle, right = st.columns(3)
with left:
    st.metric(
        "Objective",
        share(float(objective.target), 2),
        f"at most {share(float(objective.budget), 2)} bad",
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
    )
with middle:
    attained = evaluation.attained
    st.metric(
        "Attained",
        share(attained, 3),
        None if attained is None else signed(attained - float(objective.target), 3, "pt"),
        delta_color="green" if evaluation.kept else "red",
        delta_arrow="up" if evaluation.kept else "down",
        delta_description=f"{count(float(evaluation.bad))} bad of {count(float(evaluation.total))}",
        border=True,
        height="stretch",
    )
with right:
    left_over = evaluation.budget_left
    judged = f"{span(evaluation.start_ts_ms, evaluation.end_ts_ms)}, UTC"
    st.metric(
        "Budget left",
        share(left_over, 0),
        None if left_over is None else "kept" if evaluation.kept else "overspent",
        delta_color="green" if evaluation.kept else "red",
        delta_arrow="off",
        delta_description=judged,
        border=True,
        height="stretch",
    )

# --- burn-down, and where ---------------------------------------------------------------------------------

episodes = episodes_in([evaluation], filters.period)
incidents = merged(episodes)
halves = st.grid(2, min_column_width=400)
# As far ahead as a shift plans; the sentence says what lies beyond.
outlook = projected(objective, evaluation.burn)
ahead = outlook.path.filter(pl.col("ts_ms") <= evaluation.end_ts_ms + AHEAD_MS)
counted = tuple(filter(None, [METRIC_OF.get(objective.name)]))
with (
    halves,
    card(
        "Error budget",
        f"share left of the rolling {duration_text(objective.period_ms)}",
        of=("budget_left", *counted),
    ),
):
    burn = evaluation.burn.filter(
        (pl.col("ts_ms") >= filters.period.start_ts_ms) & (pl.col("ts_ms") < filters.period.end_ts_ms)
    )
    step = max(1, burn.height // 800)
    bands = [
        Band(
            row["start_ts_ms"], row["end_ts_ms"] or filters.period.end_ts_ms, row["severity"], row["severity"]
        )
        for row in incidents.filter(pl.col("severity") == "page").head(12).iter_rows(named=True)
    ]
    chart(
        burn_down(burn.gather_every(step), palette, ahead=ahead, bands=bands, height=300),
        f"Budget left of {objective.title}, now {share(left_over, 0)}",
        burn,
        key=f"burn-{objective.name}",
        caption="Below the line the promise is broken; shaded: pages; dashed: a week ahead at the last week's burn. "
        "Share of the budget left, by hour, UTC",
    )
    st.caption(outlook.sentence)
with halves, card("Where it is broken", "share of bad events by region", of=counted):
    kept = source.kept(filters.period, filters.where)
    rows = kept.filter(pl.col("objective") == objective.name) if kept.height else kept
    if rows.is_empty() or rows["region"].is_null().all():
        missing("The telemetry tells no regions.", "Ingest logs that do.")
    else:
        if filters.versus:
            past = source.kept(filters.versus, filters.where)
            past = past.filter(pl.col("objective") == objective.name) if past.height else past
            if past.height:
                past = past.select("region", before="attained")
                rows = rows.join(past, on="region", how="left", nulls_equal=True, maintain_order="left")
        labelled = rows.with_columns(pl.col("region").map_elements(named, pl.String, skip_nulls=False))
        chart(
            regions_kept(labelled, "region", float(objective.target), palette),
            f"Share of bad events by region against the {share(float(objective.budget), 2)} allowed",
            rows,
            key=f"regions-{objective.name}",
            caption="Share of bad events; dotted: what is allowed"
            + ("; stroke: the period before" if "before" in rows.columns else ""),
        )

# --- alerts -----------------------------------------------------------------------------------------------

with card(
    "Alerts in the period", f"incidents: {incidents.height}, alerts: {episodes.height}", of=("burn_rate",)
):
    if incidents.is_empty():
        st.caption("None fired.")
    else:
        listing(
            incidents.head(50).select(
                severity="severity",
                began=pl.Series([instant(t) for t in incidents.head(50)["start_ts_ms"]]),
                ended=pl.Series(
                    ["still firing" if t is None else instant(t) for t in incidents.head(50)["end_ts_ms"]]
                ),
                fired=pl.Series([duration(ms) for ms in incidents.head(50)["duration_ms"]]),
                burn="peak_burn",
                alerts="alerts_count",
            ),
            columns={
                "began": Column("began, UTC"),
                "ended": Column("ended, UTC"),
                "fired": Column("time firing"),
                "burn": Column("peak burn rate", "{:.1f}×".format),
                "alerts": Column("alerts joined"),
            },
            key=f"alerts-{objective.name}",
            height=330,
            alt=f"Alerts of {objective.title}",
        )

# --- what spent the budget --------------------------------------------------------------------------------

halves = st.grid(2, min_column_width=400)
with halves, card("Budget spent by incident", "1× is all of it", of=("budget_left",)):
    by_incident = incidents_spent(source, filters.where, evaluation)
    told = by_incident.drop_nulls("incident_id").head(12)
    rest = by_incident.filter(pl.col("incident_id").is_null())
    if told.is_empty():
        st.caption("No stretch of the period stands out as an incident.")
    else:
        has_names = told["known_as"].null_count() < told.height
        table(
            [
                ({"known as": escaped(row["known_as"] or "")} if has_names else {})
                | {
                    "began, UTC": instant(row["start_ts_ms"]),
                    "lasted": duration(row["end_ts_ms"] - row["start_ts_ms"]),
                    "budgets spent": f"{row['budget_spent']:.2f}×",
                    "bad events": count(float(row["bad"])),
                }
                for row in told.iter_rows(named=True)
            ],
            alt="Budget spent by incident",
        )
    beside = ""
    if rest["budget_spent"][0] is not None:
        beside = (
            "Told in hindsight, by counts that chance does not explain. All other minutes: "
            f"{rest['budget_spent'][0]:.2f}×."
        )
    if told.height:
        taken(beside, by_incident, key=f"spent-by-incident-{objective.name}")
    elif beside:
        st.caption(beside)
with halves, card("Budget spent by slice", "1× is all of it", of=("budget_left",)):
    spent = evaluation.spent.filter(pl.col("excess_bad") > 0).sort("budget_spent", descending=True).head(10)
    if spent.is_empty():
        st.caption("No slice has spent more than its own allowance.")
    else:
        table(
            [
                {
                    "dimension": titled(row["dimension"]),
                    "value": escaped(named(row["value"])),
                    "budgets spent": f"{row['budget_spent']:.2f}×",
                    "bad": share(1 - row["attained"], 2),
                }
                for row in spent.iter_rows(named=True)
            ],
            alt="Budget spent by region, device and CDN",
        )
        taken(
            "What a slice's bad events have spent of the whole budget; who keeps to the allowance is left out.",
            evaluation.spent,
            key=f"spent-by-slice-{objective.name}",
        )

# --- when it alerts, and how good that was ----------------------------------------------------------------

halves = st.grid(2, min_column_width=400)
with halves, card("When it alerts", objective.policy, of=("burn_rate",)):
    policy = policies()[objective.policy]
    if isinstance(policy, BurnPolicy):
        table(
            [
                {
                    "severity": severity,
                    "windows": f"{duration_text(pair.long_ms)} and {duration_text(pair.short_ms)}",
                    "burn rate over": f"{pair.factor(policy.period_ms):g}×",
                    "bad share over": share(pair.factor(policy.period_ms) * float(objective.budget), 2),
                }
                for severity, pairs in policy.severities.items()
                for pair in pairs
            ],
            alt="Alert windows and burn rates",
        )
        st.caption(
            f"{policy.about} No alert on fewer than {policy.bad_events_minimum} effective bad events. {policy.source}"
        )
with (
    halves,
    card("Backtest", "these alerts, and others, on all minutes up to here", of=("backtest_minutes",)),
):
    tried = backtested(source, filters.where, evaluation)
    if tried.is_empty():
        st.caption("No policy of windows can watch this objective.")
    else:
        table(
            [
                {
                    "policy": f"**{row['policy']}**" if row["policy"] == objective.policy else row["policy"],
                    "against": AGAINST[row["against"]],
                    "caught": f"{caught(row)} of {row['incidents']}",
                    "minutes to page": minutes_of(row, "detect_minutes"),
                    "to let go": minutes_of(row, "reset_minutes"),
                    "false in 30 days": spanned(row, "false_pages_per_30d", "{:.1f}"),
                }
                for row in tried.iter_rows(named=True)
            ],
            alt="Backtest of the objective's alerts",
        )
        taken(
            "Medians; in brackets 90 % intervals. An incident counts from 1 % of the period's budget on. "
            "`playhead slo backtest` tries other policies and volumes.",
            tried,
            key=f"backtest-{objective.name}",
        )

with st.expander("Definition in OpenSLO", icon=":material/code:"):
    file = next((path for path in shipped() if path.name in objective.where), None)
    if file is not None:
        # Streamlit's own element for code brings a megabyte and a half of grammars, open or not.
        definition = html.escape(file.read_text(encoding="utf-8"))
        st.html(f'<pre style="font-size:0.8125rem;overflow-x:auto;margin:0">{definition}</pre>')

footer(source, filters, st.session_state["_span"], counted)
