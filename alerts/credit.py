"""Credits of a service level agreement: what a month below its promise gives back, as a table for who charges.

The agreement is a file: tiers of the month's attained share and the part of the charge each gives back. The
table names shares of a charge and no money: what the charge was is the cost model's to know.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerts.counts import Ints, ratio_of
from alerts.policy import MINUTE_MS, Duration
from alerts.source import read_documents
from metrics.errors import InputError

__all__ = ["CREDITS", "SHIPPED", "Agreement", "Tier", "credit_table", "load_agreement"]

SHIPPED = Path(__file__).parent / "sla"

CREDITS = pl.Schema(
    {
        "month": pl.Date,
        "bad": pl.Int64,
        "total": pl.Int64,
        "attained": pl.Float64,
        "below": pl.Float64,
        "credit_ratio": pl.Float64,
        "is_complete": pl.Boolean,
    }
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(_Frozen):
    """Attained less than ``below``: ``credit_ratio`` of the month's charge is given back."""

    below: Decimal = Field(gt=0, le=1)
    credit_ratio: Decimal = Field(gt=0, le=1)


class Agreement(_Frozen):
    """Tiers from the promise down. With ``interval`` the month's share is the mean of the shares of its intervals,
    one without traffic counting as good; without, it is the share of the month's events."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    about: str
    source: str
    grade: Literal["measured", "cited", "derived", "assumed"]
    interval_ms: Duration | None = Field(default=None, alias="interval")
    tiers: tuple[Tier, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _tiers_fall(self) -> Agreement:
        for above, under in zip(self.tiers[:-1], self.tiers[1:], strict=True):
            if under.below >= above.below or under.credit_ratio <= above.credit_ratio:
                raise ValueError(
                    "tiers fall from the promise down, and each gives back more than the one above"
                )
        if self.interval_ms is not None and 1440 * MINUTE_MS % self.interval_ms:
            raise ValueError("a day is not a whole number of intervals")
        return self

    def tier(self, attained: Fraction) -> Tier | None:
        """The lowest tier that a share falls under; at a tier's very edge it does not."""
        under = [tier for tier in self.tiers if attained < Fraction(tier.below)]
        return under[-1] if under else None


def load_agreement(path: Path) -> Agreement:
    """The agreement of a file; raises :class:`~metrics.errors.InputError` with ``file:line``."""
    documents = read_documents(path)
    if len(documents) != 1:
        raise InputError(
            f"{len(documents)} documents where one agreement is read", where=str(path), mend="one a file"
        )
    return documents[0].parse(Agreement)


def credit_table(agreement: Agreement, start_ts_ms: int, bad: Ints, total: Ints) -> pl.DataFrame:
    """Credits by UTC month of events a minute from ``start_ts_ms`` on: :data:`CREDITS`.

    ``below`` and ``credit_ratio`` are null and 0 where the promise was kept; ``attained`` and ``credit_ratio``
    null without traffic. A month that the minutes do not cover is not complete: its credit may change.
    """
    ts_ms = start_ts_ms + np.arange(len(bad), dtype=np.int64) * MINUTE_MS
    months = (ts_ms.astype("datetime64[ms]").astype("datetime64[M]")).astype(np.int64)
    rows = []
    for month in np.unique(months):
        mine = slice(*np.searchsorted(months, [month, month + 1]))
        month_bad, month_total = int(bad[mine].sum()), int(total[mine].sum())
        attained = _attained(agreement, ts_ms[mine], bad[mine], total[mine])
        tier = None if attained is None else agreement.tier(attained)
        first = np.datetime64(int(month), "M")
        minutes = int((np.datetime64(int(month) + 1, "M").astype("datetime64[m]") - first).astype(np.int64))
        rows.append(
            {
                "month": datetime.fromtimestamp(
                    int(first.astype("datetime64[s]").astype(np.int64)), UTC
                ).date(),
                "bad": month_bad,
                "total": month_total,
                "attained": None if attained is None else float(attained),
                "below": None if tier is None else float(tier.below),
                "credit_ratio": None if attained is None else float(tier.credit_ratio) if tier else 0.0,
                "is_complete": mine.stop - mine.start == minutes,
            }
        )
    return pl.DataFrame(rows, schema=CREDITS)


def _attained(agreement: Agreement, ts_ms: Ints, bad: Ints, total: Ints) -> Fraction | None:
    if not total.sum():
        return None
    if agreement.interval_ms is None:
        return 1 - Fraction(int(bad.sum()), int(total.sum()))
    interval = ts_ms // agreement.interval_ms
    interval -= interval[0]
    shares = ratio_of(
        np.bincount(interval, weights=bad.astype(np.float64)),
        np.bincount(interval, weights=total.astype(np.float64)),
    )
    # The mean of thousands of shares is a float; its last digits are not what a tier hangs on.
    return Fraction(str(round(1 - float(np.nan_to_num(shares).mean()), 12)))
