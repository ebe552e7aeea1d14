"""Minute counts of a CMCD log: each thing in the minute it happened, the same however the log is taken in."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from metrics.telemetry import TABLES
from tests.alerts.frames import minute_counts

T0 = 1_775_001_600_000
MINUTE_MS = 60_000


def line(sid: str, at_s: float, state: str) -> str:
    return f'e=ps,sid="{sid}",sta={state},ts={T0 + round(at_s * 1000)},v=2'


SESSIONS: list[list[tuple[str, float, str]]] = [
    # Starts late in minute 1, stalls from minute 3 into minute 4, ends in minute 6.
    [("a", 58, "s"), ("a", 61, "p"), ("a", 230, "r"), ("a", 245, "p"), ("a", 370, "e")],
    # Leaves after three seconds.
    [("b", 10, "s"), ("b", 13, "q")],
    # A seek's own rebuffering is no stall.
    [("c", 0, "s"), ("c", 1, "p"), ("c", 60, "k"), ("c", 61, "r"), ("c", 63, "p"), ("c", 130, "e")],
    # Fails while it plays.
    [("d", 0, "s"), ("d", 1, "p"), ("d", 200, "f")],
]


def counts(lake: Lake) -> pl.DataFrame:
    rows = lake.scan("minute_count").collect()
    assert TABLES["minute_count"].validate(rows.drop("day")).quarantined.height == 0
    return (
        rows.with_columns(minute=(pl.col("ts_ms") - T0) // MINUTE_MS)
        .group_by("minute")
        .agg(pl.col(pl.Int64).exclude("ts_ms").sum())
        .sort("minute")
    )


def lines(sessions: list[list[tuple[str, float, str]]]) -> list[str]:
    told = sorted((at, sid, state) for session in sessions for sid, at, state in session)
    return [line(sid, at, state) for at, sid, state in told]


def ingest(lake: Lake, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    ingest_cmcd(lake, open_source(str(path)), received_ts_ms=T0 + 86_400_000)


def at(rows: pl.DataFrame, column: str) -> dict[int, int]:
    return {minute: n for minute, n in rows.select("minute", column).iter_rows() if n}


def test_each_thing_counts_in_the_minute_it_happened(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    ingest(lake, tmp_path / "log.txt", "\n".join(lines(SESSIONS)) + "\n")
    rows = counts(lake)
    assert at(rows, "attempts") == {0: 3, 1: 1}
    assert at(rows, "starts") == {0: 2, 1: 1}
    assert at(rows, "starts_late") == {1: 1}
    assert at(rows, "exits_before_start") == at(rows, "exits_late") == {0: 1}
    assert at(rows, "playback_failures") == {3: 1}
    assert at(rows, "first_stalls") == {3: 1}
    assert at(rows, "stalled_viewer_minutes") == {3: 1, 4: 1}
    assert at(rows, "watched_viewer_minutes") == {0: 2, 1: 3, 2: 3, 3: 2, 4: 1, 5: 1, 6: 1}
    assert rows["attempts_weight_squared"].sum() == rows["attempts_n"].sum() == 4
    assert rows["start_failures"].sum() == rows["home_pages"].sum() == 0


def test_a_log_taken_in_in_pieces_counts_the_same(tmp_path: Path) -> None:
    whole, parts = Lake.create(tmp_path / "whole"), Lake.create(tmp_path / "parts")
    told = lines(SESSIONS)
    ingest(whole, tmp_path / "log.txt", "\n".join(told) + "\n")
    for end in (3, 7, len(told)):
        ingest(parts, tmp_path / "growing.txt", "\n".join(told[:end]) + "\n")
    assert counts(parts).equals(counts(whole))
    ingest(parts, tmp_path / "growing.txt", "\n".join(told) + "\n")
    assert counts(parts).equals(counts(whole))


def test_two_logs_of_one_day_add_up(tmp_path: Path) -> None:
    lake, both = Lake.create(tmp_path / "lake"), Lake.create(tmp_path / "both")
    for name, sessions in (("one", SESSIONS[:2]), ("two", SESSIONS[2:])):
        ingest(lake, tmp_path / name, "\n".join(lines(sessions)) + "\n")
    ingest(both, tmp_path / "all", "\n".join(lines(SESSIONS)) + "\n")
    assert counts(lake).equals(counts(both))


def test_a_first_stall_that_only_requests_tell(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    text = "".join(
        f"203.0.113.77 - - [01/Apr/2026:00:{second // 60:02d}:{second % 60:02d} +0000] "
        f'"GET /v.m4s?CMCD=bl%3D{buffer}%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22r%22{starved} HTTP/1.1" 200 1000 "-" "-"\n'
        for second, buffer, starved in (
            (0, 0, ""),
            (1, 4000, ""),
            (5, 4000, ""),
            (130, 0, "%2Cbs"),
            (135, 4000, ""),
        )
    )
    ingest(lake, tmp_path / "access.log", text)
    rows = counts(lake)
    assert at(rows, "first_stalls") == {2: 1}
    assert at(rows, "starts") == {0: 1}


def test_a_log_without_times_has_no_minutes(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    ingest(lake, tmp_path / "log.txt", 'bl=4000,d=4000,ot=v,sid="n"\nbl=3000,d=4000,ot=v,sid="n"\n')
    assert lake.scan("playback_session").collect().height == 1
    assert lake.scan("minute_count").collect().height == 0


def test_counts_of_a_server_are_believed_before_a_log(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    told = minute_counts([0], starts=5, attempts=5, attempts_n=5, attempts_weight_squared=5)
    lake.append(
        "minute_count", told.with_columns(is_synthetic=pl.lit(value=False)), application="ours", version=0
    )
    ingest(lake, tmp_path / "log.txt", "\n".join(lines(SESSIONS)) + "\n")
    assert counts(lake)["starts"].to_list() == [5]


def test_an_emulated_service_in_the_same_lake_is_left_alone(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    told = minute_counts([0], starts=5, attempts=5, attempts_n=5, attempts_weight_squared=5)
    lake.append("minute_count", told, application="emulated", version=0)
    ingest(lake, tmp_path / "log.txt", "\n".join(lines(SESSIONS)) + "\n")
    rows = lake.scan("minute_count").collect()
    assert rows.filter("is_synthetic")["starts"].sum() == 5
    assert rows.filter(~pl.col("is_synthetic"))["starts"].sum() == 3
