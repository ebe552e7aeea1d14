"""Evidence that the budget burns: a bound that holds, the same in both evaluators, and what it buys."""

from __future__ import annotations

import math
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom, poisson

from alerts.compile import compile_rules
from alerts.evaluate import evaluate
from alerts.evidence import nats, usual_share
from alerts.policy import BurnPolicy, Pair, load_policies
from alerts.rule_file import render
from alerts.slo import load
from tests.alerts.frames import T0, minute_counts

POLICIES = load_policies()
OBJECTIVES = {objective.name: objective for objective in load()}
PROMTOOL = shutil.which("promtool")


def _one(bad: float, total: float, share: float) -> float:
    return float(nats(np.array([bad], dtype=np.float64), np.array([bad / total]), share)[0])


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([0.0001, 0.001, 0.01, 0.05, 0.2]))
def test_evidence_bounds_the_chance_of_as_many_bad_events(bad: int, more: int, share: float) -> None:
    total = bad + more
    if bad / total <= share:
        return
    bound = math.exp(-_one(bad, total, share)) * (1 + 1e-9)
    assert poisson.sf(bad - 1, share * total) <= bound
    assert binom.sf(bad - 1, total, share) <= bound


def test_evidence_by_hand() -> None:
    # Ten of a thousand where one is allowed: 10·(ln 10 − 0.9).
    assert _one(10, 1000, 0.001) == pytest.approx(10 * (math.log(10) - 0.9))
    assert _one(1, 1000, 0.001) == pytest.approx(0)
    # Ten times as much of the same is ten times as sure; a panel of a tenth is a tenth.
    assert _one(100, 10_000, 0.001) == pytest.approx(10 * _one(10, 1000, 0.001))
    assert math.isnan(_one(0, 1000, 0.001))


def test_what_is_usual_is_the_least_of_some_windows_within_bounds() -> None:
    day, week = np.array([0.002, 0.5, 0.0001, np.nan, np.nan]), np.array([0.004, 0.0015, 0.5, 0.002, np.nan])
    usual = usual_share([day, week], 0.001, 0.003)
    assert usual[:4].tolist() == [0.002, 0.0015, 0.001, 0.002]
    # Without any traffic there is no share, and no window that could be above one.
    assert np.isnan(usual[4])


def test_a_pair_asks_for_evidence_above_the_budget_only() -> None:
    pair = Pair.model_validate(
        {"long": "1h", "short": "10m", "budget_share_ratio": Decimal("0.004"), "long_nats": 9}
    )
    assert pair.evidence == {3_600_000: 9}
    textbook = POLICIES["google-30d"]
    assert isinstance(textbook, BurnPolicy)
    assert not any(pair.evidence for pairs in textbook.severities.values() for pair in pairs)
    below = {"long": "3d", "short": "6h", "budget_share_ratio": Decimal("0.05"), "short_nats": 1}
    with pytest.raises(ValidationError, match="below the burn rate of 1"):
        BurnPolicy.model_validate(textbook.model_dump(by_alias=True) | _written(textbook) | {"page": [below]})


def _written(policy: BurnPolicy) -> dict[str, object]:
    """The policy's durations as a file has them."""
    return {"period": "30d", "for": None, "page": [], "ticket": []}


def test_the_shipped_policy_fires_nothing_that_its_windows_cannot_prove() -> None:
    """Two bad of two are a share of one, and no evidence of anything."""
    objective = OBJECTIVES["rebuffering-sessions"].model_copy(update={"policy": "evidence-30d"})
    bad = np.zeros(600, dtype=np.int64)
    bad[300] = bad[302] = 1
    thin = minute_counts(np.arange(600), starts=np.maximum(bad, np.arange(600) % 7 == 0), first_stalls=bad)
    assert "page" not in evaluate(objective, thin).episodes["severity"].to_list()
    bad[303:308] = 1
    outage = minute_counts(np.arange(600), starts=np.maximum(bad, np.arange(600) % 7 == 0), first_stalls=bad)
    assert "page" in evaluate(objective, outage).episodes["severity"].to_list()


@pytest.mark.integration
@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
@pytest.mark.parametrize(("weight", "usual"), [(1, 0.0007), (40, 0.0007), (1, 0.002)])
def test_prometheus_agrees_on_evidence_every_minute(tmp_path: Path, weight: int, usual: float) -> None:
    """Six hours at a volume where evidence decides, with incidents of several sizes and an hour of silence."""
    rng = np.random.default_rng(20260402 + weight)
    minutes = 360
    starts = rng.poisson(12, minutes)
    starts[180:240] = 0
    share = np.full(minutes, usual)
    share[40:70], share[100:130], share[260:300] = 0.5, 0.02, 0.05
    stalls = rng.binomial(starts, share)
    columns = {
        "starts": starts * weight,
        "first_stalls": stalls * weight,
        "attempts": starts * weight,
        "attempts_weight_squared": starts * weight**2,
    }
    objective = OBJECTIVES["rebuffering-sessions"].model_copy(update={"policy": "evidence-30d"})
    pages = evaluate(objective, minute_counts(np.arange(minutes), **columns)).episodes.filter(
        pl.col("severity") == "page"
    )
    spans = pages.select("start_ts_ms", pl.col("end_ts_ms").fill_null(2**62)).rows()
    fires = [int(any(start <= T0 + k * 60_000 < end for start, end in spans)) for k in range(1, minutes + 1)]
    assert 20 < sum(fires) < minutes - 20
    assert len(spans) > 1
    series = {f"playhead_{name}": " ".join(f"_ {n}" for n in counts) for name, counts in columns.items()}
    (tmp_path / "rules.yaml").write_text(render(compile_rules([objective], POLICIES)), encoding="utf-8")
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "30s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": 'count(ALERTS{alertstate="firing", severity="page"}) or vector(0)',
                        "eval_time": f"{minute}m",
                        "exp_samples": [{"labels": "{}", "value": value}],
                    }
                    for minute, value in enumerate(fires, start=1)
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test), encoding="utf-8")
    assert PROMTOOL is not None
    ran = subprocess.run(
        [PROMTOOL, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
