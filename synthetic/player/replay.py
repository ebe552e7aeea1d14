"""Trace replay: one video over recorded networks, request by request, by a rule of adaptation.

The model is that of Sabre, the simulator published with the rules: fetch one segment after another, start
playing when the first is there, wait where the buffer has no room for one more, look at a running download and
perhaps give it up for a lower rung. It is reproduced to the last digit, which includes two habits that its
papers do not describe; ``as_published`` turns both off:

- A download given up names the rung to fetch instead. The simulator asks the rule again; as published, that
  rung is fetched, without a wait.
- The simulator's startup time leaves out the first byte's latency (play time includes it); as published, it is
  in both.

The last digit also hangs on the C library's ``log`` and ``pow``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metrics.errors import InputError, did_you_mean
from synthetic.arrays import Floats
from synthetic.jit import compiled
from synthetic.player.download import download, download_watched
from synthetic.player.manifest import Manifest
from synthetic.player.path import enter, pass_time
from synthetic.player.rules import KBPS, RULES, after_download, after_wait, decide, ladder_table
from synthetic.player.session import (
    BITRATE_CHANGE_KBPS,
    BITRATE_SUM_KBPS,
    BUFFER_MS,
    DOWNLOAD_MS,
    FALLBACK,
    FIRST_BYTE_MS,
    GAMMA_P,
    HALF,
    NETWORK_MS,
    NEXT,
    NONE,
    OSCILLATION_FREE,
    PLAY_MS,
    REBUFFER_MS,
    REBUFFERS,
    SEGMENT_MS,
    SETTINGS,
    WHOLE_VIDEO,
    buffer_ms,
    new_averages,
    new_state,
    observe,
    play_out,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ABR", "replay"]

ABR = tuple(RULES)
_MOST_GIVEN_UP = 1_000_000
_OUTPUTS = {
    "rebuffer_ms": REBUFFER_MS,
    "rebuffer_events": REBUFFERS,
    "total_play_ms": PLAY_MS,
    "played_bitrate_sum": BITRATE_SUM_KBPS,
    "bitrate_change_sum": BITRATE_CHANGE_KBPS,
    "network_total_ms": NETWORK_MS,
}


def replay(
    manifest: Manifest,
    traces: Mapping[str, Floats],
    abr: str,
    *,
    abandon: bool = True,
    buffer_s: float = 25.0,
    gamma_p: float = 5.0,
    half_lives_s: Sequence[float] = (3.0, 8.0),
    oscillation_free: bool = False,
    as_published: bool = False,
) -> pl.DataFrame:
    """Play the whole video once over each trace; a row a trace, in full precision.

    ``abr`` is one of :data:`ABR`. ``abandon`` lets downloads be given up. ``gamma_p`` is BOLA's weight of
    avoiding stalls, in the unit of its utility; ``oscillation_free`` takes BOLA-O where it would be BOLA-U.
    Columns: ``trace, startup_ms, rebuffer_ms, rebuffer_events, total_play_ms, played_bitrate_sum`` and
    ``bitrate_change_sum`` (kbit/s, over segments), ``network_total_ms``. ``total_play_ms`` is startup, playing
    and stalls.

    Raises :class:`InputError` for an unknown rule, settings out of range, a buffer that cannot hold a segment,
    a ladder of one rung where the rule needs two, or a trace that would take forever.
    """
    import polars as pl

    settings = _settings(manifest, abr, buffer_s, gamma_p, half_lives_s, oscillation_free)
    ladder = ladder_table(manifest.bitrates_kbps, settings[BUFFER_MS])
    unseen = new_averages(half_lives_s, len(manifest.sizes_bits), manifest.segment_ms)
    sizes, rule = manifest.sizes_bits, RULES[abr][0]
    rungs, options = np.zeros(len(sizes)), np.zeros((2, len(manifest.bitrates_kbps)))
    rows = []
    for name, trace in traces.items():
        averages = unseen.copy()
        state = new_state()
        try:
            startup_ms = _play(
                state, settings, ladder, averages, rungs, options, sizes, trace, rule, abandon, as_published
            )
        except OverflowError:
            mend = (
                "the network is too slow for this video, or the rule keeps giving up: try without abandoning"
            )
            raise InputError("the session does not come to an end", where=name, mend=mend) from None
        rows.append({"trace": name, "startup_ms": startup_ms} | {k: state[i] for k, i in _OUTPUTS.items()})
    types = {"trace": pl.String, "startup_ms": pl.Float64} | dict.fromkeys(_OUTPUTS, pl.Float64)
    return pl.DataFrame(rows, schema=types).with_columns(pl.col("rebuffer_events").cast(pl.Int64))


def _settings(
    manifest: Manifest,
    abr: str,
    buffer_s: float,
    gamma_p: float,
    half_lives_s: Sequence[float],
    oscillation_free: bool,
) -> Floats:
    if abr not in RULES:
        raise InputError(f"no rule {abr!r}", where="abr", mend=did_you_mean(abr, RULES))
    rungs = len(manifest.bitrates_kbps)
    if abr in ("bolae", "dynamicdash") and rungs < 2:
        raise InputError(
            f"{abr} over a single bitrate", where="abr", mend="give two bitrates, or take another rule"
        )
    if not 0 < gamma_p < np.inf:
        raise InputError(f"gamma p of {gamma_p:g}", where="gamma_p", mend="give a number over 0")
    if not half_lives_s or not all(0 < s < np.inf for s in half_lives_s):
        raise InputError("half-lives that are not over 0", where="half_lives_s", mend="give seconds over 0")
    size_ms = buffer_s * 1000
    if not manifest.segment_ms <= size_ms < np.inf:
        what = f"a buffer of {buffer_s:g} s for segments of {manifest.segment_ms / 1000:g} s"
        raise InputError(what, where="buffer", mend="give a buffer that holds a segment")
    settings = np.zeros(SETTINGS, np.float64)
    settings[SEGMENT_MS] = manifest.segment_ms
    settings[BUFFER_MS] = size_ms
    settings[GAMMA_P] = gamma_p
    settings[WHOLE_VIDEO] = RULES[abr][1]
    settings[OSCILLATION_FREE] = oscillation_free
    settings[HALF] = 0.5
    return settings


@compiled(counted=False)
def _play(
    state: Floats,
    settings: Floats,
    ladder: Floats,
    averages: Floats,
    rungs: Floats,
    options: Floats,
    sizes: Floats,
    trace: Floats,
    rule: int,
    abandon: bool,
    as_published: bool,
) -> float:
    """Play the video into ``state``; the startup time in ms. ``rungs`` and ``options`` are overwritten.

    Raises ``OverflowError`` where the session has no end in sight: a rule asked again may begin the same
    download for ever.
    """
    segments = sizes.shape[0]
    segment_ms = settings[SEGMENT_MS]
    kbps = ladder[KBPS]

    given_up = 0

    enter(state, trace, 0)
    download(state, trace, sizes[0, 0])
    startup_ms = state[DOWNLOAD_MS] - (0.0 if as_published else state[FIRST_BYTE_MS])
    state[NEXT] = 1
    observe(state, averages, settings[HALF])
    state[PLAY_MS] += state[DOWNLOAD_MS]

    while state[NEXT] < segments:
        too_full_ms = buffer_ms(state, settings) + segment_ms - settings[BUFFER_MS]
        if too_full_ms > 0:
            play_out(state, too_full_ms, rungs, kbps, segment_ms)
            pass_time(state, trace, too_full_ms)
            after_wait(rule, state, too_full_ms)

        if as_published and state[FALLBACK] != NONE:
            rung, wait_ms = int(state[FALLBACK]), 0.0
        else:
            rung, wait_ms = decide(rule, state, settings, ladder, segments)
        if wait_ms > 0:
            play_out(state, wait_ms, rungs, kbps, segment_ms)
            pass_time(state, trace, wait_ms)

        size_bits = sizes[int(state[NEXT]), rung]
        if abandon:
            download_watched(rule, state, settings, ladder, options, trace, size_bits, rung)
        else:
            download(state, trace, size_bits)
        play_out(state, state[DOWNLOAD_MS], rungs, kbps, segment_ms)
        if state[FALLBACK] == NONE:
            rungs[int(state[NEXT])] = rung
            state[NEXT] += 1
        after_download(rule, state, settings, ladder, rung)
        if state[FALLBACK] == NONE:
            observe(state, averages, settings[HALF])
        else:
            given_up += 1
            if given_up > _MOST_GIVEN_UP:
                raise OverflowError

    play_out(state, buffer_ms(state, settings), rungs, kbps, segment_ms)
    return float(startup_ms)
