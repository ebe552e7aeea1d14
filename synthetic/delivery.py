"""What the daily barrier fixes about delivery, in every world: what is held where, the load, what each route gives.

Fill goes from night to night; everything else is worked out anew each day from the demand field, the holdings
and the incidents. What comes out, one :class:`Paths` a world, is all that a session sees of delivery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Floats, Ints, Singles, Tinies
from synthetic.codecs import expected_stream_kbps
from synthetic.data_plane.appliances import EDGE, STORAGE, make_footprint
from synthetic.data_plane.congestion import (
    INTERVAL_MS,
    INTERVALS,
    UNLIMITED_KBPS,
    Capacity,
    Congestion,
    expected_streams,
    settle,
)
from synthetic.data_plane.fill import Budget, Fill, Holdings, announced, first_holdings, push
from synthetic.data_plane.placement import (
    balance,
    first_appliances,
    is_reachable,
    rank,
    reachable_share,
    serving,
)
from synthetic.data_plane.pull import Pull, caches
from synthetic.data_plane.third_party import throughput_factor
from synthetic.demand import local_peak_ratio
from synthetic.incidents import Incident, level_of_sites, surge_ratio
from synthetic.player.conditions import Conditions
from synthetic.titles import demand
from synthetic.world import FACTUAL, Switches, World

__all__ = ["Fills", "Night", "Paths", "route_row"]

_DAY_MS = 86_400_000
_PPM = 1_000_000


@dataclass(frozen=True)
class Paths:
    """Delivery of one day in one world. ``conditions`` has a row for each (route, site), see :func:`route_row`;
    ``is_factual`` [rows] says which rows are the factual world's too."""

    congestion: Congestion
    conditions: Conditions
    is_factual: Bools
    pull: Pull | None


@dataclass(frozen=True)
class Night:
    """What one night's barrier fixed. By [intervals, sites]: ``away`` appliances of each edge cluster are down, and
    ``is_down`` is what it reports of itself: most appliances down, or no control plane that it could take new
    sessions from."""

    holdings: Holdings
    fill: Fill
    storage_holdings: Holdings
    storage_fill: Fill
    away: Ints
    turned: Ints
    first_appliance: Ints
    is_down: Bools
    closed_ppm: Ints
    paths: Mapping[Switches, Paths]

    def reaches(self, site: Ints, title: Ints, interval: Ints) -> tuple[Bools, Bools]:
        """Whether each edge cluster has the title on disk, and on an appliance that is there; shapes (n,)."""
        copies = self.holdings.copies_at(site, title)
        appliances = self.holdings.appliances[self.holdings.of_cluster[site]]
        up = is_reachable(
            copies, self.first_appliance[title], appliances, self.away[interval, site], self.turned[site]
        )
        return copies > 0, up

    def serving(
        self, tier: Tinies, site: Ints, exchange: Ints, title: Ints, interval: Ints, draw: Ints
    ) -> Ints:
        """Number of the appliance within its cluster that serves each of n requests; 0 for a third party."""
        edge, storage, first = self.holdings, self.storage_holdings, self.first_appliance[title]
        at_edge = serving(
            edge.copies_at(site, title), first, edge.appliances[edge.of_cluster[site]],
            self.away[interval, site], self.turned[site], draw,
        )  # fmt: skip
        none = np.zeros(site.size, np.int64)
        at_exchange = serving(
            storage.copies_at(exchange, title), first, storage.appliances[storage.of_cluster[exchange]], none, none,
            draw,
        )  # fmt: skip
        return np.select([tier == EDGE, tier == STORAGE], [at_edge, at_exchange], 0)


def route_row(route: Ints, site: Ints, sites: int) -> Ints:
    """Row of :class:`Paths` conditions for each (route, site)."""
    return route * sites + site


class Fills:
    """Holdings from night to night, and the barrier of each day."""

    def __init__(self, world: World, worlds: Sequence[Switches]) -> None:
        self.world, self.worlds = world, [FACTUAL, *(w for w in worlds if w != FACTUAL)]
        plan = world.scenario.delivery
        window_s = plan.fill_window_hours * 3600
        self.edge_budget = Budget(
            int(plan.edge_disk_tb * 1e12),
            int(plan.edge_fill_gbps * 1e9 / 8 * window_s),
            plan.appliance_away_ratio,
        )
        self.storage_budget = Budget(
            int(plan.storage_disk_tb * 1e12),
            int(plan.storage_fill_gbps * 1e9 / 8 * window_s),
            plan.appliance_away_ratio,
        )
        self.sizes = world.ladders.output_bytes.sum(axis=1)
        self.first = first_appliances(world.scenario.seed, world.titles.count)
        self.footprints = {
            w: make_footprint(world.scenario, world.places, has_edge=w.has_edge) for w in worlds
        }
        self.stream_kbps = {
            w: expected_stream_kbps(world.scenario, world.ladders, world.titles.share, has_av1=w.av1)
            for w in self.worlds
        }
        self.edge: Holdings | None = None
        self.storage: Holdings | None = None

    @cached_property
    def _turned(self) -> Ints:
        """At which appliance of its cluster a site's failures begin."""
        return first_appliances(self.world.scenario.seed + 1, len(self.world.places.sites))

    def night(
        self,
        day: int,
        predicted: Floats,
        growth: float,
        visits_per_member_day: float,
        incidents: Sequence[Incident],
    ) -> Night:
        """Push what ``predicted`` [regions, titles] wants, and fix the day's load in every world.

        ``growth``: members of today over those of the first day.
        """
        world = self.world
        places, scenario = world.places, world.scenario
        plan = scenario.delivery
        start = scenario.start_ts_ms + day * _DAY_MS
        predicted = announced(
            predicted,
            world.titles.release_day,
            day,
            forecast=self._forecast(predicted, day),
            lead_days=plan.release_lead_days,
            seed=scenario.seed,
        )
        ranking = rank(predicted, self.sizes)
        factual = self.footprints[FACTUAL]
        if self.edge is None or self.storage is None:
            self.edge = first_holdings(
                ranking, self.sizes, places.site_region, factual.edge_appliances, self.edge_budget
            )
            self.storage = first_holdings(
                ranking, self.sizes, places.exchange_region, factual.storage_appliances, self.storage_budget
            )
        lost = level_of_sites(incidents, "fill_failure", np.array([start]), places)[0]
        self.edge, fill = push(self.edge, ranking, self.sizes, self.edge_budget, lost)
        none = np.zeros(len(places.exchanges))
        self.storage, storage_fill = push(self.storage, ranking, self.sizes, self.storage_budget, none)

        middle = start + np.arange(INTERVALS) * INTERVAL_MS + INTERVAL_MS // 2
        lost = level_of_sites(incidents, "appliance_crash", middle, places)
        away = np.round(lost * factual.edge_appliances).astype(np.int64)
        away = np.where(lost > 0, np.maximum(away, 1), 0)
        withdrawn = level_of_sites(incidents, "peering_loss", middle, places)
        closed = level_of_sites(incidents, "control_plane_loss", middle, places)
        saturated = level_of_sites(incidents, "cluster_saturation", middle, places)
        share = (
            np.array([r.member_share for r in scenario.region.values()])[places.site_region]
            * places.site_share
        )
        # The demand field: the census by site, moved by growth of the whole, not by who was sampled there.
        census = np.round(scenario.members * share * growth).astype(np.int64)
        weekday = (scenario.start.weekday() + day) % 7
        streams = expected_streams(scenario, places, weekday, census)
        visit_ms = round(scenario.demand.hours_per_member_day * 3_600_000 / visits_per_member_day)
        streams += np.round(census * surge_ratio(incidents, middle, places, visit_ms)).astype(np.int64)
        wanted = demand(world.titles, day)
        is_down = ((away > 0) & (2 * away >= factual.edge_appliances)) | (closed > 0.5)
        night = Night(
            holdings=self.edge, fill=fill, storage_holdings=self.storage, storage_fill=storage_fill, away=away,
            turned=self._turned, first_appliance=self.first, is_down=is_down,
            closed_ppm=_ppm(closed), paths={},
        )  # fmt: skip
        pushed_ppm, use = self._served(wanted, night)
        factor = self._access_factor(middle, incidents)
        paths: dict[Switches, Paths] = {}
        for switches in self.worlds:
            # The player's rule is none of the network's business: load is planned by the ladder.
            if (twin := replace(switches, abr=FACTUAL.abr)) in paths:
                paths[switches] = paths[twin]
                continue
            footprint = self.footprints[switches]
            pull = self._pull(wanted, census * visits_per_member_day / 86_400) if switches.pull else None
            hit = np.zeros_like(pushed_ppm) if not switches.has_edge else pushed_ppm
            if pull is not None:
                hit = np.broadcast_to(_ppm(pull.served(wanted)), streams.shape)
            left = (
                footprint.edge_kbps * (1 - away / np.maximum(footprint.edge_appliances, 1)) * (1 - saturated)
            )
            found = settle(
                streams if switches.own_cdn else np.zeros_like(streams),
                self.stream_kbps[switches][places.site_region],
                hit,
                Capacity(
                    edge_kbps=np.round(left * (1.0 if pull is not None else use)).astype(np.int64),
                    private_kbps=np.round(footprint.private_kbps * (1 - withdrawn)).astype(np.int64),
                    public_kbps=_each_interval(footprint.public_kbps),
                    storage_kbps=_each_interval(footprint.storage_kbps),
                    closed_ppm=night.closed_ppm,
                ),
                places,
                plan,
            )
            conditions = self._conditions(factor, found)
            usual = paths[FACTUAL].conditions if paths else conditions
            is_factual = (conditions.factor == usual.factor) & (conditions.cap_kbps == usual.cap_kbps)
            paths[switches] = Paths(found, conditions, is_factual.all(axis=1), pull)
        return replace(night, paths=paths)

    def _forecast(self, predicted: Floats, day: int) -> Floats:
        """Hours expected of each release: those of a title of its main genre in the region, times a factor."""
        titles = self.world.titles
        out = titles.release_day <= day
        genre = titles.genre[:, 0]
        count = np.maximum(np.bincount(genre[out], minlength=int(genre.max()) + 1), 1)
        mean = np.stack(
            [np.bincount(genre[out], row[out], minlength=count.size) / count for row in predicted]
        )
        return np.asarray(mean[:, genre] * self.world.scenario.delivery.release_forecast_ratio)

    def _served(self, wanted: Floats, night: Night) -> tuple[Ints, Floats]:
        """Share of demand [intervals, sites], in millionths, that each edge cluster can serve from disk, and the share
        of its egress that its layout can use [sites]."""
        holdings = night.holdings
        groups = holdings.region.size
        whole, use = np.empty(groups), np.empty(groups)
        for g in range(groups):
            want, copies, n = wanted[holdings.region[g]], holdings.copies[g], int(holdings.appliances[g])
            whole[g] = want[copies > 0].sum()
            use[g] = balance(want, copies, self.first, n)
        served = np.broadcast_to(whole[holdings.of_cluster], night.away.shape).copy()
        of_cluster = np.broadcast_to(holdings.of_cluster, night.away.shape)
        hit = night.away > 0
        for g, away in np.unique(np.stack([of_cluster[hit], night.away[hit]]), axis=1).T:
            want, copies, n = wanted[holdings.region[g]], holdings.copies[g], int(holdings.appliances[g])
            served[(of_cluster == g) & (night.away == away)] = reachable_share(want, copies, n, int(away))
        return _ppm(served), use[holdings.of_cluster]

    def _access_factor(self, middle: Ints, incidents: Sequence[Incident]) -> Floats:
        """What access networks give of their median throughput [intervals, sites]: evenings, congestion."""
        places, scenario = self.world.places, self.world.scenario
        sites = np.arange(len(places.sites))
        evening = np.array([r.evening_log_loss for r in scenario.region.values()])[places.site_region]
        peak = np.stack([local_peak_ratio(scenario, places, sites, np.full(sites.size, at)) for at in middle])
        lost = level_of_sites(incidents, "access_congestion", middle, places)
        return np.asarray(np.exp(-evening * peak) * np.maximum(1 - lost, 0.01))

    def _conditions(self, factor: Floats, congestion: Congestion) -> Conditions:
        """Rows by route and site: the access network's factor, and what the route's fullest link leaves a stream."""
        places = self.world.places
        unlimited = np.full(congestion.private_cap_kbps.shape, UNLIMITED_KBPS)
        caps = (
            unlimited,
            congestion.private_cap_kbps,
            congestion.public_cap_kbps[:, places.site_exchange],
            unlimited,
        )
        third = throughput_factor(self.world.scenario.delivery)
        factors = (factor, factor, factor, factor * third)
        return Conditions(factor=_rows(factors), cap_kbps=_rows(caps))

    def _pull(self, wanted: Floats, starts_a_second: Floats) -> Pull:
        """Caches on the disks of the appliances, asked for titles as on that day; ``starts_a_second`` [sites]."""
        titles, places = self.world.titles, self.world.places
        share = wanted * (titles.start_share / titles.share)[None, :]
        share /= share.sum(axis=1, keepdims=True)
        footprint = self.footprints[FACTUAL]
        at_exchange = np.bincount(
            places.site_exchange, starts_a_second, minlength=len(places.exchanges)
        ).astype(np.float64)
        return Pull(
            share=share,
            release_ts_ms=self.world.scenario.start_ts_ms + titles.release_day * _DAY_MS,
            sites=caches(
                share, self.sizes, places.site_region, footprint.edge_appliances * self.edge_budget.disk_bytes,
                starts_a_second,
            ),
            exchanges=caches(
                share, self.sizes, places.exchange_region,
                footprint.storage_appliances * self.storage_budget.disk_bytes, at_exchange,
            ),
        )  # fmt: skip


def _rows(parts: Sequence[npt.NDArray[np.integer | np.floating]]) -> Singles:
    """[intervals, sites] a route -> [routes · sites, intervals]."""
    return np.ascontiguousarray(np.concatenate([part.T for part in parts]), np.float32)


def _each_interval(kbps: Ints) -> Ints:
    return np.tile(kbps, (INTERVALS, 1))


def _ppm(share: Floats) -> Ints:
    return np.asarray(np.round(share * _PPM), np.int64)
