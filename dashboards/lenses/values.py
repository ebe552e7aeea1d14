"""The metric by any dimensions, worst first; a click goes down into a value."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from dashboards.breakdown import DRILL, breakdown, with_days
from dashboards.charts.style import axis_of
from dashboards.components import card, missing
from dashboards.formats import named, titled
from dashboards.lenses.question import DRILLED, Question, forget
from dashboards.listing import Column, listing, picked

__all__ = ["by_value", "narrow"]

BESIDE = ("time_to_play_p50_ms", "time_to_play_p99_ms", "time_to_play_late_ratio")
_TITLES = dict(zip(BESIDE, ("p50, ms", "p99, ms", "over 2 s"), strict=True))
_MOST, _MOST_LINES = 100, 40  # rows shown; of so many at most, their days as lines


def by_value(question: Question, overall: float | None) -> None:
    """Draw the table; ``overall``: the metric's value in the window."""
    metric, by = question.metric, question.by
    what = " and ".join(titled(name) for name in by)
    if not by:
        with card("By value"):
            missing("Nothing tells this metric by a dimension.", "Choose another metric, or clear a filter.")
        return
    table, beside = _table(question, overall)
    below = DRILL.get(by[-1]) if set(by) <= set(DRILLED) else None
    hint = f"click a row to look into it, by {titled(below)}" if below else "worst first"
    with card(
        f"By {what}, worst first",
        hint,
        help="Ranked by impact: how far the value is off the whole, times its share of it. A small place with a "
        "terrible figure stands below a large one with a bad figure. By keyboard: arrows to a row, then Enter.",
        of=(metric.name,),
    ):
        untold = [titled(name) for name in by if table[name].is_null().all()]
        if untold:
            missing(
                f"The telemetry does not tell {' or '.join(untold)}.",
                "Ingest logs that do, or map a column with `ingest sessions`.",
            )
        shown, columns = _columns(question, table, beside, what)
        key = f"breakdown-{'-'.join(by)}"

        def drill() -> None:
            row = picked(key)
            if row is not None and row < table.height:
                narrow({name: table[name][row] for name in by}, below)

        listing(
            shown, columns=columns, key=key, height=520, on_pick=drill if below else None,
            alt=f"{metric.title} by {what}, worst first",
        )  # fmt: skip
        with st.container(horizontal=True, horizontal_alignment="right"):
            data = table.drop("days", strict=False)
            st.download_button(
                "CSV", data.write_csv().encode(), file_name=f"{metric.name}-by-{'-'.join(by)}.csv",
                mime="text/csv", icon=":material/download:", type="tertiary", on_click="ignore",
            )  # fmt: skip


def narrow(values: dict[str, str | None], below: str | None) -> None:
    """Into the slice that has ``values``, by the dimension ``below``. For callbacks: widgets are drawn after it."""
    if any(value is None for value in values.values()):
        return
    for name, value in values.items():
        if name == "site":
            st.query_params["site"] = str(value)
        else:
            st.session_state[name] = [value]
    forget("box", "session")
    if below is not None:
        st.session_state["by"] = [below]


def _table(question: Question, overall: float | None) -> tuple[pl.DataFrame, tuple[str, ...]]:
    source, name, by = question.source, question.metric.name, question.by
    asked: dict[str, Any] = {"where": question.where, "by": by}
    beside = tuple(n for n in BESIDE if n != name and question.filters.tells(n, *by))
    # Asked for at once, so that the telemetry is read once.
    rows = source.measure((name, *beside), question.window, **asked)
    before = source.measure((name,), question.versus, **asked) if question.versus else None
    own = rows.filter(pl.col("metric") == name)
    table = breakdown(question.metric, by, own, before, overall).filter(pl.col("n") > 0)
    if table.height <= _MOST_LINES:
        table = with_days(table, source.measure((name,), question.period, grain="1d", **asked), by)
    table = table.head(_MOST)
    for other in beside:
        column = rows.filter(pl.col("metric") == other).select(*by, pl.col("value").alias(other))
        table = table.join(column, on=list(by), how="left", nulls_equal=True, maintain_order="left")
    return table, beside


def _columns(
    question: Question, table: pl.DataFrame, beside: tuple[str, ...], what: str
) -> tuple[pl.DataFrame, dict[str, Column]]:
    metric = question.metric
    scale = 100.0 if metric.unit.startswith("ratio") else 1.0
    axis = axis_of(metric.format)
    digits = int("".join(c for c in axis.spec.split(".")[-1] if c.isdigit()) or "0")
    suffix = "\u00a0%" if scale == 100 else axis.suffix
    beyond = " pt" if scale == 100 else axis.suffix
    names = [
        " · ".join(named(None if v is None else str(v)) for v in row)
        for row in table.select(question.by).rows()
    ]
    shown = table.select(
        pl.Series("name", names, dtype=pl.String),
        value=pl.col("value") * scale,
        change=pl.col("change") * scale,
        **{other: pl.col(other) * (100.0 if other.endswith("ratio") else 1.0) for other in beside},
        sessions=pl.col("n"),
        impact=pl.col("impact").clip(lower_bound=0) * scale,
        **({"days": pl.col("days")} if "days" in table.columns else {}),
    )
    columns = {
        "name": Column(what, is_wide=True),
        "value": Column(metric.title, f"{axis.prefix}{{:,.{digits}f}}{suffix}".format),
        "change": Column("change", f"{{:+,.{digits}f}}{beyond}".format),
        **{
            other: Column(_TITLES[other], ("{:.2f}\u00a0%" if other.endswith("ratio") else "{:,.0f}").format)
            for other in beside
        },
        "sessions": Column("rows in the panel", "{:,}".format),
        "impact": Column(
            "impact on the whole", f"{{:,.{digits + 1}f}}{beyond}".format,
            most=max([1e-12, *shown["impact"].drop_nulls()]),
        ),
        "days": Column("by day"),
    }  # fmt: skip
    empty = [name for name in ("change", "impact") if shown[name].is_null().all()]
    return shown.drop(empty), columns
