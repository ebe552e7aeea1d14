"""``playhead lake``: look at a lake, keep it small and up to date, forget a subscriber."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from metrics.errors import InputError
from playhead.commands._common import Finite, json_option, lake_option, print_json

__all__ = ["command"]


@click.group(name="lake")
def command() -> None:
    """Look at a lake and keep it small."""


@command.command()
@lake_option
@json_option
def info(lake_path: Path, as_json: bool) -> None:
    """Tables with their versions, rows, files and sizes."""
    from metrics.lake import Lake
    from metrics.telemetry import CONTRACT_VERSION
    from metrics.upkeep import sizes

    lake = Lake.open(lake_path)
    tables = sizes(lake)
    if as_json:
        about = {"path": str(lake.path), "lake_id": lake.lake_id, "contract_version": CONTRACT_VERSION}
        print_json({**about, "version": lake.version(), "tables": [asdict(table) for table in tables]})
        return
    click.echo(f"{'table':<22}{'version':>8}{'rows':>14}{'files':>8}{'MB':>10}")
    for t in tables:
        click.echo(f"{t.table:<22}{t.version:>8}{t.rows:>14,}{t.files:>8}{t.size_bytes / 1e6:>10.1f}")


@command.command()
@lake_option
@json_option
def compact(lake_path: Path, as_json: bool) -> None:
    """Join the files of each day into one."""
    from metrics.lake import Lake
    from metrics.upkeep import compact

    counts = compact(Lake.open(lake_path))
    if as_json:
        print_json({name: {"files_before": a, "files_after": b} for name, (a, b) in counts.items()})
        return
    for name, (before, after) in counts.items():
        click.echo(f"{name}: {before} -> {after} files")


@command.command(short_help="Add up the tables by day, so that pages answer at once.")
@lake_option
@json_option
def cube(lake_path: Path, as_json: bool) -> None:
    """Add up the tables by day and by a few sets of dimensions. Questions are then answered from these sums
    where they tell the same to the integer, as long as the table is the one that was added up: run it again
    after new rows, which alone are read. What pages would read every row for is found ahead, too: hours that leave
    their season, arms of experiments side by side, and of millions of sessions a day a sample."""
    from dashboards.beforehand import prepare
    from metrics.lake import Lake

    sizes = prepare(Lake.open(lake_path))
    if as_json:
        print_json({name: {"size_bytes": size} for name, size in sizes.items()})
        return
    for name, size in sizes.items():
        click.echo(f"{name}: {size / 1e6:.1f} MB")


@command.command(short_help="Delete old files that no table names any more.")
@lake_option
@json_option
@click.option(
    "--retention-hours",
    type=Finite(min=0),
    default=168.0,
    show_default=True,
    help="Age from which a file may go.",
)
def vacuum(lake_path: Path, as_json: bool, retention_hours: float) -> None:
    """Delete files that no table names any more, once they are older than the retention."""
    from metrics.lake import Lake
    from metrics.upkeep import vacuum

    deleted = vacuum(Lake.open(lake_path), retention_hours=retention_hours)
    if as_json:
        print_json({"files_deleted": deleted})
    else:
        click.echo(f"{deleted} files deleted")


@command.command(short_help="Take out rows that are older than the policy keeps.")
@lake_option
@json_option
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="TOML of days by table; the lake's retention.toml when absent, else the shipped one.",
)
@click.option("--today", metavar="DATE", help="The day to count from (UTC) instead of the clock's.")
def retain(lake_path: Path, as_json: bool, policy: Path | None, today: str | None) -> None:
    """Take out rows that are older than the policy keeps, and the history that held them.

    \b
    [policy]
    source = "privacy notice, section 4"
    date = 2026-04-01
    [kept_days]
    quarantine = 30
    playback_session = 730
    """
    from datetime import UTC, date, datetime

    from metrics.lake import Lake
    from metrics.retention import load_retention, retain

    try:
        day = date.fromisoformat(today) if today else datetime.now(UTC).date()
    except ValueError as error:
        raise InputError(f"not a date: {today!r}", where="--today", mend="write 2026-04-01") from error
    lake = Lake.open(lake_path)
    retention = load_retention(lake, policy)
    done = retain(lake, retention, day)
    if as_json:
        print_json({"rows_removed": done.rows, "files_deleted": done.files_deleted})
        return
    for name, rows in done.rows.items():
        click.echo(f"{name}: {rows:,} rows older than {retention.kept_days[name]} days removed")
    click.echo(f"{done.files_deleted} files deleted")


@command.command(short_help="Bring a lake of an older contract version to the present one.")
@lake_option
@json_option
def migrate(lake_path: Path, as_json: bool) -> None:
    """Bring a lake of an older contract version to the present one; its tables are rewritten, its rows kept."""
    from metrics.migration import migrate

    done = migrate(lake_path)
    if as_json:
        print_json(
            {
                "before": done.before,
                "after": done.after,
                "rows": done.rows,
                "quarantined": done.quarantined,
            }
        )
        return
    for name, rows in done.rows.items():
        click.echo(f"{name}: {rows:,} rows rewritten")
    if done.quarantined:
        click.echo(f"{done.quarantined:,} rows quarantined")
    same = done.before == done.after
    what = f"has contract version {done.after}" if same else f"contract version {done.before} -> {done.after}"
    click.echo(f"{lake_path}: {what}")


@command.command(short_help="Erase a subscriber, and the history that held them.")
@click.argument("subscriber")
@lake_option
@json_option
def forget(subscriber: str, lake_path: Path, as_json: bool) -> None:
    """Erase an account or a viewer: rows, events, quarantine, artefacts, and the history that held them."""
    from metrics.erasure import forget
    from metrics.lake import Lake

    done = forget(Lake.open(lake_path), subscriber)
    if as_json:
        print_json(
            {
                "rows_erased": done.rows,
                "files_deleted": done.files_deleted,
                "artefacts_deleted": list(done.artefacts_deleted),
            }
        )
        return
    for name, rows in done.rows.items():
        click.echo(f"{name}: {rows} rows erased")
    for artefact in done.artefacts_deleted:
        click.echo(f"{artefact}: named them, deleted; the command that made it makes it again")
    click.echo(f"{done.files_deleted} files deleted")
