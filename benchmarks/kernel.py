"""How many hour-long sessions the player kernel plays a second, chunk by chunk, without and with its events."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import fields

import numpy as np

from benchmarks.harness import ROUNDS, Row, rate
from synthetic.player.abr import Ladder
from synthetic.player.conditions import Conditions
from synthetic.player.kernel import Played, Plays, play, play_events
from synthetic.player.network import load_networks

__all__ = ["rows"]

SESSIONS = 50_000
CHUNK_MS = 4_000
HOUR_MS = 3_600_000
# The published ladder of ten AVC rungs, 235 to 5,800 kbit/s.
LADDER = Ladder((235, 375, 560, 750, 1050, 1750, 2350, 3000, 4300, 5800))


def rows() -> list[Row]:
    """An hour on each of the shipped networks, over routes whose conditions change every quarter hour."""
    plays = _plays(SESSIONS)
    draw = np.random.default_rng(2)
    conditions = Conditions(
        draw.uniform(0.7, 1.0, (50, 96)).astype(np.float32),
        draw.uniform(20_000, 1e6, (50, 96)).astype(np.float32),
    )
    networks = tuple(load_networks().values())

    def without() -> Played:
        return play(
            plays, LADDER, networks=networks, conditions=conditions, chunk_ms=CHUNK_MS, buffer_ms=60_000,
            stall_loss=5.0,
        )  # fmt: skip

    def with_events() -> Played:
        played, _ = play_events(
            plays, LADDER, networks=networks, conditions=conditions, chunk_ms=CHUNK_MS, buffer_ms=60_000,
            stall_loss=5.0,
        )  # fmt: skip
        return played

    played, same = without(), with_events()
    assert all(np.array_equal(getattr(played, f.name), getattr(same, f.name)) for f in fields(Played))
    assert played.started.mean() > 0.9
    # Who stalls watches less; the figure is for the hours that were played.
    hours = int(played.playing_ms.sum() / HOUR_MS)
    what = "player kernel a second of one core, hour-long sessions"
    return [_timed(what, without, hours), _timed(f"{what}, every stall and switch", with_events, hours)]


def _timed(what: str, run: Callable[[], object], hours: int) -> Row:
    """Median CPU time of this thread, so that what else the machine does is not in it."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        run()
        seconds.append(time.thread_time() - begin)
    return Row(what, rate(hours, "sessions")(statistics.median(seconds)))


def _plays(n: int) -> Plays:
    draw = np.random.default_rng(1)
    networks = list(load_networks().values())
    network = draw.choice(len(networks), n, p=[0.7, 0.2, 0.08, 0.02]).astype(np.int32)

    def same(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.full(n, value, np.float32)

    mean = np.array([v.log_mean for v in networks])[network]
    return Plays(
        key=draw.integers(0, 2**32, n, dtype=np.uint32),
        network=network,
        route=draw.integers(0, 50, n, dtype=np.int32),
        begins_ms=draw.integers(0, 86_400_000, n, dtype=np.int32),
        base_kbps=np.exp(draw.normal(mean, 0.7)).astype(np.float32),
        rtt_ms=draw.lognormal(np.log(30), 0.5, n).astype(np.float32),
        scale=same(1.0),
        top_rung=np.full(n, len(LADDER.kbps) - 1, np.int32),
        prefetched=draw.random(n) < 0.2,
        before_ms=same(120),
        patience_ms=same(10_000),
        intended_ms=same(HOUR_MS),
        title_ms=same(2 * HOUR_MS),
    )
