"""`playhead slo budget`: what is left of each error budget, what spent it, and until when it lasts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from playhead.budgets import Spending

__all__ = ["budget", "budget_left"]

_INSTANT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
_MOST = 5
_TIMES = 2.0  # of the budget, from where a share is told as so many times it
_LEVEL = 0.5  # of the period, from where a stretch in hindsight is the level and no incident


@click.command(short_help="What is left of each error budget, what spent it, until when it lasts.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--windows", multiple=True, type=click.Path(path_type=Path), help="More alert policies.")
@lake_option
@click.option(
    "--maintenance",
    "maintenance_file",
    type=click.Path(path_type=Path),
    help="A file of periods that were agreed not to count.",
)
@click.option("--truth", "with_truth", is_flag=True, help="By the scenario's incidents, not by hindsight.")
@click.option(
    "--sla",
    type=click.Path(path_type=Path),
    help="An agreement's credit tiers, or the name of the shipped one: monthly-uptime.",
)
@click.option(
    "--from", "start", type=_INSTANT, help="Judge from here, UTC; the objective's period by default."
)
@click.option("--to", "end", type=_INSTANT, help="Judge up to here, UTC, exclusive.")
@json_option
def budget(
    files: tuple[Path, ...],
    windows: tuple[Path, ...],
    lake_path: Path,
    maintenance_file: Path | None,
    with_truth: bool,
    sla: Path | None,
    start: datetime | None,
    end: datetime | None,
    as_json: bool,
) -> None:
    """What is left of each error budget, how fast it goes and until when it lasts, and what spent it.

    The day it is gone is projected from the last week's share of bad events, with a 90 % interval.
    """
    from alerts.credit import SHIPPED, load_agreement
    from alerts.maintenance import load_maintenance
    from alerts.policy import load_policies
    from alerts.slo import load
    from metrics.lake import Lake
    from playhead.budgets import budgets_of

    policies = load_policies(windows)
    objectives = load(files, policies)
    shipped = SHIPPED / f"{sla}.yaml"
    agreement = None if sla is None else load_agreement(shipped if shipped.exists() else sla)
    spendings = budgets_of(
        Lake.open(lake_path),
        objectives,
        policies,
        maintenance=[] if maintenance_file is None else load_maintenance(maintenance_file),
        with_truth=with_truth,
        agreement=agreement,
        start_ts_ms=_ts_ms(start),
        end_ts_ms=_ts_ms(end),
    )
    if as_json:
        print_json({"budgets": [spending.as_dict() for spending in spendings]})
    else:
        _show(spendings)


def _show(spendings: Sequence[Spending]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=max(Console().width, 160))
    table = Table("objective", "promised", "attained", "budget left", "kept", box=None)
    for spending in spendings:
        judged = spending.evaluation
        objective = judged.objective
        table.add_row(
            objective.name if objective.in_contract else f"({objective.name})",
            f"{float(objective.target):.3%}",
            _percent(judged.attained, 3),
            budget_left(judged.budget_left),
            {True: "yes", False: "NO", None: "–"}[judged.kept],
        )
    console.print(table)
    if not all(spending.evaluation.objective.in_contract for spending in spendings):
        console.print("in brackets: watched, not promised")
    for spending in spendings:
        _details(console, spending)


def _details(console: Console, spending: Spending) -> None:
    judged = spending.evaluation
    console.print(
        f"\n{judged.objective.name}, {_instant(judged.start_ts_ms)} to {_instant(judged.end_ts_ms)} UTC"
    )
    console.print(f"  {spending.exhaustion.sentence}")
    for row in spending.excluded.iter_rows(named=True):
        where = f" in {row['where']}" if row["where"] else ""
        console.print(
            f"  not counted: {_instant(row['start_ts_ms'])} to {_instant(row['end_ts_ms'])}{where}, {row['reason']}"
        )
    for row in spending.incidents.head(_MOST).iter_rows(named=True):
        if row["incident_id"] is not None and row["excess_bad"] > 0:
            console.print(f"  {_incident(row, judged.end_ts_ms - judged.start_ts_ms)}")
    for row in judged.spent.filter(judged.spent["excess_bad"] > 0).head(_MOST).iter_rows(named=True):
        console.print(
            f"  {_of_budget(row['budget_spent'])} in {row['dimension']} {row['value'] or 'unknown'}"
        )
    if spending.credits is not None:
        for row in spending.credits.iter_rows(named=True):
            until = "" if row["is_complete"] else ", not all of the month"
            console.print(
                f"  {row['month']:%Y-%m}: {_percent(row['attained'], 3)}, credit of "
                f"{_percent(row['credit_ratio'], 0)} of the charge{until}"
            )


def _incident(row: Mapping[str, Any], period_ms: int) -> str:
    """What one incident spent. A stretch as long as most of the period is no incident, but the level itself."""
    span = f"{_instant(row['start_ts_ms'])} to {_instant(row['end_ts_ms'])}"
    spent = _of_budget(row["budget_spent"])
    if row["kind"] == "hindsight" and row["end_ts_ms"] - row["start_ts_ms"] > _LEVEL * period_ms:
        return f"{spent} by the usual level, {span}: no incident, it is always worse than promised"
    beyond = _of_budget(row["budget_spent_beyond"])
    return f"{spent} by {row['incident_id']} ({row['kind']}), {span}: {beyond} beyond the usual pace"


def budget_left(share: float | None) -> str:
    """What is left as people read it: an overspent budget by how many times it went.

    >>> budget_left(0.54), budget_left(-0.9), budget_left(None)
    ('54%', 'none, 1.9 × spent', '–')
    """
    return _percent(share, 0) if share is None or share >= 0 else f"none, {1 - share:,.1f} × spent"


def _of_budget(share: float) -> str:
    """
    >>> _of_budget(0.255), _of_budget(55.286)
    ('25.5% of the budget', '55.3 times the budget')
    """
    return f"{share:,.1f} times the budget" if share >= _TIMES else f"{share:.1%} of the budget"


def _percent(share: float | None, digits: int) -> str:
    return "–" if share is None else f"{share:.{digits}%}"


def _instant(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _ts_ms(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.replace(tzinfo=UTC).timestamp()) * 1000
