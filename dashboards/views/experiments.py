"""Experiments: which run, whom they hold, what each did, how sure that is, and the truth where it is known."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards.charts import lifts
from dashboards.components import card, chart, colours, footer, missing, table, view
from dashboards.experiments import SRM_ALARM, judged, ratio_p, state_of, usual_share
from dashboards.formats import NOTHING, moment, named, share, signed, written
from metrics.catalog import METRICS
from metrics.errors import InputError
from metrics.experiment import HEADLINE

COLOURS = {"better": "green", "worse": "red", "not told apart": "gray"}


source, filters = view()
arms = source.arms()
names = arms["experiment"].unique(maintain_order=True).to_list()

if not names:
    st.header("No experiment has run here", anchor=False)
    missing(
        "Nobody is assigned to an arm.",
        "The table `assignment` says who is; a scenario runs one with `[[experiment]]`.",
    )
    footer(source, filters, st.session_state["_span"])
    st.stop()


def usual(experiment: str) -> float:
    """The usual share nearest to what is found of the experiment, in per cent."""
    return round(100 * usual_share(arms.filter(experiment=experiment)), 1)


def meant_anew() -> None:
    """What was set for another experiment is not meant of this one."""
    if chosen := st.session_state["experiment"]:
        st.session_state["meant"] = usual(chosen)


# --- which one --------------------------------------------------------------------------------------------

now_ts_ms = st.session_state["_span"].last_ts_ms
states = {name: state_of(arms.filter(experiment=name), now_ts_ms) for name in names}
with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    chosen = st.segmented_control(
        "Experiment", names, default=names[0], required=True, key="experiment", bind="query-params",
        format_func=named, label_visibility="collapsed", on_change=meant_anew,
    )  # fmt: skip
    experiment = chosen or names[0]
    of_it = arms.filter(experiment=experiment)
    meant = 0.01 * st.number_input(
        "Share meant of a treatment, %", 0.1, 99.0, usual(experiment), 1.0, format="%.1f",
        key="meant", bind="query-params", width=230,
        help="Of all members. Nothing in the telemetry tells it: this is the usual share nearest to what is found, "
        "until another is set. The sample ratio is judged against it.",
    )  # fmt: skip
state, start, end = states[experiment]
try:
    # From the assignment on: what members did before it is of no arm, so the page's period does not narrow it.
    compared = source.compare(experiment, filters.where)
except InputError as error:
    compared = pl.DataFrame()
    missing(f"{error.what}.", error.mend)

if compared.height:
    truth = [
        row
        for row in (source.artefact("experiments.json") or {}).get("lifts", [])
        if row["experiment"] == experiment
    ]
    told = judged(compared, truth if not filters.where else [])
    counts = {verdict: told.filter(verdict=verdict).height for verdict in COLOURS}
    st.header(
        f"{named(experiment)}: {counts['better']} of {told.height} metrics better, {counts['worse']} worse, "
        f"{counts['not told apart']} not told apart.",
        anchor=False,
    )
    inside = told["is_inside"].drop_nulls()
    st.caption(
        f"{state.capitalize()}, {moment(start)} to {moment(end)} UTC · lifts over the control, 90 % jackknife intervals"
        + (f" · the interval holds the truth in {int(inside.sum())} of {len(inside)}" if len(inside) else "")
    )

    with st.grid(4, min_column_width=240):
        for row in of_it.iter_rows(named=True):
            st.metric(
                named(row["arm"]) + (" (control)" if row["is_control"] and row["arm"] != "control" else ""),
                f"{row['members']:,}", border=True,
                delta=f"{share(row['members'] / of_it['members'].sum())} of members", delta_color="off",
                delta_arrow="off", height="stretch", help="Members of the panel who were assigned to the arm.",
            )  # fmt: skip
        srm = ratio_p(of_it, meant)
        is_off = srm is not None and srm < SRM_ALARM
        st.metric(
            "Sample ratio, p", NOTHING if srm is None else f"{srm:.3g}", border=True, height="stretch",
            delta="mismatch: look for the fault first" if is_off else f"as arms of {share(meant)} would be",
            delta_color="red" if is_off else "off", delta_arrow="off",
            help="Pearson's χ² of the arms' members against the shares meant; below .001 something is broken. What was "
            "meant is not told by the telemetry: a usual share is supposed, until another is set above.",
        )  # fmt: skip
        powered = told["detectable"].drop_nulls()
        st.metric(
            "Least lift told, median", NOTHING if powered.is_empty() else share(float(powered.median())),  # type: ignore[arg-type]
            border=True, height="stretch", delta="with power 80 %", delta_color="off", delta_arrow="off",
            help="Of each metric, the least lift that an experiment of this size tells from none four times in five.",
        )  # fmt: skip

    several = told["arm"].n_unique() > 1
    labels = [
        METRICS[m].title + (f", {named(arm)}" if several else "")
        for m, arm in told.select("metric", "arm").iter_rows()
    ]
    with card(
        "Effects",
        "lift over the control arm",
        of=("lift",),
    ):
        chart(
            lifts(
                told.with_columns(label=pl.Series(labels)),
                colours(),
                [METRICS[m].better for m in told["metric"]],
            ),
            "Lift of each metric over the control arm with its 90 % interval"
            + (", and the true lift as a diamond" if len(inside) else ""),
            told,
            key=f"lifts-{experiment}",
            caption="Coloured where the interval leaves 0: :green[▲] better, :red[▼] worse."
            + (" Diamonds: the truth, the same members lived through both worlds." if len(inside) else ""),
        )

    with card("Every metric", "value by arm, and what the difference can tell", of=("lift",)):
        values = {(m, a): v for m, a, v in compared.select("metric", "arm", "value").iter_rows()}
        lines = []
        for row, label in zip(told.iter_rows(named=True), labels, strict=True):
            metric = METRICS[row["metric"]]
            line = {"metric": label}
            line |= {named(a): written(metric, values.get((row["metric"], a))) for a in of_it["arm"]}
            between = (
                ":gray[(no interval)]"
                if row["lift_low"] is None
                else f":gray[({signed(row['lift_low'])} to {signed(row['lift_high'])})]"
            )
            between = between.replace(
                " ", "\u00a0"
            )  # rather a table to be scrolled than a figure on five lines
            line["lift, 90 %"] = f":{COLOURS[row['verdict']]}[{signed(row['lift'])}] {between}"
            line["power"] = share(row["power"], 0)
            line["least lift told"] = share(row["detectable"])
            if len(inside):
                known = row["is_inside"]
                mark = "" if known is None else " :green[✓]" if known else " :orange[outside]"
                line["truth"] = signed(row["true_lift"]) + mark
            lines.append(line)
        table(lines, alt="Metrics by arm, lift, power and truth")
        st.caption(
            "Power: the chance of telling a lift of the size found. Looked at while it runs, each look has its own "
            "chance of a false alarm: decide at the end, or use `playhead experiment --sequential`."
        )
    left = [
        METRICS[name].title for name in HEADLINE
        if filters.tells(name) and name not in set(compared["metric"]) and filters.where
    ]  # fmt: skip
    if left:
        st.caption(
            f"Rows alone tell {', '.join(left)} of this slice, too many for a page: `playhead experiment` reads them."
        )
    if filters.where and truth:
        st.caption("The truth is of all members, so it is not shown beside a slice.")

footer(
    source,
    filters,
    st.session_state["_span"],
    list(dict.fromkeys(compared["metric"])) if compared.height else (),
)
