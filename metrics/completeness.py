"""Is what came all that should have come? Volume, regions, late rows, tables that lag, columns that drift.

Volume, late rows and lag are read off the Delta log, which tells the rows of every file and its day, so that a
lake of any size is judged without reading a row; but for a day that is out and may be few people's chance. Regions and
drift read the newest weeks, a day at a time.
A table's newest day is judged once rows of its last hour are in; until then it is only told.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metrics.contract import Table
from metrics.drift import drift
from metrics.ingest.config_file import read_config
from metrics.lake import Lake
from metrics.period import DAY_MS
from metrics.telemetry import TABLES

__all__ = ["SHIPPED", "Finding", "Limits", "completeness", "load_limits"]

SHIPPED = Path(__file__).with_name("completeness.toml")
_COMMITS = 1_000
_DAY = dt.timedelta(days=1)
_EPOCH = dt.date(1970, 1, 1)
_HOUR_MS = 3_600_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(_Frozen):
    """Where the limits come from."""

    source: str
    date: dt.date


class Volume(_Frozen):
    """Rows a day against the median of the same weekday."""

    weeks: int = Field(ge=2)
    low_ratio: float
    high_ratio: float
    deviations: float


class Regions(_Frozen):
    """Regions that fall silent."""

    days: int = Field(ge=1)
    least_rows: int
    least_people: int


class Late(_Frozen):
    """Rows of days that an earlier batch had passed."""

    limit_ratio: float


class Behind(_Frozen):
    """Tables that lag."""

    limit_days: int
    except_days: dict[str, int] = Field(default_factory=dict)


class Drift(_Frozen):
    """Columns whose values are spread otherwise than before."""

    recent_days: int = Field(ge=1)
    before_days: int = Field(ge=1)
    limit_psi: float
    usual_factor: float
    least_rows: int


class Limits(_Frozen):
    """The limits of every finding."""

    policy: Policy
    volume: Volume
    regions: Regions
    late: Late
    behind: Behind
    drift: Drift


@dataclass(frozen=True)
class Day:
    """What a table stores of a day."""

    rows: int
    files: tuple[str, ...]


Days = Mapping[dt.date, Day]


@dataclass(frozen=True)
class Finding:
    """One figure beside its limit; ``holds`` is null where it is told and not judged."""

    table: str
    check: str
    about: str
    value: float
    usual: float | None
    holds: bool | None


def load_limits(lake: Lake) -> Limits:
    """The lake's own limits, else the shipped ones."""
    own = lake.path / SHIPPED.name
    return read_config(own if own.exists() else SHIPPED, Limits, what="limits", option="completeness.toml")


def completeness(lake: Lake, limits: Limits) -> list[Finding]:
    """Every finding of every table that has days, in the order of the contract."""
    stored = {name: days for name in lake.tables() if name in TABLES and (days := _days(lake, name))}
    findings: list[Finding] = []
    telemetry = [max(days) for name, days in stored.items() if name not in limits.behind.except_days]
    for name, days in stored.items():
        judged = _judged_to(TABLES[name], days)
        findings += _volume(TABLES[name], days, judged, limits.volume)
        findings += _regions(TABLES[name], days, judged, limits.regions)
        findings += _late(lake, name, limits.late)
        if telemetry:
            findings.append(_behind(name, max(days), max(telemetry), limits.behind))
        findings += _drifting(TABLES[name], days, judged, limits.drift)
    return findings


def _volume(table: Table, days: Days, judged: dt.date, limits: Volume) -> Iterator[Finding]:
    """The newest week, each day against the same weekday of the weeks before; two of them at least.

    A count is out where it leaves the limits and is more deviations off than counts are wont to be: those of a
    Poisson count of people who bring rows in clusters (:func:`_is_chance`), or of the days before where they scatter
    more.
    """
    newest, first = max(days), min(days)

    def rows_on(day: dt.date) -> int:
        # A day in the lake's midst that nobody wrote is one without rows.
        return days[day].rows if day in days else 0

    def weekdays(day: dt.date) -> list[dt.date]:
        return [one for n in range(1, limits.weeks + 1) if (one := day - 7 * n * _DAY) >= first]

    def past(day: dt.date) -> list[int]:
        return [rows_on(one) for one in weekdays(day)]

    def ratio(day: dt.date) -> float:
        return rows_on(day) / max(float(median(past(day))), 1)

    known = [day for n in range(7, 7 * limits.weeks + 7) if len(past(day := newest - n * _DAY)) >= 2]
    scatter = 1.4826 * median(abs(ratio(day) - 1) for day in known) if known else 0.0
    for day in [newest - age * _DAY for age in range(6, -1, -1)]:
        counts = past(day)
        if len(counts) < 2:
            continue
        usual, rows = float(median(counts)), rows_on(day)
        noise = limits.deviations * max(math.sqrt(max(usual, 1)), scatter * usual)
        fits = limits.low_ratio * usual <= rows <= limits.high_ratio * usual or abs(rows - usual) <= noise
        share = f", {rows / usual:.2f} of the usual" if usual else ""
        about = f"{day:%Y-%m-%d}: {rows:,} rows{share}, {usual:,.0f} on a {day:%A}"
        # A weekday that usually has none says nothing of a table told by the month, as a bill is.
        is_judged = day <= judged and usual > 0
        if is_judged and not fits:
            fits = _is_chance(table, days, day, weekdays(day), limits.deviations)
        yield Finding(table.name, "volume", about, rows, usual, fits if is_judged else None)


def _is_chance(table: Table, days: Days, day: dt.date, others: list[dt.date], deviations: float) -> bool:
    """Whether few people, each with a handful of rows, may bring so many on that day by chance.

    Rows of one person come together, so people count and rows do not: with r the rows of a person and day, the count of
    a day has the variance φ λ, φ = Σ r² / Σ r (a compound Poisson count). That λ is the day's as it is of the k others
    is put to the test with λ of all of them::

        |rows − mean of the others| <= deviations · √(φ · λ · (1 + 1/k))

    A day without any row is chance where so few people usually come that none may.
    """
    if "subscriber_id" not in table.schema:
        return False
    files = [file for one in (day, *others) if one in days for file in days[one].files]
    people = (
        pl.scan_parquet(files, hive_partitioning=False, glob=False)
        .filter(pl.col("subscriber_id").is_not_null())
        .group_by("day", "subscriber_id")
        .agg(rows=pl.len().cast(pl.Float64))
        .collect()
    )
    of_day = people["day"] == day
    if people.is_empty():
        return False
    if not of_day.any():
        usual = (~of_day).sum() / len(others)
        return math.exp(-usual) >= 0.5 * math.erfc(deviations / math.sqrt(2))
    rows = people["rows"]
    together = float((rows**2).sum()) / float(rows.sum())
    level = float(rows.sum()) / (1 + len(others))
    mean = float(rows.filter(~of_day).sum()) / len(others)
    noise = deviations * math.sqrt(together * level * (1 + 1 / len(others)))
    return abs(float(rows.filter(of_day).sum()) - mean) <= noise


def _regions(table: Table, days: Days, judged: dt.date, limits: Regions) -> Iterator[Finding]:
    """Regions of the days before that the newest judged day does not tell of.

    A region is judged where it has rows enough and, in a table of people, people enough: the rows of a few sampled
    subscribers are no witnesses of their own, and all of them may stay away for a day.
    """
    begin = max(min(days), judged - limits.days * _DAY)
    if "region" not in table.schema or begin >= judged:
        return
    files = [file for day, one in days.items() if begin <= day <= judged for file in one.files]
    rows = pl.scan_parquet(files, hive_partitioning=False, glob=False)
    witnesses = pl.len()
    if "subscriber_id" in table.schema:
        # Rows that name nobody count each for themselves.
        who = pl.col("subscriber_id")
        witnesses = who.drop_nulls().n_unique() + who.null_count()
    before = rows.filter(pl.col("day") < judged).group_by("region").agg(pl.len(), people=witnesses).collect()
    told = set(rows.filter(pl.col("day") == judged).select("region").unique().collect()["region"]) - {None}
    known = 0
    for region, count, people in before.sort("region").iter_rows():
        usual = count / (judged - begin).days
        if region is None or usual < limits.least_rows or people < limits.least_people:
            continue
        known += 1
        if region not in told:
            about = f"{judged:%Y-%m-%d}: no row of {region}, usually {usual:,.0f} a day"
            yield Finding(table.name, "missing region", about, 0, usual, holds=False)
    if known:
        about = f"{judged:%Y-%m-%d}: rows of {len(told)} regions, {known} have enough to be judged"
        yield Finding(table.name, "regions", about, len(told), known, holds=None)


def _late(lake: Lake, table: str, limits: Late) -> Iterator[Finding]:
    """Rows that came when an earlier batch had reached a later day already."""
    reached: dt.date | None = None
    rows = late = worst = 0
    for batch in _batches(lake, table):
        for day, count in batch.items():
            behind = (reached - day).days if reached else 0
            rows += count
            late += count if behind > 0 else 0
            worst = max(worst, behind)
        reached = max([*batch, *([reached] if reached else [])])
    if rows:
        share = late / rows
        about = f"{late:,} of {rows:,} rows came after a later day had begun" + (
            f", up to {worst} days late" if late else ""
        )
        yield Finding(table, "late rows", about, share, None, share <= limits.limit_ratio)


def _behind(table: str, newest: dt.date, telemetry: dt.date, limits: Behind) -> Finding:
    days = max((telemetry - newest).days, 0)
    about = f"newest day {newest:%Y-%m-%d}, {days} days behind the newest telemetry"
    return Finding(
        table, "behind", about, days, None, days <= limits.except_days.get(table, limits.limit_days)
    )


def _drifting(table: Table, days: Days, judged: dt.date, limits: Drift) -> Iterator[Finding]:
    """Columns whose newest days are spread otherwise than the weeks before, and the one nearest to it."""
    span = limits.recent_days + limits.before_days
    files = {day: days[day].files for n in range(span) if (day := judged - n * _DAY) in days}
    found = drift(table, files, judged, limits.recent_days, limits.least_rows)
    worst = max(found, key=lambda one: one.index, default=None)
    for one in found:
        holds = one.index <= max(limits.limit_psi, limits.usual_factor * one.usual)
        if not holds or one is worst:
            days_to = f"{limits.recent_days} days to {judged:%Y-%m-%d}"
            about = f"{one.column}: index {one.index:.3f} in the {days_to}, at most {one.usual:.3f} before"
            yield Finding(table.name, "drift", about, round(one.index, 4), round(one.usual, 4), holds)


def _days(lake: Lake, table: str) -> dict[dt.date, Day]:
    """Rows and files of each day, from the log, oldest first; nothing for a table without days."""
    delta = lake.delta(table)
    if delta is None or TABLES[table].day is None:
        return {}
    root = lake.table_path(table)
    days: dict[dt.date, Day] = {}
    for path, rows in (
        pl.DataFrame(delta.get_add_actions(flatten=True)).select("path", "num_records").iter_rows()
    ):
        day = dt.date.fromisoformat(path.removeprefix("day=").split("/")[0])
        known = days.get(day, Day(0, ()))
        days[day] = Day(known.rows + rows, (*known.files, str(root / path)))
    return dict(sorted(days.items()))


def _judged_to(table: Table, days: Days) -> dt.date:
    """The newest day that is over: one whose last hour is told, or else the day before."""
    assert table.day is not None
    newest = max(days)
    files = [file for day in sorted(days)[-2:] for file in days[day].files]
    instants = pl.scan_parquet(files, hive_partitioning=False, glob=False).select(pl.col(table.day)).collect()
    of_day = instants.to_series() % DAY_MS
    last = int(of_day.filter(instants.to_series() // DAY_MS == (newest - _EPOCH).days).max())  # type: ignore[arg-type]
    # Tables of days name their day by its start, and of hours an hour: two days tell which it is.
    interval_ms = _HOUR_MS if (of_day != 0).any() else DAY_MS
    return newest if last + interval_ms >= DAY_MS else newest - _DAY


def _batches(lake: Lake, table: str) -> Iterator[dict[dt.date, int]]:
    """Rows by day of each of the newest commits that only added rows, oldest first."""
    log = lake.table_path(table) / "_delta_log"
    for file in sorted(log.glob("*.json"))[-_COMMITS:]:
        actions = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
        if any("remove" in action for action in actions):
            continue  # compaction and erasure bring nothing new
        days: dict[dt.date, int] = {}
        for action in actions:
            day = action.get("add", {}).get("partitionValues", {}).get("day")
            if day:
                rows = json.loads(action["add"]["stats"])["numRecords"]
                days[dt.date.fromisoformat(day)] = days.get(dt.date.fromisoformat(day), 0) + rows
        if days:
            yield days
