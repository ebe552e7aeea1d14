"""Pages are run as scripts in this process, and must leave it as it was; in a browser, as a reader has them.

What needs a browser imports it when it is asked for: most tests of this folder do without.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dashboards import lakes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from benchmarks.browser import Served


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """A page becomes ``__main__``, which processes that a later test spawns would run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake that is shown in a browser."""
    return lakes.shown() or lakes.emulated(tmp_path_factory.mktemp("browser") / "lake", is_first=True)


@pytest.fixture(scope="session")
def address(lake: Path) -> Iterator[Served]:
    from benchmarks.browser import served

    with served(lake) as where:
        yield where


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from benchmarks.browser import chromium

    with chromium() as one:
        yield one


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="dark")
    yield context.new_page()
    context.close()
