"""Impressions: what a visit's home page and search showed, what the member looked at, and what was played."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from metrics.telemetry import SURFACES
from synthetic.arrays import Bools, Floats, Ints, Tinies
from synthetic.browsing import SLOTS, examined_places
from synthetic.control_plane.artwork import VARIANTS
from synthetic.control_plane.serving import Week
from synthetic.day import Request, impression_ids, session_keys
from synthetic.members import DEVICE_NAMES
from synthetic.tables import inclusion, is_sampled, names, tenure_days
from synthetic.titles import GENRES
from synthetic.world import World

__all__ = ["impressions"]


def impressions(world: World, request: Request, week: Week) -> pl.DataFrame:
    """The table ``impression``, of the sampled subscribers: every place of every page and list they were shown."""
    found, visits = request.browse, request.visits
    ratio = inclusion(world, visits.member, visits.step, world.scenario.telemetry.event_sample_ratio)
    kept = is_sampled(world, visits.member, ratio)
    recommenders = [arm.model.recommender for arm in week.arms]
    rows = np.flatnonzero(kept & (found.examined > 0))
    is_examined = examined_places(
        world.scenario.seed, session_keys(visits)[rows], found.examined[rows], world.params.next_row_ratio
    )
    on_home = found.surface[rows] == SURFACES.index("home")
    place = found.row[rows].astype(np.int64) * SLOTS + found.slot[rows]
    by = np.where(
        request.is_degraded[rows], len(recommenders), week.arm[visits.member[rows]].astype(np.int64)
    )
    home = _rows(
        world, request, rows, found.page[rows], is_examined, np.where(on_home, place, -1), "home",
        names((*recommenders, "popularity"), by), request.home_ms[rows].astype(np.int64), ratio[rows],
        found.artwork[rows],
    )  # fmt: skip
    rows = np.flatnonzero(kept & (found.asked >= 0))
    results = found.results[rows]
    by_search = found.surface[rows] == SURFACES.index("search")
    looked = np.arange(results.shape[1])[None, :] < found.results_examined[rows, None]
    # Results are looked at after the typing, and until the play or the leaving.
    shown_ms = (request.home_ms + request.search_ms).astype(np.int64)[rows] + found.browse_ms[rows]
    search = _rows(
        world, request, rows, results, looked, np.where(by_search, found.slot[rows].astype(np.int64), -1), "search",
        names(("words",), np.zeros(rows.size, np.int64)), shown_ms, ratio[rows],
    )  # fmt: skip
    return pl.concat([home, search])


def _rows(
    world: World, request: Request, rows: Ints, shown: npt.NDArray[np.int32], is_examined: Bools,
    played_at: Ints, surface: str, model: pl.Series, after_open_ms: Ints, ratio: Floats,
    artwork: Tinies | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The places shown to the visits ``rows`` on one surface: ``shown`` and ``is_examined`` [rows, places].

    ``played_at`` [rows] is the place that was played, -1 for none; ``after_open_ms`` [rows] when it was shown;
    ``ratio`` [rows] the chance that the visit is kept; ``artwork`` [rows, places] the picture,
    where there are several.
    """
    visits, members = request.visits, world.members
    places = shown.shape[1]
    at = np.tile(np.arange(places), rows.size)
    visit = np.repeat(rows, places)
    nth = np.repeat(np.arange(rows.size), places)
    title = shown.reshape(-1).astype(np.int64)
    who = visits.member[visit]
    pictures = pl.repeat(None, title.size, dtype=pl.String, eager=True)
    if artwork is not None:
        pictures = names(VARIANTS, artwork.reshape(-1).astype(np.int64))
    main_genre = world.titles.genre[np.maximum(title, 0), 0]
    frame = pl.DataFrame(
        {
            "impression_id": impression_ids(session_keys(visits)[visit], surface, at),
            "ts_ms": (visits.open_ts_ms[rows] + after_open_ms)[nth],
            "subscriber_id": members.subscriber_id.gather(who),
            "surface": pl.repeat(surface, visit.size, dtype=pl.String, eager=True),
            "row": at // SLOTS,
            "slot": at % SLOTS,
            "content_id": names([str(i) for i in world.titles.id], np.maximum(title, 0)),
            "genre": names(GENRES, main_genre),
            "artwork": pictures,
            "model": model.gather(nth),
            "is_examined": is_examined.reshape(-1),
            "is_played": played_at[nth] == at,
            "tenure_days": tenure_days(world, visits.member[rows], visits.step[rows])[nth],
            "region": names(world.places.regions, request.region[visit]),
            "device": names(DEVICE_NAMES, visits.device[visit]),
            "is_synthetic": pl.repeat(value=True, n=visit.size, eager=True),
            "weight": np.round(members.weight[who] / ratio[nth]).astype(np.int64),
            "replicate": members.replicate[who],
        }
    )
    return frame.filter(pl.Series(title >= 0))
