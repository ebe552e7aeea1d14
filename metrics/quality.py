"""Does what is stored keep the contract? A Great Expectations suite made from it, once a published batch.

Rows are checked one by one on their way in (:meth:`metrics.contract.Table.validate`); this is the second
pair of eyes, on what the lake really holds, by a library that knows nothing of ours. Importing it takes
seconds, so that happens inside :func:`check` alone, and pages read the verdict from ``quality.json``.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from metrics.contract import EARLIEST_TS_MS, LATEST_TS_MS, Column, Table
from metrics.lake import Lake
from metrics.telemetry import TABLES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ARTEFACT", "TableVerdict", "Verdict", "check", "read"]

ARTEFACT = "quality.json"
_FILES, _ROWS_A_FILE = 4, 5_000
_ROW_RULE = "row rule: "


@dataclass(frozen=True)
class TableVerdict:
    """What one table's suite said. ``failures`` has the expectation, the column and the rows against it."""

    table: str
    rows: int
    rows_checked: int
    sample: str
    expectations: int
    failed: int
    failures: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Verdict:
    """The lake's quality, of the version it was taken at."""

    lake_version: str
    success: bool
    expectations: int
    failed: int
    rows_checked: int
    seconds: float
    tables: tuple[TableVerdict, ...]


def check(lake: Lake) -> Verdict:
    """Validate every table of the lake against its contract, and keep the verdict as ``quality.json``.

    Looks at the first 5,000 rows of at most 4 files a table, spread evenly over its days; the verdict says
    so. A lake that has not changed since the last verdict is not looked at again.
    """
    version = lake.version()
    known = read(lake)
    if known and known.lake_version == version:
        return known
    start = time.monotonic()
    names = [name for name in lake.tables() if name in TABLES and lake.snapshot(name).rows]
    tables = tuple(_check_table(lake, TABLES[name]) for name in names)
    failed = sum(table.failed for table in tables)
    verdict = Verdict(
        lake_version=version,
        success=failed == 0,
        expectations=sum(table.expectations for table in tables),
        failed=failed,
        rows_checked=sum(table.rows_checked for table in tables),
        seconds=round(time.monotonic() - start, 3),
        tables=tables,
    )
    lake.artefact(ARTEFACT).write_text(json.dumps(asdict(verdict), indent=2) + "\n", encoding="utf-8")
    return verdict


def read(lake: Lake) -> Verdict | None:
    """The last verdict, or None where there is none that can be read."""
    try:
        saved = json.loads(lake.artefact(ARTEFACT).read_text(encoding="utf-8"))
        tables = tuple(
            TableVerdict(**{**table, "failures": tuple(table["failures"])}) for table in saved["tables"]
        )
        return Verdict(**{**saved, "tables": tables})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _check_table(lake: Lake, table: Table) -> TableVerdict:
    snapshot = lake.snapshot(table.name)
    frame, sample = _sample(snapshot.files)
    results = _validate(table.name, _expectations(table), _with_row_rules(table, frame))
    failures = tuple(_failure(result) for result in results if not result.success)
    return TableVerdict(
        table=table.name,
        rows=snapshot.rows,
        rows_checked=frame.height,
        sample=sample,
        expectations=len(results),
        failed=len(failures),
        failures=failures,
    )


def _sample(files: tuple[str, ...]) -> tuple[pl.DataFrame, str]:
    step = max(1, -(-len(files) // _FILES))
    chosen = files[::-step][::-1]  # the newest is always among them
    parts = [pl.scan_parquet(file, hive_partitioning=False, glob=False).head(_ROWS_A_FILE) for file in chosen]
    frame = pl.concat(parts).collect()
    return frame, f"the first {_ROWS_A_FILE:,} rows of {len(chosen)} of {len(files)} files"


def _with_row_rules(table: Table, frame: pl.DataFrame) -> pd.DataFrame:
    """The sample in pandas, a column a row rule that must be true throughout; the library takes no polars."""
    rules = [rule.fill_null(value=True).alias(_ROW_RULE + reason) for reason, rule in table.rules.items()]
    # Lists and exact decimals would arrive as Python objects, a million of them: they have no rule here.
    plain = [name for name, dtype in frame.schema.items() if not dtype.is_nested() and not dtype.is_decimal()]
    return frame.with_columns(rules).select(*plain, pl.col(rf"^{_ROW_RULE}.*$")).to_pandas()


def _expectations(table: Table) -> list[Any]:
    gx: Any = importlib.import_module("great_expectations.expectations")  # it exports nothing by type
    expected: list[Any] = []
    for column in table.columns:
        if column.dtype.is_nested() or column.dtype.is_decimal():
            continue
        if not column.nullable:
            expected.append(gx.ExpectColumnValuesToNotBeNull(column=column.name))
        if column.one_of:
            values = list(column.one_of)
            expected.append(gx.ExpectColumnValuesToBeInSet(column=column.name, value_set=values))
        bounds = _bounds(column)
        if bounds:
            low, high = bounds
            between = gx.ExpectColumnValuesToBeBetween(column=column.name, min_value=low, max_value=high)
            expected.append(between)
    rules = [_ROW_RULE + reason for reason in table.rules]
    return [*expected, *(gx.ExpectColumnValuesToBeInSet(column=rule, value_set=[True]) for rule in rules)]


def _bounds(column: Column) -> tuple[float, float | None] | None:
    if column.unit == "UTC epoch ms":
        return EARLIEST_TS_MS, LATEST_TS_MS
    if column.unit == "ratio":
        return 0, 1
    return (0, None) if column.unit and not column.signed else None


def _validate(name: str, expectations: list[Any], frame: pd.DataFrame) -> list[Any]:
    # Both are read on import and on making a context; nothing may leave the machine.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("lake").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("sample").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite(name=name, expectations=expectations)
    results: list[Any] = batch.validate(suite, result_format="SUMMARY").results
    return results


def _failure(result: Any) -> dict[str, Any]:
    config, found = result.expectation_config, result.result or {}
    return {
        "expectation": config.type,
        "column": config.kwargs.get("column"),
        "rows": found.get("unexpected_count"),
        "rows_checked": found.get("element_count"),
        "error": next(iter(result.exception_info.values()), None) if not found else None,
    }
