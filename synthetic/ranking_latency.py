"""Measuring the ranking path: requests one at a time, through the functions that serve the emulated members."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numba import get_num_threads, set_num_threads

from synthetic.arrays import Floats
from synthetic.control_plane.latency import Measurement, fit
from synthetic.control_plane.page_request import STAGES, Service, serve_home
from synthetic.control_plane.search import SearchIndex, build_index, search
from synthetic.day import first_week
from synthetic.discovery import Discovery, ranking_of
from synthetic.queries import queries
from synthetic.scenario import load_scenario
from synthetic.warmup import warmup_plays
from synthetic.world import make_world

__all__ = ["Bench", "Times", "is_real_time", "measure", "prepare", "times"]

_WARM_UP = 50  # requests that are not counted: what is compiled or cached by the first


@dataclass(frozen=True)
class Bench:
    """A service that stands ready, and what is asked of it."""

    service: Service
    index: SearchIndex
    queries: tuple[str, ...]
    titles: int
    members: int


@dataclass(frozen=True)
class Times:
    """Milliseconds on the wall clock: ``stage`` [requests, stages], ``search`` [requests]."""

    stage: Floats
    search: Floats

    @property
    def home(self) -> Floats:
        """Whole requests, [requests]."""
        return np.asarray(self.stage.sum(axis=1))


def prepare(*, titles: int = 10_000, members: int = 2_000, seed: int = 0) -> Bench:
    """A service of the shipped scenario's kind with a model learned from a quarter of plays."""
    scenario = load_scenario(None, titles=titles, panel=members, days=1, seed=seed)
    world, control = make_world(scenario), scenario.control
    region = world.members.region
    plays = warmup_plays(
        seed, subscriber=world.subscriber, region=region, taste=world.taste, tenure_days=-world.members.join_day,
        titles=world.titles, params=world.params,
    )  # fmt: skip
    discovery = Discovery(world, plays)
    discovery.learn(0)
    service = Service(
        discovery.model, ranking_of(world, discovery.week, 0), discovery.preference, region,
        first_week(world.members.join_day, 0), control.auth_failure_ratio, control.business_failure_ratio,
    )  # fmt: skip
    catalogue = world.catalogue
    asked = queries(world.titles)
    texts = tuple(asked[i % len(asked)][i * 7919 % titles] for i in range(2_000))
    return Bench(service, build_index(catalogue, seed=seed), texts, titles, world.members.count)


def times(bench: Bench, requests: int, *, clock: Callable[[], int] = time.perf_counter_ns) -> Times:
    """``requests`` home pages and as many searches, one after the other; refused accounts are asked for no page.

    A request has one core, as it would where many are served at a time.
    """
    stage: list[list[int]] = []
    found: list[int] = []
    threads = get_num_threads()
    set_num_threads(1)
    try:
        for n in range(-_WARM_UP, requests):
            at: list[int] = []

            def tell(_: str, at: list[int] = at) -> None:
                at.append(clock())

            begun = clock()
            page = serve_home(bench.service, n * 2_654_435_761 % bench.members, max(n, 0), tell=tell)
            if n >= 0 and page is not None:
                stage.append([after - before for before, after in pairwise([begun, *at])])
        for n in range(-_WARM_UP, requests):
            begun = clock()
            search(bench.index, bench.queries[n % len(bench.queries)])
            if n >= 0:
                found.append(clock() - begun)
    finally:
        set_num_threads(threads)
    return Times(np.array(stage, np.float64) / 1e6, np.array(found, np.float64) / 1e6)


def is_real_time() -> bool:
    """Whether this process keeps its core from all others, so that a tail is the code's and not the machine's."""
    return hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO


def measure(bench: Bench, requests: int = 3_000, *, today: date) -> Measurement:
    """The measurement of this machine, as :mod:`synthetic.control_plane.latency` keeps it."""
    taken = times(bench, requests)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    machine += ", a core to itself (real-time priority)" if is_real_time() else ", ordinary priority"
    stage = {name: fit(taken.stage[:, at]) for at, name in enumerate(STAGES)}
    return Measurement(
        today, machine, bench.titles, bench.members, requests, stage, fit(taken.home), fit(taken.search)
    )
