"""Data to take away: found at the address that a reader was told, by nobody else, and while the reader stays."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import pytest
import streamlit as st

from dashboards.downloads import FOLDER, found, offered


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The session of a reader."""
    mine: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", mine)
    return mine


def parts(address: str) -> tuple[str, str]:
    folder, secret, name = address.rsplit("/", 2)
    assert folder == FOLDER
    return secret, name


def test_what_is_offered_is_written_when_it_is_asked_for(state: dict[str, Any]) -> None:
    asked: list[int] = []

    def write() -> bytes:
        asked.append(1)
        return b"a,b\n1,2\n"

    secret, name = parts(offered("tree.csv", write))
    assert name == "tree.csv"
    assert asked == []
    assert found(secret, name) == b"a,b\n1,2\n"
    # What is drawn anew is what is taken away from then on, at the address that is known.
    assert parts(offered("tree.csv", lambda: b"later")) == (secret, name)
    assert found(secret, name) == b"later"


def test_nothing_is_found_that_was_not_offered(state: dict[str, Any]) -> None:
    secret, name = parts(offered("tree.csv", lambda: b"mine"))
    assert found(secret, "other.csv") is None
    assert found(secret[:-1], name) is None
    state.clear()
    other, _ = parts(offered("other.csv", lambda: b"of another reader"))
    assert other != secret
    assert found(other, name) is None


def test_what_was_offered_goes_with_the_session(state: dict[str, Any]) -> None:
    secret, name = parts(offered("tree.csv", lambda: b"mine"))
    state.clear()
    gc.collect()
    assert found(secret, name) is None


def test_a_reader_s_oldest_offers_go_first(state: dict[str, Any]) -> None:
    told = [parts(offered(f"{i}.csv", partial(bytes, i))) for i in range(300)]
    left = [found(secret, name) is not None for secret, name in told]
    assert 100 <= sum(left) < 300
    assert left == sorted(left)
