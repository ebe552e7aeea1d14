"""A lake as an older Playhead wrote it is refused in one line, and brought to the present by one command."""

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.transaction import AddAction

from metrics import migration
from metrics.errors import LakeError
from metrics.lake import Lake
from metrics.migration import migrate
from metrics.query import measure
from metrics.telemetry import CONTRACT_VERSION, TABLES
from metrics.truth import counterfactuals, experiments, incidents
from metrics.upkeep import vacuum
from synthetic.incident_kinds import KINDS
from tests.metrics.rows import rows
from tests.metrics.sessions_frame import sessions

# The columns of each version, by their digest: a table that changes needs a version and a step.
SHAPES = {4: "f7919bfaf32b3170"}


def _shape() -> str:
    columns = [(name, [(c, str(t)) for c, t in table.schema.items()]) for name, table in TABLES.items()]
    return hashlib.blake2b(json.dumps(columns).encode(), digest_size=8).hexdigest()


def _old_incidents(kinds: list[str]) -> pl.DataFrame:
    """``truth_incident`` in the form version 1 first had."""
    n = len(kinds)
    return pl.DataFrame(
        {
            "incident_id": [f"i{k}" for k in range(n)],
            "kind": kinds,
            "start_ts_ms": [1_775_001_600_000] * n,
            "end_ts_ms": [1_775_005_200_000] * n,
            "ramp_ms": [0] * n,
            "severity_ratio": [0.5] * n,
            "scope": ["{}"] * n,
        }
    )


def _write(lake: Lake, table: str, frame: pl.DataFrame, application: str) -> None:
    """A batch as the Playhead of the time wrote it: the frame's own columns, one file, one commit."""
    path = lake.table_path(table)
    path.mkdir(parents=True, exist_ok=True)
    schema = Schema.from_arrow(frame.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema)
    DeltaTable.create(path, schema, mode="ignore", configuration={"delta.enableDeletionVectors": "false"})
    name = f"part-{application}.zstd.parquet"
    frame.write_parquet(path / name)
    stats = json.dumps({"numRecords": frame.height})
    size = (path / name).stat().st_size
    DeltaTable(path).create_write_transaction(
        [AddAction(name, size, {}, 1_775_001_600_000, data_change=True, stats=stats)],
        mode="append",
        schema=schema,
        partition_by=[],
        commit_properties=CommitProperties(app_transactions=[Transaction(application, 0)]),
    )


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A lake of version 1: sessions, which have not changed, and incidents without their metric."""
    lake = Lake.create(tmp_path / "old")
    lake.append("playback_session", sessions(30), application="test", version=0)
    _write(lake, "truth_incident", _old_incidents(["player_bug", "auth_outage"]), "synthesize")
    meta = lake.path / "_playhead.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"contract_version": 1}))
    return lake.path


def test_the_tables_are_those_of_the_contract_version() -> None:
    assert _shape() == SHAPES[CONTRACT_VERSION], (
        "a changed table needs a new CONTRACT_VERSION and a step to it"
    )
    assert set(range(1, CONTRACT_VERSION)) == set(migration.STEPS)


def test_an_older_lake_is_refused_with_the_command_that_mends_it(old: Path) -> None:
    with pytest.raises(LakeError, match=f"contract version 1, .*run `playhead lake migrate --lake {old}`"):
        Lake.open(old)
    with pytest.raises(LakeError, match="contract version 1"):
        Lake.create(old)


def test_from_version_1(old: Path) -> None:
    done = migrate(old)
    assert (done.before, done.after, done.rows, done.quarantined) == (1, 4, {"truth_incident": 2}, 0)
    lake = Lake.open(old)
    found = incidents(lake).collect()
    assert found.schema == TABLES["truth_incident"].schema
    assert dict(found.select("kind", "metric").iter_rows()) == {
        "player_bug": "playback_failure_ratio",
        "auth_outage": "start_failure_technical_ratio",
    }
    assert lake.scan("playback_session").collect().height == 30
    # What was appended is still known, and more can be.
    assert lake.appended_version("truth_incident", "synthesize") == 0
    more = _old_incidents(["live_surge"]).with_columns(metric=pl.lit("attempts"))
    assert lake.append("truth_incident", more, application="synthesize", version=1).rows == 1
    assert vacuum(lake, retention_hours=0) == 1
    assert incidents(lake).collect().height == 3
    assert migrate(old).rows == {}


def test_from_version_2(tmp_path: Path) -> None:
    """Impressions had no genre, tenure or picture, which nothing tells of old: null, never a guess."""
    lake = Lake.create(tmp_path / "old")
    new = {"genre", "artwork", "tenure_days"}
    given = rows(
        "impression", {"impression_id": "a", "is_examined": True}, {"impression_id": "b", "is_played": True}
    )
    _write(lake, "impression", given.drop(new), "synthesize")
    meta = lake.path / "_playhead.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"contract_version": 2}))
    done = migrate(lake.path)
    assert (done.before, done.after, done.rows, done.quarantined) == (2, 4, {"impression": 2}, 0)
    found = Lake.open(lake.path).scan("impression").collect()
    assert found.drop("day").schema == TABLES["impression"].schema
    assert found.drop("day").equals(given)
    assert measure(Lake.open(lake.path), ["take_rate", "first_week_genres"])["value"].to_list() == [0.0, None]


def test_from_version_3(tmp_path: Path) -> None:
    """Worlds were told over all days alone, which is what no experiment says."""
    lake = Lake.create(tmp_path / "old")
    sketch: dict[str, Any] = {"startup_bucket": [3], "startup_weight": [1]}
    given = rows("truth_counterfactual", {"world": "factual"} | sketch, {"world": "h264_only"} | sketch)
    _write(lake, "truth_counterfactual", given.drop("experiment"), "synthesize")
    meta = lake.path / "_playhead.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"contract_version": 3}))
    done = migrate(lake.path)
    assert (done.before, done.after, done.rows, done.quarantined) == (3, 4, {"truth_counterfactual": 2}, 0)
    now = Lake.open(lake.path)
    assert counterfactuals(now).collect()["world"].to_list() == ["factual", "h264_only"]
    assert experiments(now).collect().is_empty()


def test_what_the_present_contract_does_not_let_in_goes_to_quarantine(old: Path) -> None:
    lake = Lake(old, "", "")
    _write(lake, "truth_incident", _old_incidents(["meteorite"]), "later")
    done = migrate(old)
    assert (done.rows, done.quarantined) == ({"truth_incident": 2}, 1)
    (row,) = Lake.open(old).scan("quarantine").collect().iter_rows(named=True)
    assert (row["table"], row["reason"]) == ("truth_incident", "metric: missing")
    assert json.loads(row["row"])["kind"] == "meteorite"


def test_cut_off_half_way_it_goes_on(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is of version 2 already and the description is not: its rows are not changed twice."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "describe", stop)
        with pytest.raises(KeyboardInterrupt):
            migrate(old)
    with pytest.raises(LakeError, match="contract version 1"):
        Lake.open(old)
    version = Lake.described(old)[1].snapshot("truth_incident").version
    assert migrate(old).rows == {}
    assert Lake.open(old).snapshot("truth_incident").version == version


@pytest.mark.parametrize("version", [0, 99])
def test_where_no_step_leads(old: Path, version: int) -> None:
    meta = old / "_playhead.json"
    meta.write_text(meta.read_text().replace('"contract_version": 1', f'"contract_version": {version}'))
    with pytest.raises(
        LakeError, match=f"no way from contract version {version} to {CONTRACT_VERSION}; use the Playhead"
    ):
        migrate(old)


def test_incidents_of_old_moved_what_they_move_today() -> None:
    assert {kind: KINDS[kind].moves for kind in KINDS} == migration._MOVED_FIRST
