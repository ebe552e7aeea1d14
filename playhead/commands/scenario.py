"""``playhead scenario``: check a scenario, give it random incidents, say how far incidents can be localised."""

from __future__ import annotations

from pathlib import Path

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, print_json

_SCENARIO = click.option(
    "--scenario",
    "path",
    type=click.Path(path_type=Path),
    help="Scenario TOML; the shipped quarter when absent.",
)


@click.group()
def command() -> None:
    """Check a scenario, or give it random incidents; measure what its latencies stand on."""


@command.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@json_option
def check(path: Path | None, as_json: bool) -> None:
    """Say whether a scenario (the shipped quarter when none is given) can be run, and what is in it."""
    from synthetic.scenario import load_scenario, scenario_text

    scenario = load_scenario(path)
    if as_json:
        print_json(scenario.model_dump(mode="json"))
        return
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
@json_option
def incidents(count: int, seed: int, path: Path | None, output: Path | None, as_json: bool) -> None:
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
    if as_json:
        print_json([spec.model_dump(mode="json") for spec in drawn])
    elif output is None:
        click.echo(text, nl=False)
    if output is None:
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
@json_option
def kinds(as_json: bool) -> None:
    """The kinds of incidents as a Markdown table: what each hits, what its scope may name."""
    from dataclasses import asdict

    from synthetic.incident_kinds import KINDS, kinds_table

    if as_json:
        print_json({name: asdict(kind) for name, kind in KINDS.items()})
        return
    click.echo(kinds_table(), nl=False)


@command.command("measure-ranking")
@click.option(
    "--requests", type=click.IntRange(200, 100_000), default=3_000, show_default=True, help="How many."
)
@click.option(
    "--titles", type=click.IntRange(1_000, 100_000), default=10_000, show_default=True, help="Titles ranked."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write here, not over the shipped file.",
)
@json_option
def measure_ranking(requests: int, titles: int, output: Path | None, as_json: bool) -> None:
    """Measure the ranking path on this machine, and write what the emulated latencies are drawn from.

    Home pages and searches are served one at a time by the functions that serve the emulated members; take the
    figures on a machine that does nothing else.
    """
    from dataclasses import asdict
    from datetime import UTC, datetime
    from importlib.resources import files

    from synthetic.control_plane.latency import LATENCY_FILE, write_latency
    from synthetic.ranking_latency import measure, prepare

    found = measure(prepare(titles=titles), requests, today=datetime.now(UTC).date())
    path = output or Path(str(files("synthetic.control_plane").joinpath(LATENCY_FILE)))
    write_latency(found, path)
    if as_json:
        print_json(asdict(found) | {"date": found.date.isoformat()})
        return
    for name, one in {**found.stage, "home, all of it": found.home, "search": found.search}.items():
        click.echo(f"{name:>16}  {one.median_ms:9.3f} ms median  {one.p99_ms:9.3f} ms p99")
    click.echo(f"{requests:,} requests over {titles:,} titles, {found.machine}: {path.name}", err=True)


@command.command("localise")
@click.option(
    "--worlds", type=click.IntRange(1, 1000), default=2, show_default=True, help="Worlds, a seed each."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**62 - 1_000), default=1, show_default=True, help="Of the first world."
)
@click.option(
    "--days",
    type=click.IntRange(2, 60),
    default=4,
    show_default=True,
    help="Evenings with incidents, and one more.",
)
@click.option(
    "--subscribers",
    type=click.IntRange(1_000, 1_000_000),
    default=12_000,
    show_default=True,
    help="A world's.",
)
@json_option
def localise(worlds: int, seed: int, days: int, subscribers: int, as_json: bool) -> None:
    """How far incidents can be localised with an own CDN's telemetry, and without what a third party's does not tell.

    Small dense worlds are emulated, half of their members on a third party, and incidents that make viewers stall are
    looked at from 5 to 120 minutes after they began. --json gives rows of the table `score`.
    """
    import polars as pl

    from metrics.localise.located import score
    from playhead.visibility import trials

    frames = []
    for world in range(seed, seed + worlds):
        click.echo(f"world {world}", err=True)
        frames.append(trials(world, panel=subscribers, days=days))
    found = score(pl.concat(frames))
    if as_json:
        print_json(found.to_dicts())
        return
    for row in found.iter_rows(named=True):
        low, high = ("never" if row[end] is None else f"{row[end]:.2f}" for end in ("low", "high"))
        click.echo(
            f"{row['estimator']:<22} {row['case_set']:<28} {row['measure']:<26} {row['value']:>7.2f} "
            f"({low} to {high}), "
            f"{row['cases_count']} cases"
        )
