"""One's own sessions by a mapping, and FOCUS charges."""

import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from metrics.errors import InputError
from metrics.ingest import focus, sessions, table_file
from metrics.lake import Lake
from metrics.ledger import ledger
from metrics.privacy import hash_id
from metrics.query import measure

FOCUS_SAMPLE = Path(__file__).parent / "fixtures" / "focus" / "focus_1.0_sample.csv"
MAPPING = """
[columns]
session_id = "SessionID"
subscriber_id = "Account"
start_ts_ms = {column = "StartedAt", unit = "iso"}
startup_ms = {column = "TTFF", unit = "s"}
playing_ms = {column = "Minutes", unit = "min"}
stall_count = "Stalls"
stall_ms = {column = "StallSeconds", unit = "s"}
media_bytes = {column = "MB", unit = "MB"}
outcome = {column = "State", values = {ok = "played", ebvs = "exit_before_start"}}
device = {column = "Screen", values = {TV = "smart_tv"}}

[defaults]
region = "mena"
weight = 3
"""
ROWS = """SessionID,Account,StartedAt,TTFF,Minutes,Stalls,StallSeconds,MB,State,Screen
a,alice,2026-04-01T12:00:00Z,1.25,2.5,1,0.5,12.5,ok,TV
b,bob,2026-04-01 12:00:00,,0,0,0,0,ebvs,TV
c,carol,2026-04-01T14:00:00+02:00,0.5,1,0,0,1,ok,fridge
d,dan,yesterday,0.5,1,0,0,1,ok,TV
e,erin,2026-04-01T12:00:00Z,-1,1,0,0,1,ok,TV
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def _write(tmp_path: Path, rows: str = ROWS, mapping: str = MAPPING) -> tuple[Path, sessions.SessionMapping]:
    (tmp_path / "own.csv").write_text(rows)
    (tmp_path / "map.toml").write_text(mapping)
    return tmp_path / "own.csv", sessions.load_mapping(tmp_path / "map.toml")


def test_mapped_rows_are_converted_completed_and_hashed(lake: Lake, tmp_path: Path) -> None:
    path, mapping = _write(tmp_path)
    done = sessions.ingest(lake, path, mapping)
    assert (done.rows, done.quarantined) == (2, 3)
    assert set(done.reasons) == {
        "device: not one of smart_tv, connected_tv, mobile, tablet, web",
        "end_ts_ms: missing; start_ts_ms: not Int64",
        "waited_ms: negative; startup_ms: negative; playing_ms longer than watched_ms",
    }
    a, b = lake.scan("playback_session").sort("outcome", descending=True).collect().iter_rows(named=True)
    assert (a["start_ts_ms"], a["startup_ms"], a["playing_ms"]) == (1_775_044_800_000, 1250, 150_000)
    assert (a["stall_count"], a["stall_ms"], a["media_bytes"]) == (1, 500, 12_500_000)
    assert a["watched_ms"] == 1250 + 150_000 + 500
    assert a["end_ts_ms"] == a["start_ts_ms"] + a["watched_ms"]
    assert (a["subscriber_id"], a["region"], a["weight"]) == (hash_id("alice", lake.key), "mena", 3)
    assert a["replicate"] == int(a["subscriber_id"][:2], 16) % 32
    assert a["end_reason"] == "stopped"
    untold = {f"{name}_unknown" for name in ("seeks", "seek_ms", "media_time", "switches", "bytes", "browse")}
    assert set(a["flags"].split(",")) == untold | {"end_reason_assumed"}
    assert set(b["flags"].split(",")) == untold | {"end_reason_assumed", "waited_unknown"}
    assert (b["outcome"], b["end_reason"], b["startup_ms"]) == (
        "exit_before_start",
        "exit_before_start",
        None,
    )
    assert "carol" not in "".join(lake.scan("quarantine").collect()["row"])


MINIMAL = """[columns]
session_id = "id"
start_ts_ms = {column = "from", unit = "iso"}
"""
LONG = """[columns]
session_id = "id"
start_ts_ms = "t"
end_ts_ms = "e"
playing_ms = {column = "s", unit = "s"}
startup_ms = "ttff"
stall_ms = "st"
stall_count = "n"
is_rec_driven = "rec"
device = "dev"
"""
NOON_MS = 1_775_044_800_000


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"t": NOON_MS // 1000}, "start_ts_ms: not UTC epoch ms of 2000..2100"),  # in seconds
        ({"t": NOON_MS * 1000}, "start_ts_ms: not UTC epoch ms of 2000..2100"),  # in microseconds
        ({"t": 4_070_908_800_000, "e": 4_070_908_900_000}, "in the future"),  # 2099
        ({"e": NOON_MS - 1}, "ends before it starts"),
        ({"e": NOON_MS + 10_000}, "watched and paused for longer than from start to end"),
        ({"s": -5}, "playing_ms: negative"),
        ({"s": 31 * 86_400 + 1}, "playing_ms: longer than 31 days"),
        ({"s": "1e30"}, "playing_ms: not Int64"),
        ({"s": "NaN"}, "playing_ms: not Int64"),
        ({"s": "inf"}, "playing_ms: not Int64"),
        ({"ttff": "soon"}, "startup_ms: not Int64"),  # not a session whose startup nobody measured
        ({"ttff": 9_223_372_036_854_775_807}, "startup_ms: longer than 31 days"),
        ({"ttff": "0x10"}, "startup_ms: not Int64"),
        ({"st": -1, "n": 1}, "stall_ms: negative"),
        ({"st": 1}, "stall_ms without a stall"),
        ({"n": -3}, "stall_count: negative"),
        ({"rec": "maybe"}, "is_rec_driven: not Boolean"),
        ({"dev": "toaster"}, "device: not one of smart_tv, connected_tv, mobile, tablet, web"),
    ],
)
def test_what_cannot_be_is_quarantined_with_a_reason_and_as_it_was_written(
    lake: Lake, tmp_path: Path, given: dict[str, Any], reason: str
) -> None:
    good = {"id": "a", "t": NOON_MS, "e": NOON_MS + 61_000, "s": 60, "ttff": 800, "st": 0, "n": 0}
    good |= {"rec": "yes", "dev": "web"}
    table = [good, good | {"id": "b"} | given]
    text = "\n".join([",".join(good), *(",".join(str(value) for value in row.values()) for row in table)])
    path, mapping = _write(tmp_path, rows=text + "\n", mapping=LONG)
    done = sessions.ingest(lake, path, mapping)
    assert (done.rows, done.quarantined) == (1, 1)
    assert reason in next(iter(done.reasons)).split("; ")
    (row,) = lake.scan("quarantine").collect()["row"]
    if "not Int64" in reason or "not Boolean" in reason:
        assert f'"{next(iter(given.values()))}"' in row
    assert lake.scan("playback_session").collect()["is_rec_driven"].to_list() == [True]
    assert sessions.validate(path, mapping, key=lake.key).reasons == done.reasons


def test_the_future_is_what_the_clock_says(lake: Lake, tmp_path: Path) -> None:
    path, mapping = _write(tmp_path, rows="id,from\na,2026-04-01T12:00:00Z\n", mapping=MINIMAL)
    for day, good in ((30, 0), (31, 1)):
        now = dt.datetime(2026, 3, day, 13, tzinfo=dt.UTC)
        if good:
            assert sessions.validate(path, mapping, key=lake.key, now=now).good.height == 1
        else:
            with pytest.raises(InputError, match=r"no usable row in 1 .1 x in the future"):
                sessions.validate(path, mapping, key=lake.key, now=now)


def test_a_viewer_in_the_wrong_column_is_not_kept_in_clear(lake: Lake, tmp_path: Path) -> None:
    """E-mails where a number and a device should be, and an address: hashed and truncated, in quarantine too."""
    mapping = MINIMAL + 'startup_ms = "ttff"\ndevice = "dev"\n'
    rows = "id,from,ttff,dev\na,2026-04-01,1,web\nb,2026-04-01,eve@example.org,web\nc,2026-04-01,1,203.0.113.77\n"
    path, read = _write(tmp_path, rows=rows, mapping=mapping)
    assert sessions.ingest(lake, path, read).quarantined == 2
    kept = "".join(lake.scan("quarantine").collect()["row"])
    assert "eve@example.org" not in kept
    assert "203.0.113.77" not in kept
    assert hash_id("eve@example.org", lake.key) in kept
    assert '"203.0.113.0"' in kept


def test_bombs_are_refused_before_they_are_unpacked(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gigabyte of commas in a megabyte, here to scale; and a Parquet column of one value."""
    monkeypatch.setattr(table_file, "_SMALL_BYTES", 1 << 16)
    _, mapping = _write(tmp_path, mapping=MINIMAL)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"id,from\n" + b"," * (1 << 24)))
    pl.select(id=pl.repeat("a", 1 << 22)).write_parquet(tmp_path / "bomb.parquet")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"id,from\na,2026-04-01\n" * 99)[:-20])
    for name, message in {
        "bomb.csv.gz": "unpacks to more than 500 times its size",
        "bomb.parquet": "unpacks to more than 500 times its size",
        "cut.csv.gz": "cannot be read as a table",
    }.items():
        with pytest.raises(InputError, match=message):
            sessions.ingest(lake, tmp_path / name, mapping)
    (tmp_path / "good.csv.gz").write_bytes(gzip.compress(b"id,from\na,2026-04-01\n"))
    assert sessions.ingest(lake, tmp_path / "good.csv.gz", mapping).rows == 1


@pytest.mark.parametrize(
    "content", [b"\x00\xff\xfe" * 1000, b"\x1f\x8b junk", b"id,from\n" + b"a" * (1 << 20), b""]
)
def test_junk_is_one_line(lake: Lake, tmp_path: Path, content: bytes) -> None:
    _, mapping = _write(tmp_path, mapping=MINIMAL)
    for name in ("junk.csv", "junk.csv.gz", "junk.parquet"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as refused:
            sessions.validate(tmp_path / name, mapping, key=lake.key)
        assert "\n" not in str(refused.value)


def test_the_same_file_and_mapping_are_taken_once(lake: Lake, tmp_path: Path) -> None:
    path, mapping = _write(tmp_path)
    sessions.ingest(lake, path, mapping)
    assert sessions.ingest(lake, path, mapping).already
    assert lake.scan("playback_session").collect().height == 2


def test_parquet_in_epochs_and_without_outcomes(lake: Lake, tmp_path: Path) -> None:
    moments = pl.Series([1_775_044_800, 1_775_044_860])
    pl.DataFrame({"id": ["x", "y"], "t": moments, "ttff": [700, None], "live": [True, False]}).write_parquet(
        tmp_path / "own.parquet"
    )
    _, mapping = _write(
        tmp_path,
        mapping="""[columns]
session_id = "id"
end_ts_ms = {column = "t", unit = "s"}
startup_ms = "ttff"
is_first_session = "live"
""",
    )
    done = sessions.ingest(lake, tmp_path / "own.parquet", mapping)
    assert (done.rows, done.quarantined) == (2, 0)
    rows = lake.scan("playback_session").sort("end_ts_ms").collect()
    assert rows["outcome"].to_list() == ["played", "exit_before_start"]
    assert rows["start_ts_ms"].to_list() == [1_775_044_799_300, 1_775_044_860_000]
    assert rows["is_first_session"].to_list() == [True, False]
    untold = {
        f"{name}_unknown"
        for name in (
            "playing", "watched", "stalls", "stall_ms", "seeks", "seek_ms", "media_time", "media_size", "switches",
            "bytes", "browse",
        )
    }  # fmt: skip
    assert set(rows["flags"][0].split(",")) == untold | {"outcome_assumed", "end_reason_assumed"}
    names = ["rebuffer_rate", "watch_hours", "gigabytes_per_hour", "mean_bitrate_kbps", "switches_per_hour"]
    found = measure(lake, [*names, "play_success_ratio", "attempts"])
    assert found["value"].to_list() == [None] * len(names) + [0.5, 2]


def _of(lake: Lake, tmp_path: Path, header: str, rows: list[str], mapping: str) -> list[dict[str, Any]]:
    path, read = _write(tmp_path, rows="\n".join([header, *rows]) + "\n", mapping=mapping)
    assert sessions.ingest(lake, path, read).quarantined == 0
    return lake.scan("playback_session").sort("start_ts_ms").collect().to_dicts()


def test_how_an_attempt_came_out_is_unknown_where_nothing_tells(lake: Lake, tmp_path: Path) -> None:
    (row,) = _of(lake, tmp_path, "id,from", ["a,2026-04-01T12:00:00Z"], MINIMAL)
    assert "outcome_unknown" in row["flags"]
    names = ("attempts", "play_success_ratio", "exit_before_start_ratio", "rebuffer_rate")
    assert measure(lake, names)["value"].to_list() == [1, None, None, None]


def test_time_playing_tells_that_a_session_started(lake: Lake, tmp_path: Path) -> None:
    mapping = MINIMAL + 'playing_ms = {column = "s", unit = "s"}\n'
    played, left = _of(
        lake, tmp_path, "id,from,s", ["a,2026-04-01T12:00:00Z,90", "b,2026-04-01T13:00:00Z,0"], mapping
    )
    assert (played["outcome"], left["outcome"]) == ("played", "exit_before_start")
    assert {"startup_unknown", "outcome_assumed", "watched_lower_bound"} <= set(played["flags"].split(","))
    found = measure(lake, ["play_success_ratio", "time_to_play_late_ratio", "watch_hours"])
    assert found["value"].to_list() == [0.5, None, 90 / 3600]


def test_who_left_waited_from_start_to_end(lake: Lake, tmp_path: Path) -> None:
    """Three starts of 1 s, and two exits: after 5 s, and after a wait that the table does not tell."""
    timed = MINIMAL + 'startup_ms = "ttff"\n'
    rows = [f"{n},2026-04-01T12:00:0{n}Z,2026-04-01T12:00:0{n + 5}Z,1000" for n in range(3)]
    rows += ["3,2026-04-01T12:00:03Z,2026-04-01T12:00:08Z,"]
    both = timed + 'end_ts_ms = {column = "to", unit = "iso"}\n'
    assert _of(lake, tmp_path, "id,from,to,ttff", rows, both)[3]["waited_ms"] == 5_000
    assert measure(lake, ["time_to_play_bad_ratio"])["value"].item() == 1 / 4
    other = Lake.create(tmp_path / "other")
    *_, left = _of(other, tmp_path, "id,from,to,ttff", rows, timed)
    assert "waited_unknown" in left["flags"]
    assert measure(other, ["time_to_play_bad_ratio"])["value"].item() == 0
    assert measure(other, ["time_to_play_bad_ratio"])["n"].item() == 3


def test_the_ledger_tells_what_sessions_do_not(lake: Lake, tmp_path: Path) -> None:
    sessions.ingest(lake, *_write(tmp_path))
    found = ledger(lake)
    assert (found.counted, found.residual) == (2, 0)
    assert found.unknown == {
        "waited": 1, "seeks": 2, "seek_ms": 2, "media_time": 2, "switches": 2, "bytes": 2, "browse": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("[columns]\nstart_up_ms = 'TTFF'", "no session column 'start_up_ms'; did you mean startup_ms"),
        (
            "[columns]\nstartup_ms = {column = 'TTFF', unit = 'hours'}",
            "startup_ms: no unit 'hours'; known: ms, s",
        ),
        ("[columns]\nsession_id = {column = 'SessionID', unit = 's'}", "the column has no unit"),
        ("[columns\n", "not TOML"),
        ("[defaults]\nweight = 1", "columns: Field required"),
        ("[columns]\nsession_id = {colum = 'x'}", "map.toml"),
    ],
)
def test_a_mapping_that_cannot_be_used(tmp_path: Path, mapping: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _write(tmp_path, mapping=mapping)


def test_files_that_cannot_be_used(lake: Lake, tmp_path: Path) -> None:
    path, mapping = _write(tmp_path, rows="Session,Account\n")
    with pytest.raises(InputError, match=r"no column 'SessionID'.*did you mean Session"):
        sessions.ingest(lake, path, mapping)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "semicolons.csv").write_text("SessionID;Account\na;b\n")
    (tmp_path / "utf16.csv").write_text("SessionID,Account\na,b\n", encoding="utf-16")
    for name, message in {
        "broken.parquet": "cannot be read as a table",
        "notes.txt": "neither .csv nor .parquet",
        "empty.csv": "cannot be read as a table",
        "semicolons.csv": "seems separated by semicolons; separate by commas",
        "utf16.csv": "not UTF-8",
        "absent.csv": "no such file",
    }.items():
        with pytest.raises(InputError, match=message):
            sessions.ingest(lake, tmp_path / name, mapping)


def test_focus_charges_keep_every_cent(lake: Lake) -> None:
    done = focus.ingest(lake, FOCUS_SAMPLE)
    assert (done.rows, done.quarantined) == (40, 0)
    raw = pl.read_csv(FOCUS_SAMPLE, infer_schema=False)
    for name in ("BilledCost", "EffectiveCost", "ListCost"):
        expected = sum(Decimal(text) for text in raw[name])
        assert lake.scan("charge").select(pl.col(name).sum()).collect().item() == round(expected, 10)
    first = lake.scan("charge").collect().row(by_predicate=pl.col("SkuId") == "G95FST5FTYV3JSRX", named=True)
    assert first["x_period_start_ts_ms"] == 1_726_696_800_000  # 2024-09-18T22:00:00Z
    assert first["ConsumedQuantity"] == 2
    assert focus.ingest(lake, FOCUS_SAMPLE).already


def test_focus_own_columns_iso_times_and_bad_rows(lake: Lake, tmp_path: Path) -> None:
    raw = pl.read_csv(FOCUS_SAMPLE, infer_schema=False, null_values=["NULL"]).head(3)
    raw = raw.with_columns(
        x_CostPool=pl.lit("delivery"),
        ChargePeriodStart=pl.Series(["2026-04-01T00:00:00Z", "2026-04-01T00:00:00Z", "sometime"]),
        ChargePeriodEnd=pl.Series(["2026-05-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"]),
    )
    raw.write_csv(tmp_path / "own.csv")
    done = focus.ingest(lake, tmp_path / "own.csv")
    assert (done.rows, done.quarantined) == (1, 2)
    assert set(done.reasons) == {"period ends before it starts", "x_period_start_ts_ms: missing"}
    assert lake.scan("charge").collect()["x_cost_pool"].to_list() == ["delivery"]
    raw.drop("BilledCost").write_csv(tmp_path / "less.csv")
    with pytest.raises(InputError, match="no column 'BilledCost'"):
        focus.ingest(lake, tmp_path / "less.csv")


def test_focus_pools_are_those_written_or_told_by_the_service(tmp_path: Path) -> None:
    raw = pl.read_csv(FOCUS_SAMPLE, infer_schema=False, null_values=["NULL"]).head(1)
    cases = [
        # x_CostPool, Tags, category, subcategory, service; pool, CDN
        ("Third-party", None, "Compute", None, "x", "delivery", "third_party"),
        (None, '{"cost_pool": "own"}', "Compute", None, "x", "delivery", "own"),
        ("content", None, "Networking", None, "x", "content", None),
        (None, None, "Networking", "Content Delivery", "CDN", "delivery", None),
        (None, None, "Networking", None, "CDN", "delivery", None),
        (None, None, "Networking", "Application Networking", "Load balancer", None, None),
        (None, None, "Media", None, "Elemental MediaConvert", "encoding", None),
        (None, None, "Media", None, "MediaPackage", None, None),
    ]
    names = ("x_CostPool", "Tags", "ServiceCategory", "ServiceSubcategory", "ServiceName")
    frame = pl.concat(
        [
            raw.with_columns(
                pl.lit(v, pl.String).alias(n) for n, v in zip(names, case[:5], strict=True)
            ).with_columns(ChargeDescription=pl.lit(""))
            for case in cases
        ]
    )
    frame.write_csv(tmp_path / "focus.csv")
    found = focus.read(tmp_path / "focus.csv")
    assert found.select("x_cost_pool", "x_cdn").rows() == [case[5:] for case in cases]
    assert focus.without_pool(found) == 3
