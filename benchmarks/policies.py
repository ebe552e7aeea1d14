"""How soon an incident can be paged at all, and how soon policies page it: ``python -m benchmarks.policies [SEED]``.

Made incidents (:mod:`alerts.cases`) at volumes from 10 to 10^6 sessions an hour, of seeds that no policy was chosen on.
Beside the policies stands what no rule can much beat: Page's cumulative sum test (1954) that is *told* the share of bad
events before and in each incident, its limit set on quiet months so that it pages falsely once in ten months. For a
change that lasts it has the least worst delay of all tests of its false alarms (Moustakides 1986), about
``ln(minutes between false alarms) ÷ nats a minute`` (Lorden 1971). A policy knows neither share.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import polars as pl

from alerts.backtest import over_cases
from alerts.cases import Cases, incident_cases, quiet_cases
from alerts.kernel import Bools, Floats, compiled, runs
from alerts.policy import BurnPolicy, load_policies
from alerts.quality import Judged, compared, judge_pages, quality

__all__ = ["bound", "limit_of", "policies_table"]

SEED = 20_261_127
BUDGET, BASE = 0.001, 0.0005
SHARES = (0.05, 0.02, 0.01, 0.005)
VOLUMES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
INCIDENTS = 800
NAMES = ("google-30d", "evidence-30d")
# Months of quiet that set the test's limit, and false pages in 30 days that it may give.
_QUIET_SERIES, _QUIET_DAYS, _FALSE = 10, 150, 0.1


def policies_table(seed: int, volumes: Sequence[int] = VOLUMES, incidents: int = INCIDENTS) -> pl.DataFrame:
    """A row a volume, policy (or the bound) and share of bad events: caught, minutes to page and reset, false pages."""
    policies = load_policies()
    rows = []
    for volume in volumes:
        made = incident_cases(seed, incidents, sessions_per_hour=volume, base_ratio=BASE, bad_ratios=SHARES)
        judged = {}
        for name in NAMES:
            policy = policies[name]
            assert isinstance(policy, BurnPolicy)
            judged[name] = over_cases(policy, BUDGET, made)
            rows += _rows(name, volume, judged[name])
        best, bounded = bound(made, seed + 1, volume)
        for share in SHARES:
            rows += [
                row for row in _rows("told both shares", volume, bounded[share]) if row["bad_ratio"] == share
            ]
        versus = compared(judged["evidence-30d"], judged["google-30d"], by="bad_ratio")
        print(f"{volume:,} sessions/h, evidence-30d against google-30d (limits {best})", file=sys.stderr)
        with pl.Config(tbl_cols=-1, tbl_width_chars=200):
            print(versus, file=sys.stderr, flush=True)
    return pl.DataFrame(rows, infer_schema_length=None)


def bound(made: Cases, seed: int, volume: float) -> tuple[dict[float, float], dict[float, Judged]]:
    """The told test on each share's incidents: its limits in nats, and what it did."""
    quiet = quiet_cases(seed, _QUIET_SERIES, _QUIET_DAYS, sessions_per_hour=volume, base_ratio=BASE)
    limits, found = {}, {}
    series, minutes = made.bad.shape
    for share in SHARES:
        limits[share] = limit_of(quiet, share)
        # An incident of another share is none of its business, and what it makes of one is not counted.
        pages = runs(_above(_nats(made, share), limits[share]))
        found[share] = judge_pages(pages, made.incidents, series * minutes / 1440)
    return {share: round(limit, 2) for share, limit in limits.items()}, found


def limit_of(quiet: Cases, share: float) -> float:
    """The least limit at which quiet months have no more false pages than allowed, in nats (to 0.1)."""
    series, minutes = quiet.bad.shape
    days = series * minutes / 1440
    evidence = _nats(quiet, share)
    low, high = 0, 300
    while low < high:
        middle = (low + high) // 2
        judged = judge_pages(runs(_above(evidence, middle / 10)), quiet.incidents, days)
        low, high = (low, middle) if judged.pages.height <= _FALSE * days / 30 else (middle + 1, high)
    return low / 10


def _nats(cases: Cases, share: float) -> Floats:
    """What each minute says for the incident's share against the base's, of Poisson counts."""
    evidence: Floats = cases.bad * np.log(share / BASE) - cases.total * (share - BASE)
    return evidence


@compiled
def _above(evidence: Floats, limit: float) -> Bools:
    """Whether the cumulative sum, held at 0 from below and at the limit from above, stands at the limit."""
    out = np.zeros(evidence.shape, np.bool_)
    for s in range(evidence.shape[0]):
        level = 0.0
        for k in range(evidence.shape[1]):
            level = min(max(level + evidence[s, k], 0.0), limit)
            out[s, k] = level >= limit
    return out


def _rows(name: str, volume: int, judged: Judged) -> list[dict[str, object]]:
    table = quality(judged, "bad_ratio")
    false = table["false_pages"][0]
    return [
        {
            "sessions_per_hour": volume,
            "policy": name,
            "bad_ratio": row["bad_ratio"],
            "incidents": row["incidents"],
            "recall": row["recall"],
            "detect_minutes": row["detect_minutes"],
            "reset_minutes": row["reset_minutes"],
            "false_pages": None if name == "told both shares" else false,
            "months": judged.days / 30,
        }
        for row in table.drop_nulls("bad_ratio").iter_rows(named=True)
    ]


def _markdown(table: pl.DataFrame) -> str:
    lines = [
        "| sessions an hour | policy | 5 % | 2 % | 1 % | 0.5 % | false pages | minutes to reset, 5 % |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for (volume, policy), rows in table.group_by("sessions_per_hour", "policy", maintain_order=True):
        by = {row["bad_ratio"]: row for row in rows.iter_rows(named=True)}
        cells = [f"{_whole(by[s]['detect_minutes'], 'never')} ({by[s]['recall']:.0%})" for s in SHARES]
        first = by[SHARES[0]]
        cells += [_whole(first["false_pages"]), _whole(first["reset_minutes"])]
        lines.append(f"| {volume:,} | {policy} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _whole(value: float | None, otherwise: str = "") -> str:
    return otherwise if value is None else f"{value:.0f}"


if __name__ == "__main__":
    print(_markdown(policies_table(int(sys.argv[1]) if len(sys.argv) > 1 else SEED)))
