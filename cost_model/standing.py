"""A service as it stands, planned or measured: what each tier and service can carry, and what streams ask of it.

The identities (N streams at once; rate names in ``rates.toml``)::

    egress          = N · bitrate, parted over tiers; what full edges turn away comes on top at the exchange
    interconnect    = what exchanges send into ISPs
    fill            = new hours a night · stored_gb_per_hour, whatever N is
    starts/s        = N / surge_ramp: at a live event everybody comes within the ramp
    requests/s      = starts/s · requests a start
    telemetry       = N / telemetry_interval

Capacity is what a lake reports, or a fleet planned for a number of subscribers; services stand ready for
``control_headroom`` times their regular busiest hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import count

import numpy as np
import polars as pl

from cost_model.capacity import Resource, Standing
from cost_model.cdn import Policy, plan_fleet
from cost_model.cdn import rate_names as cdn_rate_names
from cost_model.rates import Rates
from cost_model.uncertainty import Floats, Interval, interval, sample

__all__ = ["CLUSTERS", "measured", "planned", "rate_names"]

DRAWS = 4_000
CLUSTERS = pl.Schema(
    {
        "region": pl.String, "tier": pl.String, "place": pl.String, "capacity_kbps": pl.Int64,
        "peak_kbps": pl.Int64,
    }
)  # fmt: skip
"""Clusters of a measured service: edge by ISP, storage by exchange; capacity, and the regular peak."""


_SURGE = (
    "surge_bitrate", "surge_ramp", "session_length", "isp_peak_skew", "interconnect_headroom",
    "auth_requests_per_start", "steering_requests_per_start", "ranking_requests_per_start",
    "licence_requests_per_start", "telemetry_interval", "service_instance_throughput", "service_instance_price",
    "fill_window", "stored_gb_per_hour", "catalogue_hours", "catalogue_growth_ratio",
)  # fmt: skip
# What carries bytes: the piece it is bought in, what a piece gives and costs, and whether once or by the year.
_EGRESS = {
    "edge egress": ("edge appliance", "edge_throughput", "edge_appliance_price", "purchase"),
    "exchange egress": ("storage appliance", "storage_throughput", "storage_appliance_price", "purchase"),
    "last-mile interconnect": ("exchange port", "exchange_port_gbps", "exchange_port_price", "year"),
}
_SERVICES = ("auth", "steering", "ranking", "licence")


def planned(
    rates: Rates,
    day: date,
    subscribers: float,
    *,
    policy: Policy = "lean",
    draws: int = DRAWS,
    seed: int = 0,
) -> Standing:
    """The service of ``subscribers`` as :func:`cost_model.cdn.plan_fleet` builds it for its regular evenings."""
    rate = sample(rates, rate_names(), day, draws=draws, seed=seed)
    size = np.full(draws, float(subscribers))
    fleet = plan_fleet(size, rate, policy)
    mbps = rate["gb_per_hour"] * 8000 / 3600
    regular = size * rate["hours_per_member_day"] / 24 * rate["peak_to_mean"]
    own = 1 - rate["overflow_ratio"]
    stored = rate["storage_tier_ratio"]
    edge_gbps = np.asarray(fleet.edge_servers) * rate["edge_throughput"]
    storage_gbps = np.asarray(fleet.storage_servers) * rate["storage_throughput"]
    ports_gbps = np.asarray(fleet.exchange_ports) * rate["exchange_port_gbps"]
    # The fullest ISP breaks first: its appliances are as full as the mean's times the skew.
    fullest = np.minimum(rate["isp_peak_skew"], 1 / np.minimum(1, regular * mbps * own / 1000 / edge_gbps))
    share = rate["surge_bitrate"] / 1000 * own

    def stored_alone(n: Floats) -> Floats:
        return np.asarray(n * share * stored)

    def with_spill(n: Floats) -> Floats:
        return stored_alone(n) + np.maximum(0, n * share * (1 - stored) - edge_gbps)

    resources = [
        _egress(
            "edge egress", "fullest ISP", edge_gbps / fullest, lambda n: n * share * (1 - stored), rate,
            whole=edge_gbps,
        ),
        _egress("exchange egress", None, storage_gbps, with_spill, rate, unspilled=stored_alone),
        _egress("last-mile interconnect", None, ports_gbps, with_spill, rate, unspilled=stored_alone),
        _fill(rate),
        *_services(regular, {}, rate, _draws_apart("control_headroom", rates, day, draws, seed)),
    ]  # fmt: skip
    return Standing(
        f"planned for {subscribers / 1e6:,.0f} M subscribers, {policy} footprint",
        interval(regular),
        resources,
        rate["peak_utilisation_ratio"],
    )


def measured(
    clusters: pl.DataFrame,
    requests: Mapping[str, float],
    mean_kbps: float,
    rates: Rates,
    day: date,
    *,
    source: str,
    fill: tuple[float, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Standing:
    """The service that ``clusters`` (in :data:`CLUSTERS`) and ``requests`` (a second, busiest hour) report.

    ``mean_kbps``: what a stream takes; ``fill``: gigabytes planned and room for them, of the fullest night.
    Demand of a place is its part of a regular evening, and of whoever comes on top its part times ``surge_mix``, drawn
    for each place. What an ISP's full edges turn away comes on top at the exchanges of its region, at the places'
    regular mix.
    """
    rate = sample(rates, rate_names(), day, draws=draws, seed=seed)
    one = np.ones(draws)
    regular = float(clusters["peak_kbps"].sum()) / mean_kbps
    resources: list[Resource] = []
    mixes = _draws_apart("surge_mix", rates, day, draws, seed)
    for (region,), here in clusters.sort("region", "place").group_by("region", maintain_order=True):
        edges = here.filter(pl.col("tier") == "edge")
        edge_gbps = edges["capacity_kbps"].to_numpy() / 1e6
        edge_share = edges["peak_kbps"].to_numpy() / 1e6 / regular
        resources += [
            _egress("edge egress", str(place), gbps * one, _with_guests(share, next(mixes), regular), rate)
            for place, gbps, share in zip(edges["place"], edge_gbps, edge_share, strict=True)
        ]
        storage = here.filter(pl.col("tier") == "storage")
        peaks = storage["peak_kbps"].to_numpy() / 1e6
        gbps = float(storage["capacity_kbps"].sum()) / 1e6
        if not gbps:
            continue
        at_exchange = float(peaks.sum()) / regular
        demand, alone = _with_spill(at_exchange, edge_share, edge_gbps), _in_proportion(at_exchange)
        resources.append(_egress("exchange egress", str(region), gbps * one, demand, rate, unspilled=alone))
        if peaks.sum():
            links = float(peaks.sum()) * rate["interconnect_headroom"]
            resources.append(
                _egress("last-mile interconnect", str(region), links, demand, rate, unspilled=alone)
            )
    if fill is not None:
        gigabytes, room = fill
        resources.append(_fill(rate, gigabytes * one, room * one))
    else:
        resources.append(_fill(rate))
    resources += _services(
        regular * one, requests, rate, _draws_apart("control_headroom", rates, day, draws, seed)
    )
    return Standing(source, Interval(regular, regular, regular), resources, rate["peak_utilisation_ratio"])


def rate_names() -> tuple[str, ...]:
    """Rates that capacity is computed from."""
    return (*cdn_rate_names(), *_SURGE)


def _in_proportion(share: float | Floats) -> Callable[[Floats], Floats]:
    return lambda streams: streams * share


def _with_guests(share: float, mix: Floats, regular: float) -> Callable[[Floats], Floats]:
    """The place's part of a regular evening, which was measured; whoever comes on top comes in the event's own mix."""
    return lambda streams: share * (streams + (mix - 1) * np.maximum(0.0, streams - regular))


def _with_spill(share: float, edge_share: Floats, edge_gbps: Floats) -> Callable[[Floats], Floats]:
    # Σ max(0, N·s − c) over ISPs: sorted by where each begins to spill, it is two running sums.
    order = np.argsort(edge_gbps / np.maximum(edge_share, 1e-300))
    begins = (edge_gbps / np.maximum(edge_share, 1e-300))[order]
    shares = np.concatenate([[0.0], np.cumsum(edge_share[order])])
    rooms = np.concatenate([[0.0], np.cumsum(edge_gbps[order])])

    def demand(streams: Floats) -> Floats:
        full = np.searchsorted(begins, streams)
        return np.asarray(streams * (share + shares[full]) - rooms[full])

    return demand


def _egress(
    name: str,
    place: str | None,
    gbps: Floats,
    demand: Callable[[Floats], Floats],
    rate: Mapping[str, Floats],
    *,
    whole: Floats | None = None,
    unspilled: Callable[[Floats], Floats] | None = None,
) -> Resource:
    """A resource of :data:`_EGRESS`, with the piece that more of it is bought in."""
    piece, gives, price, per = _EGRESS[name]
    usd = rate[price] * (12 if per == "year" else 1)
    return Resource(name, place, "Gbit/s", gbps, demand, piece, rate[gives], usd, per, whole, unspilled)


def _fill(
    rate: Mapping[str, Floats], gigabytes: Floats | None = None, room: Floats | None = None
) -> Resource:
    """New titles a night against what a site's window takes; it does not hang on streams."""
    if gigabytes is None or room is None:
        hours = rate["catalogue_hours"] * rate["catalogue_growth_ratio"] / 365
        gigabytes = hours * rate["stored_gb_per_hour"]
        room = rate["fill_gbps"] / 8 * 3600 * rate["fill_window"]
    asked = gigabytes
    return Resource(
        "fill window", None, "GB/night", room, lambda n: asked + 0 * n, "hour of window",
        rate["fill_gbps"] / 8 * 3600, 0 * room, "purchase",
    )  # fmt: skip


def _draws_apart(name: str, rates: Rates, day: date, draws: int, seed: int) -> Iterator[Floats]:
    """The rate drawn anew for each thing that has its own: a service's headroom, a place's mix."""
    for number in count(1):
        yield sample(rates, [name], day, draws=draws, seed=seed + number)[name]


def _services(
    regular: Floats, requests: Mapping[str, float], rate: Mapping[str, Floats], headrooms: Iterator[Floats]
) -> list[Resource]:
    """Control plane, licence, first requests of sessions, telemetry: what stands ready, what a surge asks."""
    ordinary = regular / (rate["session_length"] * 60)
    ramp = rate["surge_ramp"] * 60
    found = []

    def service(name: str, demand: Callable[[Floats], Floats], ready: Floats, unit: str) -> Resource:
        return Resource(
            name, None, unit, ready, demand, "service instance", rate["service_instance_throughput"],
            rate["service_instance_price"], "year",
        )  # fmt: skip

    for name in _SERVICES:
        per_start = rate[f"{name}_requests_per_start"]
        usual = np.full(len(ramp), requests[name]) if name in requests else ordinary * per_start
        demand = _in_proportion(per_start / ramp)
        found.append(service(name, demand, usual * next(headrooms), "requests/s"))
    starts = _in_proportion(1 / ramp)
    found.append(service("session starts", starts, ordinary * next(headrooms), "starts/s"))
    every = rate["telemetry_interval"]
    reports, ready = _in_proportion(1 / every), regular / every * next(headrooms)
    found.append(service("telemetry ingest", reports, ready, "reports/s"))
    return found
