"""How good alerts on the metric tree's own seasons are: ``python -m benchmarks.tree_alerts SEED…``.

A service of 8,000 subscribers over five weeks, twice on one seed: with random incidents from the third week on
(:mod:`synthetic.incident_generator`, those of the kinds below and of three quarters of an hour and more), and without
any. What an incident did is the difference between the two, hour by hour: one that took a twentieth of a slice's edge
offload away, in an hour whose cohort is judged at all, is one to find there. An alert belongs to an incident that takes
capacity or fills from that slice, when it began in it or within four hours after.

No kind moves the share of recommended plays or the cost of an hour by as much, so changes of known size are planted
into the hours of the world without incidents: one every three days, of one to six hours.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from alerts.baseline import ALERTS, Baseline, load_baselines, watch_baseline
from alerts.root_cause import group_alerts
from cost_model.rates import load as load_rates
from cost_model.usage import Quarter
from metrics.baseline import seasonal_anomalies
from metrics.lake import Lake
from metrics.query import measure
from metrics.tree import TREE
from playhead.economics import book, statement
from playhead.synthesis import synthesise
from synthetic.incident_generator import random_incidents
from synthetic.incidents import resolve_incidents
from synthetic.places import make_places
from synthetic.scenario import IncidentSpec, Scenario, load_scenario

HOUR_MS = 3_600_000
SUBSCRIBERS, DAYS, TRAINING_DAYS, DRAWN = 8_000, 35, 15, 250
KINDS = (
    "appliance_crash", "cluster_saturation", "control_plane_loss", "fill_failure", "peering_loss",
    "recommendation_outage", "auth_outage", "config_push", "live_surge",
)  # fmt: skip
# What takes edges away at once, and what else may leave less of them.
_AT_ONCE = ("appliance_crash", "cluster_saturation", "control_plane_loss")
_LATER = ("fill_failure",)
_LEAST_DROP, _LEAST_MINUTES, _APART_MS, _AFTER_MS = 0.05, 45, 4 * HOUR_MS, 4 * HOUR_MS
# Planted: points off a share, or a factor on a cost.
_PLANTED = {"rec-driven-plays": (-0.03, -0.05, -0.1, -0.2), "cost-per-stream-hour": (1.1, 1.2, 1.5, 2.0)}
_PLANTED_HOURS, _PLANTED_EVERY = (1, 2, 3, 6), 72

Hours = dict[str, pl.DataFrame]


def main(seeds: Iterable[int]) -> None:
    """Print what was found, a seed at a time."""
    for seed in seeds:
        baselines, clean, alerts, truth = _lived(seed)
        print(f"seed {seed}: {len(truth)} incidents")
        for baseline in baselines:
            if baseline.metric == "edge_offload_ratio":
                print(f"  {baseline.name}: {_found(baseline, alerts, truth)}")
        false = _watched(baselines, clean)["baseline"].value_counts().sort("baseline").rows()
        print(f"  alerts in {DAYS - TRAINING_DAYS} days without incidents: {dict(false) or 'none'}")
        print(f"  grouping: {_grouped(alerts, truth)}")
        for baseline in baselines:
            for size in _PLANTED.get(baseline.name, ()):
                print(
                    f"  {baseline.name} planted {size:+g}: {_planted(baseline, clean[baseline.name], size)}"
                )
        sys.stdout.flush()


def found(seed: int) -> tuple[list[float | None], list[bool]]:
    """Of incidents that took enough edge offload away, the minutes to the first alert of any slice (None: none came);
    and of the alerts, in the world with incidents and in that without, whether each was right."""
    baselines, clean, alerts, truth = _lived(seed)
    names = [baseline.name for baseline in baselines if baseline.metric == "edge_offload_ratio"]
    mine = alerts.filter(pl.col("baseline").is_in(names)).to_dicts()
    minutes = [
        _minutes_to(incident, mine) for incident in truth if any(incident["lost"].get(n) for n in names)
    ]
    right = [any(_belongs(alert, incident) for incident in truth) for alert in mine]
    false = _watched(baselines, clean).filter(pl.col("baseline").is_in(names)).height
    return minutes, right + [False] * false


def _lived(seed: int) -> tuple[Sequence[Baseline], Hours, pl.DataFrame, list[dict[str, Any]]]:
    """The baselines, the hours of the world without incidents, the alerts in that with them, and its truth."""
    scenario = load_scenario().model_copy(
        update={"panel": SUBSCRIBERS, "days": DAYS, "seed": seed, "experiment": ()}
    )
    specs = _incidents(scenario, seed)
    baselines = load_baselines()
    with tempfile.TemporaryDirectory() as folder:
        faulty, clean = (
            _hours(scenario.model_copy(update={"incident": given}), Path(folder) / name, baselines)
            for name, given in (("faulty", specs), ("clean", ()))
        )
    truth = [_truth(spec, scenario, baselines, faulty, clean) for spec in specs]
    return baselines, clean, _watched(baselines, faulty), truth


def _incidents(scenario: Scenario, seed: int) -> tuple[IncidentSpec, ...]:
    """Those of the kinds, apart from each other, but every sixth may meet the one before it."""
    first_ms = scenario.start_ts_ms + TRAINING_DAYS * 24 * HOUR_MS
    kept: list[IncidentSpec] = []
    for spec in random_incidents(scenario, DRAWN, seed):
        if spec.kind not in KINDS or spec.minutes < _LEAST_MINUTES or spec.start_ts_ms < first_ms:
            continue
        end_ms = kept[-1].start_ts_ms + kept[-1].minutes * 60_000 if kept else 0
        if spec.start_ts_ms - end_ms >= _APART_MS or len(kept) % 6 == 5:
            kept.append(spec)
    return tuple(kept)


def _hours(scenario: Scenario, path: Path, baselines: Sequence[Baseline]) -> Hours:
    lake = Lake.create(path)
    synthesise(scenario, lake, partitions=1)
    book(lake, statement(lake, Quarter.parse("2026Q2"), load_rates(None)))
    return {b.name: measure(lake, [b.metric], by=b.by, where=b.where, grain="1h") for b in baselines}


def _watched(baselines: Sequence[Baseline], hours: Hours) -> pl.DataFrame:
    found = [watch_baseline(b, hours[b.name], seasonal_anomalies) for b in baselines]
    return pl.concat([ALERTS.to_frame(), *found]).sort("start_ts_ms", "baseline", "slice")


def _truth(
    spec: IncidentSpec, scenario: Scenario, baselines: Sequence[Baseline], faulty: Hours, clean: Hours
) -> dict[str, Any]:
    """Where the incident may be seen, and by baseline the slices in which it took enough away."""
    places = make_places(scenario)
    (incident,) = resolve_incidents(scenario.model_copy(update={"incident": (spec,)}), places)
    columns = places.attributes(np.arange(len(places.sites)))
    inside = np.ones(len(places.sites), np.bool_)
    for key, value in incident.where.items():
        if key in columns:
            inside &= columns[key] == value
    names = {"region": places.regions, "isp": places.isps}
    reached = {by: {names[by][i] for i in np.unique(columns[by][inside]).tolist()} for by in names}
    lost: dict[str, set[str]] = {}
    for baseline in baselines:
        if spec.kind not in _AT_ONCE or baseline.metric != "edge_offload_ratio":
            continue
        (by,) = baseline.by
        both = faulty[baseline.name].join(
            clean[baseline.name].select(by, "bucket_ts_ms", usual="value"), on=[by, "bucket_ts_ms"]
        )
        lost[baseline.name] = set(
            both.filter(
                pl.col(by).is_in(list(reached[by])),
                pl.col("bucket_ts_ms") + HOUR_MS > spec.start_ts_ms,
                pl.col("bucket_ts_ms") < incident.end_ts_ms,
                pl.coalesce("n_effective", pl.col("n").cast(pl.Float64)) >= baseline.cohort_minimum,
                pl.col("usual") - pl.col("value") >= _LEAST_DROP,
            )[by].to_list()
        )
    return {
        "id": spec.id, "kind": spec.kind, "start": spec.start_ts_ms, "end": incident.end_ts_ms, "reached": reached,
        "lost": lost,
    }  # fmt: skip


def _belongs(alert: dict[str, Any], incident: dict[str, Any]) -> bool:
    return (
        incident["kind"] in (*_AT_ONCE, *_LATER)
        and alert["slice"] in incident["reached"].get(alert["dimension"], ())
        and incident["start"] < alert["start_ts_ms"] <= incident["end"] + _AFTER_MS
    )


def _found(baseline: Baseline, alerts: pl.DataFrame, truth: Sequence[dict[str, Any]]) -> str:
    mine = alerts.filter(pl.col("baseline") == baseline.name).to_dicts()
    asked = [incident for incident in truth if incident["lost"].get(baseline.name)]
    minutes = [wait for incident in asked if (wait := _minutes_to(incident, mine)) is not None]
    right = sum(any(_belongs(alert, incident) for incident in truth) for alert in mine)
    median = f", {np.median(minutes):.0f} minutes at the median" if minutes else ""
    return f"{len(minutes)} of {len(asked)} incidents found{median}; {right} of {len(mine)} alerts are of one"


def _minutes_to(incident: dict[str, Any], alerts: Sequence[dict[str, Any]]) -> float | None:
    hits = [alert["start_ts_ms"] for alert in alerts if _belongs(alert, incident)]
    return (min(hits) - incident["start"]) / 60_000 if hits else None


def _grouped(alerts: pl.DataFrame, truth: Sequence[dict[str, Any]]) -> str:
    drivers = {parent: [edge.child for edge in edges] for parent, edges in TREE.items()}
    groups = group_alerts(alerts, drivers)
    rows = alerts.to_dicts()
    several = split = 0
    for incident in truth:
        mine = [row for row in rows if _belongs(row, incident)]
        if len(mine) > 1:
            several += 1
            begun = {row["start_ts_ms"] for row in mine}
            split += groups.filter(pl.col("start_ts_ms").is_in(list(begun))).height > 1
    joined = groups.filter(pl.col("alert_count") > 1).height
    return (
        f"{alerts.height} alerts are {groups.height} incidents, {joined} of them of several alerts; "
        f"{several} emulated incidents tripped several, {split} of which are told as more than one"
    )


def _planted(baseline: Baseline, hours: pl.DataFrame, size: float) -> str:
    """Recall and hours to the alert by planted length; what fires elsewhere is counted, too."""
    said = []
    for lasts in _PLANTED_HOURS:
        # Charges go on to the end of their month, where nobody plays.
        ordered = hours.filter(pl.col("value").is_finite()).sort("bucket_ts_ms")
        row = np.arange(ordered.height)
        # Every three days, a different hour of the day each time.
        starts = np.arange(TRAINING_DAYS * 24 + 7, ordered.height - 24, _PLANTED_EVERY + 5)
        inside = ((row[:, None] >= starts) & (row[:, None] < starts + lasts)).any(axis=1)
        value = ordered["value"].cast(pl.Float64).to_numpy()
        changed = np.clip(value + size, 0, 1) if size < 0 else value * size
        faulty = ordered.with_columns(value=pl.Series(np.where(inside, changed, value)))
        begun = watch_baseline(baseline, faulty, seasonal_anomalies)["start_ts_ms"].to_numpy()
        at = ordered["bucket_ts_ms"].to_numpy()[starts]
        waits = [begun[(begun > t) & (begun <= t + (lasts + 1) * HOUR_MS)] - t for t in at]
        caught = [float(wait.min()) / HOUR_MS for wait in waits if wait.size]
        median = f" in {np.median(caught):.0f} h" if caught else ""
        said.append(f"{lasts} h {len(caught)}/{len(at)}{median}, {begun.size - len(caught)} else")
    return "; ".join(said)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]])
