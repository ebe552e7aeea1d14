"""What experiments on discovery truly do, kept for the page of arms: the same members lived through both worlds.

Only the composer sees both; a page reads the figures and no truth table.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from metrics.intervals import CONFIDENCE, jackknife
from metrics.lake import Lake
from metrics.truth import discovery

__all__ = ["ARTEFACT", "publish", "true_lifts"]

ARTEFACT = "experiments.json"

# Metrics of the catalogue as quotients of what both worlds were counted by.
_QUOTIENTS: Mapping[str, tuple[str, str]] = {
    "hours_per_member_day": ("playing_ms", "member_days"),
    "plays_per_member_day": ("plays", "member_days"),
    "rec_driven_hours_ratio": ("rec_playing_ms", "playing_ms"),
    "take_rate": ("home_plays", "home_looks"),
    "search_success_ratio": ("search_plays", "searches"),
    "monthly_churn_ratio": ("churned", "member_days"),
}


def true_lifts(truth: pl.DataFrame) -> list[dict[str, Any]]:
    """The lift of turning each experiment's switch for everyone, from rows of ``truth_discovery``, with 90 % intervals.

    A row an experiment and metric: ``experiment, metric, lift, low, high``; the lift is the treatment's quotient over
    the control's less 1, null where the control's is 0. Intervals are a jackknife over groups of members, who are the
    same in both worlds.
    """
    sums = sorted({name for quotient in _QUOTIENTS.values() for name in quotient})
    exact = [pl.col(name).cast(pl.Float64).sum() for name in sums]
    groups = truth.group_by("experiment", "world", "replicate").agg(exact)
    whole = groups.group_by("experiment", "world").agg(pl.col(sums).sum())
    rest = groups.join(whole, on=["experiment", "world"], suffix="_whole").select(
        "experiment",
        "world",
        "replicate",
        *((pl.col(f"{name}_whole") - pl.col(name)).alias(name) for name in sums),
    )
    rows = []
    for metric, (above, below) in _QUOTIENTS.items():
        values, deleted = (
            _lift(frame, above, below, keys) for frame, keys in ((whole, []), (rest, ["replicate"]))
        )
        bounds = jackknife(values, deleted, ["experiment"], is_share=False, is_signed=True)
        found = values.join(bounds, on="experiment").sort("experiment")
        rows += [{"metric": metric, **row} for row in found.rename({"value": "lift"}).iter_rows(named=True)]
    return rows


def publish(lake: Lake) -> bool:
    """Keep the true lifts as ``experiments.json``; False where they were taken at this version of the lake already."""
    version = lake.version()
    path = lake.artefact(ARTEFACT)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if json.loads(path.read_text(encoding="utf-8"))["lake_version"] == version:
            return False
    lifts = true_lifts(discovery(lake).collect())
    said = {"lake_version": version, "confidence": CONFIDENCE, "lifts": lifts}
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return True


def _lift(frame: pl.DataFrame, above: str, below: str, keys: list[str]) -> pl.DataFrame:
    """``experiment, keys, value``."""
    ratio = pl.when(pl.col(below) > 0).then(pl.col(above) / pl.col(below))
    worlds = frame.select("experiment", "world", *keys, ratio=ratio)
    control, treatment = (worlds.filter(world=world).drop("world") for world in ("control", "treatment"))
    both = treatment.join(control, on=["experiment", *keys], suffix="_control")
    lift = pl.when(pl.col("ratio_control") > 0).then(pl.col("ratio") / pl.col("ratio_control") - 1)
    return both.select("experiment", *keys, value=lift)
