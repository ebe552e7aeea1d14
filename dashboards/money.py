"""What is in money, and what is left of a document without it: who may see it is asked in :mod:`dashboards.queries`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from dashboards.artefacts import read
from metrics.metric import Metric

__all__ = ["FINANCE_FILES", "blanked", "document", "is_finance", "without_money"]

FINANCE_FILES = frozenset({"economics.json", "charges.parquet", "report.html", "report.pdf", "report.xlsx"})
"""Artefacts that readers with the role finance alone are given."""


def is_finance(metric: Metric) -> bool:
    """Whether a metric is in money."""
    return "USD" in metric.unit


def blanked(measured: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """``measured`` with no figure of the metrics ``names``: their rows stand, and tell nothing of money."""
    money = [name for name in ("value", "low", "high", "numerator") if name in measured.columns]
    return measured.with_columns(pl.when(~pl.col("metric").is_in(names)).then(pl.col(money)))


def without_money(found: Any) -> Any:
    """A JSON document less every entry that has a unit in money.

    >>> without_money({"effects": [{"unit": "USD/h", "effect": 1}, {"unit": "h", "effect": 2}]})
    {'effects': [{'unit': 'h', 'effect': 2}]}
    """
    if isinstance(found, dict):
        return {
            name: without_money(value)
            for name, value in found.items()
            if not _is_money(value) and "usd" not in name.casefold()
        }
    if isinstance(found, list):
        return [without_money(value) for value in found if not _is_money(value)]
    return found


def _is_money(value: Any) -> bool:
    return isinstance(value, dict) and "usd" in str(value.get("unit", "")).casefold()


@lru_cache(maxsize=32)
def document(file: str, sees_finance: bool, mtime_ns: int, size: int) -> Any:
    """A JSON file as it was written last: read once, not at every run of a page."""
    found = read(Path(file))
    return found if sees_finance else without_money(found)
