"""The discovery half of the service as it lives through the days: logs, weekly training, each day's rankings.

It is told what was shown and played (:meth:`Discovery.enter`), never why: nothing here reads taste, mood or joy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from synthetic.arrays import Bools, Ints, Singles
from synthetic.browsing import CONTINUE, HOME, SEARCH, SLOTS, examined_places
from synthetic.control_plane.catalogue import Catalogue, publish
from synthetic.control_plane.in_session import HOME_HEAD, Ranking
from synthetic.control_plane.model import Model, RecommendParameters
from synthetic.control_plane.play_log import LookLog, PlayLog, ResultLog
from synthetic.control_plane.recommend import train
from synthetic.control_plane.serving import (
    Arm,
    Week,
    onboarding_shelf,
    prepare_week,
    ranking_of_day,
    teach_picks,
)
from synthetic.experiments import lives_of_week
from synthetic.members import DEVICE_NAMES, PLANS
from synthetic.switches import Switches
from synthetic.viewer import Browse, onboarding_picks
from synthetic.world import World

__all__ = ["Discovery", "logged_looks", "logged_results", "logged_starts", "ranking_of"]

WEEK_DAYS = 7


@dataclass
class Discovery:
    """What the service has logged and what it has ready; ``plays`` is what was there before.

    ``switches``: the world that every member lives in; None: the factual one, and the arms of the experiments.
    """

    world: World
    plays: PlayLog
    choices: RecommendParameters = field(default_factory=RecommendParameters)
    looks: list[LookLog] = field(default_factory=list)
    results: list[ResultLog] = field(default_factory=list)
    switches: Switches | None = None
    search_log_broken: tuple[int, int] = (0, 0)
    """Days, from and to, on which the search service's log calls each title by another's id."""

    def __post_init__(self) -> None:
        self.catalogue: Catalogue = publish(self.world.titles)
        self.cohort = self.world.members.main_device * len(PLANS) + self.world.members.plan
        self.trained_day: int | None = None
        self.mornings: list[Singles] = []
        self.week: Week
        self.preference: Singles

    @property
    def model(self) -> Model:
        """The model of the first arm, which the fallback page and the forecast of demand are read from."""
        return self.week.arms[0].model

    def learn(self, day: int, twins: Mapping[str, Discovery] = MappingProxyType({})) -> None:
        """Train each arm's model on its own members' logs, and rank candidates for every member.

        ``twins``: by experiment, what the service logs of members as they live in its other arm. They are ranked for by
        that arm's model, which knows their taste from their logs there and nothing else.
        """
        world, members = self.world, self.world.members
        worlds, arm, other_arm = lives_of_week(world, day)
        if self.switches is not None:
            worlds, arm = (self.switches,), np.zeros_like(arm)
        lives = [(self, arm), *((twin, other_arm[name]) for name, twin in twins.items())]
        for life, _ in lives:
            life.looks = [look for look in life.looks if look.day >= day - self.choices.look_days]
            life.results = [each for each in life.results if each.day >= day - self.choices.look_days]
        arms = []
        for number, switches in enumerate(worlds):
            started, looks, results, teaches = self.plays, self.looks, self.results, None
            if len(worlds) > 1:
                logs = [life.plays.where(of[life.plays.member] == number) for life, of in lives]
                started = reduce(add, logs)
                looks = [look.where(of[look.member] == number) for life, of in lives for look in life.looks]
                results = [
                    each.where(of[each.member] == number) for life, of in lives for each in life.results
                ]
                teaches = arm == number
            model = train(
                self._as_told(started),
                self.catalogue,
                region=members.region,
                regions=len(world.places.regions),
                today=day,
                seed=world.scenario.seed,
                looks=looks,
                results=results,
                started=started,
                teaches=teaches,
                cohort=self.cohort,
                cohorts=len(DEVICE_NAMES) * len(PLANS),
                recommender=switches.recommender,
                parameters=self.choices,
            )
            arms.append(
                Arm(model, switches.first_week_diversity, switches.personal_artwork, switches.semantic_search)
            )
        for life, of in lives:
            life.week = prepare_week(arms, of, members.region)
            life.preference = life.week.taste.copy()
            life.trained_day = day
            life.mornings = []  # each training has axes of its own

    def open_day(self, day: int) -> None:
        """The morning: what yesterday moved fades a little, and who joins today is asked what they like."""
        if day != self.trained_day:
            moved = self.preference - self.week.taste
            self.preference = self.week.taste + np.float32(self.choices.overnight_ratio) * moved
        self._ask_joiners(day)
        if self.choices.signal_lag_days:
            self.mornings = [*self.mornings, self.preference][-self.choices.signal_lag_days :]

    @property
    def served(self) -> Singles | None:
        """[members, rank] the idea of taste that the day's pages are ordered by; None: what is known at the moment."""
        return self.mornings[0] if self.choices.signal_lag_days else None

    def search_log_ids(self, day: int) -> npt.NDArray[np.int32]:
        """[titles] what the search service's log calls each title on a day."""
        own = np.arange(self.catalogue.count, dtype=np.int32)
        first, end = self.search_log_broken
        return np.roll(own, own.size // 2) if first <= day < end else own

    def _as_told(self, started: PlayLog) -> PlayLog:
        """Plays by the ids that the surface which brought them about told."""
        first, end = self.search_log_broken
        wrong = started.is_search & (started.day >= first) & (started.day < end)
        if not wrong.any():
            return started
        return replace(
            started, title=np.where(wrong, self.search_log_ids(first)[started.title], started.title)
        )

    def _ask_joiners(self, day: int) -> None:
        joiners = np.flatnonzero(self.world.members.join_day == day)
        if joiners.size == 0:
            return
        shelf = onboarding_shelf(self.model, self.catalogue, day)
        picks = onboarding_picks(
            self.world.scenario.seed, joiners, self.world.people, self.world.titles, shelf
        )
        teach_picks(ranking_of(self.world, self.week, day), joiners, picks, self.preference)
        # The morning after must not take the picks for a mood.
        self.week.taste[joiners] = self.preference[joiners]
        given = picks >= 0
        title = picks[given]
        member = np.repeat(joiners, given.sum(axis=1)).astype(np.int32)
        self.plays = self.plays + PlayLog(
            member,
            title,
            np.full(title.size, day, np.int32),
            np.ones(title.size, np.float32),
            np.ones(title.size, np.bool_),
            np.zeros(title.size, np.bool_),
            np.ones(title.size, np.float32),
            self.catalogue.genre[title, 0].astype(np.int8),
        )

    def enter(
        self, day: int, key: Ints, member: Ints, is_degraded: Bools, found: Browse, watched_ms: Ints,
        preference: Singles,
    ) -> None:  # fmt: skip
        """The evening: log the day's visits [n], and keep the idea of taste [members, rank] it ended with."""
        self.preference = preference
        self.plays = self.plays + logged_starts(self.week, self.catalogue, member, found, watched_ms, day)
        mask = examined_places(
            self.world.scenario.seed, key, found.examined, self.world.params.next_row_ratio
        )
        mask[is_degraded] = False
        self.looks.append(logged_looks(self.catalogue, member, found, mask, watched_ms, day))
        self.results.append(logged_results(member, found, watched_ms, day))

    def copied(self, **given: Any) -> Discovery:
        """The service as it is, to live on apart from the original; ``given`` fields in place of its own."""
        return replace(self, looks=list(self.looks), results=list(self.results), **given)


def ranking_of(world: World, week: Week, day: int, logged_as: npt.NDArray[np.int32] | None = None) -> Ranking:
    """What the service has ready on a day of the week."""
    return ranking_of_day(week, world.catalogue, world.answers, day, logged_as)


def logged_starts(
    week: Week, catalogue: Catalogue, member: Ints, found: Browse, watched_ms: Ints, day: int
) -> PlayLog:
    """What the service logs of a day's visits: titles started and how much of the first runtime was watched.

    ``member``, ``found`` and ``watched_ms`` are [n]; going on with a title is no start, nor is a failed one.
    """
    new = np.flatnonzero((found.chosen >= 0) & (found.surface != CONTINUE) & (watched_ms > 0))
    title = found.chosen[new]
    who = member[new]
    on_home = found.surface[new] == HOME
    place = np.where(on_home, found.row[new].astype(np.int64) * SLOTS + found.slot[new], 0)
    variant = np.where(on_home, found.artwork[new, place], 0).astype(np.int64)
    return PlayLog(
        who.astype(np.int32),
        title,
        np.full(title.size, day, np.int32),
        np.minimum(watched_ms[new] / catalogue.runtime_ms[title], 1.0).astype(np.float32),
        ~on_home,
        found.surface[new] == SEARCH,
        np.where(on_home, _inclusion(week, who, title), np.float32(1.0)).astype(np.float32),
        catalogue.genre[title, variant].astype(np.int8),
    )


def logged_looks(
    catalogue: Catalogue, member: Ints, found: Browse, mask: Bools, watched_ms: Ints, day: int
) -> LookLog:
    """What was looked at on the home page, ``mask`` [n, places]; liked is what was played and not left at once."""
    visit, place = np.nonzero(mask & (found.page >= 0))
    title = found.page[visit, place]
    at = np.where(found.surface == HOME, found.row.astype(np.int64) * SLOTS + found.slot, -1)
    is_liked = (at[visit] == place) & ~found.is_skipped[visit] & (watched_ms[visit] > 0)
    picture = catalogue.genre[title, found.artwork[visit, place]].astype(np.int8)
    return LookLog(day, member[visit].astype(np.int32), title, is_liked, picture)


def logged_results(member: Ints, found: Browse, watched_ms: Ints, day: int) -> ResultLog:
    """What was looked at among results; liked is what was played and not left at once."""
    visit, place = np.nonzero(np.arange(found.results.shape[1]) < found.results_examined[:, None])
    is_liked = (found.surface[visit] == SEARCH) & (found.slot[visit] == place)
    is_liked &= ~found.is_skipped[visit] & (watched_ms[visit] > 0)
    return ResultLog(day, member[visit].astype(np.int32), is_liked, found.results_feature[visit, place])


def _inclusion(week: Week, member: Ints, title: npt.NDArray[np.int32]) -> Singles:
    """One over the lift that the model in force gave each title for its member, at most 1."""
    out = np.ones(member.size, np.float32)
    for number, arm in enumerate(week.arms):
        rows = np.flatnonzero(week.arm[member] == number)
        model = arm.model
        low, high = model.block[HOME_HEAD]
        lift = -model.title_norm[title[rows]].astype(np.float64)
        for d in range(low, high):
            lift += week.trained[member[rows], d].astype(np.float64) * model.title[d, title[rows]]
        out[rows] = np.exp(-np.maximum(lift, 0.0))
    return out
