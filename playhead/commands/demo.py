"""``playhead demo``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from playhead.commands._common import lake_option, world_options


@click.command("demo")
@world_options
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8501,
    show_default=True,
    help="The dashboard's port on loopback; the next free one if it is taken.",
)
@click.option("--serve/--no-serve", "serves", default=True, help="Serve the dashboard at the end.")
@lake_option
def command(
    panel: int | None, days: int | None, seed: int | None, port: int, serves: bool, lake_path: Path
) -> None:
    """Synthesise a quarter, compute, evaluate, report; then open the dashboard.

    A demo that was cut off goes on where it stopped; one that is complete is shown at once.
    """
    from metrics.lake import Lake
    from playhead.demo import answer
    from playhead.progress import progress, say
    from playhead.synthesis import synthesise
    from synthetic.scenario import load_scenario

    began = time.monotonic()
    scenario = load_scenario(None, panel=panel, days=days, seed=seed)
    lake = Lake.create(lake_path)
    with progress("synthesise") as tell:
        synthesise(scenario, lake, tell=tell)
    click.echo(answer(lake, scenario.start, say))
    say(f"verdict after {time.monotonic() - began:.0f} s")

    from metrics.quality import check

    say("data quality: every table against its contract")
    quality = check(lake)
    good = quality.expectations - quality.failed
    say(f"quality: {good} of {quality.expectations} expectations hold, {len(quality.alarms)} alarms")
    from playhead.serving import prepare, serve

    prepare(lake)
    if serves:
        serve(lake_path, port)
