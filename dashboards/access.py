"""Who reads, and what they may see: decided on the server, before any figure is read.

Without a provider of identities in ``secrets.toml`` the server, which listens on loopback alone, serves whoever sits at
the machine. With one (OpenID Connect, ``[auth]``) a reader signs in, and ``[roles]`` says what their address may see::

    [roles]
    viewer = ["*@example.org"]
    finance = ["cfo@example.org"]

Figures in money are for finance: for others they are not computed, so they are in nothing that is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import streamlit as st

from metrics.errors import InputError

__all__ = ["ROLES", "Reader", "reader", "roles_of", "sign_out"]

ROLES = ("viewer", "finance")


@dataclass(frozen=True)
class Reader:
    """Who looks: ``name`` is null where nobody has to sign in."""

    name: str | None
    roles: frozenset[str]

    @property
    def sees_finance(self) -> bool:
        return "finance" in self.roles


def roles_of(email: str | None, is_verified: bool, mapping: Mapping[str, Any]) -> frozenset[str]:
    """The roles that ``mapping`` (role: patterns of addresses) gives to an address; finance brings viewer.

    An address that its provider has not verified has none. Raises :class:`~metrics.errors.InputError` for a role
    that does not exist or patterns that are no list of texts.
    """
    for role, patterns in mapping.items():
        if role not in ROLES:
            raise InputError(
                f"no role {role!r}", where="[roles] of secrets.toml", mend=f"use {', '.join(ROLES)}"
            )
        if not isinstance(patterns, Sequence) or isinstance(patterns, str):
            raise InputError(
                f"{role} is no list", where="[roles] of secrets.toml", mend='write ["someone@example.org"]'
            )
    if not email or not is_verified:
        return frozenset()
    address = email.casefold()
    found = {
        role
        for role, patterns in mapping.items()
        if any(fnmatchcase(address, str(pattern).casefold()) for pattern in patterns)
    }
    return frozenset(found | ({"viewer"} if "finance" in found else set()))


def reader() -> Reader:
    """Who reads this page; one who has to sign in first, or may see nothing, is told so and the page ends here."""
    secrets = _secrets()
    if "auth" not in secrets:
        return Reader(None, frozenset(ROLES))
    if not st.user.is_logged_in:
        _sign_in(secrets["auth"])
        st.stop()
    email = st.user.get("email")
    roles = roles_of(
        str(email) if email else None, st.user.get("email_verified") is not False, secrets.get("roles", {})
    )
    if not roles:
        st.header("You are signed in, and may see nothing here", anchor=False)
        st.caption("Whoever runs this server gives roles to addresses, under [roles] of its secrets.toml.")
        st.button("Sign out", on_click=st.logout)
        st.stop()
    return Reader(str(email), roles)


def sign_out(who: Reader) -> None:
    """In the sidebar: who is signed in, and the way out."""
    if who.name is None:
        return
    with st.sidebar, st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{who.name} · {'finance' if who.sees_finance else 'viewer'}")
        st.button("Sign out", on_click=st.logout, type="tertiary")


def _sign_in(auth: Mapping[str, Any]) -> None:
    st.header("Playhead", anchor=False)
    st.caption("What viewers were promised, what an hour costs, and what moves either. Sign in to look.")
    providers = [name for name, given in auth.items() if isinstance(given, Mapping)]
    if not providers:
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    for name in providers:
        st.button(
            f"Sign in with {name}", icon=":material/login:", on_click=st.login, args=(name,), key=f"by-{name}"
        )


def _secrets() -> Mapping[str, Any]:
    """The secrets, if there are any. A file that cannot be read lets nobody in, rather than everybody."""
    if st.secrets.load_if_toml_exists():
        return st.secrets.to_dict()
    if any(Path(path).exists() for path in st.get_option("secrets.files")):
        raise InputError("secrets.toml cannot be read", mend="mend it and start the dashboard again")
    return {}
