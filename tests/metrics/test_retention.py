"""Rows go when they are older than the policy keeps, with the history that held them."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from metrics.errors import InputError
from metrics.lake import Lake
from metrics.own_tables import QUARANTINE
from metrics.retention import SHIPPED, load_retention, retain
from metrics.upkeep import compact, erase
from tests.metrics.rows import APRIL_MS, member_days, rows
from tests.metrics.sessions_frame import sessions

POLICY = "[policy]\nsource = 'ours'\ndate = 2026-04-01\n[kept_days]\n"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Sessions and members of 1 to 10 April, and a bad row in quarantine."""
    lake = Lake.create(tmp_path / "lake")
    lake.append("playback_session", sessions(100, days=10), application="test", version=0)
    lake.append("membership", rows("membership", *member_days(10)), application="test", version=0)
    bad = sessions(1, first=500).with_columns(weight=pl.lit(0, pl.Int64))
    lake.append("playback_session", bad, application="bad", version=0)
    return lake


def _policy(lake: Lake, days: str) -> None:
    (lake.path / "retention.toml").write_text(POLICY + days)


def test_days_over_their_time_go_and_the_rest_stays(lake: Lake) -> None:
    _policy(lake, "playback_session = 7")
    compact(lake)
    done = retain(lake, load_retention(lake), dt.date(2026, 4, 11))
    assert done.rows == {"playback_session": 30}
    assert lake.scan("playback_session").collect()["day"].min() == dt.date(2026, 4, 4)
    assert lake.scan("membership").collect().height == 10
    stored = {file.parent.name for file in lake.table_path("playback_session").rglob("day=*/*.parquet")}
    assert stored == {f"day=2026-04-{day:02d}" for day in range(4, 11)}
    again = retain(lake, load_retention(lake), dt.date(2026, 4, 11))
    assert (again.rows, again.files_deleted) == ({"playback_session": 0}, 0)
    # What went does not come back with the batch that brought it.
    assert lake.append("playback_session", sessions(100, days=10), application="test", version=0).already


def test_quarantine_is_as_old_as_its_lines_were_written_and_compaction_keeps_it_so(tmp_path: Path) -> None:
    """Three writes of one day are joined, one of the next is not, and no file is younger for it."""
    lake = Lake.create(tmp_path / "lake")
    bad = pl.DataFrame({"table": ["lines"], "reason": ["no log"], "row": ["x"]})
    lake.quarantine(bad, application="lines/x", version=0)
    lines = lake.scan("quarantine").collect()
    erase(lake, "quarantine", pl.lit(value=True))
    for hour in (1, 5, 23, 24):
        delta = lake.delta("quarantine")
        assert delta is not None
        written_ms = APRIL_MS + hour * 3_600_000
        lake.commit(QUARANTINE, delta, lake.write_files(QUARANTINE, lines, written_ms=written_ms), [])
    assert compact(lake)["quarantine"] == (4, 2)
    _policy(lake, "quarantine = 30")
    for day, left in (("2026-05-01", 4), ("2026-05-02", 1), ("2026-05-02", 1), ("2026-05-03", 0)):
        retain(lake, load_retention(lake), dt.date.fromisoformat(day))
        assert lake.scan("quarantine").collect().height == left
    assert not list(lake.table_path("quarantine").glob("*.parquet"))


def test_the_shipped_policy_can_be_read_and_the_lakes_own_comes_first(lake: Lake, tmp_path: Path) -> None:
    assert load_retention(lake).kept_days["quarantine"] == 30
    assert load_retention(lake, SHIPPED) == load_retention(lake)
    _policy(lake, "quarantine = 3")
    assert load_retention(lake).kept_days == {"quarantine": 3}
    assert load_retention(lake, SHIPPED).kept_days["quarantine"] == 30


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ("session = 3", "no table 'session'; did you mean"),
        ("quarantine = 0", "quarantine: must be a day at least"),
        ("quarantine = 'ever'", "kept_days.quarantine: Input should be a valid integer"),
    ],
)
def test_a_policy_that_cannot_be_used(lake: Lake, days: str, message: str) -> None:
    _policy(lake, days)
    with pytest.raises(InputError, match=message):
        load_retention(lake)
