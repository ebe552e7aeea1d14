"""The scorecard: rows of scores become one card, with intervals, peers beside ours, and what is not said."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.scorecard import (
    COLUMNS,
    ESTIMATORS,
    MEASURES,
    markdown,
    score,
    scorecard,
    sections,
    shipped,
    shown,
    silent,
    wilson,
)  # fmt: skip
from metrics.telemetry import get_table


def test_yes_and_no_is_a_share_with_wilsons_interval() -> None:
    (row,) = score("decide", "cases", "coverage_90", [True] * 9 + [False]).iter_rows(named=True)
    assert (row["value"], row["cases_count"], row["unit"]) == (0.9, 10, "ratio")
    z = stats.norm.ppf(0.95)
    centre, half = (0.9 + z**2 / 20) / (1 + z**2 / 10), z / (1 + z**2 / 10) * (0.009 + z**2 / 400) ** 0.5
    assert (row["low"], row["high"]) == pytest.approx((centre - half, centre + half))


def test_numbers_have_a_mean_with_students_interval() -> None:
    (row,) = score("retention hazard", "cases", "bias", [1.0, 2.0, 3.0], unit="%").iter_rows(named=True)
    half = stats.t.ppf(0.95, 2) / 3**0.5
    assert (row["value"], row["low"], row["high"]) == pytest.approx((2.0, 2 - half, 2 + half))


def test_one_figure_has_no_interval_and_nothing_has_no_row() -> None:
    (row,) = score("ledger", "lake", "residual", 0, count=1_000).iter_rows(named=True)
    assert (row["value"], row["low"], row["high"], row["cases_count"]) == (0.0, None, None, 1_000)
    assert score("ledger", "lake", "residual", []).is_empty()
    assert score("ledger", "lake", "residual", float("nan")).is_empty()
    assert score("ledger", "lake", "residual", []).schema == get_table("score").schema


@given(st.integers(1, 500), st.data())
def test_an_interval_of_a_share_holds_it_and_stays_a_share(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    low, high = wilson(part, whole)
    assert 0 <= low <= part / whole + 1e-12
    assert part / whole - 1e-12 <= high <= 1


def rows() -> pl.DataFrame:
    return pl.concat(
        [
            score("localise", "tables", "f1", 0.5, unit="ratio", count=4),
            score("localise/adtributor", "tables", "f1", 0.3, unit="ratio", count=4),
            score("localise/hotspot", "tables", "f1", 0.1, unit="ratio", count=4),
            score("localise", "tables", "f1", 0.8, unit="ratio", count=4),
            score("a new one", "cases", "error", 0.25),
            score("ledger", "lake", "residual", 0.0),
        ]
    )


def test_peers_stand_beside_and_the_last_figure_counts() -> None:
    card = scorecard(rows())
    assert card.schema == COLUMNS
    told = card.select("estimator", "value", "peer", "peer_value").rows()
    assert told == [
        ("ledger", 0.0, None, None),
        ("localise", 0.8, "adtributor", 0.3),
        ("localise", 0.8, "hotspot", 0.1),
        ("a new one", 0.25, None, None),
    ]
    assert silent(card) == [name for name in ESTIMATORS if name not in ("ledger", "localise")]
    assert scorecard(rows().clear()).is_empty()


def test_the_card_as_markdown() -> None:
    lines = markdown(scorecard(rows())).splitlines()
    assert lines[3] == "| localise | tables | f1 | 80.0 % |  | 4 | adtributor | 30.0 % |"
    assert len({line.count("|") for line in lines}) == 1


def test_the_card_in_sections_says_what_its_measures_mean() -> None:
    text = sections(scorecard(rows()))
    assert "### localise\n\nThe slice that explains an incident.\n" in text
    assert "| tables | f1 | 80.0 % |  | 4 | adtributor | 30.0 % |" in text
    assert text.count("*f1*: F1 (harmonic mean") == 1
    assert "| lake | residual | 0 |  | 1 |\n" in text, "no column of peers where there are none"


def test_every_measure_that_is_shipped_has_a_meaning() -> None:
    unsaid = [name for name in shipped()["measure"].unique() if not name.startswith(tuple(MEASURES))]
    assert unsaid == []
    assert {name.split("/")[0] for name in shipped()["estimator"]} <= set(ESTIMATORS)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0016, "ratio", "0.16 %"), (0.95, "ratio", "95.0 %"), (3.0, "minutes", "3 minutes"), (1234.56, None, "1235")],
)  # fmt: skip
def test_figures_as_people_read_them(value: float, unit: str | None, text: str) -> None:
    assert shown(value, unit) == text


def test_what_is_shipped_is_rows_of_scores() -> None:
    table = get_table("score")
    found = shipped()
    assert found.schema == table.schema
    assert table.validate(found).quarantined.is_empty()
    assert set(found["estimator"].str.split("/").list.first()) <= set(ESTIMATORS)
    assert found.filter(pl.col("low") > pl.col("high")).is_empty()
    assert found.filter(~pl.col("value").is_finite()).is_empty()
