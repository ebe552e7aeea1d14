"""What breaks first: how full every tier and service is at so many streams at once."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from cost_model.report.numbers import count
from dashboards.charts import utilisation
from dashboards.components import card, chart, colours, part
from dashboards.economics import loaded, members_of
from dashboards.formats import share

__all__ = ["at_once"]


@part
def at_once(found: dict[str, Any]) -> None:
    """How full every tier and service is at so many concurrent streams, the first to break on top."""
    with card(
        "Capacity at so many streams at once", "the order in which things break", of=("capacity_utilisation",)
    ):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            streams = st.slider(
                "Concurrent streams, millions", min_value=5, max_value=400, value=65, step=5, key="streams",
                bind="query-params", width=340, help="65 M is the largest live audience that a service has told of.",
            )  # fmt: skip
            members = members_of(found)
        load = loaded(streams * 1e6, members * 1e6, "lean")
        # What is busy whatever the streams (a night's fill) breaks at no number of them.
        grows = [row for row in load.rows if row["breaks_at_concurrent"]["median"] is not None]
        steady = [row for row in load.rows if row not in grows]
        rows = [
            (
                row["resource"] + (f" ({row['place']})" if row["place"] else ""),
                used["low"] or 0.0,
                used["median"],
                used["high"] or used["median"],
            )
            for row in grows
            if (used := row["utilisation"])["median"] is not None
        ]
        first, over = grows[0], sum(median >= 1 for _, _, median, _ in rows)
        st.markdown(
            f"**{first['resource'].capitalize()}** breaks first, at "
            f"{count(first['breaks_at_concurrent']['median'])} streams; "
            + (f"at {streams} M streams {over} of {len(rows)} are over." if over else "nothing is over here.")
        )
        whatever = "".join(
            f"; {row['resource']} {share(row['utilisation']['median'], 0)}, whatever the streams"
            for row in steady
        )
        told = pl.DataFrame(rows, schema=("resource", "low", "median", "high"), orient="row")
        chart(
            utilisation(rows, colours()),
            f"Utilisation at {streams} M concurrent streams: "
            + ", ".join(f"{n} {share(m, 0)}" for n, _, m, _ in rows),
            told,
            key="capacity",
            caption=f"A service {load.standing.source}, regular peak {count(load.standing.concurrent.median)} "
            f"streams; bars: 90 % over the rates' ranges; dotted: full{whatever}",
        )
