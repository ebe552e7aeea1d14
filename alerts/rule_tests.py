"""Unit tests of the rules for ``promtool test rules``: an incident, and what each alert does about it by the minute.

What is expected is what the local evaluation says of the same minutes, so a test that passes is two evaluators that
agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from alerts import names
from alerts.evaluate import evaluate
from alerts.indicator import Composite, Counted, CountRatio, Slices, Threshold
from alerts.policy import MINUTE_MS, BurnPolicy, Policy
from alerts.slo import Objective

__all__ = ["Check", "firing_minutes", "rule_test", "scenario_tests", "series_text"]

QUIET, INCIDENT, AFTER = 120, 60, 240
_EVENTS = 100_000


@dataclass(frozen=True)
class Check:
    """An expression, the minute it is asked at, and its one value."""

    minute: int
    expr: str
    value: float


def scenario_tests(
    objectives: Sequence[Objective], policies: Mapping[str, Policy], rules_file: str
) -> dict[str, Any]:
    """A test file for the rules of ``rules_file``: each objective through an hour in which every event is bad.

    Alerts are checked at the minutes at which they change, and at the minutes before.
    """
    together: list[tuple[dict[str, tuple[int, int]], list[Objective]]] = []
    for objective in objectives:
        policy = objective.watched_by(policies)
        if isinstance(objective.indicator, Counted) and isinstance(policy, BurnPolicy):
            _put(objective, _quiet_and_bad(objective.indicator), together)
    tests = [_scenario(counts, those, policies) for counts, those in together]
    return {"rule_files": [rules_file], "evaluation_interval": "1m", "tests": tests}


def rule_test(series: Mapping[str, str], checks: Sequence[Check], interval: str = "30s") -> dict[str, Any]:
    """One test of a test file; ``series`` in promtool's notation, a value each ``interval``."""
    return {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": check.expr,
                "eval_time": f"{check.minute}m",
                "exp_samples": [{"labels": "{}", "value": check.value}],
            }
            for check in checks
        ],
    }


def series_text(counts: Sequence[int | None]) -> str:
    """Counts stamped in the middle of their minute, as values each 30 s; null where nothing was exported.

    >>> series_text([3, None, 5])
    '_ 3 _ _ _ 5'
    """
    return " ".join("_ _" if count is None else f"_ {count}" for count in counts)


def firing_minutes(
    episodes: pl.DataFrame, severity: str, start_ts_ms: int, minutes: int
) -> NDArray[np.int64]:
    """1 at each minute's end at which that alert fires; element k is the end of minute k."""
    ends = start_ts_ms + (np.arange(minutes, dtype=np.int64) + 1) * MINUTE_MS
    fires = np.zeros(minutes, dtype=np.int64)
    chosen = episodes.filter(pl.col("severity") == severity)
    for start, end in chosen.select("start_ts_ms", "end_ts_ms").iter_rows():
        fires[(ends >= start) & (ends < (2**62 if end is None else end))] = 1
    return fires


def is_firing(objective: Objective, severity: str) -> str:
    """Expression that is 1 while the alert fires, 0 otherwise."""
    matchers = {
        "alertname": names.alert_name(objective.name),
        "alertstate": "firing",
        "severity": severity,
        names.LABEL_ID: objective.id,
    }
    select = ", ".join(f'{label}="{value}"' for label, value in matchers.items())
    return f"(count(ALERTS{{{select}}}) > bool 0) or vector(0)"


def _put(
    objective: Objective,
    counts: dict[str, tuple[int, int]],
    together: list[tuple[dict[str, tuple[int, int]], list[Objective]]],
) -> None:
    """Add it to a test whose counts agree with its own: a test evaluates all rules, whatever it checks."""
    for others, those in together:
        if all(others.get(column, both) == both for column, both in counts.items()):
            others |= counts
            those.append(objective)
            return
    together.append((counts, [objective]))


def _quiet_and_bad(indicator: Counted) -> dict[str, tuple[int, int]]:
    """A minute's count of each column while all is well, and while every event is bad."""
    quiet, bad = _events(indicator, is_bad=False), _events(indicator, is_bad=True)
    guards = dict.fromkeys((names.ATTEMPTS, names.ATTEMPTS_WEIGHT_SQUARED), (_EVENTS, _EVENTS))
    return {**guards, **{column: (quiet[column], bad[column]) for column in sorted(quiet)}}


def _scenario(
    counts: Mapping[str, tuple[int, int]], objectives: Sequence[Objective], policies: Mapping[str, Policy]
) -> dict[str, Any]:
    minutes = QUIET + INCIDENT + AFTER
    columns = {}
    for column, (quiet, bad) in counts.items():
        columns[column] = np.full(minutes, quiet, dtype=np.int64)
        columns[column][QUIET : QUIET + INCIDENT] = bad
    frame = pl.DataFrame({"ts_ms": np.arange(minutes, dtype=np.int64) * MINUTE_MS, **columns}).with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in names.SLICES)
    )
    checks = []
    for objective in objectives:
        policy = objective.watched_by(policies)
        assert isinstance(policy, BurnPolicy)
        episodes = evaluate(objective, frame, policies=policies).episodes
        for severity in policy.severities:
            fires = firing_minutes(episodes, severity, 0, minutes)
            changes = np.flatnonzero(np.diff(fires)) + 1
            asked = sorted({0, minutes - 1, *changes.tolist(), *(changes - 1).tolist()})
            checks += [Check(k + 1, is_firing(objective, severity), int(fires[k])) for k in asked]
    series = {names.gauge(column): series_text(values.tolist()) for column, values in columns.items()}
    return rule_test(series, checks)


def _events(indicator: Counted, is_bad: bool) -> dict[str, int]:
    """A minute's counts in which all events are bad, or none is."""
    if isinstance(indicator, Slices):
        return _events(indicator.of, is_bad)
    if isinstance(indicator, Composite):
        return {column: n for part in indicator.parts for column, n in _events(part.of, is_bad).items()}
    if isinstance(indicator, CountRatio):
        counts = dict.fromkeys(indicator.columns, 0)
        counts |= dict.fromkeys(indicator.total, _EVENTS)
        of_all = len(indicator.total) * _EVENTS
        first, wanted = (
            (indicator.bad[0], of_all if is_bad else 0)
            if indicator.bad
            else (indicator.good[0], 0 if is_bad else of_all)
        )
        return counts | {first: wanted}
    return _beside(indicator, is_bad)


def _beside(threshold: Threshold, is_bad: bool) -> dict[str, int]:
    """A ratio on one side of the threshold's value or the other."""
    counts = dict.fromkeys(threshold.columns, 0)
    counts |= dict.fromkeys(threshold.denominator, _EVENTS)
    below = len(threshold.denominator) * _EVENTS or 1
    is_high = is_bad == (threshold.operator in {"lt", "lte"})
    value = float(threshold.value)
    return counts | {
        threshold.numerator[0]: int(below * (2 * value + 1)) if is_high else int(below * value / 2)
    }
