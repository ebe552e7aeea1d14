"""``python -m benchmarks.surges``: what the capacity model foresees of a surge, against surges emulated afterwards.

Nothing is chosen after looking. For each seed a day is emulated and the capacity model is asked, region by region, at
how many streams the first edge fills. Its 5 %, 50 % and 95 % quantiles are the sizes of three further worlds, each
with a surge in every region at once, at the hour of the region's evening peak. Where intervals are honest, an edge is
full in 5 % of regions in the first world, in half in the second and in 95 % in the third.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import beta

from cost_model.capacity import Capacity, capacity
from cost_model.rates import load
from metrics.lake import Lake
from playhead.capacity import standing
from synthetic import emulator
from synthetic.demand import local_peak_ratio
from synthetic.places import make_places
from synthetic.scenario import IncidentSpec, Scenario, load_scenario

__all__ = ["surges"]

_FORESEEN = {"low": ("5 % quantile", 0.05), "median": ("median", 0.5), "high": ("95 % quantile", 0.95)}
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
MINUTES, RAMP_MINUTES = 90, 10
_TABLES = ("appliance_health", "playback_session", "membership", "fill", "control_request")


def main() -> None:
    """Foresee, emulate, and print who was right."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, nargs="+", default=[7_101, 7_102, 7_103])
    options.add_argument("--panel", type=int, default=200)
    given = options.parse_args()
    rows = pl.DataFrame([row for seed in given.seeds for row in surges(seed, given.panel)])
    print(_page(rows, given.seeds))


def surges(seed: int, panel: int) -> Iterator[dict[str, Any]]:
    """A row a level and region: the surge as a share of members, sites and full sites, exchanges, and the order."""
    base = load_scenario(None, panel=panel, days=2, titles=1_000, seed=seed)
    second_ms = base.start_ts_ms + DAY_MS
    (quiet,) = emulator.run(base.model_copy(update={"incident": ()}), partitions=1)
    foreseen = _foreseen(quiet.tables, second_ms)
    evenings = {region: _evening(base, region, second_ms) for region in foreseen}

    def size(region: str, level: str) -> float:
        """Members who must come at once for as many streams as the model names."""
        found, members = foreseen[region]
        regular = found.standing.concurrent.median * evenings[region][1]
        return float((_edge(found)["breaks_at_concurrent"][level] - regular) / members)

    for level in _FORESEEN:
        specs = tuple(
            _surge(region, evenings[region][0], share)
            for region in foreseen
            if 0 < (share := size(region, level)) < 1
        )
        (world,) = emulator.run(base.model_copy(update={"incident": specs}), partitions=1)
        print(f"seed {seed}, {level}: {len(specs)} surges", file=sys.stderr, flush=True)
        for region, (found, _) in foreseen.items():
            yield {"seed": seed, "level": level, "region": region} | _outcome(
                world.tables["appliance_health"], second_ms, region, found, size(region, level)
            )


def _foreseen(tables: dict[str, pl.DataFrame], end_ms: int) -> dict[str, tuple[Capacity, float]]:
    """By region: the capacity model on the first day's telemetry alone, and members."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(Path(folder) / "lake")
        for name in _TABLES:
            clock = "end_ts_ms" if name == "playback_session" else "ts_ms"
            lake.append(name, tables[name].filter(pl.col(clock) < end_ms), application="surges", version=0)
        weights = lake.scan("membership").group_by("region").agg(pl.col("weight").sum()).sort("region")
        found = {}
        for region, members in weights.collect().iter_rows():
            stands = standing(lake, load(), region=region)
            found[region] = capacity(stands, stands.concurrent.median), float(members)
    return found


def _evening(scenario: Scenario, region: str, day_ms: int) -> tuple[int, float]:
    """When it is evening where most of the region's members are on that day, and the region's streams at that time.

    Streams as a share of its places' peaks together: in other time zones it is another hour.
    """
    places = make_places(scenario)
    sites = np.flatnonzero(places.site_region == places.regions.index(region))
    offsets, at = np.unique(places.utc_offset_ms[sites], return_inverse=True)
    offset = offsets[np.bincount(at, places.site_share[sites]).argmax()]
    local = int(np.argmax(scenario.demand.diurnal))
    start_ms = day_ms + int((local - offset // HOUR_MS) % 24) * HOUR_MS
    ratio = local_peak_ratio(scenario, places, sites, np.full(sites.size, start_ms))
    return start_ms, float((ratio * places.site_share[sites]).sum())


def _edge(found: Capacity) -> dict[str, Any]:
    return next(row for row in found.rows if row["resource"] == "edge egress")


def _surge(region: str, start_ms: int, share: float) -> IncidentSpec:
    return IncidentSpec(
        id=f"surge-{region}", kind="live_surge", start=datetime.fromtimestamp(start_ms / 1000, UTC), minutes=MINUTES,
        ramp_minutes=RAMP_MINUTES, severity=share, scope={"region": region},
    )  # fmt: skip


def _outcome(health: pl.DataFrame, day_ms: int, region: str, found: Capacity, share: float) -> dict[str, Any]:
    """What was full on the day of the surge, and how well the order of the places was foreseen (0.5 is chance)."""
    day = health.filter(pl.col("region") == region, pl.col("ts_ms") == day_ms)
    full = {
        tier: set(day.filter(pl.col("tier") == tier, pl.col("status") == "saturated")["site"])
        for tier in ("edge", "storage")
    }
    order = [place["place"] for place in found.places if place["resource"] == "edge egress"]
    hit = [rank for rank, place in enumerate(order) if place in full["edge"]]
    spared = [rank for rank, place in enumerate(order) if place not in full["edge"]]
    pairs = len(hit) * len(spared)
    return {
        "surge_ratio": share,
        "sites": len(order),
        "full_sites": len(hit),
        "is_exchange_full": bool(full["storage"]),
        "in_order": sum(a < b for a in hit for b in spared) / pairs if pairs else None,
    }


def _page(rows: pl.DataFrame, seeds: Sequence[int]) -> str:
    lines = [
        f"{rows['region'].n_unique()} regions, seeds {', '.join(map(str, seeds))}.",
        "",
        "| surge | regions with a full edge | 90 % interval of that | foreseen | sites full | exchanges full in |",
        "|---|---|---|---|---|---|",
    ]
    for level, (words, foreseen) in _FORESEEN.items():
        here = rows.filter(pl.col("level") == level)
        hit, n = int((here["full_sites"] > 0).sum()), here.height
        low = beta.ppf(0.05, hit, n - hit + 1) if hit else 0.0
        high = beta.ppf(0.95, hit + 1, n - hit) if hit < n else 1.0
        lines.append(
            f"| {words} | {hit} of {n} | {100 * low:.0f} to {100 * high:.0f} % | {foreseen:.0%} | "
            f"{here['full_sites'].sum()} of {here['sites'].sum()} | {int(here['is_exchange_full'].sum())} |"
        )
    order = rows["in_order"].drop_nulls().to_numpy()
    if order.size:
        lines += [
            "",
            f"Of pairs of a full and a spared site, the full one was foreseen first in {order.mean():.2f} (mean of "
            f"{order.size} surges, lowest {order.min():.2f}; by chance 0.5).",
        ]
    lines += ["", "| seed | region | surge | share of members | full sites |", "|---|---|---|---|---|"]
    for row in rows.sort("seed", "region", "surge_ratio").iter_rows(named=True):
        cells = (row["seed"], row["region"], _FORESEEN[row["level"]][0], f"{row['surge_ratio']:.3f}")
        lines.append(f"| {' | '.join(map(str, cells))} | {row['full_sites']} of {row['sites']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
