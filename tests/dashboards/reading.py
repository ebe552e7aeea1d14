"""What a reader does in a browser: look into a table, drag, follow what the address says."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import TimeoutError as Waited

from benchmarks.browser import opened, settled

__all__ = [
    "button",
    "cell",
    "drag",
    "moving_on",
    "pick",
    "query",
    "row",
    "said",
    "same_view",
    "slowed",
    "table",
]


def said(page: Page) -> str:
    return page.get_by_test_id("stMain").inner_text()


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def table(page: Page) -> Locator:
    """The first table that rows can be picked of, drawn."""
    frame = page.locator('[data-testid="listing"]:visible').first
    frame.scroll_into_view_if_needed()
    frame.locator("td").first.wait_for()
    return frame


def row(page: Page, nth: int) -> Locator:
    return table(page).locator("tbody tr").nth(nth)


def cell(page: Page, nth: int, column: int = 0) -> str:
    """What stands in a row of the table."""
    return row(page, nth).locator("td").nth(column).inner_text()


def pick(page: Page, nth: int = 0) -> None:
    """Click a row of the table."""
    row(page, nth).locator("td").first.click()


def button(page: Page, key: str) -> Locator:
    """The button of that key; one with a tooltip is there twice, once for where nothing hovers."""
    return page.locator(f".st-key-{key} button").first


def drag(page: Page, chart: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over a figure from one place in its axes to another, both as shares of width and height."""
    area = chart.locator(".nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    xs = [box["x"] + box["width"] * x for x, _ in (start, end)]
    ys = [box["y"] + box["height"] * y for _, y in (start, end)]
    page.mouse.move(xs[0], ys[0])
    page.mouse.down()
    page.mouse.move(sum(xs) / 2, sum(ys) / 2, steps=5)
    page.mouse.move(xs[1], ys[1], steps=5)
    page.mouse.up()


@contextmanager
def moving_on(page: Page, key: str) -> Iterator[None]:
    """What is done within changes ``key`` in the address; afterwards the page is drawn."""
    before = query(page).get(key)
    yield
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get(key) != before)
    settled(page)


# What a page says beside its figures, and what these are: what is drawn of them is what has come into sight.
_SAYS = """() => {
  const main = document.querySelector('[data-testid="stMain"]').cloneNode(true);
  const figures = [...main.querySelectorAll('[data-testid="stPlotlyChart"]')];
  const names = figures.map((figure) => figure.getAttribute("aria-label"));
  figures.forEach((figure) => figure.remove());
  main.querySelector(".st-key-ahead")?.remove();
  return [main.textContent, ...names].join("\\n");
}"""


def same_view(browser: Browser, page: Page) -> None:
    """A pasted link shows, to somebody else, the words that are on the page."""
    other = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="dark")
    try:
        shown = opened(other.new_page(), page.url)
        with suppress(Waited):
            shown.wait_for_function(f"said => ({_SAYS})() === said", arg=page.evaluate(_SAYS), timeout=10_000)
        assert shown.evaluate(_SAYS) == page.evaluate(_SAYS)
    finally:
        other.close()


@contextmanager
def slowed(pid: int, *, runs_s: float = 0.004, rests_s: float = 0.196, most_s: float = 120) -> Iterator[None]:
    """A process of ours gets a fiftieth of the time within, as on a machine with much else to do; so long at most."""
    is_done = threading.Event()

    def turn_about() -> None:
        for _ in range(int(most_s / (runs_s + rests_s))):
            os.kill(pid, signal.SIGSTOP)
            is_done.wait(rests_s)
            os.kill(pid, signal.SIGCONT)
            if is_done.wait(runs_s):
                return

    thread = threading.Thread(target=turn_about)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()
