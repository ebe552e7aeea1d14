"""`playhead cost`: charges and the quarterly report, break-even, payback, rates."""

from __future__ import annotations

from pathlib import Path

import click

from playhead.commands._common import json_option, lake_option, print_json, rates_option
from playhead.commands._cost_breakeven import breakeven
from playhead.commands._cost_capacity import capacity
from playhead.commands._cost_encoders import calibrate_encoders
from playhead.commands._cost_report import report

__all__ = ["command"]


@click.group()
def command() -> None:
    """Unit economics, break-even and the quarterly report."""


command.add_command(report)
command.add_command(breakeven)
command.add_command(calibrate_encoders)
command.add_command(capacity)


@command.command(short_help="A quarter's charges as a FOCUS 1.2 file.")
@click.option("--quarter", required=True, help="A calendar quarter in UTC, as 2026Q2.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write: .parquet, or .csv.",
)
@rates_option
@lake_option
@json_option
def charges(quarter: str, out: Path, rates_path: tuple[Path, ...], lake_path: Path, as_json: bool) -> None:
    """Price a quarter's measured usage, and write the charges in the columns of FOCUS 1.2.

    Costs are exact decimals and sum to the bill. Hardware is bought (BilledCost) and written off
    (EffectiveCost); x_ columns say cost pool, ISP, tier, codec, CDN, appliance and the rate used.
    """
    from decimal import Decimal

    from cost_model.focus import write_focus
    from cost_model.rates import load
    from cost_model.report.numbers import usd
    from cost_model.usage import Quarter
    from metrics.lake import Lake
    from playhead.economics import charged

    frame, residual_usd = charged(Lake.open(lake_path), Quarter.parse(quarter), load(rates_path))
    write_focus(frame, out)
    billed, effective = (Decimal(frame[cost].sum()) for cost in ("BilledCost", "EffectiveCost"))
    content = Decimal(frame.filter(frame["x_cost_pool"] == "content")["EffectiveCost"].sum())
    if as_json:
        costs = {
            "billed_usd": str(billed),
            "effective_usd": str(effective),
            "content_usd": str(content),
            "residual_usd": str(residual_usd),
        }
        print_json({"file": str(out), "charges": frame.height, **costs})
        return
    click.echo(f"{out}: {frame.height:,} charges, {usd(float(billed))} billed, ", nl=False)
    parted = f"effective {usd(float(effective - content))} for serving and {usd(float(content))} for content"
    click.echo(f"{parted}, ${residual_usd:,.2f} off the bill")


@command.group()
def rates() -> None:
    """The prices and quantities everything stands on."""


@rates.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Validate a rates file and list what it changes."""
    from cost_model.rates import load

    loaded = load(file)
    changed = loaded.differences(load())
    if as_json:
        print_json({"file": str(file), "entries": len(loaded.overridden), "differences": changed})
        return
    click.echo(f"{file}: {len(loaded.overridden)} entries, all well-formed; {len(changed)} differences")
    for row in changed:
        click.echo(
            f"  {row['rate']} ({row['region']}): {row['figure']} {row['unit']} instead of {row['instead_of']}"
        )
