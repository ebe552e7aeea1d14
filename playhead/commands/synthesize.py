"""``playhead synthesize``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from playhead.commands._common import json_option, lake_option, print_json, world_options


@click.command("synthesize")
@click.option(
    "--scenario",
    "scenario_path",
    type=click.Path(path_type=Path),
    help="Scenario TOML; the shipped quarter when absent.",
)
@world_options
@click.option(
    "--partitions",
    type=click.IntRange(1, 4096),
    default=2,
    show_default=True,
    help="Rows do not depend on it.",
)
@lake_option
@json_option
def command(
    scenario_path: Path | None,
    panel: int | None,
    days: int | None,
    seed: int | None,
    partitions: int,
    lake_path: Path,
    as_json: bool,
) -> None:
    """Run the emulated service and append its telemetry to a lake."""
    from metrics.lake import Lake
    from playhead.progress import progress
    from playhead.synthesis import synthesise
    from synthetic.scenario import load_scenario

    scenario = load_scenario(scenario_path, panel=panel, days=days, seed=seed)
    lake = Lake.create(lake_path)
    started = time.monotonic()
    with progress("synthesise") as tell:
        done = synthesise(scenario, lake, partitions=partitions, tell=tell)
    rate = done.sessions / (time.monotonic() - started)
    if as_json:
        print_json(
            {
                "application": done.application,
                "rows": done.rows,
                "quarantined": done.quarantined,
                "already": done.already,
                "sessions_per_s": round(rate),
            }
        )
    elif done.already:
        click.echo(f"{lake_path}: this scenario is in already; nothing added")
    else:
        click.echo(
            f"{lake_path}: {sum(done.rows.values()):,} rows in {len(done.rows)} tables, {rate:,.0f} sessions/s"
        )
