"""What pages make of frames: segments, incidents, breakdowns, the decision table; known answers."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from alerts.slo import load
from dashboards.breakdown import breakdown, with_days
from dashboards.context import Period
from dashboards.decisions import decision_regions, decision_rows, grounds, is_current, is_silent, planned
from dashboards.formats import change, written
from dashboards.scorecards import card_frame, card_rows
from dashboards.segments import HEADLINE, merged, objectives_of, varied, worst_segments
from metrics.catalog import METRICS, get_metric
from metrics.scorecard import score, scorecard, shipped

HOUR_MS = 3_600_000


def measured(rows: dict[str, tuple[float, float, float]], n: float = 1_000.0) -> pl.DataFrame:
    """``region: (hours per subscriber, bad ratio, p99)`` as :func:`metrics.query.measure` has it."""
    return pl.DataFrame(
        [
            {"region": region, "metric": name, "value": value, "n_effective": n, "numerator": 1e6 * value}
            for region, values in rows.items()
            for name, value in zip(HEADLINE, values, strict=True)
        ]
    )


def test_a_large_segment_stands_above_a_terrible_small_one() -> None:
    now = measured(
        {"large": (10.0, 0.03, 2_500.0), "small": (0.1, 0.50, 9_000.0), "good": (20.0, 0.005, 900.0)}
    )
    found = worst_segments(now, measured({"large": (9.0, 0.02, 2_000.0)}), ["region"], allowance=0.01)
    assert found["region"].to_list() == ["large", "small"]
    assert found["exposed_hours"].to_list() == pytest.approx([1e7 * 0.02, 1e5 * 0.49])
    assert found["exposed_ratio"].to_list() == pytest.approx([0.02 * 10 / 30.1, 0.49 * 0.1 / 30.1])
    assert found["p99_change_ms"].to_list() == [500.0, None]


def test_a_segment_is_ranked_without_its_quantile() -> None:
    now = measured({"a": (1.0, 0.5, 9_000.0)}).filter(pl.col("metric") != HEADLINE[2])
    (row,) = worst_segments(now, now, ["region"], allowance=0.01).iter_rows(named=True)
    assert (row["p99_ms"], row["p99_change_ms"]) == (None, None)
    assert row["exposed_hours"] == pytest.approx(1e6 * 0.49)


def test_a_segment_with_few_sessions_is_not_ranked() -> None:
    assert worst_segments(
        measured({"a": (1.0, 1.0, 9_000.0)}, n=29.0), None, ["region"], allowance=0.01
    ).is_empty()


def episodes(*rows: tuple[str, int, int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"objective": "o", "name": "o", "severity": severity, "start_ts_ms": start * HOUR_MS,
             "end_ts_ms": None if end is None else end * HOUR_MS,
             "duration_ms": ((end or 100) - start) * HOUR_MS, "peak_burn": float(start + 1)}
            for severity, start, end in rows
        ],
        schema={
            "objective": pl.String, "name": pl.String, "severity": pl.String, "start_ts_ms": pl.Int64,
            "end_ts_ms": pl.Int64, "duration_ms": pl.Int64, "peak_burn": pl.Float64,
        },
    )  # fmt: skip


def test_an_alert_that_flaps_is_one_incident() -> None:
    found = merged(episodes(("page", 0, 1), ("page", 3, 4), ("page", 30, 31), ("ticket", 2, 3)))
    assert found.select("severity", "alerts_count", "start_ts_ms", "end_ts_ms").rows() == [
        ("page", 1, 30 * HOUR_MS, 31 * HOUR_MS),
        ("page", 2, 0, 4 * HOUR_MS),
        ("ticket", 1, 2 * HOUR_MS, 3 * HOUR_MS),
    ]
    assert found["duration_ms"].to_list()[1] == 2 * HOUR_MS


def test_an_alert_still_firing_has_no_end() -> None:
    (row,) = merged(episodes(("page", 0, 1), ("page", 2, None))).iter_rows(named=True)
    assert (row["end_ts_ms"], row["alerts_count"]) == (None, 2)


def test_no_objective_hides_the_others() -> None:
    names = pl.DataFrame({"name": ["a", "a", "a", "b", "a", "c"], "rank": range(6)})
    assert varied(names, most=4)["rank"].to_list() == [0, 1, 3, 5]


def test_every_objective_that_explains_a_metric_exists() -> None:
    known = {objective.name for objective in load()}
    explained = {name for metric in METRICS for name in objectives_of(metric)}
    assert explained
    assert explained <= known


def test_nothing_fired_is_nothing_merged() -> None:
    assert merged(episodes()).is_empty()


def rows(name: str, *values: tuple[str, float, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "region": r,
                "metric": name,
                "value": v,
                "numerator": v * d,
                "denominator": d,
                "n": 10,
                "n_effective": 9.0,
            }
            for r, v, d in values
        ]
    )


def test_impact_is_the_distance_from_the_whole_times_the_share() -> None:
    name = "rebuffer_rate"
    now = rows(name, ("bad", 0.03, 100.0), ("awful", 0.10, 10.0), ("good", 0.0, 90.0))
    found = breakdown(get_metric(name), ["region"], now, rows(name, ("bad", 0.01, 1.0)), 0.02)
    assert found["region"].to_list() == ["bad", "awful", "good"]
    assert found["impact"].to_list() == pytest.approx([0.01 * 0.5, 0.08 * 0.05, -0.02 * 0.45])
    assert found["change"].to_list() == pytest.approx([0.02, None, None])


def test_where_higher_is_better_the_low_value_harms() -> None:
    name = "rec_driven_hours_ratio"
    found = breakdown(get_metric(name), ["region"], rows(name, ("a", 0.9, 1.0), ("b", 0.5, 1.0)), None, 0.7)
    assert found["region"].to_list() == ["b", "a"]


def test_a_total_is_ranked_by_what_it_lost() -> None:
    name = "watch_hours"
    now, before = rows(name, ("a", 5.0, 1.0), ("b", 9.0, 1.0)), rows(name, ("a", 8.0, 1.0), ("b", 1.0, 1.0))
    found = breakdown(get_metric(name), ["region"], now, before, 14.0)
    assert found.select("region", "impact").rows() == [("a", 3.0), ("b", -8.0)]


def test_a_breakdown_by_two_dimensions_has_a_row_a_combination() -> None:
    name = "rebuffer_rate"
    now = rows(name, ("a", 0.03, 1.0), ("a", 0.01, 1.0)).with_columns(device=pl.Series(["tv", "web"]))
    found = breakdown(get_metric(name), ["region", "device"], now, now.filter(pl.col("device") == "tv"), 0.02)
    assert found.select("region", "device").rows() == [("a", "tv"), ("a", "web")]
    assert found["change"].to_list() == [0.0, None]


def test_days_keep_their_order() -> None:
    daily = pl.DataFrame({"region": ["a", "b", "a"], "bucket_ts_ms": [2, 1, 1], "value": [2.0, 5.0, 1.0]})
    found = with_days(pl.DataFrame({"region": ["b", "a", "c"]}), daily, ["region"])
    assert found["days"].to_list() == [[5.0], [1.0, 2.0], None]


def test_a_change_is_written_in_the_metric_s_own_format() -> None:
    late, p99, hours = (
        get_metric(n) for n in ("rebuffer_rate", "time_to_play_p99_ms", "watch_hours_per_subscriber")
    )
    assert change(late, 0.0067, 0.0061) == "+0.060 pt"
    assert change(p99, 1_900.0, 2_000.0) == "−100 ms"
    assert change(hours, 1.0, 1.0001) == "0"
    assert change(hours, None, 1.0) == "–"
    assert written(p99, 1_234.0) == "1,234 ms"
    cost = get_metric("cost_per_stream_hour_usd")
    assert change(cost, 1.0, 3.0).startswith("−$2")


def decided(
    value: float | None, low: float | None, high: float | None, unit: str = "ratio", **given: Any
) -> Any:
    """A cell whose estimate is the given, without a truth."""
    cell = {
        "metric": "m", "title": "t", "unit": unit, "better": "lower", "method": "experiment", "estimate": value,
        "low": low, "high": high, "ground": "g", "members_needed": None, "true_effect": None, "true_low": None,
        "true_high": None,
    }  # fmt: skip
    return cell | given


def artefact(*cells: dict[str, Any], region: str | None = None) -> dict[str, Any]:
    return {"decisions": [{"world": "w", "switch": "S", "was": "W", "region": region, "cells": list(cells)}]}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (decided(-0.0037, -0.0038, -0.0036), ":green[**−0.370 ± 0.010**]ᵉ"),
        (decided(0.0021e-3, 0.0020e-3, 0.0022e-3, "USD/h", method="model"), ":red[*+0.0021 ± 0.0001*]ᵐ"),
        (decided(-120.6, -130.0, 111.2, "ms", method="comparison"), ":gray[−121] :gray[(−130 to +111)]ᶜ"),
        (decided(0.00004, 0.00003, 0.00005, "GB/h"), ":gray[0]ᵉ"),
        (decided(0.0002, -0.002, 0.0024, "GB/h"), ":gray[0.000 ± 0.002]ᵉ"),
        (decided(None, None, None, method="none"), ":gray[–]"),
        (decided(None, None, None, method="none", members_needed=41_234), ":gray[–]"),
    ],
)
def test_an_effect_shows_the_digits_its_interval_allows(given: dict[str, Any], shown: str) -> None:
    (row,) = decision_rows(artefact(given))
    assert list(row.values()) == ["**S**, not W", "estimated", shown.replace(" ± ", "\u00a0±\u00a0")]


def test_what_an_experiment_takes_is_told_once_a_figure() -> None:
    both = artefact(decided(None, None, None, members_needed=41_234), decided(1.0, 0.5, 1.5, title="u"))
    both["decisions"] += artefact(decided(None, None, None, members_needed=41_234))["decisions"]
    both["decisions"] += artefact(decided(None, None, None, members_needed=158), region="q")["decisions"]
    assert planned(both) == "t 41 k"
    assert planned(both, "q") == "t 158"
    assert not planned(None)


def test_the_truth_is_a_row_of_its_own() -> None:
    known = decided(None, None, None, members_needed=7, true_effect=0.01, true_low=0.01, true_high=0.01)
    estimated, true = decision_rows(artefact(known, decided(1.0, 0.5, 1.5, "GB/h", title="u")))
    assert list(estimated) == list(true) == ["switch", " ", "t, pt", "u, GB/h"]
    assert list(true.values()) == ["", ":gray[true]", ":red[*+1.0\u00a0±\u00a00.0*]", ":gray[–]"]


def test_a_table_that_tells_nothing_is_silent() -> None:
    assert is_silent(artefact(decided(None, None, None)))
    assert not is_silent(artefact(decided(None, None, None), decided(1.0, 0.5, 1.5, "ms")))
    assert not is_silent(artefact(decided(None, None, None, true_effect=0.01, true_low=0.01, true_high=0.01)))
    assert is_silent(None)


def test_a_region_has_rows_of_its_own() -> None:
    both = artefact(decided(1.0, 0.5, 1.5, "ms"))
    both["decisions"] += artefact(decided(9.0, 8.0, 10.0, "ms"), region="south-asia")["decisions"]
    assert decision_regions(both) == ["south-asia"]
    assert [row["t, ms"] for row in decision_rows(both)] == [":red[*+1\u00a0±\u00a00*]ᵉ"]
    assert [row["t, ms"] for row in decision_rows(both, "south-asia")] == [":red[*+9\u00a0±\u00a01*]ᵉ"]


def test_grounds_are_told_once_a_switch() -> None:
    cells = [decided(1.0, 0.5, 1.5), decided(2.0, 1.5, 2.5, title="u"), decided(None, None, None, title="v")]
    assert grounds(artefact(*cells)) == [
        {"switch": "S", "figures": "t; u", "stands on": "g"},
        {"switch": "S", "figures": "v", "stands on": "not estimable from this lake"},
    ]
    unpriced = decided(None, None, None, title="w", ground="not modelled: no usage")
    assert grounds(artefact(unpriced)) == [
        {"switch": "S", "figures": "w", "stands on": "not modelled: no usage"}
    ]


@pytest.mark.parametrize("given", [None, {}, {"decisions": []}, []])
def test_no_decision_is_no_row(given: Any) -> None:
    assert not decision_rows(given)
    assert not decision_regions(given)
    assert not grounds(given)


def test_a_table_of_an_older_version_is_told_from_a_current_one() -> None:
    assert is_current(artefact(decided(1.0, 0.5, 1.5)))
    assert not is_current({"decisions": [{"switch": "S", "effects": []}]})
    assert not is_current(artefact({"title": "t", "effect": 1.0}))
    assert not is_current([])


def test_a_kept_scorecard_is_shown_and_else_what_is_shipped() -> None:
    card = scorecard(
        pl.concat(
            [score("ledger", "c", "residual", 0.0, count=9), score("ledger/other", "c", "residual", 3.0)]
        )
    )
    kept = card_frame({"scores": card.to_dicts()})
    assert kept.equals(card)
    (row,) = card_rows(kept)
    assert (row["value"], row["n"], row["peer"], row["peer's"]) == ("0", "9", "other", "3")
    assert card_frame(None).equals(scorecard(shipped()))
    assert card_rows(kept, "explain") == []


def test_the_period_of_episodes_is_that_of_the_page() -> None:
    from dashboards.segments import episodes_in

    assert episodes_in([], Period(date(2026, 4, 1), date(2026, 4, 2))).is_empty()
