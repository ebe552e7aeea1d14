"""One's own table of sessions to the contract, by a mapping file.

::

    [columns]
    session_id = "SessionID"                                      # as it is
    start_ts_ms = {column = "started_at", unit = "iso"}           # converted to the contract's unit
    startup_ms = {column = "ttff", unit = "s"}
    outcome = {column = "state", values = {ok = "played", ebvs = "exit_before_start"}}

    [defaults]
    region = "western-europe"

What the mapping leaves out and can be told from the rest is computed (``watched_ms``, ``outcome``, …) and
said in ``flags``. A measure that nothing tells is flagged (``bytes_unknown``, :mod:`metrics.unknown`), and what
needs it leaves such sessions out: a rebuffer rate of 0 would be a promise kept that nobody had looked at.
A cell that cannot be read as its column's unit is not taken for an untold one: its row goes to quarantine as it is
written, and so do sessions of the future and sessions that were watched for longer than they lasted.
Viewer and subscriber ids are hashed with the lake's key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from metrics.contract import Column, Validated
from metrics.errors import InputError, did_you_mean
from metrics.ingest.config_file import read_config
from metrics.ingest.table_file import digest, instant_ms_of, read_table, usable
from metrics.lake import Appended, Lake
from metrics.privacy import keyed_hash, replicate_of
from metrics.telemetry import TABLES
from metrics.unknown import MEASURES, unknown_flag

__all__ = ["SessionMapping", "Source", "ingest", "load_mapping", "to_contract", "untold", "validate"]

_TABLE = TABLES["playback_session"]
_COLUMNS: Mapping[str, Column] = {column.name: column for column in _TABLE.columns}
# What one of them is in the contract's unit.
_FACTORS: Mapping[str, Mapping[str, float]] = {
    "ms": {"ms": 1, "s": 1e3, "us": 1e-3, "ns": 1e-6, "min": 6e4, "h": 3.6e6},
    "UTC epoch ms": {"ms": 1, "s": 1e3, "us": 1e-3, "ns": 1e-6},
    "bytes": {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    "kbit/s": {"kbps": 1, "bps": 1e-3, "Mbps": 1e3},
    "d": {"d": 1},
    "1": {"1": 1},
    "ratio": {"ratio": 1, "percent": 1e-2},
}
_ISO = "iso"
# Columns that hold a number even where nothing tells one.
_ZERO_WHEN_ABSENT = (
    "playing_ms", "paused_ms", "seeking_ms", "stall_count", "stall_ms", "seek_stall_count", "seek_stall_ms",
    "edge_bytes", "storage_bytes", "third_party_bytes", "unattributed_bytes", "media_ms", "media_bytes",
    "switch_count", "gap_count",
)  # fmt: skip


class Source(BaseModel):
    """Where a column of the contract comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    unit: str | None = None
    values: dict[str, str] = Field(default_factory=dict)


class SessionMapping(BaseModel):
    """A mapping file, validated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, Source | str]
    defaults: dict[str, str | int | float | bool] = Field(default_factory=dict)

    def sources(self) -> dict[str, Source]:
        """Every mapped column with its source; a bare name is a source without conversion."""
        named = {name: Source(column=s) if isinstance(s, str) else s for name, s in self.columns.items()}
        return dict(named)


def load_mapping(path: Path) -> SessionMapping:
    """Read and check a mapping file.

    Raises :class:`~metrics.errors.InputError` naming the entry that is wrong.
    """
    mapping = read_config(path, SessionMapping, what="mapping file", option="--map")
    for name in (*mapping.columns, *mapping.defaults):
        if name not in _COLUMNS:
            mend = did_you_mean(name, _COLUMNS)
            raise InputError(f"no session column {name!r}", where=str(path), mend=mend)
    for name, source in mapping.sources().items():
        known = _FACTORS.get(_COLUMNS[name].unit, {})
        allowed = [*known, _ISO] if _COLUMNS[name].unit == "UTC epoch ms" else list(known)
        if source.unit is not None and source.unit not in allowed:
            mend = f"known: {', '.join(allowed)}" if allowed else "the column has no unit"
            raise InputError(f"{name}: no unit {source.unit!r}", where=str(path), mend=mend)
    return mapping


def ingest(lake: Lake, path: Path, mapping: SessionMapping, *, now: dt.datetime | None = None) -> Appended:
    """Append the file's sessions, once for this file and mapping; ``now`` is the clock's where absent."""
    frame = to_contract(read_table(path), mapping, key=lake.key, where=str(path))
    application = f"ingest/sessions/{digest(path, mapping.model_dump_json())}"
    return lake.append(_TABLE.name, frame, application=application, version=0, also=_rules(now))


def validate(path: Path, mapping: SessionMapping, *, key: bytes, now: dt.datetime | None = None) -> Validated:
    """What an ingest would let in and quarantine, without a lake.

    Raises :class:`~metrics.errors.InputError` where it would let nothing in.
    """
    frame = to_contract(read_table(path), mapping, key=key, where=str(path))
    return usable(_TABLE.validate(frame, also=_rules(now)), path)


def to_contract(frame: pl.DataFrame, mapping: SessionMapping, *, key: bytes, where: str = "") -> pl.DataFrame:
    """Rows in, rows of ``playback_session`` out; a column with a cell that cannot be read is text, as it is."""
    exprs: list[pl.Expr] = []
    for name, source in mapping.sources().items():
        if source.column not in frame.columns:
            mend = did_you_mean(source.column, frame.columns)
            raise InputError(f"no column {source.column!r} (for {name})", where=where, mend=mend)
        exprs.append(_converted(_COLUMNS[name], source, frame.schema[source.column]).alias(name))
    constants = {name: value for name, value in mapping.defaults.items() if name not in mapping.columns}
    exprs.extend(pl.lit(value).alias(name) for name, value in constants.items())
    read = frame.select(exprs)
    completed = _completed(read, key, untold(mapping))
    unreadable = []
    for name, source in mapping.sources().items():
        lost = frame[source.column].is_not_null() & read[name].is_null()
        if lost.any():
            written = frame[source.column].cast(pl.String, strict=False)
            unreadable.append(
                pl.when(lost).then(pl.lit(written)).otherwise(pl.col(name).cast(pl.String)).alias(name)
            )
    return completed.with_columns(unreadable)


def _rules(now: dt.datetime | None) -> dict[str, pl.Expr]:
    """What a session told by its times and durations cannot be; clocks may be a day off, roundings a second."""
    latest_ms = ((now or dt.datetime.now(dt.UTC)) + dt.timedelta(days=1)).timestamp() * 1000
    spent = pl.col("watched_ms") + pl.col("paused_ms")
    return {
        "in the future": pl.col("end_ts_ms") <= latest_ms,
        "watched and paused for longer than from start to end": spent
        <= pl.col("end_ts_ms") - pl.col("start_ts_ms") + 1_000,
    }


def untold(mapping: SessionMapping) -> list[str]:
    """The measures that no session of this mapping tells, in the order of :data:`~metrics.unknown.MEASURES`."""
    given = {*mapping.columns, *mapping.defaults}
    missing = [name for name, columns in MEASURES.items() if given.isdisjoint(columns)]
    # Told from the rest; how long a session waited is told or not session by session.
    told = {"waited"}
    told |= {"outcome"} if given & {"startup_ms", "playing_ms"} else set()
    told |= {"watched"} if "playing_ms" in given else set()
    return [name for name in missing if name not in told]


def _converted(column: Column, source: Source, dtype: pl.DataType) -> pl.Expr:
    here = pl.col(source.column)
    if source.values:
        return here.cast(pl.String).replace(source.values)
    if column.dtype == pl.Boolean and dtype == pl.String:
        return here.str.to_lowercase().replace_strict(
            {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False},
            default=None,
            return_dtype=pl.Boolean,
        )
    if column.unit == "UTC epoch ms" and (source.unit == _ISO or dtype.is_temporal()):
        return instant_ms_of(here, dtype)
    if column.dtype == pl.Int64 and (dtype == pl.String or source.unit):
        factor = _FACTORS.get(column.unit, {}).get(source.unit or "", 1)
        number = here.cast(pl.Float64, strict=False) * factor
        return number.round(mode="half_away_from_zero").cast(pl.Int64, strict=False)
    return here.cast(column.dtype, strict=False)


def _completed(frame: pl.DataFrame, key: bytes, unknown: Sequence[str]) -> pl.DataFrame:
    """Fill what follows from the rest, hash ids, and say in ``flags`` what was assumed or is unknown."""
    given = set(frame.columns)
    flags: list[pl.Expr] = [pl.col("flags").fill_null("")] if "flags" in given else []
    absent = [pl.lit(0).cast(pl.Int64).alias(name) for name in _ZERO_WHEN_ABSENT if name not in given]
    frame = frame.with_columns(absent)
    if "startup_ms" not in given:
        frame = frame.with_columns(startup_ms=pl.lit(None, dtype=pl.Int64))
    if "outcome" not in given:
        started = pl.col("startup_ms").is_not_null() | (pl.col("playing_ms") > 0)
        played, left = pl.lit("played"), pl.lit("exit_before_start")
        frame = frame.with_columns(outcome=pl.when(started).then(played).otherwise(left))
        flags.append(pl.lit("outcome_assumed"))
    started = pl.col("outcome").is_in(["played", "playback_failure"])
    flags.append(pl.when(started & pl.col("startup_ms").is_null()).then(pl.lit("startup_unknown")))
    if "end_reason" not in given:
        by_outcome = {"played": "stopped", "exit_before_start": "exit_before_start"}
        frame = frame.with_columns(end_reason=pl.col("outcome").replace_strict(by_outcome, default="failed"))
        flags.append(pl.lit("end_reason_assumed"))
    if "waited_ms" not in given:
        # Who never saw a frame waited from the start to the end, where the source tells both.
        both = {"start_ts_ms", "end_ts_ms"} <= given
        whole = pl.col("end_ts_ms") - pl.col("start_ts_ms") - pl.col("paused_ms") if both else pl.lit(None)
        waited = pl.coalesce("startup_ms", pl.when(~started).then(whole.cast(pl.Int64)))
        flags.append(pl.when(waited.is_null()).then(pl.lit(unknown_flag("waited"))))
        frame = frame.with_columns(waited_ms=waited.fill_null(0))
    if "watched_ms" not in given:
        parts = ("waited_ms", "playing_ms", "stall_ms", "seeking_ms")
        frame = frame.with_columns(watched_ms=pl.sum_horizontal(*parts))
        if "playing_ms" in given and "stall_ms" not in given:
            flags.append(pl.lit("watched_lower_bound"))
    flags.extend(pl.lit(unknown_flag(name)) for name in unknown)
    span = pl.col("watched_ms") + pl.col("paused_ms")
    if "end_ts_ms" not in given and "start_ts_ms" in given:
        frame = frame.with_columns(end_ts_ms=pl.col("start_ts_ms") + span)
    if "start_ts_ms" not in given and "end_ts_ms" in given:
        frame = frame.with_columns(start_ts_ms=pl.col("end_ts_ms") - span)
    frame = frame.with_columns(
        keyed_hash(frame[name], key).alias(name) for name in ("viewer_id", "subscriber_id") if name in given
    )
    group = pl.coalesce(
        *(n for n in ("subscriber_id", "viewer_id") if n in given), pl.lit(None, dtype=pl.String)
    )
    session = keyed_hash(frame["session_id"], key) if "session_id" in given else pl.lit(None, dtype=pl.String)
    return frame.with_columns(
        pl.concat_str(flags, separator=",", ignore_nulls=True).str.strip_chars(",").alias("flags"),
        replicate_of(pl.coalesce(group, session)).alias("replicate"),
        *([] if "is_synthetic" in given else [pl.lit(value=False).alias("is_synthetic")]),
        *([] if "weight" in given else [pl.lit(1, dtype=pl.Int64).alias("weight")]),
    )
