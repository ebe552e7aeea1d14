"""The player kernel: identities, known answers, and that no lane knows its neighbours."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic.arrays import Floats
from synthetic.player.abr import Ladder, bola_thresholds
from synthetic.player.kernel import Played, Plays, play, stall_times

LADDER = Ladder((235.0, 375.0, 560.0, 750.0, 1050.0, 1750.0, 2350.0, 3000.0, 4300.0, 5800.0), 90_000.0)
CHUNK_MS, BUFFER_MS, STALL_LOSS = 4_000, 120_000, 5.0


def plays(base_kbps: Floats, seed: int = 1, **changes: float) -> Plays:
    n = base_kbps.size
    given = {
        "log_sd": 0.6,
        "correlation": 0.5,
        "cap_kbps": 1e6,
        "rtt_ms": 25.0,
        "scale": 1.0,
        "top_rung": 9.0,
        "before_ms": 200.0,
        "patience_ms": 1e6,
        "intended_ms": 1.2e6,
        "title_ms": 6e6,
    } | changes
    key = np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32)
    columns = {name: np.full(n, value, np.float32) for name, value in given.items()}
    return Plays(key=key, base_kbps=base_kbps.astype(np.float32), **columns)


def run(given: Plays) -> Played:
    return play(given, LADDER, chunk_ms=CHUNK_MS, buffer_ms=BUFFER_MS, stall_loss=STALL_LOSS)


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
    played = run(plays(np.full(5, 100_000.0), log_sd=0.0))
    assert played.started.all()
    assert (played.stall_count == 0).all()
    assert (played.peak_kbps == 5800).all()
    assert (played.playing_ms == 1.2e6).all()


def test_startup_by_hand() -> None:
    """Steady 8 Mbit/s, 25 ms: half of it for 1 s is 4,000 kbit, so the rung of 750: 3,000 kbit.

    Slow start sends 116.8 kbit in the first round trip; the window of the second, 233.6, fills the path
    (8,000 kbit/s x 25 ms = 200 kbit), so what is left goes at the line rate: 25 + (3000 - 116.8) / 8 = 385.4 ms,
    after 200 ms before and three round trips.
    """
    played = run(plays(np.array([8_000.0]), log_sd=0.0))
    assert played.startup_ms[0] == pytest.approx(200 + 75 + 25 + (3000 - 116.8) / 8, rel=1e-5)


def test_who_waits_longer_than_their_patience_leaves() -> None:
    played = run(plays(np.array([200.0, 50_000.0]), patience_ms=2_000.0))
    assert played.started.tolist() == [False, True]
    assert played.startup_ms[0] == 2_000
    assert played.playing_ms[0] == 0
    assert played.media_kbit[0] == 0


def test_stalls_in_detail_add_up_to_the_stalls_counted() -> None:
    given = plays(spread(400, 150.0, 900.0), log_sd=0.9, correlation=0.8)
    played = run(given)
    session, start, length = stall_times(
        given, LADDER, chunk_ms=CHUNK_MS, buffer_ms=BUFFER_MS, stall_loss=STALL_LOSS
    )
    assert played.stall_count.sum() > 50
    assert np.array_equal(np.bincount(session, minlength=400), played.stall_count)
    # Each stall is cut to a whole millisecond.
    assert (np.abs(np.bincount(session, length, 400) - played.stall_ms) <= played.stall_count + 1).all()
    inside = start <= played.playing_ms[session] + played.stall_ms[session] + CHUNK_MS
    assert inside.all()


def test_more_throughput_never_means_more_stalling_on_the_whole() -> None:
    stalled = [
        float(run(plays(np.full(2_000, kbps), log_sd=0.9, correlation=0.8)).stall_ms.mean())
        for kbps in (300.0, 900.0, 3_000.0, 20_000.0)
    ]
    assert stalled == sorted(stalled, reverse=True)
    assert stalled[0] > 10 * stalled[2]


def test_a_stall_costs_five_times_its_length_of_play_time() -> None:
    given = plays(spread(500, 150.0, 600.0), log_sd=0.9, correlation=0.8)
    with_loss, without = (
        run(given),
        play(given, LADDER, chunk_ms=CHUNK_MS, buffer_ms=BUFFER_MS, stall_loss=0.0),
    )
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
        plays(np.full(8, base), log_sd=sd, correlation=rho),
        intended_ms=np.full(8, minutes * 60_000, np.float32),
        title_ms=np.full(8, title * 60_000, np.float32),
    )
    played = run(given)
    assert (played.playing_ms <= np.float32(title * 60_000)).all()
    assert (played.playing_ms <= np.float32(minutes * 60_000) + CHUNK_MS).all()
    assert (played.media_kbit <= played.delivered_kbit).all()
    assert (played.stall_ms >= 0).all()
    assert ((played.stall_ms > 0) == (played.stall_count > 0)).all()
    assert np.isfinite(played.startup_ms).all()


def test_bola_prefers_each_rung_from_its_threshold_on() -> None:
    """The staircase equals the argmax it stands for, at every buffer level."""
    target = 90_000.0
    size = np.array(LADDER.kbps)
    utility = np.log(size / size[0]) + 1
    g = (utility[-1] - 1) / (target / 10_000 - 1)
    v = 10_000 / g
    thresholds = bola_thresholds(LADDER.kbps, target)
    for level in np.linspace(0, 120_000, 241):
        best = int(np.argmax((v * (utility + g - 1) - level) / size))
        assert abs(int((thresholds <= level).sum()) - 1 - best) == 0
