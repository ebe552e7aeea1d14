"""One request for a home page, from the account to rows of titles and their pictures: what latency is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.control_plane.auth import GRANTED, authorise
from synthetic.control_plane.in_session import (
    ARTWORK_HEAD,
    HOME_HEAD,
    SHOWN,
    Ranking,
    like_genres,
    order_page,
    picture,
    space_of,
    spread_page,
)
from synthetic.control_plane.model import Model
from synthetic.control_plane.page import ROWS, SLOTS, page_shift
from synthetic.control_plane.ranking import rank_titles
from synthetic.jit import compiled

__all__ = ["STAGES", "HomePage", "Service", "serve_home"]

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
Int8Array = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.int64]

STAGES = ("auth", "rank", "diversify", "artwork", "rows")
"""What a request goes through: the account; every title scored and the best kept as candidates; those on sale ordered
by taste as it is now, in a first week with genres in proportion; their pictures; rows in the visit's order."""


@dataclass(frozen=True)
class HomePage:
    """What a member is shown: titles and pictures, [ROWS, SLOTS]; -1 is an empty place."""

    title: Int32Array
    artwork: Int8Array


@dataclass(frozen=True)
class Service:
    """What stands ready when a request comes: a model's snapshot, what it has ready for the day, and its members."""

    model: Model
    ranking: Ranking
    taste: Float32Array
    """[members, rank] the model's idea of each member as it is now."""
    region: IntArray
    first_week: npt.NDArray[np.bool_]
    """[members] each."""
    technical_ratio: float = 0.0
    business_ratio: float = 0.0


def serve_home(
    service: Service, member: int, step: int, *, tell: Callable[[str], None] = lambda stage: None
) -> HomePage | None:
    """The page of one member at one visit, by the functions that serve everybody's; None where the account is refused.

    ``tell`` is called with the name of each of :data:`STAGES` when it is done.
    """
    model, ready = service.model, service.ranking
    who, where = np.array([member]), service.region[member : member + 1]
    granted = authorise(
        model.seed, who, np.array([step]), outage_ratio=np.zeros(1), technical_ratio=service.technical_ratio,
        business_ratio=service.business_ratio,
    )  # fmt: skip
    tell("auth")
    if granted[0] != GRANTED:
        return None
    candidates, scores = rank_titles(model, who, where)
    tell("rank")
    arm, taste = int(ready.arm[member]), service.taste[member]
    page, score = np.empty(SHOWN, np.int32), np.empty(SHOWN, np.float32)
    low, high = ready.block[arm, HOME_HEAD]
    held = (candidates[0], scores[0], ready.trained[member], taste, ready.title[arm], low, high, ready.is_out)
    space = np.empty(space_of(candidates.shape[1], taste.size), np.float32)
    if service.first_week[member] and ready.spreads[arm]:
        weight = model.parameters.first_week_spread
        spread_page(*held, ready.genre, ready.genre_share[arm], weight, page, score, space)
    else:
        order_page(*held, page, score, space)
    tell("diversify")
    artwork = np.zeros(SHOWN, np.int8)
    if ready.draws_pictures[arm]:
        low, high = ready.block[arm, ARTWORK_HEAD]
        likes = np.empty(ready.centre.shape[1], np.float32)
        like_genres(taste, ready.centre[arm], low, high, likes)
        _draw_pictures(page, likes, ready.genre, artwork)
    tell("artwork")
    shift = page_shift(model.seed, member * (1 << 20) + step)
    shown = HomePage(
        np.roll(page.reshape(ROWS, SLOTS), -shift, axis=0),
        np.roll(artwork.reshape(ROWS, SLOTS), -shift, axis=0),
    )
    tell("rows")
    return shown


@compiled()
def _draw_pictures(page: Int32Array, likes: Float32Array, genre: Int8Array, artwork: Int8Array) -> None:
    for place in range(page.size):
        title = page[place]
        if title >= 0:
            artwork[place] = picture(likes, genre[title, 0], genre[title, 1])
