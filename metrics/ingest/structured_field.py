"""Structured-field dictionaries (RFC 8941, RFC 9651) member by member, so that one bad member stays alone.

Values are ``http_sf``'s: a string is ``str``, a token ``http_sf.Token``, an item ``(value, params)`` and an
inner list ``(items, params)``.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import http_sf

__all__ = ["Member", "as_json", "bare", "parse_member", "split_members"]


@dataclass(frozen=True)
class Member:
    """A dictionary member: its value as a Python value, or what is wrong with its syntax."""

    key: str
    value: Any = None
    fault: str = ""
    json: bool = False


def parse_member(segment: str) -> Member:
    """One member of a dictionary: a key, or a key and its value.

    >>> parse_member("br=(3000;v)").value
    ([(3000, {'v': True})], {})
    """
    try:
        parsed = http_sf.parse(segment.encode(errors="surrogateescape"), tltype="dict")
    except http_sf.StructuredFieldError as error:
        key = re.match(r"[a-z*][a-z0-9_.*-]*", segment)
        return Member(key.group() if key else "", fault=f"not a structured field: {error}")
    if not isinstance(parsed, dict) or len(parsed) != 1:
        return Member("", fault="not a structured field: a member is empty")
    ((name, value),) = parsed.items()
    return Member(name, value)


def split_members(text: str) -> list[str]:
    """Split at the commas between members, which are not those inside strings and inner lists."""
    text = text.strip(" ")
    if not text:
        return []
    if text.startswith("\t"):
        return [""]  # a tab may stand around a comma only
    parts = text.split(",")
    if _NO_COMMA_IN_STRINGS.fullmatch(text):
        return [part.strip(" \t") for part in parts]
    segments: list[str] = []
    at = -1
    while at < len(text):
        segment = _SEGMENT.match(text, at + 1)
        assert segment is not None  # it matches nothing at all, too
        segments.append(segment.group().strip(" \t"))
        at = segment.end()
    return segments


# Possessive, so that a hostile line costs no more than its length.
_NO_COMMA_IN_STRINGS = re.compile(r'[^"\\]*+(?:"[^",\\]*+"[^"\\]*+)*+')
_SEGMENT = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+"?)*+')


def bare(value: Any) -> Any:
    """A value without its parameters, parsed or as JSON."""
    if isinstance(value, dict):
        return value.get("value")
    return value[0] if isinstance(value, tuple) else value


def as_json(value: Any) -> Any:
    """A structured-field value as JSON: ``{value, params}`` where it has parameters, lists as arrays."""
    if isinstance(value, tuple):
        plain = as_json(value[0])
        return {"value": plain, "params": {k: as_json(v) for k, v in value[1].items()}} if value[1] else plain
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, (http_sf.Token, http_sf.DisplayString)):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return value
