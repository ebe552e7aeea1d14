"""Starvation that the player has measured itself (``bsd``): of the network, of a seek, or impossible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from metrics.ingest.report import Report, starvation_spans_ms

__all__ = ["STALLED_TOO_LONG", "DeclaredStalls", "declared_stalls"]

STALLED_TOO_LONG = "stall longer than its interval"
# A player notices a stall some time after it has begun, and says when it noticed.
_TOLERANCE_MS = 1_000
_OPENING = frozenset(("s", "d"))


@dataclass
class DeclaredStalls:
    """Durations in ms, in order. ``from_the_start``: the startup is in the log, so that nothing lies before it."""

    stalls: list[int] = field(default_factory=list)
    seek_stalls: list[int] = field(default_factory=list)
    from_the_start: bool = False
    impossible: str | None = None


def declared_stalls(reports: Sequence[Report]) -> DeclaredStalls:
    """The starvation that reports tell, without that of startup and of pauses.

    A report tells the starvation that is over since the report before; so what it tells is owned by the state the
    player was in before it, and by the seek where there was one since ``p``.
    """
    told = DeclaredStalls()
    if not any("bsd" in report.keys for report in reports):
        first = next((report.keys["sta"] for report in reports if "sta" in report.keys), None)
        told.from_the_start = first in _OPENING
        return told
    state: str | None = None
    seeking = opening = False
    before_ts_ms: int | None = None
    stalled_since_ts_ms: int | None = None
    for index, report in enumerate(reports):
        after = report.keys.get("sta", state)
        if after in _OPENING and state is None:
            told.from_the_start = opening = True
        seeking = (seeking or after == "k") and not opening
        spans = starvation_spans_ms(report)
        if spans and not opening and state != "a":
            # Reported once rebuffering is over, so with the state p that ends the seek which caused it.
            (told.seek_stalls if seeking else told.stalls).extend(spans)
            since = before_ts_ms if stalled_since_ts_ms is None else stalled_since_ts_ms
            if index and _exceeds(spans, since, report):
                told.impossible = STALLED_TOO_LONG
        if after == "p":
            seeking = opening = False
        if spans:
            stalled_since_ts_ms = None
        if after == "r" != state:
            # It may last over several reports, and be told some reports later.
            stalled_since_ts_ms = stalled_since_ts_ms or report.ts_ms
        if report.mode == "event":
            before_ts_ms = report.ts_ms
        state = after
    return told


def _exceeds(spans: Sequence[int], since_ts_ms: int | None, report: Report) -> bool:
    if report.mode != "event" or report.ts_ms is None or since_ts_ms is None:
        return False
    return sum(spans) > report.ts_ms - since_ts_ms + _TOLERANCE_MS
