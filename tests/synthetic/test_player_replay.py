"""The kernel against trace replay: the same rules, rung by rung, on the network the kernel drew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from synthetic.arrays import Floats
from synthetic.player import kernel, replay
from synthetic.player.abr import BOLA_FROM_MS, GAMMA_P, Ladder
from synthetic.player.conditions import Conditions
from synthetic.player.fitting import ks_distance, sample
from synthetic.player.kernel import Plays
from synthetic.player.manifest import Manifest
from synthetic.player.network import Impairment, Network
from synthetic.player.rules import RULES, ladder_table
from synthetic.player.session import REBUFFER_MS, REBUFFERS, new_averages, new_state
from synthetic.player.step import _exp, bits, normal

KBPS = (235.0, 375.0, 560.0, 750.0, 1050.0, 1750.0, 2350.0, 3000.0, 4300.0, 5800.0)
CHUNK_MS, BUFFER_MS, CHUNKS, RTT_MS = 4_000, 60_000, 300, 40.0
CLEAR = Network("clear", 0.0, 0.0, 0.4, 0.5)
IMPAIRED = replace(
    CLEAR, degraded=Impairment(6.0, 45_000.0, 0.2, 0.5), outage=Impairment(3.0, 20_000.0, 0.005)
)


def plays(base_kbps: Floats, seed: int) -> Plays:
    n = base_kbps.size
    zeros = np.zeros(n, np.int32)

    def same(value: float) -> npt.NDArray[np.float32]:
        return np.full(n, value, np.float32)

    return Plays(
        key=np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32),
        network=zeros,
        route=zeros,
        begins_ms=zeros,
        base_kbps=base_kbps.astype(np.float32),
        rtt_ms=same(RTT_MS),
        scale=same(1.0),
        top_rung=zeros + 9,
        prefetched=np.zeros(n, np.bool_),
        before_ms=same(0.0),
        patience_ms=same(1e9),
        intended_ms=same(1e9),
        title_ms=same(CHUNKS * CHUNK_MS),
    )


def by_kernel(given: Plays, network: Network, rule: str = "dynamic") -> tuple[kernel.Played, Floats, Floats]:
    """What came of it, and of each session and chunk after the first: bitrate, and ms from the first frame."""
    run = kernel._Run(
        given, Ladder(KBPS), [network], Conditions.steady(1e7), CHUNK_MS, BUFFER_MS, 0.0, rule
    )  # fmt: skip
    lane, rows = kernel._logged(run, every=True)
    session = run.order[lane]
    rows = rows[:, np.argsort(session, kind="stable")]
    shape = (given.key.size, CHUNKS - 1)
    return run.played(), rows[4].reshape(shape).astype(np.float64), rows[0].reshape(shape).astype(np.float64)


def throughput(key: np.uint32, base: float, network: Network) -> tuple[Floats, float]:
    """The kernel's process, a value a chunk, and the throughput remembered, in double precision."""
    sd, rho = network.log_sd_within, network.correlation
    x = np.empty(CHUNKS)
    x[0] = normal(bits(key, 0xFFFFFFFE)) * sd
    for step in range(1, CHUNKS):
        x[step] = rho * x[step - 1] + normal(bits(key, step)) * sd * np.sqrt(1 - rho * rho)
    exp = [_exp(np.float32(value)) for value in (*x, normal(bits(key, 0xFFFFFFFF)) * sd)]
    return base * np.array(exp[:-1], np.float64), base * float(exp[-1])


def by_replay(trace: Floats, first_kbps: float, rule: str = "dynamic") -> tuple[Floats, float, float]:
    """Bitrate of each chunk after the first, stalled ms and stalls, over one recorded network."""
    sizes = np.tile(np.array(KBPS) * CHUNK_MS, (CHUNKS, 1))
    sizes[0, 0] = first_kbps * CHUNK_MS  # replay starts on the lowest rung, the kernel on what it remembers
    manifest = Manifest(CHUNK_MS, KBPS, sizes)
    settings = replay._settings(manifest, rule, BUFFER_MS / 1000, GAMMA_P, (3.0, 8.0), False)
    state, averages = new_state(), new_averages((3.0, 8.0), CHUNKS, CHUNK_MS)
    rungs, options = np.zeros(CHUNKS), np.zeros((2, len(KBPS)))
    ladder = ladder_table(KBPS, BUFFER_MS)
    replay._play(state, settings, ladder, averages, rungs, options, sizes, trace, RULES[rule][0], True, True)
    return np.array(KBPS)[rungs[1:].astype(int)], float(state[REBUFFER_MS]), float(state[REBUFFERS])


@pytest.mark.parametrize("rule", BOLA_FROM_MS)
@pytest.mark.parametrize("kbps", np.geomspace(280, 40_000, 23).tolist())
def test_on_a_steady_network_every_rung_is_the_same(kbps: float, rule: str) -> None:
    played, rungs, _ = by_kernel(plays(np.array([kbps]), 1), Network("steady", 0.0, 0.0, 0.0, 0.0), rule)
    trace = np.array([[1e9, kbps, RTT_MS]])
    expected, stalled_ms, stalls = by_replay(trace, float(played.first_kbps[0]), rule)
    assert np.array_equal(rungs[0], expected)
    assert played.stall_ms[0] == pytest.approx(stalled_ms, rel=1e-4, abs=1.0)
    # Replay's last digit may find a stall of 1e-12 ms where the last chunk ends.
    assert 0 <= stalls - played.stall_count[0] <= 1


@pytest.mark.parametrize("rule", BOLA_FROM_MS)
def test_on_the_kernel_s_own_network_every_rung_is_the_same(rule: str) -> None:
    """Replay over a recording of what the kernel drew: a period from each request to the next."""
    network = Network("varying", 0.0, 0.0, 0.5, 0.6)
    base = np.geomspace(700, 30_000, 300)
    given = plays(base, 3)
    played, rungs, at = by_kernel(given, network, rule)
    expected, stalled_ms = np.empty_like(rungs), np.empty(base.size)
    for i, key in enumerate(given.key):
        kbps, remembered = throughput(key, base[i], network)
        kbps[0] = min(kbps[0], remembered)
        first_ms = RTT_MS + float(played.first_kbps[i]) * CHUNK_MS / kbps[0]
        periods = np.concatenate([[first_ms], np.diff(at[i]), [1e9]])
        trace = np.column_stack([periods, kbps, np.full(CHUNKS, RTT_MS)])
        expected[i], stalled_ms[i], _ = by_replay(trace, float(played.first_kbps[i]), rule)
    # Single against double precision: a tie within 1e-7 may fall either way, and shift what comes after.
    assert (rungs == expected).all(axis=1).mean() > 0.99
    assert (rungs == expected).mean() > 0.999
    assert played.stall_ms == pytest.approx(stalled_ms, rel=1e-4, abs=1.0)
    assert (stalled_ms > 0).sum() > 20
    assert len(np.unique(rungs)) == len(KBPS)


@pytest.mark.parametrize("network", [CLEAR, IMPAIRED])
def test_drawn_apart_they_agree_in_distribution(network: Network) -> None:
    """Replay over recordings by the clock, a period of a chunk, on the kernel's process with draws of their own.

    The same levels of 600 sessions, from the kernel and from replay, are compared at 1 % by the two-sample
    Kolmogorov-Smirnov distance. The kernel switches more: a fetch of its has one throughput, where one over a
    recording averages the periods it spans.
    """
    draw = np.random.default_rng(4)
    base = np.exp(7.9 + 0.6 * draw.standard_normal(600))
    recorded = sample(network, 2 * CHUNKS, base.size, draw) * base[:, None]
    played, rungs, _ = by_kernel(plays(base, 9), network)
    by_rung = np.empty_like(rungs)
    stalled_ms = np.empty(base.size)
    for i, kbps in enumerate(recorded):
        trace = np.column_stack([np.full(kbps.size, CHUNK_MS), kbps, np.full(kbps.size, RTT_MS)])
        by_rung[i], stalled_ms[i], _ = by_replay(trace, KBPS[0])
    critical = 1.63 * np.sqrt(2 / base.size)
    assert ks_distance(rungs.mean(axis=1), by_rung.mean(axis=1)) < critical
    assert ks_distance(played.stall_ms.astype(np.float64), stalled_ms) < critical
    switches, by_replay_switches = ((np.diff(r, axis=1) != 0).mean() for r in (rungs, by_rung))
    assert 1.0 < switches / by_replay_switches < 1.25
