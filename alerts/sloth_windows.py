"""Sloth's ``AlertWindows``: which windows page and which make a ticket, by period."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field

from alerts.sloth_base import Duration, Frozen, parse_duration, prometheus_duration
from alerts.source import read_documents
from metrics.errors import InputError

__all__ = ["Speeds", "Windows", "windows_for"]

SHIPPED = Path(__file__).parent / "windows" / "sloth"
_HOUR_MS = 3_600_000


class _Window(Frozen):
    error_budget_percent: Decimal = Field(alias="errorBudgetPercent", gt=0)
    short_ms: Duration = Field(alias="shortWindow")
    long_ms: Duration = Field(alias="longWindow")

    def factor(self, period_ms: int) -> float:
        """Burn rate that spends the share of the budget, in Sloth's order of operations."""
        hours = float(self.error_budget_percent) * (period_ms / _HOUR_MS) / 100
        return hours / (self.long_ms / _HOUR_MS)


class Speeds(Frozen):
    quick: _Window
    slow: _Window


class Windows(Frozen):
    period_ms: Duration = Field(alias="sloPeriod")
    page: Speeds
    ticket: Speeds


class _AlertWindows(Frozen):
    apiVersion: Literal["sloth.slok.dev/v1"]  # noqa: N815 - Sloth's own
    kind: Literal["AlertWindows"]
    spec: Windows


def windows_for(paths: Sequence[Path], period: str | None) -> Windows:
    own = _windows(paths)
    by_period = _windows(sorted(SHIPPED.glob("*.yaml"))) | own
    if period is None:
        return next(iter(own.values())) if len(own) == 1 else by_period[parse_duration("30d")]
    try:
        period_ms = parse_duration(period)
    except ValueError as error:
        raise InputError(str(error), mend="give a period such as 30d") from None
    if period_ms not in by_period:
        known = ", ".join(sorted(prometheus_duration(ms) for ms in by_period))
        raise InputError(f"no alert windows for a period of {period}", mend=f"give some; known: {known}")
    return by_period[period_ms]


def _windows(paths: Iterable[Path]) -> dict[int, Windows]:
    """Of files and of folders of them, by period."""
    found: dict[int, Windows] = {}
    files = [file for path in paths for file in (sorted(path.glob("*.y*ml")) if path.is_dir() else [path])]
    for path in files:
        for document in read_documents(path):
            spec = document.parse(_AlertWindows).spec
            if spec.period_ms in found:
                raise InputError(
                    "a second set of windows for this period",
                    where=document.where("spec", "sloPeriod"),
                    mend="keep one of them",
                )
            found[spec.period_ms] = spec
    return found
