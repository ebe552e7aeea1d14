"""How fast members browse: sessions a second, and a month of a million subscribers, without delivery.

``python -m benchmarks.viewer SUBSCRIBERS DAYS`` is that month in a process of its own. Members come in blocks, each
with a seed of its own; they know nothing of each other once the day's market and the model are fixed. Everyone is new
to the service: pages are what is popular in the region, ranked again as the member goes, by the title vectors of a
trained model.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, race, rate, run_and_watch
from synthetic.arrays import Singles
from synthetic.control_plane.in_session import Ranking
from synthetic.day import first_week, session_keys
from synthetic.demand import Visits, visits_of_day
from synthetic.discovery import ranking_of
from synthetic.members import Members, make_members
from synthetic.scenario import load_scenario
from synthetic.staying import Standing
from synthetic.titles import demand, subscriber_taste
from synthetic.viewer import Browse, Market, MemberState, advance, browse, make_market, people_of
from synthetic.warmup import Settled, settle_in
from synthetic.world import World, make_world

__all__ = ["rows"]

ROOT = Path(__file__).parent.parent
BLOCK, THREADS, TRAINED_ON = 20_000, 2, 1_500
SUBSCRIBERS, DAYS, SETTLED_DAY = 1_000_000, 30, 7


def rows() -> list[Row]:
    """Sessions a second of the browsing alone, on two threads; then the month, with who stays and who leaves."""
    base = _Base.trained(SETTLED_DAY + 1)
    blocks = [_Block(base, number) for number in range(THREADS)]
    for block in blocks:  # a usual day: members have titles open, and were there the day before
        block.live(SETTLED_DAY)
    days = [block.day(SETTLED_DAY) for block in blocks]
    sessions = sum(visits.member.size for _, visits in days)

    def run() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda each: each[0].browse(each[1], SETTLED_DAY), days))

    raced = [
        *race("browsing on two threads", run, {}, rate(sessions, "sessions")),
        # On a machine with other work: what two cores would do with the CPU time that one day took.
        *race(
            "browsing, two cores' CPU time", run, {}, rate(THREADS * sessions, "sessions"), clock=_cpu_seconds
        ),
    ]
    command = [sys.executable, "-m", "benchmarks.viewer", str(SUBSCRIBERS), str(DAYS)]
    month = run_and_watch(command, ROOT)
    what = f"{SUBSCRIBERS:,} subscribers browsing and watching for {DAYS} days"
    return [
        *raced,
        Row(f"{what}, wall time", f"{month.seconds:.0f} s"),
        Row(f"{what}, of it once the world is made", f"{_seconds_told(month.output):.0f} s"),
        Row(f"{what}, CPU time", f"{month.cpu_seconds:.0f} s"),
        Row(f"{what}, peak memory", f"{month.peak_bytes / 1e9:.2f} GB"),
    ]


@dataclass(frozen=True)
class _Base:
    """What all blocks share: a small world that has settled, its model, the markets of the days."""

    world: World
    settled: Settled
    markets: tuple[Market, ...]

    @staticmethod
    def trained(days: int = 1) -> _Base:
        world = make_world(load_scenario(None, panel=TRAINED_ON))
        settled = settle_in(world)
        settled.discovery.learn(0)
        titles = world.titles
        return _Base(
            world,
            settled,
            tuple(make_market(titles, demand(titles, day), day, world.params) for day in range(days)),
        )


class _Block:
    """Some members, from the first day to the last."""

    def __init__(self, base: _Base, number: int, members: int = BLOCK) -> None:
        self.base = base
        world = base.world
        self.scenario = world.scenario.model_copy(
            update={"seed": world.scenario.seed + number, "panel": members}
        )
        self.members: Members = make_members(self.scenario, world.places)
        m = self.members.count
        subscriber = np.arange(m)
        taste = subscriber_taste(
            subscriber, self.members.region, self.scenario.seed, len(world.places.regions)
        )
        self.people = people_of(subscriber, self.members.region, taste, world.titles)
        standing = Standing.of_joined(self.members.join_day, self.scenario.membership.trial_days)
        self.state = MemberState.empty(
            m, replace(standing, churn_level=base.settled.state.standing.churn_level)
        )
        week = base.settled.discovery.week
        self.preference: Singles = np.zeros((m, week.taste.shape[1]), np.float32)
        model = base.settled.discovery.model
        k = model.parameters.candidates
        order = np.argsort(-model.prominence, axis=1, kind="stable")[:, :k].astype(np.int32)
        score = np.take_along_axis(model.prominence, order.astype(np.int64), axis=1)
        self.week = replace(
            week, arm=np.zeros(m, np.int8), candidate=order[self.members.region], score=score[self.members.region],
            trained=self.preference.copy(), taste=self.preference, evidence=np.zeros(m, np.float32),
        )  # fmt: skip

    def day(self, day: int) -> tuple[_Block, Visits]:
        rows = np.arange(self.members.count)
        rate_a_day = self.base.settled.visits_per_member_day
        return self, visits_of_day(
            self.scenario, self.base.world.places, self.members, rows, day, rate_a_day, self.state.standing
        )

    def browse(self, visits: Visits, day: int) -> tuple[Browse, Singles]:
        world = self.base.world
        ranking: Ranking = ranking_of(world, self.week, day)
        return browse(
            self.scenario.seed, day, session_keys(visits), visits.member, people=self.people, ranking=ranking,
            preference=self.preference, first_week=first_week(self.members.join_day, day),
            is_degraded=np.zeros(visits.member.size, np.bool_), state=self.state, titles=world.titles,
            market=self.base.markets[day], params=world.params, follows_searches=False,
        )  # fmt: skip

    def live(self, days: int) -> tuple[int, int, float]:
        """All days; sessions, plays and hours they came to."""
        sessions = plays = 0
        hours = 0.0
        membership = self.scenario.membership
        for day in range(days):
            _, visits = self.day(day)
            found, self.preference = self.browse(visits, day)
            advance(
                self.state, self.scenario.seed, day, visits.member, self.people.subscriber, found, found.watch_ms,
                np.zeros(visits.member.size), self.base.world.titles,
            )  # fmt: skip
            self.state.standing.close(
                self.scenario.seed, day, self.members.join_day, trial_days=membership.trial_days,
                trial_paid_ratio=membership.trial_paid_ratio, price_ratio=membership.price_ratio,
            )  # fmt: skip
            sessions += visits.member.size
            plays += int((found.chosen >= 0).sum())
            hours += float(found.watch_ms.sum()) / 3_600_000
        return sessions, plays, hours


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _seconds_told(output: str) -> float:
    told = re.search(r" in ([\d.]+) s,", output)
    assert told, output
    return float(told[1])


def _blocks(subscribers: int) -> Iterator[tuple[int, int]]:
    for number, first in enumerate(range(0, subscribers, BLOCK)):
        yield number, min(BLOCK, subscribers - first)


def main(subscribers: int, days: int) -> None:
    """The month, and what it took from the moment the model stands."""
    base = _Base.trained(days)
    start, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(lambda each: _Block(base, *each).live(days), _blocks(subscribers)))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    sessions, plays, hours = (sum(part) for part in zip(*done, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{sessions:,} sessions, {plays:,} plays, {hours / subscribers / days:.2f} h a member and day, in "
        f"{seconds:.1f} s, {cpu_seconds:.1f} s of CPU: {sessions / seconds:,.0f} sessions/s, "
        f"largest resident size {peak:.2f} GB"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
