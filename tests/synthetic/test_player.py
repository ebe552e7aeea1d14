"""The player kernel: identities, known answers, and that no lane knows its neighbours."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic.arrays import Floats
from synthetic.player.abr import GAMMA_P, Ladder, bola_thresholds
from synthetic.player.blocks import DECODE_MS
from synthetic.player.conditions import INTERVAL_MS, Conditions
from synthetic.player.kernel import Events, Played, Plays, play, play_events, stall_times
from synthetic.player.network import Impairment, Network

LADDER = Ladder((235.0, 375.0, 560.0, 750.0, 1050.0, 1750.0, 2350.0, 3000.0, 4300.0, 5800.0))
CHUNK_MS, BUFFER_MS, STALL_LOSS = 4_000, 60_000, 5.0
WIDE = Conditions.steady(1e6)
STEADY = Network("steady", 0.0, 0.0, 0.0, 0.0)
VARIED = Network("varied", 0.0, 0.0, 0.6, 0.5)
ROUGH = Network("rough", 0.0, 0.0, 0.9, 0.8)
FAILING = replace(VARIED, degraded=Impairment(20.0, 60_000.0, 0.3), outage=Impairment(6.0, 20_000.0, 0.01))


def plays(base_kbps: Floats, seed: int = 1, **changes: float) -> Plays:
    n = base_kbps.size
    given = {
        "network": 0,
        "route": 0,
        "begins_ms": 0,
        "rtt_ms": 25.0,
        "scale": 1.0,
        "top_rung": 9,
        "prefetched": False,
        "before_ms": 200.0,
        "patience_ms": 1e6,
        "intended_ms": 1.2e6,
        "title_ms": 6e6,
    } | changes
    key = np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32)
    types: dict[type, type] = {int: np.int32, float: np.float32, bool: np.bool_}
    columns: dict[str, Any] = {name: np.full(n, value, types[type(value)]) for name, value in given.items()}
    return Plays(key=key, base_kbps=base_kbps.astype(np.float32), **columns)


def run(
    given: Plays, network: Network = VARIED, conditions: Conditions = WIDE, stall_loss: float = STALL_LOSS
) -> Played:
    return play(
        given,
        LADDER,
        networks=[network],
        conditions=conditions,
        chunk_ms=CHUNK_MS,
        buffer_ms=BUFFER_MS,
        stall_loss=stall_loss,
    )


def run_events(
    given: Plays, network: Network = VARIED, conditions: Conditions = WIDE
) -> tuple[Played, Events]:
    return play_events(
        given,
        LADDER,
        networks=[network],
        conditions=conditions,
        chunk_ms=CHUNK_MS,
        buffer_ms=BUFFER_MS,
        stall_loss=STALL_LOSS,
    )


def spread(n: int, low: float = 200.0, high: float = 30_000.0) -> Floats:
    return np.geomspace(low, high, n)


def test_a_session_has_the_same_bits_in_any_block_and_any_company() -> None:
    given = plays(spread(333))
    whole = run(given)
    rows = np.random.default_rng(2).permutation(333)[:100]
    part = run(given.take(rows))
    for f in fields(Played):
        assert np.array_equal(getattr(part, f.name), getattr(whole, f.name)[rows]), f.name


def test_a_steady_fast_network_plays_the_top_rung_without_a_stall() -> None:
    played = run(plays(np.full(5, 100_000.0)), STEADY)
    assert played.started.all()
    assert (played.stall_count == 0).all()
    assert (played.peak_kbps == 5800).all()
    assert (played.playing_ms == 1.2e6).all()


def test_startup_by_hand() -> None:
    """Steady 8 Mbit/s, 25 ms: half of it for 1 s is 4,000 kbit, so the rung of 750: 3,000 kbit.

    Slow start sends 116.8 kbit in the first round trip; the window of the second, 233.6, fills the path
    (8,000 kbit/s x 25 ms = 200 kbit), so what is left goes at the line rate: 25 + (3000 - 116.8) / 8 = 385.4 ms,
    after 200 ms before and three round trips; then the decoder.
    """
    played = run(plays(np.array([8_000.0])), STEADY)
    assert played.startup_ms[0] == pytest.approx(200 + 75 + 25 + (3000 - 116.8) / 8 + DECODE_MS, rel=1e-5)


def test_who_waits_longer_than_their_patience_leaves() -> None:
    played = run(plays(np.array([200.0, 50_000.0]), patience_ms=2_000.0))
    assert played.started.tolist() == [False, True]
    assert played.startup_ms[0] == 2_000
    assert played.playing_ms[0] == 0
    assert played.media_kbit[0] == 0


def test_stalls_in_detail_add_up_to_the_stalls_counted() -> None:
    given = plays(spread(400, 150.0, 900.0))
    played = run(given, ROUGH)
    session, start, length = stall_times(
        given,
        LADDER,
        networks=[ROUGH],
        conditions=WIDE,
        chunk_ms=CHUNK_MS,
        buffer_ms=BUFFER_MS,
        stall_loss=STALL_LOSS,
    )
    assert played.stall_count.sum() > 50
    assert np.array_equal(np.bincount(session, minlength=400), played.stall_count)
    # Each stall is cut to a whole millisecond.
    assert (np.abs(np.bincount(session, length, 400) - played.stall_ms) <= played.stall_count + 1).all()
    inside = start <= played.playing_ms[session] + played.stall_ms[session] + CHUNK_MS
    assert inside.all()


def test_more_throughput_never_means_more_stalling_on_the_whole() -> None:
    stalled = [
        float(run(plays(np.full(2_000, kbps)), ROUGH).stall_ms.mean())
        for kbps in (300.0, 900.0, 3_000.0, 20_000.0)
    ]
    assert stalled == sorted(stalled, reverse=True)
    assert stalled[0] > 10 * stalled[2]


def test_a_stall_costs_five_times_its_length_of_play_time() -> None:
    given = plays(spread(500, 150.0, 600.0))
    with_loss, without = run(given, ROUGH), run(given, ROUGH, stall_loss=0.0)
    assert (with_loss.playing_ms <= without.playing_ms).all()
    some = (with_loss.stall_count > 0) & (with_loss.playing_ms > CHUNK_MS)
    lost = 1.2e6 - with_loss.playing_ms[some]
    # The viewer cannot leave before the position they have reached.
    assert (lost <= STALL_LOSS * with_loss.stall_ms[some] + 1).all()


def test_fewer_bytes_a_second_mean_fewer_bytes_and_no_more_stalls() -> None:
    """What a better codec does: the same rungs at two thirds of the bitrate."""
    base = spread(3_000, 500.0, 20_000.0)
    old, new = run(plays(base)), run(plays(base, scale=0.667))
    assert new.delivered_kbit.sum() < old.delivered_kbit.sum()
    assert new.stall_count.sum() <= old.stall_count.sum()
    # A fast network takes the whole saving; a slow one spends it on quality.
    slow, fast = (
        1 - new.delivered_kbit[w].sum() / old.delivered_kbit[w].sum() for w in (base < 3_000, base > 15_000)
    )
    assert fast == pytest.approx(1 / 3, abs=0.02)
    assert slow < fast / 2


@settings(max_examples=30, deadline=None)
@given(
    base=st.floats(50, 200_000),
    sd=st.floats(0, 1.2),
    rho=st.floats(0, 0.95),
    minutes=st.floats(0.1, 120),
    title=st.floats(0.1, 120),
)
def test_what_is_played_was_meant_was_there_and_was_fetched(
    base: float, sd: float, rho: float, minutes: float, title: float
) -> None:
    given = replace(
        plays(np.full(8, base)),
        intended_ms=np.full(8, minutes * 60_000, np.float32),
        title_ms=np.full(8, title * 60_000, np.float32),
    )
    played = run(given, Network("any", 0.0, 0.0, sd, rho))
    assert (played.playing_ms <= np.float32(title * 60_000)).all()
    assert (played.playing_ms <= np.float32(minutes * 60_000) + CHUNK_MS).all()
    assert (played.media_kbit <= played.delivered_kbit).all()
    assert (played.stall_ms >= 0).all()
    assert ((played.stall_ms > 0) == (played.stall_count > 0)).all()
    assert np.isfinite(played.startup_ms).all()


def test_bola_prefers_each_rung_from_its_threshold_on() -> None:
    """The staircase equals the argmax it stands for, at every buffer level."""
    size = np.array(LADDER.kbps)
    utility = np.log(size / size[0])
    v = 56_000 / (utility[-1] + GAMMA_P)
    thresholds = bola_thresholds(LADDER.kbps, 56_000)
    for level in np.linspace(0, 120_000, 241):
        best = int(np.argmax((v * (utility + GAMMA_P) - level) / size))
        assert int((thresholds <= level).sum()) - 1 == best


def test_a_route_slows_sessions_that_are_playing_already() -> None:
    """The second quarter hour gives 2 % of the throughput: only who plays into it stalls."""
    conditions = Conditions(np.array([[1.0, 0.02, 1.0]], np.float32), np.full((1, 3), 1e6, np.float32))
    given = plays(np.full(6, 8_000.0), intended_ms=600_000.0)
    begins = np.array([0, 200_000, 600_000, 899_000, 1_000_000, 5_000_000], np.int32)
    _, events = run_events(replace(given, begins_ms=begins), STEADY, conditions)
    assert set(events.stall_session.tolist()) == {2, 3, 4}
    wall = begins[events.stall_session] + events.stall_at_ms
    assert (wall > INTERVAL_MS).all()
    later = begins[events.stall_session] < INTERVAL_MS
    # The buffer holds some time; then it is dry.
    first = wall[later].min()
    assert INTERVAL_MS < first < INTERVAL_MS + BUFFER_MS + 10 * CHUNK_MS


def test_a_route_s_cap_holds_from_its_interval_on() -> None:
    conditions = Conditions(np.ones((1, 2), np.float32), np.array([[1e6, 1_500.0]], np.float32))
    given = plays(np.full(3, 50_000.0), intended_ms=1_200_000.0, title_ms=9e6)
    played, events = run_events(
        replace(given, begins_ms=np.array([0, 300_000, 900_000], np.int32)), STEADY, conditions
    )
    # BOLA may go one rung above what the route bears.
    assert played.peak_kbps[2] <= 1_750
    assert (played.peak_kbps[:2] == 5_800).all()
    for session, at in ((0, INTERVAL_MS), (1, INTERVAL_MS - 300_000)):
        down = (events.switch_session == session) & (events.to_kbps < events.from_kbps)
        assert events.switch_at_ms[down].min() == pytest.approx(at, abs=10 * CHUNK_MS)
