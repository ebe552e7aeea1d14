"""The bill that was received for a quarter, by cost pool, to stand beside what usage is modelled to cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from cost_model.margin import COST_POOLS
from cost_model.usage import Quarter
from metrics.charges import COMPUTED_ACCOUNT

__all__ = ["ReceivedBill", "received_bill"]


@dataclass(frozen=True)
class ReceivedBill:
    """Charges in USD by pool, dearest first; ``usd_per_hour`` is effective cost of the unit-cost pools.

    A bill is for all sessions, so its hours are too: ``hours_told_ratio`` of them tell how long they played, and
    the others are taken to have played as long.
    """

    charges: int
    billed_usd: Decimal
    effective_usd: Decimal
    pools: list[dict[str, Any]]
    without_pool: int
    not_in_usd: int
    usd_per_hour: float | None
    hours_told_ratio: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        money = ("billed_usd", "effective_usd")
        pools = [{k: str(v) if k in money else v for k, v in row.items()} for row in self.pools]
        return vars(self) | {name: str(getattr(self, name)) for name in money} | {"pools": pools}


def received_bill(
    charged: pl.LazyFrame, quarter: Quarter, hours_told: Decimal, hours_told_ratio: float = 1.0
) -> ReceivedBill | None:
    """The bill among ``charged`` (the contract's table ``charge``), or None where none was received.

    ``hours_told`` were played in the sessions that tell it, ``hours_told_ratio`` of all (0..1).

    A charge belongs to the quarter in which its period begins. Charges modelled here from usage, and those of
    an emulated service, are no bill. A charge counts in ``without_pool`` where it is neither of a pool of the unit
    costs nor content.
    """
    start, end = quarter.ts_ms()
    found = (
        charged.filter(
            pl.col("x_period_start_ts_ms").is_between(start, end, closed="left"),
            pl.col("BillingAccountId") != COMPUTED_ACCOUNT,
            ~pl.col("is_synthetic"),
        )
        .group_by(pool="x_cost_pool", currency="BillingCurrency")
        .agg(
            charges=pl.len(),
            billed_usd=pl.col("BilledCost").sum(),
            effective_usd=pl.col("EffectiveCost").sum(),
        )
        .sort(["effective_usd", "pool"], descending=[True, False])
        .collect()
    )
    if found.is_empty():
        return None
    in_usd = found.filter(pl.col("currency") == "USD").drop("currency")
    counted = in_usd.filter(pl.col("pool").is_in(COST_POOLS))
    content = in_usd.filter(pl.col("pool") == "content")
    unit_cost = Decimal(counted["effective_usd"].sum())
    return ReceivedBill(
        charges=_charges(found),
        billed_usd=Decimal(in_usd["billed_usd"].sum()),
        effective_usd=Decimal(in_usd["effective_usd"].sum()),
        pools=in_usd.to_dicts(),
        without_pool=_charges(in_usd) - _charges(counted) - _charges(content),
        not_in_usd=_charges(found) - _charges(in_usd),
        usd_per_hour=float(unit_cost / hours_told) * hours_told_ratio
        if hours_told and counted.height
        else None,
        hours_told_ratio=hours_told_ratio,
    )


def _charges(groups: pl.DataFrame) -> int:
    return int(groups["charges"].sum())
