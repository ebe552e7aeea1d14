"""Reports to sessions: what CMCD proves about a playback, and a flag for what it does not.

Where the player says how things went (states with timestamps, ``msd``, ``bsd``), that is used. Otherwise:

* **time** comes from the log's timestamps, or else from the media clock: between two requests of a kind the
  viewer was shown ``bl + d - bl'`` of media, which telescopes over the session;
* **startup** is the wait until the first report with media in the buffer, an estimate;
* **stalls** are runs of ``bs``; how long they took is the wall time of those intervals that no media
  covers, where both are known;
* **seeks** own the rebuffering they cause: a state ``r`` after ``k`` with no ``p`` between is not a stall.

Flags, comma-separated in ``flags``: ``no_timestamps`` (end is when the log was received),
``startup_unknown``, ``startup_estimated``, ``playing_estimated``, ``playing_lower_bound``,
``joined_late`` (media was buffered before the first report), ``stall_ms_estimated``,
``stall_ms_unknown``, ``bytes_estimated``, ``bitrate_unweighted``, ``never_closed``
(no state e, f or q: it ends with its last report), ``states_sampled``, ``no_sid``, ``clock_moved`` (onto the
receipt clock), ``doubles_dropped``, ``bad_client_clock``; and what nothing in the log tells
(:mod:`metrics.unknown`), of which metrics make no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from metrics.ingest.playback import Playback
from metrics.ingest.report import Report, missing_reports, primary_type
from metrics.ingest.starvation import STALLED_TOO_LONG, declared_stalls
from metrics.ingest.states import time_by_states
from metrics.ingest.timeline import TERMINAL
from metrics.unknown import unknown_flag

__all__ = ["Playback", "fold"]

_STARTED_STATES = frozenset(("p", "k", "r", "a", "e"))
_PLAYING_UNKNOWN = {unknown_flag("playing"), unknown_flag("watched")}


def fold(reports: Sequence[Report], *, received_ts_ms: int | None) -> Playback:
    """One session's reports, in order, as a playback.

    ``received_ts_ms`` stands in for the end of a session whose log has no timestamps; where it is None, such
    a session has neither start nor end.
    """
    known = [report.ts_ms for report in reports if report.ts_ms is not None]
    playback = Playback()
    ended = next((r.keys["sta"] for r in reports if r.keys.get("sta") in TERMINAL), None)
    stated = [report for report in reports if "sta" in report.keys]
    by_states = bool(stated) and all(report.ts_ms is not None for report in stated)
    shown = False
    if by_states:
        shown = time_by_states(playback, [report for report in reports if report.ts_ms is not None])
    else:
        _time_by_buffer(playback, reports, timed=len(known) == len(reports))
    _take_declared(playback, reports, by_states=by_states)
    playback.gap_count = missing_reports(reports)
    _count_media(playback, reports)
    _name_outcome(playback, reports, ended, shown=shown if by_states else None)
    if not known:
        playback.flags.add("no_timestamps")
    end = max(known) if known else received_ts_ms
    if end is None:
        return playback
    playback.end_ts_ms = end if playback.end_ts_ms is None else playback.end_ts_ms
    needed = playback.watched_ms + playback.paused_ms
    start = playback.start_ts_ms or (min(known) if known else playback.end_ts_ms - needed)
    # The player may have waited before its first request reached this log.
    short = playback.end_ts_ms - start < playback.waited_ms
    playback.start_ts_ms = playback.end_ts_ms - needed if short else start
    return playback


def _time_by_buffer(playback: Playback, reports: Sequence[Report], *, timed: bool) -> None:
    """Startup, playing and stalls from buffer lengths and, where the log has them, times of requests."""
    kind = primary_type(reports)
    own = [report for report in reports if report.keys.get("ot", kind) == kind]
    shown, exact = _media_shown(own)
    if timed:
        first_ts = reports[0].ts_ms or 0
        wall = (reports[-1].ts_ms or 0) - first_ts
        buffered = next((r for r in reports if (r.of_type("bl") or 0) > 0), None)
        joined_late = buffered is reports[0]
        if joined_late:
            playback.flags.add("joined_late")
        elif buffered:
            playback.startup_ms = (buffered.ts_ms or 0) - first_ts
            playback.flags.add("startup_estimated")
        left = max(wall - (playback.startup_ms or 0), 0)
        durations = sum(report.duration_ms for report in own)
        covered = shown if exact else (min(durations, left) if durations else left)
        playback.playing_ms = min(covered, left)
        playback.flags.add("playing_estimated")
    else:
        playback.playing_ms = shown
        if exact or shown:
            playback.flags.add("playing_estimated" if exact else "playing_lower_bound")
        else:
            playback.flags |= _PLAYING_UNKNOWN
    runs = _starvation_runs(reports)
    playback.stall_count = runs
    if runs and timed and exact:
        left = max((reports[-1].ts_ms or 0) - (reports[0].ts_ms or 0) - (playback.startup_ms or 0), 0)
        playback.stall_ms = min(_uncovered_ms(own), max(left - playback.playing_ms, 0))
        playback.flags.add("stall_ms_estimated")
    elif runs:
        playback.flags.add("stall_ms_unknown")


def _media_shown(own: Sequence[Report]) -> tuple[int, bool]:
    """Media shown between the first and last request of a kind, ms; and whether every duration was known.

    Without durations the buffer's falls are a lower bound: what arrived meanwhile is not counted.
    """
    levels = [(report.of_type("bl"), report.duration_ms) for report in own]
    known = [(level, duration) for level, duration in levels if level is not None]
    if len(known) < 2:
        return 0, False
    exact = all(duration for _, duration in known[:-1])
    shown = sum(max(level + duration - after, 0) for (level, duration), (after, _) in pairwise(known))
    return shown, exact


def _uncovered_ms(own: Sequence[Report]) -> int:
    """Wall time of starved intervals that no shown media covers."""
    total = 0
    for before, after in pairwise(own):
        if after.keys.get("bs") is True:
            media, _ = _media_shown((before, after))
            total += max((after.ts_ms or 0) - (before.ts_ms or 0) - media, 0)
    return total


def _starvation_runs(reports: Sequence[Report]) -> int:
    """Runs of reports with ``bs``; audio and video starve together, so the kind with most runs counts."""
    runs: dict[str, int] = {}
    starved: dict[str, bool] = {}
    for report in reports:
        kind = report.keys.get("ot", "")
        now = report.keys.get("bs") is True
        if now and not starved.get(kind):
            runs[kind] = runs.get(kind, 0) + 1
        starved[kind] = now
    return max(runs.values(), default=0)


def _take_declared(playback: Playback, reports: Sequence[Report], *, by_states: bool) -> None:
    """What the player measured itself (``msd``, ``bsd``, ``bsa``, ``bsda``) replaces what was derived."""
    measured = next((r.keys["msd"] for r in reports if "msd" in r.keys), None)
    if measured is not None:
        playback.startup_ms = measured
        playback.flags.discard("startup_estimated")
    derived = playback.stall_ms, playback.seek_stall_ms
    told = declared_stalls(reports)
    playback.impossible = told.impossible
    # A player that measures some of its stalls has had the others all the same.
    if told.stalls and len(told.stalls) >= playback.stall_count:
        playback.stall_count, playback.stall_ms = len(told.stalls), sum(told.stalls)
    if told.seek_stalls and len(told.seek_stalls) >= playback.seek_stall_count:
        playback.seek_stall_count, playback.seek_stall_ms = len(told.seek_stalls), sum(told.seek_stalls)
    count = max((n for r in reports if (n := r.of_type("bsa")) is not None), default=None)
    span_ms = max((n for r in reports if (n := r.of_type("bsda")) is not None), default=None)
    if count is not None:
        playback.stall_count = max(count - playback.seek_stall_count, 0)
        playback.stall_ms = playback.stall_ms if playback.stall_count else 0
    if span_ms is not None and playback.stall_count:
        playback.stall_ms = max(span_ms - playback.seek_stall_ms, 0)
    if told.stalls or told.seek_stalls or span_ms is not None:
        playback.flags -= {"stall_ms_estimated", "stall_ms_unknown"}
    seek_more_ms = playback.seek_stall_ms - derived[1]
    playback.seeking_ms += seek_more_ms
    if by_states and told.from_the_start:
        # The time is what it is: what is no stall was played, and the other way round.
        playback.playing_ms -= playback.stall_ms - derived[0] + seek_more_ms
        if playback.playing_ms < 0:
            playback.impossible = playback.impossible or STALLED_TOO_LONG


def _count_media(playback: Playback, reports: Sequence[Report]) -> None:
    """Bytes, bitrates and switches from the objects requested."""
    kind = primary_type(reports)
    objects = [r for r in reports if r.mode == "request" and r.is_media]
    sized = [(r.of_type("br") or 0, r.duration_ms) for r in objects]
    estimated = sum(rate * duration for rate, duration in sized) // 8
    # What events say was shown is what was played; of requests it is what was asked for.
    if not playback.media_bytes and any(duration for _, duration in sized):
        playback.media_ms = sum(r.duration_ms for r in objects if r.keys.get("ot", kind) == kind)
        playback.media_bytes = estimated
    sent = [r.sent_bytes for r in reports if r.sent_bytes is not None]
    playback.unattributed_bytes = sum(sent) if sent else playback.media_bytes
    if not sent:
        playback.flags.add("bytes_estimated" if playback.media_bytes else unknown_flag("bytes"))
    if not playback.media_bytes:
        playback.flags.add(unknown_flag("media_size"))
    video = [rate for r in reports if (rate := _video_kbps(r, kind))]
    playback.peak_bitrate_kbps = max(video, default=None)
    playback.switch_count = sum(a != b for a, b in pairwise(video))
    if not video:
        playback.flags.add(unknown_flag("switches"))
    if playback.media_ms and playback.media_bytes:
        playback.mean_bitrate_kbps = playback.media_bytes * 8 // playback.media_ms
    elif video:
        playback.mean_bitrate_kbps = sum(video) // len(video)
        playback.flags.add("bitrate_unweighted")


def _video_kbps(report: Report, kind: str) -> int | None:
    own = report.keys.get("ot", kind)
    if report.mode == "event":
        return report.of_type("br", "v") or report.of_type("br", "av")
    return report.of_type("br") if own in ("v", "av") else None


def _name_outcome(
    playback: Playback, reports: Sequence[Report], ended: str | None, *, shown: bool | None
) -> None:
    """``shown`` is whether the states show a first frame, None where there are none to go by."""
    states = {r.keys.get("sta") for r in reports} - {None}
    media = [r for r in reports if r.is_media]
    if _has_started(playback, reports, shown=shown):
        playback.outcome = "playback_failure" if ended == "f" else "played"
        if playback.startup_ms is None:
            playback.flags.add("startup_unknown")
        else:
            playback.waited_ms = playback.startup_ms
    else:
        failed = ended == "f" or (reports[-1].status or 0) >= 400
        playback.outcome = "start_failure" if failed else "exit_before_start"
        first, last = reports[0].ts_ms, reports[-1].ts_ms
        if shown is None:
            playback.waited_ms = last - first if first is not None and last is not None else 0
        playback.startup_ms, playback.playing_ms, playback.stall_ms, playback.stall_count = None, 0, 0, 0
        playback.flags -= _PLAYING_UNKNOWN
        if states and not failed and states <= {"d", "q"}:
            playback.excluded_reason = "loaded ahead and never asked to play"
        elif not failed and not media and not any(r.keys.get("su") or "sta" in r.keys for r in reports):
            playback.excluded_reason = "no request for media was seen"
    if "failure" in playback.outcome:
        playback.failure_class = "technical"
        playback.end_reason = "failed"
    elif playback.outcome == "exit_before_start":
        playback.end_reason = "exit_before_start"
    else:
        playback.end_reason = TERMINAL.get(ended or "", "timeout")
    if ended is None:
        playback.flags.add("never_closed")


def _has_started(playback: Playback, reports: Sequence[Report], *, shown: bool | None) -> bool:
    if shown or any("msd" in r.keys for r in reports):
        return True
    if shown is False and "states_sampled" not in playback.flags:
        # Events tell every change of state: without a first frame among them there was none.
        return False
    return (
        any(r.keys.get("sta") in _STARTED_STATES or r.keys.get("bs") is True for r in reports)
        or any((r.of_type("bl") or 0) > 0 for r in reports)
        or sum(r.is_media for r in reports) > 1
    )
