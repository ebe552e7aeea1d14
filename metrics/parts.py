"""The additive parts that metrics are made of: which rows count, and the integer each row adds.

A part is summed over rows, times the row's weight, and only then divided; so parts of any slices and
periods add up. Sessions that the ledger excludes never count: that rule stands here once, for every part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Literal

import narwhals as nw
import polars as pl

from metrics.telemetry import TABLES
from metrics.unknown import told

__all__ = [
    "ARMS",
    "COUNTED",
    "Clock",
    "Part",
    "Rows",
    "clock_column",
    "dimensions_of",
    "has_arms",
    "is_weighted",
]

Clock = Literal["start", "end", "delivery", "day", "event"]

COUNTED: Mapping[str, nw.Expr] = MappingProxyType({"playback_session": nw.col("excluded_reason").is_null()})
"""By table, the rows that may count at all; :func:`metrics.rollup.rollup` applies it."""

ARMS, HOLDOUT = ("experiment", "arm"), "is_holdout"
"""Dimensions of every table of members, by the table ``assignment`` (:mod:`metrics.arms`); and what metrics ask."""

_CLOCK_COLUMNS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("playback_session", "start"): "start_ts_ms",
        ("playback_session", "end"): "end_ts_ms",
        # The nearest a session comes to the delivery clock: its bytes are all delivered when it ends.
        ("playback_session", "delivery"): "end_ts_ms",
        ("charge", "delivery"): "x_period_start_ts_ms",
    }
)
_CHARGE_DIMENSIONS = {
    "region": "RegionId",
    "isp": "x_isp",
    "tier": "x_tier",
    "codec": "x_codec",
    "cdn": "x_cdn",
}
_IDENTITIES = {
    "session_id", "viewer_id", "subscriber_id", "impression_id", "visit_id", "search_id", "flags", "excluded_reason",
}  # fmt: skip
_INTEGER_DIMENSIONS = {"asn", "row", "slot"}
# Parts of the same name whose rows must tell more are other parts: ``starts|stalls``.
_TELLING = "|"


@dataclass(frozen=True)
class Rows:
    """Rows of a table that something is counted over; ``where`` null or false leaves a row out.

    ``derived`` names columns that are computed on the whole table before any period is cut out. ``needs`` names
    the measures (:mod:`metrics.unknown`) that a row must tell, or it is left out too.
    """

    name: str
    table: str
    where: nw.Expr | None = None
    derived: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def condition(self) -> nw.Expr | None:
        """Which rows count: those of ``where`` that tell what is needed; None where all do."""
        if not self.needs:
            return self.where
        return told(self.needs) if self.where is None else self.where & told(self.needs)

    def telling(self, *measures: str) -> Rows:
        """Those of the rows that tell ``measures`` too."""
        needs = tuple(sorted({*self.needs, *measures}))
        return replace(self, name=_telling(self.name, needs), needs=needs) if needs != self.needs else self


@dataclass(frozen=True)
class Part:
    """An additive part of a metric: the sum of ``value`` (an integer expression; 1 if none) over ``of``.

    ``unit`` is what the sum is shown in, ``per`` how many of the summed unit make one of it (3,600,000 ms an
    hour). A part ``is_level`` when it is an average over the days of the period (paying members): its sum is
    divided by the days that have data. A part ``is_whole`` when dimensions do not slice it, so that slices of
    a metric over it add up. A part ``is_flag`` when its value is 0 or 1. ``after`` is the time to what a flag
    flags, or to when looking ended without it.
    """

    name: str
    of: Rows
    value: nw.Expr | None = None
    unit: str = "1"
    per: Fraction = Fraction(1)
    is_level: bool = False
    is_whole: bool = False
    is_flag: bool = False
    after: nw.Expr | None = None

    @property
    def table(self) -> str:
        """The table it is summed over."""
        return self.of.table

    @property
    def is_sliced(self) -> bool:
        """Whether a slice by dimensions narrows it."""
        return not self.is_whole

    @property
    def label(self) -> str:
        """Its name to people, without what its rows must tell."""
        return self.name.partition(_TELLING)[0]

    def telling(self, *measures: str) -> Part:
        """The same of those rows alone that tell ``measures`` too."""
        of = self.of.telling(*measures)
        return replace(self, name=_telling(self.name, of.needs), of=of) if of is not self.of else self


def is_weighted(table: str) -> bool:
    """Whether rows of the table stand for ``weight`` real ones; the others are scaled already, or exact."""
    return "weight" in TABLES[table].schema


def has_arms(table: str) -> bool:
    """Whether rows of the table are a member's, and so of an experiment's arm."""
    return is_weighted(table) and "subscriber_id" in TABLES[table].schema


def clock_column(table: str, clock: Clock) -> str:
    """The instant that says when a row of ``table`` counts on ``clock``."""
    return _CLOCK_COLUMNS.get((table, clock), "ts_ms")


@cache
def dimensions_of(table: str) -> Mapping[str, str]:
    """The dimensions rows of ``table`` can be grouped and filtered by, each with its column.

    >>> dimensions_of("charge")["cdn"]
    'x_cdn'
    """
    if table == "charge":
        return MappingProxyType(
            _CHARGE_DIMENSIONS | {"is_synthetic": "is_synthetic", "x_cost_pool": "x_cost_pool"}
        )
    schema = TABLES[table].schema
    names = [
        name
        for name, dtype in schema.items()
        if (dtype in (pl.String, pl.Boolean) or name in _INTEGER_DIMENSIONS) and name not in _IDENTITIES
    ]
    names += [name for name in ARMS if has_arms(table)]
    return MappingProxyType({name: name for name in names})


def _telling(name: str, needs: tuple[str, ...]) -> str:
    return _TELLING.join((name.partition(_TELLING)[0], *needs))
