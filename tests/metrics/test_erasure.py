"""A subscriber who is forgotten is gone from every file of the lake's folder."""

import io
from pathlib import Path

import polars as pl
import pytest

from metrics.erasure import forget
from metrics.ingest import sessions as mapped
from metrics.lake import Lake
from metrics.privacy import hash_id
from metrics.telemetry import TABLES
from metrics.upkeep import compact
from tests.metrics.rows import APRIL_MS, DAY_MS, member_days, rows, session
from tests.metrics.sessions_frame import sessions

ALICE, PHONE, TV = "a1" * 8, "b2" * 8, "c3" * 8
BOB = "d4" * 8


def _found(lake: Lake, *ids: str) -> list[str]:
    """Files of the lake's folder that hold one of the ids, in clear or inside Parquet."""
    found = []
    for file in sorted(lake.path.rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":
            content += pl.read_parquet(io.BytesIO(content), hive_partitioning=False).write_ndjson().encode()
        if any(one.encode() in content for one in ids):
            found.append(str(file.relative_to(lake.path)))
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Alice's account with two devices, one of them used without signing in, and Bob's, over several batches."""
    lake = Lake.create(tmp_path / "lake")
    theirs = [
        session(session_id="s1", subscriber_id=ALICE, viewer_id=PHONE),
        session(session_id="s2", subscriber_id=ALICE, viewer_id=TV),
        session(session_id="s3", subscriber_id=None, viewer_id=PHONE),  # signed out
        session(session_id="s4", subscriber_id=BOB, viewer_id=TV),  # on the television they share
        session(session_id="s5", subscriber_id=None, viewer_id="e5" * 8),
    ]
    for version, one in enumerate(theirs):
        lake.append("playback_session", rows("playback_session", one), application="test", version=version)
    events = [{"session_id": f"s{n}", "ts_ms": APRIL_MS, "event": "play"} for n in range(1, 6)]
    lake.append("playback_event", rows("playback_event", *events), application="test", version=0)
    for name, given in {
        "control_request": {"service": "home"},
        "impression": {"impression_id": "i", "content_id": "c", "model": "m", "surface": "home"},
    }.items():
        told = [given | {"subscriber_id": account} for account in (ALICE, BOB)]
        lake.append(name, rows(name, *told), application="test", version=0)
    days = [row | {"subscriber_id": account} for account in (ALICE, BOB) for row in member_days(3)]
    lake.append("membership", rows("membership", *days), application="test", version=0)
    bad = rows("playback_session", *theirs).with_columns(weight=pl.lit(0, pl.Int64))
    lake.append("playback_session", bad, application="bad", version=0)
    lines = pl.DataFrame({"table": "lines", "reason": "no log", "row": [f"sid={PHONE} x", f"sid={BOB}"]})
    lake.quarantine(lines, application="lines/x", version=0)
    lake.artefact("export/rows.json").write_text(f'{{"subscriber_id": "{ALICE}"}}')
    lake.artefact("report.html").write_text("2 sessions")
    return lake


@pytest.mark.parametrize("compacted", [False, True])
def test_no_byte_is_left(lake: Lake, compacted: bool) -> None:
    if compacted:
        compact(lake)  # the files before it are history that holds them too
    assert len(_found(lake, ALICE)) > 6
    done = forget(lake, ALICE)
    assert done.rows == {
        "playback_event": 3,
        "control_request": 1,
        "impression": 1,
        "membership": 3,
        "quarantine": 5,  # her three sessions, Bob's on the shared television, and the line of her phone
        "playback_session": 3,
    }
    assert done.artefacts_deleted == ("export/rows.json",)
    assert _found(lake, ALICE, PHONE, '"s1"', '"s2"', '"s3"') == []
    assert set(lake.scan("playback_session").collect()["session_id"]) == {"s4", "s5"}
    assert lake.scan("membership").collect().height == 3
    assert lake.artefact("report.html").exists()
    again = forget(lake, ALICE)
    assert (set(again.rows.values()), again.files_deleted, again.artefacts_deleted) == ({0}, 0, ())


def test_a_viewer_without_an_account_is_forgotten_too(lake: Lake) -> None:
    assert forget(lake, "e5" * 8).rows["playback_session"] == 1
    assert _found(lake, "e5" * 8, '"s5"') == []


def test_an_id_as_the_service_knows_it(tmp_path: Path) -> None:
    """Never stored in clear: not in the tables, not in quarantine; found all the same."""
    (tmp_path / "own.csv").write_text(
        "id,who,from\na,alice@example.org,2026-04-01T12:00:00Z\nb,alice@example.org,noon\nc,bob,2026-04-01\n"
    )
    (tmp_path / "map.toml").write_text(
        "[columns]\nsession_id = 'id'\nsubscriber_id = 'who'\nstart_ts_ms = {column='from', unit='iso'}\n"
    )
    lake = Lake.create(tmp_path / "lake")
    mapped.ingest(lake, tmp_path / "own.csv", mapped.load_mapping(tmp_path / "map.toml"))
    assert _found(lake, "alice@example.org") == []
    assert len(_found(lake, hash_id("alice@example.org", lake.key))) == 2
    assert forget(lake, "alice@example.org").rows == {"quarantine": 1, "playback_session": 1}
    assert _found(lake, hash_id("alice@example.org", lake.key)) == []
    assert forget(lake, "nobody").rows == {"quarantine": 0, "playback_session": 0}


def test_a_short_id_is_not_found_inside_others(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append("playback_session", sessions(200), application="test", version=0)
    bad = sessions(2, first=1000).with_columns(subscriber_id=pl.lit("7"), weight=pl.lit(0, pl.Int64))
    lake.append("playback_session", bad, application="bad", version=0)
    bystander = bad.with_columns(subscriber_id=pl.lit("70"), session_id=pl.lit("7000"))
    lake.append("playback_session", bystander, application="bystander", version=0)
    lake.artefact("figures.json").write_text('{"sessions": 7}')
    assert forget(lake, "7").rows == {"quarantine": 2, "playback_session": 10}
    assert lake.scan("playback_session").collect().height == 190
    assert lake.scan("quarantine").collect().height == 2
    assert lake.artefact("figures.json").exists()


def test_every_table_that_names_somebody_is_known_to_erasure() -> None:
    """Whoever adds a column of identities must see to it that it is erased."""
    naming = {
        name for name, t in TABLES.items() if {"subscriber_id", "viewer_id", "session_id"} & set(t.schema)
    }
    assert naming == {
        "playback_session", "playback_event", "control_request", "impression", "membership", "visit", "search",
        "assignment",
    }  # fmt: skip
    assert DAY_MS == 86_400_000
