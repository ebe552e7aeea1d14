"""``playhead explain``: what moved a metric between two periods."""

from __future__ import annotations

from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    from metrics.tree import Explanation


@click.command()
@click.argument("metric")
@click.option("--from", "start", required=True, help="Start of the period, UTC: 2026-06-01.")
@click.option("--to", "end", required=True, help="End of the period, exclusive.")
@click.option("--versus-from", required=True, help="Start of the period compared with.")
@click.option("--versus-to", required=True, help="End of the period compared with, exclusive.")
@click.option("--by", default="", help="Dimensions, comma-separated: surface, or region,device.")
@lake_option
@json_option
def command(
    metric: str,
    start: str,
    end: str,
    versus_from: str,
    versus_to: str,
    by: str,
    lake_path: Path,
    as_json: bool,
) -> None:
    """Split a metric's change into contributions that sum to it exactly, the most harmful first."""
    from metrics.lake import Lake
    from metrics.period import period_ms
    from metrics.tree import explain

    found = explain(
        Lake.open(lake_path),
        metric,
        period_ms(start, end, where="--from and --to"),
        period_ms(versus_from, versus_to, where="--versus-from and --versus-to"),
        [name.strip() for name in by.split(",") if name.strip()],
    )
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)


def _plain(found: Explanation) -> dict[str, Any]:
    """Floats to read, and integers over one denominator to add up: their sum is the change's, exactly."""
    whole = lcm(found.change.denominator, *(c.amount.denominator for c in found.contributions))
    return {
        "metric": found.metric.name,
        "unit": found.metric.unit,
        "before": float(found.before),
        "after": float(found.after),
        "change": float(found.change),
        "simpson": found.is_reversal,
        "exact": {"change": int(found.change * whole), "denominator": whole},
        "contributions": [
            {
                **dict(zip(found.by, c.group, strict=True)),
                "part": c.part,
                "contribution": float(c.amount),
                "exact": int(c.amount * whole),
                "before": None if c.before is None else float(c.before),
                "after": None if c.after is None else float(c.after),
            }
            for c in found.worst_first
        ],
    }


def _print(found: Explanation) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from metrics.catalog import METRICS

    show = found.metric.show
    table = Table(*found.by, "Part", box=box.SIMPLE)
    for column in ("Before", "After", "Contribution", "Share of change"):
        table.add_column(column, justify="right")
    for c in found.worst_first:
        driver = METRICS.get(c.part)
        own = driver.show if driver else show
        share = f"{float(c.amount / found.change):z.1%}" if found.change else "–"
        table.add_row(
            *("unknown" if value is None else str(value) for value in c.group),
            driver.title if driver else c.part,
            *(own(None if value is None else float(value)) for value in (c.before, c.after)),
            show(float(c.amount)),
            share,
        )
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(
        f"{found.metric.title}: {show(float(found.before))} to {show(float(found.after))}, "
        f"change {show(float(found.change))}",
        highlight=False,
    )
    if found.is_reversal:
        console.print(
            "Simpson's case: no slice moved this way. The mix moved, between slices of different levels.",
            highlight=False,
        )
    console.print(table)
