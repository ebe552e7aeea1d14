"""FOCUS cost and usage data (1.0 to 1.2, CSV or Parquet) to the table ``charge``.

Costs stay exact decimals as written. Columns the contract does not have are left out; of providers' own
``x_`` columns those it has are taken, whatever their capitals (``x_CostPool`` is ``x_cost_pool``).

The cost pool is the one written (``x_CostPool``, or ``cost_pool`` among the tags; ``own`` and ``third_party``
are delivery by that CDN). Where none is written the service tells it: content delivery and network
connectivity, or networking without a subcategory, are delivery; media services that encode are encoding.
Any other charge stays without a pool, and so is in no unit cost.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from metrics.errors import InputError
from metrics.ingest.table_file import digest, instant_ms_of, read_table, usable
from metrics.lake import Appended, Lake
from metrics.measures import COST_POOLS
from metrics.telemetry import TABLES

__all__ = ["append", "ingest", "read", "to_contract", "without_pool"]

_TABLE = TABLES["charge"]
_PERIOD = {"x_period_start_ts_ms": "ChargePeriodStart", "x_period_end_ts_ms": "ChargePeriodEnd"}
_CDNS = ("own", "third_party")
_DELIVERING = ("content delivery", "network connectivity")
_ENCODES = "encod|transcod|mediaconvert"
_TAG_OF_POOL = r'"(?:x_)?cost[_-]?pool"\s*:\s*"([^"]*)"'
# Text the standard lets a provider leave out of a row, and that the contract always has.
_EMPTY_WHEN_NULL = ("ChargeDescription", "PublisherName")


def ingest(lake: Lake, path: Path) -> Appended:
    """Append the file's charges, once for its content."""
    return append(lake, path, read(path))


def read(path: Path) -> pl.DataFrame:
    """The file's charges as rows of ``charge``; raises what :func:`to_contract` and :func:`usable` raise."""
    frame = to_contract(read_table(path), where=str(path))
    usable(_TABLE.validate(frame), path)
    return frame


def without_pool(frame: pl.DataFrame) -> int:
    """How many well-formed rows are in no unit cost for want of a pool that one has."""
    pools = _TABLE.validate(frame).good["x_cost_pool"]
    return int((~pools.is_in(COST_POOLS).fill_null(value=False)).sum())


def append(lake: Lake, path: Path, frame: pl.DataFrame) -> Appended:
    """Append ``frame``, what :func:`read` made of the file."""
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
    return _pooled(frame.select(exprs), frame)


def _pooled(charges: pl.DataFrame, focus: pl.DataFrame) -> pl.DataFrame:
    """``charges`` with ``x_cost_pool`` and ``x_cdn`` as the module says."""

    def text(frame: pl.DataFrame, name: str) -> pl.Series:
        if name in frame.columns and frame.schema[name] == pl.String:
            return frame[name].str.strip_chars().str.to_lowercase().replace("", None)
        return pl.Series(name, [None] * frame.height, dtype=pl.String)

    facts = pl.DataFrame(
        {
            "written": text(charges, "x_cost_pool"),
            "tag": text(focus, "Tags").str.extract(_TAG_OF_POOL),
            "category": text(focus, "ServiceCategory"),
            "subcategory": text(focus, "ServiceSubcategory"),
            "service": text(focus, "ServiceName").fill_null("")
            + " "
            + text(focus, "ChargeDescription").fill_null(""),
            "cdn": charges["x_cdn"] if "x_cdn" in charges.columns else text(charges, "x_cdn"),
        }
    ).with_columns(pl.coalesce("written", "tag").str.replace_all(r"[\s-]+", "_").alias("written"))
    networking = pl.col("subcategory").is_in(_DELIVERING) | (
        (pl.col("category") == "networking") & pl.col("subcategory").is_null()
    )
    encoding = (pl.col("category") == "media") & (
        pl.col("service").str.contains(_ENCODES)
        | pl.col("subcategory").str.contains(_ENCODES).fill_null(value=False)
    )
    named_cdn = pl.col("written").is_in(_CDNS)
    pools = facts.select(
        x_cost_pool=pl.when(named_cdn)
        .then(pl.lit("delivery"))
        .when(pl.col("written").is_not_null())
        .then("written")
        .when(networking)
        .then(pl.lit("delivery"))
        .when(encoding)
        .then(pl.lit("encoding")),
        x_cdn=pl.coalesce("cdn", pl.when(named_cdn).then("written")),
    )
    return charges.with_columns(pools.get_columns())


def _snake(name: str) -> str:
    """``x_CostPool`` as ``x_cost_pool``."""
    return "x_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[2:]).lower()
