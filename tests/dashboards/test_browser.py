"""The dashboard as a reader has it: in Chromium, over the wire, from the address bar to the download.

``PLAYHEAD_SHOWN`` names a lake to show instead of a small emulated one, and ``PLAYHEAD_SCREENSHOTS`` a folder for the
pictures of the README (``make screenshots``).
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest
from PIL import Image

from metrics.lake import Lake
from metrics.telemetry import TABLES
from tests.dashboards import lakes

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page

from benchmarks.browser import Served, Theme, opened, served, settled
from tests.dashboards.reading import cell, moving_on, pick, query, row, same_view, slowed

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium"),
]

PAGES = (
    "", "explore", "objectives", "incidents", "delivery", "discovery", "experiments", "economics", "trust",
)  # fmt: skip
PICTURES = os.environ.get("PLAYHEAD_SCREENSHOTS")  # read now: a test sees none of our variables
# Where a page is opened by its own address, Streamlit looks for its server beside it before it looks at the root.
PROBE = re.compile(r"/_stcore/(health|host-config)$")


# Whether a tile was taken away and put back, or anything that is seen faded, from now on; and how long at a time the
# server was waited for, in milliseconds: what is shown fades after half a second of it.
WATCH = """() => {
  const shown = '[data-testid="stMain"] [data-testid="stElementContainer"]';
  window.tiles = [...document.querySelectorAll('[data-testid="stMetric"]')];
  window.faintest = 1;
  window.waited = 0;
  let since = null;
  const look = (now) => {
    const seen = [...document.querySelectorAll(shown)].filter((one) => one.checkVisibility());
    window.faintest = Math.min(window.faintest, ...seen.map((one) => Number(getComputedStyle(one).opacity)));
    since = document.querySelector('.st-key-renewed [data-stale="true"]') ? since ?? now : null;
    window.waited = Math.max(window.waited, since === null ? 0 : now - since);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def main(page: Page) -> str:
    """What the page says, without what tells the second it was drawn."""
    return page.get_by_test_id("stMain").inner_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_an_error(page: Page, address: Served, lake: Path, name: str) -> None:
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("response", lambda r: said.append(r.url) if r.status >= 400 and not PROBE.search(r.url) else None)
    page.on("console", lambda m: said.append(m.text) if m.type == "error" and "404" not in m.text else None)
    opened(page, f"{address}/{name}")
    assert said == []
    assert page.get_by_test_id("stAlert").count() == 0
    assert len(main(page)) > 200
    assert str(lake) not in page.content()
    # Whoever cannot see a figure is told what it shows.
    for drawing in page.get_by_test_id("stHtml").locator("img").all():
        assert drawing.get_attribute("alt") is not None
    for figure in page.get_by_test_id("stPlotlyChart").all():
        assert figure.evaluate("f => !!f.closest('[aria-label]') || !!f.querySelector('[aria-label],[alt]')")


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_window_stays_usable(browser: Browser, address: Served, name: str) -> None:
    context = browser.new_context(viewport={"width": 700, "height": 900})
    page = opened(context.new_page(), f"{address}/{name}")
    # Nothing makes the reader scroll sideways.
    wide, shown = page.evaluate("""() => {
        const main = document.querySelector('[data-testid="stMain"]');
        return [Math.max(main.scrollWidth, document.documentElement.scrollWidth), innerWidth];
    }""")
    context.close()
    assert wide <= shown


def test_a_pasted_link_shows_the_same_view(browser: Browser, page: Page, address: Served) -> None:
    opened(page, address)
    page.get_by_test_id("stPopoverButton").filter(has_text="region").click()
    page.get_by_test_id("stPopoverBody").get_by_role("combobox").click()
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")
    settled(page)
    page.get_by_test_id("stPopoverButton").first.click()
    page.get_by_test_id("stButtonGroup").get_by_text("7d", exact=True).click()
    page.keyboard.press("Escape")
    settled(page)
    for name in ("Overview", "Economics", "Discovery"):
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        page.wait_for_timeout(300)
        settled(page)
        assert "region=" in page.url
        assert "period=7d" in page.url
        other = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="dark")
        pasted = opened(other.new_page(), page.url)
        for _ in range(20):  # a figure further down is drawn once its reader has come to rest
            if main(pasted) == main(page):
                break
            page.wait_for_timeout(500)
        assert main(pasted) == main(page)
        other.close()


def test_an_incident_that_is_clicked_is_looked_at_and_is_a_link(
    browser: Browser, page: Page, address: Served
) -> None:
    opened(page, f"{address}/incidents?period=all")
    first = page.get_by_role("heading", level=3).inner_text()
    names = [cell(page, row, 1) for row in range(2)]
    other = next(row for row, name in enumerate(names) if not name.startswith("▸"))
    with moving_on(page, "incident"):
        pick(page, other)
    assert page.get_by_role("heading", level=3).inner_text() != first
    assert cell(page, other, 1) == f"▸ {names[other]}"
    same_view(browser, page)


def test_sliders_that_are_moved_compute_at_once_and_are_a_link(
    browser: Browser, page: Page, address: Served
) -> None:
    opened(page, f"{address}/economics")
    page.get_by_text("Fix the third-party price").click()
    settled(page)
    for slider, key in ((0, "price"), (1, "members"), (2, "streams")):
        before = main(page)
        page.get_by_role("slider").nth(slider).focus()
        with moving_on(page, key):
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("ArrowLeft")
        # The sentences above the figures, and not the slider alone.
        told = [set(re.findall(r".*(?:lean|breaks first).*", words)) for words in (before, main(page))]
        assert told[0] != told[1]
    assert {"fixed", "price", "members", "streams"} <= set(query(page))
    same_view(browser, page)


def test_a_region_of_the_decision_table_is_a_link(browser: Browser, page: Page, address: Served) -> None:
    opened(page, address)
    with moving_on(page, "decided"):
        page.get_by_role("combobox", name="Region of the decision table").click()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    same_view(browser, page)


def test_what_a_page_lets_choose_is_a_link(browser: Browser, page: Page, address: Served) -> None:
    for name, key, choice in (
        ("objectives", "objective", "Attempts that fail to start under 0.5 %"), ("delivery", "level", "site"),
        ("economics", "against", "the budget"),
    ):  # fmt: skip
        opened(page, f"{address}/{name}?period=all")
        with moving_on(page, key):
            page.get_by_test_id("stButtonGroup").get_by_text(choice).click()
        same_view(browser, page)


def test_three_questions_lead_to_the_pages_that_answer_them(page: Page, address: Served) -> None:
    opened(page, f"{address}/?period=all")
    page.get_by_role("link", name="Is the promise kept?").click()
    page.wait_for_url("**/objectives?**")
    settled(page)
    assert re.match(r"\d of \d objectives (is|are) kept\.", page.get_by_role("heading").first.inner_text())
    opened(page, f"{address}/?period=all")
    page.get_by_role("link", name="Where does p99 degrade?").click()
    page.wait_for_url("**/explore?**")
    settled(page)
    assert "Time to play, p99" in main(page)
    opened(page, f"{address}/?period=all")
    page.get_by_role("link", name="What would AV1 everywhere do to margin?").click()
    page.wait_for_url("**/economics?**")
    settled(page)
    assert "→ What would AV1 everywhere do to margin?" in main(page)


def test_the_keyboard_reaches_the_filters(page: Page, address: Served) -> None:
    opened(page, address)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('[data-testid=\"stPopover\"]') !== null"):
            break
    page.keyboard.press("Enter")
    page.get_by_test_id("stPopoverBody").wait_for()
    page.keyboard.press("Escape")
    page.get_by_test_id("stPopoverBody").wait_for(state="hidden")


def test_the_keyboard_goes_down_a_ranking(page: Page, address: Served) -> None:
    """Enter follows a segment of Overview; in the table that it leads to, it looks into a row that arrows went to."""
    opened(page, f"{address}/?period=all")
    link = page.get_by_test_id("stHtml").locator("a:not([download])").first
    link.focus()
    assert link.evaluate("a => getComputedStyle(a).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/explore?**")
    settled(page)
    isp = cell(page, 1)
    with moving_on(page, "isp"):
        row(page, 0).focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    assert query(page)["isp"] == [isp]


def test_light_and_dark_have_their_own_colours(browser: Browser, address: Served) -> None:
    seen = {}
    themes: tuple[Theme, ...] = ("light", "dark")
    for theme in themes:
        context = browser.new_context(color_scheme=theme)
        page = opened(context.new_page(), address)
        ground = page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=\"stApp\"]')).backgroundColor"
        )
        line = page.get_by_test_id("stHtml").locator("img").first.get_attribute("src")
        seen[theme] = (ground, line)
        context.close()
    assert seen["light"][0] == "rgb(255, 255, 255)"
    assert all(one != other for one, other in zip(*seen.values(), strict=True))


def test_a_figure_s_data_can_be_taken_away(page: Page, address: Served, tmp_path: Path) -> None:
    opened(page, address)
    with page.expect_download() as waiting:
        page.locator("a[download='north-star-tree.csv']").click()
    waiting.value.save_as(tmp_path / "tree.csv")
    assert waiting.value.suggested_filename == "north-star-tree.csv"
    assert pl.read_csv(tmp_path / "tree.csv").columns == ["driver", "edge", "value", "before", "carried"]
    opened(page, f"{address}/economics")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="PDF").click()
    waiting.value.save_as(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"


def test_data_that_nobody_was_offered_is_not_found(address: Served) -> None:
    asked = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    asked.request("GET", "/figures/data/secret/north-star-tree.csv")
    answer = asked.getresponse()
    assert answer.status == 404
    assert b"open the page again" in answer.read()
    asked.close()


@pytest.mark.parametrize("name", ["", "objectives", "delivery", "economics"])
def test_every_figure_is_a_picture_to_take_away(
    page: Page, address: Served, tmp_path: Path, name: str
) -> None:
    """Drawings of ours as well as charts of the library, each beside its data."""
    opened(page, f"{address}/{name}")
    buttons = page.locator("button[data-png]").all()
    figures = (
        page.get_by_test_id("stPlotlyChart").count() + page.locator("[data-of]:not([data-of=''])").count()
    )
    assert len(buttons) >= max(figures, 2)
    for button in buttons:
        with page.expect_download() as waiting:
            button.click()
        waiting.value.save_as(tmp_path / "one.png")
        assert waiting.value.suggested_filename == f"{button.get_attribute('data-png')}.png"
        picture = Image.open(tmp_path / "one.png")
        assert min(picture.size) > 60
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 8  # a blank one has its ground alone
    for link in page.locator("a[download$='.csv']").all():
        with page.expect_download() as waiting:
            link.click()
        waiting.value.save_as(tmp_path / "one.csv")
        assert pl.read_csv(tmp_path / "one.csv", infer_schema_length=None).height > 0


def test_a_live_view_follows_a_lake_that_grows(browser: Browser, lake: Path, tmp_path: Path) -> None:
    grown = Lake.open(shutil.copytree(lake, tmp_path / "lake"))
    with served(grown.path, port=8960) as address:
        context = browser.new_context()
        page = opened(context.new_page(), f"{address}/?live=true&period=all")
        page.evaluate(WATCH)
        before = page.get_by_test_id("stMetricValue").first.inner_text()
        contract = TABLES["playback_session"]
        again = grown.scan(contract.name).select(*contract.schema).collect()
        again = again.with_columns(pl.col("session_id") + "-again")
        grown.append(contract.name, again, application="test", version=0)
        page.wait_for_function(
            "old => document.querySelector('[data-testid=\"stMetricValue\"]').innerText !== old",
            arg=before,
            timeout=90_000,
        )
        page.wait_for_timeout(1500)
        # However long the reader waits for the server.
        with slowed(address.pid):
            page.wait_for_function("waited > 1000", timeout=90_000)
        assert page.evaluate("tiles.every((tile) => tile.isConnected)")
        assert page.evaluate("faintest") == 1
        after = page.get_by_test_id("stMetricValue").first.inner_text()
        context.close()
    # Every session twice over: twice the hours of the same members.
    assert float(after.split()[0]) == pytest.approx(2 * float(before.split()[0]), rel=0.01)


def test_own_sessions_are_looked_at_before_they_are_taken(browser: Browser, tmp_path: Path) -> None:
    empty = Lake.create(tmp_path / "lake")
    rows = [f"s-{i},2026-04-01T12:{i % 60:02d}:00Z,{60 + i},western-europe" for i in range(120)]
    table = "\n".join(
        ["SessionID,started_at,watch_seconds,region", *rows, "s-bad,yesterday,1,western-europe"]
    )
    with served(empty.path, port=8980) as address:
        context = browser.new_context()
        page = opened(context.new_page(), address)
        assert page.get_by_role("button", name="Make the demo").is_visible()
        page.get_by_text("A table of sessions", exact=True).click()
        settled(page)
        own = tmp_path / "own.csv"
        own.write_text(table)
        page.locator("input[type=file]").set_input_files(own)
        page.get_by_text("rows would be accepted").wait_for()
        assert "120 rows would be accepted, 1 not." in main(page)
        assert empty.snapshot("playback_session").rows == 0
        page.get_by_role("button", name="Ingest").click()
        page.get_by_text("Watch hours per subscriber").first.wait_for(timeout=60_000)
        context.close()
    assert empty.snapshot("playback_session").rows == 120


def test_the_demo_is_made_on_an_empty_lake_and_leads_to_overview(browser: Browser, tmp_path: Path) -> None:
    empty = Lake.create(tmp_path / "lake")
    with served(empty.path, port=9000) as address:
        context = browser.new_context()
        page = opened(context.new_page(), f"{address}/trust")
        page.get_by_role("button", name="Make the demo").click()
        page.get_by_role("progressbar").wait_for()
        # Whoever opens the page meanwhile sees the same demo being made, and cannot begin a second one.
        other = opened(context.new_page(), address)
        other.get_by_role("progressbar").wait_for()
        assert other.get_by_role("button", name="Make the demo").count() == 0
        other.get_by_text("Watch hours per subscriber").first.wait_for(timeout=900_000)
        assert re.match(
            r"The promise is kept in \d of \d regions\.", other.get_by_role("heading").first.inner_text()
        )
        page.get_by_text("Every session is accounted for.").wait_for(timeout=60_000)
        context.close()
    assert empty.snapshot("playback_session").rows > 10_000


def test_own_logs_are_taken_and_every_page_tells_what_they_tell(browser: Browser, tmp_path: Path) -> None:
    lakes.logged(tmp_path / "other")
    empty = Lake.create(tmp_path / "lake")
    with served(empty.path, port=9020) as address:
        context = browser.new_context()
        page = opened(context.new_page(), address)
        page.locator("input[type=file]").set_input_files(tmp_path / "other.log")
        page.get_by_role("button", name="Ingest").click()
        page.get_by_text("Watch hours per subscriber").first.wait_for(timeout=120_000)
        for name in PAGES:
            opened(page, f"{address}/{name}")
            assert page.get_by_test_id("stAlert").count() == 0, name
        context.close()
    assert empty.snapshot("playback_session").rows == 3


def test_a_log_that_is_none_is_told_of_in_a_line_and_another_can_be_tried(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b and no more")
    empty = Lake.create(tmp_path / "lake")
    with served(empty.path, port=9060) as address:
        context = browser.new_context()
        page = opened(context.new_page(), address)
        page.locator("input[type=file]").set_input_files(tmp_path / "broken.gz")
        page.get_by_role("button", name="Ingest").click()
        page.get_by_text("This did not work").wait_for(timeout=120_000)
        assert "broken.gz" in main(page)
        assert "/tmp" not in main(page)
        assert str(tmp_path) not in main(page)
        page.get_by_role("button", name="Make the demo").wait_for()
        context.close()


def test_strangers_are_kept_out(address: Served) -> None:
    """No other site's page may open the session's socket or post a file, and nobody asks for more than loopback."""
    where = urlsplit(address)
    assert where.hostname == "127.0.0.1"

    def status(method: str, path: str, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection(where.netloc, timeout=10)
        connection.request(method, path, headers=headers)
        found = connection.getresponse().status
        connection.close()
        return found

    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert status("GET", "/_stcore/stream", upgrade | {"Origin": address}) == 101
    assert status("GET", "/_stcore/stream", upgrade | {"Origin": "http://evil.example"}) == 403
    assert status("PUT", "/_stcore/upload_file/x/y", {"Origin": "http://evil.example"}) == 403


@pytest.mark.parametrize(
    ("name", "theme", "query"),
    [
        ("overview", "dark", ""), ("overview", "light", ""), ("explore", "light", "explore"),
        ("economics", "light", "economics?ask=av1"), ("objectives", "dark", "objectives"),
        ("discovery", "light", "discovery"),
    ],
)  # fmt: skip
def test_pictures_for_the_readme(
    browser: Browser, address: Served, tmp_path: Path, name: str, theme: Theme, query: str
) -> None:
    """They are kept where ``make screenshots`` asks for them."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1060},
        color_scheme=theme,
        device_scale_factor=1,
    )
    page = opened(context.new_page(), f"{address}/{query}")
    page.wait_for_timeout(500)
    picture = Path(PICTURES or tmp_path) / (f"{name}-{theme}.png" if name == "overview" else f"{name}.png")
    page.screenshot(path=picture)
    # A page that drew nothing but its frame compresses to less.
    assert picture.stat().st_size > 40_000
    context.close()
