"""The ledger: sessions in = counted + Σ excluded + Σ quarantined by reason. The residual is 0, and is shown.

What came in is read off the lake's commit log and the quarantine; what was counted and excluded is read off
the rows themselves, so that rows lost between the two would show. Lines of a log that never became a session
are no sessions: they have a sum of their own, lines in = used + ignored + quarantined, whose residual is 0 too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from metrics.engine import collect
from metrics.ingest.checkpoint import which_are_in
from metrics.lake import Lake
from metrics.own_tables import CHECKPOINT, LINES, QUARANTINE
from metrics.unknown import MEASURES, unknown_flag

__all__ = ["Ledger", "ledger"]

_TABLE = "playback_session"
_IS_LINE = pl.col("application").str.starts_with(LINES)


@dataclass(frozen=True)
class Ledger:
    """Session rows in, counted, and excluded by reason; and the real sessions (Σ weight) they stand for.

    A quarantined session counts under ``quarantined: <reason>``, with its weight where it tells one, else 1.
    ``lines_quarantined`` are lines by reason; they are no part of ``sessions_in``, but of ``lines_in``: the lines of
    logs whose batches are in, but for a last one that is not written to its end. ``unknown`` are counted
    sessions by the measure (:mod:`metrics.unknown`) that their source does not tell; what needs it leaves them out.
    """

    sessions_in: int
    counted: int
    excluded: Mapping[str, int]
    weight_counted: int
    weight_excluded: Mapping[str, int]
    lines_quarantined: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    lines_in: int = 0
    lines_used: int = 0
    lines_ignored: Mapping[str, int] = field(default_factory=dict)
    lines_uncounted: int = 0
    """Quarantined lines of a lake that did not count lines yet, or of a batch that is not in."""
    lines_erased: int = 0
    """Quarantined lines that are there no more: their time was up, or they told of somebody forgotten."""

    @property
    def lines_residual(self) -> int:
        """Lines that are neither used nor ignored nor quarantined: 0, or something is lost."""
        quarantined = sum(self.lines_quarantined.values()) - self.lines_uncounted + self.lines_erased
        return self.lines_in - self.lines_used - sum(self.lines_ignored.values()) - quarantined

    @property
    def residual(self) -> int:
        """Rows that are neither counted nor excluded: 0, or something is lost."""
        return self.sessions_in - self.counted - sum(self.excluded.values())

    @property
    def weight_in(self) -> int:
        """Real sessions that the rows stand for."""
        return self.weight_counted + sum(self.weight_excluded.values())


def ledger(lake: Lake) -> Ledger:
    """The ledger of a lake's sessions; of an empty lake, all zeros."""
    by_reason, quarantined, lines, unknown = collect(
        [
            lake.scan(_TABLE)
            .group_by(reason="excluded_reason")
            .agg(rows=pl.len(), weight=pl.col("weight").sum()),
            _quarantined(lake).group_by("reason").agg(rows=pl.len(), weight=pl.col("weight").sum()),
            _out_of(lake).filter(_IS_LINE).group_by("reason", "application").agg(rows=pl.len()),
            lake.scan(_TABLE)
            .filter(pl.col("excluded_reason").is_null(), pl.col("flags") != "")
            .select(_has(unknown_flag(name)).sum().alias(name) for name in MEASURES),
        ]
    )
    batches = _batches(lake)
    is_counted = pl.col("application").is_in([f"{LINES}{name}" for name in batches["application"]])
    uncounted = int(lines.filter(~is_counted)["rows"].sum())
    lines = lines.group_by("reason").agg(pl.col("rows").sum())
    told = [json.loads(state).get("counts", {}) for state in batches["state"]]
    ignored: Counter[str] = Counter()
    for counts in told:
        ignored.update(counts.get("ignored", {}))
    counted = by_reason.filter(pl.col("reason").is_null())
    excluded = pl.concat([by_reason.filter(pl.col("reason").is_not_null()), quarantined])
    excluded = excluded.sort("rows", "reason", descending=[True, False])
    return Ledger(
        sessions_in=lake.snapshot(_TABLE).rows + int(quarantined["rows"].sum()),
        counted=int(counted["rows"].sum()),
        excluded=dict(excluded.select("reason", "rows").iter_rows()),
        weight_counted=int(counted["weight"].sum()),
        weight_excluded=dict(excluded.select("reason", "weight").iter_rows()),
        lines_quarantined=dict(lines.sort("rows", "reason", descending=[True, False]).iter_rows()),
        unknown={name: rows for name, rows in unknown.row(0, named=True).items() if rows},
        lines_in=sum(counts.get("lines", 0) for counts in told),
        lines_used=sum(counts.get("used", 0) for counts in told),
        lines_ignored=dict(ignored.most_common()),
        lines_uncounted=uncounted,
        lines_erased=max(
            sum(counts.get("quarantined", 0) for counts in told) - (int(lines["rows"].sum()) - uncounted), 0
        ),
    )


def _batches(lake: Lake) -> pl.DataFrame:
    """The batches of logs that are in, with what they counted."""
    rows = lake.scan(CHECKPOINT.name).filter(pl.col("session_key").is_null())
    return which_are_in(lake, rows.select("application", "is_in", "state").collect())


def _has(flag: str) -> pl.Expr:
    return pl.col("flags").str.contains(flag, literal=True)


def _out_of(lake: Lake) -> pl.LazyFrame:
    return lake.scan(QUARANTINE.name).filter(pl.col("table") == _TABLE)


def _quarantined(lake: Lake) -> pl.LazyFrame:
    told = pl.col("row").str.extract(r'"weight":\s*([0-9]{1,15})\b', 1).cast(pl.Int64)
    return (
        _out_of(lake)
        .filter(~_IS_LINE)
        .select(
            reason=pl.format("quarantined: {}", "reason"),
            weight=pl.max_horizontal(told.fill_null(1), pl.lit(1)),
        )
    )
