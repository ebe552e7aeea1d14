"""Net present value, internal rate of return and payback of a row of yearly cash flows, over arrays of draws.

::

    NPV(r)  = Σ_t flow_t / (1 + r)^t, t = 0, 1, …
    IRR     = the r at which NPV(r) = 0
    payback = years until the running sum of flows is no longer negative, read inside the year

The first flow is at t = 0 and undiscounted, as in ``numpy_financial``, against which a test holds all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from cost_model.cdn import (
    Policy,
    fleet_pools,
    monthly_gb,
    own_usd_per_month,
    plan_fleet,
    rate_names,
    third_party_usd_per_month,
)
from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, sample

__all__ = ["Case", "irr", "npv", "own_cdn_case", "payback_years"]

_LOWEST, _HIGHEST, _HALVINGS = -0.99, 100.0, 60


@dataclass(frozen=True)
class Case:
    """The investment case of an own CDN at one size, against buying the same bytes.

    ``flows_usd``: medians of the yearly flows, capex first; ``pays_back_ratio``: share of draws whose flows sum
    to more than nothing. ``usd_per_gb``: all costs of the own CDN, capex annualised, by GB.
    """

    subscribers: float
    years: int
    npv_usd: Interval
    irr_ratio: Interval
    payback_years: Interval
    pays_back_ratio: float
    positive_npv_ratio: float
    usd_per_gb: Interval
    wacc_ratio: float
    flows_usd: Sequence[float]

    def as_dict(self) -> dict[str, object]:
        """For JSON; null where infinite."""
        parts = {k: v.as_dict() if isinstance(v, Interval) else v for k, v in vars(self).items()}
        return parts | {"flows_usd": list(self.flows_usd)}


def own_cdn_case(
    rates: Rates,
    day: date,
    *,
    subscribers: float,
    policy: Policy = "lean",
    given: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Case:
    """Capex of the fleet now, then each year of its book life what it saves against the negotiated price.

    ::

        flow_0 = −(appliances + exchange fit-out)
        flow_t = 12 · (third party − running cost of the own CDN − overflow), t = 1 … depreciation_years

    The service keeps its size, and nothing is left at the end. What reliability is worth is not in it.
    """
    drawn = sample(rates, rate_names(), day, given=given, draws=draws, seed=seed)
    size = np.full(draws, float(subscribers))
    years = round(float(rates.at("depreciation_years", day).point()))
    fleet = plan_fleet(size, drawn, policy)
    capex = (
        fleet.edge_servers * drawn["edge_appliance_price"]
        + fleet.storage_servers * drawn["storage_appliance_price"]
        + fleet.exchange_sites * drawn["exchange_fitout_price"]
    )
    bought = third_party_usd_per_month(size, drawn)
    running: Floats = np.asarray(
        sum(fleet_pools(fleet, drawn, np.zeros(draws)).values(), start=np.zeros(draws))
    )
    yearly = 12 * (bought * (1 - drawn["overflow_ratio"]) - running)
    flows = np.vstack([-np.asarray(capex), *[yearly] * years])
    value = npv(drawn["wacc_ratio"], flows)
    return Case(
        subscribers=subscribers,
        years=years,
        npv_usd=interval(value),
        irr_ratio=interval(irr(flows)),
        payback_years=interval(payback_years(flows)),
        pays_back_ratio=float((flows.sum(axis=0) > 0).mean()),
        positive_npv_ratio=float((value > 0).mean()),
        usd_per_gb=interval(own_usd_per_month(size, drawn, policy) / monthly_gb(size, drawn)),
        wacc_ratio=float(np.median(drawn["wacc_ratio"])),
        flows_usd=tuple(float(v) for v in np.median(flows, axis=1)),
    )


def npv(rate: Floats, flows: Floats) -> Floats:
    """Net present value by draw; ``rate`` of shape (draws,), ``flows`` of shape (years + 1, draws)."""
    years = np.arange(len(flows))[:, None]
    return np.asarray((flows / (1 + rate) ** years).sum(axis=0))


def irr(flows: Floats) -> Floats:
    """Internal rate of return by draw, for money out first and back later (one change of sign).

    −1 where what comes back does not even sum to anything; halving finds it between −99 % and 10,000 % a year.
    """
    draws = flows.shape[1]
    low, high = np.full(draws, _LOWEST), np.full(draws, _HIGHEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_above = npv(middle, flows) > 0
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    return np.where(flows[1:].max(axis=0) <= 0, -1.0, (low + high) / 2)


def payback_years(flows: Floats) -> Floats:
    """Years until the money is back, by draw; infinite where it never is."""
    running = np.cumsum(flows, axis=0)
    back = running >= 0
    first = back.argmax(axis=0)
    draws = np.arange(flows.shape[1])
    gained = flows[first, draws]
    before = running[first, draws] - gained
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = first - 1 + np.where(gained > 0, -before / gained, 0.0)
    return np.where(back.any(axis=0), np.where(first == 0, 0.0, inside), np.inf)
