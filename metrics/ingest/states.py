"""Time by state: what the player says it was doing between one report and the next (CMCD ``sta``).

Until the first frame (``p``) whatever the player does but pause is startup: CTA-2066 counts startup in watched
time, so a pause before the first frame is no part of it, and a seek or a rebuffering there is neither a seek nor a
stall. After it, ``r`` is a stall, but for ``r`` after ``k`` with no ``p`` between, which the seek owns. A stall
ends when the player starts, pauses, seeks or ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metrics.ingest.playback import Playback
from metrics.ingest.report import Report
from metrics.ingest.timeline import TERMINAL

__all__ = ["time_by_states"]

_SHOWING = frozenset(("p", "k", "r", "a", "e"))
_OPENING = frozenset(("s", "d"))


def time_by_states(playback: Playback, reports: Sequence[Report]) -> bool:
    """Attribute the time between timed reports to states; whether a first frame was shown.

    Sets start and end too where the states tell them: the first ``s``, and the first of ``e``, ``f``, ``q``.
    """
    is_sampled = not any(report.mode == "event" for report in reports)
    if is_sampled:
        playback.flags.add("states_sampled")
    states = [report.keys.get("sta") for report in reports]
    told = [state for state in states if state]
    opening = next((i for i, state in enumerate(states) if state in _OPENING), None)
    playing = states.index("p") if "p" in states else len(states)
    # A log that begins after the start shows a first frame that it has not seen.
    shown = (opening is None or opening > playing) and bool(told) and told[0] in _SHOWING
    rendered = _Rendered(reports)
    state, since, seeking, bits = "", 0, False, 0
    for before, report in zip([None, *reports], reports, strict=False):
        now = report.ts_ms or 0
        if state:
            _attribute(playback, state, now - since, shown=shown, seeking=seeking)
            if state == "p" and rendered.kbps:
                media_ms = round((now - since) * rendered.speed)
                playback.media_ms += media_ms
                bits += media_ms * rendered.kbps
        rendered.take(report)
        after, since = report.keys.get("sta", state), now
        if after == state:
            continue
        if after == "s" and playback.start_ts_ms is None and not shown:
            playback.start_ts_ms = now
        elif after == "p":
            if not shown and playback.start_ts_ms is not None:
                playback.startup_ms = playback.waited_ms
            shown, seeking = True, False
        elif after == "k":
            # Between two samples, or where reports are missing, the first frame may have come unseen.
            shown = shown or is_sampled
            seeking = shown
        elif after == "r":
            shown = shown or is_sampled or _is_gap(before, report)
            playback.stall_count += shown and not seeking
            playback.seek_stall_count += shown and seeking
        elif after == "e":
            shown = True
        state = after
        if state in TERMINAL:
            playback.end_ts_ms = now
            break
    playback.media_bytes = bits // 8
    return shown


class _Rendered:
    """Bitrate (video and audio together) and speed of what is shown, as events tell them one after the other."""

    def __init__(self, reports: Sequence[Report]) -> None:
        # `pb` is what is shown, `br` what is asked for: the second stands in where the first is never told.
        self._key = "pb" if any("pb" in report.keys for report in reports) else "br"
        self._kbps: dict[str, int] = {}
        self.speed = 1.0

    @property
    def kbps(self) -> int:
        return sum(self._kbps.values())

    def take(self, report: Report) -> None:
        if report.mode != "event" or report.keys.get("e") == "rr":
            return
        # Told where it is not 1.
        self.speed = float(report.keys.get("pr", 1.0))
        told = dict(_by_type(report.keys.get(self._key)))
        if told.keys() <= {"v", "a"}:
            self._kbps = (
                {kind: rate for kind, rate in self._kbps.items() if kind in ("v", "a")}
                if told
                else self._kbps
            )
            self._kbps |= told
        else:
            self._kbps = told


def _by_type(items: Any) -> list[tuple[str, int]]:
    """Types and values of an inner list; what has no type, or both, stands for the whole."""
    if isinstance(items, int):
        return [("", items)]
    found = []
    for item in items if isinstance(items, list) else ():
        value, params = (item["value"], item["params"]) if isinstance(item, dict) else (item, {})
        if isinstance(value, int):
            found.append((next((kind for kind in ("v", "a") if kind in params), ""), value))
    return found


def _attribute(playback: Playback, state: str, span_ms: int, *, shown: bool, seeking: bool) -> None:
    if state == "a":
        # Before it is asked to play, nobody pauses.
        playback.paused_ms += span_ms if shown or playback.start_ts_ms is not None else 0
    elif not shown:
        playback.waited_ms += span_ms if state in ("s", "k", "r") else 0
    elif state == "p":
        playback.playing_ms += span_ms
    elif state == "k":
        playback.seeking_ms += span_ms
    elif state == "r" and seeking:
        playback.seeking_ms += span_ms
        playback.seek_stall_ms += span_ms
    elif state == "r":
        playback.stall_ms += span_ms
    elif state == "s":
        playback.resuming_ms += span_ms


def _is_gap(before: Report | None, report: Report) -> bool:
    """Whether events are missing between the two by their numbers."""
    if before is None or before.mode != "event" or report.mode != "event":
        return False
    first, second = before.keys.get("sn"), report.keys.get("sn")
    return first is not None and second is not None and second > first + 1
