"""The lake: what is appended is there once, whole, typed, and nowhere else."""

import json
import stat
from pathlib import Path

import polars as pl
import pytest

from metrics.errors import ContractError, LakeError
from metrics.lake import Appended, Lake
from metrics.own_tables import QUARANTINE
from metrics.telemetry import CONTRACT_VERSION, TABLES
from tests.metrics.sessions_frame import START_TS_MS, sessions


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    # A path with everything in it that readers of partitioned folders stumble on.
    return Lake.create(tmp_path / "a b" / "x=1" / "läke")


def test_rows_come_back_with_the_contract_s_types(lake: Lake) -> None:
    done = lake.append("playback_session", sessions(100), application="test", version=0)
    assert done == Appended(100, 0, already=False, reasons={})
    stored = lake.scan("playback_session")
    schema = dict(TABLES["playback_session"].schema) | {"day": pl.Date()}
    assert dict(stored.collect_schema()) == schema
    rows = stored.sort(pl.col("session_id").cast(pl.Int64)).collect()
    assert dict(rows.schema) == schema
    expected = TABLES["playback_session"].validate(sessions(100)).good
    assert rows.drop("day").equals(expected)
    assert rows["day"].equals(pl.from_epoch(rows["end_ts_ms"], time_unit="ms").dt.date().alias("day"))


@pytest.mark.parametrize("table", [*TABLES, QUARANTINE.name])
def test_a_table_nobody_wrote_is_empty_and_typed(lake: Lake, table: str) -> None:
    contract = TABLES.get(table, QUARANTINE)
    empty = lake.scan(table).collect()
    assert empty.height == 0
    assert set(empty.columns) - set(contract.schema) == ({"day"} if contract.day else set())
    assert lake.snapshot(table).files == ()
    assert lake.appended_version(table, "test") is None


@pytest.mark.parametrize("table", TABLES)
def test_every_table_takes_an_empty_batch(lake: Lake, table: str) -> None:
    assert lake.append(table, TABLES[table].empty(), application="test", version=0).rows == 0
    assert lake.appended_version(table, "test") == 0
    assert lake.scan(table).collect().height == 0


def test_a_batch_is_taken_once_and_versions_grow(lake: Lake) -> None:
    lake.append("playback_session", sessions(10), application="test", version=3)
    again = lake.append("playback_session", sessions(10), application="test", version=3)
    older = lake.append("playback_session", sessions(10, first=50), application="test", version=2)
    assert again == older == Appended(0, 0, already=True, reasons={})
    lake.append("playback_session", sessions(10, first=10), application="test", version=4)
    lake.append("playback_session", sessions(10, first=20), application="another", version=0)
    ids = lake.scan("playback_session").collect()["session_id"].cast(pl.Int64)
    assert ids.sort().to_list() == list(range(30))
    assert lake.appended_version("playback_session", "test") == 4


def test_what_was_appended_is_known_beyond_the_log_s_checkpoints(lake: Lake) -> None:
    lake.append("playback_session", sessions(1), application="first", version=7)
    for version in range(104):  # Delta checkpoints its log every 100 commits
        lake.append("score", TABLES["score"].empty(), application="test", version=version)
        if version % 13 == 0:
            assert lake.append("score", TABLES["score"].empty(), application="test", version=version).already
    checkpoints = list((lake.table_path("score") / "_delta_log").glob("*.checkpoint.parquet"))
    assert checkpoints
    assert lake.appended_version("score", "test") == 103


def test_rows_against_the_contract_go_to_quarantine_once(lake: Lake) -> None:
    bad = sessions(3, first=100).with_columns(weight=pl.lit(0, dtype=pl.Int64))
    frame = pl.concat([sessions(5), bad])
    done = lake.append("playback_session", frame, application="test", version=0)
    assert done == Appended(5, 3, already=False, reasons={"weight below 1": 3})
    lake.append("playback_session", frame, application="test", version=0)
    kept = lake.scan(QUARANTINE.name).collect()
    assert kept.height == 3
    assert kept.select("table", "reason", "application", "version").unique().row(0) == (
        "playback_session", "weight below 1", "playback_session/test", 0,
    )  # fmt: skip
    assert {json.loads(row)["session_id"] for row in kept["row"]} == {"100", "101", "102"}


def test_a_replay_after_quarantine_alone_was_committed_doubles_nothing(lake: Lake) -> None:
    bad = sessions(3, first=100).with_columns(weight=pl.lit(0, dtype=pl.Int64))
    quarantined = TABLES["playback_session"].validate(bad).quarantined
    assert lake.quarantine(quarantined, application="playback_session/test", version=0)
    done = lake.append("playback_session", pl.concat([sessions(5), bad]), application="test", version=0)
    assert (done.rows, done.quarantined) == (5, 3)
    assert lake.scan(QUARANTINE.name).collect().height == 3


def test_a_frame_that_does_not_fit_changes_nothing(lake: Lake) -> None:
    with pytest.raises(ContractError, match="unknown column 'start_up_ms'; did you mean startup_ms"):
        lake.append(
            "playback_session", sessions(1).rename({"startup_ms": "start_up_ms"}), application="t", version=0
        )
    with pytest.raises(ContractError, match="no table 'sessions'"):
        lake.append("sessions", sessions(1), application="t", version=0)
    assert lake.tables() == []


def test_snapshot_files_hold_the_table_for_other_engines(lake: Lake) -> None:
    lake.append("playback_session", sessions(90), application="test", version=0)
    snapshot = lake.snapshot("playback_session")
    assert (len(snapshot.files), snapshot.rows) == (3, 90)
    import duckdb

    files = ", ".join(f"'{file}'" for file in snapshot.files)
    table = f"read_parquet([{files}], hive_partitioning=false)"
    found = duckdb.execute(
        f"select count(*), sum(weight)::bigint, count(distinct day) from {table}"
    ).fetchall()
    assert found == [(90, 630, 3)]
    assert sum(Path(file).stat().st_size for file in snapshot.files) == snapshot.size_bytes


def test_version_changes_with_any_table_and_only_then(lake: Lake, tmp_path: Path) -> None:
    seen = [lake.version()]
    lake.append("playback_session", sessions(1), application="test", version=0)
    seen.append(lake.version())
    lake.append("score", TABLES["score"].empty(), application="test", version=0)
    seen.append(lake.version())
    assert len(set(seen)) == 3
    lake.append("score", TABLES["score"].empty(), application="test", version=0)
    assert lake.version() == seen[-1]
    assert Lake.open(lake.path).version() == seen[-1]
    # A lake made anew has the same commits, and must not be taken for the old one.
    assert Lake.create(tmp_path / "new").version() != Lake.create(tmp_path / "newer").version()


def test_create_is_idempotent_and_keeps_its_key_private(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    assert Lake.create(tmp_path / "lake") == lake == Lake.open(tmp_path / "lake")
    assert stat.S_IMODE((lake.path / "_key").stat().st_mode) == 0o600
    assert lake.artefact("costs/report.html").parent.is_dir()


def test_open_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LakeError, match="no lake here; make one with `playhead demo`"):
        Lake.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="no lake here"):
        Lake.open(tmp_path / "file")
    with pytest.raises(LakeError, match="cannot make a lake"):
        Lake.create(tmp_path / "file")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.doc").write_text("")
    with pytest.raises(LakeError, match="the folder holds other things"):
        Lake.create(tmp_path / "home")
    lake = Lake.create(tmp_path / "lake")
    meta = lake.path / "_playhead.json"
    meta.write_text(
        meta.read_text().replace(f'"contract_version": {CONTRACT_VERSION}', '"contract_version": 99')
    )
    with pytest.raises(LakeError, match="contract version 99"):
        Lake.open(lake.path)
    meta.write_text("not json")
    with pytest.raises(LakeError, match="cannot be read as a lake's description"):
        Lake.open(lake.path)
    monkeypatch.setenv("PLAYHEAD_HASH_KEY", "another")
    with pytest.raises(LakeError, match="hash key is not the one"):
        _ = lake.key


def test_a_broken_log_is_an_error_of_ours(lake: Lake) -> None:
    lake.append("playback_session", sessions(1), application="test", version=0)
    for commit in (lake.table_path("playback_session") / "_delta_log").glob("*.json"):
        commit.write_text("{broken")
    with pytest.raises(LakeError, match="Delta log cannot be read"):
        lake.scan("playback_session")


def test_day_is_the_utc_day_of_the_end(lake: Lake) -> None:
    late = sessions(2, days=1).with_columns(
        end_ts_ms=pl.Series([START_TS_MS + 86_399_999, START_TS_MS + 86_400_000])
    )
    lake.append("playback_session", late, application="test", version=0)
    days = lake.scan("playback_session").select("session_id", pl.col("day").cast(pl.String)).collect()
    assert dict(days.iter_rows()) == {"0": "2026-04-01", "1": "2026-04-02"}


def test_a_disk_that_refuses_is_an_error_of_ours_and_adds_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(LakeError, match="No space left on device"):
            lake.append("playback_session", sessions(3), application="test", version=0)
    assert lake.scan("playback_session").collect().height == 0
    assert lake.append("playback_session", sessions(3), application="test", version=0).rows == 3
