"""Ranking every title for every member: no approximate index, the best of all titles by score.

A title's score for a member is its log lift under the model (:mod:`.factors`), plus a bonus for popularity, plus noise
for exploration. The bonus is calibrated so that titles are shown as often as :class:`~.model.RecommendParameters` says,
and no oftener.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from synthetic import random as draws
from synthetic.control_plane.in_session import HOME_HEAD
from synthetic.control_plane.model import Model
from synthetic.control_plane.retrieval import replace_least
from synthetic.jit import compiled, prange
from synthetic.random import Stream

__all__ = ["calibrated_prominence", "on_sale", "popularity_pages", "rank_titles"]

Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.integer]


def rank_titles(
    model: Model, members: IntArray, region: IntArray, *, size: int | None = None
) -> tuple[Int32Array, Float32Array]:
    """The ``size`` best distinct titles for each of ``members``, best first, and their scores, [n, size].

    ``region`` is [n]. Titles started lately are left out. Titles due this week are among them, so that what is not out
    on a day can be left out on it.
    """
    p = model.parameters
    k = p.candidates if size is None else size
    count = model.title_norm.size
    noise = p.exploration * draws.gumbels(
        model.seed, model.day, np.arange(2 * count), Stream.RECOMMEND_EXPLORE
    )
    offset = draws.uniforms(model.seed, members, model.day, Stream.RECOMMEND_EXPLORE) * count
    pages = np.full((members.size, k), -1, np.int32)
    scores = np.full((members.size, k), -np.inf, np.float32)
    low, high = model.block[HOME_HEAD]
    _rank(
        np.asarray(members, np.int64), np.asarray(region, np.int64), offset.astype(np.int64), model.member,
        model.is_cold(members), model.title, model.title_norm, model.prominence, noise.astype(np.float32),
        model.seen_start, model.seen_title, model.genre, model.cohort, model.cohort_lift, int(low), int(high),
        pages, scores,
    )  # fmt: skip
    return pages, scores


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
    """[regions, size] each region's most popular titles: the page shown while the recommender is out."""
    order = np.argsort(-model.log_popularity, axis=1, kind="stable")
    return np.ascontiguousarray(order[:, :size]).astype(np.int32)


_BAND_RANKS = (10, 30, 100, 300, 1_000, 2_000, 4_000, 7_000, 11_000)
_CALIBRATION_MEMBERS, _CALIBRATION_ROUNDS, _CALIBRATION_STEP, _FARTHEST = 1_000, 16, 0.3, 4.0


def calibrated_prominence(model: Model, region: IntArray, teachers: npt.NDArray[np.bool_]) -> Float32Array:
    """[regions, count] the function of log popularity with which exposure follows ``exposure_exponent``.

    A score's tail is Gaussian in taste: the same bonus buys an obscure title far less exposure than a known
    one. So the function is found by ranking pages for a sample of ``teachers`` [members] and moving its value in each
    band of popularity toward the band's wanted exposure, some rounds; what came nearest is kept.
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
    warm = np.flatnonzero(teachers & ~model.is_cold(np.arange(model.member_plays.size)))
    sample = warm[:: max(1, warm.size // _CALIBRATION_MEMBERS)][:_CALIBRATION_MEMBERS]
    is_out = np.isneginf(model.log_popularity)

    def function_of(value: npt.NDArray[np.float64]) -> Float32Array:
        at = np.where(is_out, knot[-1], model.log_popularity)
        prominence = np.interp(at, knot[::-1], value[::-1]).astype(np.float32)
        prominence[is_out] = -np.inf
        return prominence

    if not sample.size:
        return model.prominence
    # A step is halved where it went too far: the less taste parts members, the more a little bonus changes.
    nearest, least = value, np.inf
    step, missed_before = np.full(bands, _CALIBRATION_STEP), np.zeros(bands)
    for _ in range(_CALIBRATION_ROUNDS):
        tried = replace(model, prominence=function_of(value))
        pages, _ = rank_titles(tried, sample, region[sample], size=44)
        shown = np.bincount(band[pages[pages >= 0]], minlength=bands) + 0.5
        missed = np.log(wanted * shown.sum() / shown)
        if (off := float(wanted @ np.abs(missed))) < least:
            nearest, least = value, off
        step = np.where(missed * missed_before < 0, 0.5, 1.1) * step
        value, missed_before = value + step * np.clip(missed, -_FARTHEST, _FARTHEST), missed
    # Its level is of no account to an order; kept, so that scores are of one size from training to training.
    return function_of(nearest - wanted @ (nearest - p.exposure_exponent * knot))


@compiled(parallel=True)
def _rank(
    members: npt.NDArray[np.int64], region: npt.NDArray[np.int64], offset: npt.NDArray[np.int64],
    member_taste: Float32Array, is_cold: npt.NDArray[np.bool_], title: Float32Array, title_norm: Float32Array,
    prominence: Float32Array, noise: Float32Array, seen_start: npt.NDArray[np.int64], seen_title: Int32Array,
    genre: npt.NDArray[np.int64], cohort: npt.NDArray[np.int64], cohort_lift: Float32Array, low: int, high: int,
    pages: Int32Array, scores: Float32Array,
) -> None:  # fmt: skip
    count = title.shape[1]
    size = pages.shape[1]
    for i in prange(members.size):
        m = members[i]
        score = prominence[region[i]].copy()
        start = offset[i]
        score += noise[start : start + count]
        if is_cold[i]:
            lift = cohort_lift[cohort[m]]
            for j in range(count):
                score[j] += lift[genre[j, 0]]
        else:
            score -= title_norm
            # Four factors a pass, added in the order of one: the same sums with a quarter of the traffic.
            for d in range(low, high - 3, 4):
                w0, w1, w2, w3 = (
                    member_taste[m, d], member_taste[m, d + 1], member_taste[m, d + 2], member_taste[m, d + 3],
                )  # fmt: skip
                r0, r1, r2, r3 = title[d], title[d + 1], title[d + 2], title[d + 3]
                for j in range(count):
                    score[j] = (((score[j] + w0 * r0[j]) + w1 * r1[j]) + w2 * r2[j]) + w3 * r3[j]
            for d in range(high - (high - low) % 4, high):
                weight = member_taste[m, d]
                row = title[d]
                for j in range(count):
                    score[j] += weight * row[j]
        for k in range(seen_start[m], seen_start[m + 1]):
            score[seen_title[k]] = -np.inf
        best, value = np.full(size, -1, np.int32), np.full(size, np.float32(-np.inf), np.float32)
        for j in range(count):
            if score[j] > value[0]:
                replace_least(value, best, score[j], j, size)
        for end in range(size - 1, 0, -1):  # the least of what is left goes last
            least, which = value[0], best[0]
            replace_least(value, best, value[end], best[end], end)
            value[end], best[end] = least, which
        pages[i], scores[i] = best, value
