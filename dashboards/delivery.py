"""How delivery is doing: how full appliances are, what the nightly fill left out. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from dashboards.formats import share

__all__ = ["LEVELS", "filled", "fullest", "sentence", "steered_by_day", "utilisation"]

LEVELS = ("region", "isp", "site", "appliance")
_DAY_MS = 86_400_000


def utilisation(traffic: pl.DataFrame, health: pl.DataFrame, level: str) -> pl.DataFrame:
    """How much of their egress appliances gave by hour of the day, by ``level``.

    ``traffic``: ``hour`` (of the day), ``appliance, isp, delivered_bytes``, over some days; ``health``: ``ts_ms`` (the
    day), ``region, site, appliance, capacity_kbps``, of the same days. An appliance of the traffic belongs to the
    cluster of the same name, or of that name without its number. Columns: ``place, hour, utilisation`` (delivered
    over what could have been), ``capacity_kbps`` (a day's mean).
    """
    names = health.select(cluster="appliance").unique()
    of = traffic.select("appliance").unique().drop_nulls()
    known = of.with_columns(cluster="appliance").join(names, on="cluster", how="semi")
    plain = pl.col("appliance").str.replace(r"-\d+$", "")
    numbered = of.join(known, on="appliance", how="anti").with_columns(cluster=plain)
    clusters = pl.concat([known, numbered.join(names, on="cluster", how="semi")])
    given = traffic.join(clusters, on="appliance")
    # An edge serves one ISP; what serves several is a place of its own.
    served = (
        given.drop_nulls("isp")
        .group_by("cluster")
        .agg(pl.col("isp").first(), several=pl.col("isp").n_unique())
    )
    alone = served.filter(pl.col("several") == 1).select("cluster", "isp")
    reported = health.rename({"appliance": "cluster"}).join(alone, on="cluster", how="left")
    reported = reported.with_columns(place=_place(level))
    days = reported.group_by("place").agg(
        pl.col("capacity_kbps").cast(pl.Float64).sum(), days=pl.col("ts_ms").n_unique()
    )
    places = reported.select("cluster", "place").unique("cluster")
    by_hour = given.join(places, on="cluster").group_by("place", "hour").agg(pl.col("delivered_bytes").sum())
    # An hour in which nothing was delivered is an hour of the day all the same.
    hours = pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int64})
    rate = pl.col("delivered_bytes").fill_null(0) * 8 / 1000 / 3600
    return (
        days.filter(pl.col("capacity_kbps") > 0)
        .join(hours, how="cross")
        .join(by_hour, on=["place", "hour"], how="left", nulls_equal=True)
        .select(
            "place",
            "hour",
            utilisation=rate / pl.col("capacity_kbps"),
            capacity_kbps=pl.col("capacity_kbps") / pl.col("days"),
        )
        .sort("place", "hour", nulls_last=True)
    )


def _place(level: str) -> pl.Expr:
    return (
        pl.coalesce("isp", "site") if level == "isp" else pl.col("cluster" if level == "appliance" else level)
    )


def fullest(cells: pl.DataFrame, most: int) -> pl.DataFrame:
    """The cells of the ``most`` places with the fullest hour, that first."""
    peaks = cells.group_by("place").agg(peak=pl.col("utilisation").max())
    top = peaks.sort("peak", "place", descending=[True, False], nulls_last=True).head(most)
    return cells.join(top, on="place", nulls_equal=True).sort(
        "peak", "place", "hour", descending=[True, False, False], nulls_last=True
    )


def filled(fill: pl.DataFrame) -> pl.DataFrame:
    """The nightly fill by the night it began: ``ts_ms, planned_bytes, pushed_bytes, complete, over_budget, failed``.

    ``fill``: rows of the table. The last three count clusters by how their push went.
    """
    counts = {status: (pl.col("status") == status).sum() for status in ("complete", "over_budget", "failed")}
    night = (
        (pl.col("ts_ms") + _DAY_MS // 2) // _DAY_MS * _DAY_MS
    )  # a window that begins at 21:00 is of that night
    return (
        fill.group_by(night.alias("ts_ms"))
        .agg(pl.col("planned_bytes", "pushed_bytes").cast(pl.Float64).sum(), **counts)
        .sort("ts_ms")
    )


def sentence(figures: Mapping[str, float | None], third_party: float | None) -> str:
    """What delivery comes to, in a sentence of a heading."""
    offload = figures.get("edge_offload_ratio")
    if offload is None:
        return "Nothing is known of where bytes came from."
    misses = {
        title: figures.get(name) or 0.0
        for name, title in (
            ("content_miss_ratio", "titles that were not there"),
            ("health_miss_ratio", "appliances that were full or down"),
            ("other_miss_ratio", "misses of another kind"),
        )
    }
    most = max(misses, key=lambda title: misses[title])
    words = f"{share(offload)} of bytes came from inside ISPs"
    if misses[most] > 0:
        words += f"; what missed, missed mostly through {most}"
    if third_party is not None and third_party >= 0.0005:
        words += f"; {share(third_party)} came from a third party"
    return words + "."


def steered_by_day(requests: pl.LazyFrame) -> pl.LazyFrame:
    """Steering's answers by day: ``ts_ms, requests, p50_ms, p99_ms, failed, degraded``."""
    return (
        requests.filter(pl.col("service") == "steer")
        .group_by(ts_ms=pl.col("ts_ms") // _DAY_MS * _DAY_MS)
        .agg(
            requests=pl.len(),
            p50_ms=pl.col("latency_ms").quantile(0.5),
            p99_ms=pl.col("latency_ms").quantile(0.99),
            failed=(pl.col("status") >= 500).sum(),
            degraded=pl.col("is_degraded").sum(),
        )
        .sort("ts_ms")
    )
