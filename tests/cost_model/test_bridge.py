"""The bridge: nothing left over whatever the two periods are, known answers, and a budget from a file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_model.bridge import EFFECTS, bridge
from cost_model.charges import charges
from cost_model.history import synthetic_history
from cost_model.period import COSTS, HOURS, SIZES, Period, period_of, read_budget
from cost_model.rates import load
from cost_model.usage import Quarter, Usage
from metrics.errors import InputError

Q1, Q2 = Quarter.parse("2026Q1"), Quarter.parse("2026Q2")
POOLS, REGIONS, CODECS, CDNS = ("delivery", "encoding"), ("eu", "us"), ("h264", "av1"), ("own", "third_party")


def period(
    quarter: Quarter, cells: list[tuple[str, str, str, str, int, int]], hours: dict[tuple[str, str], int]
) -> Period:
    """Cells of pool, region, codec, CDN, cost in cents, GB; hours by region and codec."""
    costs = [(p, r, "isp", "edge", c, k, Decimal(usd) / 100) for p, r, k, c, usd, _ in cells]
    sizes = {(r, "isp", "edge", c, k): Decimal(gb * 10**9) for _, r, k, c, _, gb in cells}
    return Period(
        quarter,
        "measured",
        90,
        pl.DataFrame(costs, schema=COSTS, orient="row"),
        pl.DataFrame([(*key, size) for key, size in sizes.items() if size], schema=SIZES, orient="row"),
        pl.DataFrame(
            [(*k, Decimal(ms * 3_600_000)) for k, ms in hours.items() if ms], schema=HOURS, orient="row"
        ),
    )


def periods(quarter: Quarter) -> st.SearchStrategy[Period]:
    cell = st.tuples(
        st.sampled_from(POOLS), st.sampled_from(REGIONS), st.sampled_from(CODECS), st.sampled_from(CDNS),
        st.integers(0, 10**9), st.integers(0, 10**6),
    )  # fmt: skip
    hours = st.dictionaries(
        st.tuples(st.sampled_from(REGIONS), st.sampled_from(CODECS)), st.integers(0, 10**6), max_size=4
    )
    unique = st.lists(cell, max_size=12, unique_by=lambda c: c[:4])
    return st.builds(lambda cells, h: period(quarter, cells, h), unique, hours)


@settings(max_examples=150, deadline=None)
@given(periods(Q1), periods(Q2))
def test_nothing_is_left_over(before: Period, now: Period) -> None:
    found = bridge(before, now)
    assert found.residual_usd == 0
    assert sum(found.effects_usd.values()) == found.levels_usd[-1] - found.levels_usd[0]
    assert found.levels_usd[0] == round(before.cost_usd, 2)
    assert found.levels_usd[-1] == round(now.cost_usd, 2)
    table = found.by("pool")
    assert sum(table["before_usd"].to_list(), Decimal(0)) == found.levels_usd[0]
    for effect in EFFECTS:
        assert sum(table[effect].to_list(), Decimal(0)) == found.effects_usd[effect]
    for row in table.iter_rows(named=True):
        assert row["before_usd"] + sum(row[e] for e in EFFECTS) == row["now_usd"]


def one(quarter: Quarter, usd: int, gb: int, hours: int) -> Period:
    return period(quarter, [("delivery", "us", "h264", "own", usd * 100, gb)], {("us", "h264"): hours})


@pytest.mark.parametrize(
    ("now", "effect", "amount"),
    [
        ((200, 200, 200), "volume", 100),  # twice the hours, all else as it was
        ((100, 200, 100), "price", -100),  # a GB at half the price: twice the bytes are efficiency, +100
        ((150, 150, 100), "efficiency", 50),  # half as many GB again in an hour
        ((130, 100, 100), "price", 30),
    ],
)
def test_one_thing_changes(now: tuple[int, int, int], effect: str, amount: int) -> None:
    found = bridge(one(Q1, 100, 100, 100), one(Q2, *now))
    assert found.effects_usd[effect] == amount


def test_hours_that_move_to_a_dearer_region_are_mix() -> None:
    def split(quarter: Quarter, eu: int, us: int) -> Period:
        cells = [
            ("delivery", "eu", "h264", "own", eu * 100, eu),  # $1 a GB
            ("delivery", "us", "h264", "own", 3 * us * 100, us),  # $3 a GB
        ]
        return period(quarter, cells, {("eu", "h264"): eu, ("us", "h264"): us})

    found = bridge(split(Q1, 60, 40), split(Q2, 40, 60))
    assert found.effects_usd == {"volume": 0, "mix": 40, "efficiency": 0, "price": 0}


def test_a_new_slice_is_mix_and_so_is_one_that_is_gone() -> None:
    found = bridge(one(Q1, 100, 100, 100), period(Q2, [("delivery", "us", "h264", "third_party", 7000, 100)],
                                                  {("us", "h264"): 100}))  # fmt: skip
    assert found.effects_usd == {"volume": 0, "mix": -30, "efficiency": 0, "price": 0}


def test_a_real_quarter_against_its_synthetic_past(small: Usage) -> None:
    now = period_of(charges(small, load()), small)
    found = bridge(synthetic_history(now)[-1], now)
    assert found.residual_usd == 0
    assert found.keys == ("region", "isp", "tier", "cdn", "codec")
    assert found.levels_usd[-1] == round(now.cost_usd, 2)


def write(path: Path, *rows: str) -> Path:
    path.write_text("measure,pool,region,cdn,codec,value\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_budget_is_bridged_at_what_it_plans(small: Usage, tmp_path: Path) -> None:
    now = period_of(charges(small, load()), small)
    rows = (
        "usd,delivery,north-america,,,100.50", "usd,encoding,north-america,,,2", "gb,,north-america,,,1000",
        "gb,,south-asia,,,10", "hours,,north-america,,,500",
    )  # fmt: skip
    budget = read_budget(write(tmp_path / "budget.csv", *rows), now.quarter)
    found = bridge(budget, now)
    assert found.keys == ("region",)
    assert found.levels_usd[0] == Decimal("102.50")
    assert found.residual_usd == 0
    assert "budget.csv" in found.before.origin


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("usd,delivery,,,,-3", "value is -3"),
        ("usd,delivery,,,,lots", "value is 'lots'"),
        ("usd,delivery,,,,nan", "value is nan"),
        ("usd,delivry,,,,3", "did you mean delivery"),
        ("hour,,,,,3", "did you mean hours"),
        ("gb,,,,,3", "no row plans usd"),
    ],
)
def test_a_budget_that_cannot_be_read_is_one_line(row: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as refused:
        read_budget(write(tmp_path / "budget.csv", row), Q2)
    assert "budget.csv" in str(refused.value)


def test_a_budget_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("measure,value\nusd,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="columns missing: pool"):
        read_budget(path, Q2)
    with pytest.raises(InputError, match="cannot be read"):
        read_budget(tmp_path / "none.csv", Q2)
