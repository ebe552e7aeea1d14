"""How often an experiment's interval holds where nothing was done: arms drawn anew, over and over, in one lake.

Two fortnights in which no experiment runs: the first is what arms were apart before, the second what an experiment
would have seen. Every difference is chance, so the true effect is 0 in every draw.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.before import constant
from metrics.errors import InputError
from metrics.lake import Lake
from metrics.period import DAY_MS
from metrics.telemetry import REPLICATES

__all__ = ["redrawn"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Days of the shipped quarter between its experiments.
FIRST_DAY, SPLIT_DAY, END_DAY = 35, 49, 63
DRAWS, SHARES = 400, (0.1, 0.2, 0.5)
QUOTIENTS = {
    "watch_hours_per_subscriber_month": ("hours", "member_days"),
    "rebuffer_rate": ("stalled", "starts"),
    "gigabytes_per_hour": ("gigabytes", "hours"),
}


def redrawn(lake: Lake, draws: int = DRAWS, seed: int = 0) -> pl.DataFrame:
    """``share, metric, held, held_as_it_is, width`` by share in treatment and metric.

    In which share of draws the 90 % interval holds 0, adjusted and as it is; the adjusted one's width over the other's.
    """
    group, sums = _sums_of_members(lake)
    random = np.random.default_rng(seed)
    rows = []
    for share in SHARES:
        found: dict[str, list[tuple[bool, bool, float]]] = {metric: [] for metric in QUOTIENTS}
        for _ in range(draws):
            is_treated = random.random(group.size) < share
            for metric, quotient in QUOTIENTS.items():
                before, within = (_difference(sums[n], group, is_treated, *quotient) for n in (0, 1))
                nothing = np.full(1 + REPLICATES, np.nan)
                _, low, high, _ = constant(within, before)
                _, raw_low, raw_high, _ = constant(within, nothing)
                if low is None or high is None or raw_low is None or raw_high is None:
                    raise InputError(f"{metric} has no interval: the lake is too small to be drawn into arms")
                held = low <= 0 <= high, raw_low <= 0 <= raw_high
                found[metric].append((*held, (high - low) / (raw_high - raw_low)))
        rows += [
            (share, metric, *np.mean(np.array(each, np.float64), axis=0)) for metric, each in found.items()
        ]
    return pl.DataFrame(rows, schema=["share", "metric", "held", "held_as_it_is", "width"], orient="row")


def _sums_of_members(lake: Lake) -> tuple[Ints, list[dict[str, Floats]]]:
    """[members] the jackknife group, and of each fortnight [members] weighted sums."""
    sessions, membership = lake.scan("playback_session"), lake.scan("membership")
    first = membership.select(pl.col("ts_ms").min()).collect().item()

    def fortnight(clock: str) -> pl.Expr:
        day = (pl.col(clock) - first) // DAY_MS
        is_first = day.is_between(FIRST_DAY, SPLIT_DAY, closed="left")
        return pl.when(is_first).then(0).when(day.is_between(SPLIT_DAY, END_DAY, closed="left")).then(1)

    weight = pl.col("weight").cast(pl.Float64)
    started = pl.col("startup_ms").is_not_null()
    size = pl.sum_horizontal("edge_bytes", "storage_bytes", "third_party_bytes")
    played = sessions.filter(pl.col("excluded_reason").is_null()).group_by(
        "subscriber_id", "replicate", fortnight=fortnight("start_ts_ms")
    ).agg(
        hours=(weight * pl.col("playing_ms")).sum() / 3.6e6,
        starts=(weight * started).sum(),
        stalled=(weight * (started & (pl.col("stall_count") > 0))).sum(),
        gigabytes=(weight * size).sum() / 1e9,
    )  # fmt: skip
    paying = membership.filter(pl.col("status") == "paying").group_by(
        "subscriber_id", "replicate", fortnight=fortnight("ts_ms")
    ).agg(member_days=weight.sum())  # fmt: skip
    keys = ["subscriber_id", "replicate", "fortnight"]
    both = played.join(paying, on=keys, how="full", coalesce=True).filter(pl.col("fortnight").is_not_null())
    rows = both.fill_null(0).sort("subscriber_id").collect(engine="streaming")
    who = rows["subscriber_id"].rle_id().to_numpy()
    group = np.zeros(who[-1] + 1, np.int64)
    group[who] = rows["replicate"].to_numpy()
    names = sorted({name for quotient in QUOTIENTS.values() for name in quotient})
    sums: list[dict[str, Floats]] = []
    for n in (0, 1):
        of = (rows["fortnight"] == n).to_numpy()
        counted = {name: np.bincount(who[of], rows[name].to_numpy()[of], group.size) for name in names}
        sums.append({name: np.asarray(values, np.float64) for name, values in counted.items()})
    return group, sums


def _difference(
    sums: dict[str, Floats], group: Ints, is_treated: NDArray[np.bool_], above: str, below: str
) -> Floats:
    """[1 + 32] of a quotient, treatment less control; and without each group."""
    arms = []
    for arm in (is_treated, ~is_treated):
        top, bottom = (np.bincount(group[arm], sums[name][arm], REPLICATES) for name in (above, below))
        whole, rest = top.sum() / bottom.sum(), (top.sum() - top) / (bottom.sum() - bottom)
        arms.append(np.concatenate([[whole], rest]))
    return np.asarray(arms[0] - arms[1])
