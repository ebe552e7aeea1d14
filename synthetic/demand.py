"""Demand: who opens the service, when, and on what device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthetic.arrays import Floats, Ints
from synthetic.incidents import Incident, sites_in, surge_ms
from synthetic.members import DEVICE_NAMES, Members, pick
from synthetic.places import Places
from synthetic.random import Stream, poisson, uniforms
from synthetic.scenario import Scenario
from synthetic.staying import Standing

__all__ = ["VISITS_A_DAY", "Visits", "local_peak_ratio", "visits_of_day"]


VISITS_A_DAY = 16  # most visits of a member in a day; visit step = day * 16 + ordinal
_DAY_MS = 86_400_000
MAIN_DEVICE_RATIO = 0.75  # assumption: share of visits on the member's main device


@dataclass(frozen=True)
class Visits:
    """Openings of the service on a UTC day, shape (n,): member, draw step, instant, device."""

    member: Ints
    step: Ints
    open_ts_ms: Ints
    device: Ints


def visits_of_day(
    scenario: Scenario,
    places: Places,
    members: Members,
    rows: Ints,
    day: int,
    visits_per_member_day: float,
    standing: Standing,
    incidents: Sequence[Incident] = (),
) -> Visits:
    """Visits of the members ``rows`` on day ``day``: Poisson counts, local hours from the demand field.

    ``standing``: who is still here, and how readily each comes back.

    A visit keeps its local hour of the UTC day, so that each UTC day is whole. Who comes for an event among
    ``incidents`` comes on top, as the member's last visits of the day.
    """
    seed, demand = scenario.seed, scenario.demand
    rows = rows[(members.join_day[rows] <= day) & (standing.leave_day[rows] > day)]
    weekday = (scenario.start.weekday() + day) % 7
    rate = visits_per_member_day * demand.weekly[weekday] * members.activity[rows]
    rate *= standing.eagerness()[rows]
    count = poisson(uniforms(seed, rows, day, Stream.VISIT_COUNT), rate, VISITS_A_DAY)
    member = np.repeat(rows, count)
    ordinal = np.arange(member.size) - np.repeat(np.cumsum(count) - count, count)
    step = day * VISITS_A_DAY + ordinal
    # Inverse of the piecewise linear distribution of the local time of day.
    edges = np.concatenate([[0.0], np.cumsum(demand.diurnal)])
    local_ms = np.interp(
        uniforms(seed, member, step, Stream.VISIT_TIME), edges / edges[-1], np.arange(25) * 3_600_000.0
    )
    offset = places.utc_offset_ms[members.site[member]]
    open_ts_ms = scenario.start_ts_ms + day * _DAY_MS + (local_ms.astype(np.int64) - offset) % _DAY_MS
    for incident in incidents:
        if incident.spec.kind == "live_surge":
            at, comes_ts_ms = _surge(scenario, places, members, rows, day, incident)
            at, comes_ts_ms = at[count[at] < VISITS_A_DAY], comes_ts_ms[count[at] < VISITS_A_DAY]
            member = np.concatenate([member, rows[at]])
            step = np.concatenate([step, day * VISITS_A_DAY + count[at]])
            open_ts_ms = np.concatenate([open_ts_ms, comes_ts_ms])
            count[at] += 1
    # A member's visits stand together and in order of time.
    time_of_day_ms = open_ts_ms - (scenario.start_ts_ms + day * _DAY_MS)
    order = np.argsort(member * _DAY_MS + time_of_day_ms, kind="stable")
    member, step, open_ts_ms = member[order], step[order], open_ts_ms[order]
    u = uniforms(seed, member, step, Stream.VISIT_DEVICE)
    shares = np.array([scenario.device[name].share for name in DEVICE_NAMES])
    other = pick((u - MAIN_DEVICE_RATIO).clip(0) / (1 - MAIN_DEVICE_RATIO), shares)
    device = np.where(u < MAIN_DEVICE_RATIO, members.main_device[member], other)
    return Visits(member, step, open_ts_ms, device)


def _surge(
    scenario: Scenario, places: Places, members: Members, rows: Ints, day: int, incident: Incident
) -> tuple[Ints, Ints]:
    """Who of ``rows`` comes for an event on that day, as places in ``rows``, and when."""
    seed, number = scenario.seed, incident.number
    comes = uniforms(seed, rows, 2 * number, Stream.INCIDENT_SURGE) < incident.spec.severity
    after = uniforms(seed, rows, 2 * number + 1, Stream.INCIDENT_SURGE) * surge_ms(incident)
    open_ts_ms = incident.start_ts_ms + after.astype(np.int64)
    comes &= (open_ts_ms - scenario.start_ts_ms) // _DAY_MS == day
    at = np.flatnonzero(comes & sites_in(incident.where, places)[members.site[rows]])
    return at, open_ts_ms[at]


def local_peak_ratio(scenario: Scenario, places: Places, site: Ints, ts_ms: Ints) -> Floats:
    """Demand at each local instant over the busiest hour's, 0..1."""
    local = (ts_ms + places.utc_offset_ms[site]) % 86_400_000
    diurnal = np.array(scenario.demand.diurnal)
    return np.asarray(
        np.interp(local, np.arange(25) * 3_600_000.0, np.append(diurnal, diurnal[0])) / diurnal.max()
    )
