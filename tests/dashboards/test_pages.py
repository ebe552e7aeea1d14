"""Every page on every kind of lake: it draws, says what is missing, and a link reproduces the view."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from dashboards import minute_queries, queries, warm
from dashboards.context import FILTERS
from dashboards.formats import day, named
from metrics.catalog import METRICS
from metrics.ingest import sessions
from metrics.lake import Lake
from metrics.telemetry import TABLES
from metrics.terms import TERMS
from synthetic.scenario import load_scenario
from tests.dashboards import lakes
from tests.dashboards.tables import captions, listings, tables

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


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page by its own link: what stands in the address is the page's, and not the first one's."""

    def open_link(lake: Path, page: str, **query: str | list[str]) -> AppTest:
        monkeypatch.setenv("PLAYHEAD_LAKE", str(lake))
        app = AppTest.from_file(str(APP), default_timeout=60)
        app.switch_page(f"views/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return open_link


def words(app: AppTest) -> str:
    """All text of a page, in order."""
    kinds = (app.header, app.subheader, app.markdown, app.caption, app.error)
    told = [str(element.value) for kind in kinds for element in kind]
    return "\n".join((*told, *captions(app)))


def drawn(app: AppTest) -> AppTest:
    assert not app.exception, [e.message for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    return app


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_the_emulated_service(show: Open, emulated: Path, page: str) -> None:
    app = drawn(show(emulated, page))
    assert "30 Mar" not in words(app)
    assert any("sessions in the panel" in caption.value for caption in app.caption)


def test_what_a_first_click_asks_is_answered_before_it(
    show: Open, emulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, filters = drawn(show(emulated)).session_state["_view"]
    for ask in warm._next(source, filters, source.span()):
        ask()
    for module, name in (
        (queries, "measure"),
        (queries, "explain"),
        (minute_queries, "fired"),
        (minute_queries, "kept_by"),
    ):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: pytest.fail(f"{name} was asked"))
    for query in ({"period": "7d"}, {"period": "all"}, {"region": "South Asia"}, {"device": "Mobile"}):
        drawn(show(emulated, **query))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_a_real_log_alone(show: Open, logged: Path, page: str) -> None:
    text = words(drawn(show(logged, page)))
    missing = {
        "overview": "The telemetry tells no regions.",
        "explore": "The telemetry does not tell region.",
        "objectives": "The telemetry tells no regions. Ingest logs that do.",
        "incidents": "Nothing fired, and nothing is known to have happened.",
        "delivery": "The lake has no bytes by tier in this period.",
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
    (table,) = [table for table in tables(app) if "power" in table.columns]
    assert list(table.columns) == ["metric", "Control", "Treatment", "lift, 90 %", "power", "least lift told"]
    (hours,) = table[table["metric"] == "Hours per member-day"].to_dict("records")
    assert hours["Control"].endswith(" h")
    assert re.fullmatch(r"[+−].*\u00a0% \([+−].*\u00a0%\u00a0to\u00a0[+−].*\u00a0%\)", hours["lift, 90 %"])
    # The share meant is a part of the link.
    app = drawn(show(lake.path, "experiments", meant="10.0"))
    assert app.number_input(key="meant").value == 10.0
    assert "mismatch: look for the fault first" in [tile.delta for tile in app.metric]
    # A slice that only some metrics can be cut by narrows the list and breaks nothing.
    drawn(show(lake.path, "experiments", codec="AV1"))


def test_the_truth_of_an_experiment_stands_beside_it_and_not_beside_a_slice(
    show: Open, emulated: Path, tmp_path: Path
) -> None:
    lake = with_arms(Lake.open(shutil.copytree(emulated, tmp_path / "lake")))
    lift = {"experiment": "page", "metric": "hours_per_member_day", "lift": 0.0, "low": -0.1, "high": 0.1}
    lake.artefact("experiments.json").write_text(json.dumps({"lifts": [lift]}))
    app = drawn(show(lake.path, "experiments"))
    (table,) = [table for table in tables(app) if "truth" in table.columns]
    assert table["truth"].to_list()[0].startswith("0.0\u00a0%")
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


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_damaged_table_is_one_line(at: Open, tmp_path: Path, page: str, is_there: bool) -> None:
    lake = lakes.logged(tmp_path / "lake")
    file = next(lake.glob("tables/playback_session/**/*.parquet"))
    if is_there:
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
    app = at(lake, page)
    assert not app.exception
    (error,) = app.error
    assert error.value == (
        "A file of its tables is missing or cut short. Restore the lake's folder from a backup, or write a new lake."
    )
    assert str(tmp_path) not in words(app)


def table_of(app: AppTest, alt: str) -> list[dict[str, str]]:
    """The rows of a table that is drawn as markup."""
    markup = next(m.proto.body for m in app.get("html") if f'aria-label="{html.escape(alt)}"' in m.proto.body)

    def texts(kind: str, part: str) -> list[str]:
        cells = re.findall(f"<{kind} [^>]*>(.*?)</{kind}>", part)
        return [html.unescape(re.sub("<[^>]*>", "", cell)).strip() for cell in cells]

    head, *rows = re.findall("<tr>(.*?)</tr>", markup)
    return [dict(zip(texts("th", head), texts("td", row), strict=True)) for row in rows]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "text", ["{", "[]", '{"scores": 3, "decisions": 3, "tables": 3, "lifts": 3, "figures": 3}']
)
def test_damaged_artefacts_are_as_good_as_none(
    at: Open, emulated: Path, tmp_path: Path, page: str, text: str
) -> None:
    lake = Path(shutil.copytree(emulated, tmp_path / "lake"))
    for file in (lake / "artefacts").glob("*.json"):
        file.write_text(text)
    said = words(drawn(at(lake, page)))
    mends = {
        "overview": "`playhead decide` prints it.", "economics": "`playhead cost report --quarter 2026Q2`",
        "trust": "`playhead quality` gives one.",
    }  # fmt: skip
    assert mends.get(page, "") in said


def test_the_overview_answers_the_questions(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated))
    assert app.header[0].value.startswith("The promise is")
    assert [tile.label for tile in app.metric] == [
        "Watch hours per subscriber", "Time to play, p99", "Rebuffer rate", "Rec-driven share of hours",
    ]  # fmt: skip
    decided = table_of(app, "Effect of each system decision")
    switches = [row["switch"].partition(",")[0] for row in decided if row["switch"]]
    assert {"Own CDN", "AV1 + film grain", "Push fill", "Edge in ISPs"} <= set(switches)
    assert {row[""] for row in decided} == {"estimated", "true"}


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
    told = re.search(
        r"Hours from recommendations, about 80\s%: (\S+)\u00a0% where 80.0\u00a0% is promised", words(app)
    )
    assert told is not None
    assert float(told[1]) == pytest.approx(float(share.rstrip("\u00a0%")), abs=0.06)


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
    table = listings(app)[0]
    assert list(table.columns[:5]) == [
        "name",
        "value",
        "change",
        "time_to_play_p50_ms",
        "time_to_play_late_ratio",
    ]
    assert table["impact"].is_monotonic_decreasing
    app = drawn(show(emulated, "explore", region=["South Asia"]))
    app.multiselect(key="by").set_value(["isp"]).run()
    assert all(name.startswith("sa-isp") for name in listings(app)[0]["name"])
    app.button(key="up-region").click().run()
    assert app.multiselect(key="region").value == []
    assert app.multiselect(key="by").value == ["region"]


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
    assert any("apiVersion: openslo/v1" in element.proto.body for element in app.get("html"))
    assert "the last week's burn of" in words(app)
    # Nothing stood out in these few days, and a backtest says so in figures.
    assert "No stretch of the period stands out as an incident." in words(app)
    assert "0 of 0" in [row["caught"] for row in table_of(app, "Backtest of the objective's alerts")]


def test_an_alert_links_to_its_objective(show: Open, emulated: Path) -> None:
    app = drawn(show(emulated, "objectives", objective="start-failures"))
    assert "› start-failures ·" in words(app)
    app.segmented_control(key="objective").set_value("home-page-latency").run()
    assert "home-page-latency" in app.query_params["objective"]


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
    assert listings(app)[-1]["name"].to_list() == ["new_relic_rebuffer_ratio"]
    assert app.header[0].value == "Every session is accounted for."


def blocks(block: Block) -> Iterator[list[Any]]:
    """The elements of each container that hold no others: of the containers within, theirs stand beside them."""
    inside = list(block.children.values())
    yield inside
    for one in inside:
        if isinstance(one, Block):
            yield from blocks(one)


def figures_of(app: AppTest) -> Iterator[tuple[str, str]]:
    """Each figure that can be taken away: its key, and the help of the card that it stands in."""
    for card in blocks(app.main):
        markup = [part.proto.body for part in card if getattr(part, "type", "") == "html"]
        for key in re.findall(r'data-png="([^"]*)" data-of=""', " ".join(markup)):
            helps = [one.proto.help for one in card if getattr(one, "type", "") == "markdown"]
            yield key, " ".join(helps)


@pytest.mark.parametrize(
    ("page", "query"),
    [
        *((page, {}) for page in PAGES),
        ("explore", {"lens": "Distribution", "box": "2026-04-01T00:00~2026-04-15T00:00~10~40"}),
        ("explore", {"lens": "Map"}),
        ("incidents", {"period": "all"}),
    ],
)  # fmt: skip
def test_every_figure_leads_to_its_definition(
    at: Open, emulated: Path, page: str, query: dict[str, str]
) -> None:
    """To one that the glossary has, whose unit is in the line beside it."""
    figures = dict(figures_of(drawn(at(emulated, page, **query))))
    assert figures or page == "trust" or page == "experiments"
    for key, told in figures.items():
        names = re.findall(r"\[Definition\]\(trust\?find=(\w+)#definitions\)", told)
        assert names, key
        for name in names:
            of = METRICS.get(name) or TERMS[name]
            assert f"Unit: {of.unit}" in told


def test_the_glossary_has_terms_beside_metrics(at: Open, emulated: Path) -> None:
    found = listings(drawn(at(emulated, "trust", find="lift")))[-1]
    assert found["name"].to_list()[0] == "lift"  # the one that a link names comes first
    assert len(listings(drawn(at(emulated, "trust")))[-1]) == len(METRICS) + len(TERMS)


def test_tables_say_how_far_they_reach(at: Open, emulated: Path) -> None:
    tables = next(
        frame for frame in listings(drawn(at(emulated, "trust"))) if "last day" in frame.columns
    ).set_index("table")
    assert tables.loc["minute_count", "last day"] == "14 Apr 2026"
    assert tables.loc["assignment", "last day"] == "–"


LENSES = {
    "By value": "By region, worst first", "Distribution": "distribution over time", "Map": "by site",
    "Sessions": "Sessions, highest",
}  # fmt: skip


@pytest.mark.parametrize("lens", LENSES)
def test_explore_looks_in_four_ways(at: Open, emulated: Path, lens: str) -> None:
    assert LENSES[lens] in words(drawn(at(emulated, "explore", lens=lens)))


@pytest.mark.parametrize("lens", LENSES)
def test_explore_says_what_a_real_log_does_not_tell(at: Open, logged: Path, lens: str) -> None:
    text = words(drawn(at(logged, "explore", lens=lens)))
    assert {
        "By value": "The telemetry does not tell region.", "Distribution": "distribution over time",
        "Map": "The telemetry tells no country", "Sessions": "Sessions, highest",
    }[lens] in text  # fmt: skip


def test_explore_by_two_dimensions(at: Open, emulated: Path) -> None:
    app = drawn(at(emulated, "explore", by=["region", "device"], metric="Rebuffer rate"))
    names = listings(app)[0]["name"]
    assert all(" · " in name for name in names)
    assert "By region and device, worst first" in words(app)


def test_a_brushed_span_is_what_is_looked_at(at: Open, emulated: Path) -> None:
    whole = drawn(at(emulated, "explore", period="all"))
    day = drawn(at(emulated, "explore", period="all", brush="2026-04-03T00:00~2026-04-04T00:00"))
    assert sum(listings(whole)[0]["sessions"]) > 5 * sum(listings(day)[0]["sessions"])
    assert day.button(key="unbrush").label == "3 Apr"
    day.button(key="unbrush").click().run()
    assert listings(drawn(day))[0].equals(listings(whole)[0])
    beyond = drawn(at(emulated, "explore", period="all", brush="2030-04-03T00:00~2030-04-04T00:00"))
    assert listings(beyond)[0].equals(listings(whole)[0])


def test_a_brushed_span_becomes_the_period(at: Open, emulated: Path) -> None:
    app = drawn(at(emulated, "explore", brush="2026-04-03T00:00~2026-04-05T00:00"))
    app.button(key="settle").click().run()
    assert "3 Apr 2026 to 4 Apr 2026" in words(drawn(app))


def test_a_box_is_compared_with_the_rest(at: Open, emulated: Path) -> None:
    box = "2026-04-01T00:00~2026-04-15T00:00~1~40"
    app = drawn(at(emulated, "explore", lens="Distribution", dist="Time stalled", box=box))
    text = words(app)
    assert "What is different in the box" in text
    assert "any, 1 Apr to 14 Apr UTC" in app.button(key="unbox").label
    assert re.search(r"values differ surely|surely differ from the rest|Too few sessions", text)
    app.button(key="unbox").click().run()
    assert "What is different?" in words(drawn(app))


@pytest.mark.parametrize("box", ["~", "2026-04-01T00:00~2026-04-02T00:00~900~999", "x~y~1~2"])
def test_a_box_that_means_nothing_breaks_nothing(at: Open, emulated: Path, box: str) -> None:
    drawn(at(emulated, "explore", lens="Distribution", box=box))


def test_the_way_down_is_a_path_that_leads_back(at: Open, emulated: Path) -> None:
    served = Lake.open(emulated).scan("playback_session").filter(pl.col("region") == "south-asia").collect()
    isp, site = served.group_by("isp", "site").len().sort("len", descending=True).select("isp", "site").row(0)
    app = drawn(at(emulated, "explore", region=["South Asia"], isp=[isp], site=site, period="all"))
    app.multiselect(key="by").set_value(["device"]).run()
    for key in ("up-region", "up-isp", "up-site"):
        assert app.button(key=key)
    assert len(listings(app)[0]) > 0
    app.button(key="up-isp").click().run()
    assert "site" not in drawn(app).query_params
    assert app.multiselect(key="isp").value == [isp]
    assert app.multiselect(key="by").value == ["site"]
    app.button(key="up-all").click().run()
    assert app.multiselect(key="region").value == []


def test_one_session_from_the_play_to_its_end(at: Open, emulated: Path) -> None:
    app = drawn(at(emulated, "explore", lens="Sessions"))
    first = listings(app)[0].iloc[0]
    app = drawn(at(emulated, "explore", lens="Sessions", session=first["session"]))
    text = words(app)
    assert f"first frame after **{first['startup']:,} ms**" in text or "s**" in text
    assert f"session {first['session']}" in text
    gone = drawn(at(emulated, "explore", lens="Sessions", session="nobody"))
    assert "No session of that name ended in this period." in words(gone)


def test_a_logged_session_shows_what_its_requests_tell(at: Open, logged: Path) -> None:
    app = drawn(at(logged, "explore", lens="Sessions", worst="Time playing"))
    name = listings(app)[0]["session"][0]
    assert "ended:" in words(
        drawn(at(logged, "explore", lens="Sessions", worst="Time playing", session=name))
    )


def test_an_incident_is_explained_beside_the_truth(at: Open, emulated: Path) -> None:
    app = drawn(at(emulated, "incidents", period="all", incident="config-push-asia-pacific"))
    text = words(app)
    assert "faults that the emulator put into this period" in text
    table = next(frame for frame in listings(app) if "what happened" in frame.columns)
    assert "Config push" in " ".join(table["what happened"])
    assert "**Config push**, region Asia-Pacific, severity 60\u00a0%" in text
    other = drawn(at(emulated, "incidents", period="all", incident="no-such-incident"))
    assert other.subheader
    # The link to Explore says the days and the slice, in the words that its filters have in the address.
    (link,) = app.get("link_button")
    page, _, query = link.proto.url.partition("?")
    assert page == "explore"
    wanted = parse_qs(query)
    linked = drawn(at(emulated, page, **wanted))
    first, last = (day(date.fromisoformat(text)) for text in wanted["dates"])
    assert f"{first} to {last}" in words(linked)
    assert linked.selectbox(key="metric").value == "start_failure_technical_ratio"
    for name in set(wanted) & set(FILTERS):
        assert [named(value) for value in linked.multiselect(key=name).value] == wanted[name]


def test_delivery_adds_up(at: Open, emulated: Path) -> None:
    app = drawn(at(emulated, "delivery", period="all"))
    assert "of bytes came from inside ISPs" in app.header[0].value
    tiers = next(table for table in tables(app) if "tier" in table.columns)
    assert sum(float(cell.rstrip("\u00a0%")) for cell in tiers["share"]) == pytest.approx(100, abs=0.02)
    assert [tile.label for tile in app.metric][:2] == ["Edge offload", "Content misses"]
    drawn(at(emulated, "delivery", device=["mobile"]))
    assert "Delivery cannot be narrowed" in at(emulated, "delivery", device=["Mobile"]).header[0].value


@pytest.mark.parametrize("level", ["region", "ISP", "site", "appliance"])
def test_utilisation_at_every_level(at: Open, emulated: Path, level: str) -> None:
    assert "Fullest: " in words(drawn(at(emulated, "delivery", level=level)))


def test_a_link_to_a_live_view_draws_it(show: Open, emulated: Path) -> None:
    app = show(emulated, live="true")
    assert not app.error
    assert app.toggle(key="live").value
    assert len(app.metric) >= 4
