"""What the data plane writes down for the control plane to read: fill and health reports."""

from __future__ import annotations

import numpy as np
import polars as pl

from synthetic.data_plane.congestion import Congestion
from synthetic.data_plane.fill import STATUS_NAMES, Fill
from synthetic.day import DayState, World
from synthetic.tables import names

__all__ = ["appliance_healths", "fills"]

_DAY_MS = 86_400_000


def fills(world: World, state: DayState, fill: Fill) -> pl.DataFrame:
    """The table ``fill`` of one night: the window opens at the scenario's local hour."""
    places, plan = world.places, world.scenario.delivery
    group = state.holdings.of_site
    local_midnight = world.scenario.start_ts_ms + state.day * _DAY_MS - places.utc_offset_ms
    window_ms = plan.fill_window_hours * 3_600_000
    n = group.size
    return pl.DataFrame(
        {
            "ts_ms": local_midnight + plan.fill_window_start_hour * 3_600_000,
            "window_ms": pl.repeat(window_ms, n, dtype=pl.Int64, eager=True),
            "region": names(places.regions, places.site_region),
            "site": pl.Series(places.sites),
            "tier": pl.repeat("edge", n, eager=True),
            "planned_bytes": fill.planned_bytes[group],
            "pushed_bytes": fill.pushed_bytes[group],
            "titles_added_count": fill.titles_added[group],
            "status": names(STATUS_NAMES, fill.status[group].astype(np.int64)),
            "is_synthetic": pl.repeat(value=True, n=n, eager=True),
        }
    )


def appliance_healths(world: World, state: DayState, congestion: Congestion) -> pl.DataFrame:
    """The table ``appliance_health``: each cluster's busiest quarter hour of the day."""
    places, load = world.places, congestion.load
    down = state.edge_loss.max(axis=0) > 0.5
    edge_full = (congestion.edge_room_ppm < 1_000_000).any(axis=0)
    storage_full = (congestion.storage_room_ppm < 1_000_000).any(axis=0)
    status = np.concatenate([np.where(down, 2, edge_full.astype(np.int64)), storage_full.astype(np.int64)])
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
            "peak_kbps": np.concatenate([load.edge_kbps.max(axis=0), load.storage_kbps.max(axis=0)]),
            "status": names(("healthy", "saturated", "down"), status),
            "is_synthetic": pl.repeat(value=True, n=n, eager=True),
        }
    )
