"""Budgets by hand: when one is gone, what spent it, what did not count, and what a month gives back."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.backtest import histories
from alerts.budget import by_incident, projected, trailing_burn
from alerts.calendar import CalendarPeriod
from alerts.credit import SHIPPED, Agreement, credit_table, load_agreement
from alerts.evaluate import evaluate
from alerts.evaluation import HOUR_MS
from alerts.maintenance import excluded, load_maintenance, without
from alerts.slo import load
from metrics.errors import InputError
from tests.alerts.frames import DAY, T0, minute_counts

OBJECTIVES = {objective.name: objective for objective in load()}
REBUFFERING = OBJECTIVES["rebuffering-sessions"]


def _hours(*burns: float, events: int = 1_000_000) -> pl.DataFrame:
    """Hours of equal traffic at those burn rates of a budget of 0.1 %."""
    bad = [round(burn * events / 1000) for burn in burns]
    return pl.DataFrame(
        {
            "ts_ms": T0 + np.arange(len(bad)) * HOUR_MS,
            "bad": bad,
            "total": [events] * len(bad),
            "burn": burns,
        }
    )


def test_a_steady_burn_of_two_after_a_good_period_is_gone_by_the_hour_that_sums_say() -> None:
    """Twenty good days and ten at 2 leave a third of 720 hours' allowance. Each hour ahead adds an hour at 2 where
    one at 0 leaves, and 360 hours at 2 are all of it: gone after 120 hours more."""
    ahead = projected(REBUFFERING, _hours(*[0.0] * 480, *[2.0] * 240))
    assert ahead.burn == pytest.approx(2.0)
    assert (ahead.burn_low, ahead.burn_high) == pytest.approx((2.0, 2.0))
    now = T0 + 720 * HOUR_MS
    assert ahead.path["ts_ms"][0] == now
    assert ahead.path["budget_left"][0] == pytest.approx(1 - 480 / 720)
    assert ahead.at_ts_ms is not None
    assert (ahead.at_ts_ms - now) // HOUR_MS in (120, 121)
    assert ahead.earliest_ts_ms == pytest.approx(ahead.at_ts_ms, abs=HOUR_MS)
    assert ahead.sentence.startswith(
        "At the last week's burn of 2.00 (2.00 to 2.00) the budget is gone 2026-05-06"
    )


def test_a_budget_that_burns_below_one_lasts_and_old_trouble_leaves() -> None:
    trouble = [30.0] * 20 + [0.5] * 700
    ahead = projected(REBUFFERING, _hours(*trouble))
    assert ahead.at_ts_ms == T0 + 720 * HOUR_MS  # 600 + 350 of 720: gone already
    recovered = projected(REBUFFERING, _hours(*[8.0] * 20, *[0.5] * 700))
    assert recovered.at_ts_ms is recovered.earliest_ts_ms is recovered.latest_ts_ms is None
    assert ahead.sentence.startswith("The budget is gone, at")
    assert recovered.sentence.endswith("the budget lasts the period ahead.")
    assert recovered.path["budget_left"][0] == pytest.approx(1 - (160 + 350) / 720)
    assert recovered.path["budget_left"][-1] == pytest.approx(0.5)


def test_a_rate_that_differs_by_day_has_an_interval_and_an_interval_of_days() -> None:
    days = [3.0, 1.0, 2.0, 2.5, 1.5, 2.2, 1.8]
    ahead = projected(REBUFFERING, _hours(*[0.0] * 480, *np.repeat(days, 24).tolist()))
    assert ahead.burn == pytest.approx(2.0)
    # Equal traffic: the jackknife of a mean is its standard error; t of 6 degrees of freedom at 95 %.
    error = np.std(days, ddof=1) / np.sqrt(7) * 1.943180
    assert ahead.burn_high == pytest.approx(2.0 + error, abs=1e-5)
    assert ahead.burn_low == pytest.approx(2.0 - error, abs=1e-5)
    assert ahead.earliest_ts_ms is not None
    assert ahead.at_ts_ms is not None
    assert ahead.latest_ts_ms is not None
    assert ahead.earliest_ts_ms < ahead.at_ts_ms < ahead.latest_ts_ms
    assert (ahead.path["budget_left_low"] <= ahead.path["budget_left_high"]).all()


def test_a_calendar_period_is_projected_to_its_end() -> None:
    """Twenty days of April: ten are ahead, and the budget is of the events so far, as the burn-down has it."""
    month = CalendarPeriod(start=datetime(2026, 1, 1), zone="UTC", count=1, unit="M")  # noqa: DTZ001
    monthly = REBUFFERING.model_copy(update={"calendar": month})
    ahead = projected(monthly, _hours(*[1.2] * 480))
    assert ahead.path["ts_ms"][-1] == T0 + 720 * HOUR_MS
    # Of a month so far, 1.2 is overspent from its first hour on.
    assert ahead.path["budget_left"].to_list() == pytest.approx([-0.2] * 241)
    assert projected(monthly, _hours(*[0.5] * 480)).at_ts_ms is None


def test_without_traffic_nothing_is_projected() -> None:
    quiet = _hours(*[0.0] * 48).with_columns(total=pl.lit(0, pl.Int64), burn=pl.lit(None, pl.Float64))
    ahead = projected(REBUFFERING, quiet)
    assert ahead.burn is ahead.at_ts_ms is None
    assert ahead.path.is_empty()
    assert ahead.sentence.startswith("Too little traffic")
    assert trailing_burn(REBUFFERING, quiet)["burn"].null_count() == 5


def test_burn_of_the_last_hours() -> None:
    burns = trailing_burn(REBUFFERING, _hours(*[0.0] * 23, 12.0))
    assert burns["burn"].to_list() == pytest.approx([12.0, 2.0, 0.5, 0.5, 0.5])


@settings(max_examples=40, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(-100, 3 * DAY), st.integers(1, 2000)), max_size=5),
    seed=st.integers(0, 1000),
)
def test_what_incidents_and_the_rest_spent_is_all_that_was_spent(
    spans: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 50, 3 * DAY)
    frame = minute_counts(np.arange(3 * DAY), starts=starts, first_stalls=rng.binomial(starts, 0.002))
    evaluation = evaluate(REBUFFERING, frame, start_ts_ms=T0 + DAY * 60_000)
    (history,) = histories([REBUFFERING], frame)
    table = by_incident(
        evaluation,
        _incidents(*((a, a + n) for a, n in spans)),
        history.start_ts_ms,
        history.bad[0],
        history.total[0],
    )
    assert (table["bad"].sum(), table["total"].sum()) == (evaluation.bad, evaluation.total)
    assert table["minutes"].sum() == 2 * DAY
    if evaluation.budget_left is not None:
        assert table["budget_spent"].sum() == pytest.approx(1 - evaluation.budget_left)


def _incidents(*spans: tuple[int, int]) -> pl.DataFrame:
    schema = {"incident_id": pl.String, "kind": pl.String, "start_ts_ms": pl.Int64, "end_ts_ms": pl.Int64}
    rows = [(f"i{k}", "test", T0 + a * 60_000, T0 + b * 60_000) for k, (a, b) in enumerate(spans)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_an_incident_spends_beyond_the_usual_pace() -> None:
    bad = np.ones(DAY, dtype=np.int64)
    bad[600:660] = 11
    frame = minute_counts(np.arange(DAY), starts=1000, first_stalls=bad)
    evaluation = evaluate(REBUFFERING, frame)
    (history,) = histories([REBUFFERING], frame)
    table = by_incident(evaluation, _incidents((600, 660), (630, 640)), T0, history.bad[0], history.total[0])
    # The second lies within the first, which began earlier: no minute is its own.
    assert table["incident_id"].to_list() == ["i0", None]
    assert table["bad"].to_list() == [660, 1380]
    assert table["budget_spent_beyond"].to_list() == pytest.approx([600 / DAY, 0.0])
    assert table["excess_bad"].to_list() == pytest.approx([600.0, 0.0])


MAINTENANCE = """\
maintenance:
  - {from: 2026-04-01T02:00Z, to: 2026-04-01T03:00Z, reason: database upgrade}
  - {from: "2026-04-01T04:30+02:00", to: 2026-04-01T04:00Z, reason: edge software, where: {region: mena}}
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_maintenance_is_taken_out_and_told(tmp_path: Path) -> None:
    periods = load_maintenance(_file(tmp_path, MAINTENANCE))
    frame = pl.concat(
        minute_counts(np.arange(480), starts=100, first_stalls=1).with_columns(region=pl.lit(region))
        for region in ("mena", "asia-pacific")
    )
    kept = without(frame, periods).collect()
    told = excluded(frame, periods, ["starts", "first_stalls"], T0, T0 + 480 * 60_000)
    # An hour of both regions; then half an hour of it again and an hour more of one region.
    assert told.select("minutes", "reason", "where", "starts").rows() == [
        (60, "database upgrade", "", 12_000),
        (90, "edge software", "region mena", 6_000),
    ]
    assert kept["starts"].sum() == 96_000 - 18_000
    assert evaluate(REBUFFERING, kept).total == 78_000
    assert excluded(frame, periods, ["starts"], T0 + 480 * 60_000, T0 + 500 * 60_000).is_empty()
    assert without(frame, []).collect().height == frame.height


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("02:00Z, to", "02:00, to", 2, "has no time zone"),
        ("2026-04-01T03:00Z", "2026-04-01T01:00Z", 2, "ends before it begins"),
        ("2026-04-01T03:00Z", "2026-04-01T03:00:10Z", 2, "not a whole minute"),
        ("2026-04-01T03:00Z", "tomorrow", 2, "not an instant"),
        ("region: mena", "city: cairo", 3, "no dimension 'city'"),
        ("reason: database upgrade", "reason: ''", 2, "at least 1 character"),
        ("maintenance:", "maintenances:", 1, "Field required"),
    ],
)
def test_bad_maintenance_is_refused_on_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = _file(tmp_path, MAINTENANCE.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as raised:
        load_maintenance(path)
    assert raised.value.where == f"{path}:{line}"


def _agreement(**changes: object) -> Agreement:
    shipped = load_agreement(SHIPPED / "monthly-uptime.yaml")
    return shipped.model_copy(update=changes)


def test_credit_tiers_at_their_edges() -> None:
    tiers = {
        (999, 1000): None, (9989, 10_000): "0.10", (990, 1000): "0.10", (9899, 10_000): "0.25",
        (95, 100): "0.25", (949, 1000): "1", (0, 1): "1",
    }  # fmt: skip
    for (good, total), credit in tiers.items():
        tier = _agreement().tier(Fraction(good, total))
        assert (None if tier is None else str(tier.credit_ratio)) == credit, (good, total)


def test_credits_by_month_of_events_and_of_five_minute_intervals() -> None:
    """April whole and ten days of May. A night of few requests, all bad, is nothing by events and much by time."""
    minutes = 40 * DAY
    total = np.full(minutes, 1000)
    bad = np.zeros(minutes, dtype=np.int64)
    total[:300], bad[:300] = 1, 1
    bad[35 * DAY : 35 * DAY + 60] = 1000
    by_events = credit_table(_agreement(interval_ms=None), T0, bad, total)
    assert by_events["month"].to_list() == [date(2026, 4, 1), date(2026, 5, 1)]
    assert by_events["credit_ratio"].to_list() == [0.0, 0.1]
    assert by_events["below"].to_list() == [None, 0.999]
    assert by_events["is_complete"].to_list() == [True, False]
    assert by_events["attained"][1] == pytest.approx(1 - 60 / 14_400)
    by_time = credit_table(_agreement(), T0, bad, total)
    assert by_time["attained"][0] == pytest.approx(1 - 300 / (30 * DAY))
    assert by_time["credit_ratio"].to_list() == [0.1, 0.1]
    nothing = credit_table(_agreement(), T0, np.zeros(DAY, np.int64), np.zeros(DAY, np.int64))
    assert nothing.select("attained", "credit_ratio").rows() == [(None, None)]


def test_an_agreement_is_checked(tmp_path: Path) -> None:
    text = (SHIPPED / "monthly-uptime.yaml").read_text("utf-8")
    for old, new, said in (
        ("below: 0.99,", "below: 0.9999,", "tiers fall"),
        ("interval: 5m", "interval: 7m", "whole number of intervals"),
        ("credit_ratio: 0.25", "credit_ratio: 0.05", "tiers fall"),
        ("grade: cited", "grade: rumoured", "grade"),
    ):
        with pytest.raises(InputError, match=said):
            load_agreement(_file(tmp_path, text.replace(old, new)))
    with pytest.raises(InputError, match="2 documents"):
        load_agreement(_file(tmp_path, f"{text}---\n{text}"))
