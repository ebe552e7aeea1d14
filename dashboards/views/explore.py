"""Explore: any metric by any dimension, worst first, down from region to ISP to site."""

from __future__ import annotations

from typing import Any

import polars as pl
import streamlit as st

from dashboards.breakdown import DRILL, breakdown, with_days
from dashboards.charts import Band, trend
from dashboards.charts.style import axis_of
from dashboards.components import card, chart, colours, footer, missing, view
from dashboards.formats import change, escaped, named, written
from dashboards.segments import episodes_in, merged, objectives_of
from metrics.catalog import METRICS, get_metric
from metrics.parts import dimensions_of

BESIDE = ("time_to_play_p50_ms", "time_to_play_p99_ms", "time_to_play_late_ratio")
DIMENSIONS = ("region", "isp", "site", "country", "device", "os", "player_version", "codec", "cdn", "surface", "tier",
              "miss_class", "service")  # fmt: skip
_SHOWN = {"isp": "ISP", "cdn": "CDN", "os": "OS"}
_HOURLY_DAYS = 3

source, filters = view()
period, versus = filters.period, filters.versus


def titled(dimension: str) -> str:
    return _SHOWN.get(dimension, dimension.replace("_", " "))


# --- what is asked ----------------------------------------------------------------------------------------

names = [name for name in METRICS if filters.tells(name)]
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.selectbox(
        "Metric",
        names,
        index=names.index("time_to_play_p99_ms") if "time_to_play_p99_ms" in names else 0,
        format_func=lambda n: METRICS[n].title,
        key="metric",
        bind="query-params",
        width=340,
    )
    metric = get_metric(name)
    told = [d for d in DIMENSIONS if filters.tells(name, d) and d in dimensions_of(metric.numerator.table)]
    by = st.selectbox(
        "by", told, format_func=titled, key="by", bind="query-params", width=180, disabled=not told
    )

chosen = [(dimension, values) for dimension, values in filters.where if len(values) == 1]


def step_up(dimension: str) -> None:
    """Leave this dimension and everything below it."""
    for other, _ in chosen[[d for d, _ in chosen].index(dimension) :]:
        st.session_state[other] = []
    st.session_state["by"] = dimension


if chosen:
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.caption("Slice", width="content")
        for dimension, values in chosen:
            st.button(
                f"{titled(dimension)}: {escaped(named(values[0]))}",
                icon=":material/close:",
                type="tertiary",
                key=f"up-{dimension}",
                on_click=step_up,
                args=(dimension,),
                help=f"Back to all, by {titled(dimension)}",
            )

# --- the whole slice over time ----------------------------------------------------------------------------

now = source.measure((name,), period, where=filters.where, intervals=True)
before = source.measure((name,), versus, where=filters.where) if versus else None
value = now["value"][0] if now.height else None
old = before["value"][0] if before is not None and before.height else None

with card(
    metric.title,
    metric.unit,
    help=f"{metric.about} Clock: {metric.clock}. Source: {metric.source or 'catalogue'}.",
):
    moved = change(metric, value, old)
    low, high = (now["low"][0], now["high"][0]) if now.height else (None, None)
    tone = "gray"
    if value is not None and old is not None and low is not None and abs(value - old) > (high - low) / 2 > 0:
        tone = "red" if (value > old) == (metric.better == "lower") else "green"
    compared = f":{tone}[{moved} against the period before]" if old is not None else ""
    between = f":gray[90 %: {written(metric, low)} to {written(metric, high)}]" if low != high else ""
    st.markdown(f"### {written(metric, value)} :small[{compared} {between}]")
    grain = (
        "1h"
        if period.days <= _HOURLY_DAYS and "day" not in metric.clock and metric.numerator.table != "charge"
        else "1d"
    )
    if metric.denominator is not None and metric.denominator.table == "membership":
        grain = "1d"
    series = source.measure((name,), period, where=filters.where, grain=grain)
    past = source.measure((name,), versus, where=filters.where, grain=grain) if versus else None
    line = series.select(ts_ms="bucket_ts_ms", value="value")
    dashed = None
    if past is not None and versus is not None:
        shift = period.start_ts_ms - versus.start_ts_ms
        dashed = past.select(ts_ms=pl.col("bucket_ts_ms") + shift, value="value")
    watched = objectives_of(name)
    alerts = episodes_in(source.alerts(filters.where, period), period) if watched else None
    incidents = []
    if alerts is not None:
        pages = merged(alerts.filter(pl.col("name").is_in(watched), pl.col("severity") == "page"))
        incidents = pages.head(12).to_dicts()
    bands = [
        Band(row["start_ts_ms"], row["end_ts_ms"] or period.end_ts_ms, row["objective"], row["severity"])
        for row in incidents
    ]
    figure = trend(
        line,
        colours(),
        axis=axis_of(metric.format),
        name=metric.title,
        previous=dashed,
        limit=metric.limit,
        bands=bands,
        view=(period.start_ts_ms, period.end_ts_ms),
    )
    parts = [f"{metric.title} by {'hour' if grain == '1h' else 'day'}, UTC"]
    if dashed is not None:
        parts.append("dashed: the period before")
    if bands:
        parts.append("shaded: pages of its objectives")
    chart(figure, f"{metric.title} over time, {written(metric, value)} over the period", line, key=f"trend-{name}",
          caption="; ".join(parts))  # fmt: skip

# --- by the dimension, worst first ------------------------------------------------------------------------

if not told:
    with card("Breakdown"):
        missing("Nothing tells this metric by a dimension.", "Choose another metric, or clear a filter.")
else:
    rows = source.measure((name,), period, where=filters.where, by=(by,))
    rows_before = source.measure((name,), versus, where=filters.where, by=(by,)) if versus else None
    table = breakdown(metric, by, rows, rows_before, value)
    table = table.filter(pl.col("n") > 0).head(100)
    daily = source.measure((name,), period, where=filters.where, by=(by,), grain="1d")
    table = with_days(table, daily, by)
    beside = tuple(n for n in BESIDE if n != name and filters.tells(n, by))
    extra = source.measure(beside, period, where=filters.where, by=(by,)) if beside else pl.DataFrame()
    for other in beside:
        table = table.join(
            extra.filter(pl.col("metric") == other).select(by, pl.col("value").alias(other)),
            on=by, how="left", nulls_equal=True, maintain_order="left",
        )  # fmt: skip
    below = DRILL.get(by)
    hint = f"click a row for its {titled(below)}s" if below else "worst first"
    with card(
        f"By {titled(by)}, worst first",
        hint,
        help="Ranked by impact: how far the value is off the whole, times its share of it. A small place with a "
        "terrible figure stands below a large one with a bad figure.",
    ):
        if table[by].is_null().all():
            missing(
                f"The telemetry does not tell {titled(by)}.",
                "Ingest logs that do, or map a column with `ingest sessions`.",
            )
        scale = 100.0 if metric.unit.startswith("ratio") else 1.0
        axis = axis_of(metric.format)
        digits = "".join(c for c in axis.spec.split(".")[-1] if c.isdigit()) or "0"
        number = f"{axis.prefix}%,.{digits}f{'%%' if scale == 100 else axis.suffix}"
        signed = f"%+,.{digits}f{' pt' if scale == 100 else axis.suffix}"
        shown = table.select(
            pl.Series(
                "name", [named(v) if v is None or isinstance(v, str) else str(v) for v in table[by].to_list()]
            ),
            value=pl.col("value") * scale,
            change=pl.col("change") * scale,
            **{other: pl.col(other) * (100.0 if other.endswith("ratio") else 1.0) for other in beside},
            sessions=pl.col("n"),
            impact=pl.col("impact").clip(lower_bound=0) * scale,
            days=pl.col("days"),
        )
        titles = {
            "time_to_play_p50_ms": "p50, ms",
            "time_to_play_p99_ms": "p99, ms",
            "time_to_play_late_ratio": "over 2 s",
        }
        config: dict[str, Any] = {
            "name": st.column_config.TextColumn(titled(by), width="medium"),
            "value": st.column_config.NumberColumn(metric.title, format=number),
            "change": st.column_config.NumberColumn("change", format=signed),
            "sessions": st.column_config.NumberColumn("rows in the panel", format="localized"),
            "impact": st.column_config.ProgressColumn(
                "impact on the whole", format=f"%.{int(digits) + 1}f", min_value=0.0,
                max_value=max(float(shown["impact"].max() or 0.0), 1e-12), color="red",  # type: ignore[arg-type]
            ),
            "days": st.column_config.LineChartColumn("by day"),
        }  # fmt: skip
        for other in beside:
            config[other] = st.column_config.NumberColumn(
                titles[other], format="%.2f%%" if other.endswith("ratio") else "%,.0f"
            )

        def drill() -> None:
            """A click on a row: into its value, by the next dimension down."""
            picked = st.session_state["breakdown"]["selection"]["rows"]
            target = table[by][picked[0]] if picked else None
            if target is not None and below is not None and by in st.session_state:
                st.session_state[by] = [target]
                st.session_state["by"] = below

        is_filter = by in source.options() and below is not None
        if shown["change"].is_null().all():
            shown = shown.drop("change")
        st.dataframe(
            shown,
            column_config=config,
            hide_index=True,
            row_height=32,
            height=min(38 + 32 * max(shown.height, 1), 520),
            key="breakdown" if is_filter else f"breakdown-{by}",
            on_select=drill if is_filter else "ignore",
            selection_mode="single-row",
            alt=f"{metric.title} by {titled(by)}, worst first",
        )
        st.download_button(
            "CSV", table.drop("days").write_csv().encode(), file_name=f"{name}-by-{by}.csv", mime="text/csv",
            icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip

footer(source, filters, st.session_state["_span"], (name,))
