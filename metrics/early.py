"""Members' first days from a start, and whether they are members long after: what a surrogate index is made of."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from metrics.errors import InputError

__all__ = ["OUTCOME", "SURROGATES", "early_and_late"]

SURROGATES: Mapping[str, str] = {
    "hours_per_day": "playing time",
    "active_days": "days on which something was played",
    "stalled_percent": "stalled share of watched time; the mean of others where nothing was watched",
    "startup_s": "mean start delay; likewise",
    "rec_driven_share": "share of playing time that a recommendation led to; likewise",
    "is_member_early": "a member after the first days",
}
OUTCOME = "is_member_late"
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000


def early_and_late(
    membership: pl.LazyFrame, sessions: pl.LazyFrame, start_ts_ms: int, *, days: int, horizon: int
) -> pl.DataFrame:
    """A row a member of the day ``start_ts_ms`` (midnight UTC): ``subscriber_id``, :data:`SURROGATES` over the first
    ``days``, and :data:`OUTCOME`, 1 where they are a member ``horizon`` days after the start; null where the lake
    does not reach so far.

    Raises :class:`~metrics.errors.InputError` where nobody is a member that day, or the lake ends too soon.
    """
    if not 1 <= days <= horizon:
        raise InputError(
            f"{days} days stand for {horizon}",
            mend="give a proxy of a day at least, no longer than the outcome",
        )
    last = membership.select(pl.col("ts_ms").max()).collect().item()
    here = membership.filter(pl.col("status") != "lapsed")
    there = here.filter(pl.col("ts_ms") == start_ts_ms).select("subscriber_id").unique().collect()
    if there.is_empty():
        raise InputError(
            "nobody is a member on the first day", mend="fill the table `membership`, or start later"
        )
    early_end = start_ts_ms + days * _DAY_MS
    if last < early_end:
        raise InputError(
            f"the lake ends within {days} days of the start", mend="start earlier, or ask for fewer days"
        )

    def at(name: str, ts_ms: int) -> pl.DataFrame:
        on = here.filter(pl.col("ts_ms") == ts_ms).select("subscriber_id").unique().collect()
        return on.with_columns(pl.lit(1.0).alias(name))

    watched, playing = pl.col("watched_ms").sum(), pl.col("playing_ms").sum()
    played = (
        sessions.filter(
            pl.col("excluded_reason").is_null(), pl.col("start_ts_ms").is_between(start_ts_ms, early_end, closed="left")
        )
        .group_by("subscriber_id")
        .agg(
            (playing / _HOUR_MS / days).alias("hours_per_day"),
            (pl.col("start_ts_ms") // _DAY_MS).filter(pl.col("playing_ms") > 0).n_unique().alias("active_days"),
            (100 * pl.col("stall_ms").sum() / pl.when(watched > 0).then(watched)).alias("stalled_percent"),
            (pl.col("startup_ms").mean() / 1000).alias("startup_s"),
            (
                pl.col("playing_ms").filter(pl.col("is_rec_driven")).sum() / pl.when(playing > 0).then(playing)
            ).alias("rec_driven_share"),
        )
        .collect()
    )  # fmt: skip
    found = there.join(played, on="subscriber_id", how="left").join(
        at("is_member_early", early_end), on="subscriber_id", how="left"
    )
    late = start_ts_ms + horizon * _DAY_MS
    if last >= late:
        found = found.join(at(OUTCOME, late), on="subscriber_id", how="left").with_columns(
            pl.col(OUTCOME).fill_null(0.0)
        )
    else:
        found = found.with_columns(pl.lit(None, pl.Float64).alias(OUTCOME))
    nothing = ("hours_per_day", "active_days", "is_member_early")
    others = [name for name in SURROGATES if name not in nothing]
    return found.with_columns(
        *(pl.col(name).cast(pl.Float64).fill_null(0.0) for name in nothing),
        *(
            pl.col(name).cast(pl.Float64).fill_nan(None).fill_null(pl.col(name).mean()).fill_null(0.0)
            for name in others
        ),
    ).sort("subscriber_id")
