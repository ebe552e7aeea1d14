"""Members' weeks and how long they stay, from memberships and sessions.

An exposure is of the seven days before the week it stands in, so that nobody watches less because they have already
left. Members who were there before the first day told join the risk set at the tenure they then had (left truncation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from scipy import stats

from metrics.errors import InputError, did_you_mean

__all__ = ["COHORTS", "CONFOUNDERS", "EXPOSURES", "member_weeks", "survival"]

EXPOSURES: Mapping[str, float] = {
    "stalled_percent": 1.0,  # of watched time
    "startup_s": 1.0,  # mean over started plays
    "hours_per_day": 1.0,
    "rec_driven_share": 0.1,  # of playing time
}
"""What a week may have been like, and the step a hazard ratio is of."""

CONFOUNDERS = ("is_idle", "plan", "region")
COHORTS = ("region", "country", "isp", "plan")
TENURES = (7, 14, 30, 60, 90, 180, 365)
_WEEK_MS, _HOUR_MS, _DAYS = 7 * 86_400_000, 3_600_000, 7
_LEAST_AT_RISK = 50  # below it the product-limit estimate is a few members' luck


def member_weeks(membership: pl.LazyFrame, sessions: pl.LazyFrame) -> pl.DataFrame:
    """A row a member and week but the first: ``subscriber_id, week, start, stop`` (tenure, days), ``is_event``,
    cohorts, the exposures of the week before, and ``is_idle`` (nothing played in it: others' mean).

    Raises :class:`~metrics.errors.InputError` where fewer than two weeks are told.
    """
    days = membership.filter((pl.col("status") != "lapsed") | pl.col("is_churned"))
    first = days.select(pl.col("ts_ms").min()).collect().item()
    if first is None:
        raise InputError("no membership", mend="fill the table `membership`")
    week = ((pl.col("ts_ms") - first) // _WEEK_MS).alias("week")
    weeks = days.group_by("subscriber_id", week).agg(
        pl.col("tenure_days").min().alias("start"),
        (pl.col("tenure_days").max() + 1).alias("stop"),
        pl.col("is_churned").any().alias("is_event"),
        *(pl.col(name).drop_nulls().first() for name in COHORTS),
    )
    watched, started = pl.col("watched_ms").sum(), pl.col("startup_ms").mean()
    before = (
        sessions.filter(pl.col("excluded_reason").is_null() & pl.col("subscriber_id").is_not_null())
        .group_by("subscriber_id", ((pl.col("start_ts_ms") - first) // _WEEK_MS + 1).alias("week"))
        .agg(
            (100 * pl.col("stall_ms").sum() / pl.when(watched > 0).then(watched)).alias("stalled_percent"),
            (started / 1000).alias("startup_s"),
            (pl.col("playing_ms").sum() / _HOUR_MS / _DAYS).alias("hours_per_day"),
            (
                pl.col("playing_ms").filter(pl.col("is_rec_driven")).sum()
                / pl.when(pl.col("playing_ms").sum() > 0).then(pl.col("playing_ms").sum())
            ).alias("rec_driven_share"),
        )
    )
    found = (
        weeks.filter(pl.col("week") > 0)
        .join(before, on=["subscriber_id", "week"], how="left")
        .with_columns(
            pl.col("hours_per_day").is_null().cast(pl.Float64).alias("is_idle"),
            pl.col("hours_per_day").fill_null(0.0),
            *(pl.col(name).fill_null("unknown") for name in COHORTS),
        )
        .collect()
    )
    if found.is_empty():
        raise InputError("fewer than two weeks of memberships", mend="give a longer period")
    unknown = [name for name in EXPOSURES if name != "hours_per_day"]
    return found.with_columns(
        pl.col(name).cast(pl.Float64).fill_null(pl.col(name).mean()).fill_null(0.0) for name in unknown
    ).sort("week", "subscriber_id")


def survival(membership: pl.LazyFrame, by: str, tenures: Sequence[int] = TENURES) -> pl.DataFrame:
    """The share of a cohort still a member at each tenure: ``cohort, tenure_days, value, low, high, at_risk``.

    The product-limit estimate with members entering at the tenure first told; 95 % intervals by Greenwood on the
    log-log scale. Tenures that fewer than 50 members were followed to are left out, and so is what comes after a day at
    which fewer than 50 were.
    """
    if by not in COHORTS:
        raise InputError(f"no cohort {by!r}", where="--by", mend=did_you_mean(by, COHORTS))
    days = membership.filter((pl.col("status") != "lapsed") | pl.col("is_churned")).sort("ts_ms")
    members = (
        days.group_by("subscriber_id")
        .agg(
            pl.col(by).drop_nulls().first().fill_null("unknown").alias("cohort"),
            pl.col("tenure_days").first().alias("entry"),
            (pl.col("tenure_days").max() + 1).alias("stop"),
            pl.col("is_churned").any().alias("is_event"),
        )
        .filter(pl.col("stop") > pl.col("entry"))
        .collect()
    )
    rows = []
    for (cohort,), part in sorted(members.partition_by("cohort", as_dict=True).items()):
        rows += [{"cohort": cohort, **point} for point in _curve(part, tenures)]
    floats = dict.fromkeys(("value", "low", "high"), pl.Float64())
    whole = dict.fromkeys(("tenure_days", "at_risk"), pl.Int64())
    order = {
        "cohort": pl.String(),
        "tenure_days": whole["tenure_days"],
        **floats,
        "at_risk": whole["at_risk"],
    }
    return pl.DataFrame(rows, schema=order)


def _curve(members: pl.DataFrame, tenures: Sequence[int]) -> list[dict[str, float | int | None]]:
    entry, stop = (np.sort(members[name].to_numpy()) for name in ("entry", "stop"))
    leaving = members.filter("is_event")["stop"].to_numpy()
    days, leavers = np.unique(leaving, return_counts=True)

    def at_risk(
        day: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.searchsorted(entry, day, side="left") - np.searchsorted(stop, day, side="left")

    risk = at_risk(days)
    points: list[dict[str, float | int | None]] = []
    for tenure in tenures:
        told = days <= tenure
        here = int(at_risk(np.array([tenure]))[0])
        if here < _LEAST_AT_RISK or (risk[told] < _LEAST_AT_RISK).any():
            break
        value = float(np.prod(1 - leavers[told] / risk[told]))
        low = high = None
        if 0 < value < 1:
            greenwood = float(np.sum(leavers[told] / (risk[told] * (risk[told] - leavers[told]))))
            reach = float(stats.norm.ppf(0.975)) * np.sqrt(greenwood) / abs(np.log(value))
            low, high = float(value ** np.exp(reach)), float(value ** np.exp(-reach))
        points.append({"tenure_days": tenure, "value": value, "low": low, "high": high, "at_risk": here})
    return points
