"""Why did it cost that: what moved it since another quarter or the budget, and which rates it hangs on."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from cost_model.report.numbers import rate_name, usd
from dashboards.charts import bridge, tornado
from dashboards.components import card, chart, colours, missing, part
from dashboards.formats import titled

__all__ = ["what_it_hangs_on", "what_moved_it"]


@part
def what_moved_it(found: dict[str, Any]) -> None:
    """From the last quarter, or from the budget, to this one."""
    bridges = {
        title: found[key]
        for title, key in (("the last quarter", "bridge_prior_quarter"), ("the budget", "bridge_budget"))
        if found.get(key)
    }
    with card(
        "What moved it",
        "steps that add up to the change, to the cent",
        of=("cost_bridge",),
    ):
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
            caption=f"USD; {one['cells']:,} cells by {', '.join(map(titled, one['cells_by']))}; volume is "
            f"{one['volume']}",
        )


@part
def what_it_hangs_on(found: dict[str, Any]) -> None:
    """Rates by what their range does to the cost."""
    with card("What it hangs on", "cost of the quarter at each rate's low and high end", of=("rate_swing",)):
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
