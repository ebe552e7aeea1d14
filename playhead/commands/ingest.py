"""``playhead ingest``: real telemetry in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import check_option, checked, json_option, lake_option, print_json

if TYPE_CHECKING:
    from metrics.ingest.cmcd import Ingested
    from metrics.lake import Appended, Lake

__all__ = ["command"]


@click.group(name="ingest")
def command() -> None:
    """Take real telemetry in. What is in already is not taken twice."""


@command.command(short_help="CMCD from players and access logs.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@lake_option
@check_option
@json_option
@click.option(
    "--received-at", metavar="TIME", help="When a log without timestamps was received (ISO 8601, UTC)."
)
@click.option(
    "--session-timeout", default=1800, show_default=True, help="Seconds of silence that end a session."
)
def cmcd(
    files: tuple[str, ...],
    lake_path: Path,
    checks: bool,
    as_json: bool,
    received_at: str | None,
    session_timeout: int,
) -> None:
    """CMCD from players and access logs; '-' is standard input, gzip is read as it is.

    The form is told line by line: query strings, URLs, header dumps, JSON, event bodies, and combined,
    CloudFront and JSON access logs. A log is known by its content: taken in again it adds nothing, and one that has
    grown is read on from where it ended, whatever its name by now. Where no file has a usable record, nothing is
    written, and the exit status is 2.
    """
    from metrics.ingest.access_log import instant_ms
    from metrics.ingest.checkpoint import next_part
    from metrics.ingest.cmcd import Ingested, Log, read_cmcd, write_cmcd
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
    lake = Lake.open(lake_path) if Lake.is_at(lake_path) else None
    total = Ingested()
    # Logs of nothing usable wait for one that is: alone they neither make nor change a lake.
    waiting: list[Log] = []
    usable = False
    for source in sources:
        # What a log was read to before, it is read on from; there may be two parts to read.
        part = next_part(lake, source) if lake else (source, {})
        if part is None:
            usable = True
            total.already.append(source.name)
            click.echo(f"{source.name}: in the lake already, nothing added", err=True)
        while part is not None or (usable and waiting):
            if part is not None:
                waiting.append(read_cmcd(*part))
                usable = usable or waiting[-1].done.records > 0 or waiting[-1].begun
            if not usable:
                break
            lake = lake or Lake.create(lake_path)
            log = waiting.pop(0)
            done = write_cmcd(lake, log, received_ts_ms=received_ts_ms, timeout_ms=session_timeout * 1000)
            total.add(done)
            click.echo(f"{log.source.name}: {_told(done)}", err=True)
            del log  # its reports are not to be held beside the next one's
            part = None if waiting else next_part(lake, source)
    if not usable:
        for log in waiting:
            total.add(log.done)
        where = sources[0].name if len(sources) == 1 else f"{len(sources)} files"
        raise InputError(_told(total), where=where, mend="nothing was written")
    assert lake is not None
    _note_future(lake)
    checked(lake, checks)
    if as_json:
        print_json({**vars(total), **{n: dict(c.most_common()) for n, c in _counters(total).items()}})
        return
    for name, counter in _counters(total).items():
        for reason, count in counter.most_common(10):
            click.echo(f"  {name}: {count} x {reason}")


@command.command(short_help="One's own table of sessions, by a mapping.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "map_path", type=click.Path(path_type=Path), required=True, help="TOML mapping.")
@click.option("--dry-run", is_flag=True, help="Say what would come of it; write nothing.")
@click.option(
    "--columns",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=lambda ctx, _, asked: _print_columns(ctx) if asked else None,
    help="List the columns that can be mapped, and exit.",
)
@lake_option
@check_option
@json_option
def sessions(file: Path, map_path: Path, dry_run: bool, lake_path: Path, checks: bool, as_json: bool) -> None:
    """One's own table of sessions (CSV or Parquet), its columns mapped to the contract's.

    \b
    [columns]
    session_id = "SessionID"
    start_ts_ms = {column = "started_at", unit = "iso"}
    startup_ms = {column = "ttff", unit = "s"}
    outcome = {column = "state", values = {ok = "played", ebvs = "exit_before_start"}}
    [defaults]
    region = "western-europe"

    What is left out and follows from the rest is computed, and said in the column flags; so is what nothing
    tells, and metrics that need it leave these sessions out. --columns lists what can be mapped. --dry-run shows
    how many rows would be accepted, the first of them as it would be stored, and a row of each reason why not.
    """
    from metrics.ingest import sessions as mapped
    from metrics.lake import Lake

    mapping = mapped.load_mapping(map_path)
    unknown = mapped.untold(mapping)
    # The file is looked at before a lake is made, so that a slip leaves no lake behind and no quarantine.
    validated = mapped.validate(file, mapping, key=b"dry run")
    if dry_run:
        counts: dict[str, Any] = {
            "rows": validated.good.height + validated.quarantined.height,
            "sessions": validated.good.height,
        }
        counts |= {"quarantined": validated.quarantined.height, "reasons": validated.reasons}
        as_stored = {k: v for k, v in validated.good.row(0, named=True).items() if v is not None}
        as_rows = validated.quarantined.group_by("reason", maintain_order=True).first()
        examples = dict(as_rows.select("reason", "row").iter_rows())
        counts |= {"unknown": unknown, "accepted": as_stored, "examples": examples} if as_json else {}
        _say(counts, file.name, as_json)
        if not as_json:
            for reason, row in examples.items():
                click.echo(f"  {reason}, as in {row}")
            click.echo("  the first that is accepted, as it would be stored:")
            click.echo("    " + ", ".join(f"{name}={value}" for name, value in as_stored.items()))
    else:
        lake = Lake.create(lake_path)
        done = mapped.ingest(lake, file, mapping)
        _report(done, file.name, "sessions", as_json, also={"unknown": unknown})
        _note_future(lake)
        checked(lake, checks)
        if done.already:
            return
    if unknown and not as_json:
        click.echo(f"  not mapped: {', '.join(unknown)}; metrics that need them leave these sessions out")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@lake_option
@check_option
@json_option
def charges(file: Path, lake_path: Path, checks: bool, as_json: bool) -> None:
    """FOCUS cost and usage data (CSV or Parquet).

    Unit costs have the pools delivery, encoding and control_plane: from x_CostPool or a tag cost_pool (own and
    third_party are delivery), else from the service: networking is delivery, media encoding is encoding.
    """
    from metrics.ingest import focus
    from metrics.lake import Lake

    # The file is read before a lake is made, so that a slip leaves no empty lake behind.
    frame = focus.read(file)
    lake = Lake.create(lake_path)
    appended = focus.append(lake, file, frame)
    checked(lake, checks)
    left_out = focus.without_pool(frame)
    _report(appended, file.name, "charges", as_json, also={"charges_without_pool": left_out})
    if left_out and not as_json:
        click.echo(
            f"  {left_out:,} charges without a cost pool are in no unit cost; write x_CostPool to place them"
        )


@command.command(short_help="Counts a minute from a Prometheus server.")
@click.argument("url")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True, help="TOML queries.")
@lake_option
@check_option
@json_option
def prometheus(url: str, config_path: Path, lake_path: Path, checks: bool, as_json: bool) -> None:
    """Counts a minute from a Prometheus server; hours that are in are not taken again.

    \b
    start = 2026-04-01T00:00:00Z
    end = 2026-04-08T00:00:00Z
    [labels]
    region = "market"
    [counts]
    starts = 'sum by (market) (increase(playback_starts_total[1m]))'
    """
    from datetime import UTC, datetime

    from metrics.ingest import prometheus as source
    from metrics.lake import Lake

    config = source.load_config(config_path)
    lake = Lake.open(lake_path) if Lake.is_at(lake_path) else None
    done = []
    for fetched in source.fetch(lake, url, config):
        # The server is asked before a lake is made, so that a slip in its address leaves none behind.
        lake = lake or Lake.create(lake_path)
        done.append(source.append(lake, fetched))
        hour = datetime.fromtimestamp((fetched.version + 1) * 3600, UTC)
        click.echo(f"{url}: in up to {hour:%Y-%m-%d %H:%M} UTC", err=True)
    _report(source.total(done), url, "minutes", as_json)
    if lake is not None:
        checked(lake, checks)


def _note_future(lake: Lake) -> None:
    """Say on standard error that sessions end after tomorrow: a wrong clock moves every window with it."""
    from datetime import UTC, datetime, timedelta

    import polars as pl

    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    ahead = lake.scan("playback_session").filter(pl.col("day") > tomorrow)
    count, last = ahead.select(pl.len(), pl.col("day").max()).collect().row(0)
    if count:
        mend = "check the clock of the log, or the unit in the mapping"
        click.echo(f"  {count:,} sessions of the lake end in the future, up to {last}; {mend}", err=True)


def _told(done: Ingested) -> str:
    """What came of the lines of one log, on one line."""
    if done.records:
        return (
            f"{done.lines} lines, {done.records} records, {done.sessions} sessions, "
            f"{done.quarantined} quarantined"
        )
    whys = [f"{n} x {why}" for why, n in (done.reasons + done.ignored).most_common(3)]
    return f"no usable CMCD record in {done.lines} lines" + (f" ({', '.join(whys)})" if whys else "")


def _counters(total: Any) -> dict[str, Any]:
    return {"reasons": total.reasons, "ignored": total.ignored, "noted": total.noted}


def _print_columns(ctx: click.Context) -> None:
    from metrics.telemetry import TABLES

    for column in TABLES["playback_session"].columns:
        known = f": {', '.join(column.one_of)}" if column.one_of else ""
        click.echo(f"{column.name:<24}{column.about}{known}")
    ctx.exit()


def _report(
    appended: Appended, source: str, what: str, as_json: bool, also: dict[str, Any] | None = None
) -> None:
    if appended.already:
        click.echo(f"{source}: in the lake already, nothing added", err=True)
        if not as_json:
            return
    rows = appended.rows + appended.quarantined
    counts = {"rows": rows, what: appended.rows, "quarantined": appended.quarantined}
    known = {"reasons": appended.reasons} | ({"already": appended.already, **(also or {})} if as_json else {})
    _say(counts | known, source, as_json)


def _say(counts: dict[str, Any], source: str, as_json: bool) -> None:
    if as_json:
        print_json(counts)
        return
    whole = {name: value for name, value in counts.items() if name != "reasons"}
    click.echo(f"{source}: " + ", ".join(f"{value:,} {name}" for name, value in whole.items()))
    for reason, count in counts["reasons"].items():
        click.echo(f"  reasons: {count:,} x {reason}")
