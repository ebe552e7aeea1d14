"""A CMCD report as sessions are made of it, whatever line and version it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metrics.ingest.cmcd_decode import Mode

__all__ = ["Report", "missing_reports", "primary_type", "starvation_spans_ms"]

_MEDIA_TYPES = frozenset(("v", "av", "a"))


@dataclass(slots=True)
class Report:
    """One CMCD report of either version; ``order`` is its place in the log.

    ``ts_ms`` is when it was made: what the client says (``client_ts_ms``), else when it was received
    (``receipt_ts_ms``).
    """

    order: int
    ts_ms: int | None
    keys: dict[str, Any]
    mode: Mode
    status: int | None = None
    sent_bytes: int | None = None
    client_ts_ms: int | None = None
    receipt_ts_ms: int | None = None
    is_unfinished: bool = False
    """Its line may go on: the end of it has not been written."""

    def of_type(self, name: str, object_type: str | None = None) -> int | None:
        """The integer of an inner list for ``object_type`` or no type; the first where none is asked for.

        Version 1 has an integer where version 2 has a list of one.
        """
        items = self.keys.get(name)
        if isinstance(items, int):
            return items
        if not isinstance(items, list) or not items:
            return None
        if len(items) == 1 and isinstance(items[0], int):
            return items[0]
        wanted = object_type or self.keys.get("ot")
        first: int | None = None
        for item in items:
            value, params = (item["value"], item["params"]) if isinstance(item, dict) else (item, {})
            if not isinstance(value, int):
                continue
            if params.get(wanted) or not params:
                return value
            first = value if first is None else first
        return None if object_type else first

    @property
    def duration_ms(self) -> int:
        """Media time of the object requested; 0 where it is not told."""
        duration = self.keys.get("d")
        return duration if isinstance(duration, int) else 0

    @property
    def is_media(self) -> bool:
        """Whether audio or video was requested."""
        kind = self.keys.get("ot")
        return kind in _MEDIA_TYPES or (kind is None and ("br" in self.keys or "d" in self.keys))


def primary_type(reports: Sequence[Report]) -> str:
    """The kind of object whose buffer tells the time: video, else muxed, else audio."""
    seen = {report.keys.get("ot") for report in reports}
    return next((kind for kind in ("v", "av", "a") if kind in seen), "v")


def starvation_spans_ms(report: Report) -> list[int]:
    """Starvation periods (``bsd``) of one report: the video's where types are told apart, else all."""
    items = report.keys.get("bsd")
    if not isinstance(items, list):
        return []
    pairs = [(i["value"], i["params"]) if isinstance(i, dict) else (i, {}) for i in items]
    video = [value for value, params in pairs if not params or params.get("v") or params.get("av")]
    return video or [value for value, _ in pairs]


def missing_reports(reports: Sequence[Report]) -> int:
    """Sequence numbers that never arrived, by mode."""
    missing = 0
    if not any("sn" in report.keys for report in reports):
        return missing
    for mode in ("request", "event"):
        numbers = {r.keys["sn"] for r in reports if r.mode == mode and "sn" in r.keys}
        if numbers:
            missing += max(numbers) - min(numbers) + 1 - len(numbers)
    return missing
