"""``playhead retention``: who stays how long, and what goes before leaving."""

from __future__ import annotations

from pathlib import Path

import click

from playhead.commands._common import json_option, lake_option, p_text, print_json
from playhead.commands._retention_surrogate import launches, surrogate


@click.group(invoke_without_command=True)
@click.option("--by", default="plan", show_default=True, help="Cohorts: region, country, isp or plan.")
@lake_option
@json_option
@click.pass_context
def command(context: click.Context, by: str, lake_path: Path, as_json: bool) -> None:
    """Survival by cohort, and hazard ratios of the week before a member's leaving.

    Hazard ratios are adjusted for each other, plan, region, idle weeks and the calendar week. They are associations:
    what was not measured is not adjusted for. Those the lake cannot tell have a reason and no figure.
    """
    if context.invoked_subcommand is not None:
        return
    from metrics.hazards import hazard_ratios
    from metrics.lake import Lake
    from metrics.leaving import CONFOUNDERS, EXPOSURES, member_weeks, survival

    lake = Lake.open(lake_path)
    membership = lake.scan("membership")
    stays = survival(membership, by)
    weeks = member_weeks(membership, lake.scan("playback_session"))
    hazards = hazard_ratios(weeks, EXPOSURES, CONFOUNDERS, stratum="week")
    if as_json:
        print_json({"hazards": hazards.to_dicts(), "survival": stays.to_dicts()})
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=120)
    table = Table("Week before", "Step", "Hazard ratio", "Crude", "p", box=box.SIMPLE)
    for row in hazards.iter_rows(named=True):
        if row["is_identified"]:
            ratio = f"{row['hazard_ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
            figures = [ratio, f"{row['crude']:.3f}", p_text(row["p"])]
        else:
            figures = [f"not identified: {row['reason']}", "", ""]
        table.add_row(row["exposure"], f"+{row['step']:g}", *figures)
    console.print(table)
    table = Table(by.capitalize(), "Tenure, days", "Still members", "Followed", box=box.SIMPLE)
    for row in stays.iter_rows(named=True):
        value = f"{row['value']:.1%}"
        if row["low"] is not None:
            value += f" ({row['low']:.1%} to {row['high']:.1%})"
        table.add_row(row["cohort"], str(row["tenure_days"]), value, f"{row['at_risk']:,}")
    console.print(table)


command.add_command(surrogate)
command.add_command(launches)
