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
(no state e, f or q: it ends with its last report), ``states_sampled``, ``no_sid``; and what nothing in the log
tells (:mod:`metrics.unknown`), of which metrics make no figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from metrics.ingest.report import Report, missing_reports, primary_type, starvation_spans_ms
from metrics.unknown import unknown_flag

__all__ = ["Playback", "fold", "split_at_silence"]

_STARTED_STATES = frozenset(("p", "k", "r", "a", "e"))
_PLAYING_UNKNOWN = {unknown_flag("playing"), unknown_flag("watched")}
_TERMINAL = {"e": "completed", "f": "failed", "q": "stopped"}


@dataclass
class Playback:
    """What is known of one playback, in the units of the table ``playback_session``."""

    start_ts_ms: int | None = None
    end_ts_ms: int | None = None
    outcome: str = "played"
    end_reason: str = "timeout"
    failure_class: str | None = None
    excluded_reason: str | None = None
    waited_ms: int = 0
    startup_ms: int | None = None
    playing_ms: int = 0
    paused_ms: int = 0
    seeking_ms: int = 0
    stall_count: int = 0
    stall_ms: int = 0
    seek_stall_count: int = 0
    seek_stall_ms: int = 0
    media_ms: int = 0
    media_bytes: int = 0
    unattributed_bytes: int = 0
    switch_count: int = 0
    mean_bitrate_kbps: int | None = None
    peak_bitrate_kbps: int | None = None
    gap_count: int = 0
    flags: set[str] = field(default_factory=set)

    @property
    def watched_ms(self) -> int:
        """Startup, playing, stalls and seeking; pause excluded (CTA-2066)."""
        return self.waited_ms + self.playing_ms + self.stall_ms + self.seeking_ms


def split_at_silence(reports: Sequence[Report], timeout_ms: int) -> Iterator[list[Report]]:
    """A session id's reports, in order, parted where none came for longer than ``timeout_ms``."""
    timed = any(report.ts_ms is not None for report in reports)
    ordered = sorted(reports, key=lambda r: (r.ts_ms or 0, r.order)) if timed else list(reports)
    part: list[Report] = []
    for report in ordered:
        last = part[-1].ts_ms if part else None
        if last is not None and report.ts_ms is not None and report.ts_ms - last > timeout_ms:
            yield part
            part = []
        part.append(report)
    if part:
        yield part


def fold(reports: Sequence[Report], *, received_ts_ms: int | None) -> Playback:
    """One session's reports, in order, as a playback.

    ``received_ts_ms`` stands in for the end of a session whose log has no timestamps; where it is None, such
    a session has neither start nor end.
    """
    known = [report.ts_ms for report in reports if report.ts_ms is not None]
    playback = Playback()
    ended = next((r.keys["sta"] for r in reports if r.keys.get("sta") in _TERMINAL), None)
    if any("sta" in r.keys for r in reports) and len(known) == len(reports):
        _time_by_states(playback, reports)
    else:
        _time_by_buffer(playback, reports, timed=len(known) == len(reports))
    _take_declared(playback, reports)
    playback.gap_count = missing_reports(reports)
    _count_media(playback, reports)
    _name_outcome(playback, reports, ended)
    if known:
        playback.start_ts_ms = min(known)
        playback.end_ts_ms = max(known)
        # The player may have waited before its first request reached this log.
        needed = playback.watched_ms + playback.paused_ms
        if playback.end_ts_ms - playback.start_ts_ms < playback.waited_ms:
            playback.start_ts_ms = playback.end_ts_ms - needed
    else:
        playback.flags.add("no_timestamps")
    if not known and received_ts_ms is not None:
        playback.end_ts_ms = received_ts_ms
        playback.start_ts_ms = received_ts_ms - playback.watched_ms - playback.paused_ms
    return playback


def _time_by_states(playback: Playback, reports: Sequence[Report]) -> None:
    """Attribute the time between reports to the state the player was in."""
    if not any(report.mode == "event" for report in reports):
        playback.flags.add("states_sampled")
    state, since, started, seeking = "", 0, False, False
    begun: int | None = None
    last_bitrate: int | None = None
    for report in reports:
        now = report.ts_ms or 0
        if state:
            _attribute(playback, state, now - since, started=started, seeking=seeking)
            if state == "p" and last_bitrate:
                playback.media_ms += now - since
                playback.media_bytes += (now - since) * last_bitrate // 8
        last_bitrate = _rendered_kbps(report) or last_bitrate
        after = report.keys.get("sta", state)
        since = now
        if after == state:
            continue
        if after == "s" and begun is None:
            begun = now
        if after == "p":
            if not started and begun is not None:
                playback.startup_ms = now - begun
            started, seeking = True, False
        elif after == "k":
            started, seeking = True, True
        elif after == "r" and started:
            playback.stall_count += not seeking
            playback.seek_stall_count += seeking
        elif after == "r":
            started = True  # rebuffering is not reported during startup
            playback.stall_count += 1
        state = after
        if state in _TERMINAL:
            break


def _attribute(playback: Playback, state: str, span_ms: int, *, started: bool, seeking: bool) -> None:
    if state == "p":
        playback.playing_ms += span_ms
    elif state == "k":
        playback.seeking_ms += span_ms
    elif state == "r" and seeking:
        playback.seeking_ms += span_ms
        playback.seek_stall_ms += span_ms
    elif state == "r":
        playback.stall_ms += span_ms
    elif state == "a" and started:
        playback.paused_ms += span_ms


def _rendered_kbps(report: Report) -> int | None:
    """Bitrate of what an event report says is shown, video and audio together."""
    if report.mode != "event":
        return None
    name = "pb" if "pb" in report.keys else "br"
    rates = [rate for kind in ("v", "a") if (rate := report.of_type(name, kind))]
    return sum(rates) if rates else report.of_type(name)


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


def _take_declared(playback: Playback, reports: Sequence[Report]) -> None:
    """What the player measured itself (``msd``, ``bsd``, ``bsa``, ``bsda``) replaces what was derived."""
    measured = next((r.keys["msd"] for r in reports if "msd" in r.keys), None)
    if measured is not None:
        playback.startup_ms = measured
        playback.flags.discard("startup_estimated")
    stalls: list[int] = []
    seek_stalls: list[int] = []
    seeking = False
    for report in reports:
        state = report.keys.get("sta")
        seeking = seeking or state == "k"
        # Reported once rebuffering is over, so with the state p that ends the seek which caused it.
        (seek_stalls if seeking else stalls).extend(starvation_spans_ms(report))
        seeking = seeking and state != "p"
    if stalls or seek_stalls:
        playback.seeking_ms += max(sum(seek_stalls) - playback.seek_stall_ms, 0)
        playback.stall_count, playback.stall_ms = len(stalls), sum(stalls)
        playback.seek_stall_count, playback.seek_stall_ms = len(seek_stalls), sum(seek_stalls)
    count = max((n for r in reports if (n := r.of_type("bsa")) is not None), default=None)
    span_ms = max((n for r in reports if (n := r.of_type("bsda")) is not None), default=None)
    if count is not None:
        playback.stall_count = max(count - playback.seek_stall_count, 0)
        playback.stall_ms = playback.stall_ms if playback.stall_count else 0
    if span_ms is not None and playback.stall_count:
        playback.stall_ms = max(span_ms - playback.seek_stall_ms, 0)
    if stalls or seek_stalls or span_ms is not None:
        playback.flags -= {"stall_ms_estimated", "stall_ms_unknown"}


def _count_media(playback: Playback, reports: Sequence[Report]) -> None:
    """Bytes, bitrates and switches from the objects requested."""
    kind = primary_type(reports)
    objects = [r for r in reports if r.mode == "request" and r.is_media]
    sized = [(r.of_type("br") or 0, r.duration_ms) for r in objects]
    estimated = sum(rate * duration for rate, duration in sized) // 8
    if objects and any(duration for _, duration in sized):
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


def _name_outcome(playback: Playback, reports: Sequence[Report], ended: str | None) -> None:
    states = {r.keys.get("sta") for r in reports}
    media = [r for r in reports if r.is_media]
    started = (
        bool(states & _STARTED_STATES)
        or any("msd" in r.keys or r.keys.get("bs") is True or (r.of_type("bl") or 0) > 0 for r in reports)
        or len(media) > 1
    )
    if started:
        playback.outcome = "playback_failure" if ended == "f" else "played"
        playback.waited_ms = playback.startup_ms or 0
        if playback.startup_ms is None:
            playback.flags.add("startup_unknown")
    else:
        failed = ended == "f" or (reports[-1].status or 0) >= 400
        playback.outcome = "start_failure" if failed else "exit_before_start"
        first, last = reports[0].ts_ms, reports[-1].ts_ms
        playback.waited_ms = last - first if first is not None and last is not None else 0
        playback.startup_ms, playback.playing_ms, playback.stall_ms, playback.stall_count = None, 0, 0, 0
        playback.flags -= _PLAYING_UNKNOWN
        if not failed and not media and not any(r.keys.get("su") or "sta" in r.keys for r in reports):
            playback.excluded_reason = "no request for media was seen"
    if "failure" in playback.outcome:
        playback.failure_class = "technical"
        playback.end_reason = "failed"
    elif playback.outcome == "exit_before_start":
        playback.end_reason = "exit_before_start"
    else:
        playback.end_reason = _TERMINAL.get(ended or "", "timeout")
    if ended is None:
        playback.flags.add("never_closed")
