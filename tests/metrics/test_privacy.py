"""Ids are hashed with the lake's key, addresses cut to their network."""

import stat
from pathlib import Path

import polars as pl
import pytest

from metrics.errors import LakeError
from metrics.privacy import (
    KEY_VARIABLE,
    hash_id,
    keyed_hash,
    load_or_create_key,
    replicate_of,
    scrub,
    scrub_addresses,
    truncate_address,
)


def test_keyed_hash_depends_on_the_key_and_keeps_nulls() -> None:
    ids = pl.Series(["alice", "bob", None, "alice"])
    one, other = keyed_hash(ids, b"k" * 32), keyed_hash(ids, b"x" * 32)
    assert one[0] == one[3] == hash_id("alice", b"k" * 32)
    assert one[2] is None
    assert one[0] != one[1]
    assert set(one.drop_nulls()).isdisjoint(other.drop_nulls())
    assert one.drop_nulls().str.contains(r"^[0-9a-f]{16}$").all()


def test_keyed_hash_of_no_rows() -> None:
    assert keyed_hash(pl.Series([], dtype=pl.String), b"k").to_list() == []
    assert keyed_hash(pl.Series([None], dtype=pl.String), b"k").to_list() == [None]


def test_key_is_private_stable_and_overridden_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    file = tmp_path / "_key"
    key = load_or_create_key(file)
    assert load_or_create_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    monkeypatch.setenv(KEY_VARIABLE, "a passphrase of any length " * 10)
    assert load_or_create_key(file) != key
    monkeypatch.setenv(KEY_VARIABLE, " ")
    with pytest.raises(LakeError, match="hash key is empty"):
        load_or_create_key(file)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("203.0.113.77:4711", "203.0.113.0"),
        ("2001:db8:abcd:12::1", "2001:db8:abcd::"),
        ("[2001:db8:abcd:12::1]", "2001:db8:abcd::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("-", None),
        ("999.1.1.1", None),
        ("", None),
    ],
)
def test_truncate_address(address: str, network: str | None) -> None:
    assert truncate_address(pl.Series([address])).to_list() == [network]


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("203.0.113.77 - - GET", "203.0.113.0 - - GET"),
        ('{"ip":"203.0.113.77"}', '{"ip":"203.0.113.0"}'),
        ("x=2001:db8:1:2::3,", "x=2001:db8:1::,"),
        ("at 12:30:01 v1.2.3", "at 12:30:01 v1.2.3"),
        ("203.0.113.77:443", "203.0.113.0:443"),
    ],
)
def test_scrub_addresses(text: str, scrubbed: str) -> None:
    assert scrub_addresses(text) == scrubbed


def test_replicate_is_the_first_byte_modulo_32_on_series_and_expressions() -> None:
    ids = pl.Series("id", ["00ff", "1f00", "20aa", "ff11", "zz", None])
    expected = [0, 31, 0, 31, None, None]
    assert replicate_of(ids).to_list() == expected
    assert ids.to_frame().select(replicate_of(pl.col("id")))["id"].to_list() == expected


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('203.0.113.78 - bob [xx] "GET /a" 200', '203.0.113.0 - - [xx] "GET /a" 200'),
        ('203.0.113.78 - bob smith [01/May/2026] "GET /a"', '203.0.113.0 - - [01/May/2026] "GET /a"'),
        ('203.0.113.78 - - [01/May/2026] "GET /a"', '203.0.113.0 - - [01/May/2026] "GET /a"'),
        ('sent "to bob" of [12] things', 'sent "to bob" of [12] things'),
    ],
)
def test_scrub_drops_the_user_even_where_the_time_is_broken(line: str, kept: str) -> None:
    assert scrub(line, b"k" * 32) == kept


@pytest.mark.parametrize("at", ["@", "%40", "%2540"])
def test_scrub_hashes_email_addresses(at: str) -> None:
    scrubbed = scrub(f"user=carol.x+tv{at}mail.example.com&br=3200", b"k" * 32)
    assert "carol" not in scrubbed
    assert scrubbed.endswith("&br=3200")
