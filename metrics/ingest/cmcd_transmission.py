"""How one line carries CMCD: a query argument, the four headers, JSON, or a bare dictionary (CTA-5004-B, 3)."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote, unquote_plus

from metrics.ingest.cmcd_decode import Decoded, Issue, decode, decode_headers, decode_json, refused
from metrics.ingest.cmcd_keys import HEADERS

__all__ = [
    "cmcd_argument",
    "decode_argument",
    "decode_line",
    "header_fields",
    "headers_win",
    "is_event",
    "is_header",
    "json_headers",
    "json_object",
    "url_decoded",
]

_HEADER = re.compile(r"(?i)\b(CMCD-(?:Object|Request|Session|Status))[\"']?\s*[:=]\s*")
_ARGUMENT = re.compile(r"(?:[?&]|^)CMCD=([^&#\s\"'<>]*)")
_EVENT = re.compile(r"(?:^|,)\s*(?:e|ts)=")
_ESCAPES = [(f"%{ord(character):02X}", character) for character in ',="() ;/:']


def decode_line(text: str, mode: str = "auto") -> Decoded:
    """Decode the CMCD of one line that carries it as ``mode`` says.

    ``auto`` takes the line for a bare dictionary where it is one, and else goes by what it looks like.

    >>> decode_line("/seg.m4v?CMCD=br%3D3000").accepted
    {'br': 3000}
    """
    if mode == "auto":
        decoded = decode(text)
        if decoded.ok and not is_event(text):
            return decoded
        mode = "event" if decoded.ok else _mode_of(text)
    if mode == "query":
        return decode_argument(text) or refused("no CMCD query argument")
    if mode == "headers":
        row = json_object(text)
        headers = header_fields(text) if row is None else json_headers(row)
        if not headers and row != {}:
            return refused("no CMCD header")
        return headers_win(decode_headers(headers), text)
    if mode == "json":
        row = json_object(text)
        return decode_json(row) if row is not None else refused("not a JSON object")
    return decode(text, mode="event" if mode == "event" else "request")


def _mode_of(text: str) -> str:
    row = json_object(text)
    if row is not None:
        return "headers" if json_headers(row) else "json"
    if header_fields(text):
        return "headers"
    if cmcd_argument(text) is not None:
        return "query"
    return "event" if is_event(text) else "dictionary"


def decode_argument(text: str) -> Decoded | None:
    argument = cmcd_argument(text)
    if argument is None:
        return None
    decoded = decode(argument)
    if text.count("CMCD=") > 1 and len(_ARGUMENT.findall(text)) > 1:
        twice = Issue("", "error", "more than one CMCD query argument; the first counts")
        return decoded._replace(issues=(*decoded.issues, twice))
    return decoded


def cmcd_argument(url: str) -> str | None:
    """The decoded ``CMCD`` query argument of a URL or query string; None without one.

    >>> cmcd_argument("https://cdn.example/seg.m4v?a=1&CMCD=br%3D3000%2Csu")
    'br=3000,su'
    """
    match = _ARGUMENT.search(url)
    return url_decoded(match.group(1)) if match else None


def header_fields(text: str) -> dict[str, str]:
    """The ``CMCD-*`` headers in a line of text, quoted or not; a header given twice is joined, as HTTP does.

    >>> header_fields("{CMCD-Request: 'su', CMCD-Object: 'ot=m'}")
    {'CMCD-Request': 'su', 'CMCD-Object': 'ot=m'}
    """
    if "cmcd-" not in text.lower():
        return {}
    starts = list(_HEADER.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    fields: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=False):
        value = text[start.end() : end].strip()
        value = value.rstrip(" \t,;}") if value[:1] not in ("'", '"') else value[1 : value.rfind(value[0])]
        name = next(known for known in HEADERS if known.lower() == start.group(1).lower())
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def json_headers(row: dict[str, Any]) -> dict[str, str]:
    nested = [row[name] for name in ("headers", "request_headers", "requestHeaders") if name in row]
    places = [row, *(place for place in nested if isinstance(place, dict))]
    known = {name.lower(): name for name in HEADERS}
    return {
        known[name.lower()]: ",".join(value) if isinstance(value, list) else value
        for place in places
        for name, value in place.items()
        if name.lower() in known and _is_field(value)
    }


def _is_field(value: Any) -> bool:
    """Whether it is a header field's value; some servers log a list, since a field may be given twice."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))


def headers_win(decoded: Decoded, target: str) -> Decoded:
    if not _ARGUMENT.search(target):
        return decoded
    both = Issue("", "warning", "a CMCD query argument stands beside CMCD headers; it is ignored (6.8)")
    return decoded._replace(issues=(*decoded.issues, both))


def json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def url_decoded(argument: str) -> str:
    """URL-decoded, by the rules of HTML forms (4.1 item 11); once more where a CDN has encoded what was encoded."""
    once = argument.replace("+", " ")
    # The escapes that make up most of it; what they leave, if anything, is decoded the long way.
    for escape, character in _ESCAPES:
        if "%" not in once:
            break
        once = once.replace(escape, character)
    if "%" in once:
        once = unquote(once)
    # Without an equals sign a set is keys alone, and no key has a percent sign.
    return unquote_plus(once) if "%" in once and "=" not in once else once


def is_event(text: str) -> bool:
    """Whether a dictionary has a key that only an event has."""
    return bool(_EVENT.search(text))


def is_header(text: str, at: int) -> bool:
    """Whether the name of a ``CMCD-*`` header stands there."""
    return bool(_HEADER.match(text, at))
