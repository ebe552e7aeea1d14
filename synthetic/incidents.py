"""Incidents: what a scenario's scripted failures do to each part of the service, minute by minute.

A scope is an attribute combination; :func:`level` says how strongly a kind of incident hits given instants and
attributes, and is all that the parts of the service see. The truth is written to ``truth_incident``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from metrics.errors import InputError
from metrics.telemetry import get_table
from synthetic.arrays import Floats, Ints
from synthetic.members import DEVICE_NAMES
from synthetic.places import Places
from synthetic.scenario import IncidentSpec, Scenario

__all__ = ["Incident", "level", "level_of_sites", "resolve_incidents", "severity", "truth_incident"]


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
        return self.spec.start_ts_ms + self.spec.minutes * 60_000


def resolve_incidents(scenario: Scenario, places: Places) -> tuple[Incident, ...]:
    """Turn names and ``@n`` into indices. Raises :class:`~metrics.errors.InputError` for what is not there."""
    names = {
        "region": places.regions,
        "device": DEVICE_NAMES,
        "player_version": tuple(scenario.player.versions),
    }
    out = []
    for spec in scenario.incident:
        scope = dict(spec.scope)
        where = {key: names[key].index(value) for key, value in scope.items() if key in names}
        if "isp" in scope:
            where["isp"] = _isp(spec, places, where["region"])
            scope["isp"] = places.isps[where["isp"]]
        out.append(Incident(spec, scope, where))
    return tuple(out)


def severity(incident: Incident, ts_ms: Ints) -> Floats:
    """Severity at each instant: 0 outside, rising linearly over the ramp, then full. Shape of ``ts_ms``."""
    since = ts_ms - incident.start_ts_ms
    ramp = (
        np.ones(ts_ms.shape)
        if not incident.spec.ramp_minutes
        else since / (incident.spec.ramp_minutes * 60_000)
    )
    on = (since >= 0) & (ts_ms < incident.end_ts_ms)
    return np.where(on, np.clip(ramp, 0.0, 1.0) * incident.spec.severity, 0.0)


def level(incidents: Sequence[Incident], kind: str, ts_ms: Ints, attributes: Mapping[str, Ints]) -> Floats:
    """The worst severity of that kind for each of n events; 0 where none hits. Shape (n,).

    ``attributes``: index of each event's region, isp, device and so on; whatever a scope of this kind may name.
    """
    out = np.zeros(ts_ms.shape)
    for incident in incidents:
        if incident.spec.kind == kind:
            hit = severity(incident, ts_ms)
            for name, index in incident.where.items():
                hit = np.where(attributes[name] == index, hit, 0.0)
            out = np.maximum(out, hit)
    return out


def level_of_sites(incidents: Sequence[Incident], kind: str, ts_ms: Ints, places: Places) -> Floats:
    """:func:`level` of every site at given instants, [instants, sites]."""
    of_sites = {"region": places.site_region, "isp": places.site_isp}
    grid = np.broadcast_to(ts_ms[:, None], (ts_ms.size, len(places.sites)))
    return level(incidents, kind, grid, of_sites)


def truth_incident(incidents: Sequence[Incident]) -> pl.DataFrame:
    """The table ``truth_incident``."""
    rows = [
        {
            "incident_id": i.spec.id,
            "kind": i.spec.kind,
            "start_ts_ms": i.start_ts_ms,
            "end_ts_ms": i.end_ts_ms,
            "ramp_ms": i.spec.ramp_minutes * 60_000,
            "severity_ratio": i.spec.severity,
            "scope": json.dumps(i.scope, sort_keys=True),
        }
        for i in incidents
    ]
    return pl.DataFrame(rows, schema=get_table("truth_incident").schema)


def _isp(spec: IncidentSpec, places: Places, region: int) -> int:
    candidates = places.isps_of(region)
    names = [places.isps[i] for i in candidates]
    wanted = spec.scope["isp"]
    if wanted.startswith("@"):
        nth = int(wanted[1:]) if wanted[1:].isdigit() else 0
        if 1 <= nth <= len(names):
            return int(candidates[nth - 1])
    elif wanted in names:
        return int(candidates[names.index(wanted)])
    raise InputError(f"no ISP {wanted!r}", where=f"incident {spec.id}", mend=f"@1 to @{len(names)}")
