"""History, forecast and its score, roll-forward of assets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from cost_model.assets import roll_forward
from cost_model.charges import bill_frame, charges
from cost_model.forecast import FEWEST, forecast
from cost_model.history import (
    ACCOUNT,
    earlier,
    from_charges,
    history_charges,
    synthetic_budget,
    synthetic_history,
)
from cost_model.period import Period, period_of
from cost_model.rates import load
from cost_model.usage import Quarter, Usage
from metrics.telemetry import get_table
from tests.cost_model.conftest import APRIL, MAY, frame, usage

RATES = load()


def now_of(small: Usage) -> Period:
    return period_of(charges(small, RATES), small)


def test_the_past_is_eight_quarters_that_say_they_are_synthetic(small: Usage) -> None:
    past = synthetic_history(now_of(small))
    assert [str(p.quarter) for p in past] == [str(earlier(small.quarter, back)) for back in range(8, 0, -1)]
    for period in past:
        rows = history_charges(period)
        assert rows.schema == get_table("charge").schema
        assert rows["is_synthetic"].all()
        assert set(rows["BillingAccountId"]) == {ACCOUNT}
        assert rows["ChargeDescription"].str.starts_with("Synthetic history").all()
        assert rows["EffectiveCost"].sum() == period.cost_usd


def test_the_past_comes_back_from_its_charges(small: Usage) -> None:
    period = synthetic_history(now_of(small))[3]
    again = from_charges(history_charges(period), period.quarter, period.hours, period.days)
    assert again.cost_usd == period.cost_usd
    assert again.playing_ms == period.playing_ms
    charged = period.costs.select(SLICE).unique()
    borne = period.sizes.join(charged, on=SLICE, how="semi", nulls_equal=True)
    assert again.delivered_bytes == int(borne["delivered_bytes"].sum())


SLICE = ["region", "isp", "tier", "cdn", "codec"]


def test_the_same_quarter_has_the_same_past(small: Usage) -> None:
    one, two = synthetic_history(now_of(small)), synthetic_history(now_of(usage()))
    assert all(a.costs.equals(b.costs) and a.hours.equals(b.hours) for a, b in zip(one, two, strict=True))
    budget = synthetic_budget(one[-1], small.quarter)
    assert budget.playing_ms == pytest.approx(one[-1].playing_ms * 1.03, rel=1e-6)


def series(costs: list[float], small: Usage) -> list[Period]:
    """Quarters of one cell with the given costs, ending with the fixture's quarter."""
    now = now_of(small)
    one = now.costs.head(1)
    return [
        replace(
            now,
            quarter=earlier(now.quarter, len(costs) - 1 - number),
            days=91,
            costs=one.with_columns(effective_usd=pl.lit(Decimal(round(cost)), pl.Decimal(38, 10))),
        )
        for number, cost in enumerate(costs)
    ]


def test_steady_growth_goes_on_and_is_foreseen(small: Usage) -> None:
    found = forecast(series([1e6 * 1.03**n for n in range(9)], small))
    assert len(found.ahead) == 4
    assert str(found.ahead[0].quarter) == "2026Q3"
    first = found.ahead[0].usd / 92 * 91
    assert first == pytest.approx(1e6 * 1.03**9, rel=0.02)
    assert found.score is not None
    assert abs(found.score.error_ratio) < 0.02


def test_four_quarters_ahead_widen(small: Usage) -> None:
    stream = np.random.Generator(np.random.Philox(key=3))
    found = forecast(series(list(1e6 * np.exp(np.cumsum(stream.normal(0.01, 0.04, 9)))), small))
    widths = [p.interval.high / p.interval.low for p in found.ahead if p.interval]
    assert widths == sorted(widths)
    assert widths[0] > 1.05


def test_intervals_hold_on_series_of_known_kind(small: Usage) -> None:
    """Random walks with drift: the next quarter lies in its 90 % interval about nine times in ten."""
    inside = 0
    for seed in range(60):
        stream = np.random.Generator(np.random.Philox(key=[11, seed]))
        walk = 1e6 * np.exp(np.cumsum(stream.normal(0.02, 0.05, 10)))
        found = forecast(series(list(walk[:9]), small))
        i = found.ahead[0].interval
        assert i is not None
        inside += i.low <= walk[9] / 91 * 92 <= i.high
    assert 48 <= inside <= 60


def test_too_few_quarters_or_a_gap_foresee_nothing(small: Usage) -> None:
    few = series([1e6] * (FEWEST - 1), small)
    assert forecast(few).ahead == ()
    nine = series([1e6 + n for n in range(9)], small)
    found = forecast([*nine[:4], *nine[6:]])
    assert [str(p.quarter) for p in found.actual] == ["2025Q4", "2026Q1", "2026Q2"]
    assert found.ahead == ()


@pytest.mark.parametrize(
    ("text", "back", "is_"), [("2026Q2", 1, "2026Q1"), ("2026Q1", 1, "2025Q4"), ("2026Q2", -3, "2027Q1")]
)
def test_quarters_are_counted(text: str, back: int, is_: str) -> None:
    assert str(earlier(Quarter.parse(text), back)) == is_


def test_assets_roll_forward_and_tie_to_the_charges(small: Usage) -> None:
    billed = bill_frame(small, RATES)
    rows = {row.name: row for row in roll_forward(small, RATES, billed)}
    edge = rows["Edge appliances"]
    price = RATES.usd("edge_appliance_price", APRIL, "north-america")
    assert edge.opening_gross_usd == pytest.approx(40 * price)
    # In May the fleet grows by five, and one of the forty reaches the end of its life and is replaced.
    assert edge.additions_usd == pytest.approx(6 * price)
    assert edge.retirements_usd == pytest.approx(price)
    assert edge.closing_gross_usd == pytest.approx(45 * price)
    charged = billed.filter(
        pl.col("sku").is_in(["appliances_edge", "appliances_storage"])
        | pl.col("sku").str.starts_with("encode_")
    )
    assert sum((r.depreciation_usd for r in rows.values()), Decimal(0)) == charged["effective_usd"].sum()
    for row in rows.values():
        assert row.closing_net_usd == row.opening_net_usd + row.additions_usd - row.depreciation_usd


def test_encodes_carry_their_age() -> None:
    """Made a year before: a third of three years is written off when the quarter opens."""
    old = usage(encode=frame("encode", (APRIL.replace(year=2025), "h264", 60_000_000)))
    (encodes,) = [row for row in roll_forward(old, RATES, bill_frame(old, RATES)) if row.name == "Encodes"]
    assert encodes.opening_accumulated_usd == pytest.approx(encodes.opening_gross_usd / 3)
    assert encodes.additions_usd == 0
    assert encodes.depreciation_usd == pytest.approx(encodes.opening_gross_usd / 36 * 2)
    assert MAY in old.months
