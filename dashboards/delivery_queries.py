"""What Delivery asks of rows that no cube holds, cached by (lake version, question)."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.context import Where
from dashboards.delivery import filled, steered_by_day, utilisation
from dashboards.kept import steered
from dashboards.queries import Source
from dashboards.window import Window, days_of
from metrics.lake import Lake
from metrics.parts import dimensions_of
from metrics.period import DAY_MS
from metrics.sample import every_of, some_rows

__all__ = ["hours_of_day", "nights", "recent", "steered_every", "steering", "worst_fills"]

_HOURLY_DAYS = 14


def recent(window: Window) -> Window:
    """The last days of a window: an hour of the day is told by a fortnight as well as by a quarter."""
    return Window(max(window.start_ts_ms, window.end_ts_ms - _HOURLY_DAYS * DAY_MS), window.end_ts_ms)


@st.cache_data(show_spinner=False, max_entries=32)
def hours_of_day(source: Source, window: Window, where: Where, level: str) -> pl.DataFrame:
    """:func:`dashboards.delivery.utilisation` over a window; empty where no appliance reported a capacity."""
    health = _rows(source, "appliance_health", window, _told("appliance_health", where))
    reported = health.select("ts_ms", "region", "site", "appliance", "capacity_kbps").collect()
    if reported.is_empty():
        return pl.DataFrame()
    hour = pl.col("ts_ms") % DAY_MS // 3_600_000
    traffic = (
        _rows(source, "delivery", window, where)
        .filter(pl.col("appliance").is_not_null())
        .group_by(hour.alias("hour"), "appliance", "isp")
        .agg(pl.col("delivered_bytes").cast(pl.Float64).sum())
        .collect()
    )
    # What a slice does not reach takes no part: its capacity would only dilute.
    if where:
        plain = traffic["appliance"].str.replace(r"-\d+$", "")
        reached = pl.concat([plain, traffic["appliance"]]).unique().to_list()
        reported = reported.filter(pl.col("appliance").is_in(reached))
    return utilisation(traffic, reported, level)


@st.cache_data(show_spinner=False, max_entries=32)
def nights(source: Source, window: Window, where: Where) -> pl.DataFrame:
    """:func:`dashboards.delivery.filled` over a window."""
    return filled(_rows(source, "fill", window, _told("fill", where)).drop("day").collect())


@st.cache_data(show_spinner=False, max_entries=32)
def worst_fills(source: Source, window: Window, where: Where, most: int = 5) -> pl.DataFrame:
    """Where most planned bytes did not arrive: ``region, site, tier, missed_bytes, nights, status``, worst first."""
    short = _rows(source, "fill", window, _told("fill", where)).filter(pl.col("status") != "complete")
    missed = (pl.col("planned_bytes") - pl.col("pushed_bytes")).cast(pl.Float64).sum()
    return (
        short.group_by("region", "site", "tier")
        .agg(missed_bytes=missed, nights=pl.len(), failed=(pl.col("status") == "failed").sum())
        .sort("missed_bytes", "site", descending=[True, False])
        .head(most)
        .collect()
    )


@st.cache_data(show_spinner=False, max_entries=32)
def steering(source: Source, window: Window, where: Where) -> pl.DataFrame:
    """Steering's answers by day: ``ts_ms, requests, p50_ms, p99_ms, failed``, of the panel's sample, weighted not.

    Of a slice of a large lake, of every so manieth of its requests.
    """
    lake, told = Lake.open(Path(source.path)), _told("control_request", where)
    if not told:
        days = steered(lake)
    else:
        files = days_of(lake.snapshot("control_request").files, window)
        days = steered_by_day(_in_slice(some_rows(lake, "control_request", files)[0], told)).collect()
    return days.filter(pl.col("ts_ms") >= window.start_ts_ms, pl.col("ts_ms") < window.end_ts_ms)


def steered_every(source: Source, where: Where) -> int:
    """Of how manieth request :func:`steering` tells a slice: 1 of all members, and where all are read."""
    told = _told("control_request", where)
    return every_of(Lake.open(Path(source.path)), "control_request") if told else 1


def _rows(source: Source, table: str, window: Window, where: Where) -> pl.LazyFrame:
    lake = Lake.open(Path(source.path))
    rows = lake.scan(table, days_of(lake.snapshot(table).files, window))
    rows = rows.filter(pl.col("ts_ms") >= window.start_ts_ms, pl.col("ts_ms") < window.end_ts_ms)
    return _in_slice(rows, where)


def _in_slice(rows: pl.LazyFrame, where: Where) -> pl.LazyFrame:
    return rows.filter(*(pl.col(name).is_in(list(values)) for name, values in where)) if where else rows


def _told(table: str, where: Where) -> Where:
    """What of a slice the table tells."""
    return tuple((name, values) for name, values in where if name in dimensions_of(table))
