"""CTA-2066's six aggregates, and what vendors call the same things, each under its own name.

Where vendors disagree, each dialect is computed from the same events instead of choosing silently.
"""

from __future__ import annotations

from fractions import Fraction

import narwhals as nw

from metrics import measures as m
from metrics.metric import Metric
from metrics.parts import Part

__all__ = ["DIALECTS"]

_PERCENT, _SCORE = "{:.3%}", "{:,.1f}"
_MICRO = Fraction(1_000_000)
_CTA, _NEW_RELIC, _BRIGHTCOVE, _MUX, _MEDIA3 = (
    "CTA-2066", "New Relic video dialect", "Brightcove dialect", "Mux dialect", "Media3 PlaybackStats",
)  # fmt: skip

# Scores are millionths of a point, rounded, so that they add up as integers.
_after_8_s = nw.col("startup_ms") + 8_000
_startup_score = Part(
    "mux_startup_score",
    m.TIMED,
    (nw.lit(1_600_000_000_000) + _after_8_s) // (_after_8_s * 2),
    "points",
    _MICRO,
)
_half_stalls = nw.col("stall_count").cast(nw.Float64()) / 2.0
_stalled = (
    nw.when(nw.col("watched_ms") > 0)
    .then(nw.col("stall_ms").cast(nw.Float64()) / nw.col("watched_ms").cast(nw.Float64()))
    .otherwise(nw.lit(0.0))
)
_count_points = nw.lit(1e8) / (nw.lit(1.0) + _half_stalls * _half_stalls).sqrt()
_time_points = (_stalled * -10.0).exp() * 1e8
_smoothness_score = Part(
    "mux_smoothness_score",
    m.STARTED.telling("stalls", "stall_ms", "watched"),
    ((_count_points + _time_points) / 2.0).round(0).cast(nw.Int64()),
    "points",
    _MICRO,
)

DIALECTS = (
    Metric(
        "cta_playback_failure_ratio", "Playback failure (CTA-2066)",
        "Sessions with any failure, before or after the first frame, of all sessions.",
        "ratio", _PERCENT, "end", m.any_failures, m.attempts, better="lower", source=_CTA,
    ),
    Metric(
        "cta_average_startup_ms", "Average initial startup (CTA-2066)",
        "Mean startup of sessions that have one.",
        "ms", "{:,.0f} ms", "end", m.startup_ms, m.starts_timed, better="lower", source=_CTA,
    ),
    Metric(
        "cta_average_stall_count", "Average stalled count (CTA-2066)",
        "Stalls over all sessions; startup and seeking are no stalls.",
        "stalls/session", "{:,.4f}", "end", m.stalls_all, m.attempts, better="lower", source=_CTA,
    ),
    Metric(
        "cta_stalled_time_ratio", "Average stalled time (CTA-2066)",
        "Sum of stalled time over sum of watched time, which includes startup, stalls and seeking and "
        "excludes pause.",
        "ratio", _PERCENT, "end", m.stall_ms, m.watched_ms, better="lower", source=_CTA,
    ),
    Metric(
        "cta_average_bitrate_kbps", "Average playback bitrate (CTA-2066)",
        "Sum of bits played over sum of media time.",
        "kbit/s", "{:,.0f} kbit/s", "end", m.media_bits, m.media_ms, source=_CTA,
    ),
    Metric(
        "cta_average_watched_ms", "Average watched time (CTA-2066)",
        "Sum of watched time over all sessions.",
        "ms", "{:,.0f} ms", "end", m.watched_ms, m.attempts, source=_CTA,
    ),
    Metric(
        "new_relic_rebuffer_ratio", "Rebuffer ratio (New Relic)", "Stalled time over time playing.",
        "ratio", _PERCENT, "end", m.stall_ms, m.playing_ms, better="lower", source=_NEW_RELIC,
    ),
    Metric(
        "brightcove_stall_seconds_per_hour", "Stall seconds per hour (Brightcove)",
        "Seconds stalled over hours played.",
        "s/h", "{:,.2f} s/h", "end", m.stall_seconds, m.playing_hours, better="lower", source=_BRIGHTCOVE,
    ),
    Metric(
        "brightcove_stalls_per_hour", "Stalls per hour (Brightcove)", "Stalls over hours played.",
        "stalls/h", "{:,.4f}", "end", m.stalls_all, m.playing_hours, better="lower", source=_BRIGHTCOVE,
    ),
    Metric(
        "mux_startup_score", "Startup score (Mux)",
        "Mean of 8 / (8 + startup in seconds) · 100 over sessions that started.",
        "points", _SCORE, "end", _startup_score, m.starts_timed, source=_MUX,
    ),
    Metric(
        "mux_smoothness_score", "Smoothness score (Mux)",
        "Mean over sessions of the mean of 100 / √(1 + (stalls / 2)²) and 100 · e^(−10 · stalled / watched).",
        "points", _SCORE, "end", _smoothness_score, m.starts, source=_MUX,
    ),
    Metric(
        "media3_rebuffer_ratio", "Rebuffer time ratio (Media3)",
        "Stalled time over time playing or waiting; buffering while paused is excluded.",
        "ratio", _PERCENT, "end", m.stall_ms, m.watched_ms, better="lower", source=_MEDIA3,
    ),
)  # fmt: skip
