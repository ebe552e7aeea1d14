"""Experiments: members parted by a hash, so that some live in another world than the rest.

Control is the factual world; treatment has one switch turned. Who is in which arm hangs on the seed, the experiment's
name and the member alone. Arms change where models are trained, on the first day of a week: each arm's model learns
from its own members' logs.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from synthetic.arrays import Ints, Tinies
from synthetic.random import Stream, uniforms
from synthetic.scenario import ExperimentSpec
from synthetic.switches import DELIVERY, FACTUAL, SWITCHES, Switches
from synthetic.world import World

__all__ = ["arms_of_week", "assignments", "lives_of_week", "running_on", "treated"]

_DAY_MS = 86_400_000
ARMS: Mapping[bool, str] = MappingProxyType({False: "control", True: "treatment"})


def treated(world: World, spec: ExperimentSpec) -> npt.NDArray[np.bool_]:
    """[members] who has the switch turned while the experiment runs."""
    number = zlib.crc32(spec.name.encode())
    u = uniforms(world.scenario.seed, world.subscriber, number, Stream.EXPERIMENT_ARM)
    return np.asarray(u < spec.share)


def running_on(world: World, day: int) -> list[ExperimentSpec]:
    """The experiments of that day."""
    return [spec for spec in world.scenario.experiment if spec.from_day <= day < spec.to_day]


def arms_of_week(world: World, day: int) -> tuple[tuple[Switches, ...], Tinies]:
    """The worlds of discovery that run side by side in the week of ``day``, and [members] which each lives in.

    The first is the factual one. Members in several experiments have several switches turned. Switches of delivery are
    not among them: they leave what is shown as it is.
    """
    worlds, arm, _ = lives_of_week(world, day)
    return worlds, arm


def lives_of_week(world: World, day: int) -> tuple[tuple[Switches, ...], Tinies, dict[str, Tinies]]:
    """As :func:`arms_of_week`, and by experiment [members] the world each would live in, were they in its other arm."""
    bits = np.zeros(world.members.count, np.int64)
    running = [spec for spec in running_on(world, day) if spec.switch not in DELIVERY]
    for number, spec in enumerate(running):
        bits |= treated(world, spec).astype(np.int64) << number
    others = {spec.name: bits ^ (1 << number) for number, spec in enumerate(running)}
    seen = np.unique(np.concatenate([bits, *others.values()]))
    combinations = [0, *(int(b) for b in seen if b)]
    worlds = []
    for combination in combinations:
        switches = FACTUAL
        for number, spec in enumerate(running):
            if combination >> number & 1:
                switches = replace(switches, **SWITCHES[spec.switch])
        worlds.append(switches)
    arms = {name: np.searchsorted(combinations, of).astype(np.int8) for name, of in others.items()}
    return tuple(worlds), np.searchsorted(combinations, bits).astype(np.int8), arms


def assignments(world: World) -> pl.DataFrame:
    """Who is in which arm of which experiment: ``experiment``, ``arm``, ``is_control``, ``member``, ``assigned_ts_ms``.

    A row an experiment and member, those who join later included; a member's own instant is the later of the
    experiment's first day and the day of joining. What begins after the scenario's last day is left out.
    """
    frames = []
    for spec in world.scenario.experiment:
        is_treated = treated(world, spec)
        first: Ints = np.maximum(world.members.join_day, spec.from_day)
        here = np.flatnonzero(first < min(spec.to_day, world.scenario.days))
        frames.append(
            pl.DataFrame(
                {
                    "experiment": pl.repeat(spec.name, here.size, dtype=pl.String, eager=True),
                    "arm": pl.Series([ARMS[bool(t)] for t in is_treated[here]], dtype=pl.String),
                    "is_control": ~is_treated[here],
                    "member": here,
                    "assigned_ts_ms": world.scenario.start_ts_ms + first[here] * _DAY_MS,
                }
            )
        )
    columns = {"experiment": pl.String, "arm": pl.String, "is_control": pl.Boolean, "member": pl.Int64,
               "assigned_ts_ms": pl.Int64}  # fmt: skip
    return pl.concat(frames) if frames else pl.DataFrame(schema=columns)
