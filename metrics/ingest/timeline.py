"""Reports of one session id as one line of time: one clock, in order, each once, parted into playbacks.

* **one clock**: durations are the client's. Where its clock is further from the receipt clock than
  :data:`CLOCK_TOLERANCE_MS`, its times are moved onto the receipt clock by one constant, so that durations stay
  and the session lies in the hour it was played in.
* **order**: by time; where a log's clock is too coarse to tell, by ``sn`` within a mode, else by place in the log.
* **each once**: reports of a mode that agree in every key are one where they have a number (``sn``), or are events
  of the same millisecond. Requests without a number are left: two alike may well be two.
* **parted**: where none came for longer than the timeout, and where a playback starts anew after it has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median_low

from metrics.ingest.report import Report

__all__ = [
    "CLOCK_TOLERANCE_MS",
    "TERMINAL",
    "clock_skew_ms",
    "in_order",
    "on_one_clock",
    "split",
    "without_doubles",
]

CLOCK_TOLERANCE_MS = 60_000
TERMINAL = {"e": "completed", "f": "failed", "q": "stopped"}
_ANEW = frozenset(("d", "s", "p"))


def clock_skew_ms(reports: Sequence[Report]) -> int | None:
    """Client clock minus receipt clock, the lower median of the reports that tell both."""
    skews = [
        r.client_ts_ms - r.receipt_ts_ms
        for r in reports
        if r.client_ts_ms is not None and r.receipt_ts_ms is not None
    ]
    return median_low(skews) if skews else None


def on_one_clock(reports: Sequence[Report]) -> tuple[list[Report], int | None]:
    """The reports with client times on the receipt clock, and by how much they were moved; None where not."""
    skew = clock_skew_ms(reports)
    if skew is None or abs(skew) <= CLOCK_TOLERANCE_MS:
        return list(reports), None
    moved = [r if r.client_ts_ms is None else replace(r, ts_ms=r.client_ts_ms - skew) for r in reports]
    return moved, skew


def in_order(reports: Sequence[Report]) -> list[Report]:
    """By time where there is one, by number within a mode where times are equal."""
    if any(report.ts_ms is not None for report in reports):
        modes = {report.mode for report in reports}
        numbered = len(modes) == 1 and all("sn" in report.keys for report in reports)
        return sorted(reports, key=lambda r: (r.ts_ms or 0, r.keys["sn"] if numbered else r.order, r.order))
    if reports and all("sn" in r.keys and r.mode == reports[0].mode for r in reports):
        return sorted(reports, key=lambda r: (r.keys["sn"], r.order))
    return sorted(reports, key=lambda r: r.order)


def without_doubles(reports: Sequence[Report]) -> list[Report]:
    """Each report once, where its keys tell that it is the same."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for report in reports:
        number = report.keys.get("sn")
        if number is not None or report.mode == "event":
            when = report.client_ts_ms if report.mode == "event" else None
            what = (report.mode, number, when, json.dumps(report.keys, sort_keys=True, default=str))
            if what in seen:
                continue
            seen.add(what)
        kept.append(report)
    return kept


def split(reports: Sequence[Report], timeout_ms: int) -> Iterator[list[Report]]:
    """Reports in order, parted at silences longer than ``timeout_ms`` and at starts after an end."""
    part: list[Report] = []
    ended_ts_ms: int | None = None
    for report in reports:
        last = part[-1].ts_ms if part else None
        now, state = report.ts_ms, report.keys.get("sta")
        if last is not None and now is not None:
            anew = state in _ANEW and ended_ts_ms is not None and now > ended_ts_ms
            if now - last > timeout_ms or anew:
                yield part
                part, ended_ts_ms = [], None
        part.append(report)
        if state in TERMINAL and ended_ts_ms is None:
            ended_ts_ms = now
    if part:
        yield part
