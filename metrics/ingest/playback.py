"""What is known of one playback, whoever told it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Playback"]


@dataclass
class Playback:
    """One playback in the units of the table ``playback_session``.

    ``resuming_ms`` is time between an instruction to go on after a pause and the next frame: watched, and neither
    startup nor stall. ``impossible`` says why no player can have lived this, for quarantine.
    """

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
    resuming_ms: int = 0
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
    impossible: str | None = None

    @property
    def watched_ms(self) -> int:
        """Startup, playing, stalls, seeking and resuming; pause excluded (CTA-2066)."""
        return self.waited_ms + self.playing_ms + self.stall_ms + self.seeking_ms + self.resuming_ms
