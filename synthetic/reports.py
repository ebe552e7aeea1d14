"""What the data plane writes down for the control plane to read: fill and health reports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from synthetic.arrays import Ints
from synthetic.data_plane.congestion import INTERVALS_A_DAY
from synthetic.data_plane.fill import STATUS_NAMES, Fill, Holdings
from synthetic.day import DayState
from synthetic.places import Places
from synthetic.tables import names
from synthetic.world import FACTUAL, World

__all__ = ["appliance_healths", "fills"]

_DAY_MS = 86_400_000


def fills(world: World, state: DayState) -> pl.DataFrame:
    """The table ``fill`` of one night: the window opens at the scenario's local hour."""
    places, night = world.places, state.night
    at_exchange = _first_site(places)
    return pl.concat(
        [
            _fill(world, state, "edge", places.sites, np.arange(len(places.sites)), night.holdings, night.fill),
            _fill(world, state, "storage", places.exchanges, at_exchange, night.storage_holdings,
                  night.storage_fill),
        ]
    )  # fmt: skip


def _first_site(places: Places) -> Ints:
    """A site of each exchange, whose clock and region it shares."""
    return np.array([int(np.argmax(places.site_exchange == x)) for x in range(len(places.exchanges))])


def _fill(
    world: World,
    state: DayState,
    tier: str,
    clusters: Sequence[str],
    site: Ints,
    holdings: Holdings,
    fill: Fill,
) -> pl.DataFrame:
    places, plan = world.places, world.scenario.delivery
    group, n = holdings.of_cluster, len(clusters)
    local_midnight = world.scenario.start_ts_ms + state.day * _DAY_MS - places.utc_offset_ms[site]
    return pl.DataFrame(
        {
            "ts_ms": local_midnight + plan.fill_window_start_hour * 3_600_000,
            "window_ms": pl.repeat(plan.fill_window_hours * 3_600_000, n, dtype=pl.Int64, eager=True),
            "region": names(places.regions, places.site_region[site]),
            "site": pl.Series(clusters),
            "tier": pl.repeat(tier, n, eager=True),
            "planned_bytes": fill.planned_bytes[group],
            "pushed_bytes": fill.pushed_bytes[group],
            "titles_added_count": fill.titles_added[group],
            "status": names(STATUS_NAMES, fill.status[group].astype(np.int64)),
            "is_synthetic": pl.repeat(value=True, n=n, eager=True),
        }
    )


def appliance_healths(world: World, state: DayState) -> pl.DataFrame:
    """The table ``appliance_health``: each cluster's busiest quarter hour of the day."""
    places, footprint = world.places, world.footprint
    night = state.night
    found = night.paths[FACTUAL].congestion
    today = slice(0, INTERVALS_A_DAY)
    down = night.is_down[today]
    edge_full = (found.edge_ppm[today] < 1_000_000).any(axis=0)
    storage_full = (found.storage_load_kbps[today] >= footprint.storage_kbps).any(axis=0)
    status = np.concatenate(
        [np.where(down.any(axis=0), 2, edge_full.astype(np.int64)), storage_full.astype(np.int64)]
    )
    n = status.size
    return pl.DataFrame(
        {
            "ts_ms": pl.repeat(
                world.scenario.start_ts_ms + state.day * _DAY_MS, n, dtype=pl.Int64, eager=True
            ),
            "interval_ms": pl.repeat(_DAY_MS, n, dtype=pl.Int64, eager=True),
            "region": names(places.regions, np.concatenate([places.site_region, places.exchange_region])),
            "site": pl.Series([*places.sites, *places.exchanges]),
            "appliance": pl.Series(
                [f"{s}-edge" for s in places.sites] + [f"{x}-storage" for x in places.exchanges]
            ),
            "tier": names(("edge", "storage"), np.repeat([0, 1], [len(places.sites), len(places.exchanges)])),
            "capacity_kbps": np.concatenate([world.footprint.edge_kbps, world.footprint.storage_kbps]),
            "peak_kbps": np.concatenate(
                [found.edge_load_kbps[today].max(axis=0), found.storage_load_kbps[today].max(axis=0)]
            ),
            "status": names(("healthy", "saturated", "down"), status),
            "is_synthetic": pl.repeat(value=True, n=n, eager=True),
        }
    )
