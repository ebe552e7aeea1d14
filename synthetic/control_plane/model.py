"""What the recommender has learned, and the choices of whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["RECOMMENDERS", "Model", "RecommendParameters"]

Float32Array = npt.NDArray[np.float32]

RECOMMENDERS = ("unified", "siloed", "factors", "popularity")
"""One taste for all surfaces; one for each; one by plain matrix factorisation of the plays, weekly; none."""


@dataclass(frozen=True)
class RecommendParameters:
    """Choices of whoever runs the recommender."""

    rank: int = 16
    silo_ranks: tuple[int, int, int] = (8, 6, 2)
    """Factors of home, search and artwork where each has a model of its own: together as many as ``rank``."""
    qualified_ratio: float = 0.1
    """A play counts as liking from this share watched."""
    popularity_half_life_days: float = 60.0
    regional_prior_plays: float = 8.0
    """A region's own count of a title weighs as much as the world's at this many expected plays."""
    title_prior_plays: float = 160.0
    """A title's vector is half its own and half its genres' at this many viewers."""
    exposure_exponent: float = 0.95
    """How often a title is shown grows with its share of plays to this power: 1 shows what is played, 0 shows
    every title alike. Below 1 the loop from plays to pages to plays dies out instead of feeding itself."""
    long_tail_ratio: float = 0.25
    """Share of places given to titles whatever their popularity, so that the long tail is known at all."""
    exploration: float = 0.1
    """Scale of Gumbel noise on the score: pages vary from week to week, and the long tail is tried."""
    horizon_days: int = 6
    """A page lives a week: titles due within these days are ranked too (see :func:`~.ranking.on_sale`)."""
    rest_days: int = 35
    """A title is not shown again to a member who started it less than this many days ago."""
    look_days: int = 28
    """Titles looked at are remembered this long."""
    candidates: int = 96
    """Titles among which a page is ranked again within the week."""
    session_plays: float = 20.0
    """Within a day, what is known of a member weighs no more than this many plays: moods are followed."""
    retrain_days: int = 7
    """Days from one training to the next."""
    signal_lag_days: int = 0
    """When a signal reaches the pages: 0 at once; 1 the next morning; 2 the morning after; at the latest it does with
    the next training."""
    overnight_ratio: float = 0.5
    """How much of what a day's signals moved is left the next morning; the next training counts them all."""
    cold_plays: int = 5
    """Below this many plays a member is new: titles are ranked by what is popular in the region and with members on
    the same device and plan."""
    first_week_spread: float = 0.6
    """Weight of genres in proportion on pages of a member's first week (:func:`~.in_session.spread_page`)."""


@dataclass(frozen=True)
class Model:
    """A snapshot: everything a page needs. Same inputs, same bytes, whatever the number of threads."""

    day: int
    recommender: str
    """One of ``RECOMMENDERS``."""
    member: Float32Array
    """[members, rank] taste, posterior mean, by blocks of factors."""
    evidence: Float32Array
    """[members] plays it hangs on."""
    member_plays: npt.NDArray[np.int32]
    title: Float32Array
    """[rank, count]."""
    title_norm: Float32Array
    """[count] |v|^2 / 2 in the home head's block."""
    search_norm: Float32Array
    """[count] the same in the search head's."""
    curvature: Float32Array
    """[rank] variance of the vectors over plays."""
    centre: Float32Array
    """[genres, rank] what a picture of a genre stands for."""
    block: npt.NDArray[np.int64]
    """[3, 2] factors of the heads home, search and artwork: from and to."""
    take: npt.NDArray[np.float64]
    """[2] log odds that a title looked at is played and liked: constant, and factor of the score."""
    log_popularity: Float32Array
    """[regions, count] log share of recent plays; -inf where a title is not released."""
    search_popularity: Float32Array
    """[regions, count] the same of the plays that the search head learns from."""
    search_weight: npt.NDArray[np.float64]
    """[3] what the features of a result weigh (:mod:`~.results`)."""
    prominence: Float32Array
    """[regions, count] what popularity adds to a score; -inf where a title is not released."""
    cohort: npt.NDArray[np.int64]
    """[members] the kind of a member: device and plan."""
    cohort_lift: Float32Array
    """[cohorts, genres] log lift of a genre's titles for members of a kind."""
    genre_share: Float32Array
    """[genres] genres of what is played."""
    seen_start: npt.NDArray[np.int64]
    seen_title: npt.NDArray[np.int32]
    """Titles each member has started lately, one member after the other."""
    genre: npt.NDArray[np.int64]
    seed: int
    parameters: RecommendParameters = field(default_factory=RecommendParameters)

    def is_cold(self, members: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """[n] of whom too little is known to rank by taste; everyone, where popularity is all there is."""
        return np.asarray(self.member_plays[members] < self.parameters.cold_plays) | (
            self.recommender == "popularity"
        )
