"""`playhead slo evaluate`: budgets, burn and alerts of each objective on a lake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.commands._common import json_option, lake_option, print_json
from playhead.commands._slo_budget import budget_left
from playhead.commands._slo_options import FILES, POLICIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    import polars as pl
    from rich.console import Console

    from alerts.evaluation import Evaluation

__all__ = ["evaluate"]

INSTANT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"])


@click.command(short_help="Budgets, burn and alerts of each objective.")
@FILES
@POLICIES
@lake_option
@click.option(
    "--by", "by", type=click.Choice(["region", "device", "cdn"]), help="Verdicts by this dimension."
)
@click.option(
    "--from", "start", type=INSTANT, help="Judge from here, UTC; the objective's period by default."
)
@click.option("--to", "end", type=INSTANT, help="Judge up to here, UTC, exclusive.")
@click.option(
    "--closure",
    type=click.Choice(["left-open", "closed"]),
    default="left-open",
    show_default=True,
    help="Whether a window holds what lies on its far edge, as in Prometheus 3 (left-open) or 2 (closed).",
)
@click.option("--fail-on-breach", is_flag=True, help="Exit with 1 when a promise to viewers is broken.")
@json_option
def evaluate(
    files: tuple[Path, ...],
    windows: tuple[Path, ...],
    lake_path: Path,
    by: str | None,
    start: datetime | None,
    end: datetime | None,
    closure: str,
    fail_on_breach: bool,
    as_json: bool,
) -> int:
    """Budgets, burn and alerts of each objective, from the lake's minute counts.

    Without FILES also the shipped baselines: metrics of the tree that left their own season, alerts of one root
    cause as one incident.
    """
    from alerts.baseline import load_baselines
    from alerts.counts import Clock
    from alerts.evaluate import kept_by
    from alerts.policy import load_policies
    from alerts.slo import load
    from metrics.lake import Lake
    from playhead.baselines import watch_lake
    from playhead.objectives import evaluate_objectives

    policies = load_policies(windows)
    objectives = load(files, policies)
    lake = Lake.open(lake_path)
    span = {"start_ts_ms": _ts_ms(start), "end_ts_ms": _ts_ms(end)}
    clock = Clock(closed=closure == "closed")
    evaluations = evaluate_objectives(lake, objectives, policies, **span, clock=clock)
    slices = kept_by(objectives, lake.scan("minute_count"), by, **span) if by else None
    watched = None
    if not files:
        watched = watch_lake(lake, load_baselines(), **span)
    if as_json:
        print_json(
            {
                "objectives": [_evaluated(evaluation) for evaluation in evaluations],
                "by": slices.to_dicts() if slices is not None else None,
                "baselines": None
                if watched is None
                else {"alerts": watched.alerts.to_dicts(), "incidents": watched.incidents.to_dicts()},
            }
        )
    else:
        _show(evaluations, slices, by)
        if watched is not None:
            _show_incidents(watched.incidents)
    broken = any(e.kept is False and e.objective.in_contract for e in evaluations)
    return 1 if fail_on_breach and broken else 0


def _show_incidents(incidents: pl.DataFrame) -> None:
    for row in incidents.iter_rows(named=True):
        start, end = (
            datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") if ms is not None else "still"
            for ms in (row["start_ts_ms"], row["end_ts_ms"])
        )
        where = f" in {', '.join(row['slices'])}" if row["slices"] else ""
        click.echo(
            f"off its season  {row['root_metric']}{where}, {start} to {end}, alerts: {row['alert_count']} "
            f"({', '.join(row['metrics'])})"
        )


def _evaluated(evaluation: Evaluation) -> dict[str, Any]:
    objective = evaluation.objective
    return {
        "name": objective.name,
        "title": objective.title,
        "in_contract": objective.in_contract,
        "objective": float(objective.target),
        "start_ts_ms": evaluation.start_ts_ms,
        "end_ts_ms": evaluation.end_ts_ms,
        "bad": _number(evaluation.bad),
        "total": _number(evaluation.total),
        "attained": evaluation.attained,
        "budget_left": evaluation.budget_left,
        "kept": evaluation.kept,
        "episodes": evaluation.episodes.to_dicts(),
        "spent": evaluation.spent.to_dicts(),
    }


def _show(evaluations: Sequence[Evaluation], slices: pl.DataFrame | None, by: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from alerts.evaluation import incidents, within

    console = Console(highlight=False)
    table = Table("objective", "promised", "attained", "budget left", "pages", "tickets", "kept", box=None)
    for evaluation in evaluations:
        objective = evaluation.objective
        fired = within(evaluation.episodes, evaluation.start_ts_ms, evaluation.end_ts_ms)
        alerts = incidents(fired)["severity"].to_list()
        table.add_row(
            objective.name if objective.in_contract else f"({objective.name})",
            f"{float(objective.target):.3%}",
            _percent(evaluation.attained, 3),
            budget_left(evaluation.budget_left),
            str(alerts.count("page")),
            str(alerts.count("ticket")),
            _verdict(evaluation.kept),
        )
    console.print(table)
    spans: dict[tuple[int, int], list[str]] = {}
    for evaluation in evaluations:
        spans.setdefault((evaluation.start_ts_ms, evaluation.end_ts_ms), []).append(evaluation.objective.name)
    for (start, end), objectives in spans.items():
        whose = "" if len(spans) == 1 else f"{', '.join(objectives)}: "
        console.print(f"{whose}{_instant(start)} to {_instant(end)} UTC")
    console.print("in brackets: watched, not promised")
    if slices is not None and by is not None:
        _show_slices(console, slices, by, evaluations)


def _show_slices(console: Console, slices: pl.DataFrame, by: str, evaluations: Sequence[Evaluation]) -> None:
    from rich.table import Table

    from alerts.verdict import verdict

    table = Table("objective", by, "attained", "budget left", "kept", box=None)
    for row in slices.sort("objective", "budget_left", nulls_last=True).iter_rows(named=True):
        table.add_row(
            row["objective"] if row["in_contract"] else f"({row['objective']})",
            row[by] or "unknown",
            _percent(row["attained"], 3),
            budget_left(row["budget_left"]),
            _verdict(row["kept"]),
        )
    console.print(table)
    found = verdict(slices, by, unsliced=evaluations)
    console.print(f"{found.sentence} {found.detail}")


def _number(count: int | Decimal) -> int | float:
    return count if isinstance(count, int) else float(count)


def _percent(share: float | None, digits: int) -> str:
    return "no traffic" if share is None else f"{share:.{digits}%}"


def _verdict(kept: bool | None) -> str:
    return {True: "yes", False: "NO", None: "–"}[kept]


def _ts_ms(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.replace(tzinfo=UTC).timestamp()) * 1000


def _instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
