"""Data of figures to take away: written when it is asked for, at an address that its reader alone has been told."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

import streamlit as st

__all__ = ["FOLDER", "found", "offered"]

FOLDER: Final = "figures/data"
"""Where the site serves them, from its root."""
_MOST = 200  # of one reader; who has looked at more figures since has to draw one anew


class _Offers:
    """What one reader has been offered; gone when the reader's session is."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(16)
        self.by_name: OrderedDict[str, Callable[[], bytes]] = OrderedDict()


_READERS: WeakValueDictionary[str, _Offers] = WeakValueDictionary()


def offered(name: str, write: Callable[[], bytes]) -> str:
    """The address, beside every page, of a file of that name; ``write`` makes it when it is asked for."""
    state = st.session_state
    if "_offers" not in state:
        state["_offers"] = _Offers()
    offers: _Offers = state["_offers"]
    _READERS[offers.secret] = offers
    offers.by_name[name] = write
    offers.by_name.move_to_end(name)
    while len(offers.by_name) > _MOST:
        offers.by_name.popitem(last=False)
    return f"{FOLDER}/{offers.secret}/{name}"


def found(secret: str, name: str) -> bytes | None:
    """The file that a reader was offered at that address; null where nobody was."""
    offers = _READERS.get(secret)
    write = offers.by_name.get(name) if offers else None
    return write() if write else None
