"""Access networks: throughput as a log-normal process, fitted to traces.

A session has a log-mean of its own (spread ``log_sd_across``); around it, the throughput of each chunk is a
first-order autoregression in the logarithm.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Floats

__all__ = ["NETWORKS", "Impairment", "Network", "block_average", "fit", "load_networks"]

CHUNK_S = 4


@dataclass(frozen=True)
class Impairment:
    """A state of the path that comes and goes by the clock: a two-state Markov process.

    ``per_hour``: how often it begins, an hour without one. ``mean_ms``: its mean length. ``factor``: what it
    leaves of the throughput.
    """

    per_hour: float = 0.0
    mean_ms: float = 1.0
    factor: float = 1.0

    @property
    def starts_per_ms(self) -> float:
        """Rate of starts."""
        return self.per_hour / 3_600_000


@dataclass(frozen=True)
class Network:
    """One kind of access network.

    ``log_mean`` and ``log_sd_across`` are of the natural logarithm of kbit/s over sessions; ``log_sd_within``
    and ``correlation`` of successive chunks of one session; all four of the time without impairments.
    """

    name: str
    log_mean: float
    log_sd_across: float
    log_sd_within: float
    correlation: float
    degraded: Impairment = Impairment()
    outage: Impairment = Impairment()


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


def fit(traces: Iterable[Floats], name: str = "fitted") -> Network:
    """Fit a network to traces of kbit/s, each sampled once a chunk.

    Samples without a byte count as 1 kbit/s. Moments of the logarithm; the spread across sessions is
    what is left of the variance of session means after the variance of a mean of correlated samples.

    Raises :class:`~metrics.errors.InputError` for fewer than two traces of ten samples.
    """
    logs = [np.log(np.maximum(np.asarray(trace, np.float64), 1.0)) for trace in traces]
    logs = [values for values in logs if values.size >= 10]
    if len(logs) < 2:
        raise InputError("too little to fit", where=name, mend="give at least two traces of ten chunks each")
    means = np.array([values.mean() for values in logs])
    residuals = [values - values.mean() for values in logs]
    degrees = sum(values.size - 1 for values in logs)
    variance = sum(float(r @ r) for r in residuals) / degrees
    lagged = sum(float(r[1:] @ r[:-1]) for r in residuals) / max(sum(float(r @ r) for r in residuals), 1e-12)
    # Removing each trace's own mean lowers the lag-1 correlation by (1 + 3r)/n (Marriott & Pope 1954).
    length = degrees / len(logs)
    correlation = min(max((lagged * length + 1) / (length - 3), 0.0), 0.99)
    of_mean = np.mean([block_average(math.sqrt(variance), correlation, v.size)[0] ** 2 for v in logs])
    across = math.sqrt(max(float(means.var(ddof=1)) - float(of_mean), 0.0))
    return Network(name, float(means.mean()), across, math.sqrt(variance), correlation)


@cache
def load_networks() -> Mapping[str, Network]:
    """The shipped networks, brought to one sample a chunk of 4 s."""
    data = tomllib.loads(files("synthetic.player").joinpath("networks.toml").read_text("utf-8"))
    networks = {}
    for name, row in data.items():
        log_sd, correlation = row["log_sd_within"], row["correlation"]
        if row["sample"] == "1s":
            log_sd, correlation = block_average(log_sd, correlation, CHUNK_S)
        networks[name] = Network(name, row["log_mean"], row["log_sd_across"], log_sd, correlation)
    return networks


NETWORKS = ("fixed", "lte", "lte_weak", "hspa")
"""Names in the order of the panel's ``access`` index."""
