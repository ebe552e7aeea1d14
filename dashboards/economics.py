"""Break-even, payback and capacity at the settings of the page's sliders, cached by those settings alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import streamlit as st

from cost_model.capacity import Capacity, capacity
from cost_model.cdn import Breakeven, Policy, at_size, breakeven
from cost_model.encoding import Delivery, Payback, payback
from cost_model.rates import Rates, load
from cost_model.standing import planned
from cost_model.statement import CURVE_PRICES
from cost_model.uncertainty import Interval

__all__ = [
    "CURVE", "Everywhere", "av1_everywhere", "break_even", "given_of", "loaded", "members_of", "pay_back",
]  # fmt: skip

Given = tuple[tuple[str, float], ...]

CURVE = CURVE_PRICES
# Enough for a smooth outline at once; the quarterly report draws more.
_DRAWS = 4_000


@st.cache_data(show_spinner=False, max_entries=200)
def break_even(
    policy: Policy,
    given: Given,
    price_usd_per_gb: float | None,
    at_subscribers: float,
    prices: tuple[float, ...] = (),
) -> Breakeven:
    """:func:`cost_model.cdn.breakeven` with the shipped rates of today; solved once for all sizes of the service."""
    day = datetime.now(UTC).date()
    found = _solved(policy, given, price_usd_per_gb, prices, day)
    return at_size(found, _rates(), day, at_subscribers, given=_with_price(given, price_usd_per_gb))


@st.cache_data(show_spinner=False, max_entries=50)
def _solved(
    policy: Policy, given: Given, price_usd_per_gb: float | None, prices: tuple[float, ...], day: date
) -> Breakeven:
    fixed = _with_price(given, price_usd_per_gb)
    return breakeven(_rates(), day, policy=policy, given=fixed, prices=prices, draws=_DRAWS)


@cache
def _rates() -> Rates:
    # A file of the package: it does not change while the server runs.
    return load()


@st.cache_data(show_spinner=False, max_entries=200)
def pay_back(
    delivery: Delivery, given: Given, price_usd_per_gb: float | None, at_subscribers: float
) -> Payback:
    """:func:`cost_model.encoding.payback` with the shipped rates of today."""
    fixed = _with_price(given, price_usd_per_gb)
    day = datetime.now(UTC).date()
    return payback(_rates(), day, delivery=delivery, given=fixed, at_subscribers=at_subscribers, draws=_DRAWS)


@st.cache_data(show_spinner=False, max_entries=200)
def loaded(concurrent: float, subscribers: float, policy: Policy) -> Capacity:
    """:func:`cost_model.capacity.capacity` of a service planned for ``subscribers``, by the shipped rates of today."""
    standing = planned(_rates(), datetime.now(UTC).date(), subscribers, policy=policy, draws=_DRAWS)
    found = capacity(standing, concurrent)
    # What a resource's load is made of is code, which no cache keeps; its figures are in the rows.
    return Capacity(found.concurrent, replace(standing, resources=()), found.rows, found.places)


@dataclass(frozen=True)
class Everywhere:
    """What AV1 for every hour that has none yet would do to margin: USD a stream hour of all, and a year."""

    hours_ratio: float
    gb_per_hour: float
    usd_per_hour: Interval
    usd_per_year: Interval


def av1_everywhere(
    by_codec: Sequence[Mapping[str, Any]], saving_ratio: float, usd_per_gb: Interval, days: int
) -> Everywhere | None:
    """The gain in margin if every hour without AV1 had it: bytes it would save times what a byte is worth.

    ``margin = Σ hours without AV1 / Σ hours · GB an hour of those · saving · USD a GB at the margin``. A ceiling: it
    takes every device to decode AV1, and leaves out what encoding costs, which payback counts. None where nothing is
    without it.
    """
    told = [row for row in by_codec if row["codec"] and row["hours"]]
    rest = [row for row in told if not str(row["codec"]).startswith("av1")]
    hours, without = (sum(float(row["hours"]) for row in rows) for rows in (told, rest))
    if not without:
        return None
    saved = sum(float(row["gb"]) for row in rest) * saving_ratio
    each, year = saved / hours, saved * 365 / days

    def times(factor: float) -> Interval:
        return Interval(factor * usd_per_gb.low, factor * usd_per_gb.median, factor * usd_per_gb.high)

    return Everywhere(without / hours, each, times(each), times(year))


def given_of(found: Mapping[str, Any], key: str) -> Given:
    """Rates that the quarter ``found`` has measured, as arguments: ``given`` or ``given_encoding``."""
    return tuple(sorted((name, float(rate["value"])) for name, rate in found.get(key, {}).items()))


def members_of(found: Mapping[str, Any]) -> int:
    """The service's subscribers in millions, as far as the page's slider goes."""
    return min(400, max(10, 5 * round(float(found.get("members", 100e6)) / 5e6)))


def _with_price(given: Given, price_usd_per_gb: float | None) -> dict[str, float]:
    price = {} if price_usd_per_gb is None else {"third_party_price": price_usd_per_gb}
    return dict(given) | price
