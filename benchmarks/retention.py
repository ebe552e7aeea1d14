"""Whether a planted hazard of leaving is recovered under confounding, and whether what cannot be told is flagged.

Members in worse regions stall more and leave more; the keen watch more, stall less and leave less. The crude hazard
ratio mixes all that; the truth is what was planted on stalls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import Row
from metrics.hazards import hazard_ratios

__all__ = ["KINDS", "flagged", "judge", "population", "recovered", "rows"]

REPLICATES, MEMBERS, WEEKS, SEED = 200, 1_500, 9, 20_260_402
PLANTED = 0.3  # log hazard ratio of one more unit of stalls

_Array = np.ndarray[Any, Any]


def rows() -> list[Row]:
    """The planted hazard, then each kind of population that cannot tell it."""
    found = recovered()
    told = found.filter("is_identified")
    bias, mixed = (f"{np.mean(told[each].to_numpy()):+.1%}" for each in ("bias", "crude_bias"))
    table = [
        Row("a planted hazard of stalls, mean bias of its logarithm", bias, "without confounders", mixed),
        Row(
            "a planted hazard of stalls, 95 % interval holds",
            f"{np.mean(told['is_held'].to_numpy()):.1%}",
            "promised",
            "92 to 98 %",
        ),
        Row(
            "a planted hazard of stalls, wrongly flagged",
            f"{1 - told.height / found.height:.1%}",
            "promised",
            "none",
        ),
    ]
    return table + [
        Row(f"not identifiable, {kind}: flagged", f"{np.mean(flagged(kind)):.1%}", "promised", "95 %")
        for kind in KINDS
    ]


def recovered(replicates: int = REPLICATES) -> pl.DataFrame:
    """A row a confounded population with a planted hazard: ``is_identified``, the relative ``bias`` of its logarithm
    and ``crude_bias`` (without confounders), and whether the 95 % interval ``is_held``."""
    found = []
    for replicate in range(replicates):
        row = judge(population(np.random.default_rng([SEED, replicate])), "stalls")
        known = row["is_identified"]
        bias, crude = (
            float(np.log(row[name])) / PLANTED - 1 if known else None for name in ("hazard_ratio", "crude")
        )
        is_held = row["low"] <= np.exp(PLANTED) <= row["high"] if known else None
        found.append((known, bias, crude, is_held))
    schema = {
        "is_identified": pl.Boolean,
        "bias": pl.Float64,
        "crude_bias": pl.Float64,
        "is_held": pl.Boolean,
    }
    return pl.DataFrame(found, schema, orient="row")


def flagged(kind: str, replicates: int = REPLICATES) -> list[bool]:
    """Whether each population of a kind that cannot tell the hazard is said to be one."""
    told = []
    for replicate in range(replicates):
        rng = np.random.default_rng([SEED, 1_000 + replicate])
        told.append(not judge(KINDS[kind](population(rng), rng), "exposure")["is_identified"])
    return told


def population(
    rng: np.random.Generator, *, members: int = MEMBERS, weeks: int = WEEKS, planted: float = PLANTED,
    base: float = -3.2,
) -> pl.DataFrame:  # fmt: skip
    """Episodes of a week: ``start, stop, is_event, stalls, log_hours, region, week``; leaving in whole days."""
    keen, region = rng.normal(size=members), rng.choice(4, members, p=[0.4, 0.3, 0.2, 0.1])
    tenure, stays = rng.integers(0, 200, members), np.ones(members, np.bool_)
    parts = []
    for week in range(weeks):
        hours = np.exp(0.5 * keen + 0.5 * rng.normal(size=members))
        stalls = rng.gamma(1.0, 0.5, members) * np.exp(0.4 * region - 0.3 * keen)
        a_week = np.exp(base + planted * stalls - 0.6 * np.log(hours) + 0.25 * region)
        leaves = rng.exponential(7 / a_week)
        is_event = leaves < 7
        start = tenure + 7 * week
        part = pl.DataFrame(
            {
                "start": start, "stop": start + np.where(is_event, np.ceil(leaves), 7).astype(np.int64),
                "is_event": is_event, "stalls": stalls, "log_hours": np.log(hours), "region": region, "week": week,
            }
        )  # fmt: skip
        parts.append(part.filter(pl.Series(stays)))
        stays &= ~is_event
    return pl.concat(parts).with_columns(region=pl.lit("r") + pl.col("region").cast(pl.String))


def judge(episodes: pl.DataFrame, exposure: str) -> dict[str, Any]:
    return hazard_ratios(episodes, {exposure: 1.0}, ["log_hours", "region"], stratum="week").row(
        0, named=True
    )


def _constant(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    del rng
    return frame.with_columns(exposure=pl.lit(1.0))


def _few(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    kept = rng.random(frame.height) < 0.03
    return frame.with_columns(exposure="stalls", is_event=pl.col("is_event") & pl.Series(kept))


def _collinear(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    noise = pl.Series(0.15 * rng.normal(size=frame.height))
    return frame.with_columns(exposure=pl.col("log_hours") + noise)


def _one_region(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    slip = pl.Series(rng.random(frame.height) < 0.002)
    return frame.with_columns(exposure=(pl.col("region").is_in(["r2", "r3"]) ^ slip).cast(pl.Float64))


def _only_exposed(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    own = pl.Series(rng.random(frame.height) < 0.3)
    return frame.with_columns(exposure=(pl.col("is_event") | own).cast(pl.Float64))


def _one_end(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    own = pl.Series(rng.random(frame.height))
    return frame.with_columns(exposure=own + pl.col("is_event"))


KINDS = {
    "an exposure that does not vary": _constant,
    "a few events": _few,
    "an exposure that is a confounder and noise": _collinear,
    "an exposure of two regions alone": _one_region,
    "only the exposed leave": _only_exposed,
    "only those at one end of the exposure leave": _one_end,
}
