"""What of a metric decides how pages ask for it: what its rows hang on, what else is read off them, how it is cut."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from metrics.catalog import METRICS, get_metric
from metrics.errors import InputError
from metrics.plan import check_dimensions

__all__ = ["are_shares", "beside", "can_cut", "is_by_row"]


@cache
def is_by_row(name: str) -> bool:
    """Whether each row of a table of it hangs on its own sessions alone: a level is averaged over the days of all."""
    metric = get_metric(name)
    tables = {part.table for part in metric.parts} - {"charge"}
    return (
        metric.kind in ("ratio", "quantile")
        and len(tables) == 1
        and not any(part.is_level or not part.is_sliced for part in metric.parts)
    )


@cache
def beside(name: str) -> tuple[str, ...]:
    """Other quantiles that are read off the same sketch."""
    metric = get_metric(name)
    return tuple(
        other.name for other in METRICS.values()
        if metric.kind == other.kind == "quantile" and other is not metric
        and (metric.clock, metric.numerator.table, metric.numerator.name)
        == (other.clock, other.numerator.table, other.numerator.name)
    )  # fmt: skip


def are_shares(names: Iterable[str]) -> bool:
    return all(get_metric(name).kind in ("ratio", "quantile") for name in names)


def can_cut(name: str, dimensions: list[str]) -> bool:
    try:
        check_dimensions([get_metric(name)], dimensions)
    except InputError:
        return False
    return True
