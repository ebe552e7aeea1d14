"""Sessions from reports: what is declared, what is derived, what is only flagged."""

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.ingest.cmcd_decode import decode, up_convert
from metrics.ingest.report import Report
from metrics.ingest.sessionise import Playback, fold
from metrics.ingest.timeline import clock_skew_ms, in_order, on_one_clock, split, without_doubles

T0 = 1_775_044_800_000


def _reports(*lines: tuple[int | None, str], **more: Any) -> list[Report]:
    """Reports from (ms after T0 or None, raw CMCD)."""
    made = []
    for order, (after_ms, text) in enumerate(lines):
        mode = "event" if "e=" in text.split(",")[0] or ",e=" in text else "request"
        keys = decode(text, mode=mode).accepted  # type: ignore[arg-type]
        ts_ms = None if after_ms is None else T0 + after_ms
        made.append(Report(order, ts_ms, up_convert(keys), mode, **more))  # type: ignore[arg-type]
    return made


def _fold(*lines: tuple[int | None, str], **more: Any) -> Playback:
    return fold(_reports(*lines, **more), received_ts_ms=T0 + 10**9)


def _state(after_ms: int, state: str, more: str = "") -> tuple[int, str]:
    return after_ms, f"e=ps,sta={state}{more},ts={T0 + after_ms},v=2"


def test_states_tell_everything() -> None:
    playback = _fold(
        _state(0, "s"),
        _state(900, "p", ",br=(3000;v 128;a)"),
        _state(10_900, "r"),
        _state(12_900, "p"),
        _state(20_900, "a"),
        _state(50_900, "p"),
        _state(60_900, "e"),
    )
    assert (playback.startup_ms, playback.playing_ms, playback.paused_ms) == (900, 28_000, 30_000)
    assert (playback.stall_count, playback.stall_ms) == (1, 2_000)
    assert playback.watched_ms == 900 + 28_000 + 2_000
    assert (playback.outcome, playback.end_reason) == ("played", "completed")
    assert (playback.start_ts_ms, playback.end_ts_ms) == (T0, T0 + 60_900)
    assert playback.mean_bitrate_kbps == 3128
    assert "never_closed" not in playback.flags


def test_a_pause_is_not_watched_but_a_stall_is() -> None:
    # CTA-2066's example: 60 s played, 10 s stalled, 30 s paused, watched for 70 s.
    playback = _fold(
        _state(0, "s"), _state(0, "p"), _state(30_000, "r"), _state(40_000, "p"), _state(50_000, "a"),
        _state(80_000, "p"), _state(100_000, "e"),
    )  # fmt: skip
    assert playback.watched_ms == 70_000
    assert playback.paused_ms == 30_000


def test_rebuffering_of_a_seek_is_not_a_stall() -> None:
    playback = _fold(
        _state(0, "s"), _state(500, "p"), _state(10_000, "k"), _state(10_200, "r"), _state(13_200, "p"),
        _state(20_000, "q"),
    )  # fmt: skip
    assert (playback.stall_count, playback.stall_ms) == (0, 0)
    assert (playback.seek_stall_count, playback.seek_stall_ms) == (1, 3_000)
    assert playback.seeking_ms == 200 + 3_000
    assert playback.end_reason == "stopped"


def test_declared_durations_replace_derived_ones() -> None:
    playback = _fold(
        _state(0, "s"),
        _state(700, "p", ",msd=812"),
        _state(5_000, "r"),
        _state(7_000, "p", ",bs,bsd=(1500)"),
        _state(9_000, "k"),
        _state(9_500, "r"),
        _state(10_500, "p", ",bsd=(900)"),
        _state(20_000, "e"),
    )
    assert playback.startup_ms == 812
    assert (playback.stall_count, playback.stall_ms) == (1, 1_500)
    assert (playback.seek_stall_count, playback.seek_stall_ms) == (1, 900)


def test_absolute_counts_win_and_types_are_not_added() -> None:
    playback = _fold(
        (0, "sta=s,su,v=2"),
        (2_000, "bsa=(1;v),bsda=(400;v),sta=p,v=2"),
        (9_000, "bsa=(3;v 1;a),bsda=(4150;v 300;a),sta=p,v=2"),
    )
    assert (playback.stall_count, playback.stall_ms) == (3, 4_150)
    assert "states_sampled" in playback.flags


def test_a_fatal_error_before_and_after_the_start() -> None:
    before = _fold(_state(0, "s"), _state(3_000, "f"))
    assert (before.outcome, before.failure_class, before.end_reason) == (
        "start_failure",
        "technical",
        "failed",
    )
    assert (before.startup_ms, before.waited_ms) == (None, 3_000)
    after = _fold(_state(0, "s"), _state(1_000, "p"), _state(3_000, "f"))
    assert (after.outcome, after.startup_ms, after.playing_ms) == ("playback_failure", 1_000, 2_000)


def test_leaving_before_the_first_frame() -> None:
    playback = _fold((0, "ot=m,su"), (400, "ot=i,su"), (2_600, "ot=v,br=800,d=4000,su"))
    assert (playback.outcome, playback.end_reason) == ("exit_before_start", "exit_before_start")
    assert (playback.startup_ms, playback.waited_ms, playback.playing_ms) == (None, 2_600, 0)
    assert playback.excluded_reason is None


def test_a_last_request_refused_is_a_start_failure() -> None:
    assert _fold((0, "ot=m,su"), status=503).outcome == "start_failure"


def test_a_lone_id_proves_nothing_and_is_excluded() -> None:
    playback = _fold((0, 'sid="a"'))
    assert playback.excluded_reason == "no request for media was seen"


def test_requests_with_times_and_buffers() -> None:
    # Segments of 4 s; the buffer runs dry before the last request, 9 s after the one before.
    playback = _fold(
        (0, "ot=m,su"),
        (100, "bl=0,br=1000,d=4000,ot=v,su"),
        (1_100, "bl=4000,br=1000,d=4000,ot=v,su"),
        (3_100, "bl=6000,br=2000,d=4000,ot=v"),
        (15_100, "bl=0,br=1000,bs,d=4000,ot=v,su"),
    )
    assert playback.startup_ms == 1_100
    # 0 in the first interval, 2 s in the second, 10 s in the last, whose other 2 s no media covers.
    assert playback.playing_ms == 12_000
    assert (playback.stall_count, playback.stall_ms) == (1, 2_000)
    assert {"startup_estimated", "playing_estimated", "stall_ms_estimated", "never_closed"} <= playback.flags
    assert (playback.media_ms, playback.media_bytes) == (16_000, 5_000 * 4_000 // 8)
    assert (playback.mean_bitrate_kbps, playback.peak_bitrate_kbps, playback.switch_count) == (1250, 2000, 2)


def test_requests_without_times_use_the_media_clock() -> None:
    playback = _fold(
        (None, "bl=0,br=1000,d=4000,ot=v,su"),
        (None, "bl=4000,br=1000,d=4000,ot=v"),
        (None, "bl=5000,br=1000,d=4000,ot=v"),
    )
    assert playback.playing_ms == 0 + 4_000 - 4_000 + 4_000 + 4_000 - 5_000
    assert playback.end_ts_ms == T0 + 10**9
    assert playback.start_ts_ms == playback.end_ts_ms - playback.watched_ms
    assert playback.startup_ms is None
    assert {"no_timestamps", "startup_unknown", "playing_estimated", "never_closed"} <= playback.flags


def test_buffers_without_durations_give_a_lower_bound() -> None:
    playback = _fold((None, "bl=9000,ot=v,br=1"), (None, "bl=7000,ot=v,br=1"), (None, "bl=8000,ot=v,br=1"))
    assert playback.playing_ms == 2_000
    assert "playing_lower_bound" in playback.flags
    assert "bitrate_unweighted" in playback.flags


def test_starvation_is_counted_in_runs_and_audio_does_not_double_it() -> None:
    playback = _fold(
        (None, "ot=v,bs,br=1"), (None, "ot=a,bs,br=1"), (None, "ot=v,bs,br=1"), (None, "ot=v,br=1"),
        (None, "ot=v,bs,br=1"),
    )  # fmt: skip
    assert playback.stall_count == 2
    assert playback.stall_ms == 0
    assert "stall_ms_unknown" in playback.flags


def test_a_log_of_neither_times_nor_buffers_does_not_tell_what_was_played() -> None:
    playback = _fold((None, "ot=v,br=1,d=4000"), (None, "ot=v,br=1,d=4000"))
    assert playback.outcome == "played"
    assert {"playing_unknown", "watched_unknown"} <= playback.flags
    assert "playing_lower_bound" not in playback.flags
    never = _fold((None, "ot=v,br=1,su"))
    assert (never.outcome, never.playing_ms) == ("exit_before_start", 0)
    assert not {"playing_unknown", "watched_unknown"} & never.flags


def test_a_log_without_bitrates_tells_neither_bytes_nor_switches() -> None:
    playback = _fold((0, "bl=0,d=2000,ot=v"), (2_000, "bl=2000,d=2000,ot=v"))
    unknown = {"bytes_unknown", "media_size_unknown", "switches_unknown"}
    assert unknown <= playback.flags
    told = _fold((0, "bl=0,br=1,d=2000,ot=v"), (2_000, "bl=2000,br=1,d=2000,ot=v"))
    assert not unknown & told.flags


def test_a_log_that_starts_midway_has_no_startup() -> None:
    playback = _fold((0, "bl=9000,br=1,d=2000,ot=v"), (2_000, "bl=9000,br=1,d=2000,ot=v"))
    assert playback.startup_ms is None
    assert {"joined_late", "startup_unknown"} <= playback.flags


def test_missing_sequence_numbers_by_mode() -> None:
    playback = _fold((0, "sn=4,sta=p,v=2"), (1, "sn=7,sta=p,v=2"), (2, "e=t,sn=0,ts=1,v=2"))
    assert playback.gap_count == 2


def test_bytes_are_the_log_s_where_it_has_them() -> None:
    playback = _fold((0, "br=800,d=1000,ot=v,bl=0"), (900, "br=800,d=1000,ot=v,bl=900"), sent_bytes=123)
    assert playback.unattributed_bytes == 246
    assert "bytes_estimated" not in playback.flags


def test_silence_parts_sessions() -> None:
    reports = _reports((0, "su"), (1_000, "su"), (100_000, "su"))
    assert [len(part) for part in split(in_order(reports), 60_000)] == [2, 1]
    assert [len(part) for part in split(in_order(reports), 99_000)] == [3]
    untimed = _reports((None, "su"), (None, "su"))
    assert [len(part) for part in split(in_order(untimed), 1)] == [2]


def test_order_is_by_time_where_there_is_one() -> None:
    reports = _reports((2_000, "sta=p,v=2"), (0, "sta=s,v=2"), (1_000, "sta=p,v=2"))
    (part,) = split(in_order(reports), 60_000)
    assert [report.order for report in part] == [1, 2, 0]


_STEPS = st.lists(st.tuples(st.integers(0, 90_000), st.sampled_from("prkas")), max_size=14)


@settings(max_examples=150, deadline=None)
@given(_STEPS, st.sampled_from(["e", "f", "q", ""]), st.integers(0, 90_000), st.randoms())
def test_every_instant_is_one_thing_whatever_order_lines_come_in(
    steps: list[tuple[int, str]], end: str, last_ms: int, chance: random.Random
) -> None:
    lines, now = ["s"], 0
    texts = [(0, f"e=ps,sn=0,sta=s,ts={T0},v=2")]
    for after_ms, state in [*steps, *([(last_ms, end)] if end else [])]:
        now += after_ms
        texts.append((now, f"e=ps,sn={len(lines)},sta={state},ts={T0 + now},v=2"))
        lines.append(state)
    reports = _reports(*texts)
    (part,) = split(in_order(reports), 10**9)
    playback = fold(part, received_ts_ms=None)
    assert playback.start_ts_ms == T0
    assert playback.end_ts_ms == T0 + now
    assert playback.watched_ms + playback.paused_ms == now
    assert playback.impossible is None
    assert playback.gap_count == 0
    if "p" not in lines and end != "e":
        assert playback.outcome == ("start_failure" if end == "f" else "exit_before_start")
        assert playback.waited_ms == playback.watched_ms
    # Stalls are those runs of r that neither startup nor a seek owns.
    shown = seeking = False
    stalls, before = 0, ""
    for state in lines:
        shown = shown or state in ("p", "e")
        seeking = state != "p" and (seeking or (shown and state == "k"))
        stalls += state == "r" != before and shown and not seeking
        before = state
    assert playback.stall_count == stalls
    # Lines that come twice, and in any order, tell the same.
    again = [replace(r, order=n) for n, r in enumerate(chance.sample(reports * 2, len(reports) * 2))]
    (other,) = split(without_doubles(in_order(again)), 10**9)
    assert fold(other, received_ts_ms=None) == playback


def test_a_clock_that_is_off_moves_instants_and_no_duration() -> None:
    def reports(client_ms: int) -> list[Report]:
        found = _reports(_state(0, "s"), _state(900, "p"), _state(5_900, "r"), _state(7_900, "q"))
        return [
            replace(
                r,
                ts_ms=(r.ts_ms or 0) + client_ms,
                client_ts_ms=(r.ts_ms or 0) + client_ms,
                receipt_ts_ms=r.ts_ms,
            )
            for r in found
        ]

    right = fold(reports(0), received_ts_ms=None)
    for client_ms in (-86_400_000, -61_000, 61_000, 3_600_000):
        moved, by_ms = on_one_clock(reports(client_ms))
        assert (by_ms, clock_skew_ms(moved)) == (client_ms, client_ms)
        assert fold(moved, received_ts_ms=None) == right
    near, by_ms = on_one_clock(reports(59_000))
    assert by_ms is None
    assert near[0].ts_ms == T0 + 59_000
