"""What a table is: columns with a type and a unit, row rules, and the parting of good rows from bad.

A unit is read off the end of a column's name (``startup_ms``, ``delivered_bytes``), and brings its own
rule: durations and sizes are not negative, no duration is longer than 31 days, shares lie in 0..1, instants lie
between 2000 and 2100, so that a time written in seconds is caught.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import polars as pl

from metrics.errors import ContractError, did_you_mean

__all__ = ["Column", "Table", "Validated"]

# Longest suffix first: `_ts_ms` is an instant, not a duration.
UNITS: Mapping[str, str] = {
    "_ts_ms": "UTC epoch ms",
    "_ms": "ms",
    "_bytes": "bytes",
    "_kbps": "kbit/s",
    "_ratio": "ratio",
    "_usd": "USD",
    "_count": "1",
    "_days": "d",
}
EARLIEST_TS_MS, LATEST_TS_MS = 946_684_800_000, 4_102_444_800_000  # 2000-01-01, 2100-01-01

LONGEST_MS = 31 * 86_400_000


@dataclass(frozen=True)
class Column:
    """One column: name, type, what it means; null only where said; one of ``one_of`` where given."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    about: str
    nullable: bool = False
    one_of: tuple[str, ...] = ()
    signed: bool = False

    @property
    def unit(self) -> str:
        """The unit the name ends in, or the empty string.

        >>> Column("startup_ms", pl.Int64, "").unit
        'ms'
        """
        # With a leading underscore, so that `ts_ms` alone is an instant too.
        return next((unit for suffix, unit in UNITS.items() if f"_{self.name}".endswith(suffix)), "")

    def rules(self) -> dict[str, pl.Expr]:
        """Expressions that are true on rows this column allows, by the reason given when they are not."""
        here, rules = pl.col(self.name), {}
        if not self.nullable:
            rules[f"{self.name}: missing"] = here.is_not_null()
        if self.one_of:
            rules[f"{self.name}: not one of {', '.join(self.one_of)}"] = here.is_in(self.one_of)
        if self.unit == "UTC epoch ms":
            in_range = here.is_between(EARLIEST_TS_MS, LATEST_TS_MS)
            rules[f"{self.name}: not UTC epoch ms of 2000..2100"] = in_range
        elif self.unit == "ratio":
            rules[f"{self.name}: not in 0..1"] = here.is_between(0, 1)
        elif self.unit and not self.signed:
            rules[f"{self.name}: negative"] = here >= 0
            if self.unit == "ms":
                rules[f"{self.name}: longer than 31 days"] = here <= LONGEST_MS
        return rules


@dataclass(frozen=True)
class Validated:
    """Good rows in the contract's columns and types, and the rest with a reason each.

    ``quarantined`` has the columns ``table, reason, row`` (the row as JSON); several reasons are joined
    by ``"; "``. Rows in = good rows + quarantined rows, always.
    """

    good: pl.DataFrame
    quarantined: pl.DataFrame

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined rows by reason, most first."""
        counts = self.quarantined.group_by("reason").len().sort("len", "reason", descending=[True, False])
        return dict(counts.iter_rows())


@dataclass(frozen=True)
class Table:
    """A table of the contract.

    ``day`` names the instant whose UTC day the table is partitioned by. ``rules`` are row rules: a reason,
    and the expression that must hold (null counts as holding).
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    day: str | None = None
    rules: Mapping[str, pl.Expr] = field(default_factory=dict)

    @cached_property
    def schema(self) -> pl.Schema:
        """Column types, without the partition column ``day``."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def validate(
        self, frame: pl.DataFrame, *, also: Mapping[str, pl.Expr] = MappingProxyType({})
    ) -> Validated:
        """Part ``frame`` into rows that keep the contract and rows that do not.

        ``also`` are further row rules, of this source alone.
        Absent nullable columns are filled with null; an absent required column or an unknown column is a
        :class:`ContractError`, since it is a fault of the table and not of a row.
        """
        frame = self._in_shape(frame)
        cast = frame.select(_cast(n, frame.schema[n], t) for n, t in self.schema.items())
        checks: dict[str, pl.Expr] = {}
        for column in self.columns:
            checks |= column.rules()
        checks |= {**self.rules, **also}
        # A value lost in the cast was of the wrong type: said as such, not as missing.
        mistyped: dict[str, pl.Series] = {}
        for name, dtype in self.schema.items():
            if frame.schema[name] not in (dtype, pl.Null):
                lost = frame[name].is_not_null() & cast[name].is_null()
                mistyped[f"{name}: not {dtype}"] = ~lost
                if f"{name}: missing" in checks:
                    mistyped[f"{name}: missing"] = frame[name].is_not_null()
        verdicts = cast.select(
            expr.fill_null(value=True).alias(reason) for reason, expr in checks.items()
        ).with_columns(**mistyped)
        keep = verdicts.select(pl.all_horizontal(pl.all()))[:, 0] if verdicts.width else None
        if keep is None or keep.all():
            return Validated(cast, _no_quarantine())
        bad = ~keep
        reasons = verdicts.filter(bad).select(
            pl.concat_str(
                [pl.when(~pl.col(r)).then(pl.lit(r)) for r in verdicts.columns],
                separator="; ",
                ignore_nulls=True,
            )
        )[:, 0]
        quarantined = pl.DataFrame(
            {
                "table": pl.repeat(self.name, len(reasons), eager=True),
                "reason": reasons,
                "row": frame.filter(bad).select(pl.struct(pl.all()).struct.json_encode())[:, 0],
            }
        )
        return Validated(cast.filter(keep), quarantined)

    def empty(self) -> pl.DataFrame:
        """No rows, the contract's columns and types."""
        return pl.DataFrame(schema=self.schema)

    def _in_shape(self, frame: pl.DataFrame) -> pl.DataFrame:
        known = set(self.schema)
        for name in frame.columns:
            if name not in known:
                raise ContractError(
                    f"unknown column {name!r}", where=self.name, mend=did_you_mean(name, known)
                )
        absent = [c for c in self.columns if c.name not in frame.columns]
        required = [c.name for c in absent if not c.nullable]
        if required:
            raise ContractError(
                f"columns missing: {', '.join(required)}", where=self.name, mend="map or compute them"
            )
        return frame.with_columns(pl.lit(None, dtype=c.dtype).alias(c.name) for c in absent)


def _cast(name: str, given: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    here = pl.col(name)
    if given == pl.String and wanted == pl.Boolean:  # Polars has no such cast
        return here.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    return here.cast(wanted, strict=False)


def _no_quarantine() -> pl.DataFrame:
    return pl.DataFrame(schema={"table": pl.String, "reason": pl.String, "row": pl.String})
