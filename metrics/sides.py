"""The two sides of a ratio as frames: ``keys…, [replicate], sum, days, amount, n, w, w2``.

``sum`` is the exact sum, ``days`` what a level was averaged over (1 for all else), and ``amount`` the part in
its unit: ``sum / (part.per · days)``, in floating point.

Pages ask for dozens of small frames a click, so what can be is done column by column: a few microseconds each, where
a query over a frame costs a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from metrics.parts import Part
from metrics.period import DAY_MS, bucket_start
from metrics.plan import BUCKET, DAY, REPLICATE, Cut
from metrics.rollup import n_columns
from metrics.telemetry import REPLICATES

__all__ = [
    "EXACT",
    "SAMPLE",
    "amount",
    "beside",
    "join",
    "quotient",
    "side",
    "summed",
    "total",
    "without_each",
]

EXACT = pl.Decimal(38, 10)
SAMPLE = ("n", "w", "w2")
_GROUPS = pl.DataFrame({REPLICATE: range(REPLICATES)}, schema={REPLICATE: pl.Int64})
_SUMS = ("sum", *SAMPLE)
_FACTORS = ("days", "amount")


def side(rolled: pl.DataFrame, part: Part, cut: Cut) -> pl.DataFrame:
    """``part`` out of its rollup; a level averaged over the days of each bucket that have data."""
    keys = [c for c in (*cut.by, BUCKET, DAY, REPLICATE) if c in rolled.columns]
    sample = [rolled[n].alias(name) for n, name in zip(n_columns(part.of), SAMPLE, strict=True)]
    days = pl.Series("days", np.ones(rolled.height, dtype=np.int64))
    found = pl.DataFrame([*(rolled[key] for key in keys), rolled[part.name].alias("sum"), days, *sample])
    return _averaged(found, cut) if part.is_level else found


def total(one: pl.DataFrame, part: Part) -> pl.DataFrame:
    """All jackknife groups together, in the order of ``one`` where it has none; one row of zeros where there is
    nothing to group by."""
    if REPLICATE not in one.columns:
        return _with_amount(one, part)  # a rollup has a row a group
    keys = _keys(one)
    if not keys:
        days = one["days"][:1] if one.height else pl.Series("days", [0], pl.Int64)
        return _with_amount(pl.DataFrame([*summed(one), days]), part)
    return _with_amount(one.group_by(keys).agg(pl.col(_SUMS).sum(), pl.col("days").first()), part)


def without_each(one: pl.DataFrame, whole: pl.DataFrame, part: Part) -> pl.DataFrame:
    """``whole`` without each of the 32 groups in turn, scaled up to stand for all; unpanelled sides as is."""
    if REPLICATE not in one.columns:
        return whole
    keys = _keys(one)
    if keys:
        own = one.select(*keys, REPLICATE, pl.col("sum").alias("own"))
        left = join(whole.join(_GROUPS, how="cross"), own, [*keys, REPLICATE], how="left")
        left = left.with_columns((pl.col("sum") - pl.col("own").fill_null(0)).alias("sum")).drop("own")
    else:
        place: list[int | None] = [None] * REPLICATES
        for row, group in enumerate(one[REPLICATE].to_list()):
            place[group] = row
        repeated = [column.new_from_index(0, REPLICATES) for column in whole.get_columns()]
        left = pl.DataFrame([*repeated, _GROUPS[REPLICATE]])
        left = changed(left, (left["sum"] - _filled(one["sum"].gather(pl.Series(place, dtype=pl.UInt32)))))
    left = _with_amount(left, part)
    return changed(left, left["amount"] * (REPLICATES / (REPLICATES - 1)))


def quotient(top: pl.Series, bottom: pl.Series) -> pl.Series:
    """``top / bottom`` in floating point, null where ``bottom`` is 0 or either is null.

    By numpy, whose quotient of two floats does not depend on how many rows there are: a data frame of one
    row would be divided by way of a reciprocal, and differ in the last digit.
    """
    x, y = top.cast(pl.Float64).to_numpy(), bottom.cast(pl.Float64).to_numpy()
    found = np.full(len(x), np.nan)
    np.divide(x, y, out=found, where=y != 0)
    return pl.Series(found, nan_to_null=True)


def join(left: pl.DataFrame, right: pl.DataFrame, keys: Sequence[str], *, how: str = "full") -> pl.DataFrame:
    """Join on those of ``keys`` that both have; unknown dimensions meet. Where ``right`` is known by fewer
    keys, it repeats."""
    on = [key for key in keys if key in left.columns and key in right.columns]
    if _are_alike(left, right, on) and len(on) == len([key for key in keys if key in left.columns]):
        return left.hstack([column for column in right.get_columns() if column.name not in on])
    if not on:
        return left.join(right, how="cross")
    if len([key for key in keys if key in left.columns]) > len(on):
        how = "left"
    if how == "left":
        return left.join(right, on=on, how="left", nulls_equal=True)
    return left.join(right, on=on, how="full", nulls_equal=True, coalesce=True)


def beside(sides: Sequence[pl.DataFrame], keys: Sequence[str], *, how: str) -> pl.DataFrame:
    """:func:`join` of the sides of a ratio (of a total, its one): ``keys, sum_0, amount_0, n_0, w_0, w2_0``, and so on
    of the other; 0 where a side has no such group."""
    frames = [
        pl.DataFrame(
            [
                *(frame[key] for key in keys if key in frame.columns),
                *(frame[name].alias(f"{name}_{place}") for name in ("amount", *_SUMS)),
            ]
        )
        for place, frame in enumerate(sides)
    ]
    both = frames[0] if len(frames) == 1 else join(frames[0], frames[1], keys, how=how)
    return pl.DataFrame([column if column.name in keys else _filled(column) for column in both.get_columns()])


def amount(sums: pl.Series, days: pl.Series | None, part: Part) -> pl.Series:
    """``part`` in its unit, averaged over ``days`` (None: no level): ``sum / (part.per · days)``, 0 without either."""
    top = sums.cast(pl.Float64).to_numpy()
    per = (
        np.full(len(top), float(part.per))
        if days is None
        else days.cast(pl.Float64).to_numpy() * float(part.per)
    )
    found = np.zeros(len(top))
    np.divide(top, per, out=found, where=(per != 0) & ~np.isnan(top))
    return pl.Series("amount", found)


def changed(one: pl.DataFrame, column: pl.Series) -> pl.DataFrame:
    """``one`` with another column in the place of the one of its name."""
    return pl.DataFrame([column if column.name == name else one[name] for name in one.columns])


def summed(one: pl.DataFrame) -> list[pl.Series]:
    """``sum`` and the sample of all rows, exact: a row of each."""
    return [pl.Series(name, [one[name].sum() or 0], one[name].dtype) for name in _SUMS]


def _are_alike(left: pl.DataFrame, right: pl.DataFrame, on: Sequence[str]) -> bool:
    """Whether row by row both are of the same group, as what was rolled up alike is."""
    if left.height != right.height or (not on and left.height != 1):
        return False
    return all(left[key].equals(right[key], null_equal=True) for key in on)


def _filled(column: pl.Series) -> pl.Series:
    return column.fill_null(0) if column.null_count() else column


def _with_amount(one: pl.DataFrame, part: Part) -> pl.DataFrame:
    kept = [column for column in one.get_columns() if column.name != "amount"]
    return pl.DataFrame([*kept, amount(one["sum"], one["days"], part)])


def _keys(one: pl.DataFrame) -> list[str]:
    return [c for c in one.columns if c not in (*_SUMS, *_FACTORS, REPLICATE)]


def _averaged(one: pl.DataFrame, cut: Cut) -> pl.DataFrame:
    by = [c for c in one.columns if c not in (*_SUMS, *_FACTORS, DAY, REPLICATE)]
    own = [REPLICATE] if REPLICATE in one.columns else []
    keys = [*by, *([BUCKET] if cut.grain_ms else []), *own]
    # Days with data are days of the whole, whatever slice a row is in.
    known: NDArray[Any] = np.unique(one[DAY].to_numpy()[one["sum"].cast(pl.Float64).to_numpy() > 0])
    if cut.grain_ms and cut.grain_ms <= DAY_MS and not (one[DAY].to_numpy() % DAY_MS).any():
        days = pl.Series("days", np.isin(one[DAY].to_numpy(), known).astype(np.int64))  # each day by itself
        daily = _with_days(one.rename({DAY: BUCKET}), keys, days)
        return _for_each_bucket(daily, cut.grain_ms)
    if not keys:
        return _with_days(pl.DataFrame(summed(one)), keys, pl.Series("days", [known.size], pl.Int64))
    if cut.grain_ms is None:
        grouped = one.group_by(keys).agg(pl.col(_SUMS).sum())
        return _with_days(grouped, keys, pl.Series("days", np.full(grouped.height, known.size)))
    length = max(cut.grain_ms, DAY_MS)
    grouped = one.hstack([_bucketed(one[DAY], length)]).group_by(keys).agg(pl.col(_SUMS).sum())
    counts = _bucketed(pl.Series(known, dtype=pl.Int64), length).value_counts(name="days")
    days = (
        grouped.join(counts, on=BUCKET, how="left", maintain_order="left")["days"].fill_null(0).cast(pl.Int64)
    )
    return _for_each_bucket(_with_days(grouped, keys, days), cut.grain_ms)


def _with_days(one: pl.DataFrame, keys: Sequence[str], days: pl.Series) -> pl.DataFrame:
    return pl.DataFrame([*(one[key] for key in keys), one["sum"], days, *(one[name] for name in SAMPLE)])


def _bucketed(days: pl.Series, grain_ms: int) -> pl.Series:
    """The start of the bucket that each day lies in."""
    start = nw.from_native(days.alias(BUCKET).to_frame()).select(bucket_start(nw.col(BUCKET), grain_ms))
    return start.to_native()[BUCKET]


def _for_each_bucket(daily: pl.DataFrame, grain_ms: int) -> pl.DataFrame:
    """A day's level stands for every bucket that starts in the day."""
    first, last = daily[BUCKET].min(), daily[BUCKET].max()
    if grain_ms >= DAY_MS or not isinstance(first, int) or not isinstance(last, int):
        return daily
    starts = pl.int_range(
        -(-first // grain_ms) * grain_ms, last + DAY_MS, grain_ms, dtype=pl.Int64, eager=True
    )
    days = starts.alias("start").to_frame().with_columns(pl.col("start") // DAY_MS * DAY_MS)
    days = days.select(pl.col("start").alias(BUCKET), start=starts)
    return daily.join(days, on=BUCKET).drop(BUCKET).rename({"start": BUCKET})
