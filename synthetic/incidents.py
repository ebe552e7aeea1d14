"""Incidents: what a scenario's scripted failures do to each part of the service, minute by minute.

A scope is an attribute combination; :func:`level` says how strongly a kind of incident hits given instants and
attributes, and is all that the parts of the service see. The truth is written to ``truth_incident``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from metrics.errors import InputError, did_you_mean
from metrics.telemetry import get_table
from synthetic.arrays import Bools, Floats, Ints
from synthetic.incident_kinds import KINDS, PLACE_SCOPES
from synthetic.members import DEVICE_NAMES
from synthetic.places import Places
from synthetic.scenario import CODEC_NAMES, IncidentSpec, Scenario
from synthetic.software import os_names

__all__ = [
    "Incident", "level", "level_of_sites", "resolve_incidents", "scope_names", "severity", "sites_in",
    "surge_ms", "surge_ratio", "truth_incident",
]  # fmt: skip

_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Incident:
    """An incident with its scope resolved: ``scope`` in names, ``where`` the same in indices."""

    spec: IncidentSpec
    scope: Mapping[str, str]
    where: Mapping[str, int]

    @property
    def start_ts_ms(self) -> int:
        return self.spec.start_ts_ms

    @property
    def end_ts_ms(self) -> int:
        return self.spec.start_ts_ms + self.spec.minutes * _MINUTE_MS

    @property
    def number(self) -> int:
        """An integer of its own, on which draws hang: the same wherever the incident stands in the scenario."""
        return zlib.crc32(self.spec.id.encode())


def resolve_incidents(scenario: Scenario, places: Places) -> tuple[Incident, ...]:
    """Turn names and ``@n`` into indices. Raises :class:`~metrics.errors.InputError` for what is not there."""
    names = scope_names(scenario, places)
    members = np.array([r.member_share for r in scenario.region.values()])[places.site_region]
    size = members * places.site_share
    return tuple(_resolve(spec, scenario, places, names, size) for spec in scenario.incident)


def scope_names(scenario: Scenario, places: Places) -> dict[str, tuple[str, ...]]:
    """The names that each attribute of a scope may have, in the order of their indices."""
    return {
        "region": places.regions,
        "country": places.countries,
        "isp": places.isps,
        "exchange": places.exchanges,
        "site": places.sites,
        "device": DEVICE_NAMES,
        "os": os_names(scenario),
        "player_version": tuple(scenario.player.versions),
        "codec": CODEC_NAMES,
    }


def sites_in(where: Mapping[str, int], places: Places) -> Bools:
    """Whether each site is in a scope, [sites]; attributes that are no place leave all in."""
    of_site = places.attributes(np.arange(len(places.sites)))
    inside = np.ones(len(places.sites), np.bool_)
    for key in PLACE_SCOPES:
        if key in where:
            inside &= of_site[key] == where[key]
    return inside


def severity(incident: Incident, ts_ms: Ints) -> Floats:
    """Severity at each instant: 0 outside, rising linearly over the ramp, then full. Shape of ``ts_ms``."""
    since = ts_ms - incident.start_ts_ms
    ramp = (
        np.ones(ts_ms.shape)
        if not incident.spec.ramp_minutes
        else since / (incident.spec.ramp_minutes * _MINUTE_MS)
    )
    on = (since >= 0) & (ts_ms < incident.end_ts_ms)
    return np.where(on, np.clip(ramp, 0.0, 1.0) * incident.spec.severity, 0.0)


def level(incidents: Sequence[Incident], kind: str, ts_ms: Ints, attributes: Mapping[str, Ints]) -> Floats:
    """The worst severity of that kind for each of n events; 0 where none hits. Shape (n,).

    ``attributes``: index of each event's region, isp, device and so on; whatever a scope of this kind may name.
    """
    out = np.zeros(ts_ms.shape)
    if not ts_ms.size:
        return out
    first, last = int(ts_ms.min()), int(ts_ms.max())
    for incident in incidents:
        if incident.spec.kind == kind and incident.start_ts_ms <= last and first < incident.end_ts_ms:
            hit = severity(incident, ts_ms)
            for name, index in incident.where.items():
                hit = np.where(attributes[name] == index, hit, 0.0)
            out = np.maximum(out, hit)
    return out


def level_of_sites(incidents: Sequence[Incident], kind: str, ts_ms: Ints, places: Places) -> Floats:
    """:func:`level` of every site at given instants, [instants, sites]. For kinds whose scope is places alone."""
    grid = np.broadcast_to(ts_ms[:, None], (ts_ms.size, len(places.sites)))
    return level(incidents, kind, grid, places.attributes(np.arange(len(places.sites))))


def surge_ratio(incidents: Sequence[Incident], ts_ms: Ints, places: Places, visit_ms: int) -> Floats:
    """Extra concurrent streams for events, as a share of each site's members, [instants, sites].

    Who comes is spread evenly over the ramp and stays for ``visit_ms``, the mean time that a visit means to watch:
    the viewing hours are those of the visits. Several events add up.
    """
    out = np.zeros((ts_ms.size, len(places.sites)))
    for incident in incidents:
        if incident.spec.kind == "live_surge":
            came = [arrived(incident, at) for at in (ts_ms, ts_ms - visit_ms)]
            out += (came[0] - came[1])[:, None] * sites_in(incident.where, places)
    return out


def arrived(incident: Incident, ts_ms: Ints) -> Floats:
    """Share of the scope's members who have come for an event by each instant, shape of ``ts_ms``."""
    since = (ts_ms - incident.start_ts_ms) / surge_ms(incident)
    return np.asarray(since.clip(0.0, 1.0) * incident.spec.severity)


def surge_ms(incident: Incident) -> int:
    """How long the coming to an event lasts: its ramp, a minute at least."""
    return max(incident.spec.ramp_minutes, 1) * _MINUTE_MS


def truth_incident(incidents: Sequence[Incident]) -> pl.DataFrame:
    """The table ``truth_incident``."""
    rows = [
        {
            "incident_id": i.spec.id,
            "kind": i.spec.kind,
            "start_ts_ms": i.start_ts_ms,
            "end_ts_ms": i.end_ts_ms,
            "ramp_ms": i.spec.ramp_minutes * _MINUTE_MS,
            "severity_ratio": i.spec.severity,
            "scope": json.dumps(i.scope, sort_keys=True),
            "metric": KINDS[i.spec.kind].moves,
        }
        for i in incidents
    ]
    return pl.DataFrame(rows, schema=get_table("truth_incident").schema)


def _resolve(
    spec: IncidentSpec,
    scenario: Scenario,
    places: Places,
    names: Mapping[str, Sequence[str]],
    size: Floats,
) -> Incident:
    """One incident: places from the widest to the narrowest, each looked up within those before it."""
    where: dict[str, int] = {}
    of_site = places.attributes(np.arange(len(places.sites)))
    for key in PLACE_SCOPES:
        if key in spec.scope:
            inside = sites_in(where, places)
            members = np.bincount(of_site[key][inside], size[inside], minlength=len(names[key]))
            here = np.unique(of_site[key][inside])
            largest_first = here[np.argsort(-members[here], kind="stable")]
            known = {names[key][i]: int(i) for i in largest_first}
            where[key] = _look_up(spec, key, known, counted=True)
    for key in spec.scope:
        if key not in PLACE_SCOPES:
            known = {name: i for i, name in enumerate(names[key])}
            if key == "os" and "device" in spec.scope:
                of_device = scenario.device.get(spec.scope["device"])
                known = {name: i for name, i in known.items() if of_device is None or name in of_device.os}
            where[key] = _look_up(spec, key, known)
    return Incident(spec, {key: names[key][index] for key, index in where.items()}, where)


def _look_up(spec: IncidentSpec, key: str, known: Mapping[str, int], *, counted: bool = False) -> int:
    """The index of the name that a scope gives, or of the n-th of ``known`` for ``@n`` where they are counted."""
    value = spec.scope[key]
    rest = [name for other, name in spec.scope.items() if other != key]
    what = f"no {key} {value!r}" + (f" with {', '.join(rest)}" if rest else "")
    if counted and value.startswith("@"):
        nth = int(value[1:]) if value[1:].isdecimal() and len(value) < 10 else 0
        if not 1 <= nth <= len(known):
            raise InputError(what, where=f"incident {spec.id}", mend=f"@1 to @{len(known)}")
        return list(known.values())[nth - 1]
    if value not in known:
        raise InputError(what, where=f"incident {spec.id}", mend=did_you_mean(value, known))
    return known[value]
