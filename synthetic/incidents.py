"""Incidents: what a scenario's scripted failures do to each part of the service, minute by minute.

Scope is an attribute combination. The truth is written to ``truth_incident``; the parts below see effects only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from metrics.errors import InputError
from metrics.telemetry import get_table
from synthetic.arrays import Bools, Floats, Ints
from synthetic.places import Places
from synthetic.scenario import IncidentSpec

__all__ = ["Incident", "failed_fills", "resolve_incidents", "severity", "truth_incident"]


@dataclass(frozen=True)
class Incident:
    """An incident with its scope resolved to indices; -1 means any."""

    spec: IncidentSpec
    region: int
    isp: int
    scope: dict[str, str]

    @property
    def start_ts_ms(self) -> int:
        return self.spec.start_ts_ms

    @property
    def end_ts_ms(self) -> int:
        return self.spec.start_ts_ms + self.spec.minutes * 60_000

    def covers(self, places: Places) -> Bools:
        """Which sites lie in the scope."""
        inside = np.ones(len(places.sites), np.bool_)
        if self.region >= 0:
            inside &= places.site_region == self.region
        if self.isp >= 0:
            inside &= places.site_isp == self.isp
        return inside


def resolve_incidents(specs: Sequence[IncidentSpec], places: Places) -> tuple[Incident, ...]:
    """Turn names and ``@n`` into indices. Raises :class:`~metrics.errors.InputError` for an ISP that is not there."""
    out = []
    for spec in specs:
        scope: dict[str, str] = dict(spec.scope)
        region = places.regions.index(scope["region"]) if "region" in scope else -1
        isp = -1
        if "isp" in scope:
            candidates = places.isps_of(region)
            names = [places.isps[i] for i in candidates]
            if scope["isp"].startswith("@"):
                nth = int(scope["isp"][1:]) if scope["isp"][1:].isdigit() else 0
                if not 1 <= nth <= len(names):
                    raise InputError(
                        f"no ISP {scope['isp']}", where=f"incident {spec.id}", mend=f"@1 to @{len(names)}"
                    )
                scope["isp"] = names[nth - 1]
            if scope["isp"] not in names:
                raise InputError(
                    f"no ISP {scope['isp']!r}", where=f"incident {spec.id}", mend=f"@1 to @{len(names)}"
                )
            isp = int(candidates[names.index(scope["isp"])])
        out.append(Incident(spec, region, isp, scope))
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


def failed_fills(incidents: Sequence[Incident], places: Places, day_ts_ms: int) -> Bools:
    """Sites whose push of that day fails."""
    failed = np.zeros(len(places.sites), np.bool_)
    for incident in incidents:
        if incident.spec.kind == "fill_failure" and severity(incident, np.array([day_ts_ms]))[0] > 0:
            failed |= incident.covers(places)
    return failed


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
