"""Service credits owed where an objective was missed: attainment in, USD out.

The table (any part of the product, or a contract's own figures, may fill it) has a row an objective, region and
month:

| column | type | meaning |
|---|---|---|
| ``objective`` | text | its name |
| ``region`` | text, null for all regions | where it was promised |
| ``period`` | date | the month it was judged over, by its first day |
| ``attained_ratio`` | 0..1 | share of good events |
| ``objective_ratio`` | 0..1 | share promised |
| ``credit_ratio`` | 0..1 | share of the month's revenue in the region that is credited when it is missed |

Objectives missed together in a region and month do not add: the largest credit is owed.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import polars as pl

from cost_model.margin import revenue_usd
from cost_model.rates import Rates
from cost_model.usage import Usage
from metrics.errors import InputError

__all__ = ["ATTAINMENT", "read_attainment", "sla_credits"]

ATTAINMENT = pl.Schema(
    {
        "objective": pl.String(),
        "region": pl.String(),
        "period": pl.Date(),
        "attained_ratio": pl.Float64(),
        "objective_ratio": pl.Float64(),
        "credit_ratio": pl.Float64(),
    }
)
_USD = pl.Decimal(38, 10)
_QUANTUM = Decimal("1e-10")


def sla_credits(attainment: pl.DataFrame, usage: Usage, rates: Rates) -> pl.DataFrame:
    """The table with ``revenue_usd``, ``is_missed`` and ``credit_usd``; the credits sum to what is owed.

    Rows of months without usage are left out. Raises :class:`~metrics.errors.InputError` for a missing column, a
    ratio outside 0..1 and a row that is there twice.
    """
    _check(attainment)
    revenue: dict[tuple[object, object], Decimal] = {
        (month, region): usd for month, region, usd in revenue_usd(usage, rates).iter_rows()
    }
    regions = sorted({str(region) for _, region in revenue if region is not None})
    owed: dict[tuple[object, object], tuple[Decimal, int]] = {}
    rows: list[dict[str, object]] = []
    here = attainment.select(ATTAINMENT.names()).cast(ATTAINMENT)
    here = here.filter(pl.col("period").is_in(list(usage.months))).sort(
        "period", "region", "objective", nulls_last=True
    )
    for row in here.iter_rows(named=True):
        is_missed = row["attained_ratio"] < row["objective_ratio"]
        for region in [row["region"]] if row["region"] is not None else regions:
            earned = Decimal(revenue.get((row["period"], region), Decimal(0)))
            credit = (earned * Decimal(str(row["credit_ratio"]))).quantize(_QUANTUM, rounding=ROUND_HALF_EVEN)
            place = (row["period"], region)
            if is_missed and credit > owed.get(place, (Decimal(0), -1))[0]:
                owed[place] = credit, len(rows)
            rows.append({**row, "region": region, "revenue_usd": earned, "is_missed": is_missed})
    largest = {number: credit for credit, number in owed.values()}
    credited = [largest.get(number, Decimal(0)) for number in range(len(rows))]
    schema = pl.Schema({**ATTAINMENT, "revenue_usd": _USD, "is_missed": pl.Boolean()})
    return pl.DataFrame(rows, schema=schema).with_columns(pl.Series("credit_usd", credited, dtype=_USD))


def read_attainment(path: Path) -> pl.DataFrame:
    """The table from a CSV or Parquet file; raises :class:`~metrics.errors.InputError` with the file."""
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(
                path, try_parse_dates=True, schema_overrides={"objective": pl.String, "region": pl.String}
            )
        _check(frame)
        return frame.select(ATTAINMENT.names()).cast(ATTAINMENT)
    except (OSError, pl.exceptions.PolarsError) as error:
        words = str(error).splitlines()[0]
        mend = f"columns {', '.join(ATTAINMENT)}; period as 2026-04-01"
        raise InputError(f"cannot be read as attainment ({words})", where=str(path), mend=mend) from error


def _check(attainment: pl.DataFrame) -> None:
    absent = [name for name in ATTAINMENT if name not in attainment.columns]
    if absent:
        raise InputError(
            f"attainment: columns missing: {', '.join(absent)}", mend=f"give {', '.join(ATTAINMENT)}"
        )
    for name in ("attained_ratio", "objective_ratio", "credit_ratio"):
        outside = attainment.filter(
            ~pl.col(name).is_between(0, 1) | pl.col(name).is_null() | pl.col(name).is_nan()
        )
        if outside.height:
            raise InputError(
                f"attainment: {name} is {outside[name][0]}",
                where=f"objective {outside['objective'][0]}",
                mend="a ratio lies between 0 and 1: write 99.9 % as 0.999",
            )
    twice = attainment.filter(pl.struct("objective", "region", "period").is_duplicated())
    if twice.height:
        raise InputError(
            f"attainment: objective {twice['objective'][0]} is there twice in {twice['period'][0]}"
        )
