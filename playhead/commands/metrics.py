"""``playhead metrics``: any metrics by any dimensions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError, PlayheadError, did_you_mean
from playhead.commands._common import (
    engine_options,
    json_option,
    lake_option,
    print_json,
    spark_session,
    where_of,
)

if TYPE_CHECKING:
    import polars as pl

    from metrics.lake import Lake

# Shown in a table by dimensions when no metric is named: more do not fit beside each other.
_HEADLINE = (
    "watch_hours_per_subscriber", "time_to_play_p50_ms", "time_to_play_p99_ms", "time_to_play_bad_ratio",
    "rebuffer_rate", "rec_driven_hours_ratio", "play_success_ratio",
)  # fmt: skip


@click.command()
@click.option("-m", "--metric", "names", multiple=True, help="A metric; may be repeated. All by default.")
@click.option("--by", default="", help="Dimensions, comma-separated: region,device.")
@click.option(
    "--where", "where", multiple=True, help="Keep a slice: region=mena,south-asia; may be repeated."
)
@click.option("--from", "start", help="Start of the period, UTC: 2026-04-01 or 2026-04-01T12:00.")
@click.option("--to", "end", help="End of the period, exclusive.")
@click.option("--grain", help="Length of buckets: 5m, 1h, 1d, 1w.")
@click.option("--intervals", is_flag=True, help="90 % intervals (jackknife over subscribers).")
@engine_options("adds up the rows")
@lake_option
@json_option
def command(
    names: tuple[str, ...],
    by: str,
    where: tuple[str, ...],
    start: str | None,
    end: str | None,
    grain: str | None,
    intervals: bool,
    engine: str,
    master: str | None,
    lake_path: Path,
    as_json: bool,
) -> None:
    """Compute metrics by any dimensions. `playhead glossary` says what they mean."""
    from metrics.lake import Lake
    from metrics.period import instant_ms
    from metrics.query import measure

    dimensions = [name.strip() for name in by.split(",") if name.strip()]
    slices = where_of(where)
    lake = Lake.open(lake_path)
    start_ts_ms = instant_ms(start, where="--from") if start else None
    end_ts_ms = instant_ms(end, where="--to") if end else None
    names = names or tuple(
        _answerable([*dimensions, *slices], grain, None if as_json or not by else _HEADLINE)
    )
    with spark_session(engine, master) as session:
        scan = None
        if session:
            from metrics.engine import spark

            scan = partial(spark.scan, session, lake)
        found = measure(
            lake,
            names,
            by=dimensions,
            where=slices,
            start_ts_ms=start_ts_ms,
            end_ts_ms=end_ts_ms,
            grain=grain,
            intervals=intervals,
            scan=scan,
        )
    _check_values(lake, slices)
    if not found["n"].sum():
        _check_period(lake, start_ts_ms, end_ts_ms)
    if as_json:
        print_json(_grouped(found, intervals))
    else:
        _print_table(found)


def _check_values(lake: Lake, slices: dict[str, list[str | None]]) -> None:
    """Refuse a value that occurs nowhere in the lake: a slip, which would otherwise narrow in silence."""
    import polars as pl

    for name, values in slices.items():
        known: set[str] = set()
        for table in lake.tables():
            rows = lake.scan(table)
            if name in rows.collect_schema():
                found = rows.select(pl.col(name).drop_nulls().unique().cast(pl.String)).collect()
                known.update(found.to_series())
        for value in values:
            if value is not None and value not in known:
                mend = did_you_mean(value, known) if known else f"the telemetry tells no {name}"
                raise InputError(f"no {name} {value!r} in the lake", where="--where", mend=mend)


def _check_period(lake: Lake, start_ts_ms: int | None, end_ts_ms: int | None) -> None:
    """Refuse a period beside all of the lake's sessions: a slip too."""
    import polars as pl

    if "playback_session" not in lake.tables():
        return
    starts = lake.scan("playback_session").select("start_ts_ms")
    first, last = pl.concat([starts.min(), starts.max()]).collect()["start_ts_ms"]
    if first is None:
        return
    if (start_ts_ms is not None and start_ts_ms > last) or (end_ts_ms is not None and end_ts_ms <= first):
        days = (f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}" for ms in (first, last))
        mend = f"its sessions started from {' to '.join(days)} UTC"
        raise InputError("the period lies outside the lake", where="--from, --to", mend=mend)


def _answerable(dimensions: list[str], grain: str | None, among: tuple[str, ...] | None) -> list[str]:
    """The metrics that can be cut this way; the dimensions' own error where there are none."""
    from metrics.catalog import METRICS
    from metrics.query import check_cut

    kept = []
    for name in among or METRICS:
        try:
            check_cut([name], dimensions, grain)
        except PlayheadError:
            continue
        kept.append(name)
    if not kept:
        check_cut([*METRICS][:1], dimensions, grain)
    return kept


def _grouped(found: pl.DataFrame, intervals: bool) -> list[dict[str, Any]]:
    keys = found.columns[: found.columns.index("metric")]
    fields = ["value", "numerator", "denominator", "unit", "n", "n_effective"]
    fields += ["low", "high"] if intervals else []
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in found.iter_rows(named=True):
        key = tuple(row[name] for name in keys)
        group = groups.setdefault(key, {name: row[name] for name in keys})
        group[row["metric"]] = {name: _number(row[name]) for name in fields}
    return list(groups.values())


def _number(value: Any) -> Any:
    """A decimal that is no whole number as a float: it came of a division by a unit."""
    return float(value) if isinstance(value, Decimal) and value % 1 else value


def _print_table(found: pl.DataFrame) -> None:
    from datetime import UTC, datetime

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from metrics.catalog import get_metric

    if found.is_empty():
        click.echo("no data: no row of the lake is in this period and slice")
        return
    keys = found.columns[: found.columns.index("metric")]

    def shown(row: dict[str, Any]) -> str:
        metric = get_metric(row["metric"])
        text = metric.show(row["value"])
        if row.get("low") is not None:
            text += f"  ({metric.show(row['low'])} to {metric.show(row['high'])})"
        return text

    if not keys:
        table = Table("Metric", box=box.SIMPLE)
        table.add_column("Value", justify="right")
        table.add_column("Rows", justify="right")
        for row in found.iter_rows(named=True):
            table.add_row(get_metric(row["metric"]).title, shown(row), f"{row['n']:,}")
    else:
        names = found["metric"].unique(maintain_order=True).to_list()
        table = Table(*["time (UTC)" if key == "bucket_ts_ms" else key for key in keys], box=box.SIMPLE)
        for name in names:
            table.add_column(get_metric(name).title, justify="right")
        groups: dict[tuple[str, ...], dict[str, str]] = {}
        for row in found.iter_rows(named=True):
            when = row.get("bucket_ts_ms")
            if when is not None:
                row["bucket_ts_ms"] = f"{datetime.fromtimestamp(when / 1000, UTC):%Y-%m-%d %H:%M}"
            key = tuple("unknown" if row[k] is None else str(row[k]) for k in keys)
            groups.setdefault(key, {})[row["metric"]] = shown(row)
        for key, values in groups.items():
            table.add_row(*key, *(values.get(name, "no data") for name in names))
    console = Console()
    # A pipe has no width: enough for the headline's columns.
    (console if console.is_terminal else Console(width=120)).print(table)
