"""The measured case for owning the CDN, as telemetry: the same incident with what an own CDN tells, and without.

In small dense worlds a third party serves half of the members, drawn by hash. Two kinds of incident make viewers stall:

- *lived*: the access network of a site or an ISP loses throughput, for the members of both CDNs alike;
- *laid over*: of the viewers whom one appliance, site or ISP of the own CDN serves, a share stalls within half an
  hour. Steering routes around the faults of a CDN that the emulator knows, so that few would stall of them.

Each is looked at as the own CDN tells of it (``own``), on the same viewers without the columns that a third party does
not tell (``opaque``), and where it was lived, on the third party's own viewers (``third_party``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import polars as pl

from metrics.event_clock import stall_spans
from metrics.localise.visibility import VIEWS, seen, viewers
from synthetic.emulator import run
from synthetic.incidents import resolve_incidents, sites_in
from synthetic.places import Places, make_places
from synthetic.random import Stream, exponentials, uniforms
from synthetic.scenario import ExperimentSpec, IncidentSpec, Scenario, load_scenario
from synthetic.world import make_world

__all__ = ["incident_world", "looked_at", "telemetry", "trials"]

_EXPERIMENT = "own-or-third-party"
_REGIONS = ("latin-america", "western-europe", "asia-pacific")
_SITES, _ISPS, _EXCHANGES, _MEMBERS = (
    10,
    4,
    2,
    9_000_000,
)  # a region's; members as many a site as in the quarter
_MINUTES, _DAY, _CALM, _MINUTE_MS = 120, 1440, 300, 60_000
_EVENING = (17, 21)  # local hours in which incidents begin
_LOST = (0.8, 0.97)  # of throughput
_STALLING = (0.15, 0.6)  # share of the viewers reached who stall
_STALL_MS = 20_000
_LAID_A_DAY = 4


def trials(seed: int, *, panel: int = 30_000, days: int = 8) -> pl.DataFrame:
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
    """The looks at each incident of a scenario that was run, at the calm five hours before it began, and at the faults
    laid over the same days."""
    places = make_places(scenario)
    own = watching.filter(pl.col("cdn") == "own")
    others = watching.filter(pl.col("cdn") == "third_party")
    third = {"third_party": VIEWS["opaque"]}
    for day, incident in enumerate(resolve_incidents(scenario, places), 1):
        spec, start = incident.spec, incident.start_ts_ms
        is_in = dict(enumerate(sites_in(incident.where, places).tolist()))
        hit = pl.col("true_site").replace_strict(is_in, return_dtype=pl.Boolean).alias("is_hit")
        nobody = pl.lit(value=False).alias("is_hit")
        for kind, begin, is_hit in (("lived", start, hit), ("calm", start - _CALM * _MINUTE_MS, nobody)):
            looks = [
                seen(own.with_columns(is_hit), stalls, begin),
                seen(others.with_columns(is_hit), stalls, begin, views=third),
            ]
            yield _labelled(pl.concat(looks), spec.id, kind, next(iter(spec.scope)), spec.severity)
        region = next(site for site, inside in is_in.items() if inside)
        for nth in range(_LAID_A_DAY):
            yield _laid_over(scenario, places, own, stalls, day, nth, int(places.site_region[region]))


def _laid_over(
    scenario: Scenario, places: Places, own: pl.DataFrame, stalls: pl.DataFrame, day: int, nth: int, but: int
) -> pl.DataFrame:
    """The looks at a fault of what serves one viewer, in another region than ``but``."""
    seed, entity = scenario.seed, np.int64(1_000 + day * _LAID_A_DAY + nth)
    u = uniforms(seed, entity, np.arange(5), Stream.INCIDENT_DRAW)
    level = ("appliance", "site", "isp")[int(u[0] * 3)]
    share = _STALLING[0] + (_STALLING[1] - _STALLING[0]) * float(u[1])
    elsewhere = np.flatnonzero(places.site_region != but)
    site = int(elsewhere[int(u[2] * elsewhere.size)])
    start = _evening_ts_ms(scenario, places, day, site, float(u[3]))
    end = start + _MINUTES * _MINUTE_MS
    here = own.filter(
        pl.col("from_ms") < start, pl.col("to_ms") > start, pl.col("true_site").is_in(elsewhere.tolist())
    ).sort("session_id")
    value = here[level][int(u[4] * here.height)]
    reached = own.with_columns(is_hit=(pl.col(level) == value).fill_null(value=False))
    those = reached.filter("is_hit", pl.col("from_ms") < end, pl.col("to_ms") > start).sort("session_id")
    waits = exponentials(
        seed, np.arange(those.height) + 1_000_000 * entity, np.int64(0), Stream.INCIDENT_DRAW
    )
    mean_ms = 30 * _MINUTE_MS / -np.log1p(-share)
    begins = those.select(
        "session_id",
        "to_ms",
        (pl.max_horizontal("from_ms", pl.lit(start)) + pl.Series(waits * mean_ms).cast(pl.Int64)).alias(
            "from_ms"
        ),
    ).filter(pl.col("from_ms") < pl.min_horizontal("to_ms", pl.lit(end)))
    further = begins.select("session_id", "from_ms", (pl.col("from_ms") + _STALL_MS).alias("to_ms"))
    found = seen(reached, pl.concat([stalls, further]), start)
    return _labelled(found, f"fault-{day}-{nth}", "laid over", level, share)


def _labelled(looks: pl.DataFrame, name: str, kind: str, level: str, severity: float) -> pl.DataFrame:
    labels = {"incident_id": name, "kind": kind, "level": level, "severity": severity}
    return looks.select(*(pl.lit(value).alias(key) for key, value in labels.items()), pl.all())


def incident_world(seed: int, *, panel: int, days: int) -> Scenario:
    """Three regions of ten sites, half of the members on a third-party CDN, and an incident every evening but the
    first: place, severity and hour drawn by ``seed``."""
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
    """One evening's incident, at a site or its ISP; a place is drawn by its members, as an incident is noticed."""
    u = uniforms(seed, np.int64(day), np.arange(4), Stream.INCIDENT_DRAW)
    regions = np.array([region.member_share for region in scenario.region.values()])
    size = np.cumsum(regions[places.site_region] * places.site_share)
    site = min(int(np.searchsorted(size, u[0] * size[-1])), size.size - 1)
    level = ("site", "isp")[int(u[1] * 2)]
    name = places.sites[site] if level == "site" else places.isps[places.site_isp[site]]
    return IncidentSpec(
        id=f"congestion-{day}",
        kind="access_congestion",
        start=datetime.fromtimestamp(_evening_ts_ms(scenario, places, day, site, float(u[2])) / 1000, UTC),
        minutes=_MINUTES,
        ramp_minutes=0,
        severity=round(_LOST[0] + (_LOST[1] - _LOST[0]) * float(u[3]), 2),
        scope={level: name},
    )


def _evening_ts_ms(scenario: Scenario, places: Places, day: int, site: int, u: float) -> int:
    """An instant of the site's evening."""
    hour = _EVENING[0] + u * (_EVENING[1] - _EVENING[0])
    minute = round(hour * 60 - int(places.utc_offset_ms[site]) / _MINUTE_MS) % _DAY
    return scenario.start_ts_ms + (day * _DAY + minute) * _MINUTE_MS
