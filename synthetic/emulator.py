"""The emulator: a day loop with one barrier a day, and telemetry in weekly batches.

At the barrier everything that members share is fixed: the recommender's snapshot (weekly), the night's push,
expected load and room at every site and exchange, interest in titles. After it, a partition of members is a
pure function of that state; results are joined in member order, so that any number of partitions gives the
same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from metrics.engine import Mapper, map_partitions
from synthetic import tables
from synthetic import visits as looking
from synthetic.arrays import Bools, Ints, Singles, choose, join, take
from synthetic.counterfactual import WORLDS, Counterfactuals
from synthetic.day import DayState, Request, open_service
from synthetic.delivery import Fills, Night
from synthetic.experiments import assignments, running_on, treated
from synthetic.impressions import impressions
from synthetic.incidents import resolve_incidents, truth_incident
from synthetic.living import close_day
from synthetic.minutes import MinuteInput, minute_counts
from synthetic.playing import Delivered, deliver
from synthetic.reports import appliance_healths, fills
from synthetic.scenario import Scenario
from synthetic.sessions import feel, playback_events, playback_sessions, stalls
from synthetic.side_by_side import untried
from synthetic.switches import DELIVERY, FACTUAL
from synthetic.titles import demand
from synthetic.twins import Twin
from synthetic.viewer import MemberState, make_market
from synthetic.warmup import settle_in
from synthetic.world import World, make_world

__all__ = ["Batch", "Served", "days", "run"]

BATCH_DAYS = 7
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Batch:
    """Telemetry of a run of days: a frame a table. Truth tables come with the first and the last batch."""

    index: int
    days: range
    sessions: int
    tables: dict[str, pl.DataFrame]


def run(
    scenario: Scenario,
    *,
    partitions: int = 2,
    mapper: Mapper | None = None,
    tell: Callable[[str, float], None] | None = None,
) -> Iterator[Batch]:
    """Run the scenario; yield a batch a week.

    ``mapper`` runs a day's partitions, wherever that is; two threads when absent. ``tell(what, share done)``
    is called after each day. Rows do not depend on ``partitions`` or ``mapper``.
    """
    say = tell or (lambda what, share: None)
    say("building the world", 0.0)
    emulator = _Run(make_world(scenario), partitions, mapper or partial(map_partitions, where="threads"))
    for index, first in enumerate(range(0, scenario.days, BATCH_DAYS)):
        days = range(first, min(first + BATCH_DAYS, scenario.days))
        emulator.learn(first)
        outcomes = []
        for day in days:
            outcomes.append(emulator.close(emulator.serve(day)))
            say(f"day {day + 1} of {scenario.days}", (day + 1) / scenario.days)
        yield emulator.batch(index, days, outcomes)


@dataclass(frozen=True)
class Served:
    """A day as it was served, in member order: what the barrier fixed, what was asked for, what was delivered."""

    state: DayState
    request: Request
    delivered: Delivered
    preference: Singles


def days(world: World, *, partitions: int = 2) -> Iterator[Served]:
    """The days of the world's scenario, without telemetry: for whoever plays a day's requests again."""
    emulator = _Run(world, partitions, partial(map_partitions, where="threads"))
    for day in range(world.scenario.days):
        if day % BATCH_DAYS == 0:
            emulator.learn(day)
        served = emulator.serve(day)
        yield served
        emulator.close(served)


@dataclass(frozen=True)
class _Outcome:
    """A day's rows, joined over partitions in member order."""

    sessions: pl.DataFrame
    stalls: tuple[Ints, Ints, Ints]
    other: dict[str, pl.DataFrame]
    minutes: MinuteInput


@dataclass(frozen=True)
class _Part:
    """A day of some members: what they asked for, what they got, and the sums of every world."""

    request: Request
    delivered: Delivered
    truth: Counterfactuals
    preference: Singles


def _partition(world: World, state: DayState, rows: Ints) -> _Part:
    """A day of the members ``rows``: a pure function, to be run anywhere."""
    request, preference = open_service(world, state, rows)
    truth = Counterfactuals()
    delivered: dict[str, Delivered] = {}
    for number, (name, switches) in enumerate(WORLDS.items()):
        delivered[name] = deliver(world, state, request, switches, delivered.get("factual"))
        truth.add(world, number, request, delivered[name])
    truth.sum_up()
    return _Part(request, _as_lived(world, state.day, request, delivered), truth, preference)


def _twin_partition(world: World, state: DayState, rows: Ints) -> _Part:
    """As :func:`_partition`, without the worlds that nobody lives in."""
    request, preference = open_service(world, state, rows)
    delivered = {"factual": deliver(world, state, request, FACTUAL)}
    for spec in running_on(world, state.day):
        if spec.switch in DELIVERY:
            switches = WORLDS[spec.switch]
            delivered[spec.switch] = deliver(world, state, request, switches, delivered["factual"])
    lived = _as_lived(world, state.day, request, delivered)
    return _Part(request, lived, Counterfactuals(), preference)


def _as_lived(world: World, day: int, request: Request, delivered: Mapping[str, Delivered]) -> Delivered:
    """The factual world, but for members whom an experiment puts into another."""
    lived = delivered["factual"]
    member = request.visits.member[lived.rows]
    for spec in running_on(world, day):
        if spec.switch in DELIVERY:
            other = delivered[spec.switch]
            number = np.full(member.size, list(WORLDS).index(spec.switch), np.int8)
            lived = choose(treated(world, spec)[member], replace(other, world=number), lived)
    return lived


class _Run:
    """The state that grows from day to day: what was played, what is held, who has begun."""

    def __init__(self, world: World, partitions: int, mapper: Mapper) -> None:
        self.world, self.mapper = world, mapper
        scenario, members = world.scenario, world.members
        self.parts = [np.arange(p, members.count, partitions) for p in range(partitions)]
        self.incidents = resolve_incidents(scenario, world.places)
        settled = settle_in(world)
        self.discovery = settled.discovery
        self.member_state: MemberState = settled.state
        self.visits_per_member_day = settled.visits_per_member_day
        # Members who were there before the first day have had their first session.
        self.has_begun = members.join_day < 0
        self.has_visited = self.has_begun.copy()
        self.fills = Fills(world, list(WORLDS.values()))
        self.nights = ThreadPoolExecutor(1)
        self.ahead: Future[Night] | None = None
        self.counterfactuals = Counterfactuals()
        self.of_days: dict[str, Counterfactuals] = {}
        self.twins: dict[str, Twin] = {}

    def learn(self, day: int) -> None:
        """Train on what was logged and rank titles for every member."""
        for spec in running_on(self.world, day):
            if spec.switch in DELIVERY:
                self.of_days.setdefault(spec.name, Counterfactuals(("factual", spec.switch)))
            elif spec.name not in self.twins:
                self.twins[spec.name] = Twin.begun(self.world, spec, self.discovery, self.member_state)
        self.discovery.learn(day, {name: twin.service for name, twin in self._twins(day).items()})
        model = self.discovery.model
        self.predicted = np.exp(model.log_popularity.astype(np.float64))
        # A night is planned on who is a member when the week begins, so that it need not wait for the day before.
        members, standing = self.world.members, self.member_state.standing
        self.is_expected = standing.leave_day > day
        self.founders = max(members.weight[members.join_day < 0].sum(), 1)

    def _twins(self, day: int) -> dict[str, Twin]:
        """Of the experiments of that day."""
        running = {spec.name for spec in running_on(self.world, day)}
        return {name: twin for name, twin in self.twins.items() if name in running}

    def serve(self, day: int) -> Served:
        """One day: barrier, partitions, join."""
        state = self._barrier(day)
        parts = list(self.mapper(partial(_partition, self.world, state), self.parts))
        running = [spec for spec in running_on(self.world, day) if spec.switch in DELIVERY]
        standing = state.member_state.standing
        for part in parts:
            self.counterfactuals.extend(part.truth)
            for spec in running:
                self.of_days[spec.name].extend(part.truth)
        for counted in (self.counterfactuals, *(self.of_days[spec.name] for spec in running)):
            counted.add_members(self.world, None, standing, day)
        return self._joined(state, parts)

    def _joined(self, state: DayState, parts: Sequence[_Part]) -> Served:
        """The day's partitions as one, in member order."""
        preference = np.empty_like(state.preference)
        for part, members in zip(parts, self.parts, strict=True):
            preference[members] = part.preference
        request = join([part.request for part in parts])
        delivered = join([part.delivered for part in parts])
        # Rows of the attempts point into a partition's visits; after the join, into all of them.
        offsets = np.cumsum([0, *(part.request.visits.member.size for part in parts)])
        rows = np.concatenate([part.delivered.rows + at for part, at in zip(parts, offsets, strict=False)])
        return Served(state, *_in_member_order(request, replace(delivered, rows=rows)), preference)

    def batch(self, index: int, days: range, outcomes: Sequence[_Outcome]) -> Batch:
        """The tables of a week."""
        world, scenario = self.world, self.world.scenario
        sessions = pl.concat([o.sessions for o in outcomes])
        frames = {name: pl.concat([o.other[name] for o in outcomes]) for name in outcomes[0].other}
        frames["playback_session"] = sessions
        # The clock stops with the last day: of the night after it only leftovers would be known.
        end = scenario.start_ts_ms + scenario.days * _DAY_MS
        minutes = minute_counts([o.minutes for o in outcomes], world.places.regions)
        frames["minute_count"] = minutes.filter(pl.col("ts_ms") < end)
        for counted in (self.counterfactuals, *self.of_days.values()):
            counted.fold()
        if index == 0:
            frames["encode"] = tables.encodes(world)
            if not (arms := assignments(world)).is_empty():
                frames["assignment"] = tables.assignments(world, arms)
            frames["truth_incident"] = truth_incident(self.incidents)
        if days.stop == scenario.days:
            of_days = self.of_days | {name: twin.delivered for name, twin in self.twins.items()}
            delivered = [self.counterfactuals.table(world), *(c.table(world, n) for n, c in of_days.items())]
            frames["truth_counterfactual"] = pl.concat(delivered)
            both = pl.concat([*(twin.discovered(world) for twin in self.twins.values()), untried(world)])
            if not both.is_empty():
                frames["truth_discovery"] = both
        return Batch(index, days, sessions.height, frames)

    def _night(self, day: int) -> Night:
        members = self.world.members
        here = (members.join_day <= day) & self.is_expected
        growth = members.weight[here].sum() / self.founders
        return self.fills.night(day, self.predicted, growth, self.visits_per_member_day, self.incidents)

    def _barrier(self, day: int) -> DayState:
        world = self.world
        night = self.ahead.result() if self.ahead else self._night(day)
        # A night hangs on what was learned and not on the day before: the next is prepared while this day runs.
        is_next = (day + 1) % BATCH_DAYS and day + 1 < world.scenario.days
        self.ahead = self.nights.submit(self._night, day + 1) if is_next else None
        self.discovery.open_day(day)
        return DayState(
            day=day,
            visits_per_member_day=self.visits_per_member_day,
            market=make_market(world.titles, demand(world.titles, day), day, world.params),
            week=self.discovery.week,
            preference=self.discovery.preference,
            member_state=self.member_state,
            night=night,
            incidents=self.incidents,
        )

    def close(self, served: Served) -> _Outcome:
        """Telemetry of the day, and what the next day must know."""
        world, members = self.world, self.world.members
        state, request, delivered = served.state, served.request, served.delivered
        rows = delivered.rows
        member = request.visits.member[rows]
        is_first = _first_of_each(member, request.play_ts_ms[rows], self.has_begun)
        felt = feel(world, request, delivered)
        sessions = playback_sessions(world, request, delivered, felt, is_first)
        played_in = [(state.night.paths[w].conditions, w.abr) for w in WORLDS.values()]
        stalled = stalls(world, played_in, delivered, sessions)
        visits = request.visits
        # Rows of the day are told before it changes what they are told from.
        member_rows = tables.memberships(world, state)
        close_day(world, state.day, self.discovery, self.member_state, request, rows, felt, served.preference)
        for twin in self._twins(state.day).values():
            twin.beside(world, state.day, request, delivered, felt, self.member_state.standing)
            morning = twin.morning(state)
            parts = list(self.mapper(partial(_twin_partition, world, morning), self.parts))
            lived = self._joined(morning, parts)
            twin.evening(world, state.day, lived.request, lived.delivered, lived.preference)
        first_visits = _first_of_each(request.visits.member, request.visits.open_ts_ms, self.has_visited)
        other = {
            "visit": looking.visits(world, request, rows, sessions, first_visits),
            "search": looking.searches(world, request),
            "playback_event": playback_events(world, sessions, stalled, member),
            "control_request": tables.control_requests(world, request),
            "impression": impressions(world, request, state.week),
            "delivery": tables.deliveries(world, request, delivered, sessions),
            "membership": member_rows,
            "fill": fills(world, state),
            "appliance_health": appliance_healths(world, state),
        }
        minutes = MinuteInput(
            sessions.select("start_ts_ms", "end_ts_ms", "waited_ms", "startup_ms", "paused_ms", "outcome",
                            "cdn", "weight"),
            request.region[rows], visits.device[rows], stalled, visits.open_ts_ms, request.home_ms.astype(np.int64),
            request.region, visits.device, members.weight[visits.member],
        )  # fmt: skip
        return _Outcome(sessions, stalled, other, minutes)


def _first_of_each(member: Ints, ts_ms: Ints, has_begun: Bools) -> Bools:
    """Which are the earliest of a member who had none before; from now on they have (in place)."""
    order = np.lexsort((ts_ms, member))
    first = order[np.unique(member[order], return_index=True)[1]]
    first = first[~has_begun[member[first]]]
    is_first = np.zeros(member.size, np.bool_)
    is_first[first] = True
    has_begun[member[first]] = True
    return is_first


def _in_member_order(request: Request, delivered: Delivered) -> tuple[Request, Delivered]:
    """Visits by member and time, attempts likewise, whatever the partitions were."""
    order = np.lexsort((request.visits.open_ts_ms, request.visits.member))
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    rows = place[delivered.rows]
    attempts = np.argsort(rows, kind="stable")
    return take(request, order), replace(take(delivered, attempts), rows=rows[attempts])
