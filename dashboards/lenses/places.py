"""The metric on a map: a disc a site, in its country."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards.charts.style import axis_of
from dashboards.charts.world import located, world_map
from dashboards.components import card, chart, colours, missing
from dashboards.formats import written
from dashboards.lenses.question import Question
from dashboards.lenses.values import narrow

__all__ = ["places"]

_FEWEST = 30
_MOST = 1_500


def places(question: Question, overall: float | None) -> None:
    """Draw the map; a click on a site goes down to it. ``overall``: the metric's value in the window."""
    metric = question.metric
    by = next(
        (b for b in (("country", "isp", "site"), ("country",)) if question.filters.tells(metric.name, *b)),
        None,
    )
    if by is None:
        with card("Map"):
            missing("This metric is not told by country.", "Choose another metric.")
        return
    # Beside a site chosen, the others of its ISP: a map of one place tells nothing.
    where = tuple((name, values) for name, values in question.where if name != "site")
    rows = question.source.measure((metric.name,), question.window, where=where, by=by)
    known = rows.drop_nulls("country").filter(pl.col("n") >= _FEWEST).sort("n", descending=True).head(_MOST)
    what = "site" if "site" in by else "country"
    if known.is_empty():
        with card("Map"):
            missing(
                f"The telemetry tells no country with at least {_FEWEST} rows.",
                "Ingest logs with a country, or map one with `ingest sessions`.",
            )
        return
    placed = located(known, "country", "n").with_columns(
        key=pl.col(by[-1]),
        name=pl.concat_str([pl.col(name).fill_null("unknown") for name in reversed(by)], separator=" · "),
    )
    key = f"map-{metric.name}"

    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        target = points[0].get("customdata", [None] * 4)[3] if points else None
        if target is not None and what == "site":
            isp = placed.filter(pl.col("site") == target)["isp"][0]
            narrow({"isp": isp, "site": target}, "device")

    many = (
        f"{placed.height:,} {'sites' if what == 'site' else 'countries'}"
        if placed.height > 1
        else f"one {what}"
    )
    with card(f"{metric.title} by {what}", many, of=(metric.name,)):
        figure = world_map(
            placed, colours(), axis=axis_of(metric.format), is_lower_better=metric.better == "lower"
        )
        figure.update_layout(dragmode=False)
        chart(
            figure, f"Map of {metric.title.lower()} by {what}",
            placed.select(*by, "value", "n", "longitude", "latitude"), key=key, on_select=picked, selects="points",
            caption=f"A disc a {what}: as large as its sessions, the stronger the worse. Sites stand about the middle "
            "of their country, since telemetry does not tell where in it they are"
            + (f"; those under {_FEWEST} rows are left out." if rows.height > known.height else ".")
            + " Click one to look into it." * (what == "site"),
        )  # fmt: skip
        if what == "site" and overall is not None and where == question.where:
            worse = 1.0 if metric.better == "lower" else -1.0
            off = placed.with_columns(harm=worse * (pl.col("value") - overall) * pl.col("n"))
            top = off.filter(pl.col("harm") > 0).sort("harm", descending=True).head(3)
            told = ", ".join(
                f"{name} ({written(metric, value)})" for name, value in top.select("site", "value").rows()
            )
            st.caption(
                f"Furthest off the whole, times their sessions: {told}."
                if told
                else "No site is off the whole."
            )
