"""``playhead ingest``: real telemetry in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, lake_option, print_json

if TYPE_CHECKING:
    from metrics.lake import Appended

__all__ = ["command"]


@click.group(name="ingest")
def command() -> None:
    """Take real telemetry in. What is in already is not taken twice."""


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@lake_option
@json_option
@click.option(
    "--received-at", metavar="TIME", help="When a log without timestamps was received (ISO 8601, UTC)."
)
@click.option(
    "--session-timeout", default=1800, show_default=True, help="Seconds of silence that end a session."
)
def cmcd(
    files: tuple[str, ...], lake_path: Path, as_json: bool, received_at: str | None, session_timeout: int
) -> None:
    """CMCD from players and access logs; '-' is standard input, gzip is read as it is.

    The form is told line by line: query strings, URLs, header dumps, JSON, event bodies, and combined,
    CloudFront and JSON access logs. A file is known by its content, so taking it in again adds nothing.
    """
    from metrics.ingest.access_log import instant_ms
    from metrics.ingest.cmcd import Ingested, ingest_cmcd
    from metrics.ingest.source import open_source
    from metrics.lake import Lake

    received_ts_ms = instant_ms(received_at)
    if received_at is not None and received_ts_ms is None:
        raise InputError(
            f"not a time: {received_at!r}", where="--received-at", mend="write 2026-04-01T12:00:00Z"
        )
    if session_timeout <= 0:
        raise InputError("must be positive", where="--session-timeout")
    # Every file is looked at before the first is taken in, so that a slip in a name changes nothing.
    sources = [open_source(name) for name in files]
    lake = Lake.create(lake_path)
    total = Ingested()
    for source in sources:
        done = ingest_cmcd(lake, source, received_ts_ms=received_ts_ms, timeout_ms=session_timeout * 1000)
        total.add(done)
        if done.already:
            click.echo(f"{source.name}: in the lake already, nothing added", err=True)
        else:
            click.echo(
                f"{source.name}: {done.lines} lines, {done.records} records, {done.sessions} sessions, "
                f"{done.quarantined} quarantined",
                err=True,
            )
    if as_json:
        print_json({**vars(total), **{n: dict(c.most_common()) for n, c in _counters(total).items()}})
        return
    for name, counter in _counters(total).items():
        for reason, count in counter.most_common(10):
            click.echo(f"  {name}: {count} x {reason}")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "map_path", type=click.Path(path_type=Path), required=True, help="TOML mapping.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it; write nothing.")
@lake_option
@json_option
def sessions(file: Path, map_path: Path, dry_run: bool, lake_path: Path, as_json: bool) -> None:
    """One's own table of sessions (CSV or Parquet), its columns mapped to the contract's.

    \b
    [columns]
    session_id = "SessionID"
    start_ts_ms = {column = "started_at", unit = "iso"}
    startup_ms = {column = "ttff", unit = "s"}
    outcome = {column = "state", values = {ok = "played", ebvs = "exit_before_start"}}
    [defaults]
    region = "western-europe"

    What is left out and follows from the rest is computed, and said in the column flags.
    """
    from metrics.ingest import sessions as mapped
    from metrics.lake import Lake

    mapping = mapped.load_mapping(map_path)
    if dry_run:
        validated = mapped.validate(file, mapping, key=b"dry run")
        counts = {
            "rows": validated.good.height + validated.quarantined.height,
            "sessions": validated.good.height,
        }
        _say({**counts, "quarantined": validated.quarantined.height, "reasons": validated.reasons}, as_json)
        return
    _report(mapped.ingest(Lake.create(lake_path), file, mapping), "sessions", as_json)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@lake_option
@json_option
def charges(file: Path, lake_path: Path, as_json: bool) -> None:
    """FOCUS cost and usage data (CSV or Parquet)."""
    from metrics.ingest import focus
    from metrics.lake import Lake

    _report(focus.ingest(Lake.create(lake_path), file), "charges", as_json)


@command.command()
@click.argument("url")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True, help="TOML queries.")
@lake_option
@json_option
def prometheus(url: str, config_path: Path, lake_path: Path, as_json: bool) -> None:
    """Counts a minute from a Prometheus server; hours that are in are not taken again.

    \b
    start = 2026-04-01T00:00:00Z
    end = 2026-04-08T00:00:00Z
    [labels]
    region = "market"
    [counts]
    starts = 'sum by (market) (increase(playback_starts_total[1m]))'
    """
    from metrics.ingest import prometheus as source
    from metrics.lake import Lake

    config = source.load_config(config_path)
    _report(source.ingest(Lake.create(lake_path), url, config), "minutes", as_json)


def _counters(total: Any) -> dict[str, Any]:
    return {"reasons": total.reasons, "ignored": total.ignored, "noted": total.noted}


def _report(appended: Appended, what: str, as_json: bool) -> None:
    if appended.already:
        click.echo("in the lake already, nothing added", err=True)
    rows = appended.rows + appended.quarantined
    counts = {"rows": rows, what: appended.rows, "quarantined": appended.quarantined}
    _say({**counts, "reasons": appended.reasons, "already": appended.already}, as_json)


def _say(counts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(counts)
        return
    for name, value in counts.items():
        if isinstance(value, dict):
            for reason, count in value.items():
                click.echo(f"  {count} x {reason}")
        else:
            click.echo(f"{name}: {value}")
