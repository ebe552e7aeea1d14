"""Impressions: what a visit's home page showed, which places the member looked at, and what was played."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from metrics.telemetry import SURFACES
from synthetic.browsing import ROWS, SLOTS, page_shift
from synthetic.day import Request, World, session_keys
from synthetic.jit import compiled
from synthetic.members import DEVICE_NAMES
from synthetic.random import Stream, uniform
from synthetic.tables import is_sampled, names

__all__ = ["impressions"]

_PLACES = ROWS * SLOTS


def impressions(
    world: World, request: Request, pages: npt.NDArray[np.int32], fallback_pages: npt.NDArray[np.int32]
) -> pl.DataFrame:
    """The table ``impression``, of the sampled subscribers: every place of every page they were shown.

    ``pages`` [members, places]; ``fallback_pages`` [regions, places] while the ranking is out.
    """
    ratio = world.scenario.telemetry.event_sample_ratio
    found, visits, members = request.browse, request.visits, world.members
    rows = np.flatnonzero(is_sampled(world, visits.member, ratio) & (found.examined > 0))
    member = visits.member[rows]
    key = session_keys(visits)[rows]
    page = np.where(request.is_degraded[rows, None], fallback_pages[request.region[rows]], pages[member])
    shown = np.empty_like(page)
    is_examined = np.zeros(page.shape, np.bool_)
    _walk(
        world.scenario.seed, key, page, found.examined[rows].astype(np.int64), world.params.next_row_ratio, shown,
        is_examined,
    )  # fmt: skip
    at = np.tile(np.arange(_PLACES), rows.size)
    visit = np.repeat(rows, _PLACES)
    title = shown.reshape(-1).astype(np.int64)
    home = SURFACES.index("home")
    played = (found.surface[visit] == home) & (
        found.row[visit].astype(np.int64) * SLOTS + found.slot[visit] == at
    )
    ids = pl.Series(np.repeat(key, _PLACES)).cast(pl.String) + "-" + pl.Series(at).cast(pl.String)
    who = visits.member[visit]
    frame = pl.DataFrame(
        {
            "impression_id": ids,
            "ts_ms": visits.open_ts_ms[visit] + request.home_ms[visit].astype(np.int64),
            "subscriber_id": members.subscriber_id.gather(who),
            "surface": pl.repeat("home", visit.size, eager=True),
            "row": at // SLOTS,
            "slot": at % SLOTS,
            "content_id": names([str(i) for i in world.titles.id], np.maximum(title, 0)),
            "model": names(("factors", "popularity"), request.is_degraded[visit].astype(np.int64)),
            "is_examined": is_examined.reshape(-1),
            "is_played": played,
            "region": names(world.places.regions, request.region[visit]),
            "device": names(DEVICE_NAMES, visits.device[visit]),
            "is_synthetic": pl.repeat(value=True, n=visit.size, eager=True),
            "weight": np.round(members.weight[who] / ratio).astype(np.int64),
            "replicate": members.replicate[who],
        }
    )
    return frame.filter(pl.Series(title >= 0))


@compiled()
def _walk(seed, key, page, examined, next_row, shown, is_examined):  # type: ignore[no-untyped-def]
    """The page in the order it was shown, and the places the member walked over (as in ``viewer.browse``)."""
    for i in range(key.size):
        shift = page_shift(seed, key[i])
        for row in range(ROWS):
            for slot in range(SLOTS):
                shown[i, row * SLOTS + slot] = page[i, ((row + shift) % ROWS) * SLOTS + slot]
        row, slot = 0, 0
        for _ in range(examined[i]):
            place = row * SLOTS + slot
            is_examined[i, place] = True
            slot += 1
            if slot == SLOTS or uniform(seed, key[i], place, Stream.BROWSE_ROW_LEFT) < next_row:
                row, slot = row + 1, 0
