"""Break-even and payback at the settings of the page's sliders, cached by those settings alone."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from cost_model.cdn import Breakeven, Policy, breakeven
from cost_model.encoding import Delivery, Payback, payback
from cost_model.rates import load
from cost_model.statement import CURVE_PRICES

__all__ = ["CURVE", "break_even", "pay_back"]

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
    """:func:`cost_model.cdn.breakeven` with the shipped rates of today."""
    fixed = _with_price(given, price_usd_per_gb)
    day = datetime.now(UTC).date()
    return breakeven(
        load(), day, policy=policy, given=fixed, at_subscribers=at_subscribers, prices=prices, draws=_DRAWS
    )


@st.cache_data(show_spinner=False, max_entries=200)
def pay_back(
    delivery: Delivery, given: Given, price_usd_per_gb: float | None, at_subscribers: float
) -> Payback:
    """:func:`cost_model.encoding.payback` with the shipped rates of today."""
    fixed = _with_price(given, price_usd_per_gb)
    day = datetime.now(UTC).date()
    return payback(load(), day, delivery=delivery, given=fixed, at_subscribers=at_subscribers, draws=_DRAWS)


def _with_price(given: Given, price_usd_per_gb: float | None) -> dict[str, float]:
    price = {} if price_usd_per_gb is None else {"third_party_price": price_usd_per_gb}
    return dict(given) | price
