"""``playhead serve``."""

from __future__ import annotations

from pathlib import Path

import click

from playhead.commands._common import Finite, json_option, print_json, world_options

__all__ = ["command"]


@click.command("serve")
@click.option(
    "--scenario",
    "scenario_path",
    type=click.Path(path_type=Path),
    help="Scenario TOML; the shipped quarter when absent.",
)
@world_options
@click.option(
    "--lake",
    "lake_path",
    type=click.Path(path_type=Path),
    help="Play the minutes that this lake has counted, and emulate nothing.",
)
@click.option(
    "--speed",
    type=Finite(0.1, 600),
    default=1.0,
    show_default=True,
    help="Minutes of the service a minute.",
)
@click.option(
    "--minutes", "count", type=click.IntRange(1), help="Stop after that many minutes of the service."
)
@click.option(
    "--skip",
    "skip",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Minutes of the scenario to leave out at first.",
)
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=9_109, show_default=True, help="Port on 127.0.0.1."
)
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write prometheus.yml and rules.yaml for this speed here first.",
)
@click.option("--alertmanager", help="host:port of an Alertmanager, for prometheus.yml.")
@json_option
def command(
    scenario_path: Path | None,
    panel: int | None,
    days: int | None,
    seed: int | None,
    lake_path: Path | None,
    speed: float,
    count: int | None,
    skip: int,
    port: int,
    folder: Path | None,
    alertmanager: str | None,
    as_json: bool,
) -> None:
    """Run the emulated service live, or a lake's minutes again, for Prometheus to scrape on loopback."""
    from contextlib import suppress

    from metrics.lake import Lake
    from playhead.live import emulated, export, recorded, write_configuration
    from playhead.progress import say
    from playhead.serving import free_port
    from synthetic.scenario import load_scenario

    free = free_port(port)
    if free != port:
        say(f"port {port} is taken; using {free}")
    if lake_path is not None:
        if any(option is not None for option in (scenario_path, panel, days, seed)):
            raise click.UsageError("--lake plays what was counted: leave the scenario's options out")
        minutes = recorded(Lake.open(lake_path), skip_minutes=skip)
    else:
        scenario = load_scenario(scenario_path, panel=panel, days=days, seed=seed)
        minutes = emulated(scenario, skip_minutes=skip)
    if folder is not None:
        path = write_configuration(folder, port=free, speed=speed, alertmanager=alertmanager)
        say(f"start Prometheus with --config.file={path}")
    with suppress(KeyboardInterrupt):
        shown = export(minutes, port=free, speed=speed, count=count)
        if as_json:
            print_json(
                {
                    "minutes": shown.minutes,
                    "begun_ms": shown.begun_ms,
                    "late": shown.late,
                    "unscraped": shown.unscraped,
                }
            )
        else:
            click.echo(f"{shown.minutes:,} minutes shown; {shown.unscraped:,} that nobody asked for")
