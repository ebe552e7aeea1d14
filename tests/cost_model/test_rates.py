"""Rates: what is let in, what is refused and how."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cost_model.rates import load
from metrics.errors import InputError

GOOD = """
[{name}]
about = "own contract"
value = 0.0021
unit = "USD/GB"
currency = "USD"
effective_from = 2026-01-01
region = "global"
source = "contract 17"
grade = "measured"
"""
DAY = date(2026, 4, 1)


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_shipped_entry_has_its_ground() -> None:
    rates = load()
    assert len(rates.names) > 40
    for rate in rates.entries:
        assert rate.unit
        assert rate.source
        assert rate.point() > 0
        assert rates.usd(rate.name, DAY, rate.region) > 0


def test_figures_are_read_exactly() -> None:
    assert load().at("transit_price", DAY).range_90 == (Decimal("0.07"), Decimal("0.20"))
    # sqrt(0.07 · 0.20) = 0.118321595662
    assert load().at("transit_price", DAY).point() == Decimal("0.118321595662")
    # sqrt(odds 0.07/0.93 · 0.11/0.89) = 0.0964516…, p = odds / (1 + odds)
    assert load().at("wacc_ratio", DAY).point() == Decimal("0.0879669365363")


def test_money_is_converted() -> None:
    assert load().usd("encode_price_av1", DAY) == Decimal("0.622") * Decimal("0.14")


def test_regions_fall_back_to_global() -> None:
    rates = load()
    assert rates.usd("revenue_price", DAY, "north-america") == Decimal("17.26")
    assert rates.usd("revenue_price", DAY, "atlantis") == Decimal("12.00")


def test_an_override_replaces_and_is_listed(tmp_path: Path) -> None:
    rates = load(written(tmp_path, GOOD.format(name="third_party_price")))
    assert rates.usd("third_party_price", DAY) == Decimal("0.0021")
    (row,) = rates.differences(load())
    assert (row["rate"], row["figure"], row["instead_of"]) == ("third_party_price", "0.0021", "0.001–0.008")
    assert load().differences(load()) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('unit = "USD/GB"\n', "", "unit is missing"),
        ('source = "contract 17"\n', "", "source is missing"),
        ('source = "contract 17"', 'source = " "', "source"),
        ('currency = "USD"\n', "", "currency is missing"),
        ('currency = "USD"', 'currency = "EUR"', "does not fit unit"),
        ("value = 0.0021", "value = 0", "value is 0; a price or quantity is above 0"),
        ("value = 0.0021", "value = -1", "above 0"),
        ("value = 0.0021", "value = nan", "finite"),
        ("value = 0.0021", "range_90 = [2, 1]", "not [low, high]"),
        ("value = 0.0021", "", "exactly one of"),
        ("value = 0.0021", "tiers = [{ above = 5, price = 1 }]", "tiers do not start at 0"),
        ("value = 0.0021", "value = 0.0021\nprise = 3", "unknown key 'prise'"),
        ('region = "global"', 'regoin = "global"', "did you mean region?"),
        ('grade = "measured"', 'grade = "guessed"', "grade"),
        ('unit = "USD/GB"', 'unit = "USD/TB"', "give it in USD/GB"),
        ("[third_party_price]", "[third_party_prise]", "did you mean third_party_price"),
        (
            "effective_from = 2026-01-01",
            "effective_from = 2026-01-01\neffective_to = 2025-01-01",
            "not after",
        ),
        ("[third_party_price]", "[third_party_price", "not TOML"),
    ],
)
def test_what_is_refused_is_refused_in_one_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = GOOD.format(name="third_party_price")
    assert old in text
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, text.replace(old, new, 1)))
    message = str(caught.value)
    assert says in message
    assert "own.toml" in message
    assert "\n" not in message


def test_overlapping_periods_are_refused(tmp_path: Path) -> None:
    one = GOOD.format(name="[third_party_price]")
    later = one.replace("effective_from = 2026-01-01", "effective_from = 2026-06-01")
    with pytest.raises(InputError, match=r"third_party_price: periods overlap from 2026-06-01"):
        load(written(tmp_path, one + later))
    ended = one.replace(
        "effective_from = 2026-01-01", "effective_from = 2026-01-01\neffective_to = 2026-06-01"
    )
    rates = load(written(tmp_path, ended + later.replace("0.0021", "0.0019")))
    assert rates.differences(load())[0]["figure"] == "0.0021 from 2026-01-01, 0.0019 from 2026-06-01"
    assert rates.usd("third_party_price", date(2026, 5, 31)) == Decimal("0.0021")
    assert rates.usd("third_party_price", date(2026, 6, 1)) == Decimal("0.0019")


def test_a_currency_without_a_rate_is_refused(tmp_path: Path) -> None:
    text = GOOD.format(name="third_party_price").replace("USD", "GBP")
    with pytest.raises(InputError, match="usd_per_gbp"):
        load(written(tmp_path, text))
    with_rate = text + GOOD.format(name="usd_per_gbp").replace("USD/GB", "USD/GBP").replace("0.0021", "1.25")
    assert load(written(tmp_path, with_rate)).usd("third_party_price", DAY) == Decimal("0.0021") * Decimal(
        "1.25"
    )


def test_a_day_without_a_price_is_refused() -> None:
    with pytest.raises(InputError, match="no price in force on 2019-01-01"):
        load().at("transit_price", date(2019, 1, 1))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "absent.toml")
