"""``playhead synthesize``."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import click

from playhead.commands._common import (
    check_option,
    checked,
    engine_options,
    json_option,
    lake_option,
    print_json,
    spark_session,
    world_options,
)


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
    help="2 when absent, on Spark one a core. Rows do not depend on it.",
)
@engine_options("runs a day's partitions")
@lake_option
@check_option
@json_option
def command(
    scenario_path: Path | None,
    panel: int | None,
    days: int | None,
    seed: int | None,
    partitions: int | None,
    engine: str,
    master: str | None,
    lake_path: Path,
    checks: bool,
    as_json: bool,
) -> None:
    """Run the emulated service and append its telemetry to a lake."""
    from metrics.lake import Lake
    from playhead.progress import progress
    from playhead.synthesis import synthesise
    from synthetic.scenario import load_scenario

    scenario = load_scenario(scenario_path, panel=panel, days=days, seed=seed)
    with ExitStack() as stack:
        mapper = None
        if session := stack.enter_context(spark_session(engine, master)):
            from metrics.engine.spark import SparkMapper

            mapper = SparkMapper(session)
        lake = Lake.create(lake_path)
        started = time.monotonic()
        tell = stack.enter_context(progress("synthesise"))
        done = synthesise(
            scenario, lake, partitions=partitions or (mapper.cores if mapper else 2), mapper=mapper, tell=tell
        )
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
    checked(lake, checks)
