"""The second pair of eyes on what a lake holds."""

from pathlib import Path

import polars as pl
from deltalake import Transaction

from metrics import quality
from metrics.lake import Lake
from metrics.telemetry import TABLES

DAY_MS = 86_400_000
START_TS_MS = 1_775_001_600_000


def _memberships(days: int, members: int) -> pl.DataFrame:
    n = days * members
    return pl.DataFrame(
        {
            "ts_ms": [START_TS_MS + (i // members) * DAY_MS for i in range(n)],
            "subscriber_id": [f"{i % members:016x}" for i in range(n)],
            "tenure_days": [i // members for i in range(n)],
            "status": ["paying"] * n,
            "is_churned": [False] * n,
            "is_synthetic": [True] * n,
            "weight": [10] * n,
            "replicate": [i % 32 for i in range(n)],
        }
    )


def test_a_lake_that_keeps_its_contract_passes_and_is_not_looked_at_twice(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append("membership", _memberships(9, 50), application="test", version=0)
    verdict = quality.check(lake)
    assert verdict.success
    assert verdict.lake_version == lake.version()
    (table,) = verdict.tables
    assert (table.table, table.rows, table.rows_checked) == ("membership", 450, 150)
    assert table.sample == "the first 5,000 rows of 3 of 9 files"
    assert table.expectations > 10
    assert quality.read(lake) == verdict
    assert quality.check(lake) == verdict


def test_rows_that_came_in_by_another_door_are_found(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.append("membership", _memberships(1, 50), application="test", version=0)
    contract = TABLES["membership"]
    day = lake.scan("membership").collect()
    broken = day.with_columns(
        status=pl.lit("vip"), weight=pl.lit(0, pl.Int64), tenure_days=pl.lit(-1, pl.Int64), subscriber_id=None
    ).cast(day.schema)
    delta = lake.delta("membership")
    assert delta is not None
    lake.commit(contract, delta, lake.write_files(contract, broken), [Transaction("by hand", 0)])
    verdict = quality.check(lake)
    assert not verdict.success
    found = {failure["column"]: failure["rows"] for failure in verdict.tables[0].failures}
    assert found == {
        "status": 50,
        "tenure_days": 50,
        "subscriber_id": 50,
        "row rule: weight below 1": 50,
    }


def test_an_empty_lake_has_nothing_against_it(tmp_path: Path) -> None:
    verdict = quality.check(Lake.create(tmp_path / "lake"))
    assert verdict.success
    assert verdict.tables == ()


def test_decimals_and_lists_do_not_stop_the_check(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    name = "truth_counterfactual"
    row: dict[str, object] = {
        c.name: [1] for c in TABLES[name].columns if c.dtype not in (pl.String, pl.List(pl.Int64))
    }
    row |= {"world": ["factual"], "region": ["mena"]}
    row |= {"startup_bucket": [[1]], "startup_weight": [[2]]}
    assert lake.append(name, pl.DataFrame(row), application="test", version=0).rows == 1
    assert quality.check(lake).success
