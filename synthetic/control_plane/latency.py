"""How long the control plane takes to answer, as measured on its own functions: data, with a date and a grade."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Floats

__all__ = [
    "LATENCY_FILE",
    "Measured",
    "Measurement",
    "fit",
    "from_toml",
    "load_latency",
    "to_toml",
    "write_latency",
]

LATENCY_FILE = "latency.toml"
_Z99 = 2.3263478740408408  # scipy.stats.norm.ppf(0.99)


@dataclass(frozen=True)
class Measured:
    """A log-normal through the median and the 99th percentile of what was measured, in ms."""

    median_ms: float
    p99_ms: float

    @property
    def log_sd(self) -> float:
        """Standard deviation of the natural logarithm."""
        return max(float(np.log(self.p99_ms / self.median_ms) / _Z99), 1e-6)


@dataclass(frozen=True)
class Measurement:
    """What was measured: on how much, when, and what came of it, by stage and of whole requests."""

    date: date
    machine: str
    titles: int
    members: int
    requests: int
    stage: Mapping[str, Measured]
    home: Measured
    search: Measured


def fit(times_ms: Sequence[float] | Floats) -> Measured:
    """The log-normal of the measured times.

    >>> fit([1.0] * 98 + [9.0, 9.0]).median_ms
    1.0
    """
    median, p99 = np.quantile(np.asarray(times_ms, np.float64), [0.5, 0.99], method="inverted_cdf")
    return Measured(float(median), float(max(p99, median)))


@lru_cache(maxsize=1)
def load_latency() -> Measurement:
    """The measurement that the emulated service is fitted to."""
    return from_toml(files("synthetic.control_plane").joinpath(LATENCY_FILE).read_text("utf-8"))


def from_toml(text: str) -> Measurement:
    """Read what :func:`to_toml` wrote."""
    held = tomllib.loads(text)
    stage = {name: Measured(**figures) for name, figures in held["stage"].items()}
    return Measurement(
        **{name: held[name] for name in ("date", "machine", "titles", "members", "requests")},
        stage=stage,
        home=Measured(**held["home"]),
        search=Measured(**held["search"]),
    )


def to_toml(found: Measurement) -> str:
    """The measurement as the file that :func:`load_latency` reads."""
    whole = {"home": found.home, "search": found.search}
    tables = {f"stage.{name}": figures for name, figures in found.stage.items()} | whole
    body = "".join(
        f"\n[{name}]\nmedian_ms = {one.median_ms:.4f}\np99_ms = {one.p99_ms:.4f}\n"
        for name, one in tables.items()
    )
    return (
        "# Written by `playhead scenario measure-ranking`: the real functions of the control plane, one request at a\n"
        "# time, on the wall clock of one machine. Grade M, measured. `home` is a whole request, all stages of it;\n"
        "# `search` one query. What the network and queues between services add is the scenario's `network`.\n"
        f'date = {found.date}\nmachine = "{found.machine}"\ntitles = {found.titles}\nmembers = {found.members}\n'
        f"requests = {found.requests}\n{body}"
    )


def write_latency(found: Measurement, path: Path) -> None:
    """Write the file. Raises :class:`~metrics.errors.InputError` where it cannot be."""
    try:
        path.write_text(to_toml(found), encoding="utf-8")
    except OSError as error:
        mend = "give a file in a folder that can be written"
        raise InputError(f"cannot be written ({error.strerror})", where=str(path), mend=mend) from error
