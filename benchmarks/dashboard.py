"""How long the dashboard takes in a real browser: first meaningful paint, and every interaction.

``python -m benchmarks.dashboard --lake lake [--large lake-of-many-copies]``. Needs the system's Chromium. The lake's
cubes are brought up to date first, as ``playhead dashboard`` does behind the pages it serves. Times are the browser's
own, from the click (or from the start of the navigation) to the last change of what is shown. Every interaction asks
the server for something it has not been asked before, so no answer comes out of its cache. The browser has a profile,
as a reader's has: a private window compiles all of Streamlit anew whenever a page is opened. Beside the time stands the
work: CPU time of the server and of the browser's processes, which other work of the machine does not stretch as it
does the time; a machine that is free takes no longer than both one after the other. Two lakes are looked at turn about,
click by click, each by a browser and a server of its own, some rounds over.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from benchmarks.browser import Served, opened, readers, served, settled
from benchmarks.harness import Row, markdown, milliseconds
from dashboards.beforehand import prepare
from metrics.lake import Lake

PAINT_S, INTERACTION_S, LARGER_RATIO, POINTS = 1.5, 0.5, 1.2, 10_000
ROUNDS = 7
_WARM_S = 240
_READ_MS = 3_000
_READING_S = 2.0  # between an answer and the next question: a reader reads
_LONGEST_S = 900.0  # what no cube tells of many sessions takes minutes
PAGES = (
    "", "explore", "objectives", "incidents", "delivery", "discovery", "experiments", "economics", "trust",
)  # fmt: skip

# What a reader came for: the sentence, four tiles with their figures.
_WATCH = """
window.__changed = 0; window.__began = null; window.__answered = null; window.__painted = null;
for (const kind of ['pointerdown', 'keydown'])
  addEventListener(kind, () => { window.__began = performance.now() }, true);
new MutationObserver(records => {
  const main = document.querySelector('[data-testid="stMain"]');
  if (main && records.some(r => main.contains(r.target))) window.__changed = performance.now();
  if (window.__painted === null && document.querySelector('[data-testid="stHeading"]')
      && document.querySelectorAll('[data-testid="stMetricValue"]').length >= 4) {
    window.__painted = -1;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.__painted = performance.now() }));
  }
}).observe(document, {childList: true, subtree: true, characterData: true, attributes: true,
                      attributeFilter: ['d', 'aria-label', 'data-stale', 'src']});
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...what) {
  this.addEventListener('message', () => { window.__answered ??= performance.now() }, {once: true});
  return send.apply(this, what);
};
"""
_POINTS = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data.reduce((sum, trace) => {
  const size = axis => (trace[axis] && trace[axis].length) || 0;
  const wide = (trace.z && trace.z[0] && trace.z[0].length) || 1;
  return sum + Math.max(size('x'), size('y'), size('lat'), size('z') * wide);
}, 0))"""


@dataclass(frozen=True)
class Interaction:
    """Seconds from the click to the answer, of work, and of it the server's."""

    seconds: float
    work: float
    server: float


@dataclass(frozen=True)
class Taken:
    """Seconds of one lake: paints of Overview, all of it drawn, work of each visit; interactions by name.

    ``points``: most in a figure; ``peak_bytes``: most memory that the server had.
    """

    paints: list[float]
    whole: list[float]
    work: list[float]
    interactions: dict[str, Interaction]
    points: int
    peak_bytes: int


def main() -> None:
    """Measure one lake, or two, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument(
        "--large", type=Path, help="the same lake, many times over: benchmarks.at_scale makes one"
    )
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    lakes = [lake for lake in (given.lake, given.large) if lake]
    rounds = []
    for _ in range(given.rounds):
        rounds.append(measured(lakes))
        for lake, one in zip(lakes, rounds[-1], strict=True):
            print(markdown(_rows(one, lake.name)), flush=True)
    if given.large:
        small, large = zip(*rounds, strict=True)
        print(markdown(_compared(small, large)))


def measured(lakes: Sequence[Path]) -> list[Taken]:
    """Time the dashboard of each lake, turn about: its server has shown Overview once, its interactions never."""
    for lake in lakes:
        prepare(Lake.open(lake))
    with ExitStack() as stack:
        servers = [stack.enter_context(served(lake)) for lake in lakes]
        seats = [
            _Seat(address, context)
            for address, context in zip(servers, stack.enter_context(readers(len(lakes))), strict=True)
        ]
        for _ in range(ROUNDS):
            for seat in seats:
                seat.visit()
        interactions: list[dict[str, Interaction]] = [{} for _ in seats]
        for each in zip(*(seat.interactions() for seat in seats), strict=True):
            for seat, taken, (name, one) in zip(seats, interactions, each, strict=True):
                taken[name] = one
                print(
                    f"  {seat.address} {name}: {1000 * one.seconds:.0f} ms, work {1000 * one.work:.0f} ms "
                    f"(server {1000 * one.server:.0f})",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
        return [
            Taken(seat.paints, seat.whole, seat.worked, taken, seat.points(), seat.work.peak_bytes())
            for seat, taken in zip(seats, interactions, strict=True)
        ]


class _Seat:
    """A reader before the dashboard of one lake, whose server has answered ahead what it answers ahead."""

    def __init__(self, address: Served, context: BrowserContext) -> None:
        assert context.browser is not None
        self.address = address
        self.work = _Work(address, context.browser)
        self.paints: list[float] = []
        self.whole: list[float] = []
        self.worked: list[float] = []
        self._context = context
        context.add_init_script(_WATCH)
        for _ in range(2):  # once to fetch, once to keep what was compiled
            _visit(context, address).close()
        self.work.until_idle()

    def visit(self) -> None:
        """Open Overview, and leave."""
        before = self.work.seconds()
        page = _visit(self._context, self.address)
        self.worked.append(self.work.seconds() - before)
        self.paints.append(float(page.evaluate("window.__painted")) / 1000)
        self.whole.append(float(page.evaluate("window.__changed")) / 1000)
        page.close()

    def interactions(self) -> Iterator[tuple[str, Interaction]]:
        """Each by its name, as it is asked for."""
        page = _visit(self._context, self.address)
        yield from _interactions(page, self.address, self.work)
        page.close()

    def points(self) -> int:
        """Most points in a figure of any page."""
        page, points = self._context.new_page(), [0]
        for name in PAGES:
            opened(page, f"{self.address}/{name}", timeout_s=_LONGEST_S)
            page.evaluate("dispatchEvent(new Event('beforeprint'))")  # what is out of sight is drawn as well
            points += settled(page).evaluate(_POINTS)
        return max(points)


def _visit(context: BrowserContext, address: str) -> Page:
    return opened(context.new_page(), address)


class _Work:
    """CPU seconds that the server and all processes of the browser have taken so far (Linux)."""

    def __init__(self, address: Served, browser: Browser) -> None:
        self._pid = address.pid
        self._session = browser.new_browser_cdp_session()

    def seconds(self) -> float:
        told = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        return self.server() + sum(float(process["cpuTime"]) for process in told)

    def server(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """Most memory that the server has had."""
        told = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii")
        return 1024 * int(told.partition("VmHWM:")[2].split()[0])

    def until_idle(self) -> None:
        """Wait until what the server answers ahead is answered: a reader who looks around for a while has it so."""
        end, last = time.monotonic() + _WARM_S, -1.0
        while time.monotonic() < end and self.server() - last > 0.1:
            last = self.server()
            time.sleep(2)


def _interactions(page: Page, address: Served, work: _Work) -> Iterator[tuple[str, Interaction]]:
    def timed(name: str, act: Callable[[], object]) -> tuple[str, Interaction]:
        time.sleep(_READING_S)
        page.evaluate("window.__began = window.__answered = null")
        before, server = work.seconds(), work.server()
        act()
        page.wait_for_function("window.__answered !== null", polling=20)
        settled(page, timeout_s=_LONGEST_S)
        done, server = work.seconds() - before, work.server() - server
        began, changed = page.evaluate("[window.__began, window.__changed]")
        return name, Interaction(max(0.0, changed - began) / 1000, done, server)

    main = page.get_by_test_id("stMain")

    def go(name: str) -> None:
        page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
        page.wait_for_url(f"**/{name.lower()}*")

    def chip(label: str) -> None:
        page.get_by_test_id("stPopoverButton").filter(has_text=label).first.click()
        page.get_by_test_id("stPopoverBody").wait_for()
        page.wait_for_timeout(200)

    def opening(box: str, value: str) -> None:
        """A list of values is open, and narrowed to one, before the click that is timed."""
        of_chip = page.get_by_test_id("stPopoverBody").get_by_role("combobox")
        found = of_chip if box == "chip" else main.get_by_role("combobox", name=box)
        found.click()
        found.fill(value)
        page.wait_for_timeout(200)

    def pick(value: str) -> Callable[[], object]:
        return lambda: page.get_by_role("option", name=value, exact=True).click()

    def close() -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        settled(page, timeout_s=_LONGEST_S)
        page.get_by_test_id("stPopoverBody").wait_for(state="hidden")

    def pressed(key: str, label: str) -> Callable[[], object]:
        return lambda: main.get_by_role("slider", name=label).first.press(key)

    def button(group: str, nth: int) -> Callable[[], object]:
        return lambda: (
            main.get_by_test_id("stButtonGroup").filter(has_text=group).get_by_role("radio").nth(nth).click()
        )

    for dimension, values in (("region", ("MENA", "South Asia")), ("device", ("Mobile", "Smart TV"))):
        chip(dimension)
        for value in values:
            opening("chip", value)
            yield timed(f"Overview, {dimension} {value}", pick(value))
        close()
    opened(page, address, timeout_s=_LONGEST_S)
    for preset in ("7d", "all", "30d"):
        page.get_by_test_id("stPopoverButton").first.click()
        page.get_by_test_id("stPopoverBody").wait_for()
        page.wait_for_timeout(200)
        choice = page.get_by_test_id("stButtonGroup").get_by_text(preset, exact=True)
        yield timed(f"Overview, {preset}", choice.click)
        close()
    page.wait_for_timeout(_READ_MS)  # nobody leaves a page before it is read
    yield timed("to Explore", lambda: go("Explore"))
    for value in ("device", "ISP"):
        opening("by", value)
        yield timed(f"Explore, by {value} too", pick(value))
        close()
    for value in ("Rebuffer rate", "Time to play, p50"):
        opening("Metric", value)
        yield timed(f"Explore, {value}", pick(value))
    yield timed("to Objectives", lambda: go("Objectives"))
    for nth, name in ((1, "second"), (3, "fourth")):
        yield timed(f"Objectives, the {name} objective", button("Stalled", nth))
    yield timed("to Incidents", lambda: go("Incidents"))
    yield timed("to Delivery", lambda: go("Delivery"))
    yield timed("to Discovery", lambda: go("Discovery"))
    words = main.get_by_role("textbox", name="What are you looking for?")
    for query in ("slow burn crime in the north", "something warm with food"):
        words.fill(query)
        yield timed(f"Discovery, search {query!r}", lambda: words.press("Enter"))
    yield timed("to Experiments", lambda: go("Experiments"))
    yield timed("to Economics", lambda: go("Economics"))
    yield timed("Economics, members up", pressed("ArrowRight", "Subscribers"))
    yield timed("Economics, streams down", pressed("ArrowLeft", "Concurrent streams"))
    yield timed("to Trust", lambda: go("Trust"))
    yield timed("to Overview", lambda: page.get_by_test_id("stSidebarNav").get_by_role("link").first.click())


def promised(taken: Taken, name: str) -> list[Row]:
    """What the pages of a lake promise a reader: the first paint of Overview, an interaction, points in a figure."""
    paint, times = statistics.median(taken.paints), [one.seconds for one in taken.interactions.values()]
    p95, each = _p95(times), f"{name} in Chromium: {len(times)} interactions"
    return [
        Row(
            f"{name} in Chromium: Overview, first meaningful paint", milliseconds(paint), "promised",
            milliseconds(PAINT_S), PAINT_S / paint,
        ),
        Row(f"{each}, p95", milliseconds(p95), "promised", milliseconds(INTERACTION_S), INTERACTION_S / p95),
        Row(f"{each}, median", milliseconds(statistics.median(times))),
        Row(f"{name} in Chromium: points in the largest figure", f"{taken.points:,}", "promised", f"{POINTS:,}"),
    ]  # fmt: skip


def _rows(taken: Taken, name: str) -> list[Row]:
    work, page = [one.work for one in taken.interactions.values()], f"{name} in Chromium: Overview"
    each = f"{name} in Chromium: {len(work)} interactions"
    slowest = max(taken.interactions, key=lambda what: taken.interactions[what].seconds)
    server = statistics.median(one.server for one in taken.interactions.values())
    return [
        *promised(taken, name),
        Row(f"{page}, all of it drawn", milliseconds(statistics.median(taken.whole))),
        Row(f"{page}, work of server and browser", milliseconds(statistics.median(taken.work))),
        Row(f"{each}, work, p95", milliseconds(_p95(work))),
        Row(f"{each}, work, median", milliseconds(statistics.median(work))),
        Row(f"{each}, work of the server, median", milliseconds(server)),
        Row(
            f"{name}: the slowest interaction ({slowest})", milliseconds(taken.interactions[slowest].seconds)
        ),
        Row(f"{name}: memory of the server, at most", f"{taken.peak_bytes / 1e6:.0f} MB"),
    ]


def _compared(small: Sequence[Taken], large: Sequence[Taken]) -> list[Row]:
    """Work on the large lake over that on the small, medians over rounds: of each interaction, and of all."""
    rows, ratios, servers = [], [], []
    for name in small[0].interactions:
        few, many = ([taken.interactions[name] for taken in rounds] for rounds in (small, large))
        less, more = (statistics.median(one.work for one in each) for each in (few, many))
        of_it, of_more = (statistics.median(one.server for one in each) for each in (few, many))
        what = f"{name}, work on the large lake (of it the server {milliseconds(of_more)})"
        theirs = f"{milliseconds(less)} ({milliseconds(of_it)})"
        rows.append(Row(what, milliseconds(more), "the small lake", theirs, less / more))
        ratios.append(more / less)
        servers.append((of_more, of_it))
    less, more = (
        statistics.median(work for taken in rounds for work in taken.work) for rounds in (small, large)
    )
    limit = f"{LARGER_RATIO}×"
    all_of = sum(more for more, _ in servers) / sum(less for _, less in servers)
    return [
        *rows,
        Row("Overview opened, the large lake over the small", f"{more / less:.2f}×", "promised", limit),
        Row(
            f"{len(ratios)} interactions, the large lake over the small, median and highest",
            f"{statistics.median(ratios):.2f}× and {max(ratios):.2f}×", "promised", limit,
        ),
        Row("all interactions, of it the server's work, the large lake over the small", f"{all_of:.2f}×"),
    ]  # fmt: skip


def _p95(seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


if __name__ == "__main__":
    main()
