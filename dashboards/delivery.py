"""How delivery is doing: how full appliances are, what the nightly fill left out. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

__all__ = ["LEVELS", "filled", "fullest", "sentence", "utilisation"]

LEVELS = ("region", "isp", "site", "appliance")
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


def utilisation(traffic: pl.DataFrame, health: pl.DataFrame, level: str) -> pl.DataFrame:
    """How much of their egress appliances gave by hour of the day, by ``level``.

    ``traffic``: ``ts_ms`` (the hour), ``appliance, isp, delivered_bytes``; ``health``: ``ts_ms`` (the day), ``region,
    site, appliance, capacity_kbps``. An appliance of the traffic belongs to the cluster of the same name, or of that
    name without its number. Columns: ``place, hour, utilisation`` (delivered over what could have been, over the
    days that have both), ``capacity_kbps`` (a day's mean).
    """
    names = health.select("appliance").unique()
    plain = pl.col("appliance").str.replace(r"-\d+$", "")
    of = traffic.select("appliance").unique().drop_nulls()
    known = of.join(names, on="appliance", how="semi").with_columns(cluster="appliance")
    numbered = (
        of.join(names, on="appliance", how="anti")
        .with_columns(cluster=plain)
        .join(names.rename({"appliance": "cluster"}), on="cluster", how="semi")
    )
    cluster = pl.concat([known, numbered])
    hours = (
        traffic.join(cluster, on="appliance")
        .with_columns(day=pl.col("ts_ms") // _DAY_MS * _DAY_MS, hour=pl.col("ts_ms") % _DAY_MS // _HOUR_MS)
        .group_by("cluster", "day", "hour")
        .agg(pl.col("delivered_bytes").sum(), pl.col("isp").drop_nulls().unique())
    )
    days = health.group_by("appliance", "ts_ms").agg(
        pl.col("capacity_kbps").sum(), pl.col("region", "site").first()
    )
    # An edge serves one ISP; what serves several is a place of its own.
    served = hours.explode("isp").group_by("cluster").agg(pl.col("isp").unique())
    alone = served.filter(pl.col("isp").list.len() == 1).select("cluster", pl.col("isp").list.first())
    days = days.join(alone, left_on="appliance", right_on="cluster", how="left")
    places = days.with_columns(place=_place(level), cluster="appliance", day="ts_ms")
    # An hour in which nothing was delivered is an hour of the day all the same.
    every = places.join(pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int64}), how="cross")
    busy = every.join(hours.drop("isp"), on=["cluster", "day", "hour"], how="left")
    seen = traffic["ts_ms"] // _DAY_MS * _DAY_MS
    return (
        busy.filter(pl.col("day").is_in(seen.unique().to_list()))
        .group_by("place", "hour")
        .agg(
            given=pl.col("delivered_bytes").fill_null(0).sum() * 8 / 1000 / 3600,
            capacity=pl.col("capacity_kbps").sum(),
            days=pl.col("day").n_unique(),
        )
        .filter(pl.col("capacity") > 0)
        .select(
            "place",
            "hour",
            utilisation=pl.col("given") / pl.col("capacity"),
            capacity_kbps=pl.col("capacity") / pl.col("days"),
        )
        .sort("place", "hour", nulls_last=True)
    )


def _place(level: str) -> pl.Expr:
    return pl.coalesce("isp", "site") if level == "isp" else pl.col(level)


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
    words = f"{100 * offload:.1f} % of bytes came from inside ISPs"
    if misses[most] > 0:
        words += f"; what missed, missed mostly through {most}"
    if third_party is not None and third_party >= 0.0005:
        words += f"; {100 * third_party:.1f} % came from a third party"
    return words + "."
