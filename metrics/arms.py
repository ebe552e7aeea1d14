"""Which arm of an experiment a row belongs to: the table ``assignment`` joined to rows of members.

A member is analysed in the arm they were assigned to, whatever they then got of it (intention to treat), and from
the assignment on: what they did before it belongs to no arm.
"""

from __future__ import annotations

from shlex import quote
from typing import Any

import narwhals as nw

from metrics.errors import InputError, did_you_mean

__all__ = ["experiment_of", "holdout_of", "with_arms"]

_TOLD = ("experiment", "arm", "is_holdout")


def experiment_of(assignments: nw.LazyFrame[Any], asked: str | None = None) -> str:
    """The experiment of that name, or the only one there is.

    Raises :class:`~metrics.errors.InputError` where there is none, or more than one and none is asked for.
    """
    found = _names(assignments)
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


def holdout_of(assignments: nw.LazyFrame[Any]) -> str | None:
    """The experiment that has a holdout; None where there is none, or several to choose from."""
    found = _names(assignments.filter(nw.col("is_holdout")))
    return found[0] if len(found) == 1 else None


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


def _names(assignments: nw.LazyFrame[Any]) -> list[str]:
    found = assignments.select("experiment").unique().collect("polars")["experiment"]
    return sorted(found.to_list())
