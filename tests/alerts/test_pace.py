"""Rules for a service played fast: every range, wait and clock of them, and nothing else."""

from __future__ import annotations

import promql_parser
import pytest

from alerts.compile import compile_rules
from alerts.pace import at_speed, shortened
from alerts.policy import load_policies
from alerts.slo import load
from metrics.errors import InputError

POLICIES = load_policies()
RULES = compile_rules(load(), POLICIES)


def test_at_its_own_speed_nothing_changes() -> None:
    assert at_speed(RULES, 1) == RULES


def test_a_minute_a_second() -> None:
    groups = at_speed(RULES, 60)["groups"]
    assert {group["interval"] for group in groups} == {"1s"}
    rules = [rule for group in groups for rule in group["rules"]]
    exprs = {rule.get("record"): rule["expr"] for rule in rules}
    assert "[5s]" in exprs["slo:sli_error:ratio_rate5m"]
    assert "floor(vector(time() * 60) / 60) % 60" in exprs["playhead:slo_bad:sum_since_hour"]
    assert ") * 60) / 3600)" in exprs["playhead:slo_bad:sum_since_hour"]
    assert all(promql_parser.parse(rule["expr"]) for rule in rules)


@pytest.mark.parametrize(
    ("duration", "speed", "text"), [("1m", 60, "1s"), ("1h30m", 60, "90s"), ("5m", 7, "42857ms")]
)
def test_durations_are_divided(duration: str, speed: float, text: str) -> None:
    assert shortened(duration, speed) == text


@pytest.mark.parametrize("speed", [0, -1, 10_000, float("nan")])
def test_a_speed_that_prometheus_cannot_follow_is_refused(speed: float) -> None:
    with pytest.raises(InputError, match="a speed of"):
        at_speed(RULES, speed)
