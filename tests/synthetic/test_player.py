"""The player kernel: identities, known answers, and that no lane knows its neighbours."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import InputError
from synthetic.arrays import Floats
from synthetic.player import kernel
from synthetic.player.abr import GAMMA_P, Ladder, bola_thresholds
from synthetic.player.blocks import DECODE_MS, run_blocks
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


@pytest.mark.parametrize("parts", [1, 7, 64])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 1_000])
def test_any_number_of_partitions_gives_the_same_bits(n: int, parts: int) -> None:
    draw = np.random.default_rng(n)
    given = replace(
        plays(spread(n, 300.0, 20_000.0)),
        begins_ms=draw.integers(0, 4 * INTERVAL_MS, n).astype(np.int32),
        route=draw.integers(0, 3, n).astype(np.int32),
        prefetched=draw.random(n) < 0.3,
        intended_ms=draw.uniform(0, 1.5e6, n).astype(np.float32),
    )
    conditions = Conditions(
        draw.uniform(0.2, 1.0, (3, 5)).astype(np.float32), draw.uniform(900, 9e3, (3, 5)).astype(np.float32)
    )
    whole, events = run_events(given, FAILING, conditions)
    found = [
        run_events(given.take(rows), FAILING, conditions) for rows in np.array_split(np.arange(n), parts)
    ]
    for f in fields(Played):
        together = np.concatenate([getattr(played, f.name) for played, _ in found])
        assert np.array_equal(together, getattr(whole, f.name)), f.name
    for f in fields(Events):
        if not f.name.endswith("session"):
            together = np.concatenate([getattr(e, f.name) for _, e in found])
            assert np.array_equal(together, getattr(events, f.name)), f.name


def test_another_call_of_any_size_compiles_nothing() -> None:
    run(plays(spread(10)))
    run_events(plays(spread(10)))
    before = len(run_blocks.signatures)  # type: ignore[attr-defined]
    run(plays(spread(129)), FAILING, Conditions.steady(5e3))
    run_events(plays(spread(2)), ROUGH)
    assert len(run_blocks.signatures) == before == 2  # type: ignore[attr-defined]


def test_with_events_every_figure_is_the_same_and_they_add_up() -> None:
    given = plays(spread(3_000, 200.0, 30_000.0), patience_ms=2_000.0)
    played, (same, events) = run(given, FAILING), run_events(given, FAILING)
    for f in fields(Played):
        assert np.array_equal(getattr(same, f.name), getattr(played, f.name)), f.name
    assert np.array_equal(events.start_session, np.flatnonzero(played.started))
    assert np.array_equal(events.startup_ms, played.startup_ms[played.started])
    assert np.array_equal(events.start_kbps, played.first_kbps[played.started])
    assert np.array_equal(np.bincount(events.stall_session, minlength=3_000), played.stall_count)
    total = np.bincount(events.stall_session, events.stall_ms, 3_000)
    assert total == pytest.approx(played.stall_ms, rel=1e-5)
    assert np.array_equal(np.bincount(events.switch_session, minlength=3_000), played.switch_count)
    assert (events.from_kbps != events.to_kbps).all()
    # Each switch starts from where the last one, or the start, ended.
    later = events.switch_session[1:] == events.switch_session[:-1]
    assert np.array_equal(events.from_kbps[1:][later], events.to_kbps[:-1][later])
    assert np.array_equal(events.from_kbps[1:][~later], played.first_kbps[events.switch_session[1:][~later]])
    for session, at in (
        (events.switch_session, events.switch_at_ms),
        (events.stall_session, events.stall_at_ms),
    ):
        assert (np.diff(at)[np.diff(session) == 0] > 0).all()
        assert (np.diff(session) >= 0).all()
    assert events.switch_at_ms.size > 10_000
    assert events.stall_at_ms.size > 1_000


def test_a_log_that_holds_no_block_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    given = plays(spread(200, 200.0, 2_000.0))
    _, expected = run_events(given, FAILING)
    monkeypatch.setattr(kernel, "_LOG_SIZE", 100)
    _, events = run_events(given, FAILING)
    for f in fields(Events):
        assert np.array_equal(getattr(events, f.name), getattr(expected, f.name)), f.name


def test_a_prefetched_start_waits_for_the_control_plane_and_the_decoder_alone() -> None:
    given = plays(np.full(200, 3_000.0))
    fetched, on_device = run(given), run(replace(given, prefetched=np.ones(200, np.bool_)))
    assert (on_device.startup_ms == 200 + DECODE_MS).all()
    assert (fetched.startup_ms > on_device.startup_ms + 3 * 25).all()
    # The chunk was delivered all the same.
    assert np.array_equal(on_device.first_kbps, fetched.first_kbps)
    assert np.array_equal(on_device.delivered_kbit, fetched.delivered_kbit)


def test_nobody_plays_or_there_is_nothing_to_play() -> None:
    assert run(plays(spread(0))).started.size == 0
    played, events = run_events(plays(spread(70), intended_ms=0.0))
    assert not played.started.any()
    assert not played.playing_ms.any()
    assert events.start_session.size == events.stall_at_ms.size == events.switch_at_ms.size == 0


def test_a_buffer_of_one_chunk_is_refused() -> None:
    with pytest.raises(InputError, match="two chunks"):
        play(
            plays(spread(2)),
            LADDER,
            networks=[STEADY],
            conditions=WIDE,
            chunk_ms=CHUNK_MS,
            buffer_ms=CHUNK_MS,
            stall_loss=0.0,
        )


def test_an_outage_by_hand() -> None:
    """Outages that last for ever from the start on a steady 8 Mbit/s: all is fetched at a hundredth of it."""
    ends_never = replace(STEADY, outage=Impairment(1e12, 1e12, 0.01))
    slow = run(plays(np.full(50, 8_000.0), intended_ms=60_000.0), ends_never, stall_loss=0.0)
    steady = run(plays(np.full(50, 8_000.0), intended_ms=60_000.0), STEADY, stall_loss=0.0)
    # The first chunk: slow start as before, and 99 times the line's time for 3,000 kbit more.
    assert slow.startup_ms - steady.startup_ms == pytest.approx(99 * 3_000 / 8, rel=1e-4)
    # Then the lowest rung, 940 kbit at 80 kbit/s a chunk.
    assert (slow.stall_ms > 14 * (940 / 0.08 - CHUNK_MS)).all()
    assert (steady.stall_ms == 0).all()


def test_impairments_begin_and_last_as_they_should() -> None:
    """The lowest rung on 2 Mbit/s: in an outage no chunk arrives, so each that outlasts the buffer is one stall.

    A full buffer of 56 s is outlasted by an exponential outage with probability exp(-56 / mean), and what is left
    of it then is exponential again.
    """
    per_hour, mean_ms = 6.0, 60_000.0
    outages = replace(STEADY, outage=Impairment(per_hour, mean_ms, 0.001))
    given = plays(np.full(3_000, 2_000.0), top_rung=0, intended_ms=1e7, title_ms=2e7)
    played, events = run_events(given, outages)
    clock_h = float(played.playing_ms.sum() + played.stall_ms.sum()) / 3.6e6
    clear_h = clock_h / (1 + per_hour * mean_ms / 3.6e6)
    expected = clear_h * per_hour * np.exp(-(BUFFER_MS - CHUNK_MS) / mean_ms)
    # Five standard errors of a count, and of a mean; the first minute has no full buffer.
    assert events.stall_ms.size == pytest.approx(expected, abs=5 * np.sqrt(expected) + 0.02 * expected)
    error = mean_ms / np.sqrt(events.stall_ms.size)
    assert events.stall_ms.mean() == pytest.approx(mean_ms, abs=5 * error)


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
