"""Training the recommender: from what was logged to a snapshot.

It learns from what was logged, and sees published metadata only. A play that the page itself brought about
tells what was shown as much as what is wanted; a model that takes it at face value agrees with itself a
little more each week, and knows less. So popularity and the titles' vectors are learned from unaided plays where there
are any, and from a page's plays discounted by the lift the model itself gave them (inverse propensity). What a page
teaches about a member is told against what they looked at and did not play (:func:`.in_session.learn_look`).

*Factors* and *popularity* are what production is compared with in the literature: matrix factorisation, and counts, of
plays as they are logged, with nothing known of titles but who played them.

*Unified*: all surfaces teach one taste a member, and all read it. *Siloed*: home, search and artwork each have a model
of their own events, with as many factors together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from synthetic.control_plane.artwork import genre_means, learn_pictures
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.factors import Factors, member_vectors, title_factors
from synthetic.control_plane.in_session import ARTWORK_HEAD, HOME_HEAD, learn_look, take_ratio
from synthetic.control_plane.model import Model, RecommendParameters
from synthetic.control_plane.play_log import LookLog, PlayLog, ResultLog
from synthetic.control_plane.popularity import cohort_lift, log_popularity
from synthetic.control_plane.ranking import calibrated_prominence
from synthetic.control_plane.results import LIFT, learn_weights
from synthetic.jit import compiled

__all__ = ["taught_by_looks", "train"]

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_TAKE_DAYS, _TAKE_SAMPLE = 7, 50_000  # days with looks, and looks of them, that chances are fitted to
_TAKE_PRIOR = (-2.5, 0.3)  # what is taken before there are any


def train(
    plays: PlayLog,
    catalogue: Catalogue,
    *,
    region: IntArray,
    regions: int,
    today: int,
    seed: int,
    looks: Sequence[LookLog] = (),
    results: Sequence[ResultLog] = (),
    started: PlayLog | None = None,
    teaches: BoolArray | None = None,
    cohort: IntArray | None = None,
    cohorts: int = 1,
    recommender: str = "unified",
    parameters: RecommendParameters | None = None,
) -> Model:
    """Learn from the plays, looks and results before ``today``.

    ``region`` and ``cohort`` [members]: where, and what kind.
    ``started``: what members were seen to start, which is not shown to them again; None: as ``plays``. It tells another
    story where the log of a surface that teaches is broken. ``teaches`` [members]: whose logs titles are learned from;
    the taste of the others is learned from their own, and nothing else is. None: everyone's.
    """
    p = parameters or RecommendParameters()
    members = region.size
    kinds = np.zeros(members, np.int64) if cohort is None else np.asarray(cohort, np.int64)
    log = plays.where(plays.day < today)
    if recommender in ("factors", "popularity"):  # plays as logged, whoever brought them about
        log = replace(log, is_unaided=np.ones(log.count, np.bool_), inclusion=np.ones(log.count, np.float32))
    lately = (
        [look for look in looks if today - p.look_days <= look.day < today]
        if recommender in ("unified", "siloed")
        else []
    )
    liked = log.where(log.watched_ratio >= p.qualified_ratio)
    # What is learned of titles, and whom they are learned for.
    teachers = np.ones(members, np.bool_) if teaches is None else teaches
    siloed = recommender == "siloed"
    of_home = liked.where(~liked.is_search) if siloed else liked.where(liked.is_unaided)
    with threadpool_limits(limits=1):  # one thread: the order of a sum must not depend on the machine's load
        if siloed:
            blocks, ranks = _silos(p), p.silo_ranks
            home = _learn_plays(of_home, teachers, catalogue, ranks[0], p, seed)
            search = _learn_plays(liked.where(liked.is_search), teachers, catalogue, ranks[1], p, seed)
            pictures = learn_pictures(liked.where(~liked.is_search), teachers, catalogue, ranks[2], seed)
            title = np.concatenate(
                [home[0].title, search[0].title, np.zeros((catalogue.count, ranks[2]))], axis=1
            )
            centre = np.zeros((len(catalogue.genres), p.rank), np.float32)
            centre[:, blocks[ARTWORK_HEAD, 0] :] = pictures[0].title
            curvature = np.concatenate([home[0].curvature, search[0].curvature, pictures[0].curvature])
            member = np.concatenate([home[1], search[1], pictures[1]], axis=1)
            evidence, norms = home[2], (home[0].norm, search[0].norm)
        else:
            blocks = np.tile(np.array([0, p.rank]), (3, 1))
            taught = (
                of_home if recommender != "popularity" else of_home.where(np.zeros(of_home.count, np.bool_))
            )
            factors, member, evidence = _learn_plays(
                taught, teachers, catalogue, p.rank, p, seed, plain=recommender == "factors"
            )
            title, curvature, norms = factors.title, factors.curvature, (factors.norm, factors.norm)
            centre = genre_means(factors.title, catalogue)
    told = log.where(teachers[log.member])

    def popularity(told: PlayLog) -> Float32Array:
        return log_popularity(
            told, catalogue, region, regions, today, half_life_days=p.popularity_half_life_days,
            prior_plays=p.regional_prior_plays, horizon_days=p.horizon_days,
        )  # fmt: skip

    popular = popularity(told.where(~told.is_search if siloed else told.is_unaided))
    shown = [each.where(teachers[each.member]) for each in results if today - p.look_days <= each.day < today]
    search_weight = learn_weights(shown)
    if recommender in ("factors", "popularity"):
        search_weight[LIFT] = 0.0
    lately_started = (started or plays).where((started or plays).day < today).since(today - p.rest_days)
    resting = _table(lately_started, (members, catalogue.count))
    of_kinds = of_home if siloed else liked
    of_kinds = of_kinds.where(teachers[of_kinds.member])
    main = np.bincount(catalogue.genre[of_kinds.title, 0], minlength=len(catalogue.genres)) + 1.0
    draft = Model(
        day=today,
        recommender=recommender,
        member=np.ascontiguousarray(member, np.float32),
        evidence=evidence,
        member_plays=np.bincount(liked.member, minlength=members).astype(np.int32),
        title=np.ascontiguousarray(title.T, np.float32),
        title_norm=norms[0],
        search_norm=norms[1],
        curvature=curvature.astype(np.float32),
        centre=centre,
        block=blocks,
        take=np.array(_TAKE_PRIOR),
        log_popularity=popular,
        search_popularity=popularity(told.where(told.is_search)) if siloed else popular,
        search_weight=search_weight,
        prominence=(p.exposure_exponent * popular).astype(np.float32),
        cohort=kinds,
        cohort_lift=cohort_lift(of_kinds, catalogue, kinds, cohorts),
        genre_share=(main / main.sum()).astype(np.float32),
        seen_start=resting.indptr.astype(np.int64),
        seen_title=resting.indices.astype(np.int32),
        genre=catalogue.genre,
        seed=seed,
        parameters=p,
    )
    model = replace(draft, prominence=calibrated_prominence(draft, np.asarray(region), teachers))
    return taught_by_looks(model, lately, np.asarray(region, np.int64), teachers)


def taught_by_looks(model: Model, looks: Sequence[LookLog], region: Int64Array, teachers: BoolArray) -> Model:
    """``model`` after what was looked at, its members taught in place, and with how its score tells what is played.

    The score is this training's own: what last week's model gave a title has another level (what popularity adds is
    only found up to a constant). So chances are fitted to the scores that it gives the looks, first as plays alone
    taught it, and, for the days to come, as it gave each before it learned of it.
    """
    vectors = np.ascontiguousarray(model.title.T)
    last_day = max((look.day for look in looks), default=0)
    for teaches in (False, True):
        scores, liked = [], []
        for look in looks:
            is_late = look.day > last_day - _TAKE_DAYS
            if not (teaches or is_late):
                continue
            score = np.empty(look.title.size, np.float32)
            _learn_looks(
                model.member, model.evidence, look.member, look.title, look.is_liked,
                look.picture.astype(np.int64), region, model.prominence, vectors, model.title_norm, model.centre,
                model.curvature, model.block, model.take, teaches, score,
            )  # fmt: skip
            if is_late:
                own = teachers[look.member]
                scores.append(score[own])
                liked.append(look.is_liked[own])
        model = replace(model, take=_take_odds(scores, liked))
    return model


def _silos(p: RecommendParameters) -> Int64Array:
    edges = np.concatenate([[0], np.cumsum(p.silo_ranks)])
    return np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64)


def _table(log: PlayLog, shape: tuple[int, int], weight: Float32Array | None = None) -> sparse.csr_array:
    """[members, count], what a member's plays of a title count for, at most 1 however many they are."""
    counts = np.ones(log.count, np.float32) if weight is None else weight
    table = sparse.csr_array((counts, (log.member, log.title)), shape=shape)
    table.sum_duplicates()
    np.minimum(table.data, 1.0, out=table.data)
    return table


def _learn_plays(
    log: PlayLog,
    teachers: BoolArray,
    catalogue: Catalogue,
    rank: int,
    p: RecommendParameters,
    seed: int,
    *,
    plain: bool = False,
) -> tuple[Factors, Float32Array, Float32Array]:
    """Vectors of titles from plays of ``teachers``; taste of members, and the plays it hangs on; from these alone."""
    shape = (teachers.size, catalogue.count)
    taught = log.where(teachers[log.member])
    table = _table(taught, shape, taught.inclusion)
    factors = title_factors(
        table, catalogue, rank=rank, prior_plays=p.title_prior_plays, seed=seed, plain=plain
    )
    # What a page brought about is told by looks, where they are still remembered.
    unaided = _table(log.where(log.is_unaided), shape)
    return factors, *member_vectors(unaided, factors)


def _take_odds(scores: Sequence[Float32Array], is_liked: Sequence[BoolArray]) -> FloatArray:
    """[2] log odds of a play by score: a logistic regression (Platt 1999)."""
    score = np.concatenate([*scores, np.empty(0, np.float32)]).astype(np.float64)
    liked = np.concatenate([*is_liked, np.empty(0, np.bool_)])
    some = np.flatnonzero(np.isfinite(score))
    some = some[:: max(1, some.size // _TAKE_SAMPLE)]
    if liked[some].all() or not liked[some].any():
        return np.array(_TAKE_PRIOR)
    fit = LogisticRegression(C=1e3).fit(score[some, None], liked[some])
    return np.array([fit.intercept_[0], max(fit.coef_[0, 0], 0.0)])


@compiled()
def _learn_looks(
    taste: Float32Array, evidence: Float32Array, member: Int32Array, title: Int32Array, is_liked: BoolArray,
    picture: Int64Array, region: Int64Array, prominence: Float32Array, vectors: Float32Array, norm: Float32Array,
    centre: Float32Array, curvature: Float32Array, block: Int64Array, take: FloatArray, teaches: bool,
    scores: Float32Array,
) -> None:  # fmt: skip
    """Score what was looked at, into ``scores`` [n]; and teach it, in order of time, as within the session."""
    low, high = block[HOME_HEAD, 0], block[HOME_HEAD, 1]
    first, last = block[ARTWORK_HEAD, 0], block[ARTWORK_HEAD, 1]
    for i in range(member.size):
        m, j = member[i], title[i]
        bonus = prominence[region[m], j]
        scores[i] = bonus
        if not np.isfinite(bonus):
            continue
        score = float(bonus) - float(norm[j])
        for d in range(low, high):
            score += float(taste[m, d]) * float(vectors[j, d])
        scores[i] = score
        if not teaches:
            continue
        expected = take_ratio(score, take[0], take[1])
        so_far = float(evidence[m])
        evidence[m] = learn_look(
            taste[m], so_far, vectors[j], curvature, low, high, is_liked[i], expected, take[1]
        )
        if first >= high:
            learn_look(
                taste[m], so_far, centre[picture[i]], curvature, first, last, is_liked[i], expected, take[1]
            )
