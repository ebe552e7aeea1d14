"""Worlds that differ by how the recommender is run, each lived through on one seed, as sums by day and member group.

As ``synthetic.paired``, with more to turn than its switches: how often the model is trained, how late signals reach the
pages, a broken log, how members look; and with plays told by how well known the title is.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from synthetic.arrays import Floats, Ints
from synthetic.browsing import CONTINUE, HOME, PLACES, SEARCH
from synthetic.control_plane.model import RecommendParameters
from synthetic.day import session_keys
from synthetic.demand import visits_of_day
from synthetic.discovery import ranking_of
from synthetic.scenario import load_scenario
from synthetic.switches import FACTUAL, SWITCHES
from synthetic.titles import demand
from synthetic.viewer import Browse, BrowseParameters, browse, make_market
from synthetic.warmup import Settled, live_day, settle_in
from synthetic.world import World, make_world

__all__ = [
    "BANDS",
    "Difference",
    "Setting",
    "difference",
    "exposure_effect",
    "live",
    "median_s",
    "pooled",
    "settled_world",
]

BANDS = (100, 1_000, 4_000)
"""Titles by how much they are wanted unaided: the first hundred, and so on; what is left is the long tail."""
CONFIDENCE = 0.9
_FIND_S = (*range(0, 181, 5), 10_000)


@dataclass(frozen=True)
class Setting:
    """One world: a name of ``SWITCHES`` or ``unified``, how the service is run, how members look."""

    switch: str = "unified"
    choices: RecommendParameters = field(default_factory=RecommendParameters)
    search_log_broken: tuple[int, int] = (0, 0)
    params: BrowseParameters | None = None


def settled_world(members: int, days: int, seed: int) -> tuple[World, Settled]:
    """A world without experiments, and its service, as day 0 finds them."""
    scenario = load_scenario(None, panel=members, days=days, seed=seed).model_copy(update={"experiment": ()})
    world = make_world(scenario)
    return world, settle_in(world)


def live(world: World, settled: Settled, setting: Setting, days: int) -> pl.DataFrame:
    """Sums by ``day`` and ``replicate`` from day 0; ``settled`` is left as it is."""
    switches = FACTUAL if setting.switch == "unified" else replace(FACTUAL, **SWITCHES[setting.switch])
    if setting.params is not None:
        world = replace(world, params=setting.params)
    old, state = settled.discovery, deepcopy(settled.state)
    service = old.copied(
        world=world, choices=setting.choices, switches=switches, search_log_broken=setting.search_log_broken
    )
    scenario, members = world.scenario, world.members
    frames = []
    for day in range(days):
        if day % setting.choices.retrain_days == 0:
            service.learn(day)
        visits, found = live_day(world, service, state, day, settled.visits_per_member_day)
        here = (state.standing.paying_day <= day) & (state.standing.leave_day > day)
        state.standing.close(
            scenario.seed, day, members.join_day, trial_days=scenario.membership.trial_days,
            trial_paid_ratio=scenario.membership.trial_paid_ratio, price_ratio=scenario.membership.price_ratio,
        )  # fmt: skip
        sums = _sums(world, _band_of(world, day), visits.member, found)
        sums["member_days"] = np.asarray(
            np.bincount(members.replicate, (members.weight * here).astype(np.float64))
        )
        count = sums["member_days"].size
        frames.append(
            pl.DataFrame({"day": np.full(count, day), "replicate": np.arange(count)}).with_columns(
                **{name: pl.Series(_padded(value, count)) for name, value in sums.items()}
            )
        )
    return pl.concat(frames)


def _sums(world: World, band: Ints, member: Ints, found: Browse) -> dict[str, Floats]:
    """A day's weighted sums by group."""
    weight, group = world.members.weight[member].astype(np.float64), world.members.replicate[member]
    played = found.chosen >= 0
    asked = found.asked >= 0
    before: Ints = (
        np.cumsum(asked) - asked
    )  # searches of the day's visits before this one, of whichever member
    first = np.flatnonzero(np.r_[True, member[1:] != member[:-1]])[: member.size]
    is_after = before > np.repeat(before[first], np.diff(np.r_[first, member.size]))
    home = (found.surface == HOME) & played
    looked = (found.surface != CONTINUE) & played
    values: dict[str, npt.NDArray[Any]] = {
        "visits": np.ones(member.size),
        "plays": played,
        "playing_ms": found.watch_ms,
        "rec_playing_ms": found.watch_ms * found.is_rec_driven,
        "home_visits": found.examined > 0,
        "home_looks": found.examined,
        "home_plays": home,
        "home_looks_after_search": found.examined * is_after,
        "home_plays_after_search": home & is_after,
        "searches": asked,
        "search_plays": (found.surface == SEARCH) & played,
        "search_rank": _reciprocal_rank(found),
        "finds": looked,
        "found_ms": found.browse_ms * looked,
        "lost": ~played,
        "lost_ms": found.browse_ms * ~played,
    }
    of = band[np.maximum(found.chosen, 0)]
    for number in range(len(BANDS) + 1):
        values[f"band_{number}_ms"] = found.watch_ms * (played & (of == number))
    seconds = found.browse_ms / 1_000
    for first, end in pairwise(_FIND_S):
        values[f"found_in_{first}"] = looked & (seconds >= first) & (seconds < end)
        values[f"lost_in_{first}"] = ~played & (seconds >= first) & (seconds < end)
    return {name: np.asarray(np.bincount(group, weight * value)) for name, value in values.items()}


def _reciprocal_rank(found: Browse) -> Floats:
    """[n] one over the place among the results of the title that was wanted, 0 where it is not among them."""
    is_it = (found.results == found.wished[:, None]) & (found.wished[:, None] >= 0)
    return np.where(is_it.any(axis=1), 1.0 / (1 + is_it.argmax(axis=1)), 0.0)


def _band_of(world: World, day: int) -> Ints:
    wanted = demand(world.titles, day).mean(axis=0)
    rank = np.empty(wanted.size, np.int64)
    rank[np.argsort(-wanted, kind="stable")] = np.arange(wanted.size)
    return np.searchsorted(np.array(BANDS), rank, side="right")


def _padded(value: Floats, count: int) -> Floats:
    return np.pad(value, (0, count - value.size))


@dataclass(frozen=True)
class Difference:
    """A ratio of sums in two worlds, and the second over the first less 1, with its interval."""

    first: float
    second: float
    relative: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.relative:+.1%} ({self.low:+.1%} to {self.high:+.1%})"


def difference(first: pl.DataFrame, second: pl.DataFrame, over: str, under: str) -> Difference:
    """Of ``over / under`` in two frames of sums by ``replicate``: 90 %, by a delete-a-group jackknife over groups.

    The pairing is kept: a group is left out of both worlds at once.
    """
    parts = []
    for frame in (first, second):
        by = frame.group_by("replicate").agg(pl.col(over, under).sum().cast(pl.Float64)).sort("replicate")
        parts.append((by[over].to_numpy(), by[under].to_numpy()))

    def ratio(part: tuple[Floats, Floats], without: int | None = None) -> float:
        keep = np.arange(part[0].size) != (-1 if without is None else without)
        return float(part[0][keep].sum() / part[1][keep].sum())

    def relative(without: int | None = None) -> float:
        return ratio(parts[1], without) / ratio(parts[0], without) - 1

    groups = parts[0][0].size
    left_out = np.array([relative(group) for group in range(groups)])
    error = np.sqrt((groups - 1) / groups * ((left_out - left_out.mean()) ** 2).sum())
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1) * error)
    whole = relative()
    return Difference(ratio(parts[0]), ratio(parts[1]), whole, whole - margin, whole + margin)


def pooled(found: Sequence[Difference]) -> Difference:
    """The mean over independent worlds; of several, with its interval by their spread (Student's t, 90 %).

    That holds what members, titles and trainings of a world have to do with chance, where one world's own interval
    holds its members alone.
    """
    if len(found) == 1:
        return found[0]
    first, second, relative = (
        np.array([getattr(each, name) for each in found]) for name in ("first", "second", "relative")
    )
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, relative.size - 1) * stats.sem(relative))
    mean = float(relative.mean())
    return Difference(float(first.mean()), float(second.mean()), mean, mean - margin, mean + margin)


def median_s(lived: pl.DataFrame) -> float:
    """Median time from opening the page to a title not open before: Kaplan and Meier, who gave up being censored."""
    found, lost = (
        np.array([float(lived[f"{what}_in_{first}"].sum()) for first in _FIND_S[:-1]])
        for what in ("found", "lost")
    )
    at_risk = np.cumsum((found + lost)[::-1])[::-1]
    still = np.cumprod(1 - found / np.maximum(at_risk, 1e-9))
    return float(np.interp(0.5, np.concatenate([[0.0], 1 - still]), _FIND_S))


def exposure_effect(world: World, settled: Settled, bonus: float) -> float:
    """Share of visits whose outcome turns when each page is shown the other way round to members who look at all of it.

    Where standing high on a page adds ``bonus`` 0 to utility, nothing turns: a page holds something good enough or not.
    """
    old = settled.discovery
    service = old.copied(switches=FACTUAL)
    service.learn(0)
    ready = ranking_of(world, service.week, 0)
    visits = visits_of_day(
        world.scenario, world.places, world.members, np.arange(world.members.count), 0,
        settled.visits_per_member_day, settled.state.standing,
    )  # fmt: skip
    patient = replace(
        world.params, budget_min_ms=1e12, budget_max_ms=1e12, next_row_ratio=0.0, continue_ratio=0.0,
        intent_ratio=0.0, search_ratio=0.0, home_bonus=bonus,
    )  # fmt: skip
    off = np.zeros(1, np.bool_)
    falling = np.tile(-np.arange(PLACES, dtype=np.float32), (world.members.count, 1))
    found_any = []
    for step in (1, -1):
        page = np.ascontiguousarray(ready.candidate[:, :PLACES][:, ::step])
        found, _ = browse(
            world.scenario.seed, 0, session_keys(visits), visits.member, people=world.people,
            ranking=ready._replace(
                candidate=page, score=falling, trained=service.preference, learns=off, spreads=off, draws_pictures=off
            ),
            preference=service.preference, first_week=np.zeros(world.members.count, np.bool_),
            is_degraded=np.zeros(visits.member.size, np.bool_), state=settled.state, titles=world.titles,
            market=make_market(world.titles, demand(world.titles, 0), 0, world.params), params=patient,
            follows_searches=False,
        )  # fmt: skip
        found_any.append(found.surface == HOME)
    return float((found_any[0] != found_any[1]).mean())
