"""How long the control plane takes to answer a visit: what was measured on its functions, plus the network.

Each service draws on its own stream of a visit's step, so that no latency hangs on whether another was asked for.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from synthetic.arrays import Floats, Ints
from synthetic.control_plane.latency import load_latency
from synthetic.random import Stream, normals
from synthetic.scenario import Latency, Scenario

__all__ = ["answer_ms", "degraded_home_ms", "drawn_ms"]

_SLOTS = 8  # services a step of a visit may draw for
_HOME, _SEARCH, _AUTH = 0, 1, 5  # 2, 3 and 4: authorise, steer, licence
_NETWORK = {"home": 6, "search": 7}

Asked = Literal["auth", "home", "search"]


def answer_ms(scenario: Scenario, service: Asked, member: Ints, step: Ints) -> Floats:
    """Request to answer of each visit, [n], in ms: as the scenario says, or as measured plus the network."""
    seed, control = scenario.seed, scenario.control
    given, network = getattr(control, service), control.network
    slot = {"home": _HOME, "search": _SEARCH, "auth": _AUTH}[service]
    if given is not None or network is None:
        assert given is not None, "a scenario without a network gives every latency"
        return drawn_ms(seed, member, step, slot, given)
    found = load_latency()
    if service == "auth":  # microseconds: all that varies is the network
        return found.stage["auth"].median_ms + drawn_ms(seed, member, step, slot, network)
    own = found.home if service == "home" else found.search
    server = drawn_ms(seed, member, step, slot, Latency(median_ms=own.median_ms, log_sd=own.log_sd))
    return server + drawn_ms(seed, member, step, _NETWORK[service], network)


def degraded_home_ms(scenario: Scenario, member: Ints, step: Ints) -> Floats:
    """The same for a home page answered by the fallback, which nothing is ranked for."""
    control = scenario.control
    spread = control.home or control.network
    assert spread is not None, "a scenario without a network gives every latency"
    fallback = Latency(median_ms=control.degraded_home_median_ms, log_sd=spread.log_sd)
    return drawn_ms(scenario.seed, member, step, _HOME, fallback)


def drawn_ms(seed: int, member: Ints, step: Ints, slot: int, latency: Latency) -> Floats:
    """A log-normal draw for each visit, [n]; ``slot`` is the service's own number."""
    z = normals(seed, member, step * _SLOTS + slot, Stream.CONTROL_LATENCY)
    return np.asarray(latency.median_ms * np.exp(latency.log_sd * z))
