"""``playhead scorecard``."""

from __future__ import annotations

from pathlib import Path

import click

from playhead.commands._common import json_option, lake_option, print_json

__all__ = ["command"]


@click.command("scorecard")
@lake_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print rows as CSV.")
@click.option(
    "--made/--no-made", default=True, show_default=True, help="Also what was measured on made cases."
)
def command(lake_path: Path, as_json: bool, as_csv: bool, made: bool) -> None:
    """How often each estimator is right: error, coverage, precision, recall, time, beside its peer.

    Each is run on the lake's telemetry and marked by what the emulator knows of it. A lake of real telemetry has no
    truth to mark by: then only what was measured on made cases is said.
    """
    from metrics.errors import InputError
    from metrics.lake import Lake
    from metrics.scorecard import silent
    from playhead.progress import say
    from playhead.scoring import card_of

    if as_json and as_csv:
        raise InputError("--json and --csv are two forms of one table", mend="leave out one of them")
    lake = Lake.open(lake_path)
    found = card_of(lake, say, made=made)
    if as_json:
        print_json(
            {
                "lake": str(lake_path),
                "has_truth": found.has_truth,
                "not_scored": silent(found.card),
                "scores": found.card.to_dicts(),
            }
        )
        return
    if as_csv:
        click.echo(found.card.write_csv(), nl=False)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from metrics.scorecard import shown

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=150)
    table = Table("Estimator", "Cases", "Measure", "Value", "90 % interval", "n", "Peer", "", box=box.SIMPLE)
    for row in found.card.iter_rows(named=True):
        unit, ends = row["unit"], (row["low"], row["high"])
        table.add_row(
            row["estimator"],
            row["case_set"],
            row["measure"].replace("_", " "),
            shown(row["value"], unit),
            "" if None in ends else " to ".join(shown(end, unit) for end in ends),
            f"{row['cases_count']:,}",
            row["peer"] or "",
            "" if row["peer_value"] is None else shown(row["peer_value"], unit),
        )
    console.print(table)
    console.print(found.said)
