"""How many sessions the player kernel plays a second, chunk by chunk."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Row, race, rate
from synthetic.player.abr import Ladder
from synthetic.player.kernel import Played, Plays, play

__all__ = ["rows"]

SESSIONS = 100_000
CHUNK_MS = 4_000
# The published ladder of ten AVC rungs, 235 to 5,800 kbit/s.
LADDER = Ladder((235, 375, 560, 750, 1050, 1750, 2350, 3000, 4300, 5800))


def rows() -> list[Row]:
    """Sessions of a log-normal length around half an hour on paths from slow mobile to fibre, one core."""
    plays = _plays(SESSIONS)

    def run() -> Played:
        return play(plays, LADDER, chunk_ms=CHUNK_MS, buffer_ms=120_000, stall_loss=5.0)

    played = run()
    assert 0.5 < played.started.mean() <= 1.0
    chunks = float(played.playing_ms.mean()) / CHUNK_MS
    what = f"player kernel on one core, {chunks:.0f} chunks a session"
    return race(what, run, {}, rate(SESSIONS, "sessions"))


def _plays(n: int) -> Plays:
    draw = np.random.default_rng(1)

    def same(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return np.full(n, value, np.float32)

    length = draw.lognormal(np.log(25 * 60_000), 0.7, n).astype(np.float32)
    return Plays(
        key=draw.integers(0, 2**32, n, dtype=np.uint32),
        base_kbps=draw.lognormal(9.5, 0.9, n).astype(np.float32),
        log_sd=same(0.4),
        correlation=same(0.5),
        cap_kbps=same(500_000),
        rtt_ms=draw.lognormal(np.log(30), 0.5, n).astype(np.float32),
        scale=same(1.0),
        top_rung=same(len(LADDER.kbps) - 1),
        before_ms=same(120),
        patience_ms=same(10_000),
        intended_ms=length,
        title_ms=(length * 2).astype(np.float32),
    )
