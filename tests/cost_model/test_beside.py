"""Content, the worth of systems and service credits: labelled, apart, and exact where they can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cost_model.charges import bill_frame, charges, residual
from cost_model.credits import ATTAINMENT, read_attainment, sla_credits
from cost_model.margin import revenue_usd, unit_costs
from cost_model.rates import load
from cost_model.uncertainty import Interval
from cost_model.usage import Usage
from cost_model.value import ChurnEffect, Received, content_cost, values
from metrics.errors import InputError
from tests.cost_model.conftest import APRIL, MAY, frame

RATES = load()


def attained(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ATTAINMENT, orient="row")


def test_a_missed_objective_credits_its_share_of_revenue(small: Usage) -> None:
    revenue = {(m, r): usd for m, r, usd in revenue_usd(small, RATES).iter_rows()}
    found = sla_credits(
        attained(
            ("starts", "north-america", APRIL, 0.98, 0.99, 0.10),
            ("stalls", "north-america", APRIL, 0.90, 0.95, 0.25),  # the larger of the two is owed
            ("starts", "south-asia", APRIL, 0.995, 0.99, 0.10),  # met
            ("starts", "north-america", MAY, 0.98, 0.99, 0.05),
            ("starts", "north-america", date(2026, 7, 1), 0.1, 0.99, 1.0),  # another quarter's
        ),
        small,
        RATES,
    )
    owed = revenue[APRIL, "north-america"] / 4 + revenue[MAY, "north-america"] / 20
    assert found["credit_usd"].sum() == pytest.approx(owed, abs=Decimal("1e-9"))
    assert found.height == 4
    assert found.filter(~pl.col("is_missed"))["credit_usd"].sum() == 0


def test_an_objective_without_a_region_counts_in_all(small: Usage) -> None:
    found = sla_credits(attained(("starts", None, APRIL, 0.9, 0.99, 0.10)), small, RATES)
    assert set(found["region"]) == {"north-america", "south-asia"}
    april = revenue_usd(small, RATES).filter(pl.col("month") == APRIL)["revenue_usd"].sum()
    assert found["credit_usd"].sum() == pytest.approx(april / 10, abs=Decimal("1e-9"))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("a", "r", APRIL, 99.9, 0.99, 0.1), "attained_ratio is 99.9"),
        (("a", "r", APRIL, 0.9, -0.1, 0.1), "objective_ratio is -0.1"),
        (("a", "r", APRIL, 0.9, 0.99, None), "credit_ratio is None"),
        (("a", "r", APRIL, float("nan"), 0.99, 0.1), "attained_ratio is nan"),
    ],
)
def test_a_ratio_that_is_none_is_refused(row: tuple[Any, ...], says: str, small: Usage) -> None:
    with pytest.raises(InputError, match=says):
        sla_credits(attained(row), small, RATES)


def test_attainment_that_is_there_twice_or_lacks_a_column_is_refused(small: Usage) -> None:
    row = ("a", "r", APRIL, 0.9, 0.99, 0.1)
    with pytest.raises(InputError, match="there twice"):
        sla_credits(attained(row, row), small, RATES)
    with pytest.raises(InputError, match="columns missing: credit_ratio"):
        sla_credits(attained(row).drop("credit_ratio"), small, RATES)


def test_attainment_is_read_from_a_file(tmp_path: Path, small: Usage) -> None:
    table = attained(("starts", None, APRIL, 0.9, 0.99, 0.10), ("starts", "south-asia", MAY, 0.9, 0.99, 0.10))
    table.write_csv(tmp_path / "a.csv")
    table.write_parquet(tmp_path / "a.parquet")
    assert read_attainment(tmp_path / "a.csv").equals(table)
    assert read_attainment(tmp_path / "a.parquet").equals(table)
    with pytest.raises(InputError, match="cannot be read as attainment"):
        read_attainment(tmp_path / "none.csv")
    (tmp_path / "odd.csv").write_text(
        "objective,region,period,attained_ratio,objective_ratio,credit_ratio\na,,x,y,1,1\n"
    )
    with pytest.raises(InputError):
        read_attainment(tmp_path / "odd.csv")


def test_content_is_charged_at_its_rate_or_as_received(small: Usage) -> None:
    months = small.member_months()
    price = RATES.usd("content_price", APRIL)
    prior = content_cost(small, RATES, retained=9 * 10**7, draws=4_000)
    assert prior is not None
    assert (prior.basis, prior.grade) == ("prior", "assumed")
    assert prior.charged_usd == pytest.approx(months * price)
    assert prior.usd_per_member_month.median == pytest.approx(float(price), rel=0.02)
    assert prior.usd_per_retained_member is not None
    assert prior.usd_per_retained_member.median == pytest.approx(prior.usd.median / 9e7)
    # A bill of April's content stands for April; May is charged at the rate.
    received = Received(Decimal(10**9), frozenset({APRIL}))
    partly = content_cost(small, RATES, retained=10**8, received=received, draws=400)
    assert partly is not None
    may = Decimal(31 * 10**8) * 16 / 487 * price
    assert partly.charged_usd == pytest.approx(10**9 + may)
    assert (partly.basis, partly.grade) == ("charges", "assumed")
    whole = content_cost(
        small, RATES, retained=10**8, received=Received(Decimal(10**9), frozenset({APRIL, MAY})), draws=10
    )
    assert whole is not None
    assert whole.usd_per_retained_member == Interval(10.0, 10.0, 10.0)
    assert (whole.basis, whole.grade) == ("charges", "measured")
    assert content_cost(replace(small, members=frame("members")), RATES, retained=0) is None


def test_content_is_charged_beside_what_serving_costs(small: Usage) -> None:
    charged, billed = charges(small, RATES), bill_frame(small, RATES)
    assert residual(charged, billed) == 0
    content = charged.filter(pl.col("x_cost_pool") == "content")
    assert content["EffectiveCost"].sum() == billed.filter(pl.col("pool") == "content")["effective_usd"].sum()
    assert set(content["RegionId"]) == {"north-america", "south-asia"}
    assert content.select("x_cdn", "x_codec", "x_isp", "x_tier").null_count().row(0) == (3, 3, 3, 3)
    # A content price ten times as high moves no unit cost.
    dear = replace(RATES, entries=tuple(
        r.model_copy(update={"range_90": (Decimal(35), Decimal(60))}) if r.name == "content_price" else r
        for r in RATES.entries
    ))  # fmt: skip
    assert unit_costs(charges(small, dear), small, dear).equals(unit_costs(charged, small, RATES))


def test_a_value_is_a_prior_until_an_experiment_says_otherwise() -> None:
    told: dict[str, Any] = {
        "contribution_usd_per_member_month": 10.0,
        "encoding": None,
        "is_encoding_measured": False,
    }
    (prior,) = values(RATES, APRIL, draws=4_000, **told)
    assert (prior.system, prior.basis, prior.grade) == ("recommendation", "prior", "assumed")
    effect = ChurnEffect(0.01, 0.03, "trial of March")
    (measured,) = values(RATES, APRIL, draws=4_000, experiments={"recommendation": effect}, **told)
    assert (measured.basis, measured.source, measured.grade) == ("experiment", "trial of March", "measured")
    # two in a hundred of those who would leave stay: a fiftieth of the members, of a contribution of 10
    worth = measured.usd_per_member_month
    assert [worth.low, worth.median, worth.high] == pytest.approx([0.1, 0.2, 0.3], rel=0.05)
    with pytest.raises(InputError, match="no interval of a share of churn"):
        ChurnEffect(0.03, 0.01, "the wrong way round")


def test_encoding_says_whether_its_saving_was_measured() -> None:
    worth = Interval(0.001, 0.002, 0.003)
    bases = [
        values(
            RATES,
            APRIL,
            contribution_usd_per_member_month=None,
            encoding=worth,
            is_encoding_measured=known,
            draws=50,
        )[1]
        for known in (True, False)
    ]
    assert [v.basis for v in bases] == ["experiment", "prior"]
    assert all(v.usd_per_member_month == worth for v in bases)
