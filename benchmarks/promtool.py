"""Whether the local evaluation and Prometheus fire at the same minutes: ``python -m benchmarks.promtool``.

Random objectives, policies and traffic, with gaps, silence, `for` and `keep_firing_for`; each minute of each case is
evaluated by both, and every difference is counted. ``promtool test rules`` is Prometheus's own engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from alerts import names
from alerts.compile import compile_rules
from alerts.counts import Clock
from alerts.evaluate import evaluate
from alerts.indicator import Composite, Counted, CountRatio, Part, Slices, Threshold
from alerts.policy import BurnPolicy, duration_text
from alerts.rule_file import render
from alerts.rule_tests import Check, firing_minutes, is_firing, rule_test
from alerts.slo import Objective

__all__ = ["Case", "cases", "compare", "promtool_version"]

T0 = 1_775_001_600_000  # a midnight, as promtool's own time 0 is
MINUTES = 500
SEED = 20_261_126
_COLUMNS = ("starts", "starts_late", "exits_before_start", "exits_late", "home_pages", "home_pages_late")
_LATE = CountRatio(bad=("starts_late", "exits_late"), total=("starts", "exits_before_start"))
_HOME = CountRatio(bad=("home_pages_late",), total=("home_pages",))
_GOOD = CountRatio(good=("starts",), total=("starts", "starts_late"))
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Case:
    """An objective, its policy, counts by region (null: not exported), and when a count is stamped."""

    objective: Objective
    policy: BurnPolicy
    counts: dict[str, dict[str, NDArray[np.int64]]]
    exported: dict[str, NDArray[np.bool_]]
    clock: Clock
    minutes: int

    def frame(self) -> pl.DataFrame:
        """The counts as rows of ``minute_count``, without the minutes that were not exported."""
        frames = []
        for region, columns in self.counts.items():
            kept = np.flatnonzero(self.exported[region])
            frames.append(
                pl.DataFrame(
                    {
                        "ts_ms": T0 + kept * 60_000,
                        "region": [region] * len(kept),
                        **{c: v[kept] for c, v in columns.items()},
                    }
                ).with_columns(device=pl.lit(None, pl.String), cdn=pl.lit(None, pl.String))
            )
        # The first and the last minute stand, so that both evaluators judge the same ones.
        ends = pl.DataFrame({"ts_ms": [T0, T0 + (self.minutes - 1) * 60_000]})
        return pl.concat([*frames, ends], how="diagonal").with_columns(
            pl.col(*_COLUMNS, names.ATTEMPTS, names.ATTEMPTS_WEIGHT_SQUARED).fill_null(0)
        )

    def firing(self) -> dict[str, NDArray[np.int64]]:
        """1 at each minute's end at which the local evaluation has the alert fire, by severity."""
        policies = {self.objective.policy: self.policy}
        episodes = evaluate(self.objective, self.frame(), policies=policies, clock=self.clock).episodes
        return {
            severity: firing_minutes(episodes, severity, T0, self.minutes)
            for severity in self.policy.severities
        }

    def test(self) -> dict[str, Any]:
        """The same as a test: differences over all minutes must be 0, and all minutes must have been compared."""
        on_the_minute = self.clock.sample_ms == 0
        series, checks = {}, []
        for region, columns in self.counts.items():
            exported = self.exported[region].tolist()
            for column, values in columns.items():
                words = [str(n) if seen else "_" for n, seen in zip(values.tolist(), exported, strict=True)]
                text = " ".join(f"{word} _" if on_the_minute else f"_ {word}" for word in words)
                series[f'{names.gauge(column)}{{region="{region}"}}'] = text
        for severity, fires in self.firing().items():
            series[f'expected{{severity="{severity}"}}'] = "_ _ " + " ".join(f"{n} _" for n in fires.tolist())
            differs = f'abs(({is_firing(self.objective, severity)}) - on() expected{{severity="{severity}"}})'
            window = f"[{self.minutes - 1}m30s:1m]"
            checks += [
                Check(self.minutes, f"sum(sum_over_time(({differs}){window}))", 0),
                Check(self.minutes, f"sum(count_over_time(({differs}){window}))", self.minutes),
            ]
        return rule_test(series, checks)


def cases(count: int, minutes: int = MINUTES, seed: int = SEED) -> Iterator[Case]:
    """That many random cases."""
    for number in range(count):
        yield _case(np.random.default_rng([seed, number]), number, minutes)


def compare(some: list[Case], folder: Path) -> tuple[int, str]:
    """Evaluations compared, and what promtool says of the differences (nothing where there are none)."""
    rules: dict[str, Any] = {"groups": []}
    files = []
    for case in some:
        policies = {case.objective.policy: case.policy}
        path = folder / f"{case.objective.name}.rules.yaml"
        rules = compile_rules([case.objective], policies)
        rules["groups"] = [_needed(rules["groups"][0])]
        path.write_text(render(rules), encoding="utf-8")
        test = {"rule_files": [path.name], "evaluation_interval": "1m", "tests": [case.test()]}
        files.append(folder / f"{case.objective.name}.test.yaml")
        files[-1].write_text(yaml.dump(test, Dumper=yaml.CSafeDumper, width=10**9), encoding="utf-8")
    ran = subprocess.run(
        ["promtool", "test", "rules", *(file.name for file in files)],
        cwd=folder,
        # A tenth of the memory would do; collecting garbage is a third of its time.
        env=os.environ | {"GOGC": "800"},
        capture_output=True,
        text=True,
        check=False,
    )
    evaluations = sum(case.minutes * len(case.policy.severities) for case in some)
    return evaluations, "" if ran.returncode == 0 else ran.stdout + ran.stderr


def promtool_version() -> str:
    """What the installed promtool calls itself."""
    said = subprocess.run(["promtool", "--version"], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).split(",")[1].split("(")[0].strip()


def _needed(group: dict[str, Any]) -> dict[str, Any]:
    """The group's alerts, and what they read: what is recorded beside is compared elsewhere."""
    read = [rule["expr"] for rule in group["rules"] if "alert" in rule]
    kept: list[dict[str, Any]] = []
    for rule in reversed(group["rules"]):
        if "alert" in rule or any(f"{rule['record']}{{" in expr for expr in read):
            # A sum that only goes on from itself is read by nobody else.
            read.append(rule["expr"])
            kept.append(rule)
    return {**group, "rules": kept[::-1]}


def _case(rng: np.random.Generator, number: int, minutes: int) -> Case:
    indicator, on_the_minute = _indicator(rng), False
    if isinstance(indicator, CountRatio):
        on_the_minute = bool(rng.random() < 0.2)
    policy = _policy(rng, indicator)
    target = Decimal(str(rng.choice([0.9, 0.95, 0.99, 0.995, 0.999])))
    objective = Objective(
        name=f"case-{number}",
        title="A random case",
        about="",
        service="random",
        target=target,
        indicator=indicator,
        period_ms=30 * _DAY_MS,
        policy=policy.name,
        labels={},
        annotations={},
        where="random",
    )
    counts, exported = {}, {}
    shares = _bad_shares(rng, minutes, float(1 - target))
    for region in ("mena", "asia-pacific"):
        counts[region] = _traffic(rng, minutes, shares)
        exported[region] = _exported(rng, minutes)
    clock = Clock(0, 60_000, closed=True) if on_the_minute else Clock(closed=True)
    return Case(objective, policy, counts, exported, clock, minutes)


def _indicator(rng: np.random.Generator) -> Counted:
    plain = (_LATE, _HOME, _GOOD)[rng.integers(3)]
    kind = rng.random()
    if kind < 0.55:
        return plain
    if kind < 0.7:
        return Threshold(
            numerator=plain.bad or ("starts_late",),
            denominator=plain.total,
            operator="lte" if rng.random() < 0.5 else "lt",
            value=Decimal(str(rng.choice([0.01, 0.05, 0.2]))),
        )
    if kind < 0.9:
        length = int(rng.choice([1, 2, 5])) * 60_000
        return Slices(of=plain, slice_ms=length, good_ratio=Decimal(str(rng.choice([0.9, 0.95, 0.99]))))
    return Composite(
        parts=(
            Part(title="a", of=_LATE, weight=Decimal(int(rng.integers(1, 5)))),
            Part(title="b", of=_HOME, weight=Decimal(int(rng.integers(1, 5)))),
        )
    )


def _policy(rng: np.random.Generator, indicator: Counted) -> BurnPolicy:
    """Windows short enough to come and go within a case; factors as the budget share makes them."""
    least = indicator.slice_ms // 60_000 if isinstance(indicator, Slices) else 1

    def pair() -> dict[str, Any]:
        short = int(rng.integers(max(least, 2), 31))
        long = short * int(rng.integers(2, 13))
        return {
            "short": duration_text(short * 60_000),
            "long": duration_text(long * 60_000),
            "budget_share_ratio": Decimal(str(round(float(rng.uniform(0.2, 8)) * long / (30 * 1440), 6))),
        }

    waits = {
        "for": int(rng.integers(1, 16)) if rng.random() < 0.5 else None,
        "keep_firing_for": int(rng.integers(1, 31)) if rng.random() < 0.5 else None,
    }
    return BurnPolicy.model_validate(
        {
            "name": "random",
            "about": "Random.",
            "source": "Random.",
            "grade": "assumed",
            "kind": "burn_rate",
            "period": "30d",
            "bad_events_minimum": int(rng.choice([1, 5, 20])),
            "page": [pair() for _ in range(1 + (rng.random() < 0.3))],
            "ticket": [pair() for _ in range(1 + (rng.random() < 0.3))],
            **{name: duration_text(n * 60_000) for name, n in waits.items() if n is not None},
        }
    )


def _bad_shares(rng: np.random.Generator, minutes: int, budget: float) -> NDArray[np.float64]:
    """Near the budget, with incidents of any length and strength; nothing bad in the first minute."""
    shares = np.full(minutes, budget * rng.uniform(0, 1.5))
    for _ in range(rng.integers(1, 9)):
        start, length = int(rng.integers(1, minutes)), int(rng.geometric(1 / 40))
        shares[start : start + length] = min(1.0, budget * float(rng.lognormal(1.5, 1.2)))
    shares[0] = 0.0
    capped: NDArray[np.float64] = np.minimum(shares, 1.0)
    return capped


def _traffic(
    rng: np.random.Generator, minutes: int, shares: NDArray[np.float64]
) -> dict[str, NDArray[np.int64]]:
    """Counts with a panel's weight, busy or nearly idle, with hours of silence."""
    weight = int(rng.choice([1, 1, 7, 40]))
    per_minute = float(rng.lognormal(2.0, 1.5))
    silent = np.zeros(minutes, dtype=np.bool_)
    for _ in range(rng.integers(0, 4)):
        start = int(rng.integers(minutes))
        silent[start : start + int(rng.geometric(1 / 60))] = True
    counts: dict[str, NDArray[np.int64]] = {}
    for total, bad, scale in (
        ("starts", "starts_late", 1.0),
        ("exits_before_start", "exits_late", 0.1),
        ("home_pages", "home_pages_late", 0.5),
    ):
        events = rng.poisson(per_minute * scale, minutes) * ~silent
        counts[total] = events * weight
        counts[bad] = rng.binomial(events, shares) * weight
    attempts = counts["starts"] + counts["exits_before_start"]
    return counts | {names.ATTEMPTS: attempts, names.ATTEMPTS_WEIGHT_SQUARED: attempts * weight}


def _exported(rng: np.random.Generator, minutes: int) -> NDArray[np.bool_]:
    """Minutes that reached the server: some are missing, alone or for hours."""
    exported: NDArray[np.bool_] = rng.random(minutes) >= rng.choice([0.0, 0.0, 0.02, 0.2])
    for _ in range(rng.integers(0, 3)):
        start = int(rng.integers(1, minutes))
        exported[start : start + int(rng.geometric(1 / 45))] = False
    exported[0] = True
    return exported


def main(count: int) -> int:
    """Compare that many cases in batches; the number of batches that differ."""
    if shutil.which("promtool") is None:
        sys.exit("benchmarks: promtool is not installed")
    began, evaluations, differing, fired = time.monotonic(), 0, 0, 0
    batch: list[Case] = []
    for case in cases(count):
        batch.append(case)
        if len(batch) < 20 and case.objective.name != f"case-{count - 1}":
            continue
        fired += sum(int(fires.sum()) for one in batch for fires in one.firing().values())
        with tempfile.TemporaryDirectory() as folder:
            compared, said = compare(batch, Path(folder))
        evaluations, batch = evaluations + compared, []
        print(f"{evaluations:,} evaluations …", file=sys.stderr, flush=True)
        if said:
            differing += 1
            print(said[-2000:])
    print(
        f"promtool {promtool_version()}: {count:,} cases, {evaluations:,} evaluations, {fired:,} of them firing, "
        f"{differing} batches differ; {time.monotonic() - began:.0f} s"
    )
    return differing


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000) else 0)
