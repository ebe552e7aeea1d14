"""FOCUS cost and usage data (1.0 to 1.2, CSV or Parquet) to the table ``charge``.

Costs stay exact decimals as written. Columns the contract does not have are left out; of providers' own
``x_`` columns those it has are taken, whatever their capitals (``x_CostPool`` is ``x_cost_pool``).
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from metrics.errors import InputError
from metrics.ingest.table_file import digest, instant_ms_of, read_table
from metrics.lake import Appended, Lake
from metrics.telemetry import TABLES

__all__ = ["ingest", "to_contract"]

_TABLE = TABLES["charge"]
_PERIOD = {"x_period_start_ts_ms": "ChargePeriodStart", "x_period_end_ts_ms": "ChargePeriodEnd"}
# Text the standard lets a provider leave out of a row, and that the contract always has.
_EMPTY_WHEN_NULL = ("ChargeDescription", "PublisherName")


def ingest(lake: Lake, path: Path) -> Appended:
    """Append the file's charges, once for its content."""
    frame = to_contract(read_table(path), where=str(path))
    return lake.append(_TABLE.name, frame, application=f"ingest/charges/{digest(path)}", version=0)


def to_contract(frame: pl.DataFrame, *, where: str = "") -> pl.DataFrame:
    """FOCUS rows in, rows of ``charge`` out; what cannot be converted is null, and so quarantined.

    Raises :class:`~metrics.errors.InputError` where a mandatory column of FOCUS is not there.
    """
    own = {_snake(name): name for name in frame.columns if name.lower().startswith("x_")}
    exprs: list[pl.Expr] = []
    for column in _TABLE.columns:
        source = _PERIOD.get(column.name) or own.get(column.name, column.name)
        if column.name == "is_synthetic":
            exprs.append(pl.lit(value=False).alias(column.name))
        elif source not in frame.columns:
            if not column.nullable:
                mend = "export FOCUS 1.0 or later with its mandatory columns"
                raise InputError(f"no column {source!r}", where=where, mend=mend)
        elif column.name in _PERIOD:
            exprs.append(instant_ms_of(pl.col(source), frame.schema[source]).alias(column.name))
        elif column.name in _EMPTY_WHEN_NULL:
            exprs.append(pl.col(source).cast(pl.String).fill_null("").alias(column.name))
        else:
            exprs.append(pl.col(source).cast(column.dtype, strict=False).alias(column.name))
    return frame.select(exprs)


def _snake(name: str) -> str:
    """``x_CostPool`` as ``x_cost_pool``."""
    return "x_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[2:]).lower()
