"""Are a column's values spread as they were? The population stability index, week against week.

The index is the sum over bins of (p - q) ln(p / q), p and q the bin's shares in two samples. Bins are a column's
values where the contract lists them (and regions), tenths of the days before where it is a measure, and null.
Rows of a sample of viewers come in clusters, so two weeks of the same service may differ by much: the index of the
newest days stands beside the largest that any week before had against the others.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from metrics.contract import Table

__all__ = ["SAMPLE_ROWS", "Shift", "drift", "thinned"]

SAMPLE_ROWS = 5_000
_NONE, _NUMBER = "(none)", "(number)"


@dataclass(frozen=True)
class Shift:
    """How far a column's newest days are from those before, and the weeks before from each other at most."""

    column: str
    index: float
    usual: float


def thinned(files: Sequence[str], columns: Sequence[str] | None = None) -> tuple[pl.DataFrame, int]:
    """At most :data:`SAMPLE_ROWS` rows of files, evenly through them, and how many rows each stands for."""
    rows = pl.scan_parquet(list(files), hive_partitioning=False, glob=False)
    if columns is not None:
        rows = rows.select(columns)
    step = max(1, -(-int(rows.select(pl.len()).collect().item()) // SAMPLE_ROWS))
    # By a number and not by `gather_every`, which holds a whole file at once.
    numbered = rows.with_row_index(_NUMBER).filter(pl.col(_NUMBER) % step == 0).drop(_NUMBER)
    return numbered.collect(engine="streaming"), step


def drift(
    table: Table, files: Mapping[dt.date, Sequence[str]], newest: dt.date, week: int, least_rows: int
) -> list[Shift]:
    """A shift a column, from the files of each day; none where a week has fewer than ``least_rows`` sampled.

    The ``week`` days to ``newest`` are compared with those before. Memory is that of the samples and one day.
    """
    listed = [c.name for c in table.columns if c.one_of or c.name == "region"]
    measured = [c.name for c in table.columns if c.unit not in ("", "UTC epoch ms") and c.dtype == pl.Int64]
    samples = [thinned(files[day], ["day", *listed, *measured])[0] for day in sorted(files)]
    if not samples:
        return []
    age = pl.lit(newest).sub(pl.col("day")).dt.total_days() // week
    rows = pl.concat(samples).with_columns(age=age)
    sizes = dict(rows.group_by("age").len().iter_rows())
    weeks = sorted(set(sizes) - {0})
    if len(weeks) < 2 or min(sizes.get(0, 0), *(sizes[one] for one in weeks)) < least_rows:
        return []
    before = rows.filter(pl.col("age") > 0)
    shifts = []
    for name in (*listed, *measured):
        binned = rows.select("age", _binned(pl.col(name), before[name] if name in measured else None))
        counts = binned.group_by("age", "bin").len().pivot("age", index="bin", values="len").fill_null(0)
        of = {one: counts[str(one)].to_list() for one in (0, *weeks)}
        others = {
            one: [sum(all_) for all_ in zip(*(of[w] for w in weeks if w != one), strict=True)] for one in of
        }
        index, *past = (_psi(others[one], of[one]) for one in (0, *weeks))
        shifts.append(Shift(name, index, max(past)))
    return shifts


def _binned(values: pl.Expr, before: pl.Series | None) -> pl.Expr:
    if before is None:
        return values.fill_null(_NONE).alias("bin")
    tenths = {before.quantile(q / 10, "nearest") for q in range(1, 10)}
    passed = [(values > one).cast(pl.Int8) for one in tenths if one is not None]
    number = pl.sum_horizontal(*passed, pl.lit(0, pl.Int8)).cast(pl.String)
    return pl.when(values.is_null()).then(pl.lit(_NONE)).otherwise(number).alias("bin")


def _psi(before: Sequence[int], recent: Sequence[int]) -> float:
    """Every bin counts half a row more, so that one that is new or gone is finite."""
    p, q = ([(n + 0.5) / (sum(all_) + 0.5 * len(all_)) for n in all_] for all_ in (before, recent))
    return math.fsum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))
