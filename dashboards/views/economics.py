"""Economics: what an hour of viewing costs, what moved that, and from what size an own CDN and AV1 pay."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from cost_model.cdn import Policy
from cost_model.encoding import Delivery, Payback
from cost_model.report.numbers import count, months, rate_name, ratio, size, span, unit_usd, usd
from dashboards.charts import (
    bars,
    breakeven_curve,
    breakeven_draws,
    bridge,
    equation,
    payback_by_size,
    tornado,
    utilisation,
)
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, drawn, footer, missing, part, view
from dashboards.economics import (
    CURVE,
    av1_everywhere,
    break_even,
    given_of,
    loaded,
    members_of,
    pay_back,
)
from dashboards.formats import escaped, named, plain, share

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
    "stream hours": ("hours", count),
    "cost / hour": ("usd_per_hour", unit_usd),
    "GB / hour": ("gb_per_hour", lambda value: "–" if value is None else f"{value:.2f}"),
    "cost / subscriber-month": ("usd_per_member_month", unit_usd),
    "margin / hour": ("contribution_usd_per_hour", unit_usd),
}
POLICIES: tuple[Policy, ...] = ("lean", "dense")
DELIVERIES: dict[Delivery, str] = {
    "third_party": "bytes bought from a third party",
    "own": "bytes from an own CDN",
}

UNIT_COSTS = ("cost_per_subscriber_month_usd", "delivery_cost_per_gigabyte_usd", "cost_per_stream_hour_usd")


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
        for name, title in TILES:
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
            )
    tree = found["unit_cost_tree"]
    with card("Unit-cost tree", "an identity: it multiplies out exactly", of=UNIT_COSTS):
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


@part
def where_it_goes(found: dict[str, Any]) -> None:
    """Pools of cost, dearest first."""
    with card("Where it goes", "effective cost of the quarter"):
        pools = [p for p in found["pools"] if float(p["effective_usd"]) > 0][:9]
        if not pools:
            missing("No pool has a cost in this quarter.", "The usage comes to nothing at these rates.")
            return
        names = [f"{p['sku'].replace('_', ' ')} · {POOLS.get(p['pool'], p['pool'])}" for p in pools]
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
def what_moved_it(found: dict[str, Any]) -> None:
    """From the last quarter, or from the budget, to this one."""
    bridges = {
        title: found[key]
        for title, key in (("the last quarter", "bridge_prior_quarter"), ("the budget", "bridge_budget"))
        if found.get(key)
    }
    with card("What moved it", "volume, mix, efficiency and price add up to the change, to the cent"):
        if not bridges:
            missing("Nothing to compare with.", "A second quarter's report, or a budget, makes the bridge.")
            return
        against = st.segmented_control(
            "Against", list(bridges), default=next(iter(bridges)), required=True, key="against",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        one = bridges[against or next(iter(bridges))]
        steps = [(one["against"], float(one["before_usd"]))]
        steps += [(name, float(one[f"{name}_usd"])) for name in ("volume", "mix", "efficiency", "price")]
        steps.append((found["quarter"], float(one["now_usd"])))
        chart(
            bridge(steps, colours()),
            f"Cost from {one['against']} to {found['quarter']}: "
            + ", ".join(f"{name} {usd(value)}" for name, value in steps[1:-1]),
            pl.DataFrame({"step": [name for name, _ in steps], "usd": [value for _, value in steps]}),
            key="bridge",
            caption=f"USD; {one['cells']:,} cells by {', '.join(one['cells_by'])}; volume is {one['volume']}",
        )


@part
def what_it_hangs_on(found: dict[str, Any]) -> None:
    """Rates by what their range does to the cost."""
    with card("What it hangs on", "cost of the quarter at each rate's low and high end"):
        swings = found.get("tornado_usd") or []
        if not swings:
            missing("No rate's range moves the cost.", "Ranges stand in the rates file.")
            return
        rows = [(rate_name(s["rate"]), float(s["low"]), float(s["high"])) for s in swings[:8]]
        chart(
            tornado(rows, float(swings[0]["base"]), colours()),
            "Cost of the quarter at the low and high end of each rate, the widest on top",
            pl.DataFrame(swings),
            key="tornado",
            caption="USD, one rate at a time; green the low end, red the high",
        )


@part
def by_region(found: dict[str, Any]) -> None:
    """Unit costs of each region, thinnest margin first."""
    with card("By region", "cost and margin of an hour, thinnest margin first"):
        regions = pl.DataFrame(found["by_region"], infer_schema_length=None)
        told = regions.filter(pl.col("hours").is_not_null()).sort(
            "contribution_usd_per_hour", nulls_last=True
        )
        st.table(
            [
                {"region": escaped(named(row["region"]))}
                | {
                    title: words(None if row[name] is None else float(row[name]))
                    for title, (name, words) in REGION_COLUMNS.items()
                }
                for row in told.iter_rows(named=True)
            ],
            border="horizontal",
            hide_index=True,
            alt="Unit costs by region, thinnest margin first",
        )


@part
def what_would_it_take(found: dict[str, Any]) -> None:
    """Break-even, payback, AV1 everywhere: computed again at once where a slider is moved."""
    given, given_av1 = given_of(found, "given"), given_of(found, "given_encoding")
    st.subheader("What would it take", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fixed = st.toggle(
            "Fix the third-party price", key="fixed", bind="query-params",
            help="Unpublished at this scale, and the figure that matters most. Off: drawn from its range.",
        )  # fmt: skip
        price = st.slider(
            "Negotiated price, $ per 1,000 GB", min_value=1.0, max_value=8.0, value=3.7, step=0.1, key="price",
            bind="query-params", disabled=not fixed, width=300,
        )  # fmt: skip
        members = st.slider(
            "Subscribers, millions", min_value=10, max_value=400, step=5, key="members", bind="query-params", width=300,
            value=members_of(found),
        )  # fmt: skip
    asked, at = price / 1000 if fixed else None, members * 1e6
    cdn = {policy: break_even(policy, given, asked, at) for policy in POLICIES}
    av1 = {delivery: pay_back(delivery, given + given_av1, asked, at) for delivery in DELIVERIES}
    everywhere(found, av1)
    with st.grid(2, min_column_width=430):
        with card("Own CDN breaks even at", "share of draws, by footprint"):
            st.markdown(
                " · ".join(
                    f"{policy}: **{count(one.subscribers.median)}** subscribers "
                    f"({span(count(one.subscribers.low), count(one.subscribers.high))})"
                    for policy, one in cdn.items()
                )
            )
            chart(
                breakeven_draws({k: v.draws for k, v in cdn.items()}, colours(), at_subscribers=at),
                "Distribution of the size at which an own CDN breaks even",
                pl.DataFrame({k: v.draws for k, v in cdn.items()}),
                key="breakeven",
                caption=f"At {members} M subscribers the lean footprint is cheaper in "
                f"{ratio(cdn['lean'].own_cheaper_ratio)} of draws. Delivery cost alone: quality and ISP relations "
                "are not in it.",
            )
        with card("… by the price a third party would give", "median and 90 % interval, lean footprint"):
            hangs_on = (f"{rate_name(d.rate)} {d.first_order:.2f}" for d in cdn["lean"].drivers[:3])
            st.markdown(f"It hangs on {', '.join(hangs_on)}")
            points = [
                {"price_usd_per_gb": p.price_usd_per_gb, **p.subscribers.as_dict()}
                for p in break_even("lean", given, None, at, CURVE).curve
            ]
            chart(
                breakeven_curve(points, colours(), price=asked, at_subscribers=at),
                "Break-even size by negotiated third-party price",
                pl.DataFrame(points),
                key="breakeven-curve",
                caption="Dashed: the size chosen. First-order shares of the rank variance say what it hangs on.",
            )
        for delivery, back in av1.items():
            with card("AV1 + film grain pays back", DELIVERIES[delivery]):
                i = back.at.months
                st.markdown(
                    f"**{months(i.median)}** months at {members} M subscribers ({months(i.low)} to {months(i.high)}); "
                    f"within 8–12 months in {ratio(back.at.within_ratio)} of draws"
                )
                by_size = [
                    {"subscribers": p.subscribers, "months": p.months.as_dict()} for p in back.by_subscribers
                ]
                chart(
                    payback_by_size(by_size, colours(), at_subscribers=at),
                    f"Payback of AV1 with film grain by size of the service, {DELIVERIES[delivery]}",
                    pl.DataFrame(by_size).unnest("months"),
                    key=f"payback-{delivery}",
                    caption=f"A saved GB is worth {unit_usd(back.marginal_usd_per_gb.median)}; investment "
                    f"{usd(back.investment_usd.median)}. Shaded: 8–12 months.",
                )
    measured = found.get("given", {}) | found.get("given_encoding", {})
    words = "; ".join(f"{rate_name(k)} {plain(v['value'])} ({v['source']})" for k, v in measured.items())
    st.caption(
        "Every price and quantity is drawn from its range in the rates file"
        + (f"; instead: {words}." if words else ".")
    )


def everywhere(found: dict[str, Any], av1: dict[Delivery, Payback]) -> None:
    """What AV1 for every hour that has none would do to margin."""
    saving = found.get("given_encoding", {}).get("av1_saving_ratio", {}).get("value")
    if saving is None or not found.get("by_codec"):
        return
    rows, gain = [], None
    for delivery, back in av1.items():
        gain = av1_everywhere(found["by_codec"], float(saving), back.marginal_usd_per_gb, found["days"])
        if gain is None:
            return
        hour, year = gain.usd_per_hour, gain.usd_per_year
        rows.append(
            {
                "bytes": DELIVERIES[delivery],
                "margin per 1,000 stream hours": f"**+{unit_usd(1000 * hour.median)}** "
                f":gray[({unit_usd(1000 * hour.low)} to {unit_usd(1000 * hour.high)})]",
                "a year": f"+{usd(year.median)} :gray[({usd(year.low)} to {usd(year.high)})]",
                "pays back in": f"{months(back.at.months.median)} months",
            }
        )
    if gain is None:
        return
    is_asked = st.query_params.get("ask") == "av1"
    with card(
        ("→ " if is_asked else "") + "What would AV1 everywhere do to margin?",
        "a ceiling: every device decodes it",
    ):
        st.table(rows, border="horizontal", hide_index=True, alt="Effect of AV1 everywhere on margin")
        st.caption(
            f"{share(gain.hours_ratio)} of stream hours have no AV1 yet; it saves {share(float(saving), 0)} of their "
            f"bytes, {gain.gb_per_hour:.2f} GB over all stream hours. Worth of a byte: the price bought, or what "
            "it saves of an own fleet. Encoding is not in it; payback counts that."
        )


@part
def at_once(found: dict[str, Any]) -> None:
    """How full every tier and service is at so many concurrent streams, the first to break on top."""
    with card("Capacity at so many streams at once", "the order in which things break"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            streams = st.slider(
                "Concurrent streams, millions", min_value=5, max_value=400, value=65, step=5, key="streams",
                bind="query-params", width=340, help="65 M is the largest live audience that a service has told of.",
            )  # fmt: skip
            members = members_of(found)
        load = loaded(streams * 1e6, members * 1e6, "lean")
        rows, names = [], []
        for row in load.rows:
            used = row["utilisation"]
            if used["median"] is None or row["breaks_at_concurrent"]["median"] is None:
                continue
            ends = [used["low"] or 0.0, used["median"], used["high"] or used["median"]]
            names.append(row["resource"] + (f" ({row['place']})" if row["place"] else ""))
            rows.append((names[-1], *ends))
        over = [row["resource"] for row in load.rows if (row["utilisation"]["median"] or 0) >= 1]
        first = load.rows[0]
        st.markdown(
            f"**{first['resource'].capitalize()}** breaks first, at "
            f"{count(first['breaks_at_concurrent']['median'])} streams; "
            + (
                f"at {streams} M streams {len(over)} of {len(load.rows)} are over."
                if over
                else "nothing is over here."
            )
        )
        told = pl.DataFrame(rows, schema=("resource", "low", "median", "high"), orient="row")
        chart(
            utilisation(rows, colours()),
            f"Utilisation at {streams} M concurrent streams: "
            + ", ".join(f"{n} {share(m, 0)}" for n, _, m, _ in rows),
            told,
            key="capacity",
            caption=f"{load.standing.source}, regular peak {count(load.standing.concurrent.median)} streams; 90 % "
            "over the rates' ranges; dotted: full",
        )


source, filters = view()
if not source.sees_finance:
    st.header("Figures in money need the role finance", anchor=False)
    st.caption("Whoever runs this server gives it, under [roles] of its secrets.toml.")
    st.stop()
found: dict[str, Any] = source.artefact("economics.json") or {}
if not found:
    st.header("No costs have been computed for this lake", anchor=False)
    missing(
        "Unit costs need a quarter's charges.",
        "`playhead cost report --quarter 2026Q2` computes them from the delivery in the lake; "
        "`playhead ingest charges` takes a bill. Break-even and payback below stand on the shipped rates.",
    )
else:
    quarter(found)
    with st.grid(2, min_column_width=430):
        where_it_goes(found)
        what_moved_it(found)
        what_it_hangs_on(found)
        by_region(found)
what_would_it_take(found)
at_once(found)
footer(source, filters, st.session_state["_span"], UNIT_COSTS)
