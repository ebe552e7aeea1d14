"""Which arm of an experiment a row belongs to: the table ``assignment`` joined to rows of members.

A member is analysed in the arm they were assigned to, whatever they then got of it (intention to treat), and from
the assignment on: what they did before it belongs to no arm.
"""

from __future__ import annotations

from shlex import quote
from typing import Any

import narwhals as nw
import polars as pl

from metrics.errors import InputError, did_you_mean
from metrics.metric import Metric
from metrics.parts import has_arms

__all__ = ["HEADLINE", "arms_of", "comparable", "experiment_of", "holdout_of", "in_time", "with_arms"]

HEADLINE = (
    "hours_per_member_day", "plays_per_member_day", "rec_driven_hours_ratio", "take_rate", "time_to_find_p50_ms",
    "browse_abandonment_ratio", "search_success_ratio", "search_to_home_transfer_ratio", "effective_catalogue_size",
    "first_week_genres", "first_session_success_ratio", "trial_to_paid_ratio", "monthly_churn_ratio",
    "time_to_play_bad_ratio", "rebuffer_rate",
)  # fmt: skip
"""What an experiment is read by where no metric is named."""

_TOLD = ("experiment", "arm", "is_holdout")


def comparable(metric: Metric) -> bool:
    """Whether arms can be compared on it: of members' rows on both sides, and no total that grows with the arm."""
    return metric.kind not in ("total", "incremental") and all(
        has_arms(part.table) and part.is_sliced for part in metric.parts
    )


def arms_of(assignments: nw.LazyFrame[Any]) -> pl.DataFrame:
    """Arms, control first: ``experiment, arm, is_control, is_holdout, members, from_ts_ms, until_ts_ms``.

    ``assignments``: rows of that table; a member assigned twice counts in both, as the table has it.
    """
    found: pl.DataFrame = (
        assignments.lazy()
        .group_by("experiment", "arm", "is_control")
        .agg(
            nw.col("is_holdout").any(),
            members=nw.col("subscriber_id").n_unique(),
            from_ts_ms=nw.col("assigned_ts_ms").min(),
            until_ts_ms=nw.col("until_ts_ms").max(),
        )
        .collect("polars")
        .to_native()
    )
    return found.sort("experiment", ~pl.col("is_control"), "arm")


def experiment_of(arms: pl.DataFrame, asked: str | None = None) -> str:
    """The experiment of that name, or the only one there is, of :func:`arms_of`.

    Raises :class:`~metrics.errors.InputError` where there is none, or more than one and none is asked for.
    """
    found = _names(arms)
    if not found:
        raise InputError("no experiment: nobody is assigned to an arm", mend="fill the table `assignment`")
    if asked is not None and asked not in found:
        raise InputError(f"no experiment {asked!r}", mend=did_you_mean(asked, found))
    if asked is None and len(found) > 1:
        what, mend = (
            f"{len(found)} experiments: {', '.join(found)}",
            f"choose one: --where {quote(f'experiment={found[0]}')}, or playhead experiment {quote(found[0])}",
        )
        raise InputError(what, mend=mend)
    return asked if asked is not None else found[0]


def holdout_of(arms: pl.DataFrame) -> str | None:
    """The experiment that has a holdout; None where there is none, or several to choose from."""
    found = _names(arms.filter("is_holdout"))
    return found[0] if len(found) == 1 else None


def in_time(rows: nw.LazyFrame[Any], arms: pl.DataFrame, experiment: str, clock: str) -> nw.LazyFrame[Any]:
    """``rows`` less those that are outside of an experiment of :func:`arms_of` by their ``clock`` alone."""
    of_it = arms.filter(experiment=experiment)
    start, end = of_it["from_ts_ms"].min(), of_it["until_ts_ms"].max()
    rows = rows.filter(nw.col(clock) >= start)
    return rows if of_it["until_ts_ms"].null_count() else rows.filter(nw.col(clock) < end)


def with_arms(
    rows: nw.LazyFrame[Any], assignments: nw.LazyFrame[Any], experiment: str, clock: str
) -> nw.LazyFrame[Any]:
    """``rows`` with ``experiment``, ``arm`` and ``is_holdout``; null where a row is outside of it by its ``clock``."""
    columns = (*_TOLD, "assigned_ts_ms", "until_ts_ms")
    arms = assignments.filter(nw.col("experiment") == experiment).group_by("subscriber_id")
    once = arms.agg(nw.len().alias("_times"), **{f"_{name}": nw.col(name).min() for name in columns})
    # Who was assigned twice is in no arm: their rows would count double.
    once = once.filter(nw.col("_times") == 1)
    ended = (nw.col("_until_ts_ms") <= nw.col(clock)).fill_null(value=False)
    is_in = (nw.col("_assigned_ts_ms") <= nw.col(clock)) & ~ended
    joined = rows.join(once, on="subscriber_id", how="left")
    told = {name: nw.when(is_in).then(nw.col(f"_{name}")) for name in _TOLD}
    return joined.with_columns(**told).drop("_times", *(f"_{name}" for name in columns))


def _names(arms: pl.DataFrame) -> list[str]:
    return sorted(arms["experiment"].unique().to_list())
