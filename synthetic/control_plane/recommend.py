"""Ranking the home page: a latent-factor model learned from logged plays, with regional popularity.

A title's score for a member is its log lift under the model (:mod:`.factors`), plus a bonus for popularity,
plus noise for exploration. All titles are scored for every member; there is no approximate index. Popularity
is the title's share of recent plays, each region's own shrunk to the world's; its bonus is calibrated so that
titles are shown as often as :class:`RecommendParameters` says, and no oftener.

It learns from what was logged, and sees published metadata only. A play that the page itself brought about
tells what was shown as much as what is wanted; a model that takes it at face value agrees with itself a
little more each week, and knows less. So popularity and the titles' vectors are learned from unaided plays, and
a page's plays enter a member's vector discounted by the model's own lift (inverse propensity).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from synthetic import random as draws
from synthetic.control_plane.catalogue import Catalogue
from synthetic.control_plane.factors import member_vectors, title_vectors
from synthetic.control_plane.play_log import PlayLog
from synthetic.control_plane.retrieval import replace_least
from synthetic.jit import compiled, prange
from synthetic.random import Stream

__all__ = [
    "Model", "RecommendParameters", "home_pages", "on_sale", "popularity_pages", "train",
]  # fmt: skip

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class RecommendParameters:
    """Choices of whoever runs the recommender."""

    rank: int = 16
    qualified_ratio: float = 0.1
    """A play counts as liking from this share watched."""
    popularity_half_life_days: float = 60.0
    regional_prior_plays: float = 8.0
    """A region's own count of a title weighs as much as the world's at this many expected plays."""
    title_prior_plays: float = 40.0
    """A title's vector is half its own and half its genres' at this many viewers."""
    exposure_exponent: float = 0.95
    """How often a title is shown grows with its share of plays to this power: 1 shows what is played, 0 shows
    every title alike. Below 1 the loop from plays to pages to plays dies out instead of feeding itself."""
    long_tail_ratio: float = 0.25
    """Share of places given to titles whatever their popularity, so that the long tail is known at all."""
    exploration: float = 0.2
    """Scale of Gumbel noise on the score: pages vary from week to week, and the long tail is tried."""
    horizon_days: int = 6
    """A page lives a week: titles due within these days are ranked too (see :func:`on_sale`)."""
    rest_days: int = 35
    """A title is not shown again to a member who started it less than this many days ago."""
    cold_plays: int = 5
    """Below this many plays a member is new: the page is regional popularity, spread over genres."""
    cold_genre_cap: int = 4
    """Titles of one main genre on a new member's page, at most."""


@dataclass(frozen=True)
class Model:
    """A snapshot: everything a page needs. Same inputs, same bytes, whatever the number of threads."""

    day: int
    member: Float32Array
    """[members, rank] taste, posterior mean."""
    member_plays: npt.NDArray[np.int32]
    title: Float32Array
    """[rank, count]."""
    title_norm: Float32Array
    """[count] |v|^2 / 2."""
    log_popularity: Float32Array
    """[regions, count] log share of recent plays; -inf where a title is not released."""
    prominence: Float32Array
    """[regions, count] what popularity adds to a score; -inf where a title is not released."""
    seen_start: npt.NDArray[np.int64]
    seen_title: npt.NDArray[np.int32]
    """Titles each member has started lately, one member after the other."""
    genre: npt.NDArray[np.int64]
    seed: int
    parameters: RecommendParameters = field(default_factory=RecommendParameters)


def train(
    plays: PlayLog,
    catalogue: Catalogue,
    *,
    region: IntArray,
    regions: int,
    today: int,
    seed: int,
    parameters: RecommendParameters | None = None,
) -> Model:
    """Learn from the plays before ``today``; ``region`` [members] is where each member lives."""
    p = parameters or RecommendParameters()
    log = plays.where(plays.day < today)
    shape = (region.size, catalogue.count)
    liked = log.where(log.watched_ratio >= p.qualified_ratio)
    unaided = liked.where(liked.is_unaided)
    with threadpool_limits(limits=1):  # one thread: the order of a sum must not depend on the machine's load
        title = title_vectors(
            _table(unaided, shape), catalogue, rank=p.rank, prior_plays=p.title_prior_plays, seed=seed
        )
        member = member_vectors(_table(unaided, shape), _table(liked.where(~liked.is_unaided), shape), title)
    log_popularity = _log_popularity(log.where(log.is_unaided), catalogue, region, regions, today, p)
    resting = _table(log.since(today - p.rest_days), shape)
    draft = Model(
        day=today,
        member=member,
        member_plays=np.bincount(liked.member, minlength=region.size).astype(np.int32),
        title=np.ascontiguousarray(title.T),
        title_norm=(0.5 * (title.astype(np.float64) ** 2).sum(axis=1)).astype(np.float32),
        log_popularity=log_popularity,
        prominence=(p.exposure_exponent * log_popularity).astype(np.float32),
        seen_start=resting.indptr.astype(np.int64),
        seen_title=resting.indices.astype(np.int32),
        genre=catalogue.genre,
        seed=seed,
        parameters=p,
    )
    return replace(draft, prominence=_calibrated_prominence(draft, np.asarray(region)))


def home_pages(model: Model, members: IntArray, region: IntArray, *, size: int = 44) -> Int32Array:
    """The ``size`` best distinct titles for each of ``members``, best first, [n, size]; ``region`` is [n].

    Titles started lately are left out. Pages of new members hold few titles of any one genre. Titles due this
    week are among them, so that :func:`on_sale` makes each day's page.
    """
    p = model.parameters
    count = model.title_norm.size
    noise = p.exploration * draws.gumbels(
        model.seed, model.day, np.arange(2 * count), Stream.RECOMMEND_EXPLORE
    )
    offset = draws.uniforms(model.seed, members, model.day, Stream.RECOMMEND_EXPLORE) * count
    pages = np.full((members.size, size), -1, np.int32)
    _rank(
        np.asarray(members, np.int64), np.asarray(region, np.int64), offset.astype(np.int64), model.member,
        model.member_plays, model.title, model.title_norm,
        model.prominence, noise.astype(np.float32),
        model.seen_start, model.seen_title, model.genre, p.cold_plays, p.cold_genre_cap, pages,
    )  # fmt: skip
    return pages


@compiled()
def on_sale(ranked: Int32Array, release_day: npt.NDArray[np.int64], day: int, size: int = 40) -> Int32Array:
    """[n, size] the first ``size`` titles of each ranking that are released by ``day``; -1 where there are none."""
    pages = np.full((ranked.shape[0], size), -1, np.int32)
    for i in range(ranked.shape[0]):
        filled = 0
        for k in range(ranked.shape[1]):
            title = ranked[i, k]
            if filled < size and title >= 0 and release_day[title] <= day:
                pages[i, filled] = title
                filled += 1
    return pages


def popularity_pages(model: Model, *, size: int = 44) -> Int32Array:
    """The page shown while the recommender is out: each region's most popular titles, [regions, size]."""
    order = np.argsort(-model.log_popularity, axis=1, kind="stable")
    return np.ascontiguousarray(order[:, :size]).astype(np.int32)


def _table(log: PlayLog, shape: tuple[int, int]) -> sparse.csr_array:
    """[members, count], 1 where a member played a title, however often."""
    table = sparse.csr_array((np.ones(log.count, np.float32), (log.member, log.title)), shape=shape)
    table.data[:] = 1.0
    return table


def _log_popularity(
    log: PlayLog, catalogue: Catalogue, region: IntArray, regions: int, today: int, p: RecommendParameters
) -> Float32Array:
    """[regions, count] log of each title's share of recent plays, the region's own shrunk to the world's."""
    count = catalogue.count
    weight = np.exp2((log.day - today) / p.popularity_half_life_days)
    cell = np.asarray(region)[log.member].astype(np.int64) * count + log.title
    own = np.bincount(cell, weights=weight, minlength=regions * count).reshape(regions, count)
    # A title could be played since its release only: plays count for the share of (weighted) days it was there.
    first = int(log.day.min()) if log.count else today
    there = np.concatenate(
        [[0.0], np.cumsum(np.exp2(-np.arange(1, today - first + 1) / p.popularity_half_life_days))]
    )
    since = np.clip(today - catalogue.release_day, 0, today - first)
    available = there[since] / max(there[-1], 1e-9)
    typical = max(own.sum() / max(available.sum(), 1.0), 1e-9)
    world = (own.sum(axis=0) + _TITLE_SHAPE) / (available + _TITLE_SHAPE / typical)
    world_share = world / world.sum()
    # Gamma-Poisson: a region's taste for a title over the world's, shrunk to 1 when few plays are expected.
    expected = world_share[None, :] * own.sum(axis=1, keepdims=True)
    share = world_share * (own + p.regional_prior_plays) / (expected + p.regional_prior_plays)
    share /= share.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        is_ranked = catalogue.is_released(today + p.horizon_days)
        return np.where(is_ranked[None, :], np.log(share), -np.inf).astype(np.float32)


_TITLE_SHAPE = 0.5  # a title of which nothing is known is taken for a typical one, loosely
_BAND_RANKS = (10, 30, 100, 300, 1_000, 2_000, 4_000, 7_000, 11_000)
_CALIBRATION_MEMBERS, _CALIBRATION_ROUNDS, _CALIBRATION_STEP = 1_000, 12, 0.35


def _calibrated_prominence(model: Model, region: IntArray) -> Float32Array:
    """[regions, count] the function of log popularity with which exposure follows ``exposure_exponent``.

    A score's tail is Gaussian in taste: the same bonus buys an obscure title far less exposure than a known
    one. So the function is found by ranking pages for a sample of members and moving its value in each band
    of popularity toward the band's wanted exposure, a few rounds.
    """
    p = model.parameters
    world = np.exp(model.log_popularity.astype(np.float64)).mean(axis=0)
    available = int(np.count_nonzero(world))
    order = np.argsort(-world, kind="stable")
    edges = np.array([0, *(rank for rank in _BAND_RANKS if rank < available), available])
    bands = edges.size - 1
    band = np.zeros(world.size, np.int64)
    band[order[:available]] = np.repeat(np.arange(bands), np.diff(edges))
    by_play = np.bincount(band, weights=world**p.exposure_exponent, minlength=bands)
    alike = np.bincount(band, weights=world > 0, minlength=bands)
    wanted = (1 - p.long_tail_ratio) * by_play / by_play.sum() + p.long_tail_ratio * alike / available
    knot = np.add.reduceat(np.log(world[order[:available]]), edges[:-1]) / np.diff(edges)
    value = p.exposure_exponent * knot
    warm = np.flatnonzero(model.member_plays >= p.cold_plays)
    sample = warm[:: max(1, warm.size // _CALIBRATION_MEMBERS)][:_CALIBRATION_MEMBERS]
    prominence = model.prominence
    is_out = np.isneginf(model.log_popularity)
    for _ in range(_CALIBRATION_ROUNDS if sample.size else 0):
        pages = home_pages(replace(model, prominence=prominence), sample, region[sample])
        shown = np.bincount(band[pages[pages >= 0]], minlength=bands) + 0.5
        value = value + _CALIBRATION_STEP * np.log(wanted * shown.sum() / shown)
        at = np.where(is_out, knot[-1], model.log_popularity)
        prominence = np.interp(at, knot[::-1], value[::-1]).astype(np.float32)
        prominence[is_out] = -np.inf
    return prominence


@compiled(parallel=True)
def _rank(
    members: npt.NDArray[np.int64], region: npt.NDArray[np.int64], offset: npt.NDArray[np.int64],
    member_taste: Float32Array, member_plays: Int32Array, title: Float32Array, title_norm: Float32Array,
    prominence: Float32Array, noise: Float32Array, seen_start: npt.NDArray[np.int64], seen_title: Int32Array,
    genre: npt.NDArray[np.int64], cold_plays: int, cold_genre_cap: int, pages: Int32Array,
) -> None:  # fmt: skip
    rank, count = title.shape
    size = pages.shape[1]
    for i in prange(members.size):
        m = members[i]
        score = prominence[region[i]].copy()
        start = offset[i]
        score += noise[start : start + count]
        is_cold = member_plays[m] < cold_plays
        if not is_cold:
            score -= title_norm
            # Four factors a pass, added in the order of one: the same sums with a quarter of the traffic.
            for d in range(0, rank - 3, 4):
                w0, w1, w2, w3 = (
                    member_taste[m, d], member_taste[m, d + 1], member_taste[m, d + 2], member_taste[m, d + 3],
                )  # fmt: skip
                r0, r1, r2, r3 = title[d], title[d + 1], title[d + 2], title[d + 3]
                for j in range(count):
                    score[j] = (((score[j] + w0 * r0[j]) + w1 * r1[j]) + w2 * r2[j]) + w3 * r3[j]
            for d in range(rank - rank % 4, rank):
                weight = member_taste[m, d]
                row = title[d]
                for j in range(count):
                    score[j] += weight * row[j]
        for k in range(seen_start[m], seen_start[m + 1]):
            score[seen_title[k]] = -np.inf
        # New members: more candidates than places, so that genres can be capped.
        kept = 8 * size if is_cold else size
        best, value = np.full(kept, -1, np.int32), np.full(kept, np.float32(-np.inf), np.float32)
        for j in range(count):
            if score[j] > value[0]:
                replace_least(value, best, score[j], j, kept)
        for end in range(kept - 1, 0, -1):  # the least of what is left goes last
            least, which = value[0], best[0]
            replace_least(value, best, value[end], best[end], end)
            value[end], best[end] = least, which
        if not is_cold:
            pages[i] = best
        else:
            shown = np.zeros(64, np.int64)
            filled = 0
            for k in range(kept):
                if filled < size and best[k] >= 0 and shown[genre[best[k], 0]] < cold_genre_cap:
                    pages[i, filled] = best[k]
                    shown[genre[best[k], 0]] += 1
                    filled += 1
            for k in range(kept):  # what the cap left empty, by rank
                taken = False
                for other in range(filled):
                    taken = taken or pages[i, other] == best[k]
                if filled < size and best[k] >= 0 and not taken:
                    pages[i, filled] = best[k]
                    filled += 1
