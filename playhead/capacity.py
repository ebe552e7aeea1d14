"""What a lake's telemetry says of a service's capacity, for the capacity model."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cost_model.capacity import Standing
from cost_model.rates import Rates
from cost_model.standing import CLUSTERS, measured
from metrics.errors import InputError
from metrics.lake import Lake

__all__ = ["Reported", "reported", "standing"]

_DAY_MS = 86_400_000
_WHOLE = pl.Decimal(38, 0)
# Services as the table ``control_request`` names them, and as the model does.
_SERVICES = {"auth": "auth", "authorise": "auth", "steer": "steering", "home": "ranking", "search": "ranking"}


@dataclass(frozen=True)
class Reported:
    """Clusters with capacity and regular peak, requests a second in the busiest hour, kbit/s of a stream."""

    clusters: pl.DataFrame
    requests: dict[str, float]
    mean_kbps: float
    fill: tuple[float, float] | None
    days: tuple[str, str]


def standing(lake: Lake, rates: Rates, *, region: str | None = None, seed: int = 0) -> Standing:
    """The service of the lake, or its part in one region, as :func:`cost_model.capacity.measured` takes it."""
    found = reported(lake, region=region)
    last = pl.Series([found.days[1]]).str.to_date().item()
    where = f" in {region}" if region else ""
    return measured(
        found.clusters,
        found.requests,
        found.mean_kbps,
        rates,
        last,
        source=f"measured in {lake.path}{where}, {found.days[0]} to {found.days[1]}",
        fill=found.fill,
        seed=seed,
    )


def reported(lake: Lake, *, region: str | None = None, before_ts_ms: int | None = None) -> Reported:
    """Read it from ``appliance_health``, ``delivery``, ``playback_session``, ``control_request`` and ``fill``.

    A cluster's regular peak is the median of its days' peaks, so that one evening's event is none. Edge clusters
    are taken by ISP (from ``delivery``; by site where it does not tell), storage by exchange. ``before_ts_ms``:
    telemetry until then alone. Raises :class:`~metrics.errors.InputError` where no appliance reports.
    """

    def scan(table: str, clock: str = "ts_ms") -> pl.LazyFrame:
        rows = lake.scan(table)
        rows = rows if region is None else rows.filter(pl.col("region") == region)
        return rows if before_ts_ms is None else rows.filter(pl.col(clock) < before_ts_ms)

    # A region's peak is that of its clusters together, in the interval in which they are reported.
    daily = scan("appliance_health").filter(pl.col("status") != "down")
    health, isps, stream, control, pushes = pl.collect_all(
        [
            daily.group_by("region", "site", "tier").agg(
                pl.col("capacity_kbps").max(),
                pl.col("peak_kbps").median(),
                first=pl.col("ts_ms").min(),
                last=pl.col("ts_ms").max(),
            ),
            scan("delivery").filter(pl.col("tier") == "edge").group_by("site").agg(pl.col("isp").first()),
            scan("playback_session", "end_ts_ms")
            .filter(pl.col("excluded_reason").is_null(), pl.col("playing_ms") > 0)
            .select(
                size=(
                    pl.sum_horizontal(
                        pl.col("edge_bytes", "storage_bytes", "third_party_bytes", "unattributed_bytes").cast(_WHOLE)
                    )
                    * pl.col("weight").cast(_WHOLE)
                ).sum(),
                playing_ms=(pl.col("playing_ms").cast(_WHOLE) * pl.col("weight").cast(_WHOLE)).sum(),
            ),
            scan("control_request")
            .group_by("service", hour=pl.col("ts_ms") // 3_600_000)
            .agg(pl.col("weight").sum())
            .group_by("service")
            .agg(pl.col("weight").max()),
            scan("fill").filter(pl.col("tier") == "edge").group_by("site").agg(
                pl.col("planned_bytes").max(), pl.col("pushed_bytes").max()
            ),
        ]
    )  # fmt: skip
    if health.is_empty():
        raise InputError(
            "no appliance reports its capacity" + (f" in {region}" if region else ""),
            where=str(lake.path),
            mend="give --subscribers to look at a planned fleet",
        )
    if not stream["playing_ms"].item():
        raise InputError(
            "no session tells bytes and time playing", where=str(lake.path), mend="give --subscribers"
        )
    clusters = (
        health.join(isps, on="site", how="left")
        .with_columns(
            place=pl.when(pl.col("tier") == "edge").then(pl.coalesce("isp", "site")).otherwise("site")
        )
        .group_by("region", "tier", "place")
        .agg(pl.col("capacity_kbps", "peak_kbps").sum())
        .select(CLUSTERS.names())
        .cast(CLUSTERS)
        .sort("region", "tier", "place", nulls_last=True)
    )
    requests: dict[str, float] = {}
    for service, weight in control.select("service", "weight").sort("service").iter_rows():
        if service in _SERVICES:
            name = _SERVICES[service]
            requests[name] = requests.get(name, 0.0) + weight / 3600
    days = pl.from_epoch(pl.Series([health["first"].min(), health["last"].max()]), time_unit="ms").dt.date()
    return Reported(
        clusters,
        requests,
        float(stream["size"].item()) * 8 / float(stream["playing_ms"].item()),
        _fullest(pushes),
        (str(days[0]), str(days[1])),
    )


def _fullest(pushes: pl.DataFrame) -> tuple[float, float] | None:
    """Gigabytes planned and the most ever pushed, of the site whose plan is most above it."""
    told = pushes.filter(pl.col("pushed_bytes") > 0).sort(
        pl.col("planned_bytes") / pl.col("pushed_bytes"), "site", descending=[True, False]
    )
    if told.is_empty():
        return None
    return told["planned_bytes"].item(0) / 1e9, told["pushed_bytes"].item(0) / 1e9
