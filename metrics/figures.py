"""From rolled-up parts to a metric's value, kind by kind; and the value without each jackknife group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from metrics.metric import Metric
from metrics.parts import HOLDOUT, Part, is_weighted
from metrics.plan import REPLICATE, SKETCH, Cut, PartKey, group_column, part_key
from metrics.quantiles import quantile_of_buckets, quantile_without_each, starts_of
from metrics.rollup import n_columns
from metrics.sides import (
    EXACT,
    SAMPLE,
    amount,
    beside,
    changed,
    join,
    quotient,
    side,
    summed,
    total,
    without_each,
)  # fmt: skip
from metrics.spread import spread
from metrics.survival import time_quantile
from metrics.telemetry import REPLICATES

__all__ = ["figures", "grouped", "sample_part"]

_Figures = tuple[pl.DataFrame, pl.DataFrame | None]


def figures(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """``keys, value, numerator, denominator, n, w, w2``; and ``keys, replicate, value`` without each jackknife group.

    The second is None where the cut has no groups, or the metric's rows are of no panel.
    """
    return _FIGURES.get(metric.kind, _ratios)(metric, rolled, cut, keys)


def sample_part(metric: Metric) -> Part:
    """The part whose rows are the metric's sample: the denominator's, where those are a sliced panel."""
    for part in reversed(metric.parts):
        if part.is_sliced and is_weighted(part.table):
            return part
    return metric.numerator


def _ratios(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> _Figures:
    # Out of one rollup the sides have the same rows; without anything to group by they have one.
    is_one = len({part_key(metric, part, cut) for part in metric.parts}) == 1
    if not cut.replicates and (not keys or (is_one and not metric.numerator.is_level)):
        return _aligned(metric, rolled, cut, keys), None
    sides = [side(rolled[part_key(metric, part, cut)], part, cut) for part in metric.parts]
    totals = [total(one, part) for one, part in zip(sides, metric.parts, strict=True)]
    both = _beside(metric, totals, keys)
    place = metric.parts.index(sample_part(metric))
    found = _quotients(metric, both, [both[key] for key in keys])
    found = found.hstack([both[f"{name}_{place}"].alias(name) for name in SAMPLE])
    found = _silenced(metric, found, totals[0]["n"])
    if not cut.replicates:
        return found, None
    deleted = [without_each(*these) for these in zip(sides, totals, metric.parts, strict=True)]
    if not any(REPLICATE in frame.columns for frame in deleted):
        return found, None
    by_group = [*keys, REPLICATE]
    both = _beside(metric, deleted, by_group)
    return found, _quotients(metric, both, [both[key] for key in by_group])


def _aligned(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> pl.DataFrame:
    """What :func:`_ratios` finds where row by row the sides belong together: column by column, joining nothing."""
    frames = [rolled[part_key(metric, part, cut)] for part in metric.parts]
    frames = [
        side(frame, part, cut) if part.is_level else frame
        for part, frame in zip(metric.parts, frames, strict=True)
    ]
    both: dict[str, pl.Series] = {}
    for place, (part, frame) in enumerate(zip(metric.parts, frames, strict=True)):
        both[f"sum_{place}"] = frame["sum" if part.is_level else part.name]
        days = frame["days"] if part.is_level else None
        both[f"amount_{place}"] = amount(both[f"sum_{place}"], days, part)
    found = _quotients(metric, both, [frames[0][key] for key in keys])
    place = metric.parts.index(sample_part(metric))
    names = SAMPLE if metric.parts[place].is_level else n_columns(metric.parts[place].of)
    found = found.hstack([frames[place][name].alias(own) for name, own in zip(names, SAMPLE, strict=True)])
    own = SAMPLE[0] if metric.numerator.is_level else n_columns(metric.numerator.of)[0]
    return _silenced(metric, found, frames[0][own])


def _silenced(metric: Metric, found: pl.DataFrame, numerator_n: pl.Series) -> pl.DataFrame:
    """``found``, its value null where nobody recorded the numerator: a total, or one of another table's rows.

    Nothing was recorded, which is not the same as a zero that was.
    """
    bottom = metric.denominator
    if bottom is not None and metric.numerator.table == bottom.table:
        return found
    # Sessions that do not tell what is needed are silent slice by slice; charges are known or not as a whole.
    is_by_group = bottom is None or (metric.numerator.of.needs and sample_part(metric) is metric.numerator)
    if not is_by_group and numerator_n.sum():
        return found
    value = found["value"].to_numpy()
    silent = found["n"].cast(pl.Int64).to_numpy() == 0 if is_by_group else np.ones(len(value), dtype=np.bool_)
    if not silent.any():
        return found
    return changed(found, pl.Series("value", np.where(silent, np.nan, value), nan_to_null=True))


def _beside(metric: Metric, sides: Sequence[pl.DataFrame], keys: Sequence[str]) -> pl.DataFrame:
    """A ratio's two sides beside each other, or a total's one, as :func:`metrics.sides.beside`."""
    # A denominator that no dimension slices goes with what was recorded, and adds no group of its own.
    is_sliced = metric.denominator is not None and metric.denominator.is_sliced
    return beside(sides, keys, how="full" if is_sliced else "left")


def _quotients(
    metric: Metric, both: pl.DataFrame | Mapping[str, pl.Series], keys: Sequence[pl.Series]
) -> pl.DataFrame:
    """``keys, value, numerator, denominator`` of the two sides beside each other."""
    one, other = metric.numerator, metric.denominator
    if other is None:
        value = both["amount_0"].alias("value")
        none = pl.Series("denominator", [None], EXACT).new_from_index(0, len(value))
        return pl.DataFrame([*keys, value, _shown(both, "0", one).alias("numerator"), none])
    # In the same unit of the same table, the exact sums are divided: one rounding, and none by a unit.
    is_alike = one.per == other.per and one.table == other.table and not (one.is_level or other.is_level)
    used = "sum" if is_alike else "amount"
    value = quotient(both[f"{used}_0"], both[f"{used}_1"]).alias("value")
    shown = _shown(both, "0", one).alias("numerator"), _shown(both, "1", other).alias("denominator")
    return pl.DataFrame([*keys, value, *shown])


def _shown(both: pl.DataFrame | Mapping[str, pl.Series], place: str, part: Part) -> pl.Series:
    """The part in its unit; exact where the unit is what was summed."""
    is_exact = part.per == 1 and not part.is_level
    return both[f"sum_{place}" if is_exact else f"amount_{place}"].cast(EXACT)


def _quantiles(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> _Figures:
    assert metric.quantile is not None
    frame = grouped(metric, rolled, cut)
    value = quantile_of_buckets(frame, metric.quantile, bucket=SKETCH, weight="w", by=keys)
    found = _with_sample(frame, value, keys)
    found = _in_words(_weighed(found))
    if not cut.replicates:
        return found, None
    deleted = quantile_without_each(
        frame, metric.quantile, bucket=SKETCH, weight="w", group=REPLICATE, groups=REPLICATES, by=keys
    )
    return found, _in_words(deleted)


def _in_words(frame: pl.DataFrame) -> pl.DataFrame:
    """Dimensions as text, which what is held has as enumerations."""
    return pl.DataFrame([c.cast(pl.String) if c.dtype == pl.Enum else c for c in frame.get_columns()])


def _survivals(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> _Figures:
    assert metric.quantile is not None
    frame = grouped(metric, rolled, cut)
    value, deleted = time_quantile(frame, metric.quantile, by=keys)
    found = _with_sample(frame, value, keys)
    return _weighed(found), deleted if cut.replicates else None


def _weighed(found: pl.DataFrame) -> pl.DataFrame:
    """A quantile's figures: its rows' weight is its denominator, and it has no numerator."""
    numerator = pl.Series("numerator", [None], EXACT).new_from_index(0, found.height)
    return found.hstack([numerator, found["w"].cast(EXACT).alias("denominator")])


def _spreads(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> _Figures:
    assert metric.spread is not None
    frame = grouped(metric, rolled, cut)
    value, deleted = spread(frame, metric.spread, [group_column(name) for name in metric.groups], by=keys)
    found = _with_sample(frame, value, keys)
    amount = pl.col("sum").cast(pl.Float64) / float(metric.numerator.per)
    found = found.with_columns(numerator=amount.cast(EXACT), denominator=_none(EXACT))
    return found, deleted if cut.replicates else None


def _incrementals(
    metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut, keys: Sequence[str]
) -> _Figures:
    """1 − the ratio in the holdout over the ratio outside of it; sides and sample are those outside."""
    holdout = group_column(HOLDOUT)
    by_arm = [*keys, holdout]
    found, deleted = _ratios(metric, rolled, replace(cut, by=(*cut.by, holdout)), by_arm)

    def contrast(frame: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
        held = frame.filter(pl.col(holdout)).select(*on, held="value")
        both = join(frame.filter(~pl.col(holdout)).drop(holdout), held, on, how="left")
        return both.with_columns(value=1 - quotient(both["held"], both["value"])).drop("held")

    value = contrast(found, keys)
    value = _none_of_it(value) if not keys and value.is_empty() else value
    return value, None if deleted is None else contrast(deleted, [*keys, REPLICATE])


def _none_of_it(frame: pl.DataFrame) -> pl.DataFrame:
    """One row that says that there is nothing."""
    nothing = pl.DataFrame({name: [None] for name in frame.columns}, schema=frame.schema)
    return nothing.with_columns(pl.col(SAMPLE).fill_null(0))


def _with_sample(frame: pl.DataFrame, value: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """``value`` with the sums of its rows; one row where there is nothing to group by."""
    if keys:
        return join(_sample_by(frame, keys), value, keys)
    found = value["value"] if value.height else pl.Series("value", [None], pl.Float64)
    return pl.DataFrame([*summed(frame), found])


def _sample_by(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The sums of a frame's rows by ``keys``; of one that is in their order, by slices of integers."""
    first = np.flatnonzero(starts_of(frame, keys))
    names = frame[list(keys)][first]
    if frame.height and not names.is_duplicated().any():
        columns = [frame[name].cast(pl.Int64, strict=False) for name in ("sum", *SAMPLE)]
        # No sum of these leaves 64 bits.
        if all(not c.null_count() and np.abs(c.to_numpy()).sum(dtype=np.float64) < 2.0**62 for c in columns):
            added = (pl.Series(c.name, np.add.reduceat(c.to_numpy(), first)) for c in columns)
            return names.hstack([column.cast(frame[column.name].dtype) for column in added])
    return frame.group_by(keys).agg(pl.col("sum", *SAMPLE).sum())


def grouped(metric: Metric, rolled: Mapping[PartKey, pl.DataFrame], cut: Cut) -> pl.DataFrame:
    """The rollup of a metric's one part, with its sum, n, Σw and Σw² under their plain names."""
    part = metric.numerator
    names = {part.name: "sum", **dict(zip(n_columns(part.of), SAMPLE, strict=True))}
    frame = rolled[part_key(metric, part, cut)]
    return pl.DataFrame([column.alias(names.get(column.name, column.name)) for column in frame.get_columns()])


def _none(dtype: type[pl.DataType] | pl.DataType) -> pl.Expr:
    return pl.lit(None, dtype)


_FIGURES: Mapping[str, Callable[..., _Figures]] = {
    "quantile": _quantiles,
    "survival": _survivals,
    "spread": _spreads,
    "incremental": _incrementals,
}
