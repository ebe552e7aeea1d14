"""The second pair of eyes on what a lake holds."""

import re
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
    assert table.sample == "all rows of 3 of 9 files"
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


def test_no_identity_and_no_foreign_host_is_in_the_site_or_the_verdict(tmp_path: Path) -> None:
    """A value that breaks a rule may be somebody's; a page that fetches tells others that it was opened."""
    lake = Lake.create(tmp_path / "lake")
    lake.append("membership", _memberships(1, 50), application="test", version=0)
    rows = lake.scan("membership").collect()
    broken = rows.with_columns(status=pl.lit("secret-of-somebody"), plan=pl.lit(None, pl.String)).cast(
        rows.schema
    )
    delta = lake.delta("membership")
    assert delta is not None
    contract = TABLES["membership"]
    lake.commit(contract, delta, lake.write_files(contract, broken), [Transaction("by hand", 0)])
    verdict = quality.check(lake)
    assert verdict.failed == 1
    pages = list(lake.artefact("quality").rglob("*.html"))
    assert {page.name for page in pages} >= {"index.html", "membership.html", "lake-membership.html"}
    for file in (*pages, lake.artefact(quality.ARTEFACT)):
        text = file.read_text(encoding="utf-8")
        assert "secret-of-somebody" not in text
        assert not re.search(r"""(src|href)=["']?https?:|<script|@import""", text), file
    index = lake.artefact(quality.DOCS).read_text(encoding="utf-8")
    assert f"{verdict.expectations - 1} of {verdict.expectations} expectations hold" in index
    linked = re.findall(r'href="([^"]+)"', index)
    assert [(index_ := lake.artefact("quality") / link).exists() for link in linked] == [True]
    assert "status" in index_.read_text(encoding="utf-8")
    # A site is replaced, not added to.
    lake.append("membership", _memberships(2, 50), application="test", version=1)
    quality.check(lake)
    assert len(list(lake.artefact("quality").rglob("*.html"))) == len(pages)
    assert sorted(f.name for f in lake.path.joinpath("artefacts").iterdir()) == ["quality", "quality.json"]


def test_a_long_day_is_sampled_through_the_whole_of_it(tmp_path: Path) -> None:
    """A fault in the second half of a file is seen, and the verdict says how many rows one stands for."""
    lake = Lake.create(tmp_path / "lake")
    lake.append("membership", _memberships(1, 50), application="test", version=0)
    contract = TABLES["membership"]
    day = pl.concat([lake.scan("membership").collect()] * 400)
    broken = day.with_columns(
        weight=pl.when(pl.int_range(pl.len()) >= 15_000).then(0).otherwise(1).cast(pl.Int64)
    )
    delta = lake.delta("membership")
    assert delta is not None
    lake.commit(contract, delta, lake.write_files(contract, broken), [Transaction("by hand", 0)])
    (table,) = quality.check(lake).tables
    assert table.sample == "evenly, up to 1 of 4 rows of 2 of 2 files"
    assert [(f["column"], f["rows"]) for f in table.failures] == [("row rule: weight below 1", 1_250)]


def test_an_empty_lake_has_nothing_against_it(tmp_path: Path) -> None:
    verdict = quality.check(Lake.create(tmp_path / "lake"))
    assert verdict.success
    assert (verdict.tables, verdict.findings) == ((), ())


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
