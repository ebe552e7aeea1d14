"""What the service lays ready for a day, from the snapshots of its models: one arm, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synthetic.control_plane.answers import Answers
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.in_session import Ranking, learn_pick
from synthetic.control_plane.model import Model
from synthetic.control_plane.ranking import on_sale, popularity_pages, rank_titles
from synthetic.jit import compiled

__all__ = ["ONBOARDING", "Arm", "Week", "onboarding_shelf", "prepare_week", "ranking_of_day", "teach_picks"]

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]

ONBOARDING = 40  # titles a new member is shown, to pick a few of


@dataclass(frozen=True)
class Arm:
    """A model, and how the service uses it."""

    model: Model
    first_week_diversity: bool = True
    personal_artwork: bool = True
    semantic_search: bool = True


@dataclass(frozen=True)
class Week:
    """What a training laid ready for every member."""

    arms: tuple[Arm, ...]
    arm: npt.NDArray[np.int8]
    """[members] the arm of each."""
    candidate: Int32Array
    score: Float32Array
    """[members, candidates] as in :class:`~.in_session.Ranking`."""
    trained: Float32Array
    """[members, rank] the taste that ``score`` holds; 0 for new members, whose score holds none."""
    taste: Float32Array
    """[members, rank] as learned."""
    evidence: Float32Array
    fallback: Int32Array


def prepare_week(arms: Sequence[Arm], arm: npt.NDArray[np.int8], region: IntArray) -> Week:
    """Rank candidates for every member with the model of their arm."""
    first = arms[0].model
    members, k = arm.size, first.parameters.candidates
    candidate = np.full((members, k), -1, np.int32)
    score = np.full((members, k), -np.inf, np.float32)
    taste, evidence = np.zeros_like(first.member), np.zeros_like(first.evidence)
    is_cold = np.zeros(members, np.bool_)
    for number, each in enumerate(arms):
        rows = np.flatnonzero(arm == number)
        candidate[rows], score[rows] = rank_titles(each.model, rows, region[rows])
        taste[rows], evidence[rows] = each.model.member[rows], each.model.evidence[rows]
        is_cold[rows] = each.model.is_cold(rows)
    trained = np.where(is_cold[:, None], np.float32(0.0), taste)
    return Week(tuple(arms), arm, candidate, score, trained, taste, evidence, popularity_pages(first))


def ranking_of_day(
    week: Week,
    catalogue: Catalogue,
    answers: Answers,
    day: int,
    logged_as: Int32Array | None = None,
) -> Ranking:
    """The day's :class:`~.in_session.Ranking`."""
    models = [arm.model for arm in week.arms]
    by_word = np.array([not arm.semantic_search for arm in week.arms])
    if by_word.any():
        answers.know_keywords()
    return Ranking(
        arm=week.arm,
        candidate=week.candidate,
        score=week.score,
        trained=week.trained,
        evidence=week.evidence,
        fallback=on_sale(week.fallback, catalogue.release_day, day),
        title=np.stack([np.ascontiguousarray(model.title.T) for model in models]),
        norm=np.stack([model.search_norm for model in models]),
        curvature=np.stack([model.curvature for model in models]),
        centre=np.stack([model.centre for model in models]),
        block=np.stack([model.block for model in models]),
        take=np.stack([model.take for model in models]),
        genre_share=np.stack([model.genre_share for model in models]),
        learns=np.array([model.recommender in ("unified", "siloed") for model in models]),
        spreads=np.array([arm.first_week_diversity for arm in week.arms]),
        draws_pictures=np.array(
            [arm.personal_artwork and arm.model.recommender != "popularity" for arm in week.arms]
        ),
        by_word=by_word,
        genre=catalogue.genre.astype(np.int8),
        is_out=catalogue.is_released(day),
        found=answers.found,
        relevance=answers.relevance,
        popularity=np.stack([model.search_popularity for model in models]),
        search_weight=np.stack([model.search_weight for model in models]),
        is_name=answers.is_name,
        logged_as=np.arange(catalogue.count, dtype=np.int32) if logged_as is None else logged_as,
    )


def onboarding_shelf(model: Model, catalogue: Catalogue, day: int) -> Int32Array:
    """[regions, ONBOARDING] popular titles of every genre in turn, to ask a new member about."""
    genres = len(catalogue.genres)
    shelf = np.full((model.log_popularity.shape[0], ONBOARDING), -1, np.int32)
    is_out = catalogue.is_released(day)
    for region, popular in enumerate(model.log_popularity):
        order = np.argsort(-popular, kind="stable")
        order = order[is_out[order] & np.isfinite(popular[order])]
        main = catalogue.genre[order, 0]
        nth = np.zeros(order.size, np.int64)
        for genre in range(genres):
            nth[main == genre] = np.arange(np.count_nonzero(main == genre))
        chosen = order[np.argsort(nth, kind="stable")][:ONBOARDING]
        shelf[region, : chosen.size] = chosen
    return shelf


@compiled()
def teach_picks(ranking: Ranking, member: IntArray, picks: Int32Array, taste: Float32Array) -> None:
    """Tell the model what new members ``member`` [n] picked, [n, picks], -1 for none; into ``taste`` [members, rank].

    Every head that learns is told: the picks belong to no surface.
    """
    for i in range(member.size):
        m = member[i]
        a = ranking.arm[m]
        if ranking.learns[a]:
            for head in range(2):
                low, high = ranking.block[a, head, 0], ranking.block[a, head, 1]
                evidence = 0.0
                for k in range(picks.shape[1]):
                    if picks[i, k] >= 0 and (head == 0 or low > 0):
                        evidence = learn_pick(
                            taste[m], evidence, ranking.title[a, picks[i, k]], ranking.curvature[a], low, high
                        )
