"""``playhead scenario``: check a scenario, or give it random incidents."""

from __future__ import annotations

from pathlib import Path

import click

from metrics.errors import InputError

_SCENARIO = click.option(
    "--scenario",
    "path",
    type=click.Path(path_type=Path),
    help="Scenario TOML; the shipped quarter when absent.",
)


@click.group()
def command() -> None:
    """Check a scenario, or give it random incidents."""


@command.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
def check(path: Path | None) -> None:
    """Say whether a scenario (the shipped quarter when none is given) can be run, and what is in it."""
    from synthetic.scenario import load_scenario, scenario_text

    scenario = load_scenario(path)
    click.echo(
        f"{scenario_text(path)[1]}: {scenario.days} days from {scenario.start}, {len(scenario.region)} regions, "
        f"{scenario.panel:,} subscribers for {scenario.members:,} members, {len(scenario.incident)} incidents"
    )


@command.command()
@click.option("--count", type=click.IntRange(1, 1000), required=True, help="How many.")
@click.option(
    "--seed", type=click.IntRange(0, 2**62 - 1), required=True, help="Another seed, other incidents."
)
@_SCENARIO
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here, not to stdout."
)
def incidents(count: int, seed: int, path: Path | None, output: Path | None) -> None:
    """Write the scenario with random incidents in place of its own."""
    import tomlkit

    from synthetic.incident_generator import random_incidents
    from synthetic.scenario import load_scenario, scenario_text

    drawn = random_incidents(load_scenario(path), count, seed)
    document = tomlkit.parse(scenario_text(path)[0])
    document.pop("incident", None)
    tables = tomlkit.aot()
    for spec in drawn:
        table = tomlkit.table()
        scope = tomlkit.inline_table()
        scope.update(spec.scope)
        table.update(spec.model_dump() | {"scope": scope})
        tables.append(table)
    document.append("incident", tables)
    text = tomlkit.dumps(document)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})",
            where=str(output),
            mend="give a file in a folder that exists",
        ) from error
    click.echo(f"{len(drawn)} incidents: {output}", err=True)


@command.command()
def kinds() -> None:
    """The kinds of incidents as a Markdown table: what each hits, what its scope may name."""
    from synthetic.incident_kinds import kinds_table

    click.echo(kinds_table(), nl=False)
