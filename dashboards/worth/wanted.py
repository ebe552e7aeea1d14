"""What would it take: from what size an own CDN and AV1 pay, at a price and a size that the reader sets."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from cost_model.cdn import Policy
from cost_model.encoding import Delivery, Payback
from cost_model.report.numbers import count, months, rate_name, ratio, span, unit_usd, usd
from dashboards.charts import breakeven_curve, breakeven_draws, payback_by_size
from dashboards.components import card, chart, colours, part, table
from dashboards.economics import CURVE, av1_everywhere, break_even, given_of, members_of, pay_back
from dashboards.formats import plain, share

__all__ = ["what_would_it_take"]

POLICIES: tuple[Policy, ...] = ("lean", "dense")
DELIVERIES: dict[Delivery, str] = {
    "third_party": "bytes bought from a third party",
    "own": "bytes from an own CDN",
}


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
        with card("Own CDN breaks even at", "share of draws, by footprint", of=("break_even_subscribers",)):
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
        with card(
            "… by the price a third party would give", "median and 90 %, lean footprint",
            of=("break_even_subscribers",),
        ):  # fmt: skip
            hangs_on = (f"{rate_name(d.rate)} {share(d.first_order, 0)}" for d in cdn["lean"].drivers[:3])
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
            with card("AV1 + film grain pays back", DELIVERIES[delivery], of=("payback_months",)):
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
        of=("av1_margin",),
    ):
        table(rows, alt="Effect of AV1 everywhere on margin")
        st.caption(
            f"{share(gain.hours_ratio)} of stream hours have no AV1 yet; it saves {share(float(saving), 0)} of their "
            f"bytes, {gain.gb_per_hour:.2f} GB over all stream hours. Worth of a byte: the price bought, or what "
            "it saves of an own fleet. Encoding is not in it; payback counts that."
        )
