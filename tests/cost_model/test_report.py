"""The report: the same bytes for the same input, self-contained, and nothing in it runs."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from cost_model.history import synthetic_budget, synthetic_history
from cost_model.period import period_of
from cost_model.quarterly import Beside, Quarterly, quarterly
from cost_model.rates import load
from cost_model.report import numbers
from cost_model.report.charts import figures, plotly_source
from cost_model.report.page import Quality, render
from cost_model.report.pdf import as_pdf
from cost_model.statement import state
from cost_model.usage import Usage
from tests.cost_model.conftest import APRIL, frame, usage

QUALITY = Quality(1_000, 10**9, 3, 0, is_synthetic=True)
DRAWS = 500


def stated(given: Usage) -> Quarterly:
    result = state(given, load(), draws=DRAWS, given={"gb_per_hour": (2.5, "measured <here>")})
    now = period_of(result.charges, given)
    past = synthetic_history(now)
    return quarterly(result, Beside(past, synthetic_budget(past[-1], now.quarter)), draws=DRAWS)


def without_plotly(page: str) -> str:
    return page.replace(plotly_source(), "")


def test_the_report_is_deterministic_and_self_contained(small: Usage) -> None:
    page = render(stated(small), QUALITY)
    assert page == render(stated(usage()), QUALITY)
    own = without_plotly(page)
    assert own.count("<script") == 2
    assert not re.search(r"(src|href)\s*=|url\(|@import|https?:", own)
    assert "default-src 'none'" in own
    assert "measured &lt;here&gt;" in page
    assert "Reconciled" in page
    assert "Ledger closed" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert own.count("<svg") >= 8
    assert not re.search(r"\bnan\b", own, flags=re.IGNORECASE)


def test_the_pdf_is_the_same_bytes_again(small: Usage) -> None:
    document = as_pdf(stated(small), QUALITY)
    assert document.startswith(b"%PDF")
    assert document == as_pdf(stated(usage()), QUALITY)


def test_a_quarter_without_a_past_says_so(small: Usage) -> None:
    alone = quarterly(state(small, load(), draws=DRAWS), draws=DRAWS)
    page = without_plotly(render(alone, QUALITY))
    assert "nothing to compare with" in page
    assert "A forecast takes five quarters in a row; 1 is known." in page
    assert as_pdf(alone, QUALITY).startswith(b"%PDF")


def test_a_past_that_is_synthetic_is_called_so(small: Usage) -> None:
    page = without_plotly(render(stated(small), QUALITY))
    assert "8 of them are synthetic history" in page
    assert "synthetic budget" in page


def test_every_rate_is_in_the_appendix_with_grade_and_source(small: Usage) -> None:
    page = render(stated(small), QUALITY)
    for rate in load().entries:
        assert f"<code>{rate.name}</code>" in page


def test_text_from_usage_is_escaped() -> None:
    evil = frame(
        "delivery",
        (APRIL, "<script>alert(1)</script>", "=1+1", "third_party", "third_party", "h264", Decimal(10**15)),
    )
    page = without_plotly(render(stated(usage(delivery=evil)), QUALITY))
    assert "<script>alert" not in page.lower()
    assert page.count("<script") == 2


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
    assert numbers.usd(-999_812.0) == "−$1.0 M"
    assert (numbers.usd(999_400.0), numbers.count(-999_600), numbers.size(999.9e9)) == (
        "$999 k",
        "-1.0 M",
        "1.0 TB",
    )
    assert numbers.unit_usd(0.0) == "$0.00"
    assert numbers.ratio(0.0) == "none"
    assert numbers.ratio(0.0004) == "under 0.1 %"
    assert numbers.span("5.6 M", "never") == "5.6 M to never"
    assert numbers.usd(None) == numbers.count(None) == "–"


def test_quarters_stand_in_their_order_in_the_interactive_figure(small: Usage) -> None:
    drawn = figures(stated(small))
    order = drawn["chart-forecast"]["layout"]["xaxis"]["categoryarray"]
    assert order == sorted(order)
    assert len(order) == 13
    assert {"chart-bridge-prior", "chart-bridge-budget", "chart-tornado", "chart-contribution"} <= set(drawn)
    page = render(stated(small), QUALITY)
    assert all(f'id="{name}"' in page for name in drawn)
