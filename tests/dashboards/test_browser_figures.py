"""Figures in Chromium: drawn when they are looked at, drawn before a page is printed, fetched once."""

from __future__ import annotations

import shutil
import urllib.request

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import Served, opened
from dashboards.figures import LIBRARY

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium"),
]


def test_a_figure_is_drawn_when_it_comes_into_sight(page: Page, address: Served) -> None:
    figures = opened(page, f"{address}/economics").get_by_test_id("stPlotlyChart")
    assert figures.first.locator(".main-svg").count()
    assert not figures.last.locator(".main-svg").count()
    # What is not drawn yet is told, and has its room.
    assert figures.last.get_attribute("aria-label")
    box = figures.last.bounding_box()
    assert box is not None
    assert box["height"] > 100
    figures.last.scroll_into_view_if_needed()
    expect(figures.last.locator(".main-svg").first).to_be_attached()
    after = figures.last.bounding_box()
    assert after is not None
    assert after["height"] == box["height"]


def test_all_is_drawn_before_a_page_is_printed(page: Page, address: Served) -> None:
    figures = opened(page, f"{address}/economics").get_by_test_id("stPlotlyChart")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for figure in figures.all():
        expect(figure.locator(".main-svg").first).to_be_attached()


def test_a_figure_of_a_view_that_changes_is_drawn_anew(page: Page, address: Served) -> None:
    opened(page, f"{address}/explore?period=all")
    figure = page.get_by_test_id("stPlotlyChart").first
    ticks = figure.locator(".ytick").all_text_contents()
    metric = page.get_by_test_id("stMain").get_by_role("combobox", name="Metric")
    metric.click()
    metric.fill("Rebuffer rate")
    page.get_by_role("option", name="Rebuffer rate", exact=True).click()
    expect(figure.locator(".ytick").first).not_to_have_text(ticks[0])


@pytest.mark.parametrize("name", ["explore", "objectives", "incidents", "delivery", "discovery", "economics"])
@pytest.mark.parametrize("width", [1440, 400])
def test_what_stands_beside_an_axis_has_room(
    browser: Browser, address: Served, name: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000})
    page = opened(context.new_page(), f"{address}/{name}?period=all")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for figure in page.get_by_test_id("stPlotlyChart").all():
        expect(figure.locator(".main-svg").first).to_be_attached()
    cut = page.evaluate("""() => [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].flatMap(chart => {
        const room = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('.ytick text, .xtick text')].filter(text => {
            const { left, bottom, width } = text.getBoundingClientRect();
            return width && (left < room.left - 1 || bottom > room.bottom + 1); // one without room is not shown at all
        }).map(text => `${chart.ariaLabel}: ${text.textContent}`);
    })""")
    context.close()
    assert cut == []


def test_a_browser_keeps_the_script_that_draws(address: Served) -> None:
    with urllib.request.urlopen(f"{address}/{LIBRARY}", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert "immutable" in answer.headers["Cache-Control"]
        assert len(answer.read()) > 1_000_000
