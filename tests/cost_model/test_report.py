"""The report: the same bytes for the same input, self-contained, and nothing in it runs."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from cost_model.rates import load
from cost_model.report import Quality, numbers, render
from cost_model.statement import Statement, state
from cost_model.usage import Usage
from tests.cost_model.conftest import APRIL, frame, usage

QUALITY = Quality(1_000, 10**9, 3, 0, is_synthetic=True)
DRAWS = 500


def stated(given: Usage) -> Statement:
    return state(given, load(), draws=DRAWS, given={"gb_per_hour": (2.5, "measured <here>")})


def test_the_report_is_deterministic_and_self_contained(small: Usage) -> None:
    page = render(stated(small), QUALITY)
    assert page == render(stated(usage()), QUALITY)
    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert "measured &lt;here&gt;" in page
    assert "Reconciled" in page
    assert "Ledger closed" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert page.count("<svg") >= 5
    assert not re.search(r"\bnan\b", page, flags=re.IGNORECASE)


def test_every_rate_is_in_the_appendix_with_grade_and_source(small: Usage) -> None:
    page = render(stated(small), QUALITY)
    for rate in load().entries:
        assert f"<code>{rate.name}</code>" in page


def test_text_from_usage_is_escaped() -> None:
    evil = frame(
        "delivery",
        (APRIL, "<script>alert(1)</script>", "=1+1", "third_party", "third_party", "h264", Decimal(10**15)),
    )
    page = render(stated(usage(delivery=evil)), QUALITY)
    assert "<script" not in page.lower()


def test_a_service_without_hours_or_members_still_has_a_report() -> None:
    empty = usage(
        hours=frame("hours"), members=frame("members"), fleet=frame("fleet"), encode=frame("encode")
    )
    page = render(stated(empty), Quality(0, 0, 0, None, is_synthetic=False))
    assert "no hours or no members" in page
    assert "not computed for this report" in page


def test_the_statement_is_json(small: Usage) -> None:
    figures = json.loads(json.dumps(stated(small).as_dict(), allow_nan=False))
    assert figures["residual_usd"] in ("0", "0.0000000000", "0E-10")
    assert set(figures["breakeven_cdn"]) == {"lean", "dense"}
    assert set(figures["payback_encoding"]) == {"third_party", "own"}
    cost = figures["figures"]["usd_per_hour"]
    assert cost["low"] < cost["value"] < cost["high"]


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(1, 1.2, "high"), (1, 3, "moderate"), (1, 9, "low"), (1, float("inf"), "low"), (0, 1, "low")],
)
def test_confidence(low: float, high: float, says: str) -> None:
    assert numbers.confidence(low, high) == says


def test_numbers_for_people() -> None:
    assert numbers.count(float("inf")) == "never"
    assert numbers.months(5_000) == "never"
    assert numbers.usd(-1_234_567.0) == "−$1.2 M"
    assert numbers.unit_usd(0.0) == "$0.00"
    assert numbers.ratio(0.0) == "none"
    assert numbers.ratio(0.0004) == "under 0.1 %"
    assert numbers.span("5.6 M", "never") == "5.6 M to never"
    assert numbers.usd(None) == numbers.count(None) == "–"
