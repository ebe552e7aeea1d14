"""What a system decision does to contribution margin per stream hour, viewing held as it was.

::

    own CDN  = (own bytes · third_party_price − cost of the own fleet) / hours
    AV1      = (bytes saved · price of a byte at the margin − AV1 encodes written off) / hours

Only cost moves here. What a decision does to hours, and so to revenue, is for the decision table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from cost_model.bill import Line, bill
from cost_model.cdn import own_marginal_usd_per_gb, rate_names
from cost_model.prices import simulated
from cost_model.rates import Rates
from cost_model.uncertainty import DRAWS, Floats, Interval, interval, sample
from cost_model.usage import Usage

__all__ = ["SWITCHES", "margin_effects"]

SWITCHES = ("own_cdn", "av1_fgs")
_AV1 = ("av1", "av1_fgs")


def margin_effects(
    usage: Usage,
    rates: Rates,
    *,
    members: float,
    given: Mapping[str, float] | None = None,
    given_encoding: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Interval]:
    """USD a stream hour that each switch of :data:`SWITCHES` adds to margin (negative: takes from it).

    The saving of AV1 is what ``given_encoding`` says (both worlds of one seed), else the rates' range, over
    the hours that were played in AV1. Bytes are priced at the margin of whoever delivers them: the
    negotiated price at a third party, the own CDN's marginal cost elsewhere. A switch that was off in the
    quarter (no own fleet, no AV1) has no effect to state and is left out.
    """
    hours = float(usage.total_hours())
    if not hours or not members:
        return {}
    lines = list(bill(usage, simulated(rates, draws=draws, seed=seed)))
    gb = {
        cdn: float(size) / 1e9
        for cdn, size in usage.delivery.group_by("cdn").agg(pl.sum("delivered_bytes")).iter_rows()
    }
    fixed = {**(given or {}), **(given_encoding or {})}
    names = (*rate_names(), "av1_saving_ratio")
    drawn = sample(rates, names, usage.months[0], given=fixed, draws=draws, seed=seed)
    price = drawn["third_party_price"]
    effects = {}
    if usage.fleet.height and gb.get("own"):
        fleet = _sum(lines, draws, lambda line: line.cdn == "own")
        effects["own_cdn"] = interval((gb["own"] * price - fleet) / hours)
    in_av1 = float(usage.hours.filter(pl.col("codec").is_in(_AV1))["playing_ms"].sum()) / 3.6e6
    if in_av1:
        total = sum(gb.values())
        own_share = gb.get("own", 0.0) / total
        own_price = own_marginal_usd_per_gb(np.full(draws, members), drawn, "lean")
        marginal = own_share * own_price + (1 - own_share) * price
        # Bytes an hour without AV1: given by the other world, or undone from the saving.
        share, saving = in_av1 / hours, drawn["av1_saving_ratio"]
        without = (
            drawn["gb_per_hour"]
            if given_encoding and "gb_per_hour" in given_encoding
            else total / hours / (1 - share * saving)
        )
        encodes = _sum(lines, draws, lambda line: line.codec in _AV1)
        effects["av1_fgs"] = interval(without * share * saving * marginal - encodes / hours)
    return effects


def _sum(lines: list[Line[Floats]], draws: int, of: Callable[[Line[Floats]], bool]) -> Floats:
    total: Floats = np.zeros(draws)
    for line in lines:
        if of(line):
            total = total + line.effective
    return total
