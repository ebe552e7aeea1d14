"""What pages and reports show that is no metric of the catalogue: results of models, comparisons, budgets.

A metric is measured of rows and can be sliced; these are worked out from metrics, rates or objectives. The glossary
has both, so that every figure leads to what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["TERMS", "Term"]


@dataclass(frozen=True)
class Term:
    """A figure that is defined once: ``about`` with its formula, ``unit``, and where the definition is from."""

    name: str
    title: str
    about: str
    unit: str
    source: str = ""


_ALL = (
    # --- the promise ---
    Term(
        "contribution", "Contribution to a change",
        "What a driver's change carried of the north star's: volumes, rates and mix are exchanged one after the "
        "other, so that identities sum to the change exactly. An influence is an estimate and adds to nothing.",
        "as the metric", "north-star tree",
    ),
    Term(
        "exposed_hours", "Hours exposed to late starts",
        "Watch hours of a segment × (its share of starts that break the contract − the 1 % allowed). An identity, "
        "and no estimate of hours lost.",
        "h",
    ),
    Term(
        "switch_effect", "Effect of a switch",
        "A metric as the service runs, less what it would be with one switch turned back: estimated from telemetry by "
        "an experiment, a comparison of like sessions or the rates; true where both worlds were lived on one seed.",
        "as the metric", "docs/decisions.md",
    ),
    Term(
        "budget_left", "Error budget left",
        "1 − bad events ÷ those that the objective allows over its rolling period. 1 is untouched, 0 gone, below 0 "
        "the promise is broken. Projected at the last week's burn, with an interval from leaving each day out.",
        "ratio", "Site Reliability Workbook, chapter 2",
    ),
    Term(
        "burn_rate", "Burn rate and alerts",
        "The share of bad events in a window ÷ the share allowed: at 1 a budget lasts its period exactly. An alert "
        "fires while a long and a short window both burn faster than their policy; close ones are joined.",
        "1", "Site Reliability Workbook, chapter 5",
    ),
    Term(
        "backtest_minutes", "Backtest of alerts",
        "An objective's alerts run over all minutes so far: how many incidents they caught, minutes from an incident's "
        "start to the page and from its end until the alert lets go, and pages in 30 days that met no incident.",
        "min", "docs/backtest.md",
    ),
    Term(
        "explained_ratio", "Share explained by slices",
        "How much of all that moved, between the time looked at and the time before, lies within the slices named.",
        "ratio", "docs/localise.md",
    ),
    Term(
        "share_difference", "Difference in share",
        "How common a value is among the sessions selected, less how common it is among all others, in percentage "
        "points; the interval is 90 % for all values at once, by jackknife over subscribers.",
        "pt", "docs/explore.md",
    ),
    Term(
        "player_state", "State of the player",
        "Starting from the play instruction to the first frame; then playing, stalled (an empty buffer that nobody "
        "asked for), seeking or paused; failed where an error ended it. Told by events where they were recorded.",
        "min", "CTA-5004",
    ),
    # --- the service ---
    Term(
        "appliance_utilisation", "Utilisation of appliances",
        "Bytes delivered in an hour of the day ÷ bytes that the place's appliances reported they could give in it.",
        "ratio",
    ),
    Term(
        "steering_ms", "Steering",
        "Requests by which players are sent to a site: how many were sampled, how long the answer took at the 50th and "
        "99th percentile of a day, and the share answered with a status of 500 or above.",
        "ms",
    ),
    Term(
        "lift", "Lift",
        "A metric's value in the treatment ÷ its value in the control − 1, with a 90 % interval by jackknife over "
        "members.",
        "ratio", "docs/experiments.md",
    ),
    # --- what it is worth ---
    Term(
        "effective_cost", "Effective cost",
        "What was used, with commitments and purchases spread evenly over the time they serve; not what was paid in "
        "the period.",
        "USD", "FOCUS 1.2, EffectiveCost",
    ),
    Term(
        "cost_per_gigabyte", "Cost per GB",
        "Effective cost of delivery, encoding and control plane ÷ bytes delivered. The catalogue's delivery cost per "
        "GB has delivery alone.",
        "USD/GB",
    ),
    Term(
        "margin_per_stream_hour", "Contribution margin per stream hour",
        "What members pay for an hour, less its effective cost of delivery, encoding and control plane. Content, "
        "marketing and overhead are not in it.",
        "USD/h",
    ),
    Term(
        "cost_bridge", "Cost bridge",
        "A change in cost as volume (stream hours), mix (where and how they were watched), efficiency (GB an hour) and "
        "price (USD a GB), exchanged in that order cell by cell, so that they add up to the change exactly.",
        "USD",
    ),
    Term(
        "rate_swing", "Swing of a rate",
        "The quarter's cost with one rate at the low, then at the high end of its 90 % range, all others at their "
        "point.",
        "USD", "the rates file",
    ),
    Term(
        "av1_margin", "AV1 everywhere",
        "Share of stream hours without AV1 × their GB an hour × the share of bytes it saves × what a byte is worth at "
        "the margin. A ceiling: every device decodes it, and encoding is not in it.",
        "USD/h", "docs/economics.md",
    ),
    Term(
        "break_even_subscribers", "Break-even of an own CDN",
        "The size of a service from which a month's delivery by an own CDN costs no more than the same bytes at a "
        "third party's price; a distribution, over draws of every rate from its range.",
        "subscribers", "docs/economics.md",
    ),
    Term(
        "payback_months", "Payback of AV1 with film grain",
        "Investment in encodes ÷ (worth of the bytes saved in a month − upkeep of a month); never, where upkeep eats "
        "the saving. A distribution, over draws of every rate from its range.",
        "months", "docs/economics.md",
    ),
    Term(
        "capacity_utilisation", "Utilisation at so many streams",
        "What so many concurrent streams ask of a tier or service ÷ what it can give. From 1 on it breaks; the first "
        "to break stands on top.",
        "ratio", "docs/economics.md",
    ),
)  # fmt: skip

TERMS: Mapping[str, Term] = MappingProxyType({term.name: term for term in _ALL})
