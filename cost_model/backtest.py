"""The model beside what is public of the largest own CDN and its service: nothing here is fitted to it.

The anchors (:data:`ANCHORS`) are read by this module alone; no rate is derived from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from cost_model.cdn import own_usd_per_month, plan_fleet, rate_names
from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, sample

__all__ = ["ANCHORS", "Anchor", "Backtest", "backtest"]

_MEMBERS = 231e6  # end of 2022, when the footprint was told
_FACTOR = 2.0


@dataclass(frozen=True)
class Anchor:
    """A public figure, and how the model says it from the fleet of the dense footprint (or lean, for networks)."""

    name: str
    value: float
    unit: str
    source: str


ANCHORS = (
    Anchor("servers", 18_000, "server", "18,000 appliances at 231 M members, end of 2022"),
    Anchor("sites", 6_000, "site", "6,000 locations, end of 2022"),
    Anchor("access networks", 1_000, "network", "more than 1,000 ISPs, 2022"),
    Anchor("gross margin", 0.461, "ratio", "annual report 2024: 46.1 %"),
)


@dataclass(frozen=True)
class Backtest:
    """What the model says of an anchor; ``factor`` is the larger of model ÷ anchor and anchor ÷ model."""

    anchor: Anchor
    model: Interval
    factor: float

    @property
    def holds(self) -> bool:
        """Whether the median is within a factor of 2."""
        return self.factor <= _FACTOR

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "anchor": self.anchor.name,
            "public": self.anchor.value,
            "unit": self.anchor.unit,
            "source": self.anchor.source,
            "model": self.model.as_dict(),
            "factor": self.factor,
            "within_a_factor_of_2": self.holds,
        }


def backtest(rates: Rates, day: date, *, draws: int = DRAWS, seed: int = 0) -> list[Backtest]:
    """Each anchor and what the model makes of the same members.

    ::

        gross margin = 1 − (content + other cost of revenues + own delivery) / revenue

    of which the model has delivery alone: content and the rest are ``content_ratio`` and ``other_cost_ratio`` of
    revenue. A delivery cost of the wrong order would not fit in.
    """
    names = (*rate_names(), "content_ratio", "other_cost_ratio", "revenue_price")
    rate = sample(rates, names, day, draws=draws, seed=seed)
    members = np.full(draws, _MEMBERS)
    said: Mapping[str, Callable[[], Floats]] = {
        "servers": lambda: (
            np.asarray(plan_fleet(members, rate, "dense").edge_servers)
            + plan_fleet(members, rate, "dense").storage_servers
        ),
        "sites": lambda: np.asarray(plan_fleet(members, rate, "dense").sites),
        "access networks": lambda: np.asarray(plan_fleet(members, rate, "lean").sites),
        "gross margin": lambda: (
            1 - rate["content_ratio"] - rate["other_cost_ratio"]
            - own_usd_per_month(members, rate, "dense") / (members * rate["revenue_price"])
        ),
    }  # fmt: skip
    found = []
    for anchor in ANCHORS:
        model = interval(said[anchor.name]())
        factor = max(model.median / anchor.value, anchor.value / model.median) if model.median > 0 else np.inf
        found.append(Backtest(anchor, model, float(factor)))
    return found
