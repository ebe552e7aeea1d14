"""A quarter as a bridge and a forecast see it: cost, bytes and hours by finest cells, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from cost_model.margin import COST_POOLS
from cost_model.usage import Quarter, Usage
from metrics.errors import InputError, did_you_mean

__all__ = ["BUDGET_COLUMNS", "KEYS", "Period", "period_of", "read_budget"]

KEYS = ("region", "isp", "tier", "cdn", "codec")
BUDGET_COLUMNS = ("measure", "pool", "region", "cdn", "codec", "value")
_USD, _WHOLE = pl.Decimal(38, 10), pl.Decimal(38, 0)
_CHARGE_KEYS = {"region": "RegionId", "isp": "x_isp", "tier": "x_tier", "cdn": "x_cdn", "codec": "x_codec"}
COSTS = pl.Schema({"pool": pl.String(), **dict.fromkeys(KEYS, pl.String()), "effective_usd": _USD})
SIZES = pl.Schema({**dict.fromkeys(KEYS, pl.String()), "delivered_bytes": _WHOLE})
HOURS = pl.Schema({"region": pl.String(), "codec": pl.String(), "playing_ms": _WHOLE})


@dataclass(frozen=True)
class Period:
    """``costs`` by pool and slice, ``sizes`` by slice, ``hours`` by region and codec; see the schemas here.

    A slice is region, ISP, tier, CDN and codec; null where a source does not tell (a budget plans no ISPs).
    ``origin`` says in words what the figures are: measured, synthetic history, a budget.
    """

    quarter: Quarter
    origin: str
    days: int
    costs: pl.DataFrame
    sizes: pl.DataFrame
    hours: pl.DataFrame

    @property
    def cost_usd(self) -> Decimal:
        """Effective cost of all cells."""
        return Decimal(self.costs["effective_usd"].sum())

    @property
    def playing_ms(self) -> int:
        """Time played."""
        return int(self.hours["playing_ms"].sum())

    @property
    def delivered_bytes(self) -> int:
        """Bytes delivered."""
        return int(self.sizes["delivered_bytes"].sum())


def period_of(charged: pl.DataFrame, usage: Usage, *, origin: str = "measured") -> Period:
    """The quarter's charges (contract's table ``charge``) and usage as a period."""
    return Period(
        quarter=usage.quarter,
        origin=origin,
        days=int(usage.days["days"].sum()),
        costs=_sums(
            charged.filter(pl.col("x_cost_pool").is_in(COST_POOLS)).rename(
                {"x_cost_pool": "pool", "EffectiveCost": "effective_usd"}
                | {focus: name for name, focus in _CHARGE_KEYS.items()}
            ),
            COSTS,
        ),
        sizes=_sums(usage.delivery, SIZES),
        hours=_sums(usage.hours, HOURS),
    )


def read_budget(path: Path, quarter: Quarter) -> Period:
    """A budget from a CSV file of one quarter, columns :data:`BUDGET_COLUMNS`.

    ``measure`` is ``usd`` (by pool), ``gb`` or ``hours`` (by region and codec); dimensions that are not planned are
    left empty. Raises :class:`~metrics.errors.InputError` with file and line.
    """
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"cannot be read ({error})", where=str(path), mend="give a CSV file with a header"
        ) from error
    absent = [column for column in BUDGET_COLUMNS if column not in frame.columns]
    if absent:
        raise InputError(f"columns missing: {', '.join(absent)}", where=str(path), mend="see docs/report.md")
    frame = frame.select(BUDGET_COLUMNS).with_columns(
        isp=pl.lit(None, pl.String), tier=pl.lit(None, pl.String)
    )
    for number, row in enumerate(frame.iter_rows(named=True), start=2):
        _check(row, f"{path}, line {number}")
    frame = frame.with_columns(pl.col("value").str.strip_chars().cast(_USD))
    measured = {name: frame.filter(pl.col("measure") == name) for name in ("usd", "gb", "hours")}
    if measured["usd"].is_empty():
        raise InputError("no row plans usd", where=str(path), mend="add rows with measure usd and a pool")
    return Period(
        quarter=quarter,
        origin=f"budget, {path.name}",
        days=(quarter.end - quarter.months[0]).days,
        costs=_sums(measured["usd"].rename({"value": "effective_usd"}), COSTS),
        sizes=_sums(measured["gb"].with_columns(delivered_bytes=pl.col("value") * 10**9), SIZES),
        hours=_sums(measured["hours"].with_columns(playing_ms=pl.col("value") * 3_600_000), HOURS),
    )


def _check(row: dict[str, str | None], where: str) -> None:
    measure, value = row["measure"] or "", row["value"] or ""
    if measure not in ("usd", "gb", "hours"):
        mend = did_you_mean(measure, ("usd", "gb", "hours"))
        raise InputError(f"measure is {measure!r}", where=where, mend=mend)
    if measure == "usd" and row["pool"] not in COST_POOLS:
        mend = did_you_mean(row["pool"] or "", COST_POOLS)
        raise InputError(f"pool is {row['pool']!r}", where=where, mend=mend)
    try:
        amount = Decimal(value.strip())
    except ArithmeticError as error:
        raise InputError(f"value is {value!r}", where=where, mend="write a number, as 1234.56") from error
    if not amount.is_finite() or amount < 0:
        raise InputError(f"value is {value}", where=where, mend="a planned amount is not negative")


def _sums(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    *keys, measure = schema.names()
    return _ordered(
        frame.group_by(keys)
        .agg(pl.col(measure).sum())
        .filter(pl.col(measure) != 0)
        .select(schema.names())
        .cast(schema),
        keys,
    ).select(schema.names())


def _ordered(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    return frame.sort(keys, nulls_last=True)
