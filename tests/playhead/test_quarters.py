"""A report beside other quarters: those the lake has, the past a demo is given, a budget and attainment from files."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cost_model.history import BUDGET_ORIGIN, ORIGIN
from cost_model.period import period_of
from cost_model.rates import load
from cost_model.usage import Quarter
from cost_model.value import Received
from metrics.lake import Lake
from playhead.economics import book, economics, set_beside, statement
from playhead.history import past, received_content, retained_members, supplied_budget, supply
from tests.playhead.test_economics import at, delivery, rows, run, session

Q2, Q3 = Quarter.parse("2026Q2"), Quarter.parse("2026Q3")


def member(subscriber: str, month: int, day: int, status: str = "paying") -> dict[str, Any]:
    return {"ts_ms": at(month, day), "subscriber_id": subscriber, "region": "north-america", "status": status,
            "weight": 10**6}  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two quarters of one region, the second with half as many hours again."""
    lake = Lake.create(tmp_path / "lake")
    frames = {
        "playback_session": rows(
            "playback_session",
            session(4, 1, device="smart_tv"), session(5, 1, device="mobile"),
            *(session(7, day, device="smart_tv") for day in (1, 2, 3)),
        ),
        "delivery": rows(
            "delivery",
            *(delivery(month, day, "third_party", 2 * 10**15, cdn="third_party")
              for month, day in ((4, 1), (5, 1), (7, 1), (7, 2), (7, 3))),
        ),
        "membership": rows(
            "membership",
            *(member(s, 4, 1) for s in ("a", "b", "c")), member("a", 4, 2), member("a", 5, 1), member("b", 5, 1),
            member("c", 5, 1, "trial"), member("d", 5, 1), member("a", 7, 1),
        ),
    }  # fmt: skip
    for table, frame in frames.items():
        done = lake.append(table, frame, application="test", version=0)
        assert done.quarantined == 0, done.reasons
    return lake


def test_a_quarter_that_was_reported_is_the_one_before(lake: Lake) -> None:
    book(lake, statement(lake, Q2, load()))
    (before,) = past(lake, Q3)
    assert before.origin == "measured"
    assert before.playing_ms == 2 * 3_600_000 * 10**6
    assert before.delivered_bytes == 4 * 10**15
    found = set_beside(lake, statement(lake, Q3, load())).prior
    assert found is not None
    assert found.residual_usd == 0
    # all of it is third-party bytes at one price: three hours for every two are volume, and nothing else moved
    effects = found.effects_usd
    assert effects["volume"] == pytest.approx(found.levels_usd[0] / 2, abs=Decimal("0.02"))
    assert all(abs(effects[name]) <= Decimal("0.01") for name in ("mix", "efficiency", "price"))


def test_a_quarter_that_was_never_reported_is_no_past(lake: Lake) -> None:
    assert past(lake, Q3) == ()
    assert set_beside(lake, statement(lake, Q3, load())).prior is None


def test_a_demo_is_given_a_past_that_no_metric_counts(lake: Lake) -> None:
    result = statement(lake, Q2, load())
    before = lake.scan("charge").collect().height
    supply(lake, period_of(result.charges, result.usage))
    assert lake.scan("charge").collect().height == before
    periods = past(lake, Q2)
    assert [p.origin for p in periods] == [ORIGIN] * 8
    charged = pl.read_parquet(lake.artefact("history/charges.parquet"))
    assert charged["is_synthetic"].all()
    budget = supplied_budget(lake, Q2)
    assert budget is not None
    assert budget.origin == BUDGET_ORIGIN
    assert supplied_budget(lake, Q3) is None
    q = set_beside(lake, result)
    assert q.prior is not None
    assert q.budget is not None
    assert len(q.forecast.ahead) == 4
    assert q.prior.residual_usd == q.budget.residual_usd == 0


def test_what_is_measured_goes_before_what_was_supplied(lake: Lake) -> None:
    result = statement(lake, Q3, load())
    supply(lake, period_of(result.charges, result.usage))
    book(lake, statement(lake, Q2, load()))
    assert [p.origin for p in past(lake, Q3)] == [ORIGIN] * 7 + ["measured"]


def test_members_retained_paid_on_the_first_and_on_the_last_day(lake: Lake) -> None:
    assert retained_members(lake, Q2) == 2 * 10**6  # a and b; c fell back to a trial, d came later
    assert retained_members(lake, Q3) == 0  # one day is no quarter


def test_received_content_stands_for_what_is_computed(lake: Lake) -> None:
    book(lake, statement(lake, Q2, load()))
    assert received_content(lake, Q2) is None  # what is computed is no bill
    charge = {
        "x_period_start_ts_ms": at(4, 1), "x_period_end_ts_ms": at(5, 1), "BillingAccountId": "studio",
        "BillingCurrency": "USD", "BilledCost": Decimal(5), "EffectiveCost": Decimal(7), "x_cost_pool": "content",
        "ListCost": Decimal(7),
    }  # fmt: skip
    lake.append("charge", rows("charge", charge), application="bill", version=0)
    assert received_content(lake, Q2) == Received(Decimal(7), frozenset({date(2026, 4, 1)}))


def test_all_forms_are_the_same_bytes_again(lake: Lake) -> None:
    def digests() -> dict[str, str]:
        economics(lake, Q2, ledger_residual=0, is_first=True)
        folder = lake.artefact("report.html").parent
        return {
            str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        }

    first = digests()
    assert {"report.html", "report.pdf", "report.xlsx", "charges.parquet", "economics.json"} <= set(first)
    assert digests() == first


def test_budget_and_attainment_on_the_command_line(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget, attainment, out = tmp_path / "budget.csv", tmp_path / "attainment.csv", tmp_path / "out"
    budget.write_text(
        "measure,pool,region,cdn,codec,value\nusd,delivery,north-america,,,10000\ngb,,north-america,,,5000000\n"
        "hours,,north-america,,,2000000\n", encoding="utf-8",
    )  # fmt: skip
    attainment.write_text(
        "objective,region,period,attained_ratio,objective_ratio,credit_ratio\nstarts,north-america,2026-04-01,0.98,0.99,0.1\n",
        encoding="utf-8",
    )
    given = ("report", "--quarter", "2026Q2", "--lake", lake.path, "--out", out)
    code, text, _ = run(capsys, *given, "--budget", budget, "--attainment", attainment, "--json")
    assert code == 0
    figures = json.loads(text)
    assert figures["bridge_budget"]["against"] == "budget, budget.csv"
    assert figures["bridge_budget"]["before_usd"] == "10000.00"
    assert float(figures["bridge_budget"]["residual_usd"]) == 0
    assert Decimal(figures["sla_credit_usd"]) > 0
    code, text, _ = run(
        capsys, *given, "--budget", budget, "--churn-avoided", "recommendation", "0.01", "0.03"
    )
    assert code == 0
    assert "budget.csv" in text
    told = json.loads((out / "economics.json").read_text(encoding="utf-8"))["values"]
    assert [v["basis"] for v in told if v["system"] == "recommendation"] == ["experiment"]
    budget.write_text("measure,pool,region,cdn,codec,value\nusd,delivery,,,,=1+1\n", encoding="utf-8")
    code, _, error = run(capsys, *given, "--budget", budget)
    assert code == 2
    assert "line 2: value is '=1+1'" in error
    assert "Traceback" not in error
