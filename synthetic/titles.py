"""The world's ground truth of content: what each title is, how much it is wanted, by whom and when.

The recommender never sees this module's arrays; it sees :mod:`synthetic.control_plane.catalogue`.

A title is a film or a season of a series. ``share`` is its share of all hours over the quarter. A member
with taste ``t`` starts title ``j`` unaided in proportion to ``demand_j * exp(t . taste_j - taste_offset_j)``;
the offset makes the population's mean of the exponential 1, so that personal choice keeps the aggregate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from synthetic import random as draws
from synthetic.random import Stream
from synthetic.wording import GENRES, describe

__all__ = [
    "GENRES",
    "QUARTER_DAYS",
    "REGION_SHARES",
    "TASTE_DIMENSIONS",
    "Titles",
    "demand",
    "make_titles",
    "popularity_curve",
    "subscriber_taste",
]

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]

TASTE_DIMENSIONS = 16
QUARTER_DAYS = 91

CATALOGUE_COUNT = 18_214
TOP_SHARES = ((100, 0.196), (1_000, 0.575), (4_000, 0.874))
"""Share of hours of the most viewed titles of 18,214 in a service's public report, first half of 2023."""

REGION_SHARES = (0.29, 0.17, 0.22, 0.09, 0.05, 0.02, 0.05, 0.11)
"""Hours by region, in the order of the world's regions. Assumption, near the published revenue regions."""

MOOD_RATIO = 0.2
"""Share of the variance of what a member wants that lasts a day. Assumption; in-session signals are worth something in
the field (arXiv 2206.02254), so it is not 0."""
# What a title promises and what it gives. Assumptions: praise and a lurid promise both draw plays (in log odds a sd);
# the one is kept and the other is not.
QUALITY_PULL, BAIT_PULL = 0.2, 0.35
QUALITY_WORTH, BAIT_WORTH = 0.8, -0.6

# Assumptions (no public figure), but the first: how strongly taste parts members, and how titles differ.
# sd of taste . title over members: the best 2 % of members want a title 6 x the median. Fitted to what a popularity
# recommender loses, -12 % of hours (docs/discovery.md).
TASTE_STRENGTH = 0.88
GENRE_WEIGHT = 0.8  # share of a title's taste vector that its genres give
REGION_TASTE = 0.35  # length of a region's mean taste, in sd of members' taste
HOME_REGION_LOG_BOOST = 1.2  # a title is wanted exp(1.2) = 3.3 x more in its region of origin
LAUNCH_RATIO = 0.04  # titles that launch within the quarter
LAUNCH_BOOST, LAUNCH_DECAY_DAYS = 4.0, 12.0  # interest at launch over interest later, and how fast it fades
SERIES_RATIO = 0.55
FILM_MEDIAN_MS, FILM_LOG_SD = 6_000_000, 0.18  # 100 min
EPISODE_MIN_MS, EPISODE_MAX_MS = 1_320_000, 3_300_000  # 22 to 55 min
COMPLEXITY_LOG_SD = 0.33  # sd of log bits needed for the same picture quality: 2 sd are a factor of 1.9
_ORIGIN_SHARES = np.array([0.40, 0.08, 0.18, 0.05, 0.03, 0.02, 0.08, 0.16])


@dataclass(frozen=True)
class Titles:
    """``count`` titles as arrays; index 0 is not special (popularity is not sorted by index)."""

    id: npt.NDArray[np.str_]
    share: npt.NDArray[np.float64]
    """Share of the quarter's hours; sums to 1."""
    start_share: npt.NDArray[np.float64]
    """Share of first plays: ``share`` over the hours a start brings; sums to 1."""
    genre: npt.NDArray[np.int64]
    """[count, 2] main and second genre, indices into ``GENRES``."""
    taste: npt.NDArray[np.float32]
    """[count, TASTE_DIMENSIONS]."""
    taste_offset: npt.NDArray[np.float32]
    quality: npt.NDArray[np.float64]
    """Standard normal: how well it is made."""
    bait: npt.NDArray[np.float64]
    """Standard normal: how much more its title and picture promise than it keeps."""
    pull: npt.NDArray[np.float32]
    """What quality and promise add to the log of its appeal where it is shown; the mean of its exponential is 1."""
    worth: npt.NDArray[np.float64]
    """Standard normal: what it gives whoever watches it, taste aside; keeps them watching, and members."""
    genre_centre: npt.NDArray[np.float32]
    """[genres, TASTE_DIMENSIONS] unit vectors: where each genre lies in the space of taste."""
    is_series: npt.NDArray[np.bool_]
    episode_count: npt.NDArray[np.int64]
    """1 for a film."""
    runtime_ms: npt.NDArray[np.int64]
    """Of the film (around 100 min) or of one episode (22 to 55 min)."""
    release_day: npt.NDArray[np.int64]
    """Day of the quarter it launched; negative: before."""
    origin: npt.NDArray[np.int64]
    """Region of origin."""
    affinity: npt.NDArray[np.float64]
    """[count, regions] relative demand; its region-weighted mean is 1 for every title."""
    complexity: npt.NDArray[np.float64]
    """Bits needed for the same picture quality, relative; log-normal around 1."""
    name: tuple[str, ...]
    description: tuple[str, ...]
    seed: int

    @property
    def count(self) -> int:
        return self.share.size


def popularity_curve(count: int = CATALOGUE_COUNT) -> npt.NDArray[np.float64]:
    """Shares of hours by rank, [count], falling, summing to 1.

    A power law with a stretched-exponential cut-off, ``rank ** -d * exp(-(rank / scale) ** c)``, fitted to
    the three measured ``TOP_SHARES``; a smaller catalogue is the head of the same curve.
    """
    rank = np.arange(1, CATALOGUE_COUNT + 1, dtype=np.float64)

    def shares(parameters: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        scale, c, d = np.exp(parameters)
        density = rank**-d * np.exp(-((rank / scale) ** c))
        return np.asarray(density / density.sum())

    def misses(parameters: npt.NDArray[np.float64]) -> list[float]:
        total = np.cumsum(shares(parameters))
        return [float(total[top - 1]) - share for top, share in TOP_SHARES]

    head = shares(least_squares(misses, x0=[7.0, 0.0, -1.0], xtol=1e-12, ftol=1e-12).x)[:count]
    return np.asarray(head / head.sum())


def make_titles(
    count: int = CATALOGUE_COUNT,
    seed: int = 1,
    region_shares: Sequence[float] = REGION_SHARES,
    *,
    taste_strength: float = TASTE_STRENGTH,
) -> Titles:
    """``count`` titles (at most 18,214), a pure function of the arguments.

    ``taste_strength``: sd of taste . title over members.
    """
    index = np.arange(count)
    share = np.empty(count)
    share[np.argsort(draws.uniforms(seed, index, 0, Stream.TITLE_POPULARITY))] = popularity_curve(count)
    genre = _genres(index, seed)
    quality = draws.normals(seed, index, 0, Stream.TITLE_QUALITY)
    bait = draws.normals(seed, index, 0, Stream.TITLE_BAIT)
    worth = QUALITY_WORTH * quality + BAIT_WORTH * bait
    pull = QUALITY_PULL * quality + BAIT_PULL * bait - 0.5 * (QUALITY_PULL**2 + BAIT_PULL**2)
    is_series = draws.uniforms(seed, index, 0, Stream.TITLE_RUNTIME) < SERIES_RATIO
    episodes = np.where(
        is_series, 4 + (draws.uniforms(seed, index, 1, Stream.TITLE_RUNTIME) * 9).astype(np.int64), 1
    )
    film_ms = FILM_MEDIAN_MS * np.exp(FILM_LOG_SD * draws.normals(seed, index, 2, Stream.TITLE_RUNTIME))
    span = EPISODE_MAX_MS - EPISODE_MIN_MS
    episode_ms = EPISODE_MIN_MS + span * draws.uniforms(seed, index, 3, Stream.TITLE_RUNTIME)
    runtime_ms = np.where(is_series, episode_ms, film_ms).astype(np.int64)
    start_share = share / expected_watch_ms(is_series, episodes, runtime_ms, worth)
    origin = np.searchsorted(
        np.cumsum(_ORIGIN_SHARES), draws.uniforms(seed, index, 0, Stream.TITLE_ORIGIN)
    ).clip(0, len(region_shares) - 1)
    taste = _taste(index, genre, seed, taste_strength)
    names, descriptions = describe(genre, draws.hashes(seed, index, 0, Stream.TITLE_TEXT))
    return Titles(
        id=np.array([f"t{i:05d}" for i in index]),
        share=share,
        start_share=start_share / start_share.sum(),
        genre=genre,
        taste=taste,
        taste_offset=_taste_offset(taste, seed, region_shares),
        quality=quality,
        bait=bait,
        pull=pull.astype(np.float32),
        worth=worth,
        genre_centre=_genre_centres(seed).astype(np.float32),
        is_series=is_series,
        episode_count=episodes,
        runtime_ms=runtime_ms,
        release_day=_release_days(index, seed),
        origin=origin,
        affinity=_affinity(share, origin, seed, region_shares),
        complexity=np.exp(COMPLEXITY_LOG_SD * draws.normals(seed, index, 0, Stream.TITLE_COMPLEXITY)),
        name=names,
        description=descriptions,
        seed=seed,
    )


def demand(titles: Titles, day: int) -> npt.NDArray[np.float64]:
    """Share of first plays wanted on that day, [regions, count]; each row sums to 1, unreleased titles are 0.

    Interest is highest at launch and fades; a title's mean over the quarter stays its ``start_share``.
    """
    wanted = titles.start_share * _interest(titles.release_day, day)
    by_region = np.ascontiguousarray((wanted[:, None] * titles.affinity).T)
    return np.asarray(by_region / by_region.sum(axis=1, keepdims=True))


def subscriber_taste(
    subscriber: IntArray, region: IntArray, seed: int, regions: int = len(REGION_SHARES)
) -> npt.NDArray[np.float32]:
    """Hidden lasting taste of members, [n, TASTE_DIMENSIONS]: normal around their region's mean.

    Its variance and that of the day's mood (``browsing.run_sessions``) add up to 1.
    """
    dimensions = np.arange(TASTE_DIMENSIONS)
    own = draws.normals(seed, np.asarray(subscriber)[:, None], dimensions[None, :], Stream.MEMBER_TASTE)
    means = _region_means(seed, regions)
    return np.asarray((np.sqrt(1.0 - MOOD_RATIO) * own + means[np.asarray(region)]).astype(np.float32))


KEEP_BASE, KEEP_WORTH = 0.88, 0.02
FILM_DROP_RATIO, FILM_DROP_WORTH, FILM_DROP_MIN, FILM_DROP_MAX = 0.2, 0.3, 0.05, 0.5
"""Assumptions: 88 % of viewers go on after an episode (2 points more a sd of worth); 20 % of those who
start a film drop it (a quarter less a sd of worth), having seen 5 to 50 %."""


def expected_watch_ms(
    is_series: npt.NDArray[np.bool_], episodes: IntArray, runtime_ms: IntArray, worth: FloatArray
) -> npt.NDArray[np.float64]:
    """Mean time one start brings over all the sessions that follow it (see ``watching.target_ms``)."""
    keep = np.clip(KEEP_BASE + KEEP_WORTH * worth, 0.7, 0.97)
    episodes_seen = (1 - keep**episodes) / (1 - keep)
    drop_ratio = np.minimum(FILM_DROP_RATIO * np.exp(-FILM_DROP_WORTH * worth), 0.9)
    film_ratio = 1 - drop_ratio * (1 - (FILM_DROP_MIN + FILM_DROP_MAX) / 2)
    return np.asarray(runtime_ms * np.where(is_series, episodes_seen, film_ratio))


def _region_means(seed: int, regions: int) -> npt.NDArray[np.float64]:
    means = draws.normals(
        seed, -1 - np.arange(regions)[:, None], np.arange(TASTE_DIMENSIONS)[None, :], Stream.MEMBER_TASTE
    )
    return REGION_TASTE * _unit(means)


def _interest(release_day: IntArray, day: int) -> npt.NDArray[np.float64]:
    def curve(age: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        boost = (LAUNCH_BOOST - 1) * np.exp(-np.maximum(age, 0) / LAUNCH_DECAY_DAYS)
        return np.where(age >= 0, 1.0 + boost, 0.0)

    launches = np.arange(release_day.min(), QUARTER_DAYS)
    quarter = curve(np.arange(QUARTER_DAYS)[None, :] - launches[:, None]).mean(axis=1)
    return np.asarray(curve(day - release_day) / quarter[release_day - launches[0]])


def _genres(index: IntArray, seed: int) -> npt.NDArray[np.int64]:
    """Main and second genre; genres are of uneven size (their weights fall as 1 / (5 + rank))."""
    weights = 1.0 / (5.0 + np.arange(len(GENRES)))
    edges = np.cumsum(weights / weights.sum())
    pair = draws.uniforms(seed, index[:, None], np.arange(2)[None, :], Stream.TITLE_GENRE)
    genre = np.searchsorted(edges, pair).clip(0, len(GENRES) - 1)
    same = genre[:, 0] == genre[:, 1]
    genre[same, 1] = (genre[same, 1] + 1) % len(GENRES)
    return np.asarray(genre.astype(np.int64))


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors / np.sqrt((vectors**2).sum(axis=1, keepdims=True)))


def _genre_centres(seed: int) -> npt.NDArray[np.float64]:
    dimensions = np.arange(TASTE_DIMENSIONS)[None, :]
    return _unit(draws.normals(seed, -1 - np.arange(len(GENRES))[:, None], dimensions, Stream.TITLE_TASTE))


def _taste(
    index: IntArray, genre: npt.NDArray[np.int64], seed: int, strength: float
) -> npt.NDArray[np.float32]:
    centre = _genre_centres(seed)
    own = _unit(draws.normals(seed, index[:, None], np.arange(TASTE_DIMENSIONS)[None, :], Stream.TITLE_TASTE))
    mixed = _unit(centre[genre[:, 0]] + 0.5 * centre[genre[:, 1]])
    direction = _unit(np.sqrt(GENRE_WEIGHT) * mixed + np.sqrt(1 - GENRE_WEIGHT) * own)
    return (strength * direction).astype(np.float32)


def _taste_offset(
    taste: npt.NDArray[np.float32], seed: int, region_shares: Sequence[float]
) -> npt.NDArray[np.float32]:
    """log of the population's mean of exp(t . taste), exact: region r's members, mood included, are N(mean_r, I)."""
    means = _region_means(seed, len(region_shares))
    t = taste.astype(np.float64)
    toward = np.exp((t[:, None, :] * means[None, :, :]).sum(axis=2))
    mean = (toward * np.asarray(region_shares)[None, :]).sum(axis=1) / sum(region_shares)
    return np.asarray((0.5 * (t**2).sum(axis=1) + np.log(mean)).astype(np.float32))


def _release_days(index: IntArray, seed: int) -> npt.NDArray[np.int64]:
    is_launch = draws.uniforms(seed, index, 0, Stream.TITLE_RELEASE) < LAUNCH_RATIO
    within = (draws.uniforms(seed, index, 1, Stream.TITLE_RELEASE) * QUARTER_DAYS).astype(np.int64)
    before = -1 - (900 * draws.exponentials(seed, index, 2, Stream.TITLE_RELEASE)).astype(np.int64)
    return np.where(is_launch, within, np.maximum(before, -5_000))


def _affinity(
    share: npt.NDArray[np.float64], origin: IntArray, seed: int, region_shares: Sequence[float]
) -> npt.NDArray[np.float64]:
    """Home boost and noise, then scaled in turn so that titles and regions both keep their totals."""
    regions = len(region_shares)
    weight = np.asarray(region_shares) / sum(region_shares)
    step = 1 + np.arange(regions)[None, :]
    noise = draws.normals(seed, np.arange(share.size)[:, None], step, Stream.TITLE_ORIGIN)
    affinity = np.exp(0.3 * noise + HOME_REGION_LOG_BOOST * (origin[:, None] == np.arange(regions)[None, :]))
    for _ in range(50):
        affinity /= (affinity * share[:, None]).sum(axis=0)[None, :]
        affinity /= (affinity * weight[None, :]).sum(axis=1)[:, None]
    return np.asarray(affinity)
