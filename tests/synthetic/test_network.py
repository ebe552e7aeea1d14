"""Access networks: what is planted is found again."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.errors import InputError
from synthetic.arrays import Bools, Floats, Singles
from synthetic.player.abr import Ladder
from synthetic.player.conditions import Conditions
from synthetic.player.fitting import fit, fit_states, ks_report, per_chunk, sample
from synthetic.player.kernel import Plays, play
from synthetic.player.network import NETWORKS, Impairment, Network, block_average, load_networks


def process(n: int, sd: float, rho: float, rng: np.random.Generator) -> Floats:
    noise = rng.normal(0, sd * np.sqrt(1 - rho**2), n)
    x = np.empty(n)
    x[0] = rng.normal(0, sd)
    for i in range(1, n):
        x[i] = rho * x[i - 1] + noise[i]
    return x


def test_a_planted_network_is_recovered() -> None:
    rng = np.random.default_rng(7)
    traces = [np.exp(9.0 + rng.normal(0, 0.7) + process(100, 0.5, 0.6, rng)) for _ in range(2_000)]
    found = fit(traces, "planted")
    assert found.log_mean == pytest.approx(9.0, abs=0.05)
    assert found.log_sd_across == pytest.approx(0.7, rel=0.05)
    assert found.log_sd_within == pytest.approx(0.5, rel=0.05)
    assert found.correlation == pytest.approx(0.6, abs=0.02)


def test_block_means_of_a_long_process() -> None:
    x = process(400_000, 1.0, 0.8, np.random.default_rng(3))
    means = x.reshape(-1, 4).mean(axis=1)
    sd, rho = block_average(1.0, 0.8, 4)
    assert means.std() == pytest.approx(sd, rel=0.02)
    assert np.corrcoef(means[1:], means[:-1])[0, 1] == pytest.approx(rho, abs=0.01)


def test_the_shipped_networks_are_processes() -> None:
    networks = load_networks()
    assert tuple(networks) == NETWORKS
    for network in networks.values():
        assert 0 <= network.correlation < 1
        assert network.log_sd_within > 0


def test_too_little_to_fit_is_said() -> None:
    with pytest.raises(InputError, match="at least two traces"):
        fit([np.ones(50)])


PLANTED = Network(
    "planted", 8.0, 0.4, 0.3, 0.5, Impairment(12.0, 60_000.0, 0.2, 0.2), Impairment(8.0, 40_000.0, 0.005, 0.5)
)


def test_planted_impairments_are_recovered() -> None:
    """From 60 hours of recordings, as many as the public 3G traces hold."""
    draw = np.random.default_rng(5)
    found = fit_states(sample(PLANTED, 450, 120, draw))
    assert found.log_mean == pytest.approx(8.0, abs=0.15)
    assert found.log_sd_across == pytest.approx(0.4, abs=0.1)
    assert found.log_sd_within == pytest.approx(0.3, abs=0.03)
    for state, planted in ((found.degraded, PLANTED.degraded), (found.outage, PLANTED.outage)):
        assert state.per_hour == pytest.approx(planted.per_hour, rel=0.25)
        assert state.mean_ms == pytest.approx(planted.mean_ms, rel=0.25)
        assert np.log(state.factor) == pytest.approx(np.log(planted.factor), abs=0.15)


def test_each_model_is_closer_to_recordings_it_has_not_seen_than_the_one_before() -> None:
    draw = np.random.default_rng(6)
    report = ks_report(list(sample(PLANTED, 300, 60, draw)), list(sample(PLANTED, 300, 60, draw)), times=20)
    independent, autoregression, impairments = report.iter_rows(named=True)
    assert report["sessions"].to_list() == [60] * 3
    assert report["chunks"].to_list() == [18_000] * 3
    assert impairments["ks_chunks"] < 0.5 * autoregression["ks_chunks"]
    assert autoregression["ks_sessions"] < 0.5 * independent["ks_sessions"]
    # The critical distance at 1 %, for as many sessions.
    assert impairments["ks_sessions"] < 1.63 / np.sqrt(60)
    assert impairments["lag_1"] == pytest.approx(impairments["held_out_lag_1"], abs=0.05)


def test_what_was_recorded_by_the_second_is_averaged_by_chunk() -> None:
    trace = np.array(
        [[1000.0, 100.0, 20.0], [3000.0, 500.0, 20.0], [6000.0, 800.0, 20.0], [500.0, 9e9, 20.0]]
    )
    assert per_chunk(trace).tolist() == [400.0, 800.0]


def test_a_player_with_the_field_s_buffer_stalls_as_the_field_does() -> None:
    """What the scale of the fixed line's impairments was set by (see networks.toml): published ranges."""
    network = load_networks()["fixed"]
    n = 40_000
    draw = np.random.default_rng(8)
    base = np.exp(network.log_mean + network.log_sd_across * draw.standard_normal(n))

    def same(value: float) -> Singles:
        return np.full(n, value, np.float32)

    zeros = np.zeros(n, np.int32)
    given = Plays(
        key=draw.integers(0, 2**32, n, dtype=np.uint32), network=zeros, route=zeros, begins_ms=zeros,
        base_kbps=base.astype(np.float32), rtt_ms=same(30), scale=same(1), top_rung=zeros + 9,
        prefetched=np.zeros(n, np.bool_), before_ms=same(100), patience_ms=same(1e9), intended_ms=same(2e6),
        title_ms=same(9e6),
    )  # fmt: skip
    played = play(
        given, Ladder((235, 375, 560, 750, 1050, 1750, 2350, 3000, 4300, 5800)), networks=[network],
        conditions=Conditions.steady(1e6), chunk_ms=4_000, buffer_ms=16_000, stall_loss=0.0,
    )  # fmt: skip

    def stall_ratio(which: Bools) -> float:
        stalled, playing = played.stall_ms[which].sum(), played.playing_ms[which].sum()
        return float(stalled / (stalled + playing))

    assert 0.0010 <= stall_ratio(base > 0) <= 0.0019
    assert 0.005 <= stall_ratio(base < 6_000) <= 0.010
