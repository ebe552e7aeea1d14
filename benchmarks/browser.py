"""The dashboard in a real browser: a server of a lake on loopback, and the Chromium that the system has."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from playhead.serving import HOST, free_port, server_command

__all__ = ["Served", "Theme", "chromium", "opened", "readers", "served", "settled"]

Theme = Literal["light", "dark"]


class Served(str):
    """The address of a server, and its process."""

    pid: int


ROOT = Path(__file__).parent.parent
_START_S = 120.0
# No traffic of the browser's own: what is seen on the wire is the page's.
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
)  # fmt: skip
# The script has run, nothing is a placeholder, every figure in sight is drawn.
_IDLE = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  return app && app.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid="stSkeleton"]')
    && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(chart => {
      const { width, top, bottom } = chart.getBoundingClientRect();
      return chart.querySelector('.main-svg') || !width || bottom < 0 || top > innerHeight;
    })
}"""


@contextmanager
def served(
    lake: Path, *, environment: Mapping[str, str] | None = None, folder: Path = ROOT, port: int = 8900
) -> Iterator[Served]:
    """The dashboard of ``lake``, as the address of a server that goes when the block ends."""
    port = free_port(port)
    child = subprocess.Popen(
        server_command(port),
        env={
            **os.environ,
            "PLAYHEAD_LAKE": str(lake.resolve()),
            "PYTHONPATH": str(ROOT),
            **(environment or {}),
        },
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    address = Served(f"http://{HOST}:{port}")
    address.pid = child.pid
    try:
        end = time.monotonic() + _START_S
        while True:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the dashboard's server did not start")
            time.sleep(0.1)
        yield address
    finally:
        child.terminate()
        child.wait()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium that the system has, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_path(), args=list(_QUIET))
        yield browser
        browser.close()


@contextmanager
def readers(count: int, *, width: int = 1440, height: int = 1000) -> Iterator[list[BrowserContext]]:
    """A window each of as many Chromiums with a profile, as a reader's: what it has fetched and compiled once it keeps.

    Other windows are private: they compile every script of a page anew, whenever it is opened.
    """
    with tempfile.TemporaryDirectory(prefix="playhead-profile-") as profiles, sync_playwright() as playwright:
        contexts = [
            playwright.chromium.launch_persistent_context(
                f"{profiles}/{nth}", executable_path=_path(), args=list(_QUIET),
                viewport={"width": width, "height": height},
            )
            for nth in range(count)
        ]  # fmt: skip
        yield contexts
        for context in contexts:
            context.close()


def opened(page: Page, address: str, *, timeout_s: float = 120) -> Page:
    """Go to ``address`` and wait until all of it is drawn."""
    page.goto(address)
    page.wait_for_selector(
        '[data-testid="stMain"] [data-testid="stElementContainer"]:visible', timeout=timeout_s * 1000
    )
    return settled(page, timeout_s=timeout_s)


def _path() -> str:
    path = shutil.which("chromium")
    if path is None:
        raise RuntimeError("no chromium: apt-get install chromium")
    return path


def settled(page: Page, *, timeout_s: float = 120) -> Page:
    """Wait until the page's script has run, its figures are drawn, and it stays so for a moment."""
    page.wait_for_function(_IDLE, timeout=timeout_s * 1000, polling=100)
    page.wait_for_timeout(250)
    page.wait_for_function(_IDLE, timeout=timeout_s * 1000, polling=100)
    return page
