"""A service made by hand: pages and answers as given, learning nothing unless told to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from synthetic.browsing import PLACES
from synthetic.control_plane.in_session import Ranking
from synthetic.queries import KINDS
from synthetic.titles import Titles

Int32Array = npt.NDArray[np.int32]


def ranking_of_pages(
    pages: Int32Array, titles: Titles, answers: Int32Array | None = None, rank: int = 4, **given: Any
) -> Ranking:
    """``pages`` [members, places], best first; ``answers`` [kinds, titles, k], or each title by its name."""
    members, count = pages.shape[0], titles.count
    if answers is None:
        named = np.tile(np.arange(count, dtype=np.int32), (len(KINDS), 1))
        named[-1] = -1
        answers = named[:, :, None]
    score = np.tile(np.arange(pages.shape[1]) * -0.1, (members, 1)).astype(np.float32)
    return Ranking(
        arm=np.zeros(members, np.int8),
        candidate=np.ascontiguousarray(pages),
        score=score,
        trained=np.zeros((members, rank), np.float32),
        evidence=np.full(members, 10.0, np.float32),
        fallback=np.full((8, PLACES), -1, np.int32),
        title=np.zeros((1, count, rank), np.float32),
        norm=np.zeros((1, count), np.float32),
        curvature=np.full((1, rank), 0.1, np.float32),
        centre=np.zeros((1, int(titles.genre.max()) + 1, rank), np.float32),
        block=np.tile(np.array([0, rank]), (1, 3, 1)),
        take=np.array([[-2.5, 0.5]]),
        genre_share=np.full((1, 16), 1 / 16, np.float32),
        learns=np.zeros(1, np.bool_),
        spreads=np.zeros(1, np.bool_),
        draws_pictures=np.zeros(1, np.bool_),
        by_word=np.zeros(1, np.bool_),
        genre=titles.genre.astype(np.int8),
        is_out=np.ones(count, np.bool_),
        found=np.ascontiguousarray(answers[None]),
        relevance=np.tile(
            -np.log1p(np.arange(answers.shape[2], dtype=np.float32)), (1, *answers.shape[:2], 1)
        ),
        popularity=np.zeros((1, 8, count), np.float32),
        search_weight=np.array([[1.0, 0.0, 0.0]]),
        is_name=np.zeros(answers.shape[:2], np.bool_),
        logged_as=np.arange(count, dtype=np.int32),
    )._replace(**given)
