"""Hand-worked traces, from the lines of a log to the six aggregates of CTA-2066 and what vendors make of them."""

from __future__ import annotations

import json
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest

from metrics.ingest.cmcd import ingest_cmcd
from metrics.ingest.source import open_source
from metrics.lake import Lake
from metrics.ledger import ledger
from metrics.query import measure_frames
from tests.metrics.rows import frames

TRACES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "fixtures" / "golden" / "traces.toml").read_text(encoding="utf-8")
)["trace"]
START_MS = 1_775_044_800_000  # 2026-04-01T12:00:00Z
CTA = (
    "cta_playback_failure_ratio", "cta_average_startup_ms", "cta_average_stall_count", "cta_stalled_time_ratio",
    "cta_average_bitrate_kbps", "cta_average_watched_ms",
)  # fmt: skip
VENDORS = (
    "new_relic_rebuffer_ratio", "brightcove_stall_seconds_per_hour", "brightcove_stalls_per_hour",
    "mux_startup_score", "mux_smoothness_score", "media3_rebuffer_ratio",
)  # fmt: skip
# As the file gives them.
DECIMALS = 6
_EVENTS = {"t": "t", "bc": "bc", "error": "e"}


def _line(trace: int, step: str) -> str:
    """One step of a trace as a line of a log."""
    session, _, rest = step.rpartition(":")
    instants, what, *keys = rest.split(" ", 2)
    client, is_received, receipt = instants.partition("@")
    identity = f'cid="{trace}",sid="{trace}-{session}"'
    if what == "request":
        moment, cmcd = START_MS + int(receipt), f"{identity},{keys[0]}"
        return json.dumps({"timestamp": moment, "url": f"/v.m4s?CMCD={quote(cmcd, safe='')}", "status": 200})
    told = f"e={_EVENTS[what]}" if what in _EVENTS else f"e=ps,sta={what}"
    more = "".join(f",{key}" for key in keys)
    body = f"{told},{identity}{more},ts={START_MS + int(client)},v=2"
    return json.dumps({"timestamp": START_MS + int(receipt), "cmcd": body}) if is_received else body


def _ingest(folder: Path, traces: dict[int, str]) -> Lake:
    """All traces in one lake; a run takes in what is between two ``---``."""
    lake = Lake.create(folder / "lake")
    runs = {number: events.split(" | --- | ") for number, events in traces.items()}
    for run in range(max(len(parts) for parts in runs.values())):
        path = folder / f"{run}.log"
        steps = [
            (number, step)
            for number, parts in runs.items()
            for step in parts[run : run + 1]
            for step in step.split(" | ")
        ]
        path.write_text("".join(_line(number, step) + "\n" for number, step in steps))
        done = ingest_cmcd(lake, open_source(str(path)))
        assert (done.quarantined, done.records) == (0, len(steps)), done.reasons
    return lake


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Lake]:
    """Traces of one run, and of two."""
    events = {number: trace["events"] for number, trace in enumerate(TRACES)}
    two = {number: text for number, text in events.items() if "---" in text}
    one = {number: text for number, text in events.items() if number not in two}
    return _ingest(tmp_path_factory.mktemp("one"), one), _ingest(tmp_path_factory.mktemp("two"), two)


def _sessions(lakes: tuple[Lake, Lake], number: int) -> pl.DataFrame:
    lake = lakes["---" in TRACES[number]["events"]]
    sessions = lake.scan("playback_session").filter(pl.col("content_id") == str(number))
    return sessions.collect().sort("start_ts_ms", "session_id")


def _told(row: dict[str, Any]) -> str:
    startup = "-" if row["startup_ms"] is None else row["startup_ms"]
    missing = f", missing {row['gap_count']}" if row["gap_count"] else ""
    return (
        f"{row['outcome']} {row['end_reason']}: startup {startup}, playing {row['playing_ms']}, stalls "
        f"{row['stall_count']} of {row['stall_ms']}, seeking {row['seeking_ms']}, paused {row['paused_ms']}, watched "
        f"{row['watched_ms']}, media {row['media_ms']} of {row['media_bytes'] * 8} bits{missing}"
    )


def _number(text: str) -> float | None:
    return None if text == "-" else float(Fraction(text))


@pytest.mark.parametrize("number", range(len(TRACES)), ids=[trace["about"] for trace in TRACES])
def test_a_trace(lakes: tuple[Lake, Lake], number: int) -> None:
    trace = TRACES[number]
    rows = _sessions(lakes, number)
    counted = rows.filter(pl.col("excluded_reason").is_null())
    assert rows["excluded_reason"].drop_nulls().to_list() == (
        [trace["excluded"]] if "excluded" in trace else []
    )
    expected = [told.partition("; ") for told in trace["sessions"]]
    # Sessions of a set may begin together.
    assert sorted(_told(row) for row in counted.iter_rows(named=True)) == sorted(
        told for told, _, _ in expected
    )
    flags = set(",".join(counted["flags"]).split(","))
    assert {flag for _, _, named in expected for flag in named.split()} <= flags
    assert ("never_closed" in flags) == any("never_closed" in named for _, _, named in expected)
    measured = measure_frames(frames(playback_session=rows), [*CTA, *VENDORS])
    value = dict(measured.select("metric", "value").iter_rows())
    exact = dict(measured.select("metric", "numerator", "denominator").rows_by_key("metric", unique=True))
    for name, told in zip((*CTA, *VENDORS), (*trace["cta"], *trace["vendors"]), strict=True):
        wanted = _number(told)
        if wanted is None or "." in told:
            assert value[name] == (wanted if wanted is None else pytest.approx(wanted, abs=10**-DECIMALS)), (
                name
            )
        else:
            assert value[name] == pytest.approx(wanted, rel=1e-15), name
            numerator, denominator = (int(part) for part in exact[name])
            assert Fraction(numerator, denominator) == Fraction(told), name


def test_what_cannot_have_been_is_in_quarantine_and_nothing_is_lost(lakes: tuple[Lake, Lake]) -> None:
    impossible = [number for number, trace in enumerate(TRACES) if "quarantined" in trace]
    assert len(impossible) > 1
    kept = lakes[0].scan("quarantine").collect()
    for number in impossible:
        rows = kept.filter(pl.col("row").str.contains(f'"content_id":"{number}"', literal=True))
        assert rows["reason"].to_list() == [TRACES[number]["quarantined"]]
    for lake in lakes:
        found = ledger(lake)
        assert found.residual == 0
        assert found.sessions_in == sum(
            len(trace["sessions"]) + ("quarantined" in trace) + ("excluded" in trace)
            for trace in TRACES
            if ("---" in trace["events"]) == (lake is lakes[1])
        )


def test_there_are_enough_of_them() -> None:
    assert len(TRACES) >= 50
    assert len({trace["events"] for trace in TRACES}) == len(TRACES)
