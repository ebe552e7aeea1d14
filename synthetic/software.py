"""What a member's device runs: operating system and player version, the same at every visit."""

from __future__ import annotations

import numpy as np

from synthetic.arrays import Ints
from synthetic.members import DEVICE_NAMES, pick
from synthetic.random import Stream, uniforms
from synthetic.scenario import Scenario

__all__ = ["os_names", "os_of", "player_version_of"]


def os_names(scenario: Scenario) -> tuple[str, ...]:
    """Operating systems of all devices, each once."""
    return tuple(dict.fromkeys(name for device in DEVICE_NAMES for name in scenario.device[device].os))


def os_of(scenario: Scenario, member: Ints, device: Ints) -> Ints:
    """Index into :func:`os_names` of each member's device, shape (n,), by the device's shares."""
    known = os_names(scenario)
    u = uniforms(scenario.seed, member, device, Stream.DEVICE_OS)
    out = np.empty(member.size, np.int64)
    for d, name in enumerate(DEVICE_NAMES):
        shares = scenario.device[name].os
        here = device == d
        of_device = np.array([known.index(os) for os in shares])
        out[here] = of_device[pick(u[here], np.array(list(shares.values())))]
    return out


def player_version_of(scenario: Scenario, member: Ints, device: Ints) -> Ints:
    """Index into the scenario's player versions of each member's device, shape (n,)."""
    shares = np.array(list(scenario.player.versions.values()))
    return pick(uniforms(scenario.seed, member, device, Stream.PLAYER_VERSION), shares)
