"""Hardware in the books: what retires, what is bought for it, and a roll-forward that closes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_model.assets import roll_forward
from cost_model.charges import bill_frame
from cost_model.prices import exact, simulated
from cost_model.rates import load
from cost_model.usage import Quarter, Usage
from cost_model.vintages import holdings
from metrics.errors import InputError
from tests.cost_model.conftest import APRIL, MAY, frame, usage

RATES = load()
JUNE = date(2026, 6, 1)
PRICE = RATES.usd("edge_appliance_price", APRIL, "north-america")
LIFE = 60


def edges(servers: list[int], days: list[int]) -> Usage:
    months = (APRIL, MAY, JUNE)[: len(servers)]
    fleet = frame(
        "fleet", *((m, "north-america", 1, n, 0, 0, 0, 0) for m, n in zip(months, servers, strict=True))
    )
    return usage(fleet=fleet, days=frame("days", *zip(months, days, strict=True)), encode=frame("encode"))


def retired_in(servers: int, month: date) -> int:
    start = month.year * 12 + month.month - 1
    return servers * (start + 1) // LIFE - servers * start // LIFE


def test_a_steady_fleet_is_renewed_once_a_life() -> None:
    # Over any five years every piece retires once, in whole pieces, and is replaced on the same day.
    for servers in (1, 7, 60, 1_234):
        retired = [
            sum(retired_in(servers, date(year, month, 1)) for month in range(1, 13))
            for year in range(2024, 2029)
        ]
        assert sum(retired) == servers
    steady = edges([1_234] * 3, [30, 31, 30])
    (row,) = roll_forward(steady, RATES, bill_frame(steady, RATES))
    gone = sum(retired_in(1_234, month) for month in (APRIL, MAY, JUNE))
    assert gone in (61, 62)
    assert row.retirements_usd == pytest.approx(gone * PRICE)
    assert row.additions_usd == pytest.approx(row.retirements_usd)
    assert row.closing_gross_usd == pytest.approx(row.opening_gross_usd)
    # Bought evenly over its life, a fleet is half written off, to a piece, and stays so.
    assert row.opening_accumulated_usd == pytest.approx(row.opening_gross_usd / 2, abs=PRICE)
    assert row.closing_accumulated_usd == pytest.approx(row.opening_accumulated_usd, abs=PRICE)


@settings(max_examples=60, deadline=None)
@given(
    servers=st.lists(st.integers(0, 3_000), min_size=3, max_size=3).filter(any),
    days=st.tuples(st.integers(1, 30), st.integers(1, 31), st.integers(1, 30)),
)
def test_the_roll_forward_is_that_of_every_piece(servers: list[int], days: tuple[int, int, int]) -> None:
    """Each piece with its own date: written off until it retires, on the first day of its month."""
    told = edges(servers, list(days))
    billed = bill_frame(told, RATES)
    rows = roll_forward(told, RATES, billed)
    share, gone = [], []
    for month, part in zip((APRIL, MAY, JUNE), days, strict=True):
        whole = told.coverage(month)[1]
        start = (month.year * 12 + month.month - 1) * whole
        gone.append(servers[0] * (start + part) // (LIFE * whole) - servers[0] * start // (LIFE * whole))
        share.append(Decimal(part) / (LIFE * whole))
    # Written off at the start, in shares of the price: those that retire have as much left as will be charged.
    before = [[1 - sum(share[:n], Decimal(0))] * count for n, count in enumerate(gone)]
    rest, all_of_it = servers[0] - sum(gone), sum(share, Decimal(0))
    stay = [(1 - all_of_it) * (Decimal(n) + Decimal("0.5")) / rest for n in range(rest)]
    held = [piece for month in before for piece in month] + stay
    opening, charged, retired, bought = sum(held, Decimal(0)), Decimal(0), 0, 0
    for n, needed in enumerate(servers):
        assert all(abs(piece - 1) < Decimal("1e-20") for piece in held[: gone[n]]), "retires written off"
        held = held[gone[n] :]
        retired += gone[n]
        new = max(0, needed - len(held))
        bought += new
        held = [piece + share[n] for piece in held + [Decimal(0)] * new]
        charged += len(held) * share[n]
    found = {name: getattr(row, name) for row in rows for name in (
        "opening_accumulated_usd", "depreciation_usd", "retirements_usd", "additions_usd", "closing_gross_usd",
        "closing_accumulated_usd",
    )}  # fmt: skip
    expected = {
        "opening_accumulated_usd": opening, "depreciation_usd": charged, "retirements_usd": Decimal(retired),
        "additions_usd": Decimal(bought), "closing_gross_usd": Decimal(len(held)),
        "closing_accumulated_usd": sum(held, Decimal(0)),
    }  # fmt: skip
    for name, pieces in expected.items():
        assert abs(found[name] - pieces * PRICE) < Decimal("1e-6"), name


def test_what_reports_no_capacity_is_kept_and_used_again() -> None:
    shrunk = edges([600, 500, 600], [30, 31, 30])
    gone = [retired_in(600, month) for month in (APRIL, MAY, JUNE)]
    held = list(holdings(shrunk, exact(RATES)))
    bought = [int(h.bought) for h in held if h.tier == "edge"]
    # The hundred idle ones are there again in June; only what retired is bought.
    assert bought == [gone[0], 0, gone[1] + gone[2]]


def test_draws_retire_as_the_exact_books_do() -> None:
    told = edges([1_234, 1_300, 1_250], [30, 31, 14])
    for one, drawn in zip(
        holdings(told, exact(RATES)), holdings(told, simulated(RATES, draws=50, seed=3)), strict=True
    ):
        assert np.all(drawn.bought == float(one.bought))


def test_an_encode_leaves_the_books_after_its_life() -> None:
    """Made 36 and 35 months before the quarter: one leaves on its first day, the other a month later."""
    old = usage(
        encode=frame(
            "encode",
            (APRIL.replace(year=2023), "h264", 60_000_000),
            (MAY.replace(year=2023), "h264", 30_000_000),
            (APRIL.replace(year=2024), "h264", 60_000_000),
        ),
        fleet=frame("fleet"),
    )
    (row,) = roll_forward(old, RATES, bill_frame(old, RATES))
    a_minute = row.opening_gross_usd / 2_500
    assert row.retirements_usd == pytest.approx(a_minute * 1_500)
    assert row.closing_gross_usd == pytest.approx(a_minute * 1_000)
    # What stays has been written off for 26 of its 36 months.
    assert row.closing_accumulated_usd == pytest.approx(a_minute * 1_000 * 26 / 36)
    assert Quarter.parse("2026Q2") == old.quarter


def test_a_life_under_a_year_is_refused() -> None:
    short = replace(RATES, entries=tuple(
        r.model_copy(update={"value": Decimal("0.5")}) if r.name == "depreciation_years" else r for r in RATES.entries
    ))  # fmt: skip
    with pytest.raises(
        InputError, match="depreciation_years is under a year in 2026-04; give a year or more"
    ):
        list(holdings(edges([10], [30]), exact(short)))
