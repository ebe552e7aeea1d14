"""Structured-field dictionaries (RFC 8941, RFC 9651) member by member, so that one bad member stays alone.

Values are ``http_sf``'s: a string is ``str``, a token ``http_sf.Token``, an item ``(value, params)`` and an
inner list ``(items, params)``. What players commonly write is read here, as the library would; the rest by it.
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

__all__ = [
    "Member",
    "as_json",
    "bare",
    "is_deep",
    "parse_any",
    "parse_common",
    "parse_member",
    "split_members",
]

_DEEPEST = 4


@dataclass(frozen=True, slots=True)
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
    return parse_common(segment) or parse_any(segment)


def parse_common(segment: str) -> Member | None:
    """A member of a shape that players write, many times faster than the library; None for any other.

    It accepts nothing that :func:`parse_any` does not, and says the same of what it accepts.
    """
    match = _COMMON.fullmatch(segment)
    if match is None:
        return None
    kind, text = match.lastgroup, match[match.lastgroup or "key"]
    value: Any
    if kind == "key":
        value = True
    elif kind == "integer":
        value = int(text)
    elif kind == "string":
        value = text
    elif kind == "token":
        value = http_sf.Token(text)
    elif kind == "decimal":
        value = Decimal(text)
    elif kind == "boolean":
        value = text == "1"
    elif kind == "integers":
        value = [_integer(item) for item in text.split()]
    else:
        value = [(item, {}) for item in _STRINGS.findall(text)]
    return Member(match["key"], (value, {}))


def _integer(item: str) -> tuple[int, dict[str, bool]]:
    number, *params = item.split(";")
    return int(number), dict.fromkeys(params, True)


def parse_any(segment: str) -> Member:
    """One member of a dictionary, whatever it is, by the library."""
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
_STRING = r'"([ !#-\[\]-~]*+)"'
_INTEGERS = r"-?[0-9]{1,15}+(?:;[a-z]{1,2}+)*+"
_COMMON = re.compile(
    r"(?P<key>[a-z*][a-z0-9_.*-]*+)(?:=(?:"
    r"(?P<decimal>-?[0-9]{1,12}+\.[0-9]{1,3}+)|(?P<integer>-?[0-9]{1,15}+)"
    r'|"(?P<string>[ !#-\[\]-~]*+)"|\?(?P<boolean>[01])'
    r"|(?P<token>[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*+)"
    rf"|\((?:(?P<integers>{_INTEGERS}(?: ++{_INTEGERS})*+)|(?P<strings>{_STRING}(?: ++{_STRING})*+))\)))?"
)
_STRINGS = re.compile(_STRING)
_NO_COMMA_IN_STRINGS = re.compile(r'[^"\\]*+(?:"[^",\\]*+"[^"\\]*+)*+')
_SEGMENT = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+"?)*+')


def bare(value: Any) -> Any:
    """A value without its parameters, parsed or as JSON."""
    if isinstance(value, dict):
        return value.get("value")
    return value[0] if isinstance(value, tuple) else value


def is_deep(value: Any, levels: int = _DEEPEST) -> bool:
    """Whether parsed JSON is nested deeper than an inner list of items with parameters can be."""
    if not isinstance(value, (list, dict)):
        return False
    inside = value if isinstance(value, list) else value.values()
    return levels == 0 or any(is_deep(item, levels - 1) for item in inside)


def as_json(value: Any) -> Any:
    """A structured-field value as JSON: ``{value, params}`` where it has parameters, lists as arrays."""
    if isinstance(value, tuple):
        plain = as_json(value[0])
        return {"value": plain, "params": {k: as_json(v) for k, v in value[1].items()}} if value[1] else plain
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
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
