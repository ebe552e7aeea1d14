"""Economics: what an hour of viewing costs, what moved that, and from what size an own CDN and AV1 pay."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards.components import footer, missing, view
from dashboards.worth import (
    at_once,
    by_region,
    quarter,
    what_it_hangs_on,
    what_moved_it,
    what_would_it_take,
    where_it_goes,
)

UNIT_COSTS = ("cost_per_stream_hour_usd", "cost_per_subscriber_month_usd", "delivery_cost_per_gigabyte_usd")

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
