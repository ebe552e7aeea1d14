"""CMCD logs to the lake: every line accounted for, every session once, nobody to be traced."""

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.contract import Table
from metrics.errors import InputError
from metrics.ingest.cmcd import Ingested, ingest_cmcd
from metrics.ingest.source import MAX_LINE_BYTES, open_source
from metrics.lake import Lake
from metrics.privacy import hash_id
from metrics.query import measure

RECEIVED_MS = 1_775_044_800_000  # 2026-04-01T12:00:00Z
AGENT = "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0)"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def _ingest(lake: Lake, path: Path, content: str | bytes) -> Ingested:
    if isinstance(content, str):
        content = content.encode() + (b"" if content.endswith("\n") or not content else b"\n")
    path.write_bytes(content)
    done = ingest_cmcd(lake, open_source(str(path)), received_ts_ms=RECEIVED_MS)
    assert done.lines == done.records + done.quarantined + sum(done.ignored.values())
    assert lake.scan("quarantine").collect().height >= done.quarantined
    return done


def _session(lake: Lake) -> dict[str, object]:
    return lake.scan("playback_session").collect().row(0, named=True)


def _combined(second: int, cmcd: str, *, address: str = "203.0.113.77", size: int = 1000) -> str:
    url = f"/v/{second}.m4s?CMCD={quote(cmcd, safe='')}"
    when = f"01/Apr/2026:12:{second // 60:02d}:{second % 60:02d} +0000"
    return f'{address} - bob [{when}] "GET {url} HTTP/1.1" 200 {size} "-" "{AGENT}"'


def test_a_player_s_header_dump(lake: Lake, tmp_path: Path) -> None:
    session = """CMCD-Session: 'cid="c-1",sf=h,sid="s-1",st=v'"""
    dump = "\n".join(
        [
            "Adaptive Video Streaming Service",
            "Player Version 8.100.0",
            f"{{CMCD-Request: 'su', CMCD-Object: 'ot=m', {session}}}",
            f"{{CMCD-Request: 'bl=0,dl=0,mtp=13.06,su', CMCD-Object: 'ot=v,br=900', {session}}}",
            f"{{CMCD-Request: 'bl=3993.8321995464853,su', CMCD-Object: 'ot=v,br=1800', {session}}}",
        ]
    )
    done = _ingest(lake, tmp_path / "dump.log", dump)
    assert (done.lines, done.records, done.sessions, done.quarantined) == (5, 3, 1, 0)
    assert done.ignored == {"banner": 2}
    assert done.noted["bl: not a structured field"] == 1
    row = _session(lake)
    assert row["session_id"] == hash_id("s-1", lake.key)
    assert (row["content_id"], row["player_version"]) == ("c-1", "8.100.0")
    assert (row["outcome"], row["startup_ms"], row["end_ts_ms"]) == ("played", None, RECEIVED_MS)
    assert (row["switch_count"], row["peak_bitrate_kbps"]) == (1, 1800)
    flags = str(row["flags"]).split(",")
    assert {"no_timestamps", "startup_unknown", "never_closed", "bitrate_unweighted"} <= set(flags)
    # Without times there is nothing to say when.
    assert lake.scan("playback_event").collect().height == 0


def test_a_combined_access_log(lake: Lake, tmp_path: Path) -> None:
    common = 'cid="c",ot=v,sid="s"'
    lines = [
        _combined(0, 'cid="c",ot=m,sid="s",su'),
        _combined(1, f"bl=0,br=1000,d=4000,{common},su"),
        _combined(3, f"bl=3000,br=1000,d=4000,{common},su"),
        _combined(6, f"bl=4000,br=2000,d=4000,{common}"),
        '203.0.113.77 - - [01/Apr/2026:12:00:07 +0000] "GET /favicon.ico HTTP/1.1" 404 9',
    ]
    done = _ingest(lake, tmp_path / "access.log", "\n".join(lines) + "\n")
    assert (done.records, done.sessions, dict(done.ignored)) == (4, 1, {"without CMCD": 1})
    row = _session(lake)
    assert (row["start_ts_ms"], row["end_ts_ms"]) == (RECEIVED_MS, RECEIVED_MS + 6000)
    assert (row["startup_ms"], row["playing_ms"], row["unattributed_bytes"]) == (3000, 3000, 4000)
    assert (row["device"], row["os"]) == ("smart_tv", "tizen")
    assert row["viewer_id"] == hash_id(f"203.0.113.77|{AGENT}", lake.key)
    events = lake.scan("playback_event").sort("sequence").collect()
    assert events["event"].to_list() == ["request"] * 4
    assert events["buffer_ms"].to_list() == [None, 0, 3000, 4000]


def test_cloudfront_and_json_logs_make_the_same_session(tmp_path: Path) -> None:
    rows = []
    for name in ("cloudfront", "json"):
        lines = []
        for second, cmcd in ((0, 'ot=m,sid="s",su'), (2, 'bl=100,br=9,d=2000,ot=v,sid="s"')):
            query = f"CMCD={quote(quote(cmcd, safe=''), safe='')}"
            if name == "json":
                when = f"2026-04-01T12:00:0{second}Z"
                url = f"/v.m4s?CMCD={quote(cmcd, safe='')}"
                entry = {
                    "timestamp": when,
                    "url": url,
                    "client_ip": "203.0.113.7",
                    "status": 200,
                    "bytes": 50,
                }
                lines.append(json.dumps(entry))
            else:
                cells = [
                    "2026-04-01",
                    f"12:00:0{second}",
                    "FRA2",
                    "50",
                    "203.0.113.7",
                    "GET",
                    "h",
                    "/v.m4s",
                    "200",
                ]
                lines.append("\t".join([*cells, "-", "-", query, "-"]))
        header = ["#Version: 1.0"] if name == "cloudfront" else []
        lake = Lake.create(tmp_path / name)
        done = _ingest(lake, tmp_path / f"{name}.log", "\n".join(header + lines))
        assert (done.records, done.sessions, done.quarantined) == (2, 1, 0)
        rows.append(
            {k: v for k, v in _session(lake).items() if k not in ("session_id", "viewer_id", "replicate")}
        )
    assert rows[0] == rows[1]
    assert rows[0]["startup_ms"] == 2000


def test_forms_are_told_line_by_line_and_event_bodies_too(lake: Lake, tmp_path: Path) -> None:
    lines = [
        "",
        "# a comment",
        f'e=ps,sid="s",sta=s,ts={RECEIVED_MS},v=2',
        f'{{"e":"ps","sid":"s","sta":"p","ts":{RECEIVED_MS + 700},"v":2}}',
        f'e=ps,sid="s",sta=e,ts={RECEIVED_MS + 9_700},v=2',
    ]
    done = _ingest(lake, tmp_path / "beacons", "\r\n".join(lines))
    assert (done.records, done.sessions, dict(done.ignored)) == (3, 1, {"blank": 1, "comment": 1})
    row = _session(lake)
    assert (row["startup_ms"], row["playing_ms"], row["end_reason"], row["flags"]) == (
        700,
        9_000,
        "completed",
        "bytes_unknown,media_size_unknown,switches_unknown",
    )
    names = ["watch_hours", "rebuffer_rate", "gigabytes_per_hour", "mean_bitrate_kbps", "switches_per_hour"]
    assert measure(lake, names)["value"].to_list() == [9 / 3600, 0, None, None, None]
    events = lake.scan("playback_event").sort("sequence").collect()
    assert events["event"].to_list() == ["play", "started", "end"]


BAD_DATE = _combined(5, 'sid="bad",br=1,d=1,ot=v').replace("01/Apr/2026", "99/Foo/2026")


def test_a_line_whose_time_cannot_be_read_is_never_dated_otherwise(lake: Lake, tmp_path: Path) -> None:
    lines = [
        _combined(0, 'sid="s",br=1,d=1,ot=v'),
        BAD_DATE,
        '{"timestamp": "soon", "url": "/v?CMCD=sid%3D%22j%22"}',
        '{"sid": "f", "br": 1, "timestamp": "soon"}',
        'e=ps,sid="e",sta=p,ts=12,v=2',
        "\t".join(
            ["then", "soon", "FRA2", "50", "203.0.113.7", "GET", "h", "/v", "200", "-", "-", "CMCD=su"]
        ),
    ]
    done = _ingest(lake, tmp_path / "log", "\n".join(lines))
    assert (done.records, done.sessions, done.sessions_quarantined) == (1, 1, 0)
    assert done.reasons == {
        "time not readable: [day/month/year:time zone]": 1,
        "time not readable: timestamp": 2,
        "time not readable: ts": 1,
        "time not readable: date and time": 1,
    }
    assert _session(lake)["end_ts_ms"] == RECEIVED_MS


def test_when_the_file_changed_dates_no_session_among_dated_ones(tmp_path: Path) -> None:
    undated = '{"sid": "u", "br": 1, "ot": "v"}'
    (tmp_path / "mixed.log").write_text(undated + "\n" + _combined(0, 'sid="s",br=1,d=1,ot=v'))
    (tmp_path / "undated.log").write_text(undated)
    mixed, told, alone = (Lake.create(tmp_path / name) for name in ("mixed", "told", "alone"))
    source = open_source(str(tmp_path / "mixed.log"))
    done = ingest_cmcd(mixed, source)
    assert (done.records, done.sessions, done.sessions_quarantined) == (2, 1, 1)
    assert ["start_ts_ms: missing" in reason for reason in done.reasons] == [True]
    # What the user says of it is no guess.
    assert ingest_cmcd(told, source, received_ts_ms=RECEIVED_MS).sessions == 2
    undated_source = open_source(str(tmp_path / "undated.log"))
    assert ingest_cmcd(alone, undated_source).sessions == 1
    assert _session(alone)["end_ts_ms"] == undated_source.modified_ts_ms


CUT_OFF = "203.0.113.50 - carol [10/Jun/2026:18:06:00"
DUMP = "{CMCD-Session: 'sid=\"s-1\"', CMCD-Object: 'ot=v'}"


def test_only_a_player_s_words_above_its_dump_are_a_banner(lake: Lake, tmp_path: Path) -> None:
    whole = _combined(0, 'sid="s",br=1,d=1,ot=v')
    for name, lines, ignored, quarantined in (
        ("dump", ["A Player", "Player Version 8", DUMP], {"banner": 2}, 0),
        ("garbage after", ["A Player", DUMP, "total garbage here"], {"banner": 1}, 1),
        ("cut off above", [CUT_OFF, DUMP + " "], {}, 1),
        ("access log", ["total garbage here", whole, CUT_OFF, whole[:-140]], {}, 3),
        ("nothing else", ["total garbage here", "", "# so"], {"blank": 1, "comment": 1}, 1),
        ("log with words", ["Some words 2026-04-01 GET /v?CMCD=sid%3D%22a%22", whole + " "], {}, 1),
    ):
        done = _ingest(lake, tmp_path / name, "\n".join(lines))
        assert (name, dict(done.ignored), done.quarantined) == (name, ignored, quarantined)
        assert done.reasons == ({"not a CMCD record": quarantined} if quarantined else {})
    kept = "\n".join(lake.scan("quarantine").collect()["row"])
    assert "203.0.113.0 - - [10/Jun/2026:18:06:00" in kept
    for secret in ("203.0.113.50", "203.0.113.77", "carol", "bob"):
        assert secret not in kept


def test_headers_win_over_the_query(lake: Lake, tmp_path: Path) -> None:
    line = _combined(0, 'sid="query",br=1') + " CMCD-Session: 'sid=\"header\"'"
    _ingest(lake, tmp_path / "both.log", line)
    assert _session(lake)["session_id"] == hash_id("header", lake.key)


def test_a_query_beside_headers_is_noted(lake: Lake, tmp_path: Path) -> None:
    lines = [
        _combined(0, 'sid="query",br=1') + " CMCD-Session: 'sid=\"header\"'",
        json.dumps({"url": "/v?CMCD=br%3D1", "headers": {"CMCD-Session": ['sid="header"', "st=v"]}}),
        _combined(1, 'sid="header",br=1'),
    ]
    done = _ingest(lake, tmp_path / "both.log", "\n".join(lines))
    assert done.noted == {": a CMCD query argument stands beside CMCD headers; it is ignored (6.8)": 2}
    assert done.sessions == 1


def test_a_second_query_argument_is_noted(lake: Lake, tmp_path: Path) -> None:
    done = _ingest(lake, tmp_path / "log", "/v.m4s?CMCD=sid%3D%22a%22&CMCD=sid%3D%22b%22")
    assert (done.records, done.sessions) == (1, 1)
    assert done.noted == {": more than one CMCD query argument; the first counts": 1}


def test_a_logged_argument_is_decoded_once(tmp_path: Path) -> None:
    told = 'cid="a+b%2C",sid="s"'
    for name, logged in (("raw", told), ("encoded", quote(told, safe=""))):
        lake = Lake.create(tmp_path / name)
        _ingest(lake, tmp_path / f"{name}.log", json.dumps({"cmcd": logged, "url": "/v"}))
        assert _session(lake)["content_id"] == "a+b%2C"


def test_parameters_that_no_key_has_are_let_go(lake: Lake, tmp_path: Path) -> None:
    lines = [
        f'cid="c";p,e=ps,sid="s";q=1,sta=s,ts={RECEIVED_MS};x,v=2;y',
        f'cid="c",e=ps,sid="s",sta=p,ts={RECEIVED_MS + 700},v=2',
        f'cid="c",e=ps,sid="s",sta=e,ts={RECEIVED_MS + 9_700},v=2',
    ]
    done = _ingest(lake, tmp_path / "beacons", "\n".join(lines))
    assert (done.records, done.sessions) == (3, 1)
    assert done.noted["ts: has no parameters (Table 1); they are ignored"] == 1
    row = _session(lake)
    assert (row["content_id"], row["startup_ms"], row["playing_ms"]) == ("c", 700, 9_000)


def test_an_event_without_its_version_has_no_time_to_go_by(lake: Lake, tmp_path: Path) -> None:
    done = _ingest(lake, tmp_path / "beacons", f'e=ps,sid="s",sta=p,ts={RECEIVED_MS}')
    assert done.noted["v: must be present"] == 1
    assert done.noted["ts: unknown to version 1; ignored (6.3)"] == 1


def test_hostile_shapes_cost_their_line_only(lake: Lake, tmp_path: Path) -> None:
    lines = [
        '{"sid": "x", "br": ' + "[" * 60_000 + "]" * 60_000 + "}",
        '{"sid": "s", "x-y": ' + "[" * 40 + "]" * 40 + ', "br": 1}',
        'sid="s",' + "a-b=1," * 30_000 + "br=1",
        'sid="' + "s" * 200_000 + '"',
        'sid="s",br=99999999999999999999',
        'sid="s",d=-4000,bl=1e9,br=1',
    ]
    done = _ingest(lake, tmp_path / "hostile", "\n".join(lines))
    assert done.reasons == {
        "not JSON, though it starts with a brace": 1,
        "sid: longer than 64 characters; ignored (6.4)": 1,
    }
    assert (done.records, done.sessions) == (4, 1)
    assert done.noted["x-y: nested too deeply"] == 1
    assert done.noted["d: must not be negative; ignored (6.4)"] == 1
    assert _session(lake)["media_ms"] == 0


def test_a_file_is_taken_once_whatever_it_is_called(lake: Lake, tmp_path: Path) -> None:
    log = _combined(0, 'sid="s",br=1,d=1,ot=v') + "\n" + "garbage=\x00\n"
    assert _ingest(lake, tmp_path / "one.log", log).sessions == 1
    for again, content in (
        ("one.log", log.encode()),
        ("two.log", log.encode()),
        ("three.gz", gzip.compress(log.encode())),
    ):
        (tmp_path / again).write_bytes(content)
        done = ingest_cmcd(lake, open_source(str(tmp_path / again)))
        assert done.already == [str(tmp_path / again)]
        assert (done.lines, done.sessions) == (0, 0)
    assert lake.scan("playback_session").collect().height == 1
    assert lake.scan("quarantine").collect().height == 1


def test_an_ingest_cut_off_before_its_sessions_is_completed_without_doubling(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _combined(0, 'sid="s",br=1,d=1,ot=v') + "\nbad=\x00\n"
    commit = Lake.commit_batch

    def cut_off(self: Lake, contract: Table, *args: Any, **more: Any) -> bool:
        if contract.name == "playback_session":
            raise KeyboardInterrupt
        return commit(self, contract, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "commit_batch", cut_off)
        with pytest.raises(KeyboardInterrupt):
            _ingest(lake, tmp_path / "log", log)
    assert lake.scan("playback_session").collect().height == 0
    assert _ingest(lake, tmp_path / "log", log).sessions == 1
    for table, rows in (("playback_session", 1), ("playback_event", 1), ("quarantine", 1)):
        assert lake.scan(table).collect().height == rows


def test_bad_lines_are_quarantined_with_reasons_and_nobody_s_address(lake: Lake, tmp_path: Path) -> None:
    lines = [
        _combined(0, 'sid="alice-session",br=1,d=1,ot=v').encode(),
        _combined(1, 'v=9,sid="alice-session"').encode(),
        b'{"br": 1',
        b"\xff\xfe\x00binary",
        b"sid=\x07",
        b"a line with = and no sense",
        b"su",
        b"CMCD=",
        b"x" * (MAX_LINE_BYTES + 10) + b"=",
    ]
    done = _ingest(lake, tmp_path / "bad.log", b"\n".join(lines) + b"\n")
    assert (done.records, done.sessions, done.quarantined) == (1, 1, 8)
    assert done.reasons == {
        "v: version 9 is newer than 2; the whole set is ignored (6.13)": 1,
        "not JSON, though it starts with a brace": 1,
        "not UTF-8": 1,
        "binary: control characters": 1,
        "not a CMCD record": 1,
        "no sid, and no client to tell the session by": 1,
        "CMCD without a key": 1,
        f"longer than {MAX_LINE_BYTES} bytes": 1,
    }
    kept = lake.scan("quarantine").collect()
    assert kept["reason"].to_list() == list(done.reasons)
    text = "\n".join(kept["row"])
    assert "203.0.113.0 - - [01/Apr/2026" in text
    for secret in ("203.0.113.77", "alice-session", "bob"):
        assert secret not in text
    stored = (
        lake.scan("playback_session").collect().write_json()
        + lake.scan("playback_event").collect().write_json()
    )
    assert "alice-session" not in stored
    assert "203.0.113" not in stored


def test_a_gzip_that_is_cut_off_keeps_its_good_lines(lake: Lake, tmp_path: Path) -> None:
    good = "\n".join(_combined(n % 60, f'sid="s{n}",br={n},d=1,ot=v') for n in range(2000))
    done = _ingest(lake, tmp_path / "log.gz", gzip.compress(good.encode())[:-2000])
    assert done.reasons["the gzip stream is broken or cut off"] == 1
    assert done.records > 100


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_source(str(tmp_path / "nope"))
    with pytest.raises(InputError, match="a folder, not a file"):
        open_source(str(tmp_path))


def test_an_empty_log_is_a_batch_of_nothing(lake: Lake, tmp_path: Path) -> None:
    assert _ingest(lake, tmp_path / "empty", "").lines == 0
    assert ingest_cmcd(lake, open_source(str(tmp_path / "empty"))).already


def test_without_a_session_id_the_client_tells(lake: Lake, tmp_path: Path) -> None:
    lines = [
        _combined(n, "br=1,d=1000,ot=v", address=a) for n in (0, 1) for a in ("203.0.113.1", "203.0.113.2")
    ]
    assert _ingest(lake, tmp_path / "log", "\n".join(lines)).sessions == 2
    assert "no_sid" in str(_session(lake)["flags"])


def test_silence_makes_another_session_with_another_id(lake: Lake, tmp_path: Path) -> None:
    lines = [_combined(second, 'sid="s",br=1,d=1,ot=v') for second in (0, 1, 3500)]
    assert _ingest(lake, tmp_path / "log", "\n".join(lines)).sessions == 2
    assert lake.scan("playback_session").collect()["session_id"].n_unique() == 2


def test_the_clocks_of_client_and_server_are_compared(lake: Lake, tmp_path: Path) -> None:
    body = f'e=ps,sid="s",sta=p,ts={RECEIVED_MS - 4000},v=2'
    entry = {"timestamp": "2026-04-01T12:00:00Z", "cmcd": body}
    wrong = {"timestamp": "2026-04-01T12:00:05Z", "cmcd": 'e=t,sid="s",ts=12,v=2'}
    _ingest(lake, tmp_path / "log", json.dumps(entry) + "\n" + json.dumps(wrong))
    row = _session(lake)
    assert row["clock_skew_ms"] == -4000
    assert "bad_client_clock" in str(row["flags"])


def test_absurd_numbers_are_quarantined_and_do_not_stop_the_rest(lake: Lake, tmp_path: Path) -> None:
    nines = "9" * 15
    lines = [
        _combined(0, f'sid="a",br={nines},d={nines},ot=v,bl=1'),
        _combined(1, 'sid="b",br=1,d=1,ot=v,bl=1'),
    ]
    done = _ingest(lake, tmp_path / "log", "\n".join(lines))
    assert (done.records, done.sessions, done.sessions_quarantined) == (2, 1, 1)


_LINES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["", "su", '{"sid":"a","br":1}', "CMCD=sid%3D%22a%22", "{CMCD-Session: 'sid=\"a\"'}", "#x"]
    ),
    st.integers(0, 59).map(lambda second: _combined(second, 'sid="a",ot=v,br=5,d=2000,bl=100')),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_LINES, max_size=12))
def test_any_lines_are_accounted_for(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    lake = Lake.create(folder / "lake")
    done = _ingest(lake, folder / "log", "\n".join(lines).encode(errors="surrogatepass"))
    assert lake.scan("playback_session").collect().height == done.sessions
    assert (
        lake.scan("quarantine").filter(pl.col("application").str.starts_with("lines/")).collect().height
        == done.quarantined
    )
