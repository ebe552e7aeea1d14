"""What pages read of a lake whose cubes are made: of tables that grow with the audience nothing, or bounded samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboards import delivery_queries, incident_queries, queries, session_queries
from dashboards.answers import Answers
from dashboards.beforehand import prepare
from dashboards.context import span_of
from dashboards.kept import compared, measured
from metrics import sample
from metrics.cube import source_of
from metrics.experiment import compare
from metrics.lake import Lake
from metrics.plan import Source
from metrics.query import measure
from tests.dashboards import lakes
from tests.dashboards.test_pages import APP, drawn, with_arms

AUDIENCE = {
    "playback_session", "membership", "impression", "visit", "search", "control_request", "assignment",
}  # fmt: skip
PAGES = (
    "overview", "objectives", "incidents", "delivery", "discovery", "experiments", "trust",
)  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = with_arms(Lake.open(lakes.emulated(tmp_path_factory.mktemp("prepared") / "lake")))
    prepare(lake)
    return lake


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Tables that grow with the audience, and how many of their files: as they are read, but for samples."""
    found: list[tuple[str, int]] = []
    scan, some_rows, sampling = Lake.scan, sample.some_rows, [0]

    def noted(self: Lake, table: str, files: Sequence[str] | None = None) -> pl.LazyFrame:
        if table in AUDIENCE and not sampling[0]:
            found.append((table, len(self.snapshot(table).files if files is None else files)))
        return scan(self, table, files)

    def sampled(lake: Lake, table: str, files: Sequence[str]) -> tuple[pl.LazyFrame, int]:
        sampling[0] += 1
        try:
            return some_rows(lake, table, files)
        finally:
            sampling[0] -= 1

    monkeypatch.setattr(Lake, "scan", noted)
    for module in (delivery_queries, incident_queries, queries, session_queries):
        monkeypatch.setattr(module, "some_rows", sampled)
    return found


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lake is a large one, and nothing is known of it from before."""
    monkeypatch.setattr(queries, "MOST_SESSIONS", 0)
    monkeypatch.setattr(queries, "_ANSWERS", Answers(2**20))
    st.cache_data.clear()


def show(lake: Lake, page: str, monkeypatch: pytest.MonkeyPatch, **query: str | list[str]) -> AppTest:
    monkeypatch.setenv("PLAYHEAD_LAKE", str(lake.path))
    app = AppTest.from_file(str(APP), default_timeout=120)
    if page != "overview":
        app.switch_page(f"views/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return drawn(app.run())


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_no_members_rows_to_be_drawn(
    lake: Lake, page: str, read: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(lake, page, monkeypatch)
    # The instant that the lake ends at is in the files of its last day.
    assert [one for one in read if one != ("playback_session", 1)] == []


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("page", ["incidents", "delivery", "discovery", "experiments"])
@pytest.mark.parametrize("where", [{"region": "South Asia"}, {"device": "Mobile"}, {"isp": "sa-isp-1"}])
def test_of_a_large_lake_no_slice_is_read(
    lake: Lake, page: str, where: dict[str, str], read: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(lake, page, monkeypatch, **where)
    assert [one for one in read if one != ("playback_session", 1)] == []


@pytest.mark.usefixtures("large")
def test_a_quantile_that_no_cube_tells_is_of_a_sample_and_the_page_says_so(
    lake: Lake, read: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "MOST_A_DAY", sample_of(lake, 4))
    app = show(lake, "explore", monkeypatch, by=["region", "ISP", "device"])
    assert any("figures and rows are of every 4th session" in caption.value for caption in app.caption)
    app = show(lake, "overview", monkeypatch, region="South Asia", isp="sa-isp-1", device="Mobile")
    assert any("what no sum tells of the slice is of every 4th session" in c.value for c in app.caption)
    assert not any("of every" in caption.value for caption in show(lake, "overview", monkeypatch).caption)
    assert [one for one in read if one != ("playback_session", 1)] == []


def test_steering_of_a_slice_says_that_it_is_a_sample(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def says_so(**where: str) -> bool:
        return any(
            "th request" in caption.value for caption in show(lake, "delivery", monkeypatch, **where).caption
        )

    assert not says_so(region="South Asia")
    monkeypatch.setattr(sample, "MOST_A_DAY", sample_of(lake, 4, "control_request"))
    st.cache_data.clear()
    assert says_so(region="South Asia")
    assert not says_so()


def sample_of(lake: Lake, every: int, table: str = "playback_session") -> int:
    """So many rows a day at most that every so manieth is read."""
    rows = lake.snapshot(table).rows
    days = {Path(file).parent for file in lake.snapshot(table).files}
    return -(-rows // (every * len(days)))


def test_an_experiment_that_cannot_be_told_is_no_reason_to_prepare_nothing(tmp_path: Path) -> None:
    lake = Lake.open(lakes.logged(tmp_path / "lake"))
    both = pl.DataFrame({"subscriber_id": ["a", "b"], "arm": ["control", "other"], "replicate": [1, 2]})
    told = {
        "experiment": "two controls",
        "is_control": True,
        "assigned_ts_ms": 0,
        "is_synthetic": False,
        "weight": 1,
    }
    arms = both.with_columns(pl.lit(value).alias(name) for name, value in told.items())
    lake.append("assignment", arms, application="test", version=0)
    assert prepare(lake)["playback_session"] > 0


def test_what_is_kept_is_what_the_command_line_tells(lake: Lake) -> None:
    rows, unmade = source_of(lake), Source(lake.scan)
    assert compared(lake, rows, "page").equals(compare(unmade, experiment="page"))
    span = span_of(lake)
    assert span is not None
    start, end = (span.last_ts_ms // 86_400_000 - days for days in (7, 0))
    names = ["first_week_genres", "take_rate"]
    for intervals in (True, False):
        ours = measured(lake, rows, names, start * 86_400_000, end * 86_400_000, intervals=intervals)
        theirs = measure(
            unmade, names, start_ts_ms=start * 86_400_000, end_ts_ms=end * 86_400_000, intervals=intervals
        )
        assert ours.equals(theirs)
