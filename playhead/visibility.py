"""The measured case for owning the CDN, as telemetry: one incident, lived by members of an own and a third-party CDN.

In small dense worlds half of the members, drawn by hash, are served by a third party. An incident hits a site, an
exchange or an ISP; then the same incident is looked at three times: on the own CDN's half as it tells of it, on the
same half without the columns that a third party does not tell (what the columns are worth), and on the third party's
half (as it is lived; only incidents of the access network reach it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import numpy as np
import polars as pl

from metrics.event_clock import stall_spans
from metrics.localise.visibility import VIEWS, seen, viewers
from synthetic import incident_kinds
from synthetic.emulator import run
from synthetic.incident_generator import SEVERITIES
from synthetic.incidents import resolve_incidents, sites_in
from synthetic.places import Places, make_places
from synthetic.random import Stream, uniforms
from synthetic.scenario import ExperimentSpec, IncidentSpec, Scenario, load_scenario
from synthetic.world import make_world

__all__ = ["KINDS", "LEVELS", "incident_world", "looked_at", "telemetry", "trials"]

KINDS = ("access_congestion", "cluster_saturation", "peering_loss")
"""Incidents that make viewers stall."""
LEVELS = ("site", "exchange", "isp")
"""How wide an incident is."""

_EXPERIMENT = "own-or-third-party"
_REGIONS = ("latin-america", "western-europe", "asia-pacific")
_SITES, _ISPS, _EXCHANGES, _MEMBERS = (
    10,
    4,
    2,
    9_000_000,
)  # a region's; members as many a site as in the quarter
_MINUTES, _DAY, _CALM = 120, 1440, 300
_EVENING = (17, 21)  # local hours in which incidents begin


def trials(seed: int, *, panel: int = 20_000, days: int = 8) -> pl.DataFrame:
    """The incidents of one world, and as many calm spans, looked at in each view.

    A row an incident, view and look, as :func:`~metrics.localise.visibility.seen` has them, with ``seed``,
    ``incident_id``, ``kind``, ``level`` and ``severity``; of calm spans the kind is ``calm``, and nobody is hit.
    """
    scenario = incident_world(seed, panel=panel, days=days)
    return pl.concat(looked_at(scenario, *telemetry(scenario))).select(pl.lit(seed).alias("seed"), pl.all())


def telemetry(scenario: Scenario) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The scenario run: its viewers, with ``true_site`` (where each is, whoever serves them: the truth), and stalls."""
    tables = [batch.tables for batch in run(scenario)]
    sessions, events = (
        pl.concat([part[name] for part in tables]) for name in ("playback_session", "playback_event")
    )
    members = make_world(scenario).members
    site = pl.DataFrame({"subscriber_id": members.subscriber_id, "true_site": members.site})
    place = sessions.select("session_id", "subscriber_id").join(site, on="subscriber_id")
    watching = viewers(sessions).join(place.drop("subscriber_id"), on="session_id")
    return watching, stall_spans(sessions, events).select("session_id", "from_ms", "to_ms")


def looked_at(scenario: Scenario, watching: pl.DataFrame, stalls: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The looks at each incident of a scenario that was run, and at the calm five hours before it began."""
    places = make_places(scenario)
    for incident in resolve_incidents(scenario, places):
        spec = incident.spec
        is_in = dict(enumerate(sites_in(incident.where, places).tolist()))
        hit = watching.with_columns(is_hit=pl.col("true_site").replace_strict(is_in, return_dtype=pl.Boolean))
        labels = {"incident_id": spec.id, "kind": spec.kind, "level": next(iter(spec.scope)),
                  "severity": spec.severity}  # fmt: skip
        yield _three(hit, stalls, incident.start_ts_ms, labels)
        nobody = watching.with_columns(is_hit=pl.lit(value=False))
        calm = labels | {"kind": "calm", "severity": 0.0}
        yield _three(nobody, stalls, incident.start_ts_ms - _CALM * 60_000, calm)


def incident_world(seed: int, *, panel: int, days: int) -> Scenario:
    """Three regions of ten sites, half of the members on a third-party CDN, and an incident every evening but the
    first: kind, level, place, severity and hour drawn by ``seed``, viewers stalling in all of them."""
    whole = load_scenario(None, seed=seed, panel=panel, days=days)
    share = sum(whole.region[name].member_share for name in _REGIONS)
    regions = {
        name: whole.region[name].model_copy(
            update={
                "member_share": whole.region[name].member_share / share,
                "sites": _SITES, "isps": _ISPS, "exchanges": _EXCHANGES,
            }
        )
        for name in _REGIONS
    }  # fmt: skip
    half = ExperimentSpec(name=_EXPERIMENT, switch="third_party_cdn", share=0.5, from_day=0, to_day=7 * days)
    telemetry = whole.telemetry.model_copy(update={"event_sample_ratio": 1.0})
    scenario = whole.model_copy(
        update={
            "region": regions, "members": _MEMBERS, "titles": 3_000, "incident": (), "experiment": (half,),
            "telemetry": telemetry,
        }
    )  # fmt: skip
    places = make_places(scenario)
    drawn = tuple(_incident(scenario, places, seed, day) for day in range(1, days))
    return scenario.model_copy(update={"incident": drawn})


def _incident(scenario: Scenario, places: Places, seed: int, day: int) -> IncidentSpec:
    """One evening's incident. A place is drawn by its members, as an incident is noticed by them."""
    u = uniforms(seed, np.int64(day), np.arange(5), Stream.INCIDENT_DRAW)
    kind = KINDS[int(u[0] * len(KINDS))]
    levels = [level for level in LEVELS if level in incident_kinds.KINDS[kind].scope]
    level = levels[int(u[1] * len(levels))]
    regions = np.array([region.member_share for region in scenario.region.values()])
    size = regions[places.site_region] * places.site_share
    site = int(np.searchsorted(np.cumsum(size), u[2] * size.sum()).clip(0, size.size - 1))
    names = {"site": places.sites, "exchange": places.exchanges, "isp": places.isps}[level]
    low, high = SEVERITIES[kind]
    hour = _EVENING[0] + u[4] * (_EVENING[1] - _EVENING[0])
    minute = round(hour * 60 - places.utc_offset_ms[site] / 60_000) % _DAY
    minute = min(minute, _DAY - 1)
    return IncidentSpec(
        id=f"{kind.replace('_', '-')}-{day}",
        kind=kind,
        start=datetime.fromtimestamp(scenario.start_ts_ms / 1000 + (day * _DAY + minute) * 60, UTC),
        minutes=_MINUTES,
        ramp_minutes=0,
        severity=round(low + (high - low) * u[3], 2),
        scope={level: names[int(places.attributes(np.array([site]))[level][0])]},
    )


def _three(
    watching: pl.DataFrame, stalls: pl.DataFrame, start_ts_ms: int, labels: Mapping[str, object]
) -> pl.DataFrame:
    """Looks at the own half with all its columns and without, and at the third party's half."""
    halves = {
        "own": watching.filter(pl.col("cdn") == "own"),
        "third_party": watching.filter(pl.col("cdn") == "third_party"),
    }
    views = [
        seen(halves["own"], stalls, start_ts_ms),
        seen(halves["third_party"], stalls, start_ts_ms, views={"third_party": VIEWS["opaque"]}),
    ]
    return pl.concat(views).select(*(pl.lit(value).alias(name) for name, value in labels.items()), pl.all())
