"""Signing in at a provider of identities on loopback, and what readers of each role are sent."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from playhead.serving import free_port
from tests.dashboards import lakes

pytest.importorskip("playwright")
pytest.importorskip("oidc_provider_mock")
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, Page, WebSocket

from benchmarks.browser import Served, opened, served, settled

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium"),
    # The provider of the test runs in this process: its use of what Authlib will drop is not ours to mend.
    pytest.mark.filterwarnings("ignore"),
]

PORT = 8970
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "a secret of thirty-two bytes and more"
client_id = "playhead"
client_secret = "of the test alone"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"

[roles]
viewer = ["*@example.org"]
finance = ["cfo@example.org"]
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("sign-in")
    lake = lakes.shown() or lakes.emulated(folder / "lake")
    users = [
        User(sub=name, claims={"email": f"{name}@{place}", "email_verified": True})
        for name, place in (
            ("cfo", "example.org"),
            ("anyone", "example.org"),
            ("stranger", "elsewhere.example"),
        )
    ]
    port = free_port(PORT)
    with run_server_in_thread(user_claims=users) as provider:
        secrets = folder / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir()
        secrets.write_text(SECRETS.format(port=port, provider=provider.server_port))
        with served(lake, folder=folder, port=port) as where:
            yield where


def sent(page: Page) -> list[bytes]:
    """Everything that the server will have sent to the page by its socket."""
    frames: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on(
            "framereceived", lambda data: frames.append(data if isinstance(data, bytes) else data.encode())
        )

    page.on("websocket", listen)
    return frames


def signed_in(page: Page, address: Served, name: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.locator(f"button[name=sub][value={name}]").click()
    page.wait_for_url(f"{address}/**")
    page.get_by_role("button", name="Sign out").wait_for()
    settled(page)


def test_nothing_is_shown_before_signing_in(browser: Browser, address: Served) -> None:
    page = browser.new_context().new_page()
    frames = sent(page)
    opened(page, f"{address}/economics")
    assert page.get_by_role("button", name="Sign in").is_visible()
    assert b"subscriber-month" not in b"".join(frames)
    page.context.close()


def test_finance_sees_money_and_a_viewer_is_sent_none(browser: Browser, address: Served) -> None:
    seen: dict[str, bytes] = {}
    for name in ("cfo", "anyone"):
        page = browser.new_context().new_page()
        frames = sent(page)
        signed_in(page, address, name)
        assert "The promise is" in page.get_by_test_id("stMain").inner_text()
        for view in (
            "economics", "explore", "explore?metric=Cost+per+stream+hour", "explore?lens=Map", "delivery", "trust",
            "objectives", "incidents", "discovery", "experiments",
        ):  # fmt: skip
            opened(page, f"{address}/{view}")
        seen[name] = b"".join(frames)
        page.context.close()
    for words in (
        b"Cost per stream hour $",
        b"to deliver",
        b"margin per 1,000 stream hours",
        b"Unit-cost tree",
    ):
        assert words in seen["cfo"]
        assert words not in seen["anyone"]
    # As pages write one; a dollar sign before a hash is the wire's own.
    amount = re.compile(rb"\$\d[\d,]*(?:\.\d+| [kMBT]\b)")
    assert len(amount.findall(seen["cfo"])) > 50
    assert amount.findall(seen["anyone"]) == []
    assert b"need the role finance" in seen["anyone"]
    assert b"need the role finance" not in seen["cfo"]


def test_a_stranger_is_signed_in_and_sees_nothing(browser: Browser, address: Served) -> None:
    page = browser.new_context().new_page()
    frames = sent(page)
    signed_in(page, address, "stranger")
    assert "You are signed in, and may see nothing here" in page.get_by_test_id("stMain").inner_text()
    assert b"The promise is" not in b"".join(frames)
    page.context.close()


def test_signing_out_ends_it(browser: Browser, address: Served) -> None:
    page = browser.new_context().new_page()
    signed_in(page, address, "anyone")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="End session").click()  # the provider asks
    page.goto(address)
    page.get_by_role("button", name="Sign in").wait_for()
    page.context.close()
