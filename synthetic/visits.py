"""Visits and searches as telemetry: what members came for, how long they looked, and whether they found it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from metrics.telemetry import SURFACES
from synthetic.arrays import Bools, Ints
from synthetic.day import Request, session_keys
from synthetic.members import DEVICE_NAMES
from synthetic.tables import inclusion, is_sampled, names, tenure_days
from synthetic.titles import GENRES
from synthetic.world import World

__all__ = ["searches", "visits"]


def visits(
    world: World, request: Request, rows: Ints, sessions: pl.DataFrame, is_first: Bools
) -> pl.DataFrame:
    """The table ``visit``, of the sampled subscribers.

    ``sessions`` are the play attempts, which the visits ``rows`` came to; ``is_first`` [visits] marks the first
    visit of a new account.
    """
    at = request.visits
    ratio = inclusion(world, at.member, at.step, world.scenario.telemetry.request_sample_ratio)
    session = np.full(at.member.size, -1, np.int64)
    session[rows] = np.arange(rows.size)
    kept = np.flatnonzero(is_sampled(world, at.member, ratio))
    session = session[kept]
    is_found = session >= 0
    told = sessions.select("session_id", "surface", "playing_ms", "content_duration_ms")
    plays = told[np.maximum(session, 0)] if told.height else told.clear(kept.size)
    nothing = pl.lit(pl.Series(~is_found))
    return pl.DataFrame(
        {
            "visit_id": "v" + pl.Series(session_keys(at)[kept]).cast(pl.String),
            "ts_ms": at.open_ts_ms[kept],
            "browse_ms": request.play_ts_ms[kept] - at.open_ts_ms[kept],
            "is_found": is_found,
            **plays.select(pl.when(~nothing).then(pl.all())).to_dict(),
            "is_first_visit": is_first[kept],
            **_who(world, request, kept, ratio[kept]),
        }
    )


def searches(world: World, request: Request) -> pl.DataFrame:
    """The table ``search``, of the sampled subscribers."""
    at, found = request.visits, request.browse
    ratio = inclusion(world, at.member, at.step, world.scenario.telemetry.request_sample_ratio)
    kept = np.flatnonzero(is_sampled(world, at.member, ratio) & (found.asked >= 0))
    of_title = world.titles.genre[:, 0]
    shown = found.results[kept]
    has, genre = _commonest(of_title, shown)
    counts = {
        name: pl.Series(
            ((of_title[np.maximum(page, 0)] == genre[:, None]) & (page >= 0)).sum(axis=1), dtype=pl.Int64
        )
        for name, page in (
            ("home_before_count", found.page_before[kept]),
            ("home_after_count", found.page_after[kept]),
        )
    }
    counts["home_count"] = pl.Series((found.page_before[kept] >= 0).sum(axis=1), dtype=pl.Int64)
    told = pl.DataFrame(counts).select(pl.when(pl.lit(pl.Series(has))).then(pl.all()))
    key = pl.Series(session_keys(at)[kept]).cast(pl.String)
    return pl.DataFrame(
        {
            "search_id": "q" + key,
            "visit_id": "v" + key,
            "ts_ms": at.open_ts_ms[kept] + request.home_ms[kept].astype(np.int64),
            "genre": names(GENRES, genre, has),
            "results_count": (shown >= 0).sum(axis=1),
            "examined_count": found.results_examined[kept].astype(np.int64),
            "is_played": found.surface[kept] == SURFACES.index("search"),
            **told.to_dict(),
            **_who(world, request, kept, ratio[kept]),
        }
    )


def _commonest(genre: Ints, answers: npt.NDArray[np.int32]) -> tuple[Bools, Ints]:
    """Of each list of answers, whether it has any, and its commonest main genre, the first of equal ones."""
    held = np.where(answers >= 0, genre[np.maximum(answers, 0)], -1)
    votes = (held[:, :, None] == np.arange(len(GENRES))).sum(axis=1)
    return votes.max(axis=1, initial=0) > 0, votes.argmax(axis=1)


def _who(world: World, request: Request, rows: Ints, ratio: npt.NDArray[np.float64]) -> dict[str, object]:
    """Whose the visits ``rows`` are, and what each stands for; ``ratio`` is their chance of being kept."""
    at, members = request.visits, world.members
    member = at.member[rows]
    return {
        "subscriber_id": members.subscriber_id.gather(member),
        "tenure_days": tenure_days(world, member, at.step[rows]),
        "region": names(world.places.regions, request.region[rows]),
        "device": names(DEVICE_NAMES, at.device[rows]),
        "is_synthetic": pl.repeat(value=True, n=rows.size, eager=True),
        "weight": np.round(members.weight[member] / ratio).astype(np.int64),
        "replicate": members.replicate[member],
    }
