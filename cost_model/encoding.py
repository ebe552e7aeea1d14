"""Is AV1 with film grain worth its encodes: payback in months, as a distribution, by size of the service.

The identities (USD; rate names in ``rates.toml``)::

    encode an hour  = 60 · encode_price_av1 · film_grain_encode_factor
                         · ladder_1080p_equivalent · encode_trials
    investment      = av1_programme_price + catalogue_hours · encode an hour
    upkeep a month  = catalogue_hours · catalogue_growth_ratio / 12 · encode an hour
    saved a month   = GB a month · av1_device_ratio · av1_saving_ratio · price of the byte at the margin
    payback         = investment / (saved − upkeep), never where upkeep eats the saving

H.264 stays for devices without AV1, so its encodes are not saved. Bytes are priced at the margin: the
negotiated price at a third party; on an own CDN what fewer bytes save there, which is little where the
footprint binds the fleet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from cost_model.cdn import Policy, monthly_gb, own_marginal_usd_per_gb, rate_names
from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Driver, Floats, Interval, drivers, interval, sample

__all__ = ["SIZES", "Delivery", "Payback", "PaybackPoint", "encode_usd_per_hour", "payback"]

Delivery = Literal["third_party", "own"]
SIZES = (10e6, 25e6, 50e6, 75e6, 100e6, 125e6, 150e6, 200e6, 250e6, 325e6)
FAMILIAR_MONTHS = (8.0, 12.0)

_ENCODE_RATES = (
    "encode_price_av1", "film_grain_encode_factor", "ladder_1080p_equivalent", "encode_trials",
    "catalogue_hours", "catalogue_growth_ratio", "av1_programme_price", "av1_device_ratio",
    "av1_saving_ratio", "hours_per_member_day", "gb_per_hour", "third_party_price",
)  # fmt: skip


@dataclass(frozen=True)
class PaybackPoint:
    """Payback of a service of one size; ``within_ratio``: share of draws inside 8–12 months."""

    subscribers: float
    months: Interval
    never_ratio: float
    within_ratio: float


@dataclass(frozen=True)
class Payback:
    """Payback in months where bytes are delivered by a third party or by an own CDN.

    ``subscribers_for_8_months`` and ``subscribers_for_12_months`` say how large a service must be to be
    paid back in that time at third-party prices; None on an own CDN, whose marginal price moves with size.
    """

    delivery: Delivery
    at: PaybackPoint
    by_subscribers: Sequence[PaybackPoint]
    subscribers_for_8_months: Interval | None
    subscribers_for_12_months: Interval | None
    drivers: Sequence[Driver]
    investment_usd: Interval
    marginal_usd_per_gb: Interval
    labels: Mapping[str, str]

    def as_dict(self) -> dict[str, object]:
        """For JSON; null where infinite."""

        def point(p: PaybackPoint) -> dict[str, object]:
            ratios = {"never_ratio": p.never_ratio, "within_8_to_12_months_ratio": p.within_ratio}
            return {"subscribers": p.subscribers, "months": p.months.as_dict(), **ratios}

        eight, twelve = self.subscribers_for_8_months, self.subscribers_for_12_months
        return {
            "delivery": self.delivery,
            "at": point(self.at),
            "by_subscribers": [point(p) for p in self.by_subscribers],
            "subscribers_for_8_months": eight.as_dict() if eight else None,
            "subscribers_for_12_months": twelve.as_dict() if twelve else None,
            "drivers": [d.as_dict() for d in self.drivers],
            "investment_usd": self.investment_usd.as_dict(),
            "marginal_usd_per_gb": self.marginal_usd_per_gb.as_dict(),
            "labels": dict(self.labels),
        }


def payback(
    rates: Rates,
    day: date,
    *,
    delivery: Delivery = "third_party",
    policy: Policy = "lean",
    given: Mapping[str, float] | None = None,
    at_subscribers: float = 100e6,
    sizes: Sequence[float] = SIZES,
    draws: int = DRAWS,
    seed: int = 0,
) -> Payback:
    """Months until AV1 with film grain has paid for itself.

    ``given`` fixes rates: ``av1_saving_ratio`` and ``av1_device_ratio`` measured in two worlds of one seed,
    a negotiated ``third_party_price``; ``labels`` of the result say which were given and which are ranges.
    """
    names = tuple(dict.fromkeys((*_ENCODE_RATES, *(rate_names() if delivery == "own" else ()))))
    drawn = sample(rates, names, day, given=given, draws=draws, seed=seed)
    hour = encode_usd_per_hour(drawn)
    investment = drawn["av1_programme_price"] + drawn["catalogue_hours"] * hour
    upkeep = drawn["catalogue_hours"] * drawn["catalogue_growth_ratio"] / 12 * hour

    def saved_gb(size: Floats) -> Floats:
        return monthly_gb(size, drawn) * drawn["av1_device_ratio"] * drawn["av1_saving_ratio"]

    def price(size: Floats) -> Floats:
        return (
            drawn["third_party_price"]
            if delivery == "third_party"
            else own_marginal_usd_per_gb(size, drawn, policy)
        )

    def months(subscribers: float) -> Floats:
        size = np.full(draws, float(subscribers))
        net = saved_gb(size) * price(size) - upkeep
        return np.asarray(np.divide(investment, net, out=np.full(draws, np.inf), where=net > 0))

    def point(subscribers: float) -> PaybackPoint:
        outcome = months(subscribers)
        low, high = FAMILIAR_MONTHS
        within = float(((outcome >= low) & (outcome <= high)).mean())
        return PaybackPoint(subscribers, interval(outcome), float(np.isinf(outcome).mean()), within)

    def subscribers_for(target_months: float) -> Interval | None:
        if delivery == "own":
            return None
        saved_per_subscriber = saved_gb(np.ones(draws)) * drawn["third_party_price"]
        return interval((investment / target_months + upkeep) / saved_per_subscriber)

    return Payback(
        delivery=delivery,
        at=point(at_subscribers),
        by_subscribers=tuple(point(size) for size in sizes),
        subscribers_for_8_months=subscribers_for(FAMILIAR_MONTHS[0]),
        subscribers_for_12_months=subscribers_for(FAMILIAR_MONTHS[1]),
        drivers=drivers(months(at_subscribers), drawn),
        investment_usd=interval(investment),
        marginal_usd_per_gb=interval(price(np.full(draws, float(at_subscribers)))),
        labels={
            name: "given" if name in (given or {}) else f"rates: {rates.at(name, day).grade}"
            for name in names
        },
    )


def encode_usd_per_hour(rate: Mapping[str, Floats]) -> Floats:
    """60 · price of a 1080p minute · film grain · ladder · trials: USD an hour of video."""
    return np.asarray(
        60
        * rate["encode_price_av1"]
        * rate["film_grain_encode_factor"]
        * rate["ladder_1080p_equivalent"]
        * rate["encode_trials"]
    )
