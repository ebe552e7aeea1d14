"""Economics: what an hour of viewing costs, and from what size an own CDN and AV1 pay."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from cost_model.report.numbers import count, months, rate_name, ratio, size, span, unit_usd, usd
from dashboards.charts import bars, breakeven_curve, breakeven_draws, payback_by_size
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, footer, missing, view
from dashboards.economics import CURVE, break_even, pay_back
from dashboards.formats import named

source, filters = view()
found: dict[str, Any] = source.artefact("economics.json") or {}
palette = colours()
TILES = (
    ("usd_per_hour", "Cost per stream hour"),
    ("usd_per_gb", "Cost per GB"),
    ("usd_per_member_month", "Cost per subscriber-month"),
    ("contribution_usd_per_hour", "Contribution margin per stream hour"),
)
POOLS = {"delivery": "Delivery", "encoding": "Encoding", "control_plane": "Control plane"}

FORMS = {
    "html": ("Quarterly report (HTML)", "text/html"),
    "pdf": ("PDF", "application/pdf"),
    "xlsx": ("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}
REGION_COLUMNS = {
    "hours": ("hours", count),
    "cost": ("usd_per_hour", unit_usd),
    "gb": ("gb_per_hour", count),
    "month": ("usd_per_member_month", unit_usd),
    "revenue": ("revenue_usd_per_hour", unit_usd),
    "margin": ("contribution_usd_per_hour", unit_usd),
}

# --- the quarter ------------------------------------------------------------------------------------------

if not found:
    st.header("No costs have been computed for this lake", anchor=False)
    missing(
        "Unit costs need a quarter's charges.",
        "`playhead cost report --quarter 2026Q2` computes them from the delivery in the lake; "
        "`playhead ingest charges` takes a bill. Break-even and payback below stand on the shipped rates.",
    )
else:
    per_hour = found["figures"].get("usd_per_hour")
    st.header(
        f"{found['quarter']}: {usd(float(found['cost_usd']))} to deliver {count(found['hours'])} stream hours"
        + (f", {unit_usd(per_hour['value'])} each." if per_hour else "."),
        anchor=False,
    )
    st.caption(
        f"Effective cost of {found['included']}. Intervals (90 %) are over the ranges of the rates, not over the "
        f"panel. Charges reconcile to the modelled bill: residual ${float(found['residual_usd']):.2f}. "
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
    for column, (name, title) in zip(st.columns(4), TILES, strict=True):
        figure = found["figures"].get(name)
        with column:
            st.metric(
                title,
                unit_usd(figure["value"]) if figure else "–",
                delta=span(unit_usd(figure["low"]), unit_usd(figure["high"])) if figure else None,
                delta_color="off",
                delta_arrow="off",
                delta_description="90 %",
                border=True,
                height="stretch",
            )
    left, right = st.columns([1, 1])
    tree = found["unit_cost_tree"]
    with left, card("Unit-cost tree", "an identity: it multiplies out exactly"):
        st.table(
            {
                "cost per subscriber-month": f"**{unit_usd(tree['usd_per_member_month'])}**",
                "= cost per GB": unit_usd(tree["usd_per_gb"]),
                "× GB per stream hour": "–"
                if tree["gb_per_hour"] is None
                else f"{tree['gb_per_hour']:.3f} GB",
                "× stream hours per subscriber-month": "–"
                if tree["hours_per_member_month"] is None
                else f"{tree['hours_per_member_month']:.1f} h",
                "delivered": size(float(found["delivered_bytes"])),
                "average paying members": count(found["members"]),
            },
            border="horizontal",
            alt="Unit-cost tree",
        )
        forms = {name: source.file(f"report.{name}") for name in FORMS}
        if forms["html"].is_file():
            with st.container(horizontal=True):
                for name, (title, mime) in FORMS.items():
                    if forms[name].is_file():
                        st.download_button(
                            title,
                            forms[name].read_bytes,
                            file_name=f"playhead-{found['quarter']}.{name}",
                            mime=mime,
                            icon=":material/download:",
                            on_click="ignore",
                        )
        else:
            missing(
                "No report has been written.",
                f"`playhead cost report --quarter {found['quarter']}` writes it.",
            )
    with right, card("Where it goes", "effective cost of the quarter"):
        pools = [p for p in found["pools"] if float(p["effective_usd"]) > 0][:9]
        frame = pl.DataFrame(
            {
                "cost": [f"{p['sku'].replace('_', ' ')} · {POOLS.get(p['pool'], p['pool'])}" for p in pools],
                "usd": [float(p["effective_usd"]) for p in pools],
            },
            schema={"cost": pl.String, "usd": pl.Float64},
        )
        top = max(frame["usd"].to_list(), default=0.0)
        scale, unit, form = (1e6, "USD million", "${:,.2f} M") if top >= 1e5 else (1, "USD", "${:,.3g}")
        if pools:
            chart(
                bars(frame["cost"].to_list(), (frame["usd"] / scale).to_list(), palette, axis=axis_of(form)),
                f"Effective cost by pool, {unit}, dearest first",
                frame.with_columns(pl.col("usd") / scale),
                key="pools",
                caption=f"{unit}, dearest first",
            )
        else:
            missing("No pool has a cost in this quarter.", "The usage comes to nothing at these rates.")
    with card("By region", "cost and margin of an hour"):
        regions = pl.DataFrame(found["by_region"], infer_schema_length=None)
        st.dataframe(
            regions.filter(pl.col("hours").is_not_null())
            .sort("contribution_usd_per_hour", nulls_last=True)
            .select(
                region=pl.col("region").map_elements(named, pl.String, skip_nulls=False),
                **{
                    # A null would read "None": where a figure is unknown the column is text, with a dash.
                    column: pl.col(name)
                    if regions[name].drop_nulls().len() == regions.height
                    else pl.col(name).cast(pl.Float64).map_elements(words, pl.String, skip_nulls=False)
                    for column, (name, words) in REGION_COLUMNS.items()
                },
            ),
            column_config={
                "hours": st.column_config.NumberColumn("stream hours", format="compact"),
                "cost": st.column_config.NumberColumn("cost / hour", format="$%.6f"),
                "gb": st.column_config.NumberColumn("GB / hour", format="%.3f"),
                "month": st.column_config.NumberColumn("cost / subscriber-month", format="$%.4f"),
                "revenue": st.column_config.NumberColumn("revenue / hour", format="$%.4f"),
                "margin": st.column_config.NumberColumn("margin / hour", format="$%.4f"),
            }
            if not any(regions[name].null_count() for name, _ in REGION_COLUMNS.values())
            else {
                "hours": "stream hours",
                "cost": "cost / hour",
                "gb": "GB / hour",
                "month": "cost / subscriber-month",
                "revenue": "revenue / hour",
                "margin": "margin / hour",
            },
            hide_index=True,
            row_height=32,
            alt="Unit costs by region, thinnest margin first",
        )

# --- break-even and payback, recomputed at once -----------------------------------------------------------

st.subheader("What would it take", anchor=False)
given = tuple(sorted((k, float(v["value"])) for k, v in found.get("given", {}).items()))
given_av1 = tuple(sorted((k, float(v["value"])) for k, v in found.get("given_encoding", {}).items()))
with st.container(horizontal=True, vertical_alignment="bottom"):
    fixed = st.toggle(
        "Fix the third-party price",
        key="fixed",
        bind="query-params",
        help="Unpublished at this scale, and the figure that matters most. Off: drawn from its range.",
    )
    price = st.slider(
        "Negotiated price, $ per 1,000 GB",
        min_value=1.0,
        max_value=8.0,
        value=3.7,
        step=0.1,
        key="price",
        bind="query-params",
        disabled=not fixed,
        width=340,
    )
    members = st.slider(
        "Subscribers, millions",
        min_value=10,
        max_value=400,
        value=min(400, max(10, 5 * round(found.get("members", 100e6) / 5e6))),
        step=5,
        key="members",
        bind="query-params",
        width=340,
    )
asked = price / 1000 if fixed else None
at = members * 1e6
cdn = {policy: break_even(policy, given, asked, at) for policy in ("lean", "dense")}
av1 = {delivery: pay_back(delivery, given + given_av1, asked, at) for delivery in ("third_party", "own")}

left, right = st.columns(2)
with left, card("Own CDN breaks even at", "share of draws, by footprint"):
    told = []
    for policy, result in cdn.items():
        between = span(count(result.subscribers.low), count(result.subscribers.high))
        told.append(f"{policy}: **{count(result.subscribers.median)}** subscribers ({between})")
    st.markdown(" · ".join(told))
    chart(
        breakeven_draws({k: v.draws for k, v in cdn.items()}, palette, at_subscribers=at),
        "Distribution of the size at which an own CDN breaks even",
        pl.DataFrame({k: v.draws for k, v in cdn.items()}),
        key="breakeven",
        caption=f"At {members} M subscribers the lean footprint is cheaper in "
        f"{ratio(cdn['lean'].own_cheaper_ratio)} of draws. Delivery cost alone: quality and ISP relations are "
        "not in it.",
    )
with right, card("… by the price a third party would give", "median and 90 % interval, lean footprint"):
    hangs_on = (f"{rate_name(d.rate)} {d.first_order:.2f}" for d in cdn["lean"].drivers[:3])
    st.markdown(f"It hangs on {', '.join(hangs_on)}")
    points = [
        {"price_usd_per_gb": p.price_usd_per_gb, **p.subscribers.as_dict()}
        for p in break_even("lean", given, None, at, CURVE).curve
    ]
    chart(
        breakeven_curve(points, palette, price=asked, at_subscribers=at),
        "Break-even size by negotiated third-party price",
        pl.DataFrame(points),
        key="breakeven-curve",
        caption="Dashed: the size chosen. First-order shares of the rank variance say what it hangs on.",
    )

left, right = st.columns(2)
for side, (delivery, back) in zip((left, right), av1.items(), strict=True):
    where = "bytes bought from a third party" if delivery == "third_party" else "bytes from an own CDN"
    with side, card("AV1 + film grain pays back", where):
        i = back.at.months
        st.markdown(
            f"**{months(i.median)}** months at {members} M subscribers ({months(i.low)} to {months(i.high)}); "
            f"within 8–12 months in {ratio(back.at.within_ratio)} of draws"
        )
        by_size = [{"subscribers": p.subscribers, "months": p.months.as_dict()} for p in back.by_subscribers]
        chart(
            payback_by_size(by_size, palette, at_subscribers=at),
            f"Payback of AV1 with film grain by size of the service, {where}",
            pl.DataFrame(by_size).unnest("months"),
            key=f"payback-{delivery}",
            caption=f"A saved GB is worth {unit_usd(back.marginal_usd_per_gb.median)}; investment "
            f"{usd(back.investment_usd.median)}. Shaded: 8–12 months.",
        )
measured = found.get("given", {}) | found.get("given_encoding", {})
words = "; ".join(f"{rate_name(k)} {v['value']:.3g} ({v['source']})" for k, v in measured.items())
st.caption(
    "Every price and quantity is drawn from its range in the rates file"
    + (f"; instead: {words}." if words else ".")
)

footer(source, filters, st.session_state["_span"])
