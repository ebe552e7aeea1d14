"""Is what is stored what was promised, and all of it? A verdict once a published batch.

A Great Expectations suite is made from each table's contract. Rows are checked one by one on their way in
(:meth:`metrics.contract.Table.validate`); this is the second pair of eyes, on what the lake really holds, by a
library that knows nothing of ours. Beside it stands what :mod:`metrics.completeness` finds. Importing the library
takes seconds, so that happens inside :func:`check` alone, and pages read the verdict from ``quality.json``; for
people there is the library's own site under one page of ours, ``quality/index.html``.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from metrics.completeness import Finding, completeness, load_limits
from metrics.contract import EARLIEST_TS_MS, LATEST_TS_MS, LONGEST_MS, Column, Table
from metrics.drift import thinned
from metrics.files import write_over
from metrics.lake import Lake
from metrics.quality_site import index_page, self_contained
from metrics.telemetry import TABLES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ARTEFACT", "DOCS", "TableVerdict", "Verdict", "check", "read"]

ARTEFACT, DOCS = "quality.json", "quality/index.html"
_FILES = 4
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
    """The lake's quality, of the version it was taken at and by the limits of then.

    ``success`` where no expectation and no finding fails.
    """

    lake_version: str
    limits: dict[str, Any]
    success: bool
    expectations: int
    failed: int
    rows_checked: int
    seconds: float
    tables: tuple[TableVerdict, ...]
    findings: tuple[Finding, ...]

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """What is missing, late or changed."""
        return tuple(finding for finding in self.findings if finding.holds is False)


def check(lake: Lake) -> Verdict:
    """Validate every table against its contract, judge what came, and keep the verdict and its site.

    Looks at 4 files a table, spread evenly over its days and the newest among them, and at most 5,000 rows of
    each, evenly through it; the verdict says so. A lake that has not changed since the last verdict is not
    looked at again.
    """
    version = lake.version()
    known, limits = read(lake), load_limits(lake)
    by = limits.model_dump(mode="json")
    if known and (known.lake_version, known.limits) == (version, by):
        return known
    start = time.monotonic()
    names = [name for name in lake.tables() if name in TABLES and lake.snapshot(name).rows]
    tables = tuple(_check_tables(lake, [TABLES[name] for name in names]))
    findings = tuple(completeness(lake, limits))
    failed = sum(table.failed for table in tables)
    verdict = Verdict(
        lake_version=version,
        limits=by,
        success=failed == 0 and not any(finding.holds is False for finding in findings),
        expectations=sum(table.expectations for table in tables),
        failed=failed,
        rows_checked=sum(table.rows_checked for table in tables),
        seconds=round(time.monotonic() - start, 3),
        tables=tables,
        findings=findings,
    )
    told = asdict(verdict)
    write_over(lake.artefact(ARTEFACT), json.dumps(told, indent=2) + "\n")
    index = lake.artefact(DOCS)
    index.write_text(index_page(told, index.parent), encoding="utf-8")
    return verdict


def read(lake: Lake) -> Verdict | None:
    """The last verdict, or None where there is none that can be read."""
    try:
        saved = json.loads(lake.artefact(ARTEFACT).read_text(encoding="utf-8"))
        tables = tuple(
            TableVerdict(**{**table, "failures": tuple(table["failures"])}) for table in saved["tables"]
        )
        findings = tuple(Finding(**finding) for finding in saved["findings"])
        return Verdict(**{**saved, "tables": tables, "findings": findings})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _check_tables(lake: Lake, tables: list[Table]) -> Iterator[TableVerdict]:
    """A suite a table, all in one site; one table's rows are in memory at a time."""
    if not tables:
        return
    with _site(lake.artefact(DOCS).parent) as context:
        source = context.data_sources.add_pandas("lake")
        for table in tables:
            snapshot = lake.snapshot(table.name)
            frame, sample = _sample(snapshot.files)
            results = _validate(context, source, table, _with_row_rules(table, frame))
            failures = tuple(_failure(result) for result in results if not result.success)
            yield TableVerdict(
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
    parts = [thinned([file]) for file in chosen]
    every = max(step for _, step in parts)
    which = "all rows" if every == 1 else f"evenly, up to 1 of {every:,} rows"
    return pl.concat([rows for rows, _ in parts]), f"{which} of {len(chosen)} of {len(files)} files"


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
    if not column.unit or column.signed:
        return None
    return 0, LONGEST_MS if column.is_duration else None


@contextmanager
def _site(folder: Path) -> Iterator[Any]:
    """A context of the library; what is validated in it is a site in ``folder`` at the end."""
    # Both are read on import and on making a context; nothing may leave the machine.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with _without_spark():
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(draft)}
    builder = {"class_name": "SiteBuilder", "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"}}
    site = builder | {"store_backend": store, "show_how_to_buttons": False}
    context.add_data_docs_site("local", site)
    try:
        yield context
        context.build_data_docs(site_names=["local"])
        for page in draft.rglob("*.html"):
            page.write_text(self_contained(page.read_text(encoding="utf-8")), encoding="utf-8")
        shutil.rmtree(draft / "static", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _without_spark() -> Iterator[None]:
    """The library loads Spark where it finds it: seconds, warnings, and an exit where it takes us for its doctests."""
    is_hidden = "pyspark" not in sys.modules
    if is_hidden:
        sys.modules["pyspark"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if is_hidden:
            del sys.modules["pyspark"]


def _validate(context: Any, source: Any, table: Table, frame: pd.DataFrame) -> list[Any]:
    import great_expectations as gx

    asset = source.add_dataframe_asset(table.name)
    data = asset.add_batch_definition_whole_dataframe("sample")
    suite = context.suites.add(gx.ExpectationSuite(name=table.name, expectations=_expectations(table)))
    definition = gx.ValidationDefinition(name=table.name, data=data, suite=suite)
    # Figures alone: a value that breaks a rule may be somebody's, and the site is a file.
    shape = {"result_format": "SUMMARY", "partial_unexpected_count": 0, "exclude_unexpected_values": True}
    run = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame}, result_format=shape
    )
    results: list[Any] = run.results
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
