"""``playhead experiment``: metrics by arm, and how far each arm is from the control."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from playhead.commands._common import json_option, lake_option, print_json, where_of

if TYPE_CHECKING:
    import polars as pl


@click.command()
@click.argument("name", required=False)
@click.option("-m", "--metric", "names", multiple=True, help="A metric; may be repeated.")
@click.option("--where", "where", multiple=True, help="Keep a slice: region=mena; may be repeated.")
@click.option("--from", "start", help="Start of the period, UTC: 2026-04-01 or 2026-04-01T12:00.")
@click.option("--to", "end", help="End of the period, exclusive.")
@lake_option
@json_option
def command(
    name: str | None,
    names: tuple[str, ...],
    where: tuple[str, ...],
    start: str | None,
    end: str | None,
    lake_path: Path,
    as_json: bool,
) -> None:
    """Metrics by arm of the experiment NAME, and each arm's difference from the control with its 90 % interval.

    NAME may be left out where the lake has one experiment. Members count in the arm they were assigned to, from
    the assignment on, whatever they got of it.
    """
    from metrics.experiment import HEADLINE, compare
    from metrics.lake import Lake
    from metrics.period import instant_ms

    found = compare(
        Lake.open(lake_path),
        names or HEADLINE,
        experiment=name,
        where=where_of(where),
        start_ts_ms=instant_ms(start, where="--from") if start else None,
        end_ts_ms=instant_ms(end, where="--to") if end else None,
    )
    if as_json:
        print_json(found.to_dicts())
    else:
        _print_table(found)


def _print_table(found: pl.DataFrame) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from metrics.catalog import get_metric

    table = Table("Metric", "Arm", box=box.SIMPLE)
    for column in ("Value", "Against the control", "Rows"):
        table.add_column(column, justify="right")
    last = None
    for row in found.iter_rows(named=True):
        metric = get_metric(row["metric"])
        apart = "control" if row["is_control"] else "no data"
        if row["lift"] is not None:
            apart = f"{row['lift']:+.2%}"
        if row["lift_low"] is not None:
            apart += f"  ({row['lift_low']:+.2%} to {row['lift_high']:+.2%})"
        title = "" if metric.name == last else metric.title
        table.add_row(title, row["arm"], metric.show(row["value"]), apart, f"{row['n']:,}")
        last = metric.name
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
