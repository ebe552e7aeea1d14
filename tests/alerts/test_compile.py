"""The rules: their names, their expressions, and what Prometheus itself makes of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerts.alert_rules import literal
from alerts.compile import compile_rules, without_rules
from alerts.evaluate import Evaluation, evaluate
from alerts.policy import load_policies
from alerts.rule_file import render
from alerts.slo import load
from metrics.errors import InputError
from tests.alerts.frames import T0, minute_counts

POLICIES = load_policies()
OBJECTIVES = load()
PROMTOOL = shutil.which("promtool")


def _rules(**options: Any) -> list[dict[str, Any]]:
    groups = compile_rules(OBJECTIVES, POLICIES, **options)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _of(name: str, rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        rule["record"]: rule for rule in rules if "record" in rule and rule["labels"]["sloth_slo"] == name
    }


def test_every_series_that_sloth_records_is_recorded_with_its_labels() -> None:
    records = _of("time-to-play-p99", _rules())
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    sloth = {
        *(f"slo:sli_error:ratio_rate{window}" for window in windows),
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    }
    assert sloth <= records.keys()
    identity = {"sloth_id": "playback-time-to-play-p99", "sloth_service": "playback"}
    assert all(identity.items() <= rule["labels"].items() for rule in records.values())
    assert [records[f"slo:sli_error:ratio_rate{w}"]["labels"]["sloth_window"] for w in windows] == list(
        windows
    )
    assert records["sloth_slo_info"]["labels"]["sloth_objective"] == "99"
    assert records["slo:error_budget:ratio"]["expr"] == "vector(0.01)"


def test_a_window_is_a_ratio_of_sums_of_gauges() -> None:
    expr = _of("time-to-play-p99", _rules())["slo:sli_error:ratio_rate5m"]["expr"]
    assert re.sub(r"\s+", " ", expr) == (
        "(sum(sum_over_time(playhead_starts_late[5m])) + sum(sum_over_time(playhead_exits_late[5m]))) / "
        "((sum(sum_over_time(playhead_starts[5m])) + sum(sum_over_time(playhead_exits_before_start[5m]))) > 0)"
    )


def test_kept_apart_by_region_every_sum_keeps_the_label() -> None:
    exprs = [rule["expr"] for rule in _rules(by=["region"]) if "playhead_starts" in rule["expr"]]
    sums = [expr for expr in exprs if "absent" not in expr]
    assert sums
    assert all("sum(sum_over_time" not in expr and "sum by (region) (" in expr for expr in sums)
    with pytest.raises(InputError, match="did you mean region"):
        _rules(by=["regions"])


def test_each_severity_has_one_alert_with_links() -> None:
    alerts = [rule for rule in _rules() if rule.get("alert") == "TimeToPlayP99BudgetBurn"]
    assert [alert["labels"]["severity"] for alert in alerts] == ["page", "ticket"]
    for alert in alerts:
        assert alert["labels"]["sloth_severity"] == alert["labels"]["severity"]
        assert alert["annotations"]["runbook_url"].endswith("#time-to-play-p99")
        assert alert["annotations"]["dashboard_url"].endswith("?objective=time-to-play-p99")
    assert "(14.4 * 0.01)" in alerts[0]["expr"]


def test_links_lead_to_a_section_of_the_runbooks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text(encoding="utf-8")
    anchors = {match.lower().replace(" ", "-") for match in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    urls = {rule["annotations"]["runbook_url"] for rule in _rules() if "alert" in rule}
    linked = {url.partition("#")[2] for url in urls} | {objective.name for objective in OBJECTIVES}
    assert linked == anchors


def test_what_no_burn_rate_can_watch_is_named_and_has_no_rule() -> None:
    assert [objective.name for objective in without_rules(OBJECTIVES)] == ["rec-driven-share"]
    assert "rec-driven-share" not in render(compile_rules(OBJECTIVES, POLICIES))
    with pytest.raises(InputError, match="no objective that Prometheus can watch"):
        compile_rules(without_rules(OBJECTIVES), POLICIES)


def test_the_text_reads_back_as_the_rules() -> None:
    rules = compile_rules(OBJECTIVES, POLICIES)
    assert yaml.safe_load(render(rules)) == rules


@given(st.text(alphabet='{} $`"\\.a', max_size=12))
def test_no_text_of_a_user_opens_a_template(text: str) -> None:
    """Printing the escapes back gives the text; between them no action can begin."""
    escaped = literal(text)
    assert escaped.replace('{{"{"}}', "{") == text
    assert "{" not in escaped.replace('{{"{"}}', "")


SLO = """
apiVersion: openslo/v1
kind: SLO
metadata: {{name: injected, displayName: '{title}', labels: {{team: '{title}'}}}}
spec:
  description: '{title}'
  service: web
  indicator:
    metadata: {{name: injected}}
    spec:
      ratioMetric:
        good: {{metricSource: {{type: Prometheus, spec: {{query: playhead_starts}}}}}}
        total: {{metricSource: {{type: Prometheus, spec: {{query: playhead_attempts}}}}}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{targetPercent: 99.5}}]
  alertPolicies: [{{alertPolicyRef: google-30d}}]
"""


def _promtool(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


@pytest.mark.integration
@needs_promtool
@pytest.mark.parametrize("by", [(), ("region",), ("region", "device")])
def test_promtool_accepts_the_rules(tmp_path: Path, by: tuple[str, ...]) -> None:
    rules = compile_rules(OBJECTIVES, POLICIES, by=by)
    (tmp_path / "rules.yaml").write_text(render(rules), encoding="utf-8")
    checked = _promtool("check", "rules", "rules.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert f"{sum(len(group['rules']) for group in rules['groups'])} rules found" in checked.stdout


@pytest.mark.integration
@needs_promtool
def test_prometheus_prints_a_users_braces_and_does_not_run_them(tmp_path: Path) -> None:
    title = '{{{ $value }}} {{ query "up" }} {'
    (tmp_path / "slo.yaml").write_text(SLO.format(title=title), encoding="utf-8")
    rules = compile_rules(load([tmp_path / "slo.yaml"]), POLICIES)
    (tmp_path / "rules.yaml").write_text(render(rules), encoding="utf-8")
    labels = 'alertname="InjectedBudgetBurn", alertstate="firing", severity="page"'
    test = _rule_test(
        {"playhead_starts{}": [0] * 10, **{f"playhead_{n}{{}}": [50] * 10 for n in _ATTEMPTS}},
        [(10, f"count(ALERTS{{{labels}, team=~'.*query .up.*'}})", 1)],
    )
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    ran = _promtool("test", "rules", "test.yaml", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


_ATTEMPTS = ("attempts", "attempts_weight_squared")


@pytest.mark.integration
@needs_promtool
def test_prometheus_and_the_local_evaluation_agree_every_minute(tmp_path: Path) -> None:
    """Nine hours with an outage, a slow burn and an hour of silence: firing state and budget left."""
    rng = np.random.default_rng(20260401)
    minutes, weight = 540, 40
    starts = rng.poisson(6, (2, minutes)) * weight
    starts[:, 300:360] = 0
    share = np.full(minutes, 0.004)
    share[60:90], share[180:290], share[400:404] = 0.9, 0.05, 0.5
    late = rng.binomial(starts // weight, share) * weight
    exits = rng.poisson(0.3, (2, minutes)) * weight * (starts > 0)
    exits_late = rng.binomial(exits // weight, share) * weight
    columns = {
        "starts": starts,
        "starts_late": late,
        "exits_before_start": exits,
        "exits_late": exits_late,
        "attempts": starts + exits,
        "attempts_weight_squared": (starts + exits) * weight,
    }
    (objective,) = [objective for objective in OBJECTIVES if objective.name == "time-to-play-p99"]
    frame = pl.concat(
        minute_counts(range(minutes), **{name: counts[i] for name, counts in columns.items()})
        for i in range(2)
    )
    local = evaluate(objective, frame)
    expected = [
        (minute, f'count(ALERTS{{alertstate="firing", severity="{severity}"}}) or vector(0)', fires)
        for severity in ("page", "ticket")
        for minute, fires in enumerate(_firing(local, severity, minutes), start=1)
    ]
    assert 20 < sum(fires for _, _, fires in expected) < 2 * minutes
    left = f"slo:period_error_budget_remaining:ratio - {local.budget_left!r}"
    expected.append((minutes, f"sum(abs({left}) < bool 1e-9)", 1))
    series = {
        f'playhead_{name}{{region="{region}"}}': counts[i].tolist()
        for name, counts in columns.items()
        for i, region in enumerate(("mena", "asia-pacific"))
    }
    (tmp_path / "rules.yaml").write_text(render(compile_rules([objective], POLICIES)), encoding="utf-8")
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(_rule_test(series, expected)), encoding="utf-8")
    ran = _promtool("test", "rules", "test.yaml", cwd=tmp_path)
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]


def _firing(evaluation: Evaluation, severity: str, minutes: int) -> list[int]:
    """1 at each minute's end at which that alert fires."""
    episodes = evaluation.episodes.filter(pl.col("severity") == severity)
    spans = episodes.select("start_ts_ms", pl.col("end_ts_ms").fill_null(2**62)).rows()
    ends = [T0 + k * 60_000 for k in range(1, minutes + 1)]
    return [int(any(start <= at < end for start, end in spans)) for at in ends]


def _rule_test(series: dict[str, list[int]], expected: list[tuple[int, str, int]]) -> dict[str, Any]:
    """A promtool test whose counts are stamped in the middle of their minute."""
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "30s",
                "input_series": [
                    {"series": name, "values": " ".join(f"_ {count}" for count in counts)}
                    for name, counts in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": expr,
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": value}],
                    }
                    for minute, expr, value in expected
                ],
            }
        ],
    }
