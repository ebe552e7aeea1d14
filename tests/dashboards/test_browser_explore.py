"""Explore in Chromium: what a reader drags and clicks shows in figures and address, and a link says it again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import Served, opened
from dashboards.window import box_of, window_of
from tests.dashboards.reading import button, cell, drag, moving_on, pick, query, said, same_view, table

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium"),
]


def test_from_a_region_down_to_one_session_and_back(browser: Browser, page: Page, address: Served) -> None:
    opened(page, f"{address}/explore?period=all")
    region = cell(page, 0)
    with moving_on(page, "region"):
        pick(page)
    assert query(page)["region"] == [region]
    assert query(page)["by"] == ["ISP"]
    isp = cell(page, 0)
    with moving_on(page, "isp"):
        pick(page)
    assert query(page)["isp"] == [isp]
    site = cell(page, 0)
    with moving_on(page, "site"):
        pick(page)
    assert query(page)["site"] == [site]
    for step, value in (("region", region), ("isp", isp), ("site", site)):
        expect(button(page, f"up-{step}")).to_contain_text(value)
    same_view(browser, page)
    with moving_on(page, "lens"):
        page.get_by_test_id("stButtonGroup").get_by_text("Sessions", exact=True).click()
    session = cell(page, 0)
    with moving_on(page, "session"):
        pick(page)
    assert query(page)["session"] == [session]
    timeline = page.get_by_role("figure", name=f"Timeline of session {session}")
    expect(timeline).to_be_visible()
    expect(page.get_by_text(f"› session {session}")).to_be_visible()
    same_view(browser, page)
    # Back up by the path: to the region first, then out of it.
    with moving_on(page, "isp"):
        button(page, "up-region").click()
    assert query(page)["region"] == [region]
    assert not {"isp", "site", "session"} & set(query(page))
    with moving_on(page, "region"):
        button(page, "up-all").click()
    assert "region" not in query(page)


def test_a_drag_over_the_days_is_what_every_figure_is_of(
    browser: Browser, page: Page, address: Served
) -> None:
    opened(page, f"{address}/explore?period=all")
    whole = [cell(page, row, column) for row in range(2) for column in (0, 1)]
    with moving_on(page, "brush"):
        drag(page, page.get_by_test_id("stPlotlyChart").first, (0.25, 0.5), (0.55, 0.5))
    brush = window_of(query(page)["brush"][0])
    assert brush is not None
    assert brush.length_ms % 86_400_000 == 0
    # The value and the rows are the span's, and the span is told.
    assert [cell(page, row, column) for row in range(2) for column in (0, 1)] != whole
    name = page.get_by_test_id("stPlotlyChart").first.get_attribute("aria-label") or ""
    assert re.search(r" in \d+ \w+( to \d+ \w+)?$", name)
    same_view(browser, page)
    # A second drag is another span, not a part of the first.
    with moving_on(page, "brush"):
        drag(page, page.get_by_test_id("stPlotlyChart").first, (0.95, 0.4), (0.6, 0.6))
    later = window_of(query(page)["brush"][0])
    assert later is not None
    assert later.start_ts_ms > brush.start_ts_ms
    with moving_on(page, "brush"):
        button(page, "unbrush").click()
    assert [cell(page, row, column) for row in range(2) for column in (0, 1)] == whole


def test_a_box_over_the_distribution_ranks_what_differs(
    browser: Browser, page: Page, address: Served
) -> None:
    opened(page, f"{address}/explore?period=all&lens=Distribution")
    heatmap = page.get_by_test_id("stPlotlyChart").nth(1)
    expect(page.get_by_text("What is different?")).to_be_visible()
    with moving_on(page, "box"):
        drag(page, heatmap, (0.1, 0.02), (0.9, 0.45))
    box = box_of(query(page)["box"][0])
    assert box is not None
    assert box.last > box.first
    expect(page.get_by_text("What is different in the box")).to_be_visible()
    # Slow starts are where the emulator has slow networks: some value surely differs.
    ranked = page.get_by_role(
        "figure", name="Values that are more or less common inside the box than outside"
    )
    expect(ranked).to_be_visible()
    same_view(browser, page)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").last.click()
    assert waiting.value.suggested_filename == "apart.csv"
    with moving_on(page, "box"):
        button(page, "unbox").click()
    expect(page.get_by_text("What is different?")).to_be_visible()


def test_the_map_leads_to_a_site(page: Page, address: Served) -> None:
    opened(page, f"{address}/explore?period=all&lens=Map")
    places = page.get_by_test_id("stPlotlyChart").nth(1)
    with moving_on(page, "site"):
        places.locator("path.point").first.click(force=True)
    assert query(page)["site"][0] in said(page)


@pytest.mark.parametrize("lens", ["By value", "Distribution", "Map", "Sessions"])
def test_every_lens_is_a_link(browser: Browser, page: Page, address: Served, lens: str) -> None:
    opened(page, f"{address}/explore?metric=Rebuffer+rate&device=Mobile")
    if lens != "By value":
        with moving_on(page, "lens"):
            page.get_by_test_id("stButtonGroup").get_by_text(lens, exact=True).click()
        assert unquote(query(page)["lens"][0]) == lens
    same_view(browser, page)


def test_a_table_is_sorted_by_its_heads_and_taken_away(page: Page, address: Served, tmp_path: Path) -> None:
    opened(page, f"{address}/explore?period=all")
    names = [line.split("\t")[0] for line in table(page).locator("tbody tr").all_inner_texts()]
    head = table(page).get_by_role("columnheader", name="region")
    by_name = sorted(names, key=str.lower)
    for sort, ordered in (("ascending", by_name), ("descending", by_name[::-1])):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", sort)
        assert [cell(page, row) for row in range(len(names))] == ordered
    with page.expect_download() as waiting:
        table(page).get_by_role("button", name="CSV").click()
    waiting.value.save_as(tmp_path / "rows.csv")
    rows = pl.read_csv(tmp_path / "rows.csv")
    # In the order of the page, and as numbers.
    assert rows["name"].to_list() == names
    assert rows["value"].dtype == pl.Float64
    # A row is picked for what it says, wherever it stands.
    last = cell(page, 0)
    with moving_on(page, "region"):
        pick(page)
    assert query(page)["region"] == [last]


def test_what_is_dragged_over_can_be_taken_away(page: Page, address: Served, tmp_path: Path) -> None:
    opened(page, f"{address}/explore?period=all")
    csv, png = page.get_by_role("link", name="CSV"), page.get_by_role("button", name="PNG")
    for kind, offer in (("csv", csv), ("png", png)):
        with page.expect_download() as waiting:
            offer.first.click()
        waiting.value.save_as(tmp_path / f"trend.{kind}")
        assert waiting.value.suggested_filename == f"trend-time_to_play_p99_ms.{kind}"
    assert pl.read_csv(tmp_path / "trend.csv").columns == ["ts_ms", "value"]
    assert (tmp_path / "trend.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
