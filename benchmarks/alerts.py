"""Alert policies tried on a quarter of minutes, beside the same replay by Prometheus's own rule tester.

`promtool test rules` loads the counts, runs every rule each minute and answers one query at the end; ours finds
every minute at which a page or a ticket fires. Both say how many minutes a page fired, which must be the same number.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from alerts.backtest import pages
from alerts.cases import Cases, incident_cases, quiet_cases
from alerts.compile import compile_rules
from alerts.policy import BurnPolicy, load_policies
from alerts.rule_file import render
from alerts.slo import load
from benchmarks.harness import Row, rate

__all__ = ["rows"]

OBJECTIVES, DAYS = 100, 90
REPLAYED_DAYS = 2
ROUNDS = 3
NAME = "rebuffering-sessions"
COLUMNS = ("starts", "attempts", "attempts_weight_squared")


def rows() -> list[Row]:
    """A quarter of a hundred objectives in seconds; and minutes of one objective a second against promtool's."""
    policies = load_policies()
    textbook = policies["google-30d"]
    assert isinstance(textbook, BurnPolicy)
    quarter = quiet_cases(1, OBJECTIVES, DAYS, sessions_per_hour=10_000, base_ratio=0.0005)
    _both(textbook, quarter)
    whole = statistics.median(_cpu(lambda: _both(textbook, quarter)) for _ in range(ROUNDS))
    what = f"alerts of {OBJECTIVES} objectives over {DAYS} days of minutes, one core"
    first = Row(what, f"{whole:.2f} s of CPU")
    return [first, *_beside_promtool(textbook)]


def _beside_promtool(policy: BurnPolicy) -> list[Row]:
    promtool = shutil.which("promtool")
    if promtool is None:
        return []
    (objective,) = (one for one in load() if one.name == NAME)
    cases = _first_days(incident_cases(2, 1, sessions_per_hour=10_000, base_ratio=0.0005, bad_ratios=[0.02]))
    minutes = cases.bad.shape[1]
    fires = sum(end - begin for _, begin, end in pages(policy, float(objective.budget), cases).tolist())
    assert fires, "a replay in which nothing fires compares nothing"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        rules = compile_rules([objective], {policy.name: policy})
        (path / "rules.yaml").write_text(render(rules), encoding="utf-8")
        (path / "test.yaml").write_text(yaml.safe_dump(_test(cases, fires)), encoding="utf-8")

        def replay() -> None:
            done = subprocess.run(
                [promtool, "test", "rules", "test.yaml"],
                cwd=path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr

        ours = [_cpu(lambda: _both(policy, cases)) for _ in range(ROUNDS)]
        theirs = [_cpu(replay, children=True) for _ in range(ROUNDS)]
    show = rate(minutes, "minutes")
    return [
        Row(
            "alerts of one objective, every minute, one core",
            show(statistics.median(ours)),
            "promtool test rules",
            show(statistics.median(theirs)),
            statistics.median(t / o for o, t in zip(ours, theirs, strict=True)),
        )
    ]


def _both(policy: BurnPolicy, cases: Cases) -> None:
    for severity in policy.severities:
        pages(policy, 0.001, cases, severity=severity)


def _first_days(cases: Cases) -> Cases:
    minutes = REPLAYED_DAYS * 1440
    bad, total = (np.ascontiguousarray(counts[:, :minutes]) for counts in (cases.bad, cases.total))
    return Cases(bad, total, cases.incidents)


def _test(cases: Cases, fires: int) -> dict[str, object]:
    counts = {"first_stalls": cases.bad[0], **dict.fromkeys(COLUMNS, cases.total[0])}
    minutes = cases.bad.shape[1]
    firing = 'ALERTS{alertstate="firing", severity="page"}'
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "30s",
                "input_series": [
                    {"series": f"playhead_{name}", "values": " ".join(f"_ {n}" for n in values)}
                    for name, values in counts.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"sum(count_over_time({firing}[{minutes}m]))",
                        "eval_time": f"{minutes}m",
                        "exp_samples": [{"labels": "{}", "value": fires}],
                    }
                ],
            }
        ],
    }


def _cpu(run: Callable[[], object], *, children: bool = False) -> float:
    """CPU seconds of this process, or of the programs it ran: other work on the machine does not count."""
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    before = resource.getrusage(who)
    run()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
