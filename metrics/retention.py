"""How long rows are kept, by table: a policy in a file, and what applies it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from metrics.cube import discard
from metrics.errors import InputError, did_you_mean
from metrics.ingest.config_file import read_config
from metrics.lake import Lake
from metrics.own_tables import QUARANTINE
from metrics.telemetry import TABLES
from metrics.upkeep import drop, sweep

__all__ = ["SHIPPED", "Retained", "Retention", "load_retention", "retain"]

SHIPPED = Path(__file__).with_name("retention.toml")
_OWN = "retention.toml"


class Policy(BaseModel):
    """Where the days come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    date: dt.date


class Retention(BaseModel):
    """Days that rows are kept, by table; a table that is not named is kept for good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy
    kept_days: dict[str, int] = Field(min_length=1)


@dataclass(frozen=True)
class Retained:
    """Rows taken out by table, and files deleted with the history that held them."""

    rows: dict[str, int]
    files_deleted: int


def load_retention(lake: Lake, path: Path | None = None) -> Retention:
    """The policy at ``path``; where absent the lake's own, else the shipped one.

    Raises :class:`~metrics.errors.InputError` naming the entry that is wrong.
    """
    own = lake.path / _OWN
    path = path or (own if own.exists() else SHIPPED)
    retention = read_config(path, Retention, what="retention policy", option="--policy")
    known = [*TABLES, QUARANTINE.name]
    for name, days in retention.kept_days.items():
        if name not in known:
            raise InputError(f"no table {name!r}", where=str(path), mend=did_you_mean(name, known))
        if days < 1:
            raise InputError(f"{name}: must be a day at least", where=str(path))
    return retention


def retain(lake: Lake, retention: Retention, today: dt.date) -> Retained:
    """Take out every day that is more than its table's days before ``today`` (UTC), history included.

    What was taken out does not come back: the lake still knows that its batches were in.
    """
    rows: dict[str, int] = {}
    deleted = 0
    with lake.alone():
        for name in [name for name in lake.tables() if name in retention.kept_days]:
            rows[name] = drop(lake, name, today - dt.timedelta(days=retention.kept_days[name]))
            # A day that is over its time must not live on in the files of an earlier version.
            deleted += sweep(lake, name) if rows[name] else 0
        if any(rows.values()):  # nor in what was taken of them
            discard(lake)
    return Retained(rows, deleted)
