"""What did the quarter cost: in a sentence, by unit, by pool, by region, and as a report to take away."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from cost_model.report.numbers import count, rate_name, size, span, unit_usd, usd
from dashboards.charts import bars, equation
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, defined, drawn, missing, part, table, taken, view
from dashboards.formats import escaped, named

__all__ = ["by_region", "quarter", "where_it_goes"]

TILES = (
    ("usd_per_hour", "Cost per stream hour", "cost_per_stream_hour_usd"),
    ("usd_per_gb", "Cost per GB", "cost_per_gigabyte"),
    ("usd_per_member_month", "Cost per subscriber-month", "cost_per_subscriber_month_usd"),
    ("contribution_usd_per_hour", "Contribution margin per stream hour", "margin_per_stream_hour"),
)
POOLS = {"delivery": "Delivery", "encoding": "Encoding", "control_plane": "Control plane"}

FORMS = {
    "html": ("Quarterly report (HTML)", "text/html"),
    "pdf": ("PDF", "application/pdf"),
    "xlsx": ("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
REGION_COLUMNS = {
    "stream hours": ("hours", count),
    "cost / hour": ("usd_per_hour", unit_usd),
    "GB / hour": ("gb_per_hour", lambda value: "–" if value is None else f"{value:.2f}"),
    "cost / subscriber-month": ("usd_per_member_month", unit_usd),
    "margin / hour": ("contribution_usd_per_hour", unit_usd),
}


def quarter(found: dict[str, Any]) -> None:
    """The quarter in a sentence, four tiles, and what a subscriber's month is made of."""
    per_hour = found["figures"].get("usd_per_hour")
    st.header(
        f"{found['quarter']}: {usd(float(found['cost_usd']))} to deliver {count(found['hours'])} stream hours"
        + (f", {unit_usd(per_hour['value'])} each." if per_hour else "."),
        anchor=False,
    )
    st.caption(
        f"Effective cost of {found['included']}. Intervals (90 %) are over the ranges of the rates, not over the "
        f"panel. Charges reconcile to the modelled bill: residual ${round(float(found['residual_usd']), 2) + 0.0:.2f}. "
        "Filters do not narrow the quarter."
    )
    if bill := found.get("bill"):
        by_bill = bill["usd_per_hour"]
        st.caption(
            f"Your bill for the quarter: {usd(float(bill['billed_usd']))} billed, "
            f"{usd(float(bill['effective_usd']))} effective"
            + (f", {unit_usd(by_bill)} a stream hour" if by_bill is not None else "")
            + ". The figures below are modelled from usage and rates, and do not read it."
        )
    with st.grid(4, min_column_width=240):
        for name, title, term in TILES:
            figure = found["figures"].get(name)
            st.metric(
                title,
                unit_usd(figure["value"]) if figure else "–",
                delta=span(unit_usd(figure["low"]), unit_usd(figure["high"])) if figure else None,
                delta_color="off",
                delta_arrow="off",
                delta_description="90 %",
                border=True,
                height="stretch",
                help=defined(term),
            )
    tree = found["unit_cost_tree"]
    with card(
        "Unit-cost tree",
        "an identity: it multiplies out exactly",
        of=("cost_per_subscriber_month_usd", "cost_per_gigabyte"),
    ):
        parts = [
            ("cost per subscriber-month", unit_usd(tree["usd_per_member_month"])),
            ("cost per GB", unit_usd(tree["usd_per_gb"])),
            ("GB per stream hour", "–" if tree["gb_per_hour"] is None else f"{tree['gb_per_hour']:.3f} GB"),
            (
                "stream hours per subscriber-month",
                "–" if tree["hours_per_member_month"] is None else f"{tree['hours_per_member_month']:.1f} h",
            ),
        ]
        told = " = ".join((parts[0][1], " × ".join(value for _, value in parts[1:])))
        drawn(
            equation(parts, colours(), alt=f"Cost per subscriber-month: {told}"),
            f"{size(float(found['delivered_bytes']))} delivered to {count(found['members'])} average paying members",
            pl.DataFrame({"part": [title for title, _ in parts], "value": [value for _, value in parts]}),
            key="unit-cost-tree",
        )
    forms(found)


@part
def where_it_goes(found: dict[str, Any]) -> None:
    """Pools of cost, dearest first."""
    with card("Where it goes", "effective cost of the quarter", of=("effective_cost",)):
        pools = [p for p in found["pools"] if float(p["effective_usd"]) > 0][:9]
        if not pools:
            missing("No pool has a cost in this quarter.", "The usage comes to nothing at these rates.")
            return
        names = [f"{rate_name(p['sku'])} · {POOLS.get(p['pool'], p['pool'])}" for p in pools]
        amounts = [float(p["effective_usd"]) for p in pools]
        scale, unit, form = (
            (1e6, "USD million", "${:,.2f} M") if amounts[0] >= 1e5 else (1, "USD", "${:,.3g}")
        )
        shown = [amount / scale for amount in amounts]
        chart(
            bars(names, shown, colours(), axis=axis_of(form)),
            f"Effective cost by pool, {unit}, dearest first",
            pl.DataFrame({"cost": names, "usd": amounts}),
            key="pools",
            caption=f"{unit}, dearest first",
        )


@part
def by_region(found: dict[str, Any]) -> None:
    """Unit costs of each region, thinnest margin first."""
    with card(
        "By region", "cost and margin of an hour, thinnest margin first",
        of=("cost_per_stream_hour_usd", "margin_per_stream_hour"),
    ):  # fmt: skip
        regions = pl.DataFrame(found["by_region"], infer_schema_length=None)
        told = regions.filter(pl.col("hours").is_not_null()).sort(
            "contribution_usd_per_hour", nulls_last=True
        )
        table(
            [
                {"region": escaped(named(row["region"]))}
                | {
                    title: words(None if row[name] is None else float(row[name]))
                    for title, (name, words) in REGION_COLUMNS.items()
                }
                for row in told.iter_rows(named=True)
            ],
            alt="Unit costs by region, thinnest margin first",
        )
        taken("USD; what a region was charged over its hours", told, key="costs-by-region")


def forms(found: dict[str, Any]) -> None:
    """The report to take away."""
    source, _ = view()
    files = {name: source.file(f"report.{name}") for name in FORMS}
    if not files["html"].is_file():
        missing(
            "No report has been written.", f"`playhead cost report --quarter {found['quarter']}` writes it."
        )
        return
    with st.container(horizontal=True):
        for name, (title, mime) in FORMS.items():
            if files[name].is_file():
                st.download_button(
                    title,
                    files[name].read_bytes,
                    file_name=f"playhead-{found['quarter']}.{name}",
                    mime=mime,
                    icon=":material/download:",
                    on_click="ignore",
                )
