"""``python -m benchmarks.discovery [first-week | search]``: what two switches of discovery do, in worlds lived twice.

*First week*: pages of new members with genres in proportion, against none. *Search*: by meaning, against by keyword
alone, by how the query was put. The same members live through both worlds on one seed; intervals are 90 %, by a
delete-a-group jackknife over the members' groups that leaves a group out of both worlds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from metrics.recommendation.measures import BLEND, effective_catalogue_size
from metrics.telemetry import REPLICATES
from synthetic.arrays import Bools, Floats, Ints
from synthetic.browsing import CONTINUE, HOME, SEARCH
from synthetic.paired import Lived, live_days
from synthetic.queries import KINDS
from synthetic.scenario import ExperimentSpec, load_scenario
from synthetic.switches import FACTUAL, SWITCHES
from synthetic.titles import GENRES, demand
from synthetic.warmup import settle_in
from synthetic.world import World, make_world

__all__ = ["first_week", "search"]

CONFIDENCE = 0.9
FOUND_WITHIN_MS = 90_000

Sums = Mapping[str, Floats]
"""Of one world, each by jackknife group: [groups] or [groups, some]."""
Figure = Callable[[Sums], float]


def first_week(members: int = 3_000, joining: float = 2.0, days: int = 35) -> Iterator[tuple[str, ...]]:
    """Rows of (what, in proportion, without, difference) over those who join in the first ``days`` - 14.

    ``joining``: new members a month for each of ``members``.
    """
    scenario = load_scenario(None, panel=members, days=days).model_copy(
        update={"incident": (), "experiment": ()}
    )
    membership = scenario.membership.model_copy(update={"monthly_join_ratio": joining})
    world = make_world(scenario.model_copy(update={"membership": membership}))
    settled = settle_in(world)
    is_new = (world.members.join_day >= 0) & (world.members.join_day < days - membership.trial_days)
    wanted = _wanted(world)
    worlds = [
        _first_weeks(world, live_days(world, settled, switches, days), is_new, wanted)
        for switches in (FACTUAL, replace(FACTUAL, **SWITCHES["no_first_week_diversity"]))
    ]
    per = _ratio
    figures: dict[str, tuple[str, Figure]] = {
        "genres that a first week's pages are spread over, if evenly": ("{:.2f}", per("breadth", "shown_to")),
        "share of the commonest genre on them": ("{:.1%}", per("commonest", "shown_to")),
        "divergence of their genres from the member's own taste": ("{:.3f}", per("divergence", "shown_to")),
        "genres that a first week's plays are spread over, if evenly": (
            "{:.2f}",
            per("played_breadth", "players"),
        ),
        "titles that the plays of all first weeks are spread over, if evenly": (
            "{:,.0f}",
            lambda sums: effective_catalogue_size(sums["titles"].sum(axis=0)),
        ),
        "plays a title looked at on the home page": ("{:.2%}", per("home_plays", "looks")),
        "first visits that found a title within 90 s and kept it": ("{:.1%}", per("successes", "members")),
        "plays a member, first week": ("{:.2f}", per("plays", "members")),
        "hours a member, first week": ("{:.2f}", per("hours", "members")),
        "hours a member, second week": ("{:.2f}", per("later_hours", "members")),
        "trials that became paying": ("{:.1%}", per("converted", "members")),
    }
    yield from _compared(figures, worlds)
    yield "members who joined", f"{is_new.sum():,}", f"{is_new.sum():,}", ""


def search(members: int = 4_000, days: int = 28) -> Iterator[tuple[str, ...]]:
    """Rows of (what, by meaning, by keyword, difference), over all searches and by how they were put."""
    scenario = load_scenario(None, panel=members, days=days)
    asks = ExperimentSpec(name="search", switch="keyword_search", share=0.5, from_day=0, to_day=7)
    whole = make_world(scenario.model_copy(update={"incident": (), "experiment": (asks,)}))
    world = replace(whole, scenario=whole.scenario.model_copy(update={"experiment": ()}))
    settled = settle_in(world)
    worlds = [
        _searches(world, live_days(world, settled, switches, days))
        for switches in (FACTUAL, replace(FACTUAL, **SWITCHES["keyword_search"]))
    ]
    figures: dict[str, tuple[str, Figure]] = {}
    for kind, name in enumerate((*KINDS, "all searches")):
        which = slice(None) if kind == len(KINDS) else slice(kind, kind + 1)
        figures[f"{name}: plays a search"] = ("{:.1%}", _ratio("plays", "searches", which))
        if name not in (KINDS[-1], "all searches"):
            figures[f"{name}: the title wished for is played"] = (
                "{:.1%}",
                _ratio("wished", "searches", which),
            )
        figures[f"{name}: time to find, s"] = ("{:.1f}", _ratio("found_s", "plays", which))
    figures["all visits: time to find, s"] = ("{:.2f}", _ratio("visit_found_s", "visit_plays"))
    figures["all visits: hours a visit"] = ("{:.3f}", _ratio("hours", "visits"))
    yield from _compared(figures, worlds)


def _first_weeks(world: World, days: Iterator[Lived], is_new: Bools, wanted: Floats) -> Sums:
    """What the members ``is_new`` were shown, found and played before they had been members for seven days."""
    members, genre = world.members, world.titles.genre[:, 0]
    count, group = members.count, members.replicate
    shown, played = np.zeros((count, len(GENRES))), np.zeros((count, len(GENRES)))
    titles = np.zeros((REPLICATES, world.titles.count))
    had = {
        name: np.zeros(count)
        for name in ("looks", "home_plays", "plays", "hours", "later_hours", "successes")
    }
    has_visited = np.zeros(count, np.bool_)
    converted = np.zeros(count)
    for lived in days:
        member, found, converted = (
            lived.visits.member,
            lived.found,
            lived.standing.paying_day <= lived.day + 1,
        )
        age = lived.day - members.join_day[member]
        first = _firsts(member, lived.visits.open_ts_ms, has_visited)
        is_success = (found.chosen >= 0) & ~found.is_skipped & (found.browse_ms <= FOUND_WITHIN_MS)
        had["successes"][member[first]] += is_success[first]
        np.add.at(had["later_hours"], member, found.watch_ms / 3.6e6 * ((age >= 7) & (age < 14)))
        for name, value in {
            "looks": found.examined,
            "home_plays": found.surface == HOME,
            "plays": found.chosen >= 0,
            "hours": found.watch_ms / 3.6e6,
        }.items():
            np.add.at(had[name], member, value * (age < 7))
        visit, place = np.nonzero((found.page >= 0) & (age < 7)[:, None])
        np.add.at(shown, (member[visit], genre[found.page[visit, place]]), 1)
        begun = np.flatnonzero((found.chosen >= 0) & (found.surface != CONTINUE) & (age < 7) & is_new[member])
        np.add.at(played, (member[begun], genre[found.chosen[begun]]), 1)
        np.add.at(titles, (group[member[begun]], found.chosen[begun]), 1)
    had["converted"] = converted.astype(np.float64)
    had["members"] = np.ones(count)
    had["shown_to"], had["players"] = (counts.any(axis=1).astype(np.float64) for counts in (shown, played))
    had["breadth"], had["played_breadth"] = _breadth(shown), _breadth(played)
    share = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    had["commonest"] = share.max(axis=1)
    near = (1 - BLEND) * share + BLEND * wanted
    had["divergence"] = np.where(shown.any(axis=1), (wanted * np.log(wanted / near)).sum(axis=1), 0.0)
    of_new = {name: np.bincount(group, value * is_new, REPLICATES) for name, value in had.items()}
    return of_new | {"titles": titles}


def _breadth(counts: Floats) -> Floats:
    """[members] over how many of [members, genres] each is spread, if evenly: Hill 1973, order 1; 0 without any."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    logs = np.log(np.where(share > 0, share, 1.0))
    return np.asarray(np.where(counts.any(axis=1), np.exp(-(share * logs).sum(axis=1)), 0.0))


def _firsts(member: Ints, ts_ms: Ints, has_visited: Bools) -> Ints:
    """The first visits of those who have had none; they have from now on (in place)."""
    order = np.lexsort((ts_ms, member))
    first = order[np.unique(member[order], return_index=True)[1]]
    first = first[~has_visited[member[first]]]
    has_visited[member[first]] = True
    return first


def _searches(world: World, days: Iterator[Lived]) -> Sums:
    """By group and kind of query, and of all visits."""
    sums = {name: np.zeros((REPLICATES, len(KINDS))) for name in ("searches", "plays", "wished", "found_s")}
    visits = {name: np.zeros(REPLICATES) for name in ("visits", "hours", "visit_plays", "visit_found_s")}
    for lived in days:
        found, group = lived.found, world.members.replicate[lived.visits.member]
        asked = np.flatnonzero(found.asked >= 0)
        is_played = (found.surface == SEARCH) & (found.chosen >= 0)
        for name, value in {
            "searches": found.asked >= 0,
            "plays": is_played,
            "wished": is_played & (found.chosen == found.wished),
            "found_s": is_played * found.browse_ms / 1000,
        }.items():
            np.add.at(sums[name], (group[asked], found.asked[asked]), value[asked])
        begun = (found.chosen >= 0) & (found.surface != CONTINUE)
        for name, value in {
            "visits": np.ones(group.size),
            "hours": found.watch_ms / 3.6e6,
            "visit_plays": begun,
            "visit_found_s": begun * found.browse_ms / 1000,
        }.items():
            np.add.at(visits[name], group, value)
    return sums | visits


def _ratio(over: str, under: str, which: slice = slice(None)) -> Figure:
    """Of two sums; ``which`` of the second axis, where there is one."""

    def total(values: Floats) -> float:
        return float((values if values.ndim == 1 else values[:, which]).sum())

    return lambda sums: total(sums[over]) / max(total(sums[under]), 1e-300)


def _compared(figures: Mapping[str, tuple[str, Figure]], worlds: Sequence[Sums]) -> Iterator[tuple[str, ...]]:
    """A row a figure: in the first world, in the second, and the first over the second less 1 with its interval."""
    for name, (form, of) in figures.items():
        one, other = (of(sums) for sums in worlds)
        left_out = np.array([_relative(of, worlds, group) for group in range(REPLICATES)])
        error = np.sqrt((REPLICATES - 1) / REPLICATES * ((left_out - left_out.mean()) ** 2).sum())
        margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, REPLICATES - 1) * error)
        effect = _relative(of, worlds)
        told = f"{effect:+.1%} ({effect - margin:+.1%} to {effect + margin:+.1%})"
        yield name, form.format(one), form.format(other), told


def _relative(of: Figure, worlds: Sequence[Sums], without: int | None = None) -> float:
    kept = np.arange(REPLICATES) != (-1 if without is None else without)
    one, other = (of({name: values[kept] for name, values in sums.items()}) for sums in worlds)
    return one / other - 1


def _wanted(world: World) -> Floats:
    """[members, genres] of what each would ask for unaided, by demand and taste."""
    titles, members = world.titles, world.members
    offered = demand(titles, 0)
    by_genre = np.zeros((titles.count, len(GENRES)))
    by_genre[np.arange(titles.count), titles.genre[:, 0]] = 1.0
    out = np.empty((members.count, len(GENRES)))
    for first in range(0, members.count, 512):
        rows = slice(first, first + 512)
        weight = np.exp(world.taste[rows] @ titles.taste.T - titles.taste_offset).astype(np.float64)
        out[rows] = (weight * offered[members.region[rows]]) @ by_genre
    return np.asarray(out / out.sum(axis=1, keepdims=True))


def main(names: Sequence[str]) -> None:
    """Print the tables named, or both."""
    tables = {
        "first-week": (first_week, ("first week", "in proportion", "without", "difference")),
        "search": (search, ("search", "by meaning", "by keyword", "difference")),
    }
    unknown = set(names) - set(tables)
    if unknown:
        sys.exit(f"benchmarks.discovery: no {', '.join(sorted(unknown))}; known: {', '.join(tables)}")
    for name in names or tables:
        rows, header = tables[name]
        print()
        for row in (header, ("---", *("---:" for _ in header[1:])), *rows()):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
