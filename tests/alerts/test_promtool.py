"""Prometheus's own engine beside the local evaluation: random cases, a poisoned minute, a gap; and tests we write."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from alerts.calendar import CalendarPeriod
from alerts.compile import compile_rules
from alerts.conditions import no_alerts
from alerts.evaluate import evaluate
from alerts.policy import load_policies
from alerts.rule_file import render
from alerts.rule_tests import Check, rule_test, scenario_tests, series_text
from alerts.slo import load
from benchmarks.promtool import cases, compare
from tests.alerts.frames import T0, minute_counts

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed"),
]

POLICIES = load_policies()


def passes(folder: Path, test: object) -> None:
    (folder / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    ran = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]


@pytest.mark.parametrize("seed", [1, 2])
def test_random_cases_fire_at_the_same_minutes(tmp_path: Path, seed: int) -> None:
    some = list(cases(12, minutes=240, seed=seed))
    evaluations, said = compare(some, tmp_path)
    assert evaluations == 12 * 240 * 2
    assert not said, said[-3000:]
    # Both states are in it.
    fired = [fires.mean() for case in some for fires in case.firing().values()]
    assert 0 < sum(fired) < len(fired)


def test_the_tests_that_compile_writes_pass(tmp_path: Path) -> None:
    objectives = load()
    (tmp_path / "rules.yaml").write_text(render(compile_rules(objectives, POLICIES)), encoding="utf-8")
    test = scenario_tests(objectives, POLICIES, "rules.yaml")
    assert any(check["exp_samples"][0]["value"] for one in test["tests"] for check in one["promql_expr_test"])
    passes(tmp_path, test)


def test_the_budget_outlives_a_poisoned_minute_and_a_gap_over_the_hour(tmp_path: Path) -> None:
    """NaN costs its own minute; minutes that were not exported cost themselves; the rest is the exact ratio of sums."""
    (objective,) = [o for o in load() if o.name == "rebuffering-sessions"]
    minutes, poisoned, away = 200, 40, range(110, 130)
    starts = [1000 + 37 * (k % 11) for k in range(minutes)]
    stalls = [k % 3 for k in range(minutes)]
    there = [k for k in range(minutes) if k != poisoned and k not in away]
    left = evaluate(
        objective,
        minute_counts(there, starts=[starts[k] for k in there], first_stalls=[stalls[k] for k in there]),
    ).budget_left
    shown = [None if k in away else n for k, n in enumerate(starts)]
    series = {
        "playhead_starts": series_text(shown),
        "playhead_first_stalls": series_text([None if k in away else n for k, n in enumerate(stalls)]),
    }
    for name in series:
        words = series[name].split(" ")
        words[2 * poisoned + 1] = "NaN"
        series[name] = " ".join(words)
    budget = "slo:period_error_budget_remaining:ratio"
    checks = [Check(minutes, f"sum(abs({budget} - {left!r}) < bool 1e-9)", 1)]
    (tmp_path / "rules.yaml").write_text(render(compile_rules([objective], POLICIES)), encoding="utf-8")
    passes(
        tmp_path,
        {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [rule_test(series, checks)]},
    )


def test_kept_apart_by_region_each_has_its_alert_and_its_budget(tmp_path: Path) -> None:
    """One region is out for twenty minutes and then not told of any more; the other knows nothing of it."""
    (objective,) = [o for o in load() if o.name == "rebuffering-sessions"]
    minutes, told = 150, 110
    stalls = {"mena": [500 if 60 <= k < 80 else 0 for k in range(told)], "europe": [0] * minutes}
    series = {}
    for region, counts in stalls.items():
        labels = f'{{region="{region}"}}'
        series[f"playhead_first_stalls{labels}"] = series_text([*counts, *[None] * (minutes - len(counts))])
        series[f"playhead_starts{labels}"] = series_text([1000] * len(counts))
    left = {
        region: evaluate(
            objective, minute_counts(range(len(counts)), starts=1000, first_stalls=counts)
        ).budget_left
        for region, counts in stalls.items()
    }
    firing = 'count(ALERTS{alertstate="firing", severity="page", region="%s"}) or vector(0)'
    budget = 'sum(abs(slo:period_error_budget_remaining:ratio{region="%s"} - %r) < bool 1e-9)'
    checks = [
        *(Check(70, firing % region, fires) for region, fires in (("mena", 1), ("europe", 0))),
        Check(50, firing % "mena", 0),
        *(Check(minutes, budget % pair, 1) for pair in left.items()),
    ]
    rules = compile_rules([objective], POLICIES, by=["region"])
    (tmp_path / "rules.yaml").write_text(render(rules), encoding="utf-8")
    passes(
        tmp_path,
        {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [rule_test(series, checks)]},
    )


def test_a_calendar_budget_begins_anew_with_its_period(tmp_path: Path) -> None:
    """Periods of two hours from 1970-01-01 00:00: the first is bad, and the second knows nothing of it."""
    (rolling,) = [o for o in load() if o.name == "rebuffering-sessions"]
    period = CalendarPeriod(start=datetime.fromisoformat("1970-01-01"), zone="UTC", count=2, unit="h")
    objective = rolling.model_copy(
        update={
            "calendar": period,
            "period_ms": period.nominal_ms,
            "own_policy": no_alerts(period.nominal_ms),
            "policy": "none",
        }
    )
    minutes = 290
    stalls = [9 if k < 120 else k % 2 for k in range(minutes)]
    starts = [1000 + k for k in range(minutes)]
    checks = []
    for end in (50, 120, 121, 150, 239, 240, 290):
        frame = minute_counts(range(end), starts=starts[:end], first_stalls=stalls[:end])
        # promtool's time begins at 0; both begin a period.
        left = evaluate(objective, frame.with_columns(pl.col("ts_ms") - T0)).budget_left
        checks.append(
            Check(end, f"sum(abs(slo:period_error_budget_remaining:ratio - {left!r}) < bool 1e-9)", 1)
        )
    (tmp_path / "rules.yaml").write_text(
        render(compile_rules([objective], POLICIES, now_ms=0)), encoding="utf-8"
    )
    series = {"playhead_starts": series_text(starts), "playhead_first_stalls": series_text(stalls)}
    passes(
        tmp_path,
        {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [rule_test(series, checks)]},
    )
