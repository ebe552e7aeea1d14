"""From rows of a table to the units of each arm.

What is left out is counted, and nothing is guessed:

- a row without unit or arm, or without a number for the metric (or its denominator), is left out; a unit with no
  row left is *missing*;
- a unit seen in more than one arm is *contaminated*, and left out with all its rows;
- rows of one unit are summed; a covariate that is the same in all rows of each unit is taken once;
- an unknown covariate takes the mean of the known ones, which moves no effect, since arms are drawn without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from narwhals.typing import IntoFrame

from metrics.errors import InputError, did_you_mean

__all__ = ["Assigned", "Measured", "assigned_units", "measured", "shares_of"]

_NULLS = ("", "na", "n/a", "nan", "null", "none")
_BOOLEANS = {"true": 1.0, "false": 0.0}
_LARGEST = 1e100
_MOST_APART = 0.5  # of clusters in more than one arm: beyond it, arms were not drawn by cluster


@dataclass(frozen=True)
class Assigned:
    """Rows with ``unit`` (what was drawn: the cluster where there is one), ``row_unit`` and ``arm``; and what is not.

    ``sizes``: units by arm, control first. ``contaminated``: units in several arms. ``unassigned``: rows.
    """

    rows: pl.DataFrame
    control: str
    sizes: Mapping[str, int]
    contaminated: int
    unassigned: int


@dataclass(frozen=True)
class Measured:
    """Units of one arm: ``metric, denominator, covariate, weight`` as arrays [n], the values of single rows with the
    number of their unit, and ``missing`` units of this arm. ``weight`` is rows or units within each.
    """

    units: pl.DataFrame
    values: np.ndarray[Any, Any]
    clusters: np.ndarray[Any, Any]
    missing: int


def assigned_units(frame: IntoFrame, unit: str, arm: str, control: str, cluster: str | None) -> Assigned:
    """Who is in which arm. Raises :class:`~metrics.errors.InputError` on a missing column, arm or control."""
    rows = _polars(frame)
    for name in (unit, arm, *([cluster] if cluster else [])):
        _known(rows, name)
    drawn = cluster or unit
    told = rows.with_columns(
        pl.col(drawn).cast(pl.String).str.strip_chars().replace("", None).alias("_unit"),
        pl.col(unit).cast(pl.String).str.strip_chars().replace("", None).alias("_row_unit"),
        pl.col(arm).cast(pl.String).str.strip_chars().replace("", None).alias("_arm"),
    )
    held = told.drop_nulls(["_unit", "_row_unit", "_arm"])
    if held.is_empty():
        raise InputError(f"no row has both {unit} and {arm}", mend="give a file with rows")
    arms = sorted(held["_arm"].unique().to_list())
    if control not in arms:
        raise InputError(f"no arm {control!r} in {arm}", where="--control", mend=did_you_mean(control, arms))
    if len(arms) == 1:
        raise InputError(f"no arm besides the control {control!r} in {arm}", mend="give rows of both arms")
    times = held.group_by("_unit").agg(pl.col("_arm").n_unique().alias("_arms"))
    several = times.filter(pl.col("_arms") > 1)
    if cluster and several.height > _MOST_APART * times.height:
        raise InputError(
            f"{several.height} of {times.height} clusters have units in several arms",
            where=f"--cluster {cluster}",
            mend="name the column arms were drawn by, or leave --cluster out",
        )
    clean = held.join(several, on="_unit", how="anti")
    if clean.is_empty():
        raise InputError(f"every {drawn} is in several arms", mend="name the column of what was drawn")
    sizes = dict(clean.group_by("_arm").agg(pl.col("_unit").n_unique()).iter_rows())
    order = [control, *(name for name in arms if name != control)]
    return Assigned(
        clean,
        control,
        {name: sizes.get(name, 0) for name in order},
        several.height,
        told.height - held.height,
    )


def measured(
    assigned: Assigned, metric: str, *, denominator: str | None = None, covariate: str | None = None,
    is_clustered: bool = False,
) -> dict[str, Measured]:  # fmt: skip
    """Units of each arm, control first. Raises :class:`~metrics.errors.InputError` where a column is not of finite
    numbers, a denominator is negative, or an arm has fewer than two units.
    """
    rows = assigned.rows
    columns = {"metric": metric, "denominator": denominator, "covariate": covariate}
    rows = rows.select(
        "_unit", "_row_unit", "_arm",
        *(_numbers(rows, name).alias(role) if name else pl.lit(1.0 if role == "denominator" else 0.0).alias(role)
          for role, name in columns.items()),
    )  # fmt: skip
    below = rows["denominator"].filter(rows["denominator"] < 0).to_list()
    if below:
        raise InputError(
            f"a negative denominator, {below[0]:g}", where=denominator or "", mend="give amounts of 0 or more"
        )
    known = rows.drop_nulls(["metric", "denominator"])
    if known.is_empty():
        raise InputError("no row has a number", where=metric, mend="name a column of numbers")
    weight = pl.col("_row_unit").n_unique() if is_clustered else pl.lit(1)
    units = known.group_by("_arm", "_unit", maintain_order=True).agg(
        pl.col("metric").sum(),
        pl.col("denominator").sum(),
        _covariate(known),
        weight.cast(pl.Float64).alias("weight"),
    )
    if not denominator:
        units = units.with_columns(denominator=pl.col("weight"))
    units = units.with_columns(pl.col("covariate").fill_null(pl.col("covariate").mean()))
    if covariate and units["covariate"].null_count():
        raise InputError("no row has a number", where=covariate, mend="leave --covariate out")
    found = {}
    for name, size in assigned.sizes.items():
        mine = units.filter(pl.col("_arm") == name)
        if mine.height < 2:
            raise InputError(
                f"arm {name!r} has {mine.height or 'no'} unit{'' if mine.height == 1 else 's'} with {metric}",
                mend="at least 2 are needed in every arm; leave the arm's rows out",
            )
        if not mine["denominator"].sum() > 0:
            raise InputError(f"{denominator} sums to 0 in arm {name!r}", mend="name another denominator")
        single = known.filter(pl.col("_arm") == name)
        found[name] = Measured(
            mine,
            single["metric"].to_numpy(),
            single["_unit"].rank("dense").to_numpy(),
            size - mine.height,
        )
    return found


def _covariate(rows: pl.DataFrame) -> pl.Expr:
    """Once where it is a trait of the unit, else summed; null where no row knows it."""
    by_unit = rows.group_by("_unit").agg(pl.col("covariate").drop_nulls().n_unique().alias("_values"))
    is_trait = (by_unit["_values"] <= 1).all()
    known = pl.col("covariate").drop_nulls()
    whole = known.first() if is_trait else pl.when(known.len() > 0).then(known.sum())
    return whole.alias("covariate")


def _numbers(rows: pl.DataFrame, name: str) -> pl.Series:
    """A column as finite floats, null where nothing is known."""
    _known(rows, name)
    column = rows[name]
    if column.dtype == pl.String:
        text = column.str.strip_chars().str.to_lowercase()
        text = pl.select(pl.when(~text.is_in(_NULLS)).then(text)).to_series()
        numbers = text.cast(pl.Float64, strict=False)
        if numbers.null_count() > text.null_count() and text.drop_nulls().is_in(list(_BOOLEANS)).all():
            numbers = text.replace_strict(_BOOLEANS, return_dtype=pl.Float64)
        wrong = text.filter(numbers.is_null() & text.is_not_null())
        if wrong.len():
            raise InputError(f"{wrong[0]!r} is no number", where=name, mend="name a column of numbers")
    elif column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        numbers = column.cast(pl.Float64)
    else:
        raise InputError(f"{column.dtype} is no number", where=name, mend="name a column of numbers")
    numbers = numbers.fill_nan(None)
    if numbers.is_infinite().any():
        raise InputError("an infinite value", where=name, mend="leave the row out, or give it a number")
    if (numbers.abs() > _LARGEST).any():
        raise InputError(
            f"a number beyond {_LARGEST:.0e}, too large to square", where=name, mend="use a larger unit"
        )
    return numbers


def _known(rows: pl.DataFrame, name: str) -> None:
    if name not in rows.columns:
        raise InputError(f"no column {name!r}", mend=did_you_mean(name, rows.columns))


def _polars(frame: IntoFrame) -> pl.DataFrame:
    native: Any = nw.from_native(frame)
    found = native.collect("polars") if isinstance(native, nw.LazyFrame) else native
    return found.to_polars()


def shares_of(assigned: Assigned, shares: Mapping[str, float] | None) -> Sequence[float] | None:
    """The shares meant, in the order of the arms."""
    if shares is None:
        return None
    for name in (*shares, *assigned.sizes):
        if name not in assigned.sizes:
            raise InputError(f"no arm {name!r}", where="--share", mend=did_you_mean(name, assigned.sizes))
        if name not in shares:
            raise InputError(f"no share of arm {name!r}", where="--share", mend=f"add --share {name}=…")
    return [shares[name] for name in assigned.sizes]
