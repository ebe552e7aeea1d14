"""Access networks: throughput as a log-normal process with impairments.

A session has a log-mean of its own (spread ``log_sd_across``); around it, the throughput of each chunk is a
first-order autoregression in the logarithm. Now and then the path is degraded or all but gone, for seconds to
minutes. :mod:`synthetic.player.fitting` fits such networks to recordings.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

__all__ = ["NETWORKS", "Impairment", "Network", "block_average", "load_networks"]

CHUNK_S = 4


@dataclass(frozen=True)
class Impairment:
    """A state of the path that comes and goes by the clock: a two-state Markov process.

    ``per_hour``: how often it begins, an hour without one. ``mean_ms``: its mean length. ``factor``: the median
    of what it leaves of the throughput; ``log_sd``: spread of that from one to the next, never beyond 1.
    """

    per_hour: float = 0.0
    mean_ms: float = 1.0
    factor: float = 1.0
    log_sd: float = 0.0

    @property
    def starts_per_ms(self) -> float:
        """Rate of starts."""
        return self.per_hour / 3_600_000


@dataclass(frozen=True)
class Network:
    """One kind of access network.

    ``log_mean`` and ``log_sd_across`` are of the natural logarithm of kbit/s over sessions; ``log_sd_within``
    and ``correlation`` of successive chunks of one session; all four of the time without impairments.
    These begin ``per_hour`` on a path of the median throughput, and (median / throughput) ^ ``slow_tilt`` times
    as often on another, within a factor of 8.
    """

    name: str
    log_mean: float
    log_sd_across: float
    log_sd_within: float
    correlation: float
    degraded: Impairment = Impairment()
    outage: Impairment = Impairment()
    slow_tilt: float = 0.0


def block_average(log_sd: float, correlation: float, size: int) -> tuple[float, float]:
    """Standard deviation and lag-1 correlation of means of ``size`` successive AR(1) values.

    With autocorrelation r^k: Var = s²/m² [m + 2 Σ_{k<m} (m-k) r^k], Cov of neighbouring means =
    s²/m² · r (1 - r^m)² / (1 - r)². Turns a process sampled every second into one sampled every chunk.

    >>> block_average(1.0, 0.0, 4)
    (0.5, 0.0)
    """
    lags = np.arange(1, size)
    variance = (size + 2 * float(((size - lags) * correlation**lags).sum())) / size**2
    covariance = correlation * (1 - correlation**size) ** 2 / (1 - correlation) ** 2 / size**2
    return log_sd * math.sqrt(variance), covariance / variance


@cache
def load_networks() -> Mapping[str, Network]:
    """The shipped networks, brought to one sample a chunk of 4 s."""
    data = tomllib.loads(files("synthetic.player").joinpath("networks.toml").read_text("utf-8"))
    networks = {}
    for name, row in data.items():
        log_sd, correlation = row["log_sd_within"], row["correlation"]
        if row["sample"] == "1s":
            log_sd, correlation = block_average(log_sd, correlation, CHUNK_S)
        networks[name] = Network(
            name,
            row["log_mean"],
            row["log_sd_across"],
            log_sd,
            correlation,
            Impairment(**row.get("degraded", {})),
            Impairment(**row.get("outage", {})),
            row.get("slow_tilt", 0.0),
        )
    return networks


NETWORKS = ("fixed", "lte", "lte_weak", "hspa")
"""Names in the order of the panel's ``access`` index."""
