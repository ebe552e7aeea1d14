"""Tables of the lake's own, beside the contract's: what was not let in, and how far logs were read."""

from __future__ import annotations

import polars as pl

from metrics.contract import Column, Table
from metrics.telemetry import get_table

__all__ = ["CHECKPOINT", "LINES", "QUARANTINE", "contract_of", "named"]

QUARANTINE = Table(
    "quarantine",
    "rows and lines that were not let in, with the reason",
    columns=(
        Column("table", pl.String, "the table they were meant for"),
        Column("reason", pl.String, "why not"),
        Column("row", pl.String, "the row as JSON, or the line"),
        Column("application", pl.String, "who wrote the batch"),
        Column("version", pl.Int64, "which batch"),
    ),
)

CHECKPOINT = Table(
    "log_checkpoint",
    "how far logs were read, and the sessions that were still open there",
    columns=(
        Column("application", pl.String, "the batch: what was read of a log, by its content"),
        Column("is_in", pl.Boolean, "its sessions are known to be in; else their table's transactions tell"),
        Column("sequence", pl.Int64, "order in which batches were begun"),
        Column("read_bytes", pl.Int64, "what was read of the log, from its start"),
        Column("position_bytes", pl.Int64, "where its next batch begins"),
        Column("latest_ts_ms", pl.Int64, "the last report of the batch", nullable=True),
        Column(
            "session_key", pl.String, "keyed hash of what tells an open session; null for the batch", True
        ),
        Column("session_id", pl.String, "the open session as the lake has it", nullable=True),
        Column("end_ts_ms", pl.Int64, "its last report", nullable=True),
        Column("state", pl.String, "its reports as JSON, or what lines above hold for those below"),
    ),
)
# What quarantines lines that never became a row names itself so: a line is not a session.
LINES = "lines/"

# Pages and people see quarantine; checkpoints are for whoever ingests.
_OWN = {table.name: table for table in (QUARANTINE, CHECKPOINT)}


def named(rows: pl.DataFrame, application: str, version: int) -> pl.DataFrame:
    """Rows for quarantine (``table, reason, row``) under the batch they came with."""
    batch = (pl.lit(application).alias("application"), pl.lit(version, dtype=pl.Int64).alias("version"))
    return rows.select("table", "reason", "row", *batch)


def contract_of(table: str) -> Table:
    """The table of that name, of the contract or of the lake's own."""
    return _OWN.get(table) or get_table(table)
