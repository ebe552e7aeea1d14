"""Who watched is nobody's business: ids are keyed-hashed and addresses truncated before anything is stored.

The key never leaves the lake's folder (or the environment variable ``PLAYHEAD_HASH_KEY``), so a stored id
can be joined within a lake but not traced back, nor matched with another lake's.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl

from metrics.errors import LakeError
from metrics.files import write_once
from metrics.telemetry import REPLICATES

__all__ = [
    "KEY_VARIABLE",
    "hash_id",
    "key_fingerprint",
    "keyed_hash",
    "load_or_create_key",
    "replicate_of",
    "scrub",
    "scrub_addresses",
    "scrub_rows",
    "truncate_address",
]

KEY_VARIABLE = "PLAYHEAD_HASH_KEY"
_IPV4_PREFIX, _IPV6_PREFIX = 24, 48
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
)
# As it stands in dictionaries, JSON and URLs, encoded once or twice.
_SESSION_ID = re.compile(r"""(sid(?:\\?"\s*:\s*|=|%(?:25)?3D)(?:\\?["']|%(?:25)?22)?)([\w.~-]{1,128})""")
# Up to the bracket of the time, whatever is in it: it may be the time that is broken.
_LOG_USER = re.compile(r"^(\S+ \S+) [^\[\"]+ (\[)")
_EMAIL = re.compile(r"[\w.+-]+(?:@|%(?:25)?40)[\w-]+(?:\.[\w-]+)+")

_Strings = TypeVar("_Strings", pl.Series, pl.Expr)


def load_or_create_key(path: Path) -> bytes:
    """The secret that ids are hashed with: from ``PLAYHEAD_HASH_KEY``, else from the file ``path``.

    The file is created with mode 0600 where it is absent. Raises :class:`LakeError` for an empty key.
    """
    text = os.environ.get(KEY_VARIABLE)
    if text is None:
        if not path.exists():
            write_once(path, secrets.token_hex(32), mode=0o600)
        try:
            text = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LakeError("cannot read the hash key", where=str(path), mend=str(error)) from error
    if not text.strip():
        mend = f"set {KEY_VARIABLE} or restore the file from a backup"
        raise LakeError("the hash key is empty", where=str(path), mend=mend)
    # BLAKE2b takes at most 64 bytes of key; any length of passphrase is welcome.
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


def key_fingerprint(key: bytes) -> str:
    """Eight hex characters that tell keys apart and say nothing about them."""
    return hashlib.blake2b(b"fingerprint", key=key, digest_size=4).hexdigest()


def hash_id(value: str, key: bytes) -> str:
    """One id as it is stored: 16 hex characters of keyed BLAKE2b.

    >>> hash_id("alice", b"k" * 32) == hash_id("alice", b"k" * 32) != hash_id("alice", b"x" * 32)
    True
    """
    return hashlib.blake2b(value.encode(), key=key, digest_size=8).hexdigest()


def keyed_hash(series: pl.Series, key: bytes) -> pl.Series:
    """Ids as they are stored: strings in, 16 hex characters out; null stays null."""
    return _map_distinct(series.cast(pl.String), lambda value: hash_id(value, key))


def truncate_address(series: pl.Series) -> pl.Series:
    """IP addresses cut to their network: IPv4 to /24, IPv6 to /48; what is no address becomes null.

    >>> truncate_address(pl.Series(["203.0.113.77", "2001:db8:1:2::3", "-"])).to_list()
    ['203.0.113.0', '2001:db8:1::', None]
    """
    return _map_distinct(series.cast(pl.String), _truncated)


def scrub_addresses(text: str) -> str:
    """Free text with every IP address in it truncated, for lines that go to quarantine.

    >>> scrub_addresses('203.0.113.77 - "GET /a" for 2001:db8:1:2::3')
    '203.0.113.0 - "GET /a" for 2001:db8:1::'
    """
    return _ADDRESS.sub(lambda match: _truncated(match.group()) or match.group(), text)


def scrub(text: str, key: bytes) -> str:
    """A line of a log as it may be kept in quarantine.

    Addresses are truncated, CMCD session ids and e-mail addresses hashed as in the tables, and the user of an
    access log is gone.
    """
    named = _SESSION_ID.sub(lambda match: match.group(1) + hash_id(match.group(2), key), text)
    named = _EMAIL.sub(lambda match: hash_id(match.group(), key), named)
    return scrub_addresses(_LOG_USER.sub(r"\1 - \2", named, count=1))


def scrub_rows(rows: pl.Series, key: bytes) -> pl.Series:
    """Rows as they may be kept in quarantine: whatever column they stand in, addresses truncated, e-mails hashed."""
    return _map_distinct(
        rows, lambda text: scrub_addresses(_EMAIL.sub(lambda match: hash_id(match.group(), key), text))
    )


def replicate_of(ids: _Strings) -> _Strings:
    """Jackknife group 0..31 of hex ids: their first two characters as a number, modulo 32.

    >>> replicate_of(pl.Series(["00ab", "21ff", "zz", None])).to_list()
    [0, 1, None, None]
    """
    return ids.str.slice(0, 2).str.to_integer(base=16, strict=False) % REPLICATES


def _truncated(text: str) -> str | None:
    host = text.strip().strip("[]")
    if host.count(":") == 1:  # address:port
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    prefix = _IPV4_PREFIX if address.version == 4 else _IPV6_PREFIX
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address)


def _map_distinct(series: pl.Series, of_value: Callable[[str], str | None]) -> pl.Series:
    """Apply a Python function once a distinct value, not once a row."""
    distinct = series.drop_nulls().unique()
    mapped = pl.Series([of_value(value) for value in distinct], dtype=pl.String)
    return series.replace_strict(distinct, mapped, default=None, return_dtype=pl.String)
