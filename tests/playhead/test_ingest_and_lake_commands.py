"""``playhead ingest``, ``cmcd`` and ``lake`` as a user calls them: exit status, one line, JSON."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metrics.telemetry import CONTRACT_VERSION
from playhead.cli import main

URL = "https://cdn.example/v.m4s?CMCD=bl%3D100%2Cbr%3D3000%2Cd%3D4000%2Cot%3Dv%2Csid%3D%22s%22\n"


class Shell:
    """Runs commands in this process: exit status, standard output and standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *args: object, stdin: bytes = b"") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, out, err

    def json(self, *args: object, stdin: bytes = b"") -> Any:
        status, out, _ = self(*args, "--json", stdin=stdin)
        assert status == 0
        return json.loads(out)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


def test_ingest_cmcd_from_standard_input_then_again(shell: Shell, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first = shell.json("ingest", "cmcd", "-", "--lake", lake, stdin=URL.encode() * 2)
    assert (first["lines"], first["records"], first["sessions"], first["quarantined"]) == (2, 2, 1, 0)
    again = shell.json("ingest", "cmcd", "-", "--lake", lake, stdin=URL.encode() * 2)
    assert (again["sessions"], again["already"]) == (0, ["standard input"])
    info = shell.json("lake", "info", "--lake", lake)
    assert {table["table"]: table["rows"] for table in info["tables"]} == {
        "playback_session": 1,
        "playback_event": 0,
    }


def test_a_slip_in_one_name_takes_nothing_in(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text(URL)
    status, out, err = shell(
        "ingest", "cmcd", tmp_path / "good.log", tmp_path / "slip.log", "--lake", tmp_path / "lake"
    )
    assert (status, out) == (2, "")
    assert err == f"playhead: {tmp_path / 'slip.log'}: no such file; check the path\n"
    assert not (tmp_path / "lake").exists()


def test_nothing_usable_leaves_nothing_behind(shell: Shell, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (tmp_path / "a.log").write_text("total garbage here\n\n")
    (tmp_path / "b.log").write_text("")
    (tmp_path / "good.log").write_text(URL)
    status, out, err = shell("ingest", "cmcd", tmp_path / "a.log", "--lake", lake)
    assert (status, out) == (2, "")
    assert err == (
        f"playhead: {tmp_path / 'a.log'}: no usable CMCD record in 2 lines (1 x not a CMCD record, 1 x blank); "
        "nothing was written\n"
    )
    status, _, err = shell("ingest", "cmcd", tmp_path / "a.log", tmp_path / "b.log", "--lake", lake)
    assert (status, err.count("\n"), "2 files: no usable CMCD record" in err) == (2, 1, True)
    assert not lake.exists()
    # Beside a good one, and beside one that is in, its lines are kept and told.
    for _ in range(2):
        status, _, err = shell("ingest", "cmcd", tmp_path / "a.log", tmp_path / "good.log", "--lake", lake)
        assert status == 0
    assert err.count("in the lake already") == 2
    ledger = shell.json("ledger", "--lake", lake)
    assert (ledger["sessions_in"], ledger["counted"], ledger["residual"]) == (1, 1, 0)
    assert ledger["lines_quarantined"] == {"not a CMCD record": 1}
    assert "             1  lines quarantined\n" in shell("ledger", "--lake", lake)[1]
    (tmp_path / "c.log").write_text("more garbage\n")
    assert shell("ingest", "cmcd", tmp_path / "c.log", "--lake", lake)[0] == 2
    assert shell.json("ledger", "--lake", lake) == ledger
    assert shell("ingest", "cmcd", tmp_path / "c.log", tmp_path / "good.log", "--lake", lake)[0] == 0
    assert shell.json("ledger", "--lake", lake)["lines_quarantined"] == {"not a CMCD record": 2}


def test_what_was_received_when(shell: Shell, tmp_path: Path) -> None:
    from metrics.lake import Lake

    command = ("ingest", "cmcd", "-", "--lake", tmp_path / "lake", "--received-at")
    assert shell(*command, "2026-04-01T12:00:00Z", stdin=URL.encode())[0] == 0
    ends = Lake.open(tmp_path / "lake").scan("playback_session").collect()["end_ts_ms"]
    assert ends.to_list() == [1_775_044_800_000]
    status, _, err = shell(*command, "noon", stdin=URL.encode())
    assert status == 2
    assert "not a time: 'noon'; write 2026-04-01T12:00:00Z" in err


def test_a_dry_run_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("id,t,ttff\na,2026-04-01,0.5\nb,never,1\n")
    (tmp_path / "map.toml").write_text(
        "[columns]\nsession_id = 'id'\nstart_ts_ms = {column='t', unit='iso'}\n"
        "startup_ms = {column='ttff', unit='s'}\n"
    )
    command = (
        "ingest",
        "sessions",
        tmp_path / "own.csv",
        "--map",
        tmp_path / "map.toml",
        "--lake",
        tmp_path / "lake",
    )
    counts = shell.json(*command, "--dry-run")
    assert (counts["rows"], counts["sessions"], counts["quarantined"]) == (2, 1, 1)
    assert counts["accepted"]["startup_ms"] == 500
    assert set(counts["examples"]) == {"end_ts_ms: missing; start_ts_ms: not Int64"}
    assert '"start_ts_ms":"never"' in counts["examples"]["end_ts_ms: missing; start_ts_ms: not Int64"]
    said = shell(*command, "--dry-run")[1]
    assert "end_ts_ms: missing; start_ts_ms: not Int64, as in {" in said
    assert "as it would be stored:\n    session_id=a, start_ts_ms=1775001600000, " in said
    assert not (tmp_path / "lake").exists()
    assert shell.json(*command)["sessions"] == 1


def test_cmcd_decode_shows_version_1_as_version_2(shell: Shell) -> None:
    line = b'br=3000,nor="..%2Fseg.m4v",nrr="0-99",ot=v\nbr=(5;v),v=2'
    _, out, _ = shell("cmcd", "decode", "--to-v2", stdin=line)
    first, second = (json.loads(row)["accepted"] for row in out.splitlines())
    assert first == {"br": [3000], "nor": [{"value": "../seg.m4v", "params": {"r": "0-99"}}], "ot": "v"}
    assert second == {"br": [{"value": 5, "params": {"v": True}}], "v": 2}


def test_cmcd_decode_refuses_a_line_without_end_and_goes_on(shell: Shell) -> None:
    status, out, _ = shell("cmcd", "decode", stdin=b"su,\x00" + b"x" * 1_000_000 + b"\n\x00\xff,su\nsu")
    first, second, third = map(json.loads, out.splitlines())
    assert (status, first["ok"], first["accepted"]) == (0, False, {})
    assert [issue["message"] for issue in first["issues"]] == ["longer than 262144 bytes"]
    assert (second["ok"], second["accepted"]) == (False, {"su": True})
    assert third["accepted"] == {"su": True}


def test_cmcd_decode_writes_an_object_a_line(shell: Shell) -> None:
    status, out, _ = shell("cmcd", "decode", stdin=b'br=3000,zzz=1\r\n\xff\nsid="\xc3\xa9",su\nv=3\n')
    assert status == 0
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["ok"] for answer in answers] == [True, False, False, True]
    assert [answer["accepted"] for answer in answers] == [{"br": 3000}, {}, {"su": True}, {}]
    assert answers[0]["issues"] == [
        {"key": "zzz", "severity": "warning", "message": "unknown to version 1; ignored (6.3)"}
    ]
    assert answers[3]["raw"] == {"v": 3}


def test_lake_upkeep(shell: Shell, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    for n in range(3):
        line = URL.replace("%22s%22", f"%22s{n}%22")
        shell("ingest", "cmcd", "-", "--lake", lake, "--received-at", "2026-04-01", stdin=line.encode())
    assert shell.json("lake", "compact", "--lake", lake)["playback_session"] == {
        "files_before": 3,
        "files_after": 1,
    }
    assert shell.json("lake", "vacuum", "--lake", lake) == {"files_deleted": 0}
    assert shell.json("lake", "vacuum", "--lake", lake, "--retention-hours", 0) == {"files_deleted": 3}
    erased = shell.json("lake", "forget", "nobody", "--lake", lake)
    rows = {"playback_event": 0, "playback_session": 0}
    assert erased == {"rows_erased": rows, "files_deleted": 0, "artefacts_deleted": []}
    assert shell("lake", "forget", "nobody", "--lake", lake)[1].endswith("0 files deleted\n")


def test_retention_and_migration(shell: Shell, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    shell("ingest", "cmcd", "-", "--lake", lake, "--received-at", "2026-04-01", stdin=URL.encode())
    command = ("lake", "retain", "--lake", lake, "--today")
    kept = shell.json(*command, "2026-04-02")
    assert kept == {"rows_removed": {"playback_session": 0, "playback_event": 0}, "files_deleted": 0}
    assert "playback_session: 1 rows older than 730 days removed" in shell(*command, "2029-04-02")[1]
    assert shell(*command, "soon")[2] == "playhead: --today: not a date: 'soon'; write 2026-04-01\n"
    assert shell("lake", "retain", "--lake", lake, "--policy", tmp_path / "no.toml")[0] == 2
    assert shell("lake", "migrate", "--lake", lake)[1] == f"{lake}: has contract version {CONTRACT_VERSION}\n"
    meta = lake / "_playhead.json"
    meta.write_text(
        meta.read_text().replace(f'"contract_version": {CONTRACT_VERSION}', '"contract_version": 1')
    )
    status, out, err = shell("metrics", "--lake", lake)
    assert (status, out) == (2, "")
    assert err.endswith(
        f"contract version 1, this Playhead {CONTRACT_VERSION}; run `playhead lake migrate --lake {lake}`\n"
    )
    assert (
        shell("lake", "migrate", "--lake", lake)[1] == f"{lake}: contract version 1 -> {CONTRACT_VERSION}\n"
    )
    assert shell("lake", "info", "--lake", lake)[0] == 0


@pytest.mark.parametrize("verb", ["info", "compact", "vacuum"])
def test_no_lake_is_one_line(shell: Shell, tmp_path: Path, verb: str) -> None:
    status, out, err = shell("lake", verb, "--lake", tmp_path / "nowhere")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "no lake here; make one with" in err


def test_a_table_of_sessions_in_one_line_then_again(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,from,s\na,2026-04-01T12:00:00Z,60\nb,noon,60\n")
    (tmp_path / "m.toml").write_text(
        '[columns]\nsession_id = "id"\nstart_ts_ms = {column = "from", unit = "iso"}\n'
        'playing_ms = {column = "s", unit = "s"}\n'
    )
    command = (
        "ingest",
        "sessions",
        tmp_path / "s.csv",
        "--map",
        tmp_path / "m.toml",
        "--lake",
        tmp_path / "l",
    )
    status, out, _ = shell(*command)
    assert status == 0
    assert out.splitlines()[0] == "s.csv: 2 rows, 1 sessions, 1 quarantined"
    assert out.splitlines()[1].startswith("  reasons: 1 x end_ts_ms: missing; start_ts_ms: not Int64")
    assert shell(*command) == (0, "", "s.csv: in the lake already, nothing added\n")
    assert shell.json(*command)["already"] is True


MAP = '[columns]\nsession_id = "id"\nstart_ts_ms = {column = "from", unit = "iso"}\n'


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("id,from\n", "no usable row in 0; nothing was written"),
        ("id,from\na,\nb,\n", "no usable row in 2 (2 x start_ts_ms: missing; end_ts_ms: missing)"),
        ("id,from\na,noon\n", "no usable row in 1 (1 x end_ts_ms: missing; start_ts_ms: not Int64)"),
        ("id,from\na,2099-04-01\n", "no usable row in 1 (1 x in the future)"),
        ("id,since\na,2026-04-01\n", "no column 'from' (for start_ts_ms)"),
        ("id;from\na;2026-04-01\n", "separated by semicolons"),
    ],
)
def test_a_table_of_nothing_usable_leaves_no_lake(shell: Shell, tmp_path: Path, rows: str, says: str) -> None:
    (tmp_path / "s.csv").write_text(rows)
    (tmp_path / "m.toml").write_text(MAP)
    command = (
        "ingest",
        "sessions",
        tmp_path / "s.csv",
        "--map",
        tmp_path / "m.toml",
        "--lake",
        tmp_path / "l",
    )
    status, out, err = shell(*command)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert not (tmp_path / "l").exists()


def test_a_server_that_does_not_answer_leaves_no_lake(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        "start = 2026-04-01T00:00:00Z\nend = 2026-04-02T00:00:00Z\n[counts]\nstarts = 'sum(s)'\n"
    )
    command = ("ingest", "prometheus", "nowhere", "--config", tmp_path / "p.toml", "--lake", tmp_path / "l")
    status, out, err = shell(*command)
    assert (status, out) == (2, "")
    assert "nowhere: not an http(s) address" in err
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_a_damaged_lake_is_one_line(shell: Shell, tmp_path: Path, damage: str) -> None:
    (tmp_path / "s.csv").write_text("id,from\na,2020-04-01T12:00:00Z\n")
    (tmp_path / "m.toml").write_text(MAP)
    shell("ingest", "sessions", tmp_path / "s.csv", "--map", tmp_path / "m.toml", "--lake", tmp_path / "l")
    (file,) = tmp_path.glob("l/tables/playback_session/**/*.parquet")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    for command in (("metrics", "-m", "attempts"), ("ledger",)):
        status, out, err = shell(*command, "--lake", tmp_path / "l")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.endswith("restore the file, or write a new lake\n")


def test_sessions_of_the_future_are_pointed_out(shell: Shell, tmp_path: Path) -> None:
    """Of a log, whose clock may be what it was received by; of a table they are quarantined."""
    (tmp_path / "s.csv").write_text("id,from\na,2099-04-01T12:00:00Z\nb,2020-04-01T12:00:00Z\n")
    (tmp_path / "m.toml").write_text(MAP)
    table = ("ingest", "sessions", tmp_path / "s.csv", "--map", tmp_path / "m.toml", "--lake", tmp_path / "l")
    status, out, err = shell(*table)
    assert (status, err) == (0, "")
    assert "  reasons: 1 x in the future\n" in out
    assert "  not mapped: outcome, playing, " in out
    log = ("ingest", "cmcd", "-", "--lake", tmp_path / "l", "--received-at", "2099-04-01T12:00:00Z")
    assert (
        "1 sessions of the lake end in the future, up to 2099-04-01; check the clock"
        in shell(*log, stdin=URL.encode())[2]
    )


def test_quality_is_judged_on_demand_and_after_an_ingest(shell: Shell, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    command = ("ingest", "cmcd", "-", "--lake", lake, "--received-at", "2026-04-01", "--check")
    assert shell(*command, stdin=URL.encode())[2].endswith("expectations hold, 0 alarms\n")
    told = shell.json("quality", "--lake", lake)
    assert (told["success"], told["failed"]) == (True, 0)
    assert {table["table"] for table in told["tables"]} == {"playback_session"}
    assert Path(told["docs"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    said = shell("quality", "--lake", lake)[1]
    assert "expectations hold on 1 rows\n" in said
    assert said.endswith(f"site: {lake / 'artefacts' / 'quality' / 'index.html'}\n")
    (lake / "completeness.toml").write_text("[volume]\n")
    shell(*command[:-1], stdin=URL.replace("%22s%22", "%22other%22").encode())
    assert shell("quality", "--lake", lake)[0] == 2


def test_the_ledger_names_what_sessions_do_not_tell(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,from,b\na,2020-04-01T12:00:00Z,7\n")
    (tmp_path / "m.toml").write_text(MAP + 'unattributed_bytes = "b"\n')
    shell("ingest", "sessions", tmp_path / "s.csv", "--map", tmp_path / "m.toml", "--lake", tmp_path / "l")
    status, out, _ = shell("ledger", "--lake", tmp_path / "l")
    assert status == 0
    assert "left out of metrics that need what their source does not tell" in out
    unknown = shell.json("ledger", "--lake", tmp_path / "l")["unknown"]
    assert (unknown["playing"], "bytes" in unknown) == (1, False)
    asked = ("metrics", "--lake", tmp_path / "l", "-m", "watch_hours", "--grain", "1d")
    status, out, err = shell(*asked, "--from", "2030-01-01")
    assert (status, out) == (2, "")
    assert err.startswith(
        "playhead: --from, --to: the period lies outside the lake; its sessions started from 2020-"
    )


def test_the_columns_that_can_be_mapped(shell: Shell) -> None:
    status, out, err = shell("ingest", "sessions", "--columns")
    assert (status, err) == (0, "")
    assert "\nplaying_ms  " in out
    assert "connected_tv, " in out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("demo", "--port", 99_999), "'--port': 99999 is not in the range 1<=x<=65535."),
        (("demo", "--days", 0), "'--days': 0 is not in the range 1<=x<=3660."),
        (("synthesize", "--subscribers", 63), "'--subscribers': 63 is not in the range x>=64."),
    ],
)
def test_what_no_world_allows_is_said_before_it_is_built(
    shell: Shell, tmp_path: Path, command: tuple[object, ...], said: str
) -> None:
    lake = tmp_path / "lake"
    assert shell(*command, "--lake", lake) == (2, "", f"playhead: Invalid value for {said}\n")
    assert not lake.exists()
