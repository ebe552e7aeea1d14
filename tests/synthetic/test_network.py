"""Access networks: what is planted is found again."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.errors import InputError
from synthetic.arrays import Floats
from synthetic.player.fitting import fit
from synthetic.player.network import NETWORKS, block_average, load_networks


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
