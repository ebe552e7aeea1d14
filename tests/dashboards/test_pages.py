"""Every page on every kind of lake: it draws, says what is missing, and a link reproduces the view."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from metrics.ingest import sessions
from metrics.lake import Lake
from metrics.telemetry import TABLES
from synthetic.scenario import load_scenario
from tests.dashboards import lakes

APP = Path(__file__).parents[2] / "dashboards" / "app.py"
PAGES = (
    "overview", "explore", "objectives", "incidents", "delivery", "discovery", "experiments", "economics", "trust",
)  # fmt: skip
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lakes.emulated(tmp_path_factory.mktemp("emulated") / "lake")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lakes.logged(tmp_path_factory.mktemp("logged") / "lake")


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page of a lake, with query parameters."""

    def open_page(lake: Path, page: str = "overview", **query: str | list[str]) -> AppTest:
        monkeypatch.setenv("PLAYHEAD_LAKE", str(lake))
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "overview":
            app.switch_page(f"views/{page}.py").run()
        return app

    return open_page


def words(app: AppTest) -> str:
    """All text of a page, in order."""
    kinds = (app.header, app.subheader, app.markdown, app.caption, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def drawn(app: AppTest) -> AppTest:
    assert not app.exception, [e.message for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    return app


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_the_emulated_service(show: Open, emulated: Path, page: str) -> None:
    app = drawn(show(emulated, page))
    assert "30 Mar" not in words(app)
    assert any("sessions in the panel" in caption.value for caption in app.caption)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_a_real_log_alone(show: Open, logged: Path, page: str) -> None:
    text = words(drawn(show(logged, page)))
    missing = {
        "overview": "The telemetry tells no regions.",
        "explore": "The telemetry does not tell region.",
        "objectives": "The telemetry tells no regions. Ingest logs that do.",
        "discovery": "No visit is told, with or without a play.",
        "experiments": "Nobody is assigned to an arm.",
        "economics": "Unit costs need a quarter's charges.",
        "trust": "No verdict for this lake yet.",
    }
    assert missing.get(page, "") in text


def with_arms(lake: Lake) -> Lake:
    """Half of the members in each arm of an experiment that changed nothing."""
    members = lake.scan("membership").group_by("subscriber_id").agg(pl.first("weight", "replicate")).collect()
    arms = members.sort("subscriber_id").with_columns(
        experiment=pl.lit("page"),
        arm=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("control")).otherwise(pl.lit("treatment")),
        assigned_ts_ms=pl.lit(load_scenario(None).start_ts_ms),
        is_synthetic=pl.lit(value=True),
    )
    lake.append(
        "assignment", arms.with_columns(is_control=pl.col("arm") == "control"), application="test", version=0
    )
    return lake


def test_arms_stand_side_by_side_with_what_they_can_tell(show: Open, emulated: Path, tmp_path: Path) -> None:
    lake = with_arms(Lake.open(shutil.copytree(emulated, tmp_path / "lake")))
    app = drawn(show(lake.path, "experiments"))
    assert app.header[0].value.startswith("Page: ")
    assert [tile.value for tile in app.metric][:2] == ["100", "100"]
    (table,) = [t.value for t in app.table if "power" in t.value.columns]
    assert list(table.columns) == ["metric", "control", "treatment", "lift, 90 %", "power", "least lift told"]
    (hours,) = table[table["metric"] == "Hours per member-day"].to_dict("records")
    assert hours["control"].endswith(" h")
    assert re.fullmatch(r":\w+\[[+−].* %\] :gray\[\([+−].* % to [+−].* %\)\]", hours["lift, 90 %"])
    # A slice that only some metrics can be cut by narrows the list and breaks nothing.
    drawn(show(lake.path, "experiments", codec="AV1"))


def test_the_truth_of_an_experiment_stands_beside_it_and_not_beside_a_slice(
    show: Open, emulated: Path, tmp_path: Path
) -> None:
    lake = with_arms(Lake.open(shutil.copytree(emulated, tmp_path / "lake")))
    lift = {"experiment": "page", "metric": "hours_per_member_day", "lift": 0.0, "low": -0.1, "high": 0.1}
    lake.artefact("experiments.json").write_text(json.dumps({"lifts": [lift]}))
    app = drawn(show(lake.path, "experiments"))
    (table,) = [t.value for t in app.table if "truth" in t.value.columns]
    assert table["truth"].to_list()[0].startswith("+0.0 %")
    assert "The truth is of all members" in words(
        drawn(show(lake.path, "experiments", region=["South Asia"]))
    )


def test_trust_says_what_sessions_do_not_tell(show: Open, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("id,at,s\na,2026-04-01T12:00:00Z,60\nb,2026-04-01T13:00:00Z,60\n")
    (tmp_path / "map.toml").write_text(
        '[columns]\nsession_id = "id"\nstart_ts_ms = {column = "at", unit = "iso"}\n'
        'playing_ms = {column = "s", unit = "s"}\n'
    )
    lake = Lake.create(tmp_path / "lake")
    sessions.ingest(lake, tmp_path / "own.csv", sessions.load_mapping(tmp_path / "map.toml"))
    text = words(drawn(show(lake.path, "trust")))
    assert "left out of metrics that need what their source does not tell: waited 2 · stalls 2" in text
    assert "playing 2" not in text


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_lake_leads_two_ways(show: Open, tmp_path: Path, page: str) -> None:
    app = drawn(show(lakes.empty(tmp_path / "lake"), page))
    assert app.header[0].value == "No sessions here yet"
    assert app.button(key="make-demo").label == "Make the demo"
    assert app.get("file_uploader")


@pytest.mark.parametrize("page", PAGES)
def test_a_broken_lake_is_one_line(show: Open, tmp_path: Path, page: str) -> None:
    app = show(lakes.broken(tmp_path / "lake"), page)
    assert not app.exception
    (error,) = app.error
    assert "cannot be read" in error.value
    assert "\n" not in error.value
    assert str(tmp_path) not in words(app)


def test_a_missing_lake_is_one_line(show: Open, tmp_path: Path) -> None:
    (error,) = show(tmp_path / "nowhere").error
    assert "\n" not in error.value


def test_a_damaged_table_is_one_line(show: Open, tmp_path: Path) -> None:
    lake = lakes.logged(tmp_path / "lake")
    file = next(lake.glob("tables/playback_session/**/*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    app = show(lake)
    assert not app.exception
    (error,) = app.error
    assert "\n" not in error.value
    assert str(tmp_path) not in words(app)


def test_the_overview_answers_the_questions(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated))
    assert app.header[0].value.startswith("The promise is")
    assert [tile.label for tile in app.metric] == [
        "Watch hours per subscriber", "Time to play, p99", "Rebuffer rate", "Rec-driven share of hours",
    ]  # fmt: skip
    decided = next(table.value for table in app.table if "switch" in table.value.columns)
    assert [cell.split("**")[1] for cell in decided["switch"]] == [
        "Own CDN", "AV1 + film grain", "Push fill", "Edge in ISPs",
    ]  # fmt: skip
    told = [cell != ":gray[–]" for cell in decided["cost per 1,000 stream hours, $"]]
    assert told == [True, True, True, False]
    assert (decided != "").all(axis=None)


def test_the_verdict_names_the_share_that_no_minute_counts(
    show: Open, emulated: Path, tmp_path: Path
) -> None:
    """Members who find their own way twice over bring the share of recommendations under its promise."""
    lake = Lake.open(shutil.copytree(emulated, tmp_path / "lake"))
    contract = TABLES["playback_session"]
    unaided = lake.scan(contract.name).filter(~pl.col("is_rec_driven")).select(*contract.schema).collect()
    unaided = unaided.with_columns(pl.col("session_id") + "-again")
    lake.append(contract.name, unaided, application="test", version=0)
    app = drawn(show(lake.path, period="all"))
    share = next(tile.value for tile in app.metric if tile.label == "Rec-driven share of hours")
    told = re.search(r"Hours from recommendations, about 80 %: (\S+)% where 80.0% is promised", words(app))
    assert told is not None
    assert float(told[1]) == pytest.approx(float(share.rstrip("%")), abs=0.06)


def test_a_link_reproduces_the_view(show: Open, emulated: Path) -> None:
    whole = drawn(show(emulated))
    linked = drawn(show(emulated, region=["South Asia"], period="7d"))
    assert linked.multiselect(key="region").value == ["south-asia"]
    assert "8 Apr 2026 to 14 Apr 2026" in words(linked)
    assert "8 Apr 2026 to 14 Apr 2026" not in words(whole)
    assert linked.metric[1].value != whole.metric[1].value
    assert linked.query_params["region"] == "South Asia"


def test_choosing_a_filter_narrows_the_view(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated))
    whole = app.metric[1].value
    app.multiselect(key="device").set_value(["mobile"]).run()
    assert drawn(app).metric[1].value != whole


def test_a_value_that_the_lake_does_not_have_is_ignored(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated, region=["Atlantis"], period="never", dates="yesterday"))
    assert app.multiselect(key="region").value == []
    assert "1 Apr 2026 to 14 Apr 2026" in words(app)


def test_explore_ranks_regions_and_leads_to_their_isps(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated, "explore", period="7d"))
    table = app.dataframe[0].value
    assert list(table.columns[:5]) == [
        "name",
        "value",
        "change",
        "time_to_play_p50_ms",
        "time_to_play_late_ratio",
    ]
    assert table["impact"].is_monotonic_decreasing
    app = drawn(show(emulated, "explore", region=["South Asia"], by="ISP"))
    assert all(name.startswith("sa-isp") for name in app.dataframe[0].value["name"])
    app.button(key="up-region").click().run()
    assert app.multiselect(key="region").value == []
    assert app.selectbox(key="by").value == "region"


@pytest.mark.parametrize(
    "metric", ["Watch hours", "Paying members", "Cost per stream hour", "Home pages over 100 ms"]
)
def test_explore_draws_any_kind_of_metric(show: Open, emulated: Path, metric: str) -> None:
    assert metric in words(drawn(show(emulated, "explore", metric=metric)))


def test_an_objective_by_its_name(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated, "objectives"))
    app.segmented_control(key="objective").set_value("home-page-latency").run()
    assert "› home-page-latency ·" in words(drawn(app))
    assert [tile.label for tile in app.metric] == ["Objective", "Attained", "Budget left"]
    assert app.code[0].value.startswith("apiVersion: openslo/v1")
    assert "the last week's burn of" in words(app)


def test_the_price_moves_the_break_even(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated, "economics"))
    free = next(m.value for m in app.markdown if m.value.startswith("lean"))
    app.toggle(key="fixed").set_value(True).run()
    app.slider(key="price").set_value(8.0).run()
    dear = next(m.value for m in drawn(app).markdown if m.value.startswith("lean"))
    assert free != dear
    assert app.get("download_button")


def test_the_glossary_is_searched(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated, "trust", find="rebuffer new relic"))
    assert app.dataframe[-1].value["name"].to_list() == ["new_relic_rebuffer_ratio"]
    assert app.header[0].value == "Every session is accounted for."
