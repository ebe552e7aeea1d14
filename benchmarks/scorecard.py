"""``python -m benchmarks.scorecard [NAME…] [--nab DIR] [--cells CSV] [--lake LAKE]``: the scorecard of made cases.

Measures every estimator (or the named ones) on cases whose truth was made with them, writes the rows to
``metrics/scores.csv``, which is shipped, and the card to ``docs/scorecard.md``; with ``--lake`` also what that lake's
own truth says. ``make bench`` ends with it. ``--cells``: what ``benchmarks.decisions`` kept, instead of running its
services anew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import (
    anomalies,
    decisions,
    experiment,
    forecasts,
    localise,
    quantiles,
    retention,
    search,
    surrogates,
    tree_alerts,
    visibility,
)
from benchmarks.coverage import REPORT_SEED
from benchmarks.incident_tables import HELD_OUT, SETTINGS, incident_tables
from benchmarks.scorecard_page import page_of
from metrics.lake import Lake
from metrics.localise import METHODS
from metrics.scorecard import score, shipped

__all__ = ["MEASURED", "main"]

ROWS = Path(__file__).parent.parent / "metrics" / "scores.csv"
PAGE = Path(__file__).parent.parent / "docs" / "scorecard.md"
TABLES, COMPANIES, DRAWS, CASES, HISTORIES = 200, 200, 5_000, 300, 300
MEMBERS, DAYS = 1_000, 14  # of the service by which what adds up exactly is scored
TREE_SEEDS = (7_401, 7_402)
EXACT = ("ledger", "explain", "metrics")
VOLUMES = (1_000.0, 100_000.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, keep the rows, write the page."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURED))
    options.add_argument("--nab", type=Path, help="folder of the Numenta Anomaly Benchmark")
    options.add_argument("--catalog", type=Path, help="titles with descriptions and genres, for search")
    options.add_argument("--cells", type=Path, help="cells that benchmarks.decisions kept")
    options.add_argument("--lake", type=Path, help="a lake of the emulator, whose own truth is told too")
    given = options.parse_args(argv)
    unknown = set(given.names) - set(MEASURED)
    if unknown:
        options.error(f"no {', '.join(sorted(unknown))}; known: {', '.join(MEASURED)}")
    held = shipped()
    for name in given.names or MEASURED:
        print(f"{name} …", file=sys.stderr, flush=True)
        rows = MEASURED[name](given)
        if rows.height:
            ours = pl.col("estimator").str.split("/").list.first().is_in(EXACT if name == "exact" else [name])
            held = pl.concat([held.filter(~ours), rows])
            held.write_csv(ROWS)
    page = page_of(held, given.lake)
    print(page)
    PAGE.write_text(page, encoding="utf-8")


def _localise(_: argparse.Namespace) -> pl.DataFrame:
    tables = list(incident_tables(TABLES, HELD_OUT))
    rows = []
    for name, method in METHODS.items():
        estimator = "localise" if name == "scan" else f"localise/{name}"
        rows.append(
            localise.score_rows(localise.judged(tables, method), "labelled incident tables", estimator)
        )
    for setting in [name for name in SETTINGS if name != "usual"]:
        cases = localise.judged(
            incident_tables(localise.TABLES_A_SETTING, HELD_OUT, setting), METHODS["scan"]
        )
        rows.append(localise.score_rows(cases, f"incident tables, {setting.replace('_', ' ')}"))
    return pl.concat(rows, how="diagonal").select(rows[0].columns)


def _visibility(_: argparse.Namespace) -> pl.DataFrame:
    return visibility.score_rows()


def _surrogates(_: argparse.Namespace) -> pl.DataFrame:
    return surrogates.score_rows(surrogates.experiments())


def _anomalies(given: argparse.Namespace) -> pl.DataFrame:
    if given.nab is None:
        print("anomalies: not measured without --nab; its rows stay", file=sys.stderr)
        return score("anomalies", "", "", [])
    flags, windows = anomalies.judged(given.nab)
    series = [(flags[name], windows[name]) for name in sorted(windows)]
    return pl.concat(
        score("anomalies", f"NAB, {len(series)} series", f"{profile}_score",
              anomalies.scores(series, weights), unit="of 100", count=sum(len(found) for _, found in series))
        for profile, weights in anomalies.PROFILES.items()
    )  # fmt: skip


def _experiment(_: argparse.Namespace) -> pl.DataFrame:
    rows = []
    for number, shape in enumerate(experiment.SHAPES):
        for lift, what in ((0.0, "A/A"), (experiment.LIFT, "A/B")):
            print(f"  {what}: {shape.name}", file=sys.stderr, flush=True)
            rng = np.random.default_rng([experiment.SEED, number, int(lift > 0)])
            held = round(experiment.held(shape, lift, rng)[0] * experiment.TRIALS)
            cases = [True] * held + [False] * (experiment.TRIALS - held)
            rows.append(score("experiment", f"{what}: {shape.name}", "coverage_95", cases))
    print("  daily looks, interleaving", file=sys.stderr, flush=True)
    looks, mixed = experiment.looks(), experiment.interleaved()
    month = f"{experiment.DAYS} daily looks at watch hours"
    pairs = f"two rankings, {experiment.INTERLEAVED} members"
    figures = {
        ("experiment", f"A/A: {month}", "false_positives_anytime_valid"): looks.false_anytime,
        ("experiment/z test", f"A/A: {month}", "false_positives_anytime_valid"): looks.false_naive,
        ("experiment", f"A/B: {month}", "found_anytime_valid"): looks.found_anytime,
        ("experiment/one t test at the end", f"A/B: {month}", "found_anytime_valid"): looks.found_once,
        ("experiment", f"A/A and A/B: {month}", "coverage_of_all_looks_95"): looks.held,
        ("experiment", f"{pairs}, alike", "false_positives_interleaving"): mixed.false,
        ("experiment", f"{pairs}, one better", "found_interleaving"): mixed.found,
        ("experiment/A/B test", f"{pairs}, one better", "found_interleaving"): mixed.found_parted,
    }
    return pl.concat([*rows, *(score(*keys, cases.tolist()) for keys, cases in figures.items())])


def _retention(_: argparse.Namespace) -> pl.DataFrame:
    found = retention.recovered()
    told = found.filter("is_identified")
    planted = "a planted hazard of stalls, confounded"
    peer = "retention hazard/without confounders"
    rows = [
        score("retention hazard", planted, "relative_bias", told["bias"].to_list(), unit="ratio"),
        score(peer, planted, "relative_bias", told["crude_bias"].to_list(), unit="ratio"),
        score("retention hazard", planted, "coverage_95", told["is_held"].to_list()),
        score("retention hazard", planted, "wrongly_flagged", (~found["is_identified"]).to_list()),
    ]
    for kind in retention.KINDS:
        print(f"  {kind}", file=sys.stderr, flush=True)
        rows.append(
            score("retention hazard", f"not identifiable: {kind}", "flagged", retention.flagged(kind))
        )
    return pl.concat(rows)


def _cost(_: argparse.Namespace) -> pl.DataFrame:
    from cost_model.companies import coverage

    found = coverage(COMPANIES, seed=REPORT_SEED, draws=DRAWS)
    return pl.concat(
        score(
            "cost intervals", f"{COMPANIES} companies: {outcome}", "coverage_90", rows["is_covered"].to_list()
        )
        for (outcome,), rows in found.group_by("outcome", maintain_order=True)
    )


def _burn_rates(_: argparse.Namespace) -> pl.DataFrame:
    from alerts.backtest import can_fire
    from alerts.policy import load_policies
    from alerts.slo import load
    from playhead.backtesting import chosen, on_cases

    policies = load_policies(())
    rows = []
    for policy in ("evidence-30d", "google-30d"):
        estimator = "burn-rate alerts" if policy == "evidence-30d" else f"burn-rate alerts/{policy}"
        objectives = [
            o for o in load((), policies) if all(can_fire(p, o) for p in chosen(o, policies, [policy]))
        ]
        trials = on_cases(
            objectives[:1], policies, [policy], count=CASES, volumes=VOLUMES, seed=0, base_burn=0.5
        )
        for trial in trials:
            case_set = f"made incidents, {trial.sessions_per_hour:,.0f} sessions an hour"
            incidents = trial.judged.incidents
            minutes = incidents["detect_minutes"].median()
            rows += [
                score(estimator, case_set, "recall", incidents["caught"].to_list()),
                score(estimator, case_set, "precision", (~trial.judged.pages["is_false"]).to_list()),
                score(estimator, case_set, "time_to_detect", float(minutes), unit="minutes", count=incidents.height),  # type: ignore[arg-type]
            ]  # fmt: skip
    return pl.concat(rows)


def _sketch(_: argparse.Namespace) -> pl.DataFrame:
    return pl.concat(
        score("quantile sketch" if not name else f"quantile sketch/{name}", case, "largest_relative_error", error,
              unit="ratio", count=len(quantiles.QUANTILES))
        for case, name, error in quantiles.errors()
    )  # fmt: skip


def _exact(_: argparse.Namespace) -> pl.DataFrame:
    """What must add up, and what the telemetry says beside what was emulated, on a service without an experiment."""
    from playhead.scoring import on_lake
    from playhead.synthesis import synthesise
    from synthetic.scenario import load_scenario

    scenario = load_scenario(None, panel=MEMBERS, days=DAYS).model_copy(update={"experiment": ()})
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(Path(folder) / "lake")
        synthesise(scenario, lake, partitions=1)
        found = on_lake(lake, only=EXACT)
    return found.with_columns(case_set=pl.lit(f"an emulated service, {MEMBERS:,} members, {DAYS} days"))


def _baselines(_: argparse.Namespace) -> pl.DataFrame:
    waits: list[float | None] = []
    right: list[bool] = []
    for seed in TREE_SEEDS:
        print(f"  seed {seed}", file=sys.stderr, flush=True)
        minutes, alerts = tree_alerts.found(seed)
        waits, right = waits + minutes, right + alerts
    case_set = f"{len(TREE_SEEDS)} emulated services, incidents that take 5 points of edge offload"
    caught = [wait for wait in waits if wait is not None]
    return pl.concat(
        [
            score("baseline alerts", case_set, "recall", [wait is not None for wait in waits]),
            score("baseline alerts", case_set, "precision", right),
            score("baseline alerts", case_set, "time_to_detect", float(np.median(caught or [np.nan])), unit="minutes",
                  count=len(caught)),
        ]
    )  # fmt: skip


def _forecasts(_: argparse.Namespace) -> pl.DataFrame:
    rows = []
    for kind in forecasts.HISTORIES:
        ahead, fourth, errors, naive = forecasts.judged(kind, HISTORIES)
        case_set = f"made histories: {kind}"
        rows += [
            score("cost forecast", case_set, "coverage_90_next_quarter", ahead),
            score("cost forecast", case_set, "coverage_90_fourth_quarter", fourth),
            score("cost forecast", case_set, "absolute_error_next_quarter", errors, unit="ratio"),
            score("cost forecast/as the last quarter", case_set, "absolute_error_next_quarter", naive, unit="ratio"),
        ]  # fmt: skip
    return pl.concat(rows)


def _search(given: argparse.Namespace) -> pl.DataFrame:
    if given.catalog is None:
        print("search: not measured without --catalog; its rows stay", file=sys.stderr)
        return score("search", "", "", [])
    return pl.concat(
        score(
            f"search/{engine}" if engine else "search",
            f"{name.replace('_', ' ')}, {len(found)} queries",
            "precision_at_10",
            found,
            unit="ratio",
        )
        for engine, sets in search.precisions(given.catalog).items()
        for name, found in sets.items()
    )


def _decide(given: argparse.Namespace) -> pl.DataFrame:
    if given.cells is not None:
        return decisions.scores(pl.read_csv(given.cells, infer_schema_length=None))
    return decisions.scores(decisions.measured())


def _each() -> Iterator[tuple[str, Callable[[argparse.Namespace], pl.DataFrame]]]:
    yield "exact", _exact
    yield "quantile sketch", _sketch
    yield "localise", _localise
    yield "visibility", _visibility
    yield "burn-rate alerts", _burn_rates
    yield "baseline alerts", _baselines
    yield "anomalies", _anomalies
    yield "experiment", _experiment
    yield "decide", _decide
    yield "retention hazard", _retention
    yield "surrogates", _surrogates
    yield "search", _search
    yield "cost intervals", _cost
    yield "cost forecast", _forecasts


MEASURED = dict(_each())


if __name__ == "__main__":
    main()
