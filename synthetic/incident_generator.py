"""Random incidents for a scenario, from stated distributions; the same seed gives the same ones.

| drawn | distribution | why |
|---|---|---|
| kind | uniform | every kind is met |
| minutes | log-normal, median 75, log-sd 0.8, within 15 to 720 | public outages of large CDNs: about an hour |
| minutes of a fill failure | 1 to 3 whole days from midnight UTC | a push is a nightly affair |
| ramp | none in half of the cases, else up to a quarter of the duration; a surge: up to 30 minutes | assumption |
| start | uniform, so that the incident ends within the scenario | - |
| severity | uniform within the kind's range below | assumption |
| scope | 1, 2 or 3 attributes (0.4, 0.4, 0.2), no more than fit; values by their share of members | assumption |

No attribute of a scope is implied by the others: a scope is the smallest combination that describes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from statistics import NormalDist

import numpy as np

from metrics.errors import InputError
from synthetic.arrays import Bools, Floats, Ints
from synthetic.incident_kinds import KINDS, SCOPES
from synthetic.incidents import Incident, resolve_incidents, scope_names
from synthetic.members import DEVICE_NAMES, pick
from synthetic.places import Places, make_places
from synthetic.random import Stream, uniforms
from synthetic.scenario import CODEC_NAMES, IncidentSpec, Scenario
from synthetic.software import os_names

__all__ = ["SEVERITIES", "random_incidents"]

SEVERITIES: Mapping[str, tuple[float, float]] = {
    "config_push": (0.2, 0.9),
    "appliance_crash": (0.3, 1.0),
    "cluster_saturation": (0.3, 0.8),
    "peering_loss": (0.5, 1.0),
    "fill_failure": (1.0, 1.0),
    "access_congestion": (0.4, 0.85),
    "bad_encode": (0.05, 0.5),
    "player_bug": (0.03, 0.3),
    "recommendation_outage": (0.5, 1.0),
    "auth_outage": (0.2, 0.9),
    "control_plane_loss": (0.5, 1.0),
    "live_surge": (0.02, 0.15),
}
_MINUTES, _MINUTES_LOG_SD, _LEAST, _MOST = 75.0, 0.8, 15, 720
_ATTEMPTS = 200
_DRAWS = 32  # draws of one attempt, at most
_DAY = 1440

_Axis = tuple[Mapping[str, Ints], Floats]
"""Attributes that imply each other: the index of each over its cells, and the cells' share."""


def random_incidents(scenario: Scenario, count: int, seed: int) -> tuple[IncidentSpec, ...]:
    """``count`` incidents of the scenario's places and devices, in order of start, without its own.

    No two of a kind meet in scope and time. Raises :class:`~metrics.errors.InputError` where so many do not fit.
    """
    places = make_places(scenario)
    axes = _axes(scenario, places)
    names = scope_names(scenario, places)
    accepted: list[Incident] = []
    for i in range(count):
        for attempt in range(_ATTEMPTS):
            u = iter(uniforms(seed, i, attempt * _DRAWS + np.arange(_DRAWS), Stream.INCIDENT_DRAW).tolist())
            spec = _draw(i, scenario, axes, names, u)
            (drawn,) = resolve_incidents(scenario.model_copy(update={"incident": (spec,)}), places)
            if not any(_meet(drawn, other, axes) for other in accepted):
                accepted.append(drawn)
                break
        else:
            raise InputError(
                f"no room for {count} incidents in {scenario.days} days",
                mend=f"{len(accepted)} fit, or more days",
            )
    return tuple(sorted((incident.spec for incident in accepted), key=lambda spec: (spec.start, spec.id)))


def _draw(
    i: int, scenario: Scenario, axes: list[_Axis], names: Mapping[str, tuple[str, ...]], u: Iterator[float]
) -> IncidentSpec:
    kind = list(KINDS)[int(next(u) * len(KINDS))]
    of_duration, of_ramp, of_start, of_severity = (next(u) for _ in range(4))
    if kind == "fill_failure":
        minutes = _DAY * min(1 + int(of_duration * 3), scenario.days)
        ramp = 0
        start = _DAY * int(of_start * (scenario.days + 1 - minutes // _DAY))
    else:
        log_minutes = NormalDist(math.log(_MINUTES), _MINUTES_LOG_SD).inv_cdf(of_duration)
        minutes = int(min(max(math.exp(log_minutes), _LEAST), _MOST))
        ramp = int(max(of_ramp - 0.5, 0.0) * 2 * (minutes / 4 + 1))
        if kind == "live_surge":
            ramp = min(1 + int(of_ramp * 30), minutes)
        start = int(of_start * (_DAY * scenario.days - minutes + 1))
    low, high = SEVERITIES[kind]
    return IncidentSpec(
        id=f"{kind.replace('_', '-')}-{i + 1}",
        kind=kind,
        start=datetime.fromtimestamp(scenario.start_ts_ms / 1000 + start * 60, UTC),
        minutes=minutes,
        ramp_minutes=ramp,
        severity=round(low + (high - low) * of_severity, 2),
        scope=_scope(kind, axes, names, u),
    )


def _scope(
    kind: str, axes: list[_Axis], names: Mapping[str, tuple[str, ...]], u: Iterator[float]
) -> dict[str, str]:
    """Attributes in drawn order, each kept where no other of the scope implies it and it implies no other."""
    known = KINDS[kind]
    size = next(u)
    wanted = 1 + (size < 0.6) + (size < 0.2)
    order = sorted(known.scope, key=lambda key: (key not in known.needs, next(u)))
    where: dict[str, int] = {}
    for key in order:
        if len(where) < max(wanted, len(known.needs)):
            columns, share = next(axis for axis in axes if key in axis[0])
            weight = np.bincount(columns[key], np.where(_inside(columns, where), share, 0.0))
            tried = where | {key: int(pick(np.array([next(u)]), weight / weight.sum())[0])}
            if key in known.needs or _is_smallest(tried, axes):
                where = tried
    return {key: names[key][where[key]] for key in SCOPES if key in where}


def _axes(scenario: Scenario, places: Places) -> list[_Axis]:
    """What implies what: places by site, software by device and operating system, versions, codecs."""
    members = np.array([region.member_share for region in scenario.region.values()])[places.site_region]
    systems = os_names(scenario)
    cells = [
        (d, systems.index(name), scenario.device[device].share * share)
        for d, device in enumerate(DEVICE_NAMES)
        for name, share in scenario.device[device].os.items()
    ]
    versions = np.array(list(scenario.player.versions.values()))
    return [
        (places.attributes(np.arange(len(places.sites))), members * places.site_share),
        (
            {"device": np.array([cell[0] for cell in cells]), "os": np.array([cell[1] for cell in cells])},
            np.array([cell[2] for cell in cells]),
        ),
        ({"player_version": np.arange(versions.size)}, versions),
        ({"codec": np.arange(len(CODEC_NAMES))}, np.ones(len(CODEC_NAMES))),
    ]


def _inside(columns: Mapping[str, Ints], where: Mapping[str, int]) -> Bools:
    """The cells of an axis in a scope."""
    inside = np.ones(next(iter(columns.values())).size, np.bool_)
    for key, column in columns.items():
        if key in where:
            inside &= column == where[key]
    return inside


def _is_smallest(where: Mapping[str, int], axes: list[_Axis]) -> bool:
    """Whether each attribute of the scope narrows it."""
    return all(
        (_inside(columns, {k: v for k, v in where.items() if k != key}) != _inside(columns, where)).any()
        for columns, _ in axes
        for key in columns
        if key in where
    )


def _meet(one: Incident, other: Incident, axes: list[_Axis]) -> bool:
    """Whether two incidents are of one kind and meet in scope and time."""
    return (
        one.spec.kind == other.spec.kind
        and one.start_ts_ms < other.end_ts_ms
        and other.start_ts_ms < one.end_ts_ms
        and all((_inside(columns, one.where) & _inside(columns, other.where)).any() for columns, _ in axes)
    )
