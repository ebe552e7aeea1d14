"""Ground rules of the test suite: no network beyond loopback, no settings from the caller's machine."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

# Examples are drawn from the test's own name, so that a run on one machine fails like a run on another.
hypothesis.settings.register_profile("playhead", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("playhead")

# Tools that integration tests call, and the command that brings each.
TOOLS = {
    "promtool": "apt-get install prometheus",
    "java": "apt-get install default-jre-headless",
    "chromium": "apt-get install chromium",
}

_left_out = pytest.StashKey[int]()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("PLAYHEAD_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """A connection that would leave the machine fails the test that tries it."""
    connect = socket.socket.connect

    def connect_on_loopback(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            self.close()
            raise AssertionError(f"a test tried to reach {address[0]}; tests stay on loopback")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_on_loopback)
        yield


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("integration"):
            stash = item.config.stash
            stash[_left_out] = stash.get(_left_out, 0) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # only workers see what was deselected
        session.config.workeroutput["left_out"] = session.config.stash.get(_left_out, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    stash = node.config.stash
    stash[_left_out] = max(stash.get(_left_out, 0), getattr(node, "workeroutput", {}).get("left_out", 0))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    count = config.stash.get(_left_out, 0)
    if not count:
        return
    terminalreporter.section("left out")
    terminalreporter.line(f"{count} integration tests; run them with: make integration")
    for tool, install in TOOLS.items():
        if not shutil.which(tool):
            terminalreporter.line(f"  {tool} is missing here; to have it: {install}")
